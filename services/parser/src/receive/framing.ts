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
 * Text is latin1 throughout (one character is one byte): a chunk is decoded once, at a tenth of the price of UTF-8,
 * and only the fields of a recognized line are decoded further. Frames are handed out as a place in that text.
 *
 * Bounded: at most one frame is kept between chunks; a frame over the limit is skipped without being kept.
 */

/** Why bytes do not become a frame: a closed list, because it is a metric label. */
export type FrameFault = "frame-too-long" | "frame-truncated" | "octet-count-invalid";

export interface FrameSink {
  /** One frame: text[from..to), without its trailing newline or NUL. Never empty. */
  frame(text: string, from: number, to: number): void;
  /** Bytes that were no frame. */
  fault(fault: FrameFault, detail: string): void;
}

/** "65536 ": more digits than any frame within the limit can need. */
const countDigitsMax = 5;

const lf = 0x0a;

export class Framer {
  readonly #frameBytesMax: number;
  readonly #sink: FrameSink;
  #method: "unknown" | "octet-counted" | "lf" = "unknown";
  /** The beginning of a frame whose end has not arrived. */
  #carry = "";
  /** Octet counting: bytes of a refused frame still to come. */
  #skip = 0;
  /** LF: the frame being read is over the limit; everything up to its end is dropped. */
  #overlong = false;

  constructor(frameBytesMax: number, sink: FrameSink) {
    this.#frameBytesMax = frameBytesMax;
    this.#sink = sink;
  }

  /**
   * Takes the next bytes, as latin1.
   * @returns false when the stream cannot be followed any further: the connection must be closed
   */
  push(chunk: string): boolean {
    const text = this.#carry === "" ? chunk : this.#carry + chunk;
    this.#carry = "";
    if (this.#method === "unknown") {
      const first = text.charCodeAt(0);
      if (Number.isNaN(first)) return true;
      this.#method = first >= 0x31 && first <= 0x39 ? "octet-counted" : "lf";
    }
    return this.#method === "lf" ? this.#splitLines(text) : this.#splitCounted(text);
  }

  /** The peer will send no more. A last line without its LF is a line; half a counted frame is not a frame. */
  end(): void {
    const text = this.#carry;
    const skipping = this.#skip > 0;
    this.#carry = "";
    this.#skip = 0;
    if (this.#method === "lf") {
      if (text !== "") this.#emit(text, 0, text.length);
    } else if (text !== "" || skipping) {
      this.#sink.fault("frame-truncated", `the connection ended inside a frame, ${text.length} bytes of it had come`);
    }
  }

  #splitLines(text: string): boolean {
    let from = 0;
    for (;;) {
      const end = text.indexOf("\n", from);
      if (end === -1) break;
      if (this.#overlong) this.#overlong = false;
      else if (end - from > this.#frameBytesMax) this.#tooLong(end - from);
      else this.#emit(text, from, end);
      from = end + 1;
    }
    if (this.#overlong) return true;
    if (text.length - from > this.#frameBytesMax) {
      this.#tooLong(text.length - from);
      this.#overlong = true;
    } else {
      this.#carry = text.slice(from);
    }
    return true;
  }

  #splitCounted(text: string): boolean {
    let at = 0;
    while (at < text.length) {
      if (this.#skip > 0) {
        const skipped = Math.min(this.#skip, text.length - at);
        this.#skip -= skipped;
        at += skipped;
        continue;
      }
      if (text.charCodeAt(at) === lf) {
        at++;
        continue;
      }
      const count = readCount(text, at);
      if (count.kind === "more") break;
      if (count.kind === "invalid") {
        this.#sink.fault(
          "octet-count-invalid",
          `expected a frame's length, got ${JSON.stringify(text.slice(at, at + 12))}`,
        );
        return false;
      }
      if (count.octets > this.#frameBytesMax) {
        this.#tooLong(count.octets);
        this.#skip = count.octets;
        at = count.bodyAt;
        continue;
      }
      if (count.bodyAt + count.octets > text.length) break;
      at = count.bodyAt + count.octets;
      this.#emit(text, count.bodyAt, at);
    }
    this.#carry = at < text.length ? text.slice(at) : "";
    return true;
  }

  #emit(text: string, from: number, to: number): void {
    let end = to;
    // The newline that VyOS 1.3 counts in, the CR of careless senders, the NUL that some C programs send with a line.
    while (
      end > from &&
      (text.charCodeAt(end - 1) === lf || text.charCodeAt(end - 1) === 0x0d || text.charCodeAt(end - 1) === 0)
    ) {
      end--;
    }
    if (end > from) this.#sink.frame(text, from, end);
  }

  #tooLong(bytes: number): void {
    this.#sink.fault("frame-too-long", `expected at most ${this.#frameBytesMax} bytes, got ${bytes} or more`);
  }
}

type Count = { kind: "more" } | { kind: "invalid" } | { kind: "count"; octets: number; bodyAt: number };

/** MSG-LEN SP: a number without leading zero, then one space (RFC 6587 §3.4.1). */
function readCount(text: string, at: number): Count {
  let octets = 0;
  for (let digits = 0; digits <= countDigitsMax; digits++) {
    if (at + digits >= text.length) return { kind: "more" };
    const code = text.charCodeAt(at + digits);
    if (code === 0x20 && digits > 0) return { kind: "count", octets, bodyAt: at + digits + 1 };
    if (code < (digits === 0 ? 0x31 : 0x30) || code > 0x39) return { kind: "invalid" };
    octets = octets * 10 + (code - 0x30);
  }
  return { kind: "invalid" };
}
