/**
 * Line → LogEvent: what a rule reads out of a syslog line, or nothing.
 *
 *   header ──▶ can a line of such a name end so? ──▶ the program's rules ──▶ unwrap ──▶ the forms that can stand here
 *                 └─ no: most lines end here, after some forty characters                ──▶ the first that does ──▶ event
 *
 * Unwrap: rsyslog sums repeats up as `message repeated N times: [ TEXT]`; the event then counts N. The kernel puts its uptime
 * before the text. And a line that came through `logger` holds a whole second line with its own header; it is unwrapped
 * only from facility user (1), which no network daemon writes, so that nobody can smuggle a line of "sshd" into the text
 * of another daemon.
 *
 * Pure. Fields of an event are decoded to UTF-8 here; everything before is latin1 (latin1.ts).
 */

import { isUtf8 } from "node:buffer";
import { type Address, readAddress } from "@logwarden/shared/ip";
import { type EventType, type PeerAction, reasonCharactersMax, userCharactersMax } from "@logwarden/shared/task";
import { type Latin1, lesser, literalBytes, standsAt } from "../latin1.ts";
import { Header, skipSpaces, startsWithTimestamp } from "../decode/header.ts";
import { Dispatcher, type Entry } from "./dispatch.ts";
import { Edges } from "./edges.ts";
import { NameStarts, ProgramTable } from "./programs.ts";
import type { Rule } from "./rule.ts";
import { FieldView, fieldsMax, type Template } from "./template.ts";

/** What a line said. `count`: how often, where its sender summed repeats up. What it did not say is there as undefined. */
export type LogEvent = { rule: string; count: number; mended: Mended | undefined } & (
  | { type: "interface_down"; interface: string }
  | {
      type: Exclude<EventType, "interface_down">;
      from: Address;
      user: string | undefined;
      /** Of http_error: 100 to 599. */
      status: number | undefined;
      /** Of peer_ban. */
      action: PeerAction | undefined;
      reason: string | undefined;
    }
);

/**
 * A field held bytes that are no text, or more of it than a task may hold: read all the same (an attack must not hide behind a bad
 * byte, or behind many), and counted.
 */
export type Mended = "invalid-utf8" | "control-character" | "too-long";

/** An event; or no rule claims the line; or it is no line of syslog. */
export type Recognition = LogEvent | "unrecognized" | "malformed";

export interface Recognizer {
  /** Reads the line read[from..to). */
  recognize(read: Latin1, from: number, to: number): Recognition;
  /** The program whose line it is, as it names itself; of a line that came through logger, the one inside. */
  programOf(read: Latin1, from: number, to: number): string | undefined;
  /** Names of the programs whose lines are looked at. */
  readonly programs: ReadonlySet<string>;
}

/** A rule whose templates are compiled; rules.ts makes and checks it. */
export interface CompiledRule {
  rule: Rule;
  templates: readonly Template[];
}

/** What a matched form belongs to. */
interface Owner {
  rule: Rule;
  view: FieldView;
  /** Numbers of the fields that mean something; -1: the template has none of that name. */
  address: number;
  interface: number;
  user: number;
  status: number;
  reason: number;
  set: { action?: PeerAction; reason?: string };
  /** Further fields that must hold an address. */
  otherAddresses: readonly number[];
}

interface Program {
  /** It writes its uptime before the text. */
  isKernel: boolean;
  forms: Dispatcher<Owner>;
  edges: Edges;
}

const facilityUser = 1;
/** A log file of an hour could be summed up in one line; more digits than this are somebody's joke. */
const repeatDigitsMax = 9;
/** What a task holds (flow/task.ts); names of Linux are at most 15 (IFNAMSIZ), and of other systems not much longer. */
const interfaceCharactersMax = 64;

/** @param rules in the order in which they are tried */
export function createRecognizer(rules: readonly CompiledRule[]): Recognizer {
  const places = new Int32Array(2 * fieldsMax);
  const forms = rules.map((one) => formsOf(one, places));
  const rulesOf = new Map<string, number[]>();
  for (const [number, { rule }] of rules.entries()) {
    for (const program of rule.programs) rulesOf.set(program, [...(rulesOf.get(program) ?? []), number]);
  }
  // sshd and sshd-session have the same rules: what finds them is made once.
  const entriesOf = (numbers: readonly number[]): Entry<Owner>[] => numbers.flatMap((number) => forms[number] ?? []);
  const dispatcherOf = once((numbers) => new Dispatcher(entriesOf(numbers)));
  const edgesOf = once((numbers) => new Edges(entriesOf(numbers).map(({ form }) => form)));
  const programs = [...rulesOf].map(([name, numbers]): [string, Program] => [
    name,
    { isKernel: name === "kernel", forms: dispatcherOf(numbers), edges: edgesOf(numbers) },
  ]);
  const starts = new NameStarts(rulesOf.keys(), (names) =>
    edgesOf([...new Set(names.flatMap((name) => rulesOf.get(name) ?? []))].toSorted((a, b) => a - b)),
  );
  return new LineReader(starts, new ProgramTable(programs), new Set(rulesOf.keys()), places);
}

/** Makes a thing of these rules, and gives the same one when it is asked for it again. */
function once<T>(make: (numbers: readonly number[]) => T): (numbers: readonly number[]) => T {
  const made = new Map<string, T>();
  return (numbers) => {
    const key = numbers.join(" ");
    const one = made.get(key) ?? make(numbers);
    made.set(key, one);
    return one;
  };
}

function formsOf({ rule, templates }: CompiledRule, places: Int32Array): Entry<Owner>[] {
  return templates.flatMap((template) => {
    const number = (name: string): number => template.fields.indexOf(name);
    const owner: Owner = {
      rule,
      view: new FieldView(template.fields, places),
      address: number("address"),
      interface: number("interface"),
      user: number("user"),
      status: number("status"),
      reason: number("reason"),
      set: rule.set ?? {},
      otherAddresses: template.kinds.flatMap((kind, at) => {
        const isSubject = template.fields[at] === "address" && rule.type !== "interface_down";
        return kind === "ip" && !isSubject ? [at] : [];
      }),
    };
    return template.forms.map((form) => ({ form, owner }));
  });
}

class LineReader implements Recognizer {
  readonly programs: ReadonlySet<string>;
  readonly #starts: NameStarts<Edges>;
  readonly #table: ProgramTable<Program>;
  readonly #header = new Header();
  /** Of the form that is being tried. */
  readonly #places: Int32Array;
  /** The message, as far as it is unwrapped. */
  #from = 0;
  #to = 0;
  #count = 1;
  #mended: Mended | undefined;

  constructor(
    starts: NameStarts<Edges>,
    table: ProgramTable<Program>,
    programs: ReadonlySet<string>,
    places: Int32Array,
  ) {
    this.programs = programs;
    this.#starts = starts;
    this.#table = table;
    this.#places = places;
  }

  recognize(read: Latin1, from: number, to: number): Recognition {
    const header = this.#header;
    const { bytes } = read;
    if (!header.read(bytes, from, to)) return "malformed";
    if (header.facility === facilityUser) return this.#readLogger(read, to);
    const edges = this.#starts.get(bytes, header.programFrom);
    if (edges === undefined) return "unrecognized";
    // A bracket may be around another message, which ends before it.
    const isPlain = bytes[to - 1] !== closingBracket;
    // At once where the rest of the header cannot be broken.
    if (
      !header.is5424 &&
      !edges.mayEnd(bytes, header.programFrom, to) &&
      (isPlain || !edges.mayEnd(bytes, header.programFrom, to - 1))
    ) {
      return "unrecognized";
    }
    const program = this.#table.get(bytes, header.programFrom, to);
    if (program === undefined) return "unrecognized";
    if (!header.readText(bytes, to)) return "malformed";
    this.#begin(header.textFrom, to);
    this.#unwrapRepeated(read);
    return this.#readMessage(program, read, isPlain && !header.is5424 && edges === program.edges);
  }

  programOf(read: Latin1, from: number, to: number): string | undefined {
    if (this.recognize(read, from, to) === "malformed") return undefined;
    const header = this.#header;
    if (header.programTo === -1 && !header.readText(read.bytes, to)) return undefined;
    return read.text.slice(header.programFrom, header.programTo);
  }

  /** A line of facility user: what it says itself, or the line inside it. */
  #readLogger(read: Latin1, to: number): Recognition {
    const header = this.#header;
    if (!header.readText(read.bytes, to)) return "malformed";
    this.#begin(header.textFrom, to);
    this.#unwrapRepeated(read);
    const inner = skipSpaces(read.bytes, this.#from, this.#to);
    if (startsWithTimestamp(read.bytes, inner, this.#to)) {
      if (!header.read(read.bytes, inner, this.#to) || !header.readText(read.bytes, this.#to)) return "malformed";
      this.#from = header.textFrom;
      this.#unwrapRepeated(read);
    }
    const program = this.#table.get(read.bytes, header.programFrom, this.#to);
    return program === undefined ? "unrecognized" : this.#readMessage(program, read, false);
  }

  #begin(from: number, to: number): void {
    this.#from = from;
    this.#to = to;
    this.#count = 1;
  }

  /** `message repeated N times: [ TEXT]` → TEXT, N times as often. Anything else stays as it is. */
  #unwrapRepeated({ text, bytes }: Latin1): void {
    if (bytes[this.#to - 1] !== closingBracket || !standsAt(repeated, bytes, this.#from)) return;
    const numberFrom = this.#from + repeated.length;
    let numberTo = numberFrom;
    while (isDigit(bytes[numberTo]) && numberTo - numberFrom < repeatDigitsMax) numberTo++;
    const times = Number(text.slice(numberFrom, numberTo));
    if (numberTo === numberFrom || times < 1 || !standsAt(repeatedTimes, bytes, numberTo)) return;
    this.#to -= 1;
    this.#from = skipSpaces(bytes, numberTo + repeatedTimes.length, this.#to);
    this.#count = Math.min(this.#count * times, Number.MAX_SAFE_INTEGER);
  }

  /** @param endsSo a look at its end has said that it may have one of the program's forms */
  #readMessage(program: Program, read: Latin1, endsSo: boolean): Recognition {
    const to = this.#to;
    const from = program.isKernel ? skipUptime(read.bytes, this.#from, to) : this.#from;
    if (!program.edges.mayBe(read.bytes, from, to, endsSo)) return "unrecognized";
    const { forms } = program;
    const candidates = forms.find(read.bytes, from, to);
    for (let index = 0; index < candidates; index++) {
      if (!forms.match(index, read.bytes, from, to, this.#places)) continue;
      const { owner } = forms.candidate(index);
      const { where } = owner.rule;
      if (where !== undefined && !where(owner.view.show(read.text))) continue;
      const event = this.#toEvent(owner, read);
      if (event !== undefined) return event;
    }
    return "unrecognized";
  }

  /** @returns undefined when a field does not hold what its name promises: the line is no such event */
  #toEvent(owner: Owner, read: Latin1): LogEvent | undefined {
    const { rule, otherAddresses, set } = owner;
    for (let index = 0; index < otherAddresses.length; index++) {
      if (this.#address(otherAddresses[index] as number, read) === "none") return undefined;
    }
    const { name, type } = rule;
    const count = this.#count;
    this.#mended = undefined;
    if (type === "interface_down") {
      const interfaceName = this.#field(owner.interface, read.text);
      if (interfaceName === undefined || interfaceName.length > interfaceCharactersMax) return undefined;
      return { rule: name, count, mended: undefined, type, interface: interfaceName };
    }
    const from = this.#address(owner.address, read);
    if (from === "none" || from === "absent") return undefined;
    const user = this.#readable(owner.user, read, userCharactersMax);
    const reason = this.#readable(owner.reason, read, reasonCharactersMax) ?? set.reason;
    const digits = this.#field(owner.status, read.text);
    const status = digits === undefined ? undefined : Number(digits);
    if (status !== undefined && (status < 100 || status > 599)) return undefined;
    return { rule: name, count, mended: this.#mended, type, from, user, status, action: set.action, reason };
  }

  /**
   * As #field, as text that is safe to pass on: U+FFFD stands for what is not UTF-8 and for control characters, and it is cut to what a
   * task holds. What is cut off is not decoded: a name of 8 KiB costs its sender more than us.
   */
  #readable(number: number, { text, bytes }: Latin1, charactersMax: number): string | undefined {
    if (number === -1) return undefined;
    const from = this.#places[2 * number] as number;
    if (from === -1) return undefined;
    const end = this.#places[2 * number + 1] as number;
    const to = Math.min(end, from + utf8BytesMax * charactersMax);
    if (to - from <= charactersMax && isPrintableAscii(bytes, from, to)) return text.slice(from, to);
    const decoded = bytes.toString("utf8", from, to);
    const short = cut(decoded, charactersMax);
    if (short !== decoded) this.#mended = "too-long";
    if (!holdsSuspects(short)) return short;
    const clean = short.replace(/\p{Cc}/gu, "\ufffd");
    if (clean !== short) this.#mended = "control-character";
    // A U+FFFD may be the line's own: what decodes without one has as many bytes as the line gives it.
    else if (!isUtf8(bytes.subarray(from, lesser(to, from + Buffer.byteLength(short))))) this.#mended = "invalid-utf8";
    return clean;
  }

  /** The address in a field: "absent" where the form has no such field, "none" where it holds something else. */
  #address(number: number, { text, bytes }: Latin1): Address | "absent" | "none" {
    const from = this.#places[2 * number] as number;
    return from === -1 ? "absent" : (readAddress(text, bytes, from, this.#places[2 * number + 1] as number) ?? "none");
  }

  #field(number: number, text: string): string | undefined {
    if (number === -1) return undefined;
    const from = this.#places[2 * number] as number;
    return from === -1 ? undefined : text.slice(from, this.#places[2 * number + 1]);
  }
}

const repeated = literalBytes("message repeated ");
const repeatedTimes = literalBytes(" times: [");
/** Of one character; a field that is cut after so many for each that may stay ends in none of those. */
const utf8BytesMax = 4;
const openingBracket = 0x5b;
const closingBracket = 0x5d;

/** `[  123.456789] ` before a message of the kernel (printk.time). */
function skipUptime(bytes: Uint8Array, from: number, to: number): number {
  if (bytes[from] !== openingBracket) return from;
  let at = skipSpaces(bytes, from + 1, to);
  while (at < to && (isDigit(bytes[at]) || bytes[at] === 0x2e)) at++;
  return at < to && bytes[at] === closingBracket ? skipSpaces(bytes, at + 1, to) : from;
}

/** Cuts no character of two surrogates in half. */
function cut(text: string, charactersMax: number): string {
  if (text.length <= charactersMax) return text;
  const isHalf = (text.charCodeAt(charactersMax - 1) & 0xfc00) === 0xd800;
  return text.slice(0, isHalf ? charactersMax - 1 : charactersMax);
}

function isPrintableAscii(bytes: Uint8Array, from: number, to: number): boolean {
  for (let at = from; at < to; at++) {
    const code = bytes[at] as number;
    if (code < 0x20 || code > 0x7e) return false;
  }
  return true;
}

/** Whether it may hold control characters, or U+FFFD, which may stand for bytes that are no UTF-8. */
function holdsSuspects(text: string): boolean {
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code < 0x20 || (code >= 0x7f && code <= 0x9f) || code === 0xfffd) return true;
  }
  return false;
}

function isDigit(code: number | undefined): boolean {
  return code !== undefined && code >= 0x30 && code <= 0x39;
}
