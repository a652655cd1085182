/**
 * Bytes of one connection → frames, by both methods of RFC 6587, chosen by the first byte.
 *
 *   digit 1-9   octet counting (§3.4.1): "116 <38>1 2026-…". VyOS 1.3 counts a trailing newline, later releases send none
 *               and their frames touch each other
 *   else        non-transparent framing (§3.4.2): a frame ends with LF
 *
 * The method is fixed for the life of the connection: otherwise a line that begins with a number, which its author
 * chose, could switch it and swallow the frames behind it. Stray newlines between counted frames are skipped.
 *
 * A read is decoded once, as latin1 (latin1.ts), at a tenth of the price of UTF-8. Frames are handed out as a place in it.
 *
 * Bounded: at most one frame is kept between reads; a frame over the limit is skipped without being kept.
 * Accounted: every byte pushed is in exactly one of `line`, `framing`, `refused`, or still kept.
 */

import { type Latin1, latin1 } from "../latin1.ts";

/** Why bytes do not become a frame: a closed list, because it is a metric label. */
export type FrameFault = "frame-too-long" | "frame-truncated" | "octet-count-invalid";

/** Where the bytes of all connections went. Added to after each push. */
export interface ByteAccount {
  /** Inside frames that were handed out. */
  line: { count: number };
  /** Newlines, octet counts, what is trimmed from a frame's end. */
  framing: { count: number };
  /** Of frames that were not handed out. */
  refused: { count: number };
}

export interface FrameSink {
  /** One frame: read[from..to), without its trailing newline or NUL. Never empty. Valid during the call. */
  frame(read: Latin1, from: number, to: number): void;
  /** Bytes that were no frame. */
  fault(fault: FrameFault, detail: string): void;
  readonly bytes: ByteAccount;
}

/** "65536 ": more digits than any frame within the limit can need. */
const countDigitsMax = 5;
/** A count and its space. */
export const octetCountBytesMax = countDigitsMax + 1;
/** What a framer may want to put in front of a read: a frame of the largest limit, but for its last byte, and its count. */
export const carryBytesMax = 65_536 + octetCountBytesMax;

const lf = 0x0a;

/** In the order in which keep/journal.ts counts them. */
export const framingMethods = ["unknown", "octet-counted", "lf"] as const;

/** Where in a stream a framer stands between two reads: all that another one needs to go on. */
export interface FramerState {
  readonly method: (typeof framingMethods)[number];
  /** The beginning of a frame whose end has not arrived, as latin1. */
  readonly carry: string;
  /** Octet counting: bytes of a refused frame still to come. */
  readonly skip: number;
  /** LF: the frame being read is over the limit; everything up to its end is dropped. */
  readonly overlong: boolean;
}

export const streamStart: FramerState = { method: "unknown", carry: "", skip: 0, overlong: false };

export class Framer implements FramerState {
  readonly #frameBytesMax: number;
  readonly #sink: FrameSink;
  #method: FramerState["method"];
  /** A copy: the read's own text is not kept alive by it. */
  #carry: string;
  #skip: number;
  #overlong: boolean;
  #isLost = false;
  #lineBytes = 0;
  #refusedBytes = 0;

  /** @param state where another framer of the same limit stood */
  constructor(frameBytesMax: number, sink: FrameSink, state = streamStart) {
    this.#frameBytesMax = frameBytesMax;
    this.#sink = sink;
    this.#method = state.method;
    this.#carry = state.carry;
    this.#skip = state.skip;
    this.#overlong = state.overlong;
  }

  get method(): FramerState["method"] {
    return this.#method;
  }

  get carry(): string {
    return this.#carry;
  }

  get skip(): number {
    return this.#skip;
  }

  get overlong(): boolean {
    return this.#overlong;
  }

  /**
   * Takes bytes[from..to). What was kept of the last read is written in front of them, over bytes[from - carryBytesMax..from).
   * @returns false when the stream cannot be followed any further: the connection must be closed
   */
  push(bytes: Buffer, from: number, to: number): boolean {
    const start = from - this.#carry.length;
    if (start < from) bytes.write(this.#carry, start, "latin1");
    const read: Latin1 = { text: bytes.toString("latin1", start, to), bytes: bytes.subarray(start, to) };
    if (this.#method === "unknown" && start < to) {
      const first = bytes[start] as number;
      this.#method = first >= 0x31 && first <= 0x39 ? "octet-counted" : "lf";
    }
    const taken = this.#method === "octet-counted" ? this.#splitCounted(read) : this.#splitLines(read);
    this.#carry = start + taken === to ? "" : bytes.toString("latin1", start + taken, to);
    this.#account(taken);
    return !this.#isLost;
  }

  /** The peer will send no more. A last line without its LF is a line; half a counted frame is not a frame. */
  end(): void {
    const text = this.#carry;
    if (this.#method === "lf") {
      if (text !== "") this.#emit(latin1(text), 0, text.length);
    } else if (text !== "" || this.#skip > 0) {
      this.#refusedBytes += text.length;
      this.#sink.fault("frame-truncated", `the connection ended inside a frame, ${text.length} bytes of it had come`);
    }
    this.#carry = "";
    this.#skip = 0;
    this.#account(text.length);
  }

  /** What was taken is of a line, or was refused; the rest is framing. */
  #account(taken: number): void {
    const { line, framing, refused } = this.#sink.bytes;
    line.count += this.#lineBytes;
    refused.count += this.#refusedBytes;
    framing.count += taken - this.#lineBytes - this.#refusedBytes;
    this.#lineBytes = 0;
    this.#refusedBytes = 0;
  }

  /** @returns how much of the text is done with; what is behind it is kept for the next read */
  #splitLines(read: Latin1): number {
    const { text } = read;
    let from = 0;
    for (;;) {
      const end = text.indexOf("\n", from);
      if (end === -1) break;
      if (this.#overlong) {
        this.#overlong = false;
        this.#refusedBytes += end - from;
      } else if (end - from > this.#frameBytesMax) this.#tooLong(end - from, end - from);
      else this.#emit(read, from, end);
      from = end + 1;
    }
    const rest = text.length - from;
    if (this.#overlong) this.#refusedBytes += rest;
    else if (rest > this.#frameBytesMax) {
      this.#tooLong(rest, rest);
      this.#overlong = true;
    } else return from;
    return text.length;
  }

  #splitCounted(read: Latin1): number {
    const { bytes } = read;
    let at = 0;
    while (at < bytes.length) {
      if (this.#skip > 0) {
        const skipped = Math.min(this.#skip, bytes.length - at);
        this.#skip -= skipped;
        this.#refusedBytes += skipped;
        at += skipped;
        continue;
      }
      if (bytes[at] === lf) {
        at++;
        continue;
      }
      const bodyAt = countEnd(bytes, at);
      if (bodyAt === incomplete) break;
      if (bodyAt === invalid) return this.#lose(read.text, at);
      const octets = readCount(bytes, at, bodyAt - 1);
      if (octets > this.#frameBytesMax) {
        this.#tooLong(octets, 0);
        this.#skip = octets;
        at = bodyAt;
        continue;
      }
      if (bodyAt + octets > bytes.length) break;
      at = bodyAt + octets;
      this.#emit(read, bodyAt, at);
    }
    return at;
  }

  /** Behind a count that is none nothing can be told apart any more. */
  #lose(text: string, at: number): number {
    this.#isLost = true;
    this.#refusedBytes += text.length - at;
    const seen = JSON.stringify(text.slice(at, at + 12));
    this.#sink.fault("octet-count-invalid", `expected a frame's length, got ${seen}`);
    return text.length;
  }

  #emit(read: Latin1, from: number, to: number): void {
    const end = trimFrame(read.bytes, from, to);
    if (end === from) return;
    this.#lineBytes += end - from;
    this.#sink.frame(read, from, end);
  }

  #tooLong(bytes: number, refused: number): void {
    this.#refusedBytes += refused;
    this.#sink.fault("frame-too-long", `expected at most ${this.#frameBytesMax} bytes, got ${bytes} or more`);
  }
}

/**
 * Cuts what is no part of a line from a frame's end: the newline that VyOS 1.3 counts in, the CR of careless senders, the
 * NUL that some C programs send with a line.
 * @returns the new end
 */
export function trimFrame(bytes: Uint8Array, from: number, to: number): number {
  let end = to;
  while (end > from) {
    const code = bytes[end - 1];
    if (code !== lf && code !== 0x0d && code !== 0) break;
    end--;
  }
  return end;
}

const incomplete = -1;
const invalid = -2;

/** MSG-LEN SP: a number without leading zero, then one space (RFC 6587 §3.4.1). @returns where the frame's body begins */
function countEnd(bytes: Uint8Array, at: number): number {
  for (let digits = 0; digits <= countDigitsMax; digits++) {
    if (at + digits >= bytes.length) return incomplete;
    const code = bytes[at + digits] as number;
    if (code === 0x20 && digits > 0) return at + digits + 1;
    if (code < (digits === 0 ? 0x31 : 0x30) || code > 0x39) return invalid;
  }
  return invalid;
}

function readCount(bytes: Uint8Array, from: number, to: number): number {
  let octets = 0;
  for (let at = from; at < to; at++) octets = octets * 10 + ((bytes[at] as number) - 0x30);
  return octets;
}
