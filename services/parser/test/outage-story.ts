/**
 * The story of an outage under load: senders that write as fast as the parser reads, and a queue that goes away.
 *
 *   load ──▶ outage, of a given length, the senders go on ──▶ the queue is back, load ──▶ the senders end ──▶ all is counted
 *
 * What must hold: every line that a sender wrote is received, every attack among them is a task, and the parser's memory during the
 * outage is what it was before. A person can watch the whole of it: OUTAGE_SECONDS=30, see outage.test.ts.
 */

import { readFileSync } from "node:fs";
import { type Beanstalkd, startBeanstalkd } from "@logwarden/lab/parts/beanstalkd";
import { Consumer, parseNodeAddress } from "@logwarden/queue";
import { deviceTube } from "@logwarden/shared/tubes";
import { attack, type Balancer, type Framing, frames } from "./balancer.ts";
import { branch, edge, type Rig, until } from "./rig.ts";

/** How the queue goes away: it is there and answers nothing, or it dies and comes back with its binlog. */
export type Outage = "stopped" | "killed";

export interface Told {
  /** Written by the senders, and received by the parser. */
  lines: { sent: number; received: number };
  attacks: number;
  /** Jobs taken out of the queue; a put whose answer was lost may be there twice. */
  jobs: number;
  ids: number;
  /** Attacks that are a task. */
  delivered: number;
  /** Attacks whose tasks have several ids, or that nobody sent. */
  wrong: string[];
  paused: { times: number; resumed: number; longestMs: number };
  /** Puts without an answer during the outage, at most. */
  unanswered: number;
  /** Bytes that the kernel took from the senders during the outage, in its first half and in its second. */
  taken: { firstHalf: number; secondHalf: number };
  /** The parser's resident memory: the largest seen under load before, during, and after. */
  rssBytes: { before: number; during: number; after: number };
}

/** One line of so many is an attack, 32 KiB apart: more of them than fsync lets beanstalkd store would hide what the parser does. */
const linesPerAttack = 64;
const noise = Array.from(
  { length: linesPerAttack - 1 },
  (_, n) => `<30>Nov 21 04:44:40 gw1 webapp[77]: GET /item/${n} 200 ${"x".repeat(16 * n)}`,
);
const attacksPerWrite = 4;
/** As long as nothing was taken from a sender that has something to write, until we say that it is held up. */
const heldUpMs = 500;
const senders: readonly { source: string; framing: Framing }[] = [
  { source: edge.address, framing: "lf" },
  { source: edge.address, framing: "octet-counted" },
  { source: branch.address, framing: "lf" },
  { source: branch.address, framing: "octet-counted" },
];

export async function tellOutage(rig: Rig, outage: Outage, seconds: number, loadSeconds: number): Promise<Told> {
  const [queue] = rig.queues as [Beanstalkd];
  const tasks = new Tasks(queue);
  const rss = new Watch(rig.parser.program.pid);
  let again: Beanstalkd | undefined;
  let all: Sender[] = [];
  try {
    all = await Promise.all(senders.map(async (one, number) => new Sender(number, await rig.dial(one), one.framing)));
    await until("tasks come", () => tasks.delivered.size > 100);
    await pass(loadSeconds);
    const before = rss.largest();

    queue.program.signal(outage === "stopped" ? "SIGSTOP" : "SIGKILL");
    // What the kernel's buffers hold has gone in when the senders feel that nobody reads.
    await until("every sender is held up", () => all.every(({ isHeldUp }) => isHeldUp));
    const start = takenFrom(all);
    await pass(seconds / 2);
    const half = takenFrom(all);
    const unanswered = await rig.metric("puts_unanswered");
    await pass(seconds / 2);
    const end = takenFrom(all);
    const during = rss.largest();

    if (outage === "stopped") queue.program.signal("SIGCONT");
    else again = await startBeanstalkd({ port: queue.port, binlogDirectory: rig.binlogDirectory(0) });
    await until("a sender goes on", () => takenFrom(all) > end);
    await pass(loadSeconds);
    await Promise.all(all.map((sender) => sender.finish()));
    const attacks = all.reduce((sum, sender) => sum + sender.attacks, 0);
    // What never comes is told as lost.
    await until("every attack is a task", () => tasks.delivered.size >= attacks).catch(() => undefined);
    const after = rss.largest();

    // A resumed says how long its pause was.
    const pauses = rig.parser.log.filter(({ event }) => event === "intake.resumed");
    return {
      lines: { sent: attacks * linesPerAttack, received: await rig.metric("line_received_total") },
      attacks,
      jobs: tasks.jobs,
      ids: tasks.ids.size,
      delivered: tasks.delivered.size,
      wrong: tasks.wrong(all),
      paused: {
        times: await rig.metric("intake_paused_total"),
        resumed: await rig.metric("intake_resumed_total"),
        longestMs: Math.max(...pauses.map(({ durationMs }) => Number(durationMs))),
      },
      unanswered,
      taken: { firstHalf: half - start, secondHalf: end - half },
      rssBytes: { before, during, after },
    };
  } finally {
    for (const sender of all) sender.stop();
    rss.stop();
    await tasks.close();
    await again?.program.kill();
  }
}

const pass = (seconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

/** Bytes that the kernel has taken of all. */
function takenFrom(all: readonly Sender[]): number {
  return all.reduce((sum, { taken }) => sum + taken, 0);
}

/** Writes for ever, each write when the one before has been taken, until told to end. */
class Sender {
  attacks = 0;
  readonly number: number;
  readonly #balancer: Balancer;
  readonly #framing: Framing;
  #writtenAtMs = performance.now();
  #ending = false;
  readonly #done: Promise<void>;

  constructor(number: number, balancer: Balancer, framing: Framing) {
    this.number = number;
    this.#balancer = balancer;
    this.#framing = framing;
    this.#done = this.#send();
  }

  /** Nothing was taken for a while, though there is something to take. */
  get isHeldUp(): boolean {
    return performance.now() - this.#writtenAtMs > heldUpMs;
  }

  get taken(): number {
    const { bytesWritten, writableLength } = this.#balancer.socket;
    return bytesWritten - writableLength;
  }

  async #send(): Promise<void> {
    while (!this.#ending && this.#balancer.socket.writable) {
      const lines = Array.from({ length: attacksPerWrite }, () => [
        attack("100.64.0.1", `s${this.number}-${this.attacks++}`),
        ...noise,
      ]);
      await this.#balancer.send(frames(lines.flat(), this.#framing));
      this.#writtenAtMs = performance.now();
    }
  }

  stop(): void {
    this.#ending = true;
  }

  /** Ends behind a whole line; resolves when the parser has read it. */
  async finish(): Promise<void> {
    this.stop();
    await this.#done;
    this.#balancer.finish();
    await this.#balancer.closed;
  }
}

/** Takes what comes, as long as it runs; a queue that goes away and comes back is no reason to end. */
class Tasks {
  jobs = 0;
  readonly ids = new Set<string>();
  /** By the attack, the id of its task. */
  readonly delivered = new Map<string, string>();
  readonly #wrong: string[] = [];
  readonly #consumer: Consumer;
  readonly #stopped = new AbortController();
  readonly #done: Promise<void>;

  constructor(queue: Beanstalkd) {
    this.#consumer = new Consumer({
      nodes: [parseNodeAddress(queue.address)],
      tubes: [edge.key, branch.key].map(deviceTube),
      reconnectDelayMsMax: 200,
    });
    this.#done = this.#take();
  }

  async #take(): Promise<void> {
    while (!this.#stopped.signal.aborted) {
      const first = await this.#consumer.next(this.#stopped.signal).catch(() => undefined);
      if (first === undefined) return;
      const jobs = [first, ...(await this.#consumer.drain(1000))];
      for (const { body } of jobs) this.#note(JSON.parse(body.toString()) as { id: string; user: string });
      // Of a connection that is gone the jobs come again, with their ids.
      await Promise.allSettled(jobs.map((job) => job.delete()));
    }
  }

  #note({ id, user }: { id: string; user: string }): void {
    this.jobs++;
    const known = this.delivered.get(user);
    if (known === undefined && this.ids.has(id)) this.#wrong.push(`${user} has another's id`);
    if (known !== undefined && known !== id) this.#wrong.push(`${user} came under two ids`);
    this.ids.add(id);
    this.delivered.set(user, id);
  }

  /** What contradicts what was sent. */
  wrong(all: readonly Sender[]): string[] {
    const sent = new Set(
      all.flatMap(({ number, attacks }) => Array.from({ length: attacks }, (_, n) => `s${number}-${n}`)),
    );
    const lost = [...sent].filter((user) => !this.delivered.has(user)).map((user) => `${user} is lost`);
    const strange = [...this.delivered.keys()].filter((user) => !sent.has(user)).map((user) => `nobody sent ${user}`);
    return [...this.#wrong, ...lost, ...strange].slice(0, 20);
  }

  async close(): Promise<void> {
    this.#stopped.abort();
    await this.#done;
    await this.#consumer.close();
  }
}

/** The resident memory of a process, looked at ten times a second. */
class Watch {
  readonly #pid: number;
  readonly #timer: NodeJS.Timeout;
  #largest = 0;

  constructor(pid: number) {
    this.#pid = pid;
    this.#timer = setInterval(() => this.#look(), 100);
  }

  /** The largest since it was asked last. */
  largest(): number {
    this.#look();
    const largest = this.#largest;
    this.#largest = 0;
    return largest;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const status = readFileSync(`/proc/${this.#pid}/status`, "utf8");
    this.#largest = Math.max(this.#largest, Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024);
  }
}
