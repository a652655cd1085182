/**
 * What does the parser hold while its queue is away, and does everything arrive when it is back?
 *
 *   1 000 connections ──attacks, lines half sent──▶ the parser, the real program ──✗── no beanstalkd, or one that is stopped
 *                                                                              └──▶ back: every line's task, once or again
 *
 * Two ways to be away: nobody listens on the queue's port; or beanstalkd is there and does not answer (SIGSTOP), which
 * looks like a network that swallows. The bound is the parser's own statement for its configuration.
 */

import { mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type Beanstalkd, startBeanstalkd } from "@logwarden/lab/parts/beanstalkd";
import { freePort, ownHost } from "@logwarden/lab/parts/loopback";
import { Program } from "@logwarden/lab/parts/program";
import { type LogLine, startService } from "@logwarden/lab/parts/service";
import { Connection } from "@logwarden/queue";
import type { Report } from "../report.ts";
import { showNumber } from "../statistics.ts";
import { pause, within } from "../wait.ts";
import { peekMany } from "./bare-queue.ts";
import { type Memory, memory, quiet } from "./cpu.ts";
import { parserEnvironment, readMetric } from "./our-process.ts";
import type { PartOptions } from "./part.ts";
import type { Soaking } from "./soak-sender.ts";

const ways = { unreachable: "nobody listens", stopped: "beanstalkd stopped (SIGSTOP)" } as const;
type Way = keyof typeof ways;

/** Each from a device of its own. */
const connections = 1000;
/** A burst of more than one read of 64 KiB for each connection, and then a trickle. */
const load = { connections, burst: 600, perSecond: 5 } as const;
/** How often the memory is looked at; the kernel's own maximum misses nothing. */
const lookEveryMs = 500;
/** For the backlog to be put, at a few thousand a second on a slow machine. */
const recoverSecondsMax = 300;

interface Figures {
  way: Way;
  lines: number;
  connectionsOpen: number;
  /** Why connections were refused, where they were; each loses its lines. */
  refusals: string[];
  idleBytes: number;
  /** The most that was resident while the queue was away, by the kernel. */
  awayBytesMax: number;
  /** The same, to the end. */
  bytesMax: number;
  /** What the parser itself says that it may grow to, by its settings. */
  boundBytes: number;
  /** Lines whose task arrived at least once. */
  arrived: number;
  /** Tasks that came again: the same id, which consumers count once. */
  again: number;
  samples: number[];
}

export async function measureSoak(options: PartOptions): Promise<Report> {
  const { soakSeconds, say } = options;
  const results: Figures[] = [];
  for (const way of Object.keys(ways) as Way[]) {
    say(`parser soak: ${ways[way]}: ${connections} connections, ${soakSeconds} s`);
    results.push(await soak(way, options));
  }
  return report(results, soakSeconds);
}

async function soak(way: Way, { soakSeconds, directory, say, signal }: PartOptions): Promise<Figures> {
  await using stack = new AsyncDisposableStack();
  const place = `${directory}/soak-${way}`;
  mkdirSync(place);
  const queuePort = await freePort();
  const startQueue = async (): Promise<Beanstalkd> => {
    const queue = await startBeanstalkd({ port: queuePort });
    stack.defer(() => queue.program.kill());
    return queue;
  };
  let queue = way === "stopped" ? await startQueue() : undefined;
  const port = await freePort();
  const env = {
    ...parserEnvironment(place, port, { devicesCount: connections }),
    LOGWARDEN_QUEUES: `${ownHost}:${queuePort}`,
    // Its bound is then one for as many connections as there are.
    LOGWARDEN_CONNECTIONS_MAX: String(connections),
    // As compose and systemd have it.
    LOGWARDEN_KEEP_CONNECTIONS: "yes",
  };
  const refusals: string[] = [];
  const onLog = ({ event, reason }: LogLine): void => {
    if (event === "connection.refused") refusals.push(String(reason));
  };
  const { program: keeper, said } = await startService({ name: "parser", kind: "parser", env, onLog });
  stack.defer(() => keeper.kill());
  const statusPort = Number((await said("service.started"))["statusPort"]);
  if (queue !== undefined) {
    await said("queue.connected");
    queue.program.signal("SIGSTOP");
  }
  const worker = keeper.childPid;
  const held = (): Memory => sum(memory(keeper.pid), memory(worker));
  await quiet(worker, signal);
  const idleBytes = held().residentBytes;
  const boundBytes = await readMetric(statusPort, "logwarden_memory_bytes_max");

  const lines = connections * (load.burst + load.perSecond * soakSeconds);
  const sender = await startSender({ host: ownHost, port, ...load, seconds: soakSeconds });
  stack.defer(() => sender.kill());
  const samples: number[] = [];
  const endAtMs = performance.now() + soakSeconds * 1000;
  while (performance.now() < endAtMs) {
    samples.push(held().residentBytes);
    await pause(lookEveryMs, signal);
  }
  const connectionsOpen = await readMetric(statusPort, "logwarden_connections");
  const awayBytesMax = held().residentBytesMax;

  say(`parser soak: ${ways[way]}: the queue is back`);
  if (queue === undefined) queue = await startQueue();
  else queue.program.signal("SIGCONT");
  const jobs = await arrival(
    queue,
    sender,
    { worker, statusPort, sample: () => samples.push(held().residentBytes) },
    signal,
  );
  const found = await look(queue, jobs);
  const bytesMax = held().residentBytesMax;
  return {
    ...{ way, lines, connectionsOpen, refusals, idleBytes, awayBytesMax, bytesMax, samples },
    boundBytes,
    arrived: found.users.size,
    again: jobs - found.ids.size,
  };
}

/** Pages that both have count twice. */
function sum(one: Memory, other: Memory): Memory {
  return {
    residentBytes: one.residentBytes + other.residentBytes,
    residentBytesMax: one.residentBytesMax + other.residentBytesMax,
  };
}

async function startSender(soaking: Soaking): Promise<Program> {
  return Program.start({
    name: "soak sender",
    command: process.execPath,
    args: [fileURLToPath(new URL("soak-sender.ts", import.meta.url)), JSON.stringify(soaking)],
  });
}

/** Resolves when the senders are done and the parser has put all that it took. @returns the number of jobs */
async function arrival(
  queue: Beanstalkd,
  sender: Program,
  { worker, statusPort, sample }: { worker: number; statusPort: number; sample: () => void },
  signal: AbortSignal,
): Promise<number> {
  const { code } = await within(recoverSecondsMax, "every line was taken", sender.ended, signal);
  if (code !== 0) throw new Error(`the soak's sender failed:\n${sender.lastWords}`);
  const giveUpAtMs = performance.now() + recoverSecondsMax * 1000;
  for (;;) {
    sample();
    await quiet(worker, signal);
    // What is missing when nothing is on its way any more shows as a number in the report.
    const unanswered = await readMetric(statusPort, "logwarden_puts_unanswered");
    if (unanswered === 0 || performance.now() > giveUpAtMs) break;
    await pause(lookEveryMs, signal);
  }
  const connection = await Connection.open({ host: queue.host, port: queue.port });
  try {
    return (await connection.stats()).totalJobs;
  } finally {
    await connection.close();
  }
}

async function look(queue: Beanstalkd, jobs: number): Promise<{ users: Set<string>; ids: Set<string> }> {
  const users = new Set<string>();
  const ids = new Set<string>();
  await peekMany(queue, jobs, (body) => {
    const { user, id } = JSON.parse(body) as { user: string; id: string };
    users.add(user);
    ids.add(id);
  });
  return { users, ids };
}

function report(results: readonly Figures[], seconds: number): Report {
  const mebibytes = (bytes: number): string => showNumber(bytes / 2 ** 20);
  const lost = results.filter(({ arrived, lines }) => arrived !== lines);
  const refusals = [...new Set(results.flatMap((one) => one.refusals))];
  const bound = Math.min(...results.map(({ boundBytes }) => boundBytes));
  const verdict = (when: string, most: number): string =>
    `${mebibytes(most)} MiB ${when} (${most <= bound ? "kept" : "BROKEN"})`;
  return {
    name: "parser: soak",
    question: "What does the parser hold while its queue is away, and does everything arrive when it is back?",
    answer:
      `With ${showNumber(connections)} connections and a bound of ${mebibytes(bound)} MiB: at most ` +
      `${verdict("while the queue is away", Math.max(...results.map(({ awayBytesMax }) => awayBytesMax)))}, ` +
      `${verdict("until all had arrived", Math.max(...results.map(({ bytesMax }) => bytesMax)))}. ` +
      `${lost.length === 0 ? "Every line's task arrived." : `LOST: ${lost.map(({ way, lines, arrived }) => `${showNumber(lines - arrived)} of ${showNumber(lines)} (${ways[way]})`).join(", ")}.`}` +
      `${refusals.length === 0 ? "" : ` Connections were refused: ${refusals.join(", ")}.`}`,
    columns: [
      "the queue is away",
      "connections",
      "lines",
      "idle MiB",
      "most MiB while away",
      "most MiB to the end",
      "bound MiB",
      "lines whose task arrived",
      "tasks put again",
    ],
    rows: results.map((one) => [
      ways[one.way],
      showNumber(one.connectionsOpen),
      showNumber(one.lines),
      mebibytes(one.idleBytes),
      mebibytes(one.awayBytesMax),
      mebibytes(one.bytesMax),
      mebibytes(one.boundBytes),
      showNumber(one.arrived),
      showNumber(one.again),
    ]),
    more: [],
    notes: [
      `The queue is away for ${seconds} s. Each connection sends ${load.burst} attacks at once and ${load.perSecond} more each second, cut in the middle of a line; half of them count octets. Every line has a user of its own and is looked for in beanstalkd at the end.`,
      "The bound is the parser's own word (its metric memory_bytes_max) for its settings; they allow as many connections as there are, all else is as compose and systemd have it.",
      "Resident memory of the parser and of its keeper, added; the most of each by the kernel's count (VmHWM). What waits in the sockets' buffers is the kernel's and the senders', not in it.",
      "A task whose answer never came is put again with the same id, and counts once: it is in the last column and not in the one before.",
    ],
    figures: results,
  };
}
