/**
 * Takes jobs of one set of tubes from every node.
 *
 *   node A ── link ── reserver ──┐
 *   node B ── link ── reserver ──┼──▶ a waiting next(), else a running drain(), else the buffer ──▶ the following next() or drain()
 *   node C ── link (waiting)     ┘
 *
 * Always true: without a waiting next() no new reserve is sent, so that a worker that settles its jobs before it asks for the next never waits for
 * another node. A dead or hung node delays nobody. When a connection ends, everything it held is forgotten here and ready again there.
 */

import { Connection, type ConnectionOptions } from "./connection.ts";
import { JobBuffer } from "./buffer.ts";
import { QueueError } from "./errors.ts";
import { type ConsumerEvent, safely } from "./events.ts";
import type { HeldJob, Job } from "./job.ts";
import { delayMsMaxDefault, Link } from "./link.ts";
import { checkTube, checkUint32, type NodeAddress } from "./names.ts";
import { Reserver } from "./reserver.ts";

export interface ConsumerOptions {
  /** Every node itself, never a virtual address in front of them: jobs on the others would stay there. */
  nodes: readonly NodeAddress[];
  tubes: readonly string[];
  /** How long one reserve waits. Short enough to notice a hung node, long enough to be no load. */
  reserveSeconds?: number;
  reconnectDelayMsMax?: number;
  onEvent?: (event: ConsumerEvent) => void;
  random?: () => number;
  /** Time limits and window of each connection. */
  connection?: ConnectionOptions;
}

interface Source {
  link: Link;
  reserver: Reserver | undefined;
}

interface Waiter {
  resolve: (job: Job) => void;
  reject: (error: unknown) => void;
}

/**
 * Reserves pipelined by a drain at one node. A tube that holds nothing more is the usual case when the flow is idle, and
 * each needless reserve delays the job that was found: one asks, and only its answer brings more.
 */
const probeMin = 1;
const probeGrowth = 8;
const probeMax = 64;
/** Without an answer for so long, a drain returns what it has; the laggard's jobs go to the buffer. */
const drainPatienceMs = 250;

export class Consumer {
  readonly #sources: Source[];
  readonly #tubes: readonly string[];
  readonly #connection: ConnectionOptions;
  readonly #emit: (event: ConsumerEvent) => void;
  readonly #waiters: Waiter[] = [];
  readonly #buffer: JobBuffer;
  #closing: Promise<void> | undefined;

  /** Starts to connect at once. @throws QueueError `bad-argument` */
  constructor(options: ConsumerOptions) {
    if (options.nodes.length === 0 || options.tubes.length === 0) {
      throw new QueueError("bad-argument", "expected at least one queue node and one tube");
    }
    this.#tubes = options.tubes.map(checkTube);
    this.#connection = options.connection ?? {};
    this.#emit = safely(options.onEvent);
    this.#buffer = new JobBuffer(({ node, id }) => this.#emit({ kind: "job.expired", node, id }));
    const reserveSeconds = checkUint32(options.reserveSeconds ?? 20, "seconds to reserve for");
    this.#sources = options.nodes.map((node) => {
      const link = new Link({
        node,
        connection: this.#connection,
        delayMsMax: options.reconnectDelayMsMax ?? delayMsMaxDefault,
        random: options.random ?? Math.random,
        emit: this.#emit,
        prepare: (connection) => connection.watchOnly(this.#tubes),
        onUp: (connection) => {
          source.reserver = new Reserver({
            connection,
            reserveSeconds,
            wanted: () => this.#waiters.length > 0,
            deliver: (job) => this.#deliver(job),
            onDeadlineSoon: () => this.#emit({ kind: "job.deadline-soon", node: connection.node }),
          });
          source.reserver.ensure();
        },
        onDown: () => {
          source.reserver = undefined;
          this.#buffer.removeEnded();
        },
      });
      const source: Source = { link, reserver: undefined };
      return source;
    });
  }

  /** Nodes connected and watching the tubes now. */
  get connected(): number {
    return this.#sources.filter(({ link }) => link.connection !== undefined).length;
  }

  /**
   * The first job of any node. Settle held jobs before asking again: a waiting reserve holds the verbs of its own connection back
   * (up to a second while jobs are held there). From here on the caller touches the job before its time to run ends.
   * @throws the signal's reason; QueueError `closed`
   */
  async next(signal?: AbortSignal): Promise<Job> {
    signal?.throwIfAborted();
    if (this.#closing !== undefined) throw new QueueError("closed", "the consumer is closed");
    const [buffered] = this.#buffer.take(1);
    if (buffered !== undefined) return buffered;
    const { promise, resolve, reject } = Promise.withResolvers<Job>();
    const waiter: Waiter = { resolve, reject };
    const abort = (): void => {
      this.#removeWaiter(waiter);
      reject(signal?.reason);
    };
    signal?.addEventListener("abort", abort, { once: true });
    this.#waiters.push(waiter);
    for (const { reserver } of this.#sources) reserver?.ensure();
    return promise.finally(() => signal?.removeEventListener("abort", abort));
  }

  /**
   * Up to `max` jobs that are ready now. Nodes that are dead, hung or busy with a waiting reserve are passed over. Never rejects.
   * From here on the caller touches the jobs before their time to run ends.
   */
  async drain(max: number): Promise<Job[]> {
    const jobs: Job[] = this.#buffer.take(max);
    if (this.#closing !== undefined) return [];
    const budget = { left: max - jobs.length };
    const reservers = this.#sources.flatMap(({ reserver }) => (reserver?.idle === true ? [reserver] : []));
    if (budget.left <= 0 || reservers.length === 0) return jobs;

    let over = false;
    const { promise: patienceOver, resolve } = Promise.withResolvers<void>();
    const patience = setTimeout(resolve, drainPatienceMs);
    const take = (job: HeldJob): void => {
      if (over) this.#deliver(job);
      else jobs.push(job);
    };
    const onAnswer = (): void => {
      if (!over) patience.refresh();
    };
    const drainOne = async (reserver: Reserver): Promise<boolean> => {
      for (let size = probeMin; budget.left > 0 && !over; size = Math.min(probeMax, size * probeGrowth)) {
        const count = Math.min(size, Math.ceil(budget.left / reservers.length), this.#connection.windowMax ?? probeMax);
        budget.left -= count;
        const { got, dry } = await reserver.probe(count, take, onAnswer);
        budget.left += count - got;
        if (dry) return true;
      }
      return false;
    };
    const drainAll = async (): Promise<void> => {
      // A node may have stopped because another held the rest of the budget, and then did not need it.
      let open = reservers;
      while (open.length > 0 && budget.left > 0 && !over) {
        const dry = await Promise.all(open.map(drainOne));
        open = open.filter((_, index) => dry[index] !== true);
      }
    };
    await Promise.race([drainAll(), patienceOver]);
    over = true;
    clearTimeout(patience);
    return [...jobs, ...this.#buffer.take(max - jobs.length)];
  }

  /**
   * Pauses our tubes on every connected node; 0 resumes them. Goes over connections of its own, since ours may be waiting in a reserve.
   * @throws QueueError the first failure, after all nodes were tried
   */
  async pauseTubes(seconds: number): Promise<void> {
    checkUint32(seconds, "a pause in seconds");
    const links = this.#sources.map(({ link }) => link).filter((link) => link.connection !== undefined);
    const results = await Promise.allSettled(links.map(({ node }) => this.#pauseTubesAt(node, seconds)));
    for (const result of results) if (result.status === "rejected") throw result.reason;
  }

  /**
   * Asks for no more jobs, waits for the answers to verbs already given (no longer than the command time limit) and ends every
   * connection. Jobs still held, buffered or on their way are ready again on their nodes.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    for (const waiter of this.#waiters.splice(0)) waiter.reject(new QueueError("closed", "the consumer was closed"));
    this.#buffer.clear();
    await Promise.all(this.#sources.map(({ link }) => link.stop({ graceful: true })));
  }

  async #pauseTubesAt(node: NodeAddress, seconds: number): Promise<void> {
    const connection = await Connection.open(node, this.#connection);
    try {
      await Promise.all(this.#tubes.map((tube) => connection.pauseTube(tube, seconds)));
    } finally {
      await connection.close();
    }
  }

  #deliver(job: HeldJob): void {
    // While closing, the end of its connection gives the job back.
    if (this.#closing !== undefined) return;
    const waiter = this.#waiters.shift();
    if (waiter === undefined) this.#buffer.add(job);
    else waiter.resolve(job);
  }

  #removeWaiter(waiter: Waiter): void {
    const index = this.#waiters.indexOf(waiter);
    if (index !== -1) this.#waiters.splice(index, 1);
  }
}
