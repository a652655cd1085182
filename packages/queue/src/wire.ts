/**
 * One fivebeans client object, for one connection life, with the promises it owes.
 *
 *   dial ──▶ open ──close()──▶ closing ──last answer, or the limit──▶ ended
 *     │        └───destroy(), lost, time limit, wrong answer────────────▲
 *     └──refused, time limit, abort──▶ rejected
 *
 * Always true: answers come in the order of the commands (doc/protocol.txt), so the oldest pending call owns the next answer.
 * Every call settles: by its answer, or when the life ends. After anything that could shift answers by one (a late answer, one that
 * does not fit, bytes that nobody asked for) the life ends. Nothing that we do inside fivebeans' callbacks throws: it would lose the
 * answers behind.
 */

import fivebeans, { type Client, type ResponseHandler, type Verb } from "fivebeans";
import { QueueError, toQueueError } from "./errors.ts";
import { formatNodeAddress, type NodeAddress } from "./names.ts";

export interface ConnectionOptions {
  /** From the first packet to an open connection. */
  connectTimeoutMs?: number;
  /** From the answer before (or the sending, when nothing was pending) to the answer of a command. */
  commandTimeoutMs?: number;
  /** Commands sent and not answered. fivebeans has no backpressure, and its queue is an array that it shifts. */
  windowMax?: number;
  /** Ends a dial that is under way; without effect once the connection is open. */
  signal?: AbortSignal;
}

/** An answer: its first line in words, and its body without the line end behind it. */
export interface Reply {
  words: string[];
  body: Buffer | undefined;
}

interface Pending {
  limitMs: number;
  answer: (reply: Reply) => void;
  reject: (error: QueueError) => void;
}

/** Probes of the kernel on an idle connection: a node that lost power is noticed even when nothing is sent. */
const keepAliveMs = 30_000;
/** The longest first line is `RESERVED`, a uint64 and a uint32; error answers and `USING <tube>` are shorter than 300. */
const headerBytesMax = 1024;
/** Above the server's job size (64 KiB by default) and the list of ten thousand tubes. */
const replyBytesMax = 16 * 1024 * 1024;
/** setTimeout's own limit; above it a timer fires at once. */
const timerMsMax = 2 ** 31 - 1;
/** fivebeans would parse OK bodies as YAML inside its data listener; ours are read in stats.ts. */
const rawBodies: ResponseHandler["RESPONSES_REQUIRING_BODY"] = {
  RESERVED: "passthrough",
  FOUND: "passthrough",
  OK: "passthrough",
};
const bodiedHeader = /^(?:OK|FOUND \d{1,20}|RESERVED \d{1,20}) \d{1,10}$/;

export class Wire {
  readonly node: string;
  readonly windowMax: number;
  readonly commandTimeoutMs: number;
  /** Resolves with the reason when the life has ended. */
  readonly closed: Promise<QueueError>;
  readonly #client: Client;
  readonly #pending: Pending[] = [];
  readonly #resolveClosed: (reason: QueueError) => void;
  readonly #socketClosed: Promise<void>;
  #reason: QueueError | undefined;
  #closing = false;
  /** When the oldest pending call became the oldest, by a clock that nobody sets. */
  #oldestSince = 0;
  #timer: NodeJS.Timeout | undefined;
  #timerDue = 0;

  private constructor(client: Client, node: string, options: ConnectionOptions) {
    this.node = node;
    this.windowMax = options.windowMax ?? 1024;
    this.commandTimeoutMs = options.commandTimeoutMs ?? 10_000;
    this.#client = client;
    const { promise, resolve } = Promise.withResolvers<QueueError>();
    this.closed = promise;
    this.#resolveClosed = resolve;
    this.#socketClosed = new Promise((done) => client.once("close", done));
    client.on("error", (cause) => this.destroy(toQueueError(cause, "connection-lost", node)));
    client.on("close", () => this.#lost());
    client.stream.on("end", () => this.#lost());
    const tryHandlingResponse = client.tryHandlingResponse;
    client.tryHandlingResponse = () => {
      try {
        tryHandlingResponse.call(client);
        this.#checkRest();
      } catch (cause) {
        this.destroy(toQueueError(cause, "protocol", node));
      }
    };
  }

  /**
   * Dials once.
   * @throws QueueError `connect-failed`, or `closed` when the signal aborted it
   */
  static open(address: NodeAddress, options: ConnectionOptions = {}): Promise<Wire> {
    const node = formatNodeAddress(address);
    const client = new fivebeans.client(address.host, address.port);
    return new Promise((resolve, reject) => {
      const fail = (error: QueueError): void => {
        settled();
        client.stream.destroy();
        // A stream that is being destroyed may still report an error.
        client.on("error", () => undefined);
        reject(error);
      };
      const refused = (cause: unknown): void =>
        fail(new QueueError("connect-failed", `no connection to ${node}`, { cause, node }));
      const late = (): void => fail(new QueueError("connect-failed", `no connection to ${node} in time`, { node }));
      const aborted = (): void => fail(new QueueError("closed", `the dial to ${node} was given up`, { node }));
      const settled = (): void => {
        clearTimeout(timer);
        options.signal?.removeEventListener("abort", aborted);
        client.removeListener("error", refused);
      };
      client.once("error", refused);
      client.once("connect", () => {
        settled();
        client.stream.setNoDelay(true);
        client.stream.setKeepAlive(true, keepAliveMs);
        resolve(new Wire(client, node, options));
      });
      const timer = setTimeout(late, options.connectTimeoutMs ?? 3000);
      client.connect();
      if (options.signal?.aborted === true) aborted();
      else options.signal?.addEventListener("abort", aborted);
    });
  }

  get alive(): boolean {
    return this.#reason === undefined && !this.#closing;
  }

  get pending(): number {
    return this.#pending.length;
  }

  /** @throws QueueError `connection-lost`, `closed` or `window-full` when nothing may be sent now */
  check(): void {
    const { node } = this;
    if (this.#reason !== undefined) {
      throw new QueueError("connection-lost", `the connection to ${node} has ended`, { node, cause: this.#reason });
    }
    if (this.#closing) throw new QueueError("closed", `the connection to ${node} is being closed`, { node });
    if (this.#pending.length >= this.windowMax) {
      throw new QueueError("window-full", `${this.windowMax} commands at ${node} are unanswered`, { node });
    }
  }

  /**
   * Sends one command, whose arguments were checked, and reads its answer with `accept`. What `accept` throws rejects this call, and when
   * its code is `protocol` it ends the life before the next answer is read. The caller calls check() before.
   */
  send<T>(verb: Verb, args: (string | number | Buffer)[], accept: (reply: Reply) => T, limitMs = 0): Promise<T> {
    return new Promise((resolve, reject) => {
      const limit = Math.min(limitMs + this.commandTimeoutMs, timerMsMax);
      this.#pending.push({ limitMs: limit, answer: (reply) => resolve(accept(reply)), reject });
      if (this.#pending.length === 1) this.#oldestChanged();
      this.#client[verb](...args, () => this.#answered(handler));
      const handler = this.#client.handlers.at(-1)?.[0] as ResponseHandler;
      handler.RESPONSES_REQUIRING_BODY = rawBodies;
    });
  }

  /**
   * Sends no more, half-closes, and waits for the answers that are owed, no longer than the command time limit. beanstalkd answers what it
   * received before the half-close and ends a waiting reserve with TIMED_OUT. Jobs held by the connection become ready again.
   */
  async close(): Promise<void> {
    if (this.#reason === undefined && !this.#closing) {
      this.#closing = true;
      this.#client.stream.end();
      const timer = setTimeout(() => this.destroy(), this.commandTimeoutMs);
      await this.closed;
      clearTimeout(timer);
    }
    await this.#socketClosed;
  }

  /** Ends the life now. Pending calls are rejected with the reason. */
  destroy(reason = new QueueError("closed", `the connection to ${this.node} was closed`, { node: this.node })): void {
    if (this.#reason !== undefined) return;
    this.#reason = reason;
    clearTimeout(this.#timer);
    this.#client.handlers = [];
    this.#client.stream.destroy();
    for (const pending of this.#pending.splice(0)) pending.reject(reason);
    this.#resolveClosed(reason);
  }

  #lost(): void {
    if (this.#closing && this.#pending.length === 0) this.destroy();
    else this.destroy(new QueueError("connection-lost", `${this.node} ended the connection`, { node: this.node }));
  }

  #answered(handler: ResponseHandler): void {
    if (this.#reason !== undefined) return;
    const pending = this.#pending.shift();
    if (pending === undefined) throw new QueueError("protocol", "an answer without a command", { node: this.node });
    this.#oldestChanged();
    try {
      pending.answer(readReply(handler));
    } catch (cause) {
      const error = toQueueError(cause, "protocol", this.node);
      pending.reject(error);
      if (error.code === "protocol") this.destroy(error);
    }
  }

  /** Looks at the bytes that fivebeans left: the beginning of an answer, or something no answer begins with. */
  #checkRest(): void {
    const { buffer, handlers } = this.#client;
    if (this.#reason !== undefined || buffer === undefined || buffer.length === 0) return;
    const headerEnd = buffer.indexOf("\r\n");
    const header = buffer.toString("latin1", 0, headerEnd === -1 ? Math.min(buffer.length, 80) : headerEnd);
    const asked = handlers.length > 0;
    const sane = headerEnd === -1 ? buffer.length <= headerBytesMax : bodiedHeader.test(header);
    if (asked && sane && buffer.length <= replyBytesMax) return;
    const detail = asked ? "sent what no answer looks like" : "sent an answer that nobody asked for";
    throw new QueueError("protocol", `${this.node} ${detail}: ${JSON.stringify(header.slice(0, 80))}`, {
      node: this.node,
    });
  }

  #oldestChanged(): void {
    const oldest = this.#pending[0];
    if (oldest === undefined) {
      clearTimeout(this.#timer);
      this.#timer = undefined;
      return;
    }
    this.#oldestSince = performance.now();
    // The timer may be late for a new oldest call (it then looks again), but never early for a shorter limit.
    if (this.#timer === undefined || this.#oldestSince + oldest.limitMs < this.#timerDue) this.#arm(oldest.limitMs);
  }

  #arm(ms: number): void {
    clearTimeout(this.#timer);
    this.#timerDue = performance.now() + ms;
    // Once more round the loop before judging: when we ourselves were busy, the answer may lie in the socket unread.
    this.#timer = setTimeout(() => setImmediate(() => this.#judge()), ms);
  }

  #judge(): void {
    const oldest = this.#pending[0];
    this.#timer = undefined;
    if (this.#reason !== undefined || oldest === undefined) return;
    const leftMs = this.#oldestSince + oldest.limitMs - performance.now();
    if (leftMs > 0) return this.#arm(leftMs);
    this.destroy(
      new QueueError("command-timeout", `no answer from ${this.node} in ${oldest.limitMs} ms`, { node: this.node }),
    );
  }
}

/** fivebeans hands its callback the first word of an unexpected answer only (the id behind BURIED is lost), so we read its handler. */
function readReply(handler: ResponseHandler): Reply {
  const { header = "", body } = handler;
  const words = header.split(" ");
  if (!((words[0] as string) in rawBodies)) return { words, body: undefined };
  if (body === undefined || !bodiedHeader.test(header) || body.toString("latin1", body.length - 2) !== "\r\n") {
    throw new QueueError("protocol", `an answer with a broken body: ${JSON.stringify(header.slice(0, 80))}`);
  }
  // A copy: a slice would keep the whole chunk of the socket alive for as long as the job is held.
  return { words, body: Buffer.from(body.subarray(0, -2)) };
}
