/**
 * Everything the router received, in order of arrival, for tests and benchmarks to read.
 *
 * Times are `performance.timeOrigin + performance.now()`: milliseconds of the wall clock that never step back.
 */

export interface RequestRecord {
  seq: number;
  /** The address and port that it came from: one connection has one client. */
  peer: string;
  /** The headers are here; the body may still be on its way. */
  startedAtMs: number;
  /** The request is here as a whole. */
  receivedAtMs: number;
  answeredAtMs?: number;
  endpoint: "/configure" | "/retrieve" | "/config-file" | (string & {});
  /** The parsed commands without the key; [] when they could not be parsed. */
  ops: unknown[];
  status?: number;
  error?: string;
}

/** A benchmark of an hour at three requests a second fits; a router left alone for weeks does not grow without end. */
const recordsMax = 10_000;

export function nowMs(): number {
  return performance.timeOrigin + performance.now();
}

type Listener = (record: RequestRecord) => void;

export class RequestLog {
  readonly records: RequestRecord[] = [];
  readonly #received = new Set<Listener>();
  readonly #answered = new Set<Listener>();
  #seq = 0;

  nextSeq(): number {
    this.#seq += 1;
    return this.#seq;
  }

  received(record: RequestRecord): void {
    this.records.push(record);
    if (this.records.length > recordsMax) this.records.shift();
    for (const listener of this.#received) listener(record);
  }

  answered(record: RequestRecord): void {
    record.answeredAtMs = nowMs();
    for (const listener of this.#answered) listener(record);
  }

  onReceived(listener: Listener): () => void {
    this.#received.add(listener);
    return () => this.#received.delete(listener);
  }

  onAnswered(listener: Listener): () => void {
    this.#answered.add(listener);
    return () => this.#answered.delete(listener);
  }
}
