/**
 * beanstalkd's commands as typed promises, over one connection life (wire.ts). When it ends, this object is done: whoever wants another
 * life opens another Connection, and forgets every id that it held.
 *
 * Always true: arguments are checked before anything is sent; each command accepts only the answers that doc/protocol.txt gives for it, and
 * any other ends the life, since it means that answers and commands no longer match.
 */

import type { Verb } from "fivebeans";
import { QueueError, type QueueErrorCode } from "./errors.ts";
import { checkBody, checkJobId, checkTube, checkUint32, isJobId, type NodeAddress } from "./names.ts";
import {
  type JobStats,
  type NodeStats,
  parseJobStats,
  parseList,
  parseNodeStats,
  parseTubeStats,
  type TubeStats,
} from "./stats.ts";
import { type ConnectionOptions, type Reply, type Waiter, Wire } from "./wire.ts";

export type { ConnectionOptions } from "./wire.ts";

export interface PutOptions {
  /** 0 is the most urgent, 2^32-1 the least. */
  priority?: number;
  delaySeconds?: number;
  /** Time to run: how long a worker may hold the job without touching it. The server makes 1 of 0. */
  ttrSeconds?: number;
}

/** Takes the answers to puts: for each, one of the two is called once. Neither may throw. */
export interface PutAnswers<T> {
  stored(put: T, id: string): void;
  /** With the errors of Connection.put. */
  refused(put: T, error: QueueError): void;
}

export interface FoundJob {
  id: string;
  body: Buffer;
}

export type Reservation = { kind: "job"; id: string; body: Buffer } | { kind: "timed-out" } | { kind: "deadline-soon" };

/** The middle: room for what is more urgent (below 1024 counts as such in beanstalkd's stats) and for what is less. */
export const priorityDefault = 65_536;
const ttrSecondsDefault = 120;

const refusals: Record<string, QueueErrorCode> = {
  NOT_FOUND: "not-found",
  JOB_TOO_BIG: "job-too-big",
  DRAINING: "draining",
  OUT_OF_MEMORY: "out-of-memory",
  INTERNAL_ERROR: "internal-error",
};

export class Connection {
  readonly node: string;
  readonly #wire: Wire;
  #usedTube = "default";
  #watched = new Set(["default"]);

  private constructor(wire: Wire) {
    this.#wire = wire;
    this.node = wire.node;
  }

  /**
   * Opens one connection, NODELAY and keepalive set.
   * @throws QueueError `connect-failed`, or `closed` when the signal aborted the dial
   */
  static async open(node: NodeAddress, options: ConnectionOptions = {}): Promise<Connection> {
    return new Connection(await Wire.open(node, options));
  }

  /** Resolves with the reason when the life has ended; never rejects. */
  get closed(): Promise<QueueError> {
    return this.#wire.closed;
  }

  /** Whether commands may be given: neither ended nor closing. */
  get alive(): boolean {
    return this.#wire.alive;
  }

  /** Commands sent and not answered. */
  get pending(): number {
    return this.#wire.pending;
  }

  get windowMax(): number {
    return this.#wire.windowMax;
  }

  /**
   * Stores a job. May be called again before the answer came: commands are pipelined.
   * @returns the job's id at this server
   * @throws QueueError `bad-argument`, `window-full` (nothing was sent); `job-too-big`, `draining`, `out-of-memory`, `internal-error` (not
   * stored); `buried-on-put` (stored as `jobId`, but waits for a kick); `connection-lost`, `command-timeout`, `protocol`, `closed` (unknown)
   */
  async put(tube: string, body: Buffer, options: PutOptions = {}): Promise<string> {
    checkTube(tube);
    const command = putCommand(checkBody(body), options);
    this.#wire.check();
    return new Promise((resolve, reject) => {
      this.addPut(tube, command, undefined, {
        stored: (_, id) => resolve(id),
        refused: (_, error) => reject(error),
      });
      this.flush();
    });
  }

  /**
   * Adds a put to what flush() sends; the caller calls it in the same turn. The caller also minds the window: nothing is refused here.
   * @param tube passed checkTube()
   * @param command of putCommand()
   * @param put what `answers` is told with the answer
   * @throws QueueError `connection-lost`, `closed` (nothing was added, and `answers` is told nothing)
   */
  addPut<T>(tube: string, command: string, put: T, answers: PutAnswers<T>): void {
    this.#wire.checkOpen();
    this.#use(tube);
    this.#wire.add(command, new PutWaiter(this, put, answers));
  }

  /** Sends the puts that were added, in one write. */
  flush(): void {
    this.#wire.flush();
  }

  /**
   * Watches exactly these tubes.
   * @throws QueueError as put; any refusal ends the connection, since it is then unknown what it watches
   */
  async watchOnly(tubes: readonly string[]): Promise<void> {
    if (tubes.length === 0) throw new QueueError("bad-argument", "expected at least one tube to watch");
    const wanted = new Set(tubes.map(checkTube));
    this.#wire.check();
    const answers: Promise<unknown>[] = [];
    const change = (verb: "watch" | "ignore", tube: string): void => {
      if (verb === "watch") this.#watched.add(tube);
      else this.#watched.delete(tube);
      const count = String(this.#watched.size);
      answers.push(this.#wire.send(verb, [tube], (reply) => this.#expect(reply, verb, ["WATCHING", count])));
    };
    // Watch first: the server refuses to ignore the only watched tube.
    for (const tube of wanted.difference(this.#watched)) change("watch", tube);
    for (const tube of this.#watched.difference(wanted)) change("ignore", tube);
    await Promise.all(answers);
  }

  /**
   * Asks for a job of the watched tubes. Until the answer comes every later command of this connection waits behind it.
   * `deadline-soon`: the time to run of a job held by this connection ends within a second, and nothing is ready.
   * @throws QueueError as put
   */
  async reserve(timeoutSeconds: number): Promise<Reservation> {
    checkUint32(timeoutSeconds, "a timeout in seconds");
    this.#wire.check();
    const accept = (reply: Reply): Reservation => {
      const [word, id] = reply.line.split(" ");
      if (word === "RESERVED" && reply.body !== undefined && isJobId(id)) return { kind: "job", id, body: reply.body };
      if (reply.line === "TIMED_OUT") return { kind: "timed-out" };
      if (reply.line === "DEADLINE_SOON") return { kind: "deadline-soon" };
      throw unexpected(this.node, reply, "reserve_with_timeout", []);
    };
    return this.#wire.send("reserve_with_timeout", [timeoutSeconds], accept, timeoutSeconds * 1000);
  }

  /** @throws QueueError `not-found` when somebody else holds the job by now, or it is gone; otherwise as put */
  delete(id: string): Promise<void> {
    return this.#verb("destroy", [() => checkJobId(id)], ["DELETED"], ["NOT_FOUND"]);
  }

  /** @throws QueueError as delete, and `buried-on-release` when the server could only bury it */
  async release(id: string, options: { priority?: number; delaySeconds?: number } = {}): Promise<void> {
    const priority = checkUint32(options.priority ?? priorityDefault, "a priority");
    const delaySeconds = checkUint32(options.delaySeconds ?? 0, "a delay in seconds");
    checkJobId(id);
    this.#wire.check();
    return this.#wire.send("release", [id, priority, delaySeconds], (reply) => {
      if (reply.line === "BURIED") {
        throw new QueueError("buried-on-release", `job ${id} was buried instead`, { node: this.node, jobId: id });
      }
      this.#expect(reply, "release", ["RELEASED"], ["NOT_FOUND"]);
    });
  }

  /** @throws QueueError as delete */
  bury(id: string, options: { priority?: number } = {}): Promise<void> {
    const priority = options.priority ?? priorityDefault;
    return this.#verb(
      "bury",
      [() => checkJobId(id), () => checkUint32(priority, "a priority")],
      ["BURIED"],
      ["NOT_FOUND"],
    );
  }

  /** Starts the time to run again. @throws QueueError as delete */
  touch(id: string): Promise<void> {
    return this.#verb("touch", [() => checkJobId(id)], ["TOUCHED"], ["NOT_FOUND"]);
  }

  /** Makes a buried or delayed job ready. @throws QueueError as delete */
  kickJob(id: string): Promise<void> {
    return this.#verb("kick_job", [() => checkJobId(id)], ["KICKED"], ["NOT_FOUND"]);
  }

  /** Kicks up to `bound` buried jobs of a tube, or delayed ones when none is buried. @returns how many. @throws QueueError as put */
  async kick(tube: string, bound: number): Promise<number> {
    checkTube(tube);
    checkUint32(bound, "a bound");
    this.#wire.check();
    this.#use(tube);
    return this.#wire.send("kick", [bound], (reply) => {
      const [word, count, ...more] = reply.line.split(" ");
      if (word === "KICKED" && isJobId(count) && more.length === 0) return Number(count);
      throw unexpected(this.node, reply, "kick", []);
    });
  }

  /** Nobody gets a job of the tube for so long; 0 ends a pause. @throws QueueError `not-found` when there is no such tube; as put */
  pauseTube(tube: string, seconds: number): Promise<void> {
    const args = [() => checkTube(tube), () => checkUint32(seconds, "a pause in seconds")];
    return this.#verb("pause_tube", args, ["PAUSED"], ["NOT_FOUND"]);
  }

  /** The next job of that state, without reserving it. @throws QueueError as put */
  peekReady(tube: string): Promise<FoundJob | undefined> {
    return this.#peek("peek_ready", tube);
  }

  /** @throws QueueError as put */
  peekDelayed(tube: string): Promise<FoundJob | undefined> {
    return this.#peek("peek_delayed", tube);
  }

  /** @throws QueueError as put */
  peekBuried(tube: string): Promise<FoundJob | undefined> {
    return this.#peek("peek_buried", tube);
  }

  /** @throws QueueError `not-found` when there is no such tube: one exists while it holds jobs or is used or watched; as put */
  async statsTube(tube: string): Promise<TubeStats> {
    checkTube(tube);
    return this.#stats("stats_tube", [tube], parseTubeStats);
  }

  /** @throws QueueError as delete */
  async statsJob(id: string): Promise<JobStats> {
    checkJobId(id);
    return this.#stats("stats_job", [id], parseJobStats);
  }

  /** @throws QueueError as put */
  stats(): Promise<NodeStats> {
    return this.#stats("stats", [], parseNodeStats);
  }

  /** @throws QueueError as put */
  listTubes(): Promise<string[]> {
    return this.#stats("list_tubes", [], parseList);
  }

  /**
   * Takes no more commands, waits for the answers that are owed (no longer than the command time limit), then ends the life. A reserve
   * that waits is answered at once. Jobs held by the connection become ready again.
   */
  close(): Promise<void> {
    return this.#wire.close();
  }

  /** Ends the life at once; what is pending is rejected with the reason (`closed` unless given). */
  destroy(reason?: QueueError): void {
    this.#wire.destroy(reason);
  }

  /** The next command finds this tube in use. The caller has called check() or checkOpen(). */
  #use(tube: string): void {
    if (this.#usedTube === tube) return;
    this.#usedTube = tube;
    this.#wire.add(`use ${tube}\r\n`, {
      waitMs: 0,
      // A refusal ends the life before the next answer is read: the puts behind it would be stored in the wrong tube.
      answered: (reply) => this.#expect(reply, "use", ["USING", tube]),
      failed: () => undefined,
    });
  }

  async #verb(verb: Verb, args: (() => string | number)[], answer: string[], refusedWith: string[]): Promise<void> {
    const checked = args.map((check) => check());
    this.#wire.check();
    return this.#wire.send(verb, checked, (reply) => this.#expect(reply, verb, answer, refusedWith));
  }

  async #peek(verb: "peek_ready" | "peek_delayed" | "peek_buried", tube: string): Promise<FoundJob | undefined> {
    checkTube(tube);
    this.#wire.check();
    this.#use(tube);
    return this.#wire.send(verb, [], (reply) => {
      const [word, id] = reply.line.split(" ");
      if (word === "FOUND" && reply.body !== undefined && isJobId(id)) return { id, body: reply.body };
      if (reply.line === "NOT_FOUND") return undefined;
      throw unexpected(this.node, reply, verb, []);
    });
  }

  async #stats<T>(verb: Verb, args: string[], parse: (body: Buffer) => T): Promise<T> {
    this.#wire.check();
    return this.#wire.send(verb, args, (reply) => {
      if (reply.line.startsWith("OK ") && reply.body !== undefined) return parse(reply.body);
      throw unexpected(this.node, reply, verb, args.length === 0 ? [] : ["NOT_FOUND"]);
    });
  }

  #expect(reply: Reply, verb: Verb, answer: string[], refusedWith?: string[]): void {
    if (reply.line === answer.join(" ")) return;
    // Commands that change the state of the connection name no refusals: after one, its state is unknown.
    throw refusedWith === undefined
      ? protocolError(this.node, reply, verb)
      : unexpected(this.node, reply, verb, refusedWith);
  }
}

class PutWaiter<T> implements Waiter {
  readonly waitMs = 0;
  readonly #connection: Connection;
  readonly #put: T;
  readonly #answers: PutAnswers<T>;

  constructor(connection: Connection, put: T, answers: PutAnswers<T>) {
    this.#connection = connection;
    this.#put = put;
    this.#answers = answers;
  }

  answered(reply: Reply): void {
    const { line } = reply;
    const { node } = this.#connection;
    const id = line.slice(line.indexOf(" ") + 1);
    if (line.startsWith("INSERTED ") && isJobId(id)) return this.#answers.stored(this.#put, id);
    if (line.startsWith("BURIED ") && isJobId(id)) {
      throw new QueueError("buried-on-put", `stored as ${id}, but buried`, { node, jobId: id });
    }
    throw unexpected(node, reply, "put", ["JOB_TOO_BIG", "DRAINING"]);
  }

  failed(error: QueueError): void {
    this.#answers.refused(this.#put, error);
  }
}

/**
 * A put as it is written, a byte per character: what is sent again, to whichever node.
 * @param body a text is stored as UTF-8
 * @throws QueueError `bad-argument`
 */
export function putCommand(body: Buffer | string, options: PutOptions): string {
  const priority = checkUint32(options.priority ?? priorityDefault, "a priority");
  const delaySeconds = checkUint32(options.delaySeconds ?? 0, "a delay in seconds");
  const ttrSeconds = checkUint32(options.ttrSeconds ?? ttrSecondsDefault, "a time to run in seconds");
  const bytes = bytesOf(body);
  return `put ${priority} ${delaySeconds} ${ttrSeconds} ${bytes.length}\r\n${bytes}\r\n`;
}

/** A character for each byte. */
function bytesOf(body: Buffer | string): string {
  if (typeof body !== "string") return checkBody(body).toString("latin1");
  const isAscii = Buffer.byteLength(body) === body.length;
  return isAscii ? body : Buffer.from(body).toString("latin1");
}

function unexpected(node: string, reply: Reply, verb: Verb, refusedWith: readonly string[]): QueueError {
  const possible = [...refusedWith, "OUT_OF_MEMORY", "INTERNAL_ERROR"];
  const code = possible.includes(reply.line) ? refusals[reply.line] : undefined;
  if (code === undefined) return protocolError(node, reply, verb);
  return new QueueError(code, `${node} answered ${reply.line} to ${verb}`, { node });
}

function protocolError(node: string, { line }: Reply, verb: Verb): QueueError {
  return new QueueError("protocol", `${node} answered ${JSON.stringify(line.slice(0, 80))} to ${verb}`, { node });
}
