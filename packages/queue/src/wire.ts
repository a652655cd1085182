/**
 * One fivebeans client object, for one connection life, and whoever is owed an answer.
 *
 *   dial ──▶ open ──close()──▶ closing ──last answer, or the limit──▶ ended
 *     │        └───destroy(), lost, time limit, wrong answer────────────▲
 *     └──refused, time limit, abort──▶ rejected
 *
 * Always true: answers come in the order of the commands (doc/protocol.txt), so the oldest pending call owns the next answer.
 * Every call settles: by its answer, or when the life ends. After anything that could shift answers by one (a late answer, one that
 * does not fit, bytes that nobody asked for) the life ends. Nothing that we do inside fivebeans' callbacks throws: it would lose the
 * answers behind.
 *
 * There are two lanes to the one socket, and one order of answers:
 *
 *   send()  any command ──▶ fivebeans frames it and takes its answer apart
 *   add()   commands whose answer is one line (put, use) ──▶ text, written by flush() ──▶ we cut the answers at their line ends
 *
 * fivebeans costs a put 3 µs, and a write of its own unless somebody corks the socket; beanstalkd takes a put in 3 to 4 µs, so whoever also
 * has something else to do would be slower than it. add() costs a tenth of that. fivebeans' list of handlers keeps the lanes in order: each
 * run of added commands is one entry there, at which fivebeans stops until we have taken their answers.
 *
 * The socket is ours, since fivebeans dials without options: one read buffer for all, and reading can really be stopped. While many
 * answers are on their way we look for them once a millisecond only. beanstalkd writes each answer by itself; a client that waits in the
 * kernel is woken by each, which costs it 3 µs and beanstalkd 1 µs (230 000 puts a second instead of 290 000).
 */

import { connect } from "node:net";
import fivebeans, { type Client, type LineRun, type ResponseHandler, type Verb } from "fivebeans";
import { QueueError, toQueueError } from "./errors.ts";
import { Fifo } from "./fifo.ts";
import { formatNodeAddress, type NodeAddress } from "./names.ts";

export interface ConnectionOptions {
  /** From the first packet to an open connection. */
  connectTimeoutMs?: number;
  /** From the answer before (or the sending, when nothing was pending) to the answer of a command. */
  commandTimeoutMs?: number;
  /** Commands sent and not answered. There is no other backpressure, and fivebeans' queue is an array that it shifts. */
  windowMax?: number;
  /** Ends a dial that is under way; without effect once the connection is open. */
  signal?: AbortSignal;
}

/** An answer: its first line, and its body without the line end behind it. */
export interface Reply {
  line: string;
  body?: Buffer;
}

/** Whoever is owed an answer: one of the two is called once, and what `answered` throws is given to `failed`, which must not throw. */
export interface Waiter {
  /** How long the command may wait at the server, on top of the command time limit. */
  readonly waitMs: number;
  /** What it throws as QueueError `protocol` ends the life before the next answer is read. */
  answered(reply: Reply): void;
  failed(error: QueueError): void;
}

/** Probes of the kernel on an idle connection: a node that lost power is noticed even when nothing is sent. */
const keepAliveMs = 30_000;
/** The longest first line is `RESERVED`, a uint64 and a uint32; error answers and `USING <tube>` are shorter than 300. */
const headerBytesMax = 1024;
/** Above the server's job size (64 KiB by default) and the list of ten thousand tubes. */
const replyBytesMax = 16 * 1024 * 1024;
/** Written at once: V8's strings end at 512 MB, which a window of large bodies could reach. A read of 64 KiB makes a fifth of this. */
const writeBytesMax = 1024 * 1024;
/** So many answers on their way keep beanstalkd busy for a while (3 to 30 µs each): nobody waits for one of them in particular. */
const manyAnswers = 64;
const readAgainMs = 1;
/** All connections read into this one (a read and its callback are one step). What is kept beyond that is copied. */
const readBuffer = Buffer.allocUnsafeSlow(64 * 1024);
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
  readonly #pending = new Fifo<Waiter>();
  readonly #resolveClosed: (reason: QueueError) => void;
  readonly #socketClosed: Promise<void>;
  /** Added and not yet written. */
  #out = "";
  #reason: QueueError | undefined;
  #closing = false;
  /** When the oldest pending call became the oldest, by a clock that nobody sets. */
  #oldestSince = 0;
  #timer: NodeJS.Timeout | undefined;
  #timerDue = 0;
  #readAgain: NodeJS.Timeout | undefined;

  private constructor(client: Client, node: string, options: ConnectionOptions) {
    this.node = node;
    this.windowMax = options.windowMax ?? 1024;
    this.commandTimeoutMs = options.commandTimeoutMs ?? 10_000;
    this.#client = client;
    const { promise, resolve } = Promise.withResolvers<QueueError>();
    this.closed = promise;
    this.#resolveClosed = resolve;
    const { stream } = client;
    this.#socketClosed = new Promise((done) => stream.once("close", () => done()));
    stream.on("error", (cause) => this.destroy(toQueueError(cause, "connection-lost", node)));
    stream.on("close", () => this.#lost());
    stream.on("end", () => this.#lost());
  }

  /**
   * Dials once.
   * @throws QueueError `connect-failed`, or `closed` when the signal aborted it
   */
  static open(address: NodeAddress, options: ConnectionOptions = {}): Promise<Wire> {
    const { host, port } = address;
    const node = formatNodeAddress(address);
    return new Promise((resolve, reject) => {
      let wire: Wire | undefined;
      const socket = connect({
        ...{ host, port, noDelay: true, keepAlive: true, keepAliveInitialDelay: keepAliveMs },
        onread: {
          buffer: readBuffer,
          callback: (length) => wire === undefined || wire.#read(readBuffer.subarray(0, length)),
        },
      });
      const fail = (error: QueueError): void => {
        settled();
        socket.destroy();
        // A stream that is being destroyed may still report an error.
        socket.on("error", () => undefined);
        reject(error);
      };
      const refused = (cause: unknown): void =>
        fail(new QueueError("connect-failed", `no connection to ${node}`, { cause, node }));
      const late = (): void => fail(new QueueError("connect-failed", `no connection to ${node} in time`, { node }));
      const aborted = (): void => fail(new QueueError("closed", `the dial to ${node} was given up`, { node }));
      const settled = (): void => {
        clearTimeout(timer);
        options.signal?.removeEventListener("abort", aborted);
        socket.removeListener("error", refused);
      };
      socket.once("error", refused);
      socket.once("connect", () => {
        settled();
        const client = new fivebeans.client(host, port);
        client.stream = socket;
        wire = new Wire(client, node, options);
        resolve(wire);
      });
      const timer = setTimeout(late, options.connectTimeoutMs ?? 3000);
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
    this.checkOpen();
    if (this.#pending.length >= this.windowMax) {
      throw new QueueError("window-full", `${this.windowMax} commands at ${node} are unanswered`, { node });
    }
  }

  /** @throws QueueError `connection-lost` or `closed` when nothing may be sent any more */
  checkOpen(): void {
    const { node } = this;
    if (this.#reason !== undefined) {
      throw new QueueError("connection-lost", `the connection to ${node} has ended`, { node, cause: this.#reason });
    }
    if (this.#closing) throw new QueueError("closed", `the connection to ${node} is being closed`, { node });
  }

  /**
   * Sends one command, whose arguments were checked, and reads its answer with `accept`. What `accept` throws rejects this call, and when
   * its code is `protocol` it ends the life before the next answer is read. The caller calls check() before.
   */
  send<T>(verb: Verb, args: (string | number | Buffer)[], accept: (reply: Reply) => T, waitMs = 0): Promise<T> {
    return new Promise((resolve, reject) => {
      this.flush();
      this.#owe({ waitMs, answered: (reply) => resolve(accept(reply)), failed: reject });
      this.#client[verb](...args, () => this.#answered(handler));
      const [handler] = this.#client.handlers.at(-1) as [ResponseHandler, () => void];
      handler.RESPONSES_REQUIRING_BODY = rawBodies;
    });
  }

  /**
   * Adds a command that is answered with one line to what flush() writes. The caller calls check() or
   * checkOpen() before, and flush() in the same turn.
   * @param command a byte per character, with its line ends
   */
  add(command: string, waiter: Waiter): void {
    const { handlers } = this.#client;
    const last = handlers.at(-1);
    if (last !== undefined && "lines" in last) last.lines += 1;
    else handlers.push({ lines: 1 });
    this.#owe(waiter);
    this.#out += command;
    if (this.#out.length >= writeBytesMax) this.flush();
  }

  /** Writes what was added, in one piece. */
  flush(): void {
    if (this.#out === "") return;
    const out = this.#out;
    this.#out = "";
    this.#client.stream.write(out, "latin1");
  }

  /**
   * Sends no more, half-closes, and waits for the answers that are owed, no longer than the command time limit. beanstalkd answers what it
   * received before the half-close and ends a waiting reserve with TIMED_OUT. Jobs held by the connection become ready again.
   */
  async close(): Promise<void> {
    if (this.#reason === undefined && !this.#closing) {
      this.#closing = true;
      this.flush();
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
    clearTimeout(this.#readAgain);
    this.#out = "";
    this.#client.handlers = [];
    this.#client.stream.destroy();
    for (const waiter of this.#pending.takeAll()) waiter.failed(reason);
    this.#resolveClosed(reason);
  }

  #lost(): void {
    if (this.#closing && this.#pending.length === 0) this.destroy();
    else this.destroy(new QueueError("connection-lost", `${this.node} ended the connection`, { node: this.node }));
  }

  #owe(waiter: Waiter): void {
    this.#pending.push(waiter);
    if (this.#pending.length === 1) this.#oldestChanged();
  }

  /** Gives a chunk of the socket to those who wait. @returns whether to go on reading at once */
  #read(chunk: Buffer): boolean {
    const client = this.#client;
    const { buffer: rest } = client;
    const oldest = this.#pending.first;
    client.buffer = rest === undefined ? chunk : Buffer.concat([rest, chunk]);
    try {
      this.#takeAnswers();
      this.#checkRest();
    } catch (cause) {
      this.destroy(toQueueError(cause, "protocol", this.node));
    }
    if (this.#reason !== undefined) return true;
    client.buffer = client.buffer.length === 0 ? undefined : Buffer.from(client.buffer);
    if (this.#pending.first !== oldest) this.#oldestChanged();
    if (this.#linesPending() < manyAnswers) return true;
    this.#readAgain = setTimeout(() => this.#client.stream.resume(), readAgainMs);
    return false;
  }

  #takeAnswers(): void {
    const client = this.#client;
    for (;;) {
      client.tryHandlingResponse();
      const run = client.handlers[0];
      // Nothing is owed, or fivebeans waits for more.
      if (run === undefined || !("lines" in run)) return;
      this.#takeLines(run);
      if (run.lines > 0 || this.#reason !== undefined) return;
      client.handlers.shift();
    }
  }

  #takeLines(run: LineRun): void {
    const buffer = this.#client.buffer ?? Buffer.alloc(0);
    const text = buffer.toString("latin1");
    let start = 0;
    while (run.lines > 0 && this.#reason === undefined) {
      const end = text.indexOf("\r\n", start);
      if (end === -1) break;
      run.lines -= 1;
      const waiter = this.#takeOldest();
      try {
        waiter.answered({ line: text.slice(start, end) });
      } catch (cause) {
        this.#failed(waiter, cause);
      }
      start = end + 2;
    }
    this.#client.buffer = buffer.subarray(start);
  }

  /** fivebeans has an answer for the oldest call. */
  #answered(handler: ResponseHandler): void {
    if (this.#reason !== undefined) return;
    const waiter = this.#takeOldest();
    try {
      waiter.answered(readReply(handler));
    } catch (cause) {
      this.#failed(waiter, cause);
    }
  }

  #takeOldest(): Waiter {
    const waiter = this.#pending.shift();
    if (waiter === undefined) throw new QueueError("protocol", "an answer without a command", { node: this.node });
    return waiter;
  }

  #failed(waiter: Waiter, cause: unknown): void {
    const error = toQueueError(cause, "protocol", this.node);
    waiter.failed(error);
    if (error.code === "protocol") this.destroy(error);
  }

  #linesPending(): number {
    const run = this.#client.handlers[0];
    return run !== undefined && "lines" in run ? run.lines : 0;
  }

  /** Looks at the bytes that nobody took: the beginning of an answer, or something no answer begins with. */
  #checkRest(): void {
    const { buffer } = this.#client;
    if (this.#reason !== undefined || buffer === undefined || buffer.length === 0) return;
    const headerEnd = buffer.indexOf("\r\n");
    const header = buffer.toString("latin1", 0, headerEnd === -1 ? Math.min(buffer.length, 80) : headerEnd);
    const asked = this.#pending.length > 0;
    const sane = headerEnd === -1 ? buffer.length <= headerBytesMax : bodiedHeader.test(header);
    if (asked && sane && buffer.length <= replyBytesMax) return;
    const detail = asked ? "sent what no answer looks like" : "sent an answer that nobody asked for";
    throw new QueueError("protocol", `${this.node} ${detail}: ${JSON.stringify(header.slice(0, 80))}`, {
      node: this.node,
    });
  }

  #oldestChanged(): void {
    const oldest = this.#pending.first;
    if (oldest === undefined) {
      clearTimeout(this.#timer);
      this.#timer = undefined;
      return;
    }
    this.#oldestSince = performance.now();
    const limitMs = this.#limitMs(oldest);
    // The timer may be late for a new oldest call (it then looks again), but never early for a shorter limit.
    if (this.#timer === undefined || this.#oldestSince + limitMs < this.#timerDue) this.#arm(limitMs);
  }

  #limitMs({ waitMs }: Waiter): number {
    return Math.min(waitMs + this.commandTimeoutMs, timerMsMax);
  }

  #arm(ms: number): void {
    clearTimeout(this.#timer);
    this.#timerDue = performance.now() + ms;
    // Once more round the loop before judging: when we ourselves were busy, the answer may lie in the socket unread.
    this.#timer = setTimeout(() => setImmediate(() => this.#judge()), ms);
  }

  #judge(): void {
    const oldest = this.#pending.first;
    this.#timer = undefined;
    if (this.#reason !== undefined || oldest === undefined) return;
    const limitMs = this.#limitMs(oldest);
    const leftMs = this.#oldestSince + limitMs - performance.now();
    if (leftMs > 0) return this.#arm(leftMs);
    this.destroy(
      new QueueError("command-timeout", `no answer from ${this.node} in ${limitMs} ms`, { node: this.node }),
    );
  }
}

/** fivebeans hands its callback the first word of an unexpected answer only (the id behind BURIED is lost), so we read its handler. */
function readReply({ header = "", body }: ResponseHandler): Reply {
  const word = header.split(" ", 1)[0] as string;
  if (!(word in rawBodies)) return { line: header };
  if (body === undefined || !bodiedHeader.test(header) || body.toString("latin1", body.length - 2) !== "\r\n") {
    throw new QueueError("protocol", `an answer with a broken body: ${JSON.stringify(header.slice(0, 80))}`);
  }
  // A copy: a slice would keep the whole chunk of the socket alive for as long as the job is held.
  return { line: header, body: Buffer.from(body.subarray(0, -2)) };
}
