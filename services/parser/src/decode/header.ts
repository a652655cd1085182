/**
 * Line → the head of a syslog message: facility, program, and where its text begins.
 *
 * Reads RFC 3164 (`<38>Nov 21 04:44:40 gw1 sshd[2319]: text`), the same with a time of RFC 3339 (rsyslog's ForwardFormat, and
 * the log files of newer Debians), and RFC 5424 (`<38>1 2026-… gw1 sshd 2319 - - text`), by position and without regular
 * expressions. The host name and the time are the sender's claim: skipped, never used.
 * Looks at bytes, as they came from the framer.
 */

import { lesser } from "../latin1.ts";

const space = 0x20;
/** 23 * 8 + 7: the largest PRI (RFC 5424 §6.2.1). */
const priorityMax = 191;
/** RFC 5424 allows an APP-NAME of 48 characters; nothing longer can be a program of ours. */
const programCharactersMax = 64;
/** Host names are at most 255 characters (RFC 1035). */
const fieldCharactersMax = 256;

/**
 * The places of a header in its line: first where the speaker's name begins (`read`), then, for the few lines that matter,
 * where it ends and where the text begins (`readText`). One object is read into again and again.
 */
export class Header {
  /** RFC 5424 §6.2.1; -1 when the line has no PRI, as in a log file. */
  facility = -1;
  /** The name that the program gave itself is bytes[programFrom..programTo); its end is -1 until readText has found it. */
  programFrom = 0;
  programTo = -1;
  /** The message begins here; spaces before it are skipped. Set by readText. */
  textFrom = 0;
  /** RFC 5424, where more than a name stands before the text: of another line that has a program's name readText finds the text. */
  is5424 = false;

  /**
   * Reads bytes[from..to) as far as the beginning of the program's name.
   * @returns false when it has no header that either RFC knows
   */
  read(bytes: Uint8Array, from: number, to: number): boolean {
    let at = from;
    this.facility = -1;
    this.programTo = -1;
    this.is5424 = false;
    if (bytes[at] === 0x3c) {
      at = this.#readPriority(bytes, at + 1, to);
      if (at === -1) return false;
      if (bytes[at] === 0x31 && bytes[at + 1] === space) {
        this.is5424 = true;
        return this.#read5424(bytes, at + 2, to);
      }
    }
    if (startsWithTimestamp(bytes, at, to)) return this.#read3164(bytes, at + 16, to);
    if (!startsWithDate(bytes, at, to)) return false;
    const timeEnd = nextSpace(bytes, at, to);
    return timeEnd !== -1 && this.#read3164(bytes, timeEnd + 1, to);
  }

  /**
   * Finds where the name ends that `read` found, and where the text begins.
   * @returns false when the name is too long, or what stands between is broken
   */
  readText(bytes: Uint8Array, to: number): boolean {
    return this.is5424 ? this.#readText5424(bytes, to) : this.#readText3164(bytes, to);
  }

  /** `38>`. @returns the place behind it, -1 when it is none */
  #readPriority(bytes: Uint8Array, from: number, to: number): number {
    let priority = 0;
    let at = from;
    for (; at < from + 3; at++) {
      const code = bytes[at] as number;
      if (code < 0x30 || code > 0x39) break;
      priority = priority * 10 + (code - 0x30);
    }
    if (at === from || at >= to || bytes[at] !== 0x3e || priority > priorityMax) return -1;
    this.facility = priority >> 3;
    return at + 1;
  }

  /** HOST TAG (RFC 3164 §4.1.3). `at` is the first character of the host name. */
  #read3164(bytes: Uint8Array, at: number, to: number): boolean {
    const hostEnd = nextSpace(bytes, at, to);
    this.programFrom = hostEnd + 1;
    return hostEnd !== -1 && this.programFrom < to && !endsName(bytes[this.programFrom]);
  }

  /** TAG[PID]: text (RFC 3164 §4.1.3). */
  #readText3164(bytes: Uint8Array, to: number): boolean {
    const max = lesser(to, this.programFrom + programCharactersMax);
    let end = this.programFrom;
    while (end < max && !endsName(bytes[end])) end++;
    if (end < to && !endsName(bytes[end])) return false;
    this.programTo = end;
    if (end < to && bytes[end] === 0x5b) {
      while (end < to && bytes[end] !== 0x5d) end++;
      end++;
    }
    if (end < to && bytes[end] === 0x3a) end++;
    this.textFrom = skipSpaces(bytes, lesser(end, to), to);
    return true;
  }

  /** TIMESTAMP HOSTNAME APP-NAME (RFC 5424 §6). `at` is the first character of the timestamp. */
  #read5424(bytes: Uint8Array, at: number, to: number): boolean {
    const timeEnd = nextSpace(bytes, at, to);
    if (timeEnd <= at) return false;
    const hostEnd = nextSpace(bytes, timeEnd + 1, to);
    this.programFrom = hostEnd + 1;
    return hostEnd > timeEnd + 1 && this.programFrom < to && bytes[this.programFrom] !== space;
  }

  /** APP-NAME PROCID MSGID STRUCTURED-DATA [MSG] (RFC 5424 §6). */
  #readText5424(bytes: Uint8Array, to: number): boolean {
    this.programTo = nextSpace(bytes, this.programFrom, to);
    if (this.programTo === -1 || this.programTo - this.programFrom > programCharactersMax) return false;
    const from = this.programTo + 1;
    const processEnd = nextSpace(bytes, from, to);
    if (processEnd <= from) return false;
    const messageIdEnd = nextSpace(bytes, processEnd + 1, to);
    if (messageIdEnd <= processEnd + 1) return false;
    const data = messageIdEnd + 1;
    const dataEnd = data < to && bytes[data] === 0x2d ? data + 1 : structuredDataEnd(bytes, data, to);
    if (dataEnd === -1 || (dataEnd < to && bytes[dataEnd] !== space)) return false;
    let textFrom = lesser(dataEnd + 1, to);
    // A byte order mark says that the text is UTF-8 (§6.4), which is what we take it for anyway.
    if (
      textFrom + 3 <= to &&
      bytes[textFrom] === 0xef &&
      bytes[textFrom + 1] === 0xbb &&
      bytes[textFrom + 2] === 0xbf
    ) {
      textFrom += 3;
    }
    this.textFrom = skipSpaces(bytes, textFrom, to);
    return true;
  }
}

/** Whether a program's name ends here: `sshd[`, `sshd:`, or a space. */
function endsName(code: number | undefined): boolean {
  return code === 0x5b || code === 0x3a || code === space;
}

/** All characters that end a program's name. */
export const nameEnds: readonly number[] = Array.from({ length: 256 }, (_, code) => code).filter(endsName);

/** Whether `YYYY-MM-DDT` stands here (RFC 3339 §5.6). Looks at the punctuation only: the time is not used. */
function startsWithDate(bytes: Uint8Array, at: number, to: number): boolean {
  return at + 11 <= to && bytes[at + 4] === 0x2d && bytes[at + 7] === 0x2d && bytes[at + 10] === 0x54;
}

/** Whether `Mmm dd hh:mm:ss ` stands here (RFC 3164 §4.1.2). Looks at the punctuation only: the time is not used. */
export function startsWithTimestamp(bytes: Uint8Array, at: number, to: number): boolean {
  return (
    at + 16 <= to &&
    bytes[at + 3] === space &&
    bytes[at + 6] === space &&
    bytes[at + 9] === 0x3a &&
    bytes[at + 12] === 0x3a &&
    bytes[at + 15] === space
  );
}

/** The end of `[id name="value"…][…]`; -1 when it is not closed (RFC 5424 §6.3). Values escape `"`, `\` and `]`. */
function structuredDataEnd(bytes: Uint8Array, from: number, to: number): number {
  let at = from;
  while (at < to && bytes[at] === 0x5b) {
    let quoted = false;
    for (at++; ; at++) {
      if (at >= to) return -1;
      const code = bytes[at];
      if (quoted && code === 0x5c) at++;
      else if (code === 0x22) quoted = !quoted;
      else if (code === 0x5d && !quoted) break;
    }
    at++;
  }
  return at === from ? -1 : at;
}

/** @returns -1 when there is none within a field's length */
function nextSpace(bytes: Uint8Array, from: number, to: number): number {
  const max = lesser(to, from + fieldCharactersMax);
  for (let at = from; at < max; at++) if (bytes[at] === space) return at;
  return -1;
}

/** rsyslog's %msg% begins with the space behind the tag, so its RFC 5424 form has two. */
export function skipSpaces(bytes: Uint8Array, from: number, to: number): number {
  let at = from;
  while (at < to && bytes[at] === space) at++;
  return at;
}
