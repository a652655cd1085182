/**
 * The rules that ship and the rules of one's own → a recognizer, or every complaint about them at once.
 *
 * A rule of one's own is tried before those that ship: who writes one means it. Each of its templates is proved at start:
 * lines made from it must be recognized by it, so a rule that can never match, or whose lines another rule takes, is not
 * found out on the day of the attack.
 *
 *   template ──▶ compiled ──▶ has what its type needs ──▶ alone, it matches its own lines ──▶ among the others as well
 *                  unsafe          unusable                     never matches                    never reached
 */

import { ConfigurationError } from "@logwarden/shared/environment";
import type { Inventory } from "@logwarden/shared/inventory";
import { latin1 } from "../latin1.ts";
import { type CompiledRule, createRecognizer, type Recognizer } from "./recognize.ts";
import type { Rule } from "./rule.ts";
import { fail2banRules } from "./rules/fail2ban.ts";
import { httpAccessRules } from "./rules/http-access.ts";
import { kernelRules } from "./rules/kernel.ts";
import { netplugdRules } from "./rules/netplugd.ts";
import { nginxRules } from "./rules/nginx.ts";
import { sshdRules } from "./rules/sshd.ts";
import { sshguardRules } from "./rules/sshguard.ts";
import { vyosNetlinkdRules } from "./rules/vyos-netlinkd.ts";
import { vyosNetworkEventLoggerRules } from "./rules/vyos-network-event-logger.ts";
import { compileTemplate, type FieldKind, fieldsMax, type Template, TemplateError } from "./template.ts";

/** Every rule that ships, in the order they are tried. */
export const shippedRules: readonly Rule[] = [
  ...sshdRules,
  ...netplugdRules,
  ...vyosNetlinkdRules,
  ...vyosNetworkEventLoggerRules,
  ...kernelRules,
  ...httpAccessRules,
  ...nginxRules,
  ...fail2banRules,
  ...sshguardRules,
];

export interface RuleSet {
  /** All of them, in the order they are tried, switched off or not. */
  rules: readonly Rule[];
  recognizer: Recognizer;
  /** Recognizes by the rules that are switched off: what they would have claimed. */
  off: Recognizer;
}

/** A rule whose sound templates are compiled. */
export interface CheckedRule extends CompiledRule {
  /** The templates as they were written, in the same order. */
  matches: readonly string[];
  /** What is wrong with the others, and with the rule itself. */
  wrong: readonly string[];
}

/**
 * @param name how complaints call the configuration
 * @param tried a rule that stands before all others, and may take the lines of any of them
 * @throws ConfigurationError with every complaint: an unknown name in `disabled`, and what is wrong with each own rule, and where
 */
export function createRuleSet(name: string, { rules }: Pick<Inventory, "rules">, tried?: Rule): RuleSet {
  const complaints: string[] = [];
  const all: Rule[] = [...rules.own, ...shippedRules];
  const names = all.map((rule) => rule.name);
  for (const unknown of rules.disabled.filter((one) => !names.includes(one))) {
    complaints.push(`${name}: rules.disabled: no such rule: ${unknown}; rules are ${names.join(", ")}`);
  }
  const complain = (rule: Rule, wrong: readonly string[]): void => {
    const place = rule === tried ? "the tried rule" : `${name}: rules.own: ${rule.name}`;
    complaints.push(...wrong.map((one) => `${place}: ${one}`));
  };
  for (const [index, rule] of rules.own.entries()) {
    if (names.includes(rule.name, index + 1)) complain(rule, [nameTaken(rules.own.length, names, rule.name)]);
  }
  const checked = all.map((rule) => compileRule(rule));
  for (const { rule, wrong } of checked) complain(rule, wrong);
  const isOff = ({ rule }: CheckedRule): boolean => rules.disabled.includes(rule.name);
  const on = checked.filter((one) => !isOff(one));
  const recognizer = createRecognizer(on);
  const own = new Set<Rule>(rules.own);
  for (const one of on) if (own.has(one.rule)) complain(one.rule, unreached(one, recognizer));

  const first = tried === undefined ? [] : [compileRule(tried)];
  for (const one of first) complain(one.rule, [...one.wrong, ...unreached(one, createRecognizer([one]))]);
  if (complaints.length > 0) throw new ConfigurationError(complaints);
  return {
    rules: [...first, ...checked].map(({ rule }) => rule),
    recognizer: tried === undefined ? recognizer : createRecognizer([...first, ...on]),
    off: createRecognizer(checked.filter(isOff)),
  };
}

function nameTaken(ownRules: number, names: readonly string[], name: string): string {
  const isShipped = names.indexOf(name, ownRules) !== -1;
  return isShipped
    ? "a rule that ships has this name: choose another, and list the shipped one in rules.disabled if yours replaces it"
    : "another rule of your own has this name: logs, metrics and rules.disabled could not tell them apart";
}

/** Compiles the templates of a rule and looks for what its type needs in them. */
export function compileRule(rule: Rule): CheckedRule {
  const wrong: string[] = [];
  const templates: Template[] = [];
  const matches: string[] = [];
  for (const match of typeof rule.match === "string" ? [rule.match] : rule.match) {
    const template = compileOr(match, (complaint) => wrong.push(complaint));
    if (template === undefined) continue;
    const lacks = missing(rule, match, template);
    wrong.push(...lacks);
    if (lacks.length > 0) continue;
    templates.push(template);
    matches.push(match);
  }
  if (rule.type === "peer_ban" && rule.set?.action === undefined) {
    wrong.push("peer_ban needs an action, for example set: { action: ban }");
  }
  if (rule.type !== "peer_ban" && rule.set?.action !== undefined) {
    wrong.push(`only a peer_ban has an action: leave ${rule.set.action} out, or write type: peer_ban`);
  }
  return { rule, templates, matches, wrong };
}

/** What to write instead, beside what template.ts says is wrong. By its words; the tests hold both together. */
const remedies: readonly (readonly [saying: string, remedy: string])[] = [
  ["two free-text fields", "give one of them a kind: {name:word} ends at a space, {name:int} at what is no digit"],
  ["two fields with no text between", "write what stands between them in the log, or make them one field"],
  ["of fixed text", "write more of the words that only such a line has"],
  ["a control character", "write what the log holds in its place, or let a field stand for it"],
  ["begins with a space", "leave the space out"],
  ["write \\", "a field is {address:ip}, an optional part is [ from port {port:int}]"],
];

function compileOr(match: string, complain: (complaint: string) => void): Template | undefined {
  const foreign = match.search(/[^\0-\x7f]/);
  if (foreign !== -1) {
    const why = "a character that is not ASCII would never match: let a field such as {name:word} stand for its word";
    complain(`${why}${shown(match, foreign)}`);
    return undefined;
  }
  try {
    return compileTemplate(match);
  } catch (error) {
    if (!(error instanceof TemplateError)) throw error;
    const remedy = remedies.find(([saying]) => error.message.includes(saying))?.[1];
    const message = error.message.replaceAll(match, () => visible(match));
    complain(remedy === undefined ? message : `${message}\n    ${remedy}`);
    return undefined;
  }
}

/** What the rule's type needs of a template and does not find there. */
function missing({ type }: Rule, match: string, { fields, kinds, always }: Template): string[] {
  const [field, kind] = type === "interface_down" ? (["interface", "word"] as const) : (["address", "ip"] as const);
  const wanted = `{${field}:${kind}}`;
  const complaints: string[] = [];
  const found = kinds[fields.indexOf(field)];
  if (found === undefined) {
    const other = kind === "ip" ? fields[kinds.indexOf("ip")] : undefined;
    const advice =
      other === undefined ? `write it where the ${field} stands` : `if this is who it is about, call it ${field}`;
    const at = other === undefined ? undefined : placeOf(match, other);
    complaints.push(`${type} needs ${wanted}, and the template has none: ${advice}${shown(match, at)}`);
  } else if (found !== kind) {
    complaints.push(`${type} needs ${wanted}, got ${written(field, found)}${shown(match, placeOf(match, field))}`);
  } else if (!always.has(field)) {
    const why = `${wanted} is optional, and ${type} needs it: take the brackets around it away`;
    complaints.push(`${why}${shown(match, placeOf(match, field))}`);
  }
  const status = kinds[fields.indexOf("status")];
  if (status !== undefined && type !== "http_error") {
    const why = `only http_error has a status, and ${type} would be read from lines with 100 to 599 there alone`;
    complaints.push(`${why}: give the field another name${shown(match, placeOf(match, "status"))}`);
  } else if (status !== undefined && status !== "int") {
    complaints.push(`expected {status:int}, got ${written("status", status)}${shown(match, placeOf(match, "status"))}`);
  }
  return complaints;
}

function written(field: string, kind: FieldKind): string {
  return kind === "text" ? `{${field}}, which is free text` : `{${field}:${kind}}`;
}

const everydayAddress = "192.0.2.7";
const everydayStatus = "404";

/**
 * Proves that lines made from each template are recognized by its rule.
 * @param recognizer of all rules that are on, the rule among them
 * @returns what is wrong with those templates of which no line is
 */
export function unreached({ rule, templates, matches }: CheckedRule, recognizer: Recognizer): string[] {
  // What `where` asks for cannot be made up.
  if (rule.where !== undefined) return [];
  return templates.flatMap((template, index) => {
    const match = matches[index] ?? "";
    const alone = createRecognizer([{ rule, templates: [template] }]);
    const isClaimed = (line: string): boolean => claimants(alone, rule, line).includes(rule.name);
    const lines = template.samples.map((sample) => withFields(template, sample, { status: everydayStatus }));
    if (!lines.some(isClaimed)) return [neverMatches("never matches", lines[0], match)];
    // A text such as ":" may be what tells an IPv4 address from its port; nothing excuses a rule that reads only IPv6.
    const ips = template.fields.filter((_, number) => template.kinds[number] === "ip");
    const everyday = Object.fromEntries(ips.map((field) => [field, everydayAddress]));
    const ofIpv4 = lines.map((line) => withFields(template, line, everyday));
    if (!ofIpv4.some(isClaimed)) return [neverMatches("never matches an IPv4 address", ofIpv4[0], match)];

    const claims = lines.flatMap((line) => claimants(recognizer, rule, line).map((by) => ({ line, by })));
    if (claims.some(({ by }) => by === rule.name)) return [];
    const [taken] = claims;
    const what = `never reached: ${taken?.by} claims its lines first, such as "${taken?.line}"`;
    return [`${what}. Write it before ${taken?.by}, or let that one claim less${shown(match)}`];
  });
}

function neverMatches(what: string, line: string | undefined, match: string): string {
  const at = suspect(match);
  const why =
    at === undefined
      ? "header, repeats and uptime are cut off before a rule reads a message: leave them out"
      : "the field at the mark ends where the text beside it first stands: write there what the field cannot hold, or let " +
        "free text stand left of it, and it is read from the end of the line";
  return `${what}, not even "${line}"${shown(match, at)}\n    ${why}`;
}

/** The names of the rules that claim the line when one of the rule's programs writes it. */
function claimants(recognizer: Recognizer, { programs }: Rule, line: string): string[] {
  return programs.flatMap((program) => {
    const read = latin1(`<38>Nov 21 04:44:40 host ${program}: ${line}`);
    const recognition = recognizer.recognize(read, 0, read.bytes.length);
    return typeof recognition === "string" ? [] : [recognition.rule];
  });
}

/** The line with other values in some fields; those that the template does not find in it stay as they are. */
function withFields(template: Template, line: string, values: Record<string, string>): string {
  return Object.entries(values).reduce((text, [field, value]) => {
    const { bytes } = latin1(text);
    const places = new Int32Array(2 * fieldsMax).fill(-1);
    const fits = template.forms.some(
      ({ prefix, match }) => text.startsWith(prefix) && match(bytes, 0, bytes.length, places),
    );
    const number = template.fields.indexOf(field);
    const from = places[2 * number] ?? -1;
    return fits && from !== -1 ? text.slice(0, from) + value + text.slice(places[2 * number + 1]) : text;
  }, line);
}

/** What may stand in a field, as template.ts has it: text beside the field that begins so is taken for a part of it. */
const mayHold: Record<string, RegExp> = { ip: /[\w:.%@-]/, int: /\d/, hex: /[\da-fx]/i, word: /[^\s[\]{}]/ };

/** Where a field stands that ends too early: left of the free text at what follows, right of it at what comes before. */
function suspect(match: string): number | undefined {
  const free = match.search(/(?<!\\)\{\w+\}/);
  const fields = [...match.matchAll(/(?<!\\)\{\w+:(\w+)\}/g)];
  return fields.find(({ 0: text, 1: kind = "", index }) => {
    const beside = free === -1 || index < free ? match[index + text.length] : match[index - 1];
    return beside !== undefined && mayHold[kind]?.test(beside);
  })?.index;
}

function placeOf(match: string, field: string): number {
  return match.search(new RegExp(`(?<!\\\\)\\{${field}[:}]`));
}

/** The template on a line of its own, with a mark under the place. */
function shown(match: string, at?: number): string {
  return `\n    ${visible(match)}${at === undefined ? "" : `\n    ${" ".repeat(at)}^`}`;
}

/** Control characters as their pictures (U+2400), each in the room of one, so that marks stay where they belong. */
function visible(match: string): string {
  return match.replace(/\p{Cc}/gu, (character) => {
    const code = character.charCodeAt(0);
    return code < 0x20 ? String.fromCharCode(0x2400 + code) : "\ufffd";
  });
}
