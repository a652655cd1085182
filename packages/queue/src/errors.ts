/**
 * Everything that can go wrong between us and beanstalkd, by name.
 *
 * The list of codes is closed: a code is a metric label and a branch in the services, never built from data.
 * A rejected command says one of two things. Codes that quote an answer of the server (doc/protocol.txt of beanstalkd) mean
 * "it did not happen". Codes about the connection (`connection-lost`, `command-timeout`, `protocol`, `closed`) mean "unknown":
 * the server may have carried the command out and the answer was lost.
 */

export type QueueErrorCode =
  /** The connection ended before the answer came, or had ended before the command was given. */
  | "connection-lost"
  /** No connection within the time limit, or refused. */
  | "connect-failed"
  /** No answer within the time limit; the connection was destroyed, since a late answer would answer the next command. */
  | "command-timeout"
  /** The server sent what does not answer the command; the connection was destroyed. */
  | "protocol"
  /** We closed it ourselves. */
  | "closed"
  /** NOT_FOUND: no such job (or its time to run ran out and somebody else holds it), or no such tube. */
  | "not-found"
  /** JOB_TOO_BIG: this body can never be stored. */
  | "job-too-big"
  /** DRAINING: the server takes no new jobs until it is restarted. */
  | "draining"
  /** OUT_OF_MEMORY: no memory, or the disk of the binlog is full. */
  | "out-of-memory"
  | "internal-error"
  /** The answer to a put was BURIED: the job is stored, but nobody gets it until it is kicked. */
  | "buried-on-put"
  /** The answer to a release was BURIED. */
  | "buried-on-release"
  /** Refused here, before anything was sent. */
  | "bad-argument"
  /** As many commands are unanswered as the connection's window allows. */
  | "window-full"
  /** This job was deleted, released or buried through this object before; a second verb could hit another holder's job. */
  | "already-settled";

export interface QueueErrorOptions extends ErrorOptions {
  /** The node it happened at, `host:port`. */
  node?: string;
  /** The job that exists in spite of the error (`buried-on-put`). */
  jobId?: string;
}

export class QueueError extends Error {
  override readonly name = "QueueError";
  readonly code: QueueErrorCode;
  readonly node?: string;
  readonly jobId?: string;

  constructor(code: QueueErrorCode, detail: string, options: QueueErrorOptions = {}) {
    super(`${code}: ${detail}`, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    if (options.node !== undefined) this.node = options.node;
    if (options.jobId !== undefined) this.jobId = options.jobId;
  }
}

/** Makes a QueueError of anything caught: itself when it is one already. */
export function toQueueError(error: unknown, code: QueueErrorCode, node: string): QueueError {
  if (error instanceof QueueError) return error;
  const detail =
    error !== null && typeof error === "object" && "message" in error ? String(error.message) : String(error);
  return new QueueError(code, detail, { cause: error, node });
}
