/**
 * Puts jobs into a list of nodes: never loses one that it accepted, may store one twice.
 *
 *   put() ──▶ waiting ──▶ in flight ──INSERTED, BURIED──▶ settled
 *                ▲             └──lost, refused: the next node──┐
 *                └──────────────────────────────────────────────┘
 *
 * One node is used at a time, so that jobs of one tube keep their order while nothing fails; the first is chosen at random, so that
 * many producers spread over the nodes. The others stay connected, ready to take over.
 *
 * Always true: every accepted body is in `waiting`, in flight at one connection, or settled; `unanswered` counts the first two.
 */

import { type Connection, type ConnectionOptions, checkPut, type PutOptions } from "./connection.ts";
import { QueueError, type QueueErrorCode, toQueueError } from "./errors.ts";
import { type ProducerEvent, safely } from "./events.ts";
import { backoffMs, delayMsMaxDefault, Link } from "./link.ts";
import type { NodeAddress } from "./names.ts";

export interface ProducerOptions {
  /** Every node, or one virtual address in front of them. */
  nodes: readonly NodeAddress[];
  /** Where `full` begins. Not a wall: what is put above it waits. */
  unansweredMax?: number;
  reconnectDelayMsMax?: number;
  onEvent?: (event: ProducerEvent) => void;
  random?: () => number;
  /** Time limits and window of each connection. */
  connection?: ConnectionOptions;
}

interface Entry {
  /** The order of acceptance; a retried put goes back to its place. */
  order: number;
  tube: string;
  body: Buffer;
  options: PutOptions;
  resolve: (stored: { node: string; id: string }) => void;
  reject: (error: QueueError) => void;
}

interface Target {
  link: Link;
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

export class Producer {
  readonly #unansweredMax: number;
  readonly #delayMsMax: number;
  readonly #random: () => number;
  readonly #emit: (event: ProducerEvent) => void;
  readonly #targets: Target[];
  readonly #waiting: Entry[] = [];
  #current: number;
  #accepted = 0;
  #unanswered = 0;
  #below: { n: number; resolve: () => void }[] = [];
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
        connection: options.connection ?? {},
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
      const target: Target = { link, refusals: 0, refusingUntil: 0 };
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
   * Resolves when a node has stored the body, however long that takes and however many nodes fail meanwhile. The body must not be changed
   * until then. A body may be stored more than once (its answer was lost), so it must say itself what it is.
   * @throws QueueError `bad-argument` or `job-too-big` (no node will ever take it); `closed` (unknown whether it was stored)
   */
  async put(tube: string, body: Buffer, options: PutOptions = {}): Promise<{ node: string; id: string }> {
    checkPut(tube, body, options);
    if (this.#closing !== undefined) throw new QueueError("closed", "the producer accepts no more");
    return new Promise((resolve, reject) => {
      this.#unanswered += 1;
      this.#accepted += 1;
      this.#waiting.push({ order: this.#accepted, tube, body, options, resolve, reject });
      this.#pump();
    });
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
    for (const entry of this.#waiting.splice(0))
      this.#reject(entry, new QueueError("closed", "closed before a node answered"));
    // Puts in flight are rejected by the end of their connections.
    await Promise.all(this.#targets.map(({ link }) => link.stop({ graceful: left === 0 })));
    return left;
  }

  #pump(): void {
    while (this.#waiting.length > 0) {
      const target = this.#usable();
      const connection = target?.link.connection;
      if (target === undefined || connection === undefined) return this.#retryLater();
      // Full: the next answer pumps again.
      if (connection.pending >= connection.windowMax) return;
      const entry = this.#waiting.shift();
      if (entry !== undefined) void this.#send(target, connection, entry);
    }
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

  async #send(target: Target, connection: Connection, entry: Entry): Promise<void> {
    const node = target.link.name;
    try {
      const id = await connection.put(entry.tube, entry.body, entry.options);
      target.refusals = 0;
      this.#resolve(entry, { node, id });
    } catch (cause) {
      this.#refused(target, entry, toQueueError(cause, "protocol", node));
    }
    this.#pump();
  }

  #refused(target: Target, entry: Entry, error: QueueError): void {
    const node = target.link.name;
    if (error.code === "buried-on-put" && error.jobId !== undefined) {
      this.#emit({ kind: "put.buried", node, tube: entry.tube, id: error.jobId });
      return this.#resolve(entry, { node, id: error.jobId });
    }
    if (permanent.has(error.code)) return this.#reject(entry, error);
    if (this.#ended)
      return this.#reject(entry, new QueueError("closed", "closed before a node answered", { cause: error, node }));
    if (nodeRefusals.has(error.code)) this.#avoid(target, error.code);
    if (error.code !== "window-full") this.#emit({ kind: "put.retried", node, tube: entry.tube, reason: error.code });
    const place = this.#waiting.findIndex((other) => other.order > entry.order);
    this.#waiting.splice(place === -1 ? this.#waiting.length : place, 0, entry);
  }

  /** Of a thousand puts in flight all are refused: only the first answer counts. */
  #avoid(target: Target, reason: QueueErrorCode): void {
    if (target.refusingUntil > performance.now()) return;
    target.refusals += 1;
    target.refusingUntil = performance.now() + backoffMs(target.refusals, this.#delayMsMax, this.#random);
    this.#emit({ kind: "node.refusing", node: target.link.name, reason });
  }

  #resolve(entry: Entry, stored: { node: string; id: string }): void {
    this.#unanswered -= 1;
    entry.resolve(stored);
    this.#announceBelow();
  }

  #reject(entry: Entry, error: QueueError): void {
    this.#unanswered -= 1;
    entry.reject(error);
    this.#announceBelow();
  }

  #announceBelow(): void {
    const reached = this.#below.filter(({ n }) => this.#unanswered <= n);
    if (reached.length === 0) return;
    this.#below = this.#below.filter(({ n }) => this.#unanswered > n);
    for (const { resolve } of reached) resolve();
  }
}
