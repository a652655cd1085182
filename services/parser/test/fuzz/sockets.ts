/**
 * The fuzzer against the parser as it runs: a process of its own, real sockets, a real beanstalkd.
 *
 *   a round: some dozens of hostile connections at once ──▶ all have ended ──▶ the counters say what was predicted
 *
 * The prediction is made by the very framer and header reader, in process, fed with whole streams: what is tested here is all
 * around them. Beside the hostile, three well-behaved connections live through all rounds; each of their lines is one task,
 * exactly. In one round of four the hostile end as they like, by resets and in the middle: then counters have bounds only.
 */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { Consumer, parseNodeAddress } from "@logwarden/queue";
import { parseTask } from "@logwarden/shared/task";
import { deviceTube } from "@logwarden/shared/tubes";
import { parseProxyHeader } from "../../src/receive/proxy-protocol.ts";
import { attack, type Balancer, type Framing, frames } from "../balancer.ts";
import { freshRecognizer, inventory, ParserInProcess, pushAll } from "../properties-parser.ts";
import { branch, edge, type Rig, startRig, until } from "../rig.ts";
import { Random } from "./random.ts";
import { makeHeader, makeStream } from "./streams.ts";

const perRound = 40;
/** config.ts, memoryBytesMax, for so few connections: the process, 1 MiB of connections, 17 MiB of puts. */
const rssBytesMax = (256 + 1 + 17) * 2 ** 20;

/** Bytes, by what they must be counted as. */
interface Account {
  line: number;
  framing: number;
  /** Of a stream that is lost, how much came in the same read is the network's choice. */
  refused: { min: number; max: number };
  events: number;
}

export interface Seen {
  connections: number;
  bytes: number;
  /** Lines of the well-behaved; each was one task. */
  wellBehaved: number;
  tasks: number;
  rssBytes: number;
}

const recognizer = freshRecognizer();

/** @throws an Error that says what was counted and what was expected */
export async function fuzzSockets(
  seed: number,
  first: number,
  connections: number,
  onProgress?: (done: number) => void,
): Promise<Seen> {
  const rig = await startRig({ inventory: { allow: inventory.allow.map(({ text }) => text) } });
  const tasks = new Tasks(rig);
  try {
    const well = await WellBehaved.open(rig);
    const seen: Seen = { connections, bytes: 0, wellBehaved: 0, tasks: 0, rssBytes: 0 };
    for (let done = 0; done < connections; done += perRound) {
      const count = Math.min(perRound, connections - done);
      const cases = Array.from({ length: count }, (_, n) => makeCase(new Random(seed, first + done + n)));
      const isRough = (done / perRound) % 4 === 3;
      seen.bytes += cases.reduce((sum, { sent }) => sum + sent.length, 0);
      await round(rig, well, tasks, cases, isRough).catch((cause: unknown) => {
        throw new Error(
          `connections ${first + done} to ${first + done + count}, which ${isRough ? "break off" : "end in order"}`,
          { cause },
        );
      });
      seen.rssBytes = Math.max(seen.rssBytes, residentBytes(rig));
      assert(seen.rssBytes < rssBytesMax, `the parser has grown to ${seen.rssBytes} bytes`);
      if (done % 1000 < perRound) onProgress?.(done);
    }
    assert(rig.parser.program.running, "the parser ended");
    const bad = rig.parser.log.filter(({ level }) => level === "error" || level === "fatal");
    assert.deepEqual(bad, [], "what the parser said");
    return { ...seen, wellBehaved: well.sent, tasks: tasks.taken };
  } finally {
    await tasks.close();
    await rig.close();
  }
}

interface Case {
  random: Random;
  /** An address of ours that the parser trusts, or not. */
  from: string;
  sent: Buffer;
  account: Account;
}

function makeCase(random: Random): Case {
  const from = random.oneIn(20) ? "127.66.6.6" : "127.0.0.1";
  const sent = Buffer.concat([makeHeader(random), random.oneIn(15) ? Buffer.alloc(0) : makeStream(random)]);
  return { random, from, sent, account: predict(from, sent) };
}

/** What becomes of a connection that ends in order when all is sent. */
function predict(from: string, sent: Buffer): Account {
  const none = { line: 0, framing: 0, refused: { min: 0, max: 0 }, events: 0 };
  if (from !== "127.0.0.1") return none;
  const header = parseProxyHeader(sent);
  if (header.kind === "more" || header.kind === "refused") return none;
  const source = header.kind === "proxied" ? header.ends.source.text : from;
  const device = inventory.byAddress.get(source);
  // The balancer may speak for itself, and then its lines are nobody's.
  if (device === undefined && source !== from) return none;
  const parser = new ParserInProcess({ recognizer });
  const stream = parser.open(device);
  pushAll(stream, sent.subarray(header.consumed), []);
  const { line, framing, refused } = stream.bytes;
  const rest = sent.length - header.consumed - line.count - framing.count;
  return {
    line: line.count,
    framing: framing.count,
    refused: stream.isLost ? { min: 1, max: rest } : { min: refused.count, max: refused.count },
    events: device === undefined ? 0 : parser.counted("event.recognized"),
  };
}

async function round(
  rig: Rig,
  well: WellBehaved,
  tasks: Tasks,
  cases: readonly Case[],
  isRough: boolean,
): Promise<void> {
  const before = await countedBy(rig);
  const sentBefore = well.bytes;
  const [opened] = await Promise.all([
    Promise.all(cases.map((one) => connect(rig, one, isRough))),
    well.send(3 + (cases[0]?.random.below(30) ?? 0)),
  ]);
  await Promise.all(opened.map(({ closed }) => closed));
  await until("every line of the well-behaved is a task", () => tasks.ofWellBehaved === well.sent);
  await until("the hostile connections have ended", async () => (await rig.metric("connections")) === well.connections);

  const after = await countedBy(rig);
  const counted = {
    line: after.line - before.line - (well.bytes.line - sentBefore.line),
    framing: after.framing - before.framing - (well.bytes.framing - sentBefore.framing),
    refused: after.refused - before.refused,
    events: after.events - before.events - (well.bytes.lines - sentBefore.lines),
  };
  const sum = (read: (account: Account) => number): number =>
    cases.reduce((all, { account }) => all + read(account), 0);
  const [min, max] = [sum(({ refused }) => refused.min), sum(({ refused }) => refused.max)];
  if (isRough) {
    const all = cases.reduce((bytes, { sent }) => bytes + sent.length, 0);
    const total = counted.line + counted.framing + counted.refused;
    assert(total >= 0 && total <= all, `${total} bytes counted of ${all} sent`);
    return;
  }
  const meant = {
    line: sum(({ line }) => line),
    framing: sum(({ framing }) => framing),
    events: sum(({ events }) => events),
  };
  const { refused, ...exact } = counted;
  assert.deepEqual(exact, meant, "bytes and events counted");
  assert(refused >= min && refused <= max, `${refused} bytes refused, expected ${min} to ${max}`);
}

async function countedBy(rig: Rig): Promise<{ line: number; framing: number; refused: number; events: number }> {
  const bytes = (as: string): Promise<number> => rig.metric(`bytes_read_total{as="${as}"}`);
  return {
    ...{ line: await bytes("line"), framing: await bytes("framing"), refused: await bytes("refused") },
    events: await rig.metric("event_recognized_total"),
  };
}

/** One hostile connection: its bytes in a few writes, and its end. */
async function connect(rig: Rig, { random, from, sent }: Case, isRough: boolean): Promise<Balancer> {
  const connection = await rig.dial({ from, silent: true, stubborn: random.oneIn(4) });
  const end = isRough ? random.below(4) : 0;
  // Whoever resets does it anywhere, also before the first byte.
  const all = end === 0 ? sent : sent.subarray(0, random.below(sent.length + 1));
  let at = 0;
  for (let left = random.below(4); left > 0; left--) {
    const to = at + random.below(all.length - at + 1);
    await connection.send(all.subarray(at, to));
    at = to;
  }
  if (end !== 1) await connection.send(all.subarray(at));
  if (end === 0 || end === 3) connection.finish();
  else connection.reset();
  return connection;
}

/** Connections that do as they should, and number their lines. */
class WellBehaved {
  sent = 0;
  bytes = { line: 0, framing: 0, lines: 0 };
  readonly #senders: readonly { balancer: Balancer; framing: Framing }[];

  private constructor(senders: readonly { balancer: Balancer; framing: Framing }[]) {
    this.#senders = senders;
  }

  get connections(): number {
    return this.#senders.length;
  }

  static async open(rig: Rig): Promise<WellBehaved> {
    return new WellBehaved([
      { balancer: await rig.dial({ version: "v1" }), framing: "lf" },
      { balancer: await rig.dial({ version: "v2" }), framing: "octet-counted" },
      { balancer: await rig.dial({ source: branch.address }), framing: "lf" },
    ]);
  }

  /** So many lines over each connection, in pieces that end anywhere. */
  async send(count: number): Promise<void> {
    this.bytes = { ...this.bytes };
    for (const { balancer, framing } of this.#senders) {
      const lines = Array.from({ length: count }, () => attack("100.127.0.1", `well-${this.sent++}`));
      const all = frames(lines, framing);
      const lineBytes = lines.reduce((sum, line) => sum + line.length, 0);
      this.bytes.line += lineBytes;
      this.bytes.framing += all.length - lineBytes;
      this.bytes.lines += count;
      for (let at = 0; at < all.length; at += 777) await balancer.send(all.subarray(at, at + 777));
    }
  }
}

/** Takes every task out of the queue, and reads it as a responder would. */
class Tasks {
  taken = 0;
  /** Numbers of the lines of the well-behaved that came. */
  readonly #wellBehaved = new Set<string>();
  readonly #consumer: Consumer;
  readonly #stopped = new AbortController();
  readonly #done: Promise<void>;
  #failure: Error | undefined;

  constructor(rig: Rig) {
    this.#consumer = new Consumer({
      nodes: rig.queues.map(({ address }) => parseNodeAddress(address)),
      tubes: [edge.key, branch.key].map(deviceTube),
    });
    this.#done = this.#take().catch((cause: unknown) => {
      if (!this.#stopped.signal.aborted) this.#failure = new Error("a task is not as it should be", { cause });
    });
  }

  /** How many lines of the well-behaved came. @throws what went wrong with a task */
  get ofWellBehaved(): number {
    if (this.#failure !== undefined) throw this.#failure;
    return this.#wellBehaved.size;
  }

  async #take(): Promise<void> {
    for (;;) {
      const jobs = [await this.#consumer.next(this.#stopped.signal), ...(await this.#consumer.drain(500))];
      for (const { body } of jobs) {
        this.taken++;
        const task = parseTask(body);
        const user = "user" in task ? task.user : undefined;
        if (user?.startsWith("well-") !== true) continue;
        assert(!this.#wellBehaved.has(user), `${user} came twice`);
        this.#wellBehaved.add(user);
      }
      await Promise.all(jobs.map((job) => job.delete()));
    }
  }

  async close(): Promise<void> {
    this.#stopped.abort();
    await this.#done;
    await this.#consumer.close();
  }
}

function residentBytes(rig: Rig): number {
  const status = readFileSync(`/proc/${rig.parser.program.pid}/status`, "utf8");
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
}
