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
 * Fields: {name} free text, at most one in a template; {name:ip}; {name:int}; {name:hex} (0x…); {name:word} without spaces.
 */

import { parseAddress } from "@logwarden/shared/ip";

export type FieldKind = "text" | "ip" | "int" | "hex" | "word";

type Part = { literal: string } | { field: string; kind: FieldKind };

/** The values of a matched line, by field name; latin1 text as it stands in the line. */
export type Fields = Record<string, string>;

/** Reads text[from..to). @returns the fields, or undefined when the line does not match */
export type Matcher = (text: string, from: number, to: number) => Fields | undefined;

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

const allowed: Record<Exclude<FieldKind, "text">, (code: number) => boolean> = {
  // Digits, hex letters, ':', '.', and a zone behind '%' (letters, digits, '-', '_', '.').
  ip: (code) => isWordCharacter(code),
  int: (code) => code >= 0x30 && code <= 0x39,
  hex: (code) => isHexDigit(code) || code === 0x78,
  word: (code) => isWordCharacter(code),
};

/**
 * Compiles a template.
 * @throws TemplateError when it is malformed, could match nearly anything, or would be ambiguous
 */
export function compileTemplate(template: string): Matcher {
  const forms = expand(parseParts(template));
  for (const form of forms) check(template, form);
  // The form with the most fixed text first: "invalid user x" is a user x that is invalid, not a user "invalid user x".
  forms.sort((a, b) => fixedCharacters(b) - fixedCharacters(a));
  const matchers = forms.map(compileForm);
  return (text, from, to) => {
    for (const match of matchers) {
      const fields = match(text, from, to);
      if (fields !== undefined) return fields;
    }
    return undefined;
  };
}

type Node = Part | { optional: Part[] };

function parseParts(template: string): Node[] {
  const nodes: Node[] = [];
  let optional: Part[] | undefined;
  let at = 0;
  const fail = (what: string): never => {
    throw new TemplateError(`${what} at character ${at + 1} of "${template}"`);
  };
  const add = (part: Part): void => void (optional ?? nodes).push(part);
  while (at < template.length) {
    const character = template[at];
    if (character === "[") {
      if (optional !== undefined) fail("an optional part inside an optional part");
      optional = [];
      at++;
    } else if (character === "]") {
      if (optional === undefined) fail("a ] without its [ (write \\] for the character itself)");
      nodes.push({ optional: optional ?? [] });
      optional = undefined;
      at++;
    } else if (character === "{") {
      const field = /^\{([a-zA-Z]\w*)(?::(\w+))?\}/.exec(template.slice(at));
      const kind = field?.[2] ?? "text";
      if (field === null || !(kind === "text" || kind in allowed)) fail("expected {name} or {name:ip|int|hex|word}");
      add({ field: field?.[1] ?? "", kind: kind as FieldKind });
      at += field?.[0].length ?? 0;
    } else {
      const literal = /^(?:\\.|[^[\]{\\])+/.exec(template.slice(at))?.[0] ?? fail("expected text");
      add({ literal: literal.replaceAll(/\\(.)/g, "$1") });
      at += literal.length;
    }
  }
  if (optional !== undefined) fail("an optional part that is not closed");
  return nodes;
}

/** Every form of the template: with and without each optional part, neighbouring texts joined. */
function expand(nodes: Node[]): Part[][] {
  if (nodes.filter((node) => "optional" in node).length > optionalPartsMax) {
    throw new TemplateError(`expected at most ${optionalPartsMax} optional parts`);
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
  if (form.filter((part) => "field" in part && part.kind === "text").length > 1) {
    throw new TemplateError(`"${template}" has two free-text fields: where one ends would be the attacker's choice`);
  }
  if (form.some((part, index) => "field" in part && "field" in (form[index + 1] ?? {}))) {
    throw new TemplateError(`"${template}" has two fields with no text between: where one ends cannot be known`);
  }
  if (fixedCharacters(form) < fixedCharactersMin) {
    throw new TemplateError(`"${template}" has a form with less than ${fixedCharactersMin} characters of fixed text`);
  }
}

function fixedCharacters(form: Part[]): number {
  return form.reduce((sum, part) => sum + ("literal" in part ? part.literal.length : 0), 0);
}

function compileForm(form: Part[]): Matcher {
  const free = form.findIndex((part) => "field" in part && part.kind === "text");
  if (free === -1) {
    return (text, from, to) => {
      const fields: Fields = {};
      return readLeft(form, text, from, to, fields) === to ? fields : undefined;
    };
  }
  const left = form.slice(0, free);
  const right = form.slice(free + 1);
  const name = (form[free] as { field: string }).field;
  return (text, from, to) => {
    const fields: Fields = {};
    const start = readLeft(left, text, from, to, fields);
    if (start === -1) return undefined;
    const end = readRight(right, text, start, to, fields);
    if (end === -1) return undefined;
    fields[name] = text.slice(start, end);
    return fields;
  };
}

/** Reads the parts from the left. @returns where they end, -1 when they do not stand here */
function readLeft(parts: Part[], text: string, from: number, to: number, fields: Fields): number {
  let at = from;
  for (const [index, part] of parts.entries()) {
    if ("literal" in part) {
      if (at + part.literal.length > to || !text.startsWith(part.literal, at)) return -1;
      at += part.literal.length;
      continue;
    }
    const next = parts[index + 1];
    const max = Math.min(to, at + fieldCharactersMax);
    // A field ends where the fixed text behind it begins; the last one of the line ends with the line. Before free
    // text there is always fixed text, so the search never runs into it.
    const end = next === undefined ? to : indexWithin(text, (next as { literal: string }).literal, at, max, to);
    if (end === -1 || !accept(part, text, at, end, fields)) return -1;
    at = end;
  }
  return at;
}

/** Mirror of readLeft: reads the parts from the end of the line. @returns where they begin, -1 when they do not */
function readRight(parts: Part[], text: string, from: number, to: number, fields: Fields): number {
  let at = to;
  for (let index = parts.length - 1; index >= 0; index--) {
    const part = parts[index] as Part;
    if ("literal" in part) {
      const begin = at - part.literal.length;
      if (begin < from || !text.startsWith(part.literal, begin)) return -1;
      at = begin;
      continue;
    }
    // Right of the free text, a field always has fixed text before it.
    const literal = (parts[index - 1] as { literal: string }).literal;
    const min = Math.max(from, at - fieldCharactersMax - literal.length);
    const before = text.slice(min, at).lastIndexOf(literal);
    if (before === -1) return -1;
    const begin = min + before + literal.length;
    if (!accept(part, text, begin, at, fields)) return -1;
    at = begin;
  }
  return at;
}

/** indexOf that never looks further than a field may reach: text may go on for 64 KiB behind this line. */
function indexWithin(text: string, literal: string, from: number, max: number, to: number): number {
  const found = text.slice(from, Math.min(to, max + literal.length)).indexOf(literal);
  return found === -1 ? -1 : from + found;
}

function accept(
  part: { field: string; kind: FieldKind },
  text: string,
  from: number,
  to: number,
  fields: Fields,
): boolean {
  if (part.kind === "text" || to <= from || to - from > fieldCharactersMax) return false;
  const isAllowed = allowed[part.kind];
  for (let at = from; at < to; at++) if (!isAllowed(text.charCodeAt(at))) return false;
  const value = text.slice(from, to);
  if (part.kind === "ip" && parseAddress(value) === undefined) return false;
  fields[part.field] = value;
  return true;
}

function isHexDigit(code: number): boolean {
  return (code >= 0x30 && code <= 0x39) || (code >= 0x61 && code <= 0x66) || (code >= 0x41 && code <= 0x46);
}

/** Anything visible: no space, no control character. */
function isWordCharacter(code: number): boolean {
  return code > 0x20 && code !== 0x7f;
}
