/** ADDRESS… on a command line: who is meant, and under which names the ledger may know them. */

import { overlaps, parseSubject, type Subject, subjectOf } from "@logwarden/shared/subject";
import { type Context, UsageError } from "../verb.ts";
import { givenInventory } from "./inventory.ts";

/** One command is one person's: more comes from a program, which can call twice. */
const addressesMax = 1000;

/** @throws UsageError with every word that is no address; for none, and for too many */
export function givenSubjects(words: readonly string[]): Subject[] {
  if (words.length === 0) throw new UsageError("expected an address, or several");
  if (words.length > addressesMax) throw new UsageError(`expected at most ${addressesMax} addresses at once`);
  const wrong = words.filter((word) => parseSubject(word) === undefined).map((word) => `"${word}"`);
  if (wrong.length > 0) {
    throw new UsageError(`expected addresses such as 192.0.2.1, 2001:db8::1 or 192.0.2.0/24, got ${wrong.join(", ")}`);
  }
  const subjects = words.map((word) => parseSubject(word) as Subject);
  return [...new Map(subjects.map((subject) => [subject.text, subject])).values()];
}

/** As givenSubjects, for one. */
export function givenSubject(word: string): Subject {
  return givenSubjects([word])[0] as Subject;
}

/** What a policy would have counted this address as: itself, or the IPv6 network around it. */
export function countedAs({ text, family, prefix }: Subject, ipv6Length: number): string {
  return family === 6 && prefix.length === 128 ? subjectOf(prefix.address, ipv6Length).text : text;
}

/** Of the subjects that are banned, those that hold all of this one: itself, its /64, a prefix that a person banned. */
export function holding(wanted: Subject, banned: readonly string[]): string[] {
  return banned.filter((text) => {
    if (text === wanted.text) return true;
    // Most are single addresses, which hold nothing else.
    if (!text.includes("-")) return false;
    const other = parseSubject(text);
    return other !== undefined && other.prefix.length <= wanted.prefix.length && overlaps(other.prefix, wanted.prefix);
  });
}

export const ipOption = {
  ip: {
    type: "string",
    short: "i",
    value: "ADDRESS",
    about: "only of this address, and of the network it is counted as",
  },
} as const;

/** Under which names the ledger is asked: of --ip, or [undefined] for everybody. @throws UsageError, ConfigurationError */
export function givenNames(values: { ip?: string | undefined; config?: string | undefined }, context: Context) {
  if (values.ip === undefined) return [{}];
  const subject = givenSubject(values.ip);
  const { ipv6Prefix } = givenInventory(values, context);
  return [...new Set([subject.text, countedAs(subject, ipv6Prefix)])].map((name) => ({ subject: name }));
}
