/**
 * Puts jobs into a list of nodes: never loses one that it accepted, may store one twice.
 *
 *   put(), submit() ──▶ fresh ──┐
 *                               ├──▶ in flight ──INSERTED, BURIED──▶ settled
 *                  ┌▶ returned ─┘        └──lost, refused: the next node──┐
 *                  └──────────────────────────────────────────────────────┘
 *
 * What is put in one turn of the event loop leaves in one write when the turn ends, and so does what goes on its way after a chunk of
 * answers: the caller has nothing to cork. Putting costs about 1 µs each then, and beanstalkd the least that it can
 * (4 µs, against 12 when every put comes in a packet of its own).
 *
 * One node is used at a time, so that jobs of one tube keep their order while nothing fails (those of different tubes need not). The first
 * is chosen at random, so that many producers spread over the nodes. The others stay connected, ready to take over.
 *
 * Always true: every accepted body is waiting (fresh or returned), in flight at one connection, or settled; `unanswered` counts the first
 * two. What was once in flight was accepted before all that is fresh.
 */

import { type ConnectionOptions, type PutAnswers, type PutOptions, putCommand } from "./connection.ts";
import { QueueError, type QueueErrorCode, toQueueError } from "./errors.ts";
import { type ProducerEvent, safely, throwLater } from "./events.ts";
import { Fifo } from "./fifo.ts";
import { backoffMs, delayMsMaxDefault, Link } from "./link.ts";
import { checkTube, type NodeAddress } from "./names.ts";

export interface ProducerOptions {
  /** Every node, or one virtual address in front of them. */
  nodes: readonly NodeAddress[];
  /** Where `full` begins. Not a wall: what is put above it waits. */
  unansweredMax?: number;
  reconnectDelayMsMax?: number;
  onEvent?: (event: ProducerEvent) => void;
  random?: () => number;
  /** Time limits and window of each connection; 4096 puts may be on their way to a node unless said otherwise. */
  connection?: ConnectionOptions;
}

/** What becomes of a body: one of the two is called once, never before submit() has returned. */
export interface PutListener {
  /** A node has it. BURIED counts as well. */
  stored(node: string, id: string): void;
  /** With the errors of Producer.put. */
  rejected(error: QueueError): void;
}

interface Entry {
  /** The order of acceptance; a retried put goes back to its place. */
  order: number;
  tube: string;
  command: string;
  listener: PutListener;
}

interface Target {
  link: Link;
  /** Takes the answers to what was sent to it. */
  answers: PutAnswers<Entry>;
  /** Refusals in a row. */
  refusals: number;
  refusingUntil: number;
}

/** The node will say the same to every put for a while, but other nodes may not. */
const nodeRefusals: ReadonlySet<QueueErrorCode> = new Set<QueueErrorCode>([
  "draining",
  "out-of-memory",
  "internal-error",
]);
/** No node will ever accept it. */
const permanent: ReadonlySet<QueueErrorCode> = new Set<QueueErrorCode>(["job-too-big", "bad-argument"]);

/** More than a connection's own: a node is kept busy for 14 ms while our garbage is collected or a large read is parsed. */
const windowMaxDefault = 4096;
/** Of a full window so many must be free before it is filled up: beyond 16 puts in a write nothing more is gained. */
const refillMin = 64;

export class Producer {
  readonly #unansweredMax: number;
  readonly #delayMsMax: number;
  readonly #random: () => number;
  readonly #emit: (event: ProducerEvent) => void;
  readonly #targets: Target[];
  readonly #fresh = new Fifo<Entry>();
  /** Were in flight, and must be sent again, before all that is fresh. Sorted by their order. */
  readonly #returned = new Fifo<Entry>();
  #current: number;
  #accepted = 0;
  #unanswered = 0;
  #below: { n: number; resolve: () => void }[] = [];
  #pumpDue = false;
  #retry: NodeJS.Timeout | undefined;
  #closing: Promise<number> | undefined;
  #ended = false;

  /** Starts to connect at once. @throws QueueError `bad-argument` when there is no node */
  constructor(options: ProducerOptions) {
    if (options.nodes.length === 0) throw new QueueError("bad-argument", "expected at least one queue node");
    this.#unansweredMax = options.unansweredMax ?? 1024;
    this.#delayMsMax = options.reconnectDelayMsMax ?? delayMsMaxDefault;
    this.#random = options.random ?? Math.random;
    this.#emit = safely(options.onEvent);
    this.#current = Math.floor(this.#random() * options.nodes.length) % options.nodes.length;
    this.#targets = options.nodes.map((node) => {
      const link = new Link({
        node,
        connection: { windowMax: windowMaxDefault, ...options.connection },
        delayMsMax: this.#delayMsMax,
        random: this.#random,
        emit: this.#emit,
        onUp: () => {
          // A restart is what ends a drain: the new life is asked again at once.
          target.refusingUntil = 0;
          this.#pump();
        },
        onDown: () => this.#pump(),
      });
      const answers: PutAnswers<Entry> = {
        stored: (entry, id) => this.#stored(target, entry, id),
        refused: (entry, error) => this.#refused(target, entry, error),
      };
      const target: Target = { link, answers, refusals: 0, refusingUntil: 0 };
      return target;
    });
  }

  /** Accepted from callers and not yet stored by a node. */
  get unanswered(): number {
    return this.#unanswered;
  }

  /** The caller should stop reading what it puts, and go on after onceBelow(). */
  get full(): boolean {
    return this.#unanswered >= this.#unansweredMax;
  }

  /** Nodes connected now. */
  get connected(): number {
    return this.#targets.filter(({ link }) => link.connection !== undefined).length;
  }

  /**
   * Resolves when a node has stored the body, however long that takes and however many nodes fail meanwhile. A body may be stored more than
   * once (its answer was lost), so it must say itself what it is.
   * @param body a text is stored as UTF-8
   * @throws QueueError `bad-argument` or `job-too-big` (no node will ever take it); `closed` (unknown whether it was stored)
   */
  put(tube: string, body: Buffer | string, options: PutOptions = {}): Promise<{ node: string; id: string }> {
    return new Promise((resolve, rejected) => {
      this.submit(tube, body, options, { stored: (node, id) => resolve({ node, id }), rejected });
    });
  }

  /** As put(), for callers with thousands a second: it tells a listener and makes no promise. Never throws. */
  submit(tube: string, body: Buffer | string, options: PutOptions, listener: PutListener): void {
    const order = this.#accepted + 1;
    try {
      checkTube(tube);
      const command = putCommand(body, options);
      if (this.#closing !== undefined) throw new QueueError("closed", "the producer accepts no more");
      this.#fresh.push({ order, tube, command, listener });
    } catch (cause) {
      const error = toQueueError(cause, "bad-argument", "no node");
      process.nextTick(() => listener.rejected(error));
      return;
    }
    this.#accepted = order;
    this.#unanswered += 1;
    this.#pumpSoon();
  }

  /** Resolves when no more than `n` are unanswered: half of the maximum unless given (no stop and go at every put). */
  onceBelow(n = Math.floor(this.#unansweredMax / 2)): Promise<void> {
    return new Promise((resolve) => {
      this.#below.push({ n, resolve });
      this.#announceBelow();
    });
  }

  /** Resolves when nothing is unanswered. */
  flush(): Promise<void> {
    return this.onceBelow(0);
  }

  /**
   * Accepts no more, waits until all is answered or the deadline has passed, and rejects what is left with `closed`.
   * @returns how many were never answered
   */
  close(deadlineMs: number): Promise<number> {
    this.#closing ??= this.#close(deadlineMs);
    return this.#closing;
  }

  async #close(deadlineMs: number): Promise<number> {
    const { promise: deadline, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, deadlineMs);
    await Promise.race([this.flush(), deadline]);
    clearTimeout(timer);
    clearTimeout(this.#retry);
    const left = this.#unanswered;
    this.#ended = true;
    for (const entry of [...this.#returned.takeAll(), ...this.#fresh.takeAll()])
      this.#reject(entry, new QueueError("closed", "closed before a node answered"));
    // Puts in flight are rejected by the end of their connections.
    await Promise.all(this.#targets.map(({ link }) => link.stop({ graceful: left === 0 })));
    return left;
  }

  /** When this turn is over: after the puts that are still to come in it, or after all answers of a chunk. */
  #pumpSoon(): void {
    if (this.#pumpDue) return;
    this.#pumpDue = true;
    process.nextTick(() => {
      this.#pumpDue = false;
      this.#pump();
    });
  }

  get #waiting(): number {
    return this.#fresh.length + this.#returned.length;
  }

  #pump(): void {
    if (this.#waiting === 0) return;
    const target = this.#usable();
    const connection = target?.link.connection;
    if (target === undefined || connection === undefined) return this.#retryLater();
    const { windowMax } = connection;
    const room = windowMax - connection.pending;
    // The next answers pump again: not a write of its own for each of them, while the node has enough to do.
    if (room < this.#waiting && room < Math.min(refillMin, windowMax / 2)) return;
    // Tubes of several devices alternate, and each change of the tube is a command that costs the node as much as a put.
    for (const entries of Map.groupBy(this.#take(room), ({ tube }) => tube).values()) {
      for (const entry of entries) connection.addPut(entry.tube, entry.command, entry, target.answers);
    }
    connection.flush();
  }

  /** The oldest that wait, at most so many. */
  #take(max: number): Entry[] {
    const length = Math.min(max, this.#waiting);
    return Array.from({ length }, () => (this.#returned.shift() ?? this.#fresh.shift()) as Entry);
  }

  /** The node in use, or the next in the ring that is connected and not refusing. */
  #usable(): Target | undefined {
    const now = performance.now();
    for (let step = 0; step < this.#targets.length; step += 1) {
      const index = (this.#current + step) % this.#targets.length;
      const target = this.#targets[index];
      if (target?.link.connection === undefined || target.refusingUntil > now) continue;
      this.#current = index;
      return target;
    }
    return undefined;
  }

  /** Nobody takes puts now. A node that connects pumps by itself; for one that refuses we look again when its time is over. */
  #retryLater(): void {
    const times = this.#targets
      .filter(({ link }) => link.connection !== undefined)
      .map((target) => target.refusingUntil);
    if (times.length === 0 || this.#ended) return;
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => this.#pump(), Math.max(1, Math.min(...times) - performance.now()));
  }

  #stored(target: Target, entry: Entry, id: string): void {
    target.refusals = 0;
    this.#resolve(entry, target.link.name, id);
    if (this.#waiting > 0) this.#pumpSoon();
  }

  #refused(target: Target, entry: Entry, error: QueueError): void {
    const node = target.link.name;
    this.#pumpSoon();
    if (error.code === "buried-on-put" && error.jobId !== undefined) {
      this.#emit({ kind: "put.buried", node, tube: entry.tube, id: error.jobId });
      return this.#stored(target, entry, error.jobId);
    }
    if (permanent.has(error.code)) return this.#reject(entry, error);
    if (this.#ended)
      return this.#reject(entry, new QueueError("closed", "closed before a node answered", { cause: error, node }));
    if (nodeRefusals.has(error.code)) this.#avoid(target, error.code);
    this.#emit({ kind: "put.retried", node, tube: entry.tube, reason: error.code });
    this.#returned.insert(entry, (other) => other.order > entry.order);
  }

  /** Of a thousand puts in flight all are refused: only the first answer counts. */
  #avoid(target: Target, reason: QueueErrorCode): void {
    if (target.refusingUntil > performance.now()) return;
    target.refusals += 1;
    target.refusingUntil = performance.now() + backoffMs(target.refusals, this.#delayMsMax, this.#random);
    this.#emit({ kind: "node.refusing", node: target.link.name, reason });
  }

  #resolve({ listener }: Entry, node: string, id: string): void {
    this.#unanswered -= 1;
    try {
      listener.stored(node, id);
    } catch (error) {
      throwLater(error);
    }
    this.#announceBelow();
  }

  #reject({ listener }: Entry, reason: QueueError): void {
    this.#unanswered -= 1;
    try {
      listener.rejected(reason);
    } catch (error) {
      throwLater(error);
    }
    this.#announceBelow();
  }

  #announceBelow(): void {
    if (this.#below.length === 0) return;
    const reached = this.#below.filter(({ n }) => this.#unanswered <= n);
    if (reached.length === 0) return;
    this.#below = this.#below.filter(({ n }) => this.#unanswered > n);
    for (const { resolve } of reached) resolve();
  }
}
