/**
 * Line → the head of a syslog message: facility, program, and where its text begins.
 *
 * Reads RFC 3164 (`<38>Nov 21 04:44:40 gw1 sshd[2319]: text`), the same with a time of RFC 3339 (rsyslog's ForwardFormat, and
 * the log files of newer Debians), and RFC 5424 (`<38>1 2026-… gw1 sshd 2319 - - text`), by position and without regular
 * expressions. The host name and the time are the sender's claim: skipped, never used.
 * The text is latin1 as it came from the framer.
 */

export interface Header {
  /** RFC 5424 §6.2.1; undefined when the line has no PRI, as in a log file. */
  facility: number | undefined;
  /** The name that the program gave itself. */
  program: string;
  /** The message is text[textFrom..to). */
  textFrom: number;
}

const space = 0x20;
/** 23 * 8 + 7: the largest PRI (RFC 5424 §6.2.1). */
const priorityMax = 191;
/** RFC 5424 allows an APP-NAME of 48 characters; nothing longer can be a program of ours. */
const programCharactersMax = 64;

/** @returns undefined when the line has no header that either RFC knows */
export function decodeHeader(text: string, from: number, to: number): Header | undefined {
  let at = from;
  let facility: number | undefined;
  if (text.charCodeAt(at) === 0x3c) {
    const close = at + 5 < to ? text.slice(at + 1, at + 5).indexOf(">") : -1;
    const digits = close < 1 ? "" : text.slice(at + 1, at + 1 + close);
    if (!isDecimal(digits) || Number(digits) > priorityMax) return undefined;
    facility = Number(digits) >> 3;
    at += close + 2;
    if (text.charCodeAt(at) === 0x31 && text.charCodeAt(at + 1) === space)
      return decode5424(text, at + 2, to, facility);
  }
  if (startsWithTimestamp(text, at, to)) return decode3164(text, at + 16, to, facility);
  if (!startsWithDate(text, at)) return undefined;
  const timeEnd = nextSpace(text, at, to);
  return timeEnd === -1 ? undefined : decode3164(text, timeEnd + 1, to, facility);
}

/** Whether `YYYY-MM-DDT` stands here (RFC 3339 §5.6). Looks at the punctuation only: the time is not used. */
function startsWithDate(text: string, at: number): boolean {
  return text.charCodeAt(at + 4) === 0x2d && text.charCodeAt(at + 7) === 0x2d && text.charCodeAt(at + 10) === 0x54;
}

/** Whether `Mmm dd hh:mm:ss ` stands here (RFC 3164 §4.1.2). Looks at the punctuation only: the time is not used. */
export function startsWithTimestamp(text: string, at: number, to: number): boolean {
  return (
    at + 16 <= to &&
    text.charCodeAt(at + 3) === space &&
    text.charCodeAt(at + 6) === space &&
    text.charCodeAt(at + 9) === 0x3a &&
    text.charCodeAt(at + 12) === 0x3a &&
    text.charCodeAt(at + 15) === space
  );
}

/** HOST TAG[PID]: text (RFC 3164 §4.1.3). `at` is the first character of the host name. */
function decode3164(text: string, at: number, to: number, facility: number | undefined): Header | undefined {
  const hostEnd = nextSpace(text, at, to);
  if (hostEnd === -1) return undefined;
  const tagFrom = hostEnd + 1;
  const tagMax = Math.min(to, tagFrom + programCharactersMax);
  let end = tagFrom;
  while (end < tagMax && !endsTag(text.charCodeAt(end))) end++;
  if (end === tagFrom || (end === tagMax && end < to)) return undefined;
  const program = text.slice(tagFrom, end);
  if (text.charCodeAt(end) === 0x5b) {
    while (end < to && text.charCodeAt(end) !== 0x5d) end++;
    end++;
  }
  if (text.charCodeAt(end) === 0x3a) end++;
  return { facility, program, textFrom: skipSpaces(text, Math.min(end, to), to) };
}

/** TIMESTAMP HOSTNAME APP-NAME PROCID MSGID STRUCTURED-DATA [MSG] (RFC 5424 §6). `at` is the first of the timestamp. */
function decode5424(text: string, at: number, to: number, facility: number): Header | undefined {
  let field = at;
  let program = "";
  for (let index = 0; index < 5; index++) {
    const end = nextSpace(text, field, to);
    if (end === -1 || end === field) return undefined;
    if (index === 2) program = text.slice(field, end);
    field = end + 1;
  }
  if (program.length > programCharactersMax) return undefined;
  const dataEnd = text.charCodeAt(field) === 0x2d ? field + 1 : structuredDataEnd(text, field, to);
  if (dataEnd === -1 || (dataEnd < to && text.charCodeAt(dataEnd) !== space)) return undefined;
  let textFrom = Math.min(dataEnd + 1, to);
  // A byte order mark says that the text is UTF-8 (§6.4), which is what we take it for anyway.
  if (text.startsWith("\u00ef\u00bb\u00bf", textFrom)) textFrom += 3;
  return { facility, program, textFrom: skipSpaces(text, textFrom, to) };
}

/** The end of `[id name="value"…][…]`; -1 when it is not closed (RFC 5424 §6.3). Values escape `"`, `\` and `]`. */
function structuredDataEnd(text: string, from: number, to: number): number {
  let at = from;
  while (at < to && text.charCodeAt(at) === 0x5b) {
    let quoted = false;
    for (at++; ; at++) {
      if (at >= to) return -1;
      const code = text.charCodeAt(at);
      if (quoted && code === 0x5c) at++;
      else if (code === 0x22) quoted = !quoted;
      else if (code === 0x5d && !quoted) break;
    }
    at++;
  }
  return at === from ? -1 : at;
}

function endsTag(code: number): boolean {
  return code === 0x5b || code === 0x3a || code === space;
}

/** Host names are at most 255 characters (RFC 1035); the bound keeps the search inside the frame. */
function nextSpace(text: string, from: number, to: number): number {
  const max = Math.min(to, from + 256);
  for (let at = from; at < max; at++) if (text.charCodeAt(at) === space) return at;
  return -1;
}

/** rsyslog's %msg% begins with the space behind the tag, so its RFC 5424 form has two. */
function skipSpaces(text: string, from: number, to: number): number {
  let at = from;
  while (at < to && text.charCodeAt(at) === space) at++;
  return at;
}

function isDecimal(digits: string): boolean {
  return digits.length > 0 && digits.length <= 3 && [...digits].every((digit) => digit >= "0" && digit <= "9");
}
