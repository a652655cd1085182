/**
 * How much of what beanstalkd can take does the parser give it?
 *
 *   sender ──50 % matches──▶ the parser, the real program ──put──▶ beanstalkd, new for every trial
 *   bare client: the same bodies, written ready-made ──────put──▶ beanstalkd, new for every trial
 *
 * Puts per second are beanstalkd's own count over the time from its first to its last. Trials alternate in each round,
 * without a binlog and with one that is synced before every answer (-f0, as we run it).
 */

import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type Beanstalkd, startBeanstalkd } from "@logwarden/lab/parts/beanstalkd";
import { freePort, ownHost } from "@logwarden/lab/parts/loopback";
import { Program } from "@logwarden/lab/parts/program";
import { startService } from "@logwarden/lab/parts/service";
import { Connection } from "@logwarden/queue";
import { deviceTube } from "@logwarden/shared/tubes";
import type { Report } from "../report.ts";
import { showNumber, showSpread, spread } from "../statistics.ts";
import { pause, within } from "../wait.ts";
import type { BarePutting } from "./bare-putter.ts";
import { peekMany } from "./bare-queue.ts";
import { type Corpus, writeCorpus } from "./corpus.ts";
import { cpuSeconds } from "./cpu.ts";
import { device } from "./device.ts";
import { parserEnvironment } from "./our-process.ts";
import type { PartOptions } from "./part.ts";
import { send } from "./peers/peer.ts";

/** Seconds, not minutes: beanstalkd keeps every job in memory, and with -f0 a sync for each is the price. */
const linesMax = { memory: 1_000_000, binlog: 200_000 } as const;
const share = 0.5;
const aimShare = 0.9;
/** Bodies that the bare client repeats. */
const bodiesMax = 1024;
/** Often enough for a rate over seconds, seldom enough to be no load. */
const askEveryMs = 20;
const secondsMax = 300;

type Store = keyof typeof linesMax;
type Client = { kind: "ours"; window: number | undefined } | { kind: "bare"; window: number };

const clients: readonly (readonly [name: string, client: Client])[] = [
  ["ours, as it ships", { kind: "ours", window: undefined }],
  ["ours, window 8192", { kind: "ours", window: 8192 }],
  ["bare client, window 1024", { kind: "bare", window: 1024 }],
  ["bare client, window 8192", { kind: "bare", window: 8192 }],
];

interface Figures {
  puts: number;
  putsPerSecond: number;
  clientMicroseconds: number;
  queueMicroseconds: number;
}

interface Result {
  store: Store;
  name: string;
  client: Client;
  rounds: Figures[];
}

export async function measurePuts(options: PartOptions): Promise<Report> {
  const { rounds, directory, say, signal } = options;
  const results: Result[] = [];
  for (const store of ["memory", "binlog"] as const) {
    const corpusDirectory = `${directory}/puts-${store}`;
    mkdirSync(corpusDirectory);
    const lines = Math.min(options.lines, linesMax[store]);
    const corpus = await writeCorpus({ seed: options.seed, lines, share, directory: corpusDirectory }, signal);
    const some: Result[] = clients.map(([name, client]) => ({ store, name, client, rounds: [] }));
    for (let round = 1; round <= rounds; round++) {
      for (const result of some) {
        say(`parser puts: ${store}, round ${round} of ${rounds}: ${result.name}`);
        const figures = await measureTrial(store, result.client, corpus, corpusDirectory, signal);
        result.rounds.push(figures);
        say(`             ${showNumber(figures.putsPerSecond)} puts/s`);
      }
    }
    results.push(...some);
    rmSync(corpusDirectory, { recursive: true });
  }
  return report(results, rounds);
}

async function measureTrial(
  store: Store,
  client: Client,
  corpus: Corpus,
  directory: string,
  signal: AbortSignal,
): Promise<Figures> {
  await using stack = new AsyncDisposableStack();
  const binlogDirectory = `${directory}/binlog`;
  mkdirSync(binlogDirectory);
  stack.defer(() => rmSync(binlogDirectory, { recursive: true }));
  const queue = await startBeanstalkd(store === "binlog" ? { binlogDirectory } : {});
  stack.defer(() => queue.program.kill());
  const watching = await Connection.open({ host: queue.host, port: queue.port });
  stack.defer(() => watching.close());
  const bodies = `${directory}/bodies`;
  const part =
    client.kind === "ours"
      ? await startOurs(queue, client.window, corpus, directory, signal)
      : await startBare(queue, client.window, corpus.matches, bodies);
  stack.defer(() => part.program.kill());
  const before = { client: cpuSeconds(part.program.pid), queue: cpuSeconds(queue.program.pid) };
  // What is begun below would fail with nobody to hear it.
  signal.throwIfAborted();
  const rated = rate(watching, corpus.matches, signal);
  const [putsPerSecond] = await within(
    secondsMax,
    `${corpus.matches} puts`,
    Promise.all([rated, part.begin()]),
    signal,
  );
  const used = { client: cpuSeconds(part.program.pid), queue: cpuSeconds(queue.program.pid) };
  if (client.kind === "ours") await keepBodies(queue, Math.min(corpus.matches, bodiesMax), bodies);
  return {
    puts: corpus.matches,
    putsPerSecond,
    clientMicroseconds: ((used.client - before.client) / corpus.matches) * 1e6,
    queueMicroseconds: ((used.queue - before.queue) / corpus.matches) * 1e6,
  };
}

/** Puts per second, from the moment before the first to the last one. @throws when there is a put too many */
async function rate(watching: Connection, puts: number, signal: AbortSignal): Promise<number> {
  let startedAtMs = performance.now();
  for (;;) {
    const atMs = performance.now();
    const seen = Number((await watching.stats()).all.get("cmd-put"));
    if (seen === 0) startedAtMs = atMs;
    // A put that is repeated would make a rate that nobody reached.
    if (seen > puts) throw new Error(`expected ${puts} puts, beanstalkd counted ${seen}`);
    if (seen === puts) return puts / ((performance.now() - startedAtMs) / 1000);
    await pause(askEveryMs, signal);
  }
}

interface Part {
  program: Program;
  /** Lets it begin; resolves when it has given everything away. */
  begin(): Promise<void>;
}

async function startOurs(
  queue: Beanstalkd,
  window: number | undefined,
  corpus: Corpus,
  directory: string,
  signal: AbortSignal,
): Promise<Part> {
  const port = await freePort();
  const { program, said } = await startService({
    name: "parser",
    kind: "parser",
    env: {
      ...parserEnvironment(`${directory}/ours`, port),
      LOGWARDEN_QUEUES: queue.address,
      ...(window === undefined ? {} : { LOGWARDEN_UNANSWERED_PUTS_MAX: String(window) }),
    },
  });
  await said("queue.connected");
  const sending = { file: corpus.lf, host: ownHost, port, sources: [device.address] };
  return { program, begin: () => send(sending, signal) };
}

async function startBare(queue: Beanstalkd, window: number, count: number, bodies: string): Promise<Part> {
  const { host, port } = queue;
  const putting: BarePutting = { host, port, tube: deviceTube(device.key), bodies, count, window };
  const program = await Program.start({
    name: "bare client",
    command: process.execPath,
    args: [fileURLToPath(new URL("bare-putter.ts", import.meta.url)), JSON.stringify(putting)],
  });
  await program.line((line) => line === "ready");
  return {
    program,
    begin: async () => {
      program.signal("SIGUSR2");
      await program.line((line) => line === "done");
    },
  };
}

/** What the parser put, so that the bare client puts the same. */
async function keepBodies(queue: Beanstalkd, count: number, file: string): Promise<void> {
  const bodies: string[] = [];
  await peekMany(queue, count, (body) => bodies.push(body));
  writeFileSync(file, `${bodies.join("\n")}\n`, "latin1");
}

/** Ours of the better bare client in the same round. */
function shareOfBare(results: readonly Result[], mine: Result): number[] {
  const bare = results.filter(({ store, client }) => store === mine.store && client.kind === "bare");
  return mine.rounds.map(
    ({ putsPerSecond }, round) =>
      putsPerSecond / Math.max(...bare.map(({ rounds }) => rounds[round]?.putsPerSecond ?? 0)),
  );
}

const storeNames = { memory: "no binlog", binlog: "binlog, -f0" } as const;

function report(results: readonly Result[], rounds: number): Report {
  const percent = (values: readonly number[]): string =>
    `${showSpread(spread(values.map((value) => value * 100)), 0)} %`;
  const shipped = results.filter(({ client }) => client.kind === "ours" && client.window === undefined);
  const missed = shipped.filter((result) => spread(shareOfBare(results, result)).median < aimShare);
  return {
    name: "parser: puts",
    question: "How much of what beanstalkd can take does the parser give it?",
    answer:
      `${shipped.map((result) => `${percent(shareOfBare(results, result))} (${storeNames[result.store]})`).join(", ")} ` +
      `of what it takes from a bare pipelined client; the aim is ${aimShare * 100} %: ` +
      `${missed.length === 0 ? "reached" : `missed with ${missed.map(({ store }) => storeNames[store]).join(" and ")}`}.`,
    columns: [
      "50 % matches, with puts",
      "beanstalkd",
      "puts",
      "puts/s",
      "of the better bare client",
      "client CPU µs per put",
      "beanstalkd CPU µs per put",
    ],
    rows: results.map((result) => [
      result.name,
      storeNames[result.store],
      showNumber(result.rounds[0]?.puts ?? 0),
      showSpread(spread(result.rounds.map(({ putsPerSecond }) => putsPerSecond)), 0),
      result.client.kind === "ours" ? percent(shareOfBare(results, result)) : "",
      showSpread(spread(result.rounds.map(({ clientMicroseconds }) => clientMicroseconds)), 2),
      showSpread(spread(result.rounds.map(({ queueMicroseconds }) => queueMicroseconds)), 2),
    ]),
    more: [],
    notes: [
      `Median of ${rounds} rounds (min–max); every trial has a new beanstalkd, and none takes jobs out. Puts per second are by the clock on the wall, shares are taken within a round.`,
      "The bare client writes bodies that the parser put before, 64 in a write, and counts the answers: no line is read, no JSON made. It leaves a processor to beanstalkd that the parser shares with the sender of the lines.",
      "Our CPU per put holds two lines read, as every second one matches. Every put was counted by beanstalkd; none came twice.",
    ],
    figures: results,
  };
}
