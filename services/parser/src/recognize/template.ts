/**
 * Rule templates: "Failed password for [invalid user ]{user} from {address:ip} port {port:int} ssh2"
 *
 * Fixed text, typed fields in braces, optional parts in brackets; anchored at both ends. Not a regular expression:
 *
 * - linear by construction. From the left, typed fields are read up to the fixed text behind them; from the right, the
 *   same mirrored; the one free-text field is what remains between. Nothing is tried twice.
 * - safe against log injection. A user name is the attacker's text and may hold " from 192.0.2.1 port 1 ssh2". Whatever
 *   stands right of the free text is found from the END of the line, so the last address counts: the one the daemon wrote.
 *
 * Fields: {name} free text, at most one in a template; {name:ip}; {name:int}; {name:hex} (0x…); {name:word} without spaces;
 * {name:quoted} what a program wrote between quotes, a quote inside it escaped by a backslash.
 *
 * A template has forms: itself with and without each optional part. Each is compiled to a matcher that writes the places
 * of its fields into an array of the caller; nothing is allocated, and no text copied, until a line has matched.
 */

import { greater, lesser, literalBytes, standsAt } from "../latin1.ts";

export type FieldKind = "text" | "ip" | "int" | "hex" | "word" | "quoted";

type Part = { literal: string } | { field: string; kind: FieldKind };

/** The values of a matched line, by field name; latin1 text as it stands in the line. */
export type Fields = Record<string, string>;

/**
 * Reads bytes[from..to).
 * @param places of field number n (Template.fields): where it begins at 2n, where it ends at 2n + 1; -1 where it is absent
 * @returns whether the whole of it has this form
 */
export type Matcher = (bytes: Uint8Array, from: number, to: number, places: Int32Array) => boolean;

export interface Form {
  /** The fixed text that every line of this form begins with; empty when a field comes first. */
  prefix: string;
  /** The fixed text that every line of this form ends with; empty when a field comes last. */
  suffix: string;
  /** Of a form whose first word holds a field without spaces: the fixed text behind it, from its first space on, if it has one. */
  behindFirstWord: string;
  /** The fixed text up to its last, its second last, … space, with that space; empty where a field stands or it is not known. */
  beforeLastWords: readonly string[];
  /** The fixed text behind those spaces; empty where a field stands or it is not known. */
  behindLastSpaces: readonly string[];
  /** Of a form whose last word is such a field and nothing else, the characters that it may hold: of characterKinds. Else 0. */
  lastWordKind: number;
  /** The longest fixed text, which every line of this form holds. */
  longest: string;
  match: Matcher;
  /** The same for a line whose prefix has been seen already. */
  matchBehindPrefix: Matcher;
}

export interface Template {
  /** Names of the fields, in the order of their numbers. */
  fields: readonly string[];
  kinds: readonly FieldKind[];
  /** Fields that stand in every form. */
  always: ReadonlySet<string>;
  /** The form with the most fixed text first: "invalid user x" is a user x that is invalid, not a user "invalid user x". */
  forms: readonly Form[];
  /** Lines made from the template, with everyday values: what it must match. */
  samples: readonly string[];
}

/** A template that cannot be used, with what is wrong with it and where. */
export class TemplateError extends Error {
  override readonly name = "TemplateError";
}

/** Characters of one typed field: an interface's flags are the longest (about 100); the bound keeps each search short. */
const fieldCharactersMax = 256;
/** Each optional part doubles the forms of a template. */
const optionalPartsMax = 4;
/** Less fixed text than this claims lines that it does not mean. */
const fixedCharactersMin = 4;
/** So many words are looked at from the end: " port 22 on eth1" has four. */
export const lastWordsMax = 5;
/** More fields than any line of a daemon has. */
export const fieldsMax = 32;

const quote = 0x22;
const backslash = 0x5c;

/** For each latin1 character, the kinds of field that may hold it. */
export const characterKinds = new Uint8Array(256);
const kindBit: Record<FieldKind, number> = { text: 0, ip: 1, int: 2, hex: 4, word: 8, quoted: 16 };
for (let code = 0; code < 256; code++) {
  const character = String.fromCharCode(code);
  const isVisible = code > 0x20 && code !== 0x7f;
  characterKinds[code] =
    // Digits, hex letters, ':', '.', and a zone behind '%': an interface's name.
    (/[0-9A-Za-z:.%_@-]/.test(character) ? kindBit.ip : 0) |
    (/\d/.test(character) ? kindBit.int : 0) |
    (/[0-9A-Fa-fx]/.test(character) ? kindBit.hex : 0) |
    (isVisible ? kindBit.word : 0) |
    kindBit.quoted;
}

/** For each latin1 character, the kinds of field that can begin with it: an address begins with a hex digit or a colon. */
export const firstCharacterKinds = characterKinds.map((kinds, code) =>
  /[0-9A-Fa-f:]/.test(String.fromCharCode(code)) ? kinds : kinds & ~kindBit.ip,
);

/** Everyday values of each kind, for lines that a template must match. */
const everyday: Record<FieldKind, readonly string[]> = {
  text: ["some text", "x"],
  ip: ["192.0.2.7", "2001:db8::7"],
  int: ["22", "0"],
  hex: ["0x00001003", "0"],
  word: ["eth1", "a-b_c.d"],
  quoted: ["GET / HTTP/1.1", ""],
};

/**
 * Compiles a template.
 * @throws TemplateError when it is malformed, could match nearly anything, would be ambiguous, or could never match
 */
export function compileTemplate(template: string): Template {
  const forms = expand(template, parseParts(template));
  for (const form of forms) check(template, form);
  forms.sort((a, b) => fixedCharacters(b) - fixedCharacters(a));
  const kinds = new Map<string, FieldKind>();
  for (const part of forms.flat()) if ("field" in part) kinds.set(part.field, part.kind);
  const fields = [...kinds.keys()];
  if (fields.length > fieldsMax) throw new TemplateError(`expected at most ${fieldsMax} fields in "${template}"`);
  const compiled = forms.map((form) => compileForm(form, fields));
  const samples = forms.flatMap((form) => [0, 1].map((nth) => sampleOf(form, nth)));
  const isIn = (field: string) => (form: Part[]) => form.some((part) => "field" in part && part.field === field);
  const always = new Set(fields.filter((field) => forms.every(isIn(field))));
  return { fields, kinds: [...kinds.values()], always, forms: compiled, samples };
}

/**
 * The fields of a matched line by name, latin1; absent ones are undefined. One object for every line of a template: a field is
 * cut out when it is asked for, so a `where` that looks at one flag does not pay for all of them.
 */
export class FieldView {
  /** Of the line that was shown last. */
  readonly fields: Fields;
  #text = "";
  readonly #places: Int32Array;

  /** @param places where the matcher writes */
  constructor(names: readonly string[], places: Int32Array) {
    this.#places = places;
    const getters: Fields = {};
    for (const [number, name] of names.entries()) {
      Object.defineProperty(getters, name, { enumerable: true, get: () => this.#cut(number) });
    }
    this.fields = Object.create(getters) as Fields;
  }

  show(text: string): Fields {
    this.#text = text;
    return this.fields;
  }

  #cut(number: number): string | undefined {
    const from = this.#places[2 * number] as number;
    return from === -1 ? undefined : this.#text.slice(from, this.#places[2 * number + 1]);
  }
}

type Node = Part | { optional: Part[] };

/** @throws TemplateError that points at a place of the template */
function fail(template: string, at: number, what: string): never {
  throw new TemplateError(`${what}\n    ${template}\n    ${" ".repeat(at)}^`);
}

function parseParts(template: string): Node[] {
  const nodes: Node[] = [];
  let optional: Part[] | undefined;
  let optionalAt = 0;
  let at = 0;
  const add = (part: Part): void => void (optional ?? nodes).push(part);
  while (at < template.length) {
    const character = template[at];
    if (character === "[") {
      if (optional !== undefined) fail(template, at, "an optional part inside an optional part");
      optional = [];
      optionalAt = at;
      at++;
    } else if (character === "]") {
      if (optional === undefined) fail(template, at, "a ] without its [ (write \\] for the character itself)");
      nodes.push({ optional });
      optional = undefined;
      at++;
    } else if (character === "{") {
      const field = /^\{([a-zA-Z]\w*)(?::(\w+))?\}/.exec(template.slice(at));
      const kind = field?.[2] ?? "text";
      if (field === null || !(kind in kindBit)) {
        fail(template, at, "expected {name} or {name:ip|int|hex|word|quoted} (write \\{ for the character itself)");
      }
      add({ field: field[1] as string, kind: kind as FieldKind });
      at += field[0].length;
    } else {
      const literal = /^(?:\\[^]|[^[\]{\\])+/.exec(template.slice(at))?.[0];
      if (literal === undefined) fail(template, at, "expected a character behind the \\");
      const control = literal.search(/\p{Cc}/u);
      if (control !== -1) fail(template, at + control, "a control character, which no line holds (syslog writes #012)");
      add({ literal: literal.replaceAll(/\\([^])/g, "$1") });
      at += literal.length;
    }
  }
  if (optional !== undefined) fail(template, optionalAt, "an optional part that is not closed");
  return nodes;
}

/** Every form of the template: with and without each optional part, neighbouring texts joined. */
function expand(template: string, nodes: Node[]): Part[][] {
  if (nodes.filter((node) => "optional" in node).length > optionalPartsMax) {
    throw new TemplateError(`expected at most ${optionalPartsMax} optional parts in "${template}"`);
  }
  let forms: Part[][] = [[]];
  for (const node of nodes) {
    if ("optional" in node) forms = forms.flatMap((form) => [form, [...form, ...node.optional]]);
    else forms = forms.map((form) => [...form, node]);
  }
  return forms.map((form) =>
    form.reduce<Part[]>((joined, part) => {
      const last = joined.at(-1);
      if (last !== undefined && "literal" in last && "literal" in part) {
        return [...joined.slice(0, -1), { literal: last.literal + part.literal }];
      }
      return [...joined, part];
    }, []),
  );
}

function check(template: string, form: Part[]): void {
  const place = (field: string): number => Math.max(0, template.indexOf(`{${field}`));
  const free = form.flatMap((part) => ("field" in part && part.kind === "text" ? [part.field] : []));
  const second = free[1];
  if (second !== undefined) {
    const why = "two free-text fields: where one ends would be the attacker's choice";
    fail(template, template.lastIndexOf(`{${second}`), why);
  }
  const names = form.flatMap((part) => ("field" in part ? [part.field] : []));
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) fail(template, template.lastIndexOf(`{${twice}`), `the field ${twice} twice`);
  for (const [index, part] of form.entries()) {
    if (!("field" in part)) continue;
    const before = form[index - 1];
    const after = form[index + 1];
    if (after !== undefined && "field" in after) {
      fail(template, place(after.field), "two fields with no text between: where one ends cannot be known");
    }
    if (part.kind !== "quoted") continue;
    const isQuoted = before !== undefined && "literal" in before && before.literal.endsWith('"');
    if (!isQuoted || after === undefined || !("literal" in after) || !after.literal.startsWith('"')) {
      fail(template, place(part.field), 'a quoted field without its quotes: write "{name:quoted}"');
    }
  }
  const [first] = form;
  if (first !== undefined && "literal" in first && first.literal.startsWith(" ")) {
    fail(template, 0, "begins with a space, which is cut from the beginning of every message: it would never match");
  }
  if (fixedCharacters(form) < fixedCharactersMin) {
    fail(
      template,
      0,
      `a form with less than ${fixedCharactersMin} characters of fixed text: it would claim nearly any line`,
    );
  }
}

function fixedCharacters(form: Part[]): number {
  return form.reduce((sum, part) => sum + ("literal" in part ? part.literal.length : 0), 0);
}

function sampleOf(form: Part[], nth: number): string {
  return form.map((part) => ("literal" in part ? part.literal : (everyday[part.kind][nth] ?? ""))).join("");
}

const nothing = new Uint8Array();

/** A part as the matcher uses it: the fixed text, or the number of the field and what may stand in it. */
interface Step {
  /** Empty for a field. */
  literal: Uint8Array;
  field: number;
  kind: number;
}

function compileForm(form: Part[], fields: readonly string[]): Form {
  const steps = form.map(
    (part): Step =>
      "literal" in part
        ? { literal: literalBytes(part.literal), field: -1, kind: 0 }
        : { literal: nothing, field: fields.indexOf(part.field), kind: kindBit[part.kind] },
  );
  const literals = form.map((part) => ("literal" in part ? part.literal : ""));
  const prefix = literals[0] ?? "";
  const suffix = literals.at(-1) ?? "";
  const isWord = (part: Part | undefined): boolean =>
    part !== undefined && "field" in part && part.kind !== "text" && part.kind !== "quoted";
  const firstWord = prefix === "" ? 0 : 1;
  const behind = (!prefix.includes(" ") && isWord(form[firstWord]) && literals[firstWord + 1]) || "";
  const behindFirstWord = behind.includes(" ") ? behind.slice(behind.indexOf(" ")) : "";
  const lastWordKind = isWord(form.at(-1)) && (literals.at(-2) ?? "").endsWith(" ") ? (steps.at(-1) as Step).kind : 0;
  const longest = literals.reduce((long, literal) => (literal.length > long.length ? literal : long), "");
  const present = new Set(steps.map(({ field }) => field));
  const absent = fields.flatMap((_, number) => (present.has(number) ? [] : [number]));
  const free = form.findIndex((part) => "field" in part && part.kind === "text");
  const prefixBytes = literalBytes(prefix);
  const left = (free === -1 ? steps : steps.slice(0, free)).slice(prefix === "" ? 0 : 1);
  const right = free === -1 ? [] : steps.slice(free + 1);
  const freeField = free === -1 ? -1 : (steps[free] as Step).field;

  const matchBehindPrefix: Matcher = (bytes, from, to, places) => {
    const start = readLeft(left, bytes, from + prefix.length, to, places);
    if (start === -1) return false;
    if (freeField === -1) {
      if (start !== to) return false;
    } else {
      const end = readRight(right, bytes, start, to, places);
      if (end === -1) return false;
      places[2 * freeField] = start;
      places[2 * freeField + 1] = end;
    }
    for (let index = 0; index < absent.length; index++) places[2 * (absent[index] as number)] = -1;
    return true;
  };
  const match: Matcher = (bytes, from, to, places) =>
    standsBefore(prefixBytes, bytes, from, to) && matchBehindPrefix(bytes, from, to, places);
  return {
    ...{ prefix, suffix, behindFirstWord, ...textsAroundLastSpaces(form), lastWordKind, longest },
    ...{ match, matchBehindPrefix },
  };
}

/** The fixed text before and behind each of the last spaces, the last one first. Free text and quotes hold any number of spaces. */
function textsAroundLastSpaces(form: readonly Part[]): Pick<Form, "beforeLastWords" | "behindLastSpaces"> {
  const around: { before: string; behind: string }[] = [];
  for (const part of form.toReversed()) {
    if ("field" in part) {
      if (part.kind === "text" || part.kind === "quoted") break;
      continue;
    }
    for (let end = part.literal.length; (end = part.literal.lastIndexOf(" ", end - 1)) !== -1; ) {
      around.push({ before: part.literal.slice(0, end + 1), behind: part.literal.slice(end + 1) });
      if (end === 0) break;
    }
  }
  const numbers = Array.from({ length: lastWordsMax }, (_, number) => around[number]);
  return {
    beforeLastWords: numbers.map((one) => one?.before ?? ""),
    behindLastSpaces: numbers.map((one) => one?.behind ?? ""),
  };
}

/** Reads the steps from the left. @returns where they end, -1 when they do not stand here */
function readLeft(steps: readonly Step[], bytes: Uint8Array, from: number, to: number, places: Int32Array): number {
  let at = from;
  for (let index = 0; index < steps.length; index++) {
    const step = steps[index] as Step;
    if (step.field === -1) {
      if (at + step.literal.length > to || !standsAt(step.literal, bytes, at)) return -1;
      at += step.literal.length;
      continue;
    }
    // A field ends where the fixed text behind it begins; the last one of the line ends with the line. Before free
    // text there is always fixed text, so the search never runs into it.
    const behind = index + 1 === steps.length ? nothing : (steps[index + 1] as Step).literal;
    const isQuoted = step.kind === kindBit.quoted;
    const end = isQuoted ? quotedEnd(bytes, at, to) : fieldEnd(step.kind, behind, bytes, at, to);
    if (end === -1) return -1;
    places[2 * step.field] = at;
    places[2 * step.field + 1] = end;
    at = end;
    if (isQuoted) continue;
    // It was found by the text behind it.
    at += behind.length;
    index++;
  }
  return at;
}

/** Mirror of readLeft: reads the steps from the end of the line. @returns where they begin, -1 when they do not */
function readRight(steps: readonly Step[], bytes: Uint8Array, from: number, to: number, places: Int32Array): number {
  let at = to;
  for (let index = steps.length - 1; index >= 0; index--) {
    const step = steps[index] as Step;
    if (step.field === -1) {
      at -= step.literal.length;
      if (at < from || !standsAt(step.literal, bytes, at)) return -1;
      continue;
    }
    // Right of the free text, a field always has fixed text before it.
    const before = (steps[index - 1] as Step).literal;
    const isQuoted = step.kind === kindBit.quoted;
    const begin = isQuoted ? quotedBegin(bytes, from, at) : fieldBegin(step.kind, before, bytes, from, at);
    if (begin === -1) return -1;
    places[2 * step.field] = begin;
    places[2 * step.field + 1] = at;
    at = begin;
    if (isQuoted) continue;
    at -= before.length;
    index--;
  }
  return at;
}

/** Where the field ends that begins at `from`: at the first place where the text behind it stands. -1 when it is none. */
function fieldEnd(kind: number, behind: Uint8Array, bytes: Uint8Array, from: number, to: number): number {
  const max = lesser(to, from + fieldCharactersMax);
  let limit = from;
  while (limit < max && ((characterKinds[bytes[limit] as number] as number) & kind) !== 0) limit++;
  if (behind.length === 0) return limit > from && limit === to ? limit : -1;
  // It begins with what no such field holds, nearly always: then there is one place where it can stand.
  if (((characterKinds[behind[0] as number] as number) & kind) === 0)
    return limit > from && standsBefore(behind, bytes, limit, to) ? limit : -1;
  for (let at = from + 1; at <= limit; at++) if (standsBefore(behind, bytes, at, to)) return at;
  return -1;
}

/** Whether the text stands at `at`, all of it inside the line. */
function standsBefore(literal: Uint8Array, bytes: Uint8Array, at: number, to: number): boolean {
  return at + literal.length <= to && standsAt(literal, bytes, at);
}

/** Where the field begins that ends at `to`: behind the last place where the text before it stands. -1 when it is none. */
function fieldBegin(kind: number, before: Uint8Array, bytes: Uint8Array, from: number, to: number): number {
  const min = greater(from + before.length, to - fieldCharactersMax);
  let limit = to;
  while (limit > min && ((characterKinds[bytes[limit - 1] as number] as number) & kind) !== 0) limit--;
  if (((characterKinds[before[before.length - 1] as number] as number) & kind) === 0) {
    return limit < to && limit >= min && standsAt(before, bytes, limit - before.length) ? limit : -1;
  }
  for (let at = to - 1; at >= limit; at--) if (standsAt(before, bytes, at - before.length)) return at;
  return -1;
}

/** The quote that ends what begins at `from`: the first one that no backslash escapes. */
function quotedEnd(bytes: Uint8Array, from: number, to: number): number {
  for (let at = from; at < to; at++) {
    const code = bytes[at] as number;
    if (code === backslash) at++;
    else if (code === quote) return at;
  }
  return -1;
}

/** Behind the quote that begins what ends at `to`: the last one that no backslash escapes. -1 when the one at `to` is escaped. */
function quotedBegin(bytes: Uint8Array, from: number, to: number): number {
  let at = to;
  if (isEscaped(bytes, from, at)) return -1;
  while (at > from) {
    at--;
    if (bytes[at] === quote && !isEscaped(bytes, from, at)) return at + 1;
  }
  return -1;
}

/** Whether an odd number of backslashes stands before it. Each run of them is looked at once for the one quote behind it. */
function isEscaped(bytes: Uint8Array, from: number, at: number): boolean {
  let run = at;
  while (run > from && bytes[run - 1] === backslash) run--;
  return (at - run) % 2 === 1;
}
