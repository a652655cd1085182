/**
 * Line → LogEvent: what a rule reads out of a syslog line, or nothing.
 *
 *   header ──▶ unwrap ──▶ rules of the program ──▶ event
 *
 * Unwrap: rsyslog sums repeats up as `message repeated N times: [ TEXT]`; the event then counts N. And a line that came
 * through `logger` holds a whole second line with its own header; it is unwrapped only from facility user (1), which no
 * network daemon writes, so that nobody can smuggle a line of "sshd" into the text of another daemon.
 *
 * Pure. Text is latin1 (see receive/framing.ts); fields of an event are decoded to UTF-8 here.
 */

import { type Address, parseAddress } from "@logwarden/shared/ip";
import { decodeHeader, startsWithTimestamp } from "../decode/header.ts";
import type { Rule } from "./rule.ts";
import { netplugdRules } from "./rules/netplugd.ts";
import { sshdRules } from "./rules/sshd.ts";
import { compileTemplate, type Fields, type Matcher, TemplateError } from "./template.ts";

/** Every rule that ships, in the order they are tried. */
export const shippedRules: readonly Rule[] = [...sshdRules, ...netplugdRules];

export type LogEvent = { rule: string; count: number } & (
  | { type: "password_failed"; from: Address; user?: string }
  | { type: "interface_down"; interface: string }
);

/** A field held bytes that are no text: read all the same (an attack must not hide behind a bad byte), and counted. */
export type Mended = "invalid-utf8" | "control-character";

export type Recognition =
  | { kind: "event"; event: LogEvent; mended?: Mended }
  | { kind: "unrecognized"; program: string }
  | { kind: "malformed" };

export interface Recognizer {
  /** Reads the line text[from..to). */
  recognize(text: string, from: number, to: number): Recognition;
}

interface CompiledRule {
  rule: Rule;
  match: Matcher;
}

const facilityUser = 1;
/** A log file of an hour could be summed up in one line; more digits than this are somebody's joke. */
const repeatDigitsMax = 9;

/**
 * Compiles rules.
 * @param disabled names of rules that are switched off
 * @throws TemplateError when a rule is malformed or a disabled name is no rule's
 */
export function createRecognizer(rules: readonly Rule[], disabled: readonly string[] = []): Recognizer {
  const unknown = disabled.filter((name) => !rules.some((rule) => rule.name === name));
  if (unknown.length > 0) {
    throw new TemplateError(
      `no such rule: ${unknown.join(", ")}; rules are ${rules.map(({ name }) => name).join(", ")}`,
    );
  }
  const byProgram = new Map<string, CompiledRule[]>();
  for (const rule of rules) {
    if (disabled.includes(rule.name)) continue;
    const compiled = { rule, match: compileTemplate(rule.match) };
    for (const program of rule.programs) byProgram.set(program, [...(byProgram.get(program) ?? []), compiled]);
  }
  return { recognize: (text, from, to) => recognizeLine(byProgram, text, from, to) };
}

function recognizeLine(byProgram: Map<string, CompiledRule[]>, text: string, from: number, to: number): Recognition {
  const header = decodeHeader(text, from, to);
  if (header === undefined) return { kind: "malformed" };
  let { program } = header;
  let message = unwrapRepeated(text, header.textFrom, to, 1);
  if (header.facility === facilityUser) {
    const inner = skipSpaces(text, message.from, message.to);
    if (startsWithTimestamp(text, inner, message.to)) {
      const innerHeader = decodeHeader(text, inner, message.to);
      if (innerHeader === undefined) return { kind: "malformed" };
      program = innerHeader.program;
      message = unwrapRepeated(text, innerHeader.textFrom, message.to, message.count);
    }
  }
  for (const { rule, match } of byProgram.get(program) ?? []) {
    const fields = match(text, message.from, message.to);
    if (fields === undefined || rule.where?.(fields) === false) continue;
    const recognition = toEvent(rule, fields, message.count);
    if (recognition !== undefined) return recognition;
  }
  return { kind: "unrecognized", program };
}

interface Message {
  from: number;
  to: number;
  count: number;
}

/** `message repeated N times: [ TEXT]` → TEXT, N times as often. Anything else is returned as it is. */
function unwrapRepeated(text: string, from: number, to: number, count: number): Message {
  const plain = { from, to, count };
  const prefix = "message repeated ";
  const middle = " times: [";
  if (!text.startsWith(prefix, from) || text.charCodeAt(to - 1) !== 0x5d) return plain;
  const numberFrom = from + prefix.length;
  let numberTo = numberFrom;
  while (isDigit(text.charCodeAt(numberTo)) && numberTo - numberFrom < repeatDigitsMax) numberTo++;
  const times = Number(text.slice(numberFrom, numberTo));
  if (numberTo === numberFrom || times < 1 || !text.startsWith(middle, numberTo)) return plain;
  const innerFrom = skipSpaces(text, numberTo + middle.length, to - 1);
  return { from: innerFrom, to: to - 1, count: Math.min(count * times, Number.MAX_SAFE_INTEGER) };
}

function toEvent(rule: Rule, fields: Fields, count: number): Recognition | undefined {
  const base = { rule: rule.name, count };
  switch (rule.type) {
    case "password_failed": {
      const from = parseAddress(fields["address"] ?? "");
      if (from === undefined) return undefined;
      if (fields["user"] === undefined) return { kind: "event", event: { ...base, type: rule.type, from } };
      const user = readText(fields["user"]);
      const event: LogEvent = { ...base, type: rule.type, from, user: user.text };
      return user.mended === undefined ? { kind: "event", event } : { kind: "event", event, mended: user.mended };
    }
    case "interface_down": {
      const name = fields["interface"];
      if (name === undefined) return undefined;
      return { kind: "event", event: { ...base, type: rule.type, interface: name } };
    }
  }
}

/** Bytes → text that is safe to pass on: U+FFFD stands for what is not UTF-8 and for control characters. */
function readText(latin1: string): { text: string; mended?: Mended } {
  const decoded = Buffer.from(latin1, "latin1").toString("utf8");
  const text = decoded.replace(/\p{Cc}/gu, "\ufffd");
  if (text !== decoded) return { text, mended: "control-character" };
  return decoded.includes("\ufffd") ? { text, mended: "invalid-utf8" } : { text };
}

function skipSpaces(text: string, from: number, to: number): number {
  let at = from;
  while (at < to && text.charCodeAt(at) === 0x20) at++;
  return at;
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39;
}
