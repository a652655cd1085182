/**
 * A verb of the command: what it says of itself, how it reads its arguments, and in which three ways it can end badly.
 *
 * What a verb says of itself is data, so that its help, the completion of shells, docs/reference/cli.md and what the command
 * line accepts are made of the same words.
 */

import type { Readable } from "node:stream";
import { type ParseArgsOptionsConfig, parseArgs } from "node:util";
import type { z } from "zod";
import type { Output } from "./output.ts";

export interface Verb {
  name: string;
  /** The words of other tools for it. */
  aliases?: readonly string[];
  /** One line for `logwarden help`. */
  about: string;
  /** Each way to call it, behind "logwarden ". */
  usage: readonly string[];
  /** What may follow it first, each with a line. */
  words?: Readonly<Record<string, string>>;
  /** What it does: paragraphs. */
  text: string;
  options: Options;
  /** What is too long for an option's line. */
  notes?: string;
  /** Whole command lines. */
  examples: readonly string[];
  /** What --json prints: one value on one line, or `lines` of them. */
  json: { shape: z.ZodType; lines?: boolean };
  /** @returns the exit code: 0, or 1 when a part of what was asked could not be done */
  run(args: readonly string[], context: Context): Promise<number>;
}

/** As node:util's parseArgs reads them, and what people are told. */
export interface Option {
  type: "string" | "boolean";
  short?: string;
  multiple?: boolean;
  /** What stands for its value in the help, such as FILE. */
  value?: string;
  about: string;
  /** What its value may be, for those who press Tab. */
  choices?: readonly string[] | "file";
}
export type Options = Readonly<Record<string, Option>>;

/** Every verb has it. */
export const jsonOption = {
  json: { type: "boolean", about: "for programs; its shape: logwarden help VERB --json, and the reference" },
} as const;

export interface Context {
  output: Output;
  stdin: Readable & { isTTY?: boolean; fd?: number };
  environment: Readonly<Record<string, string | undefined>>;
}

/** The command line cannot be understood: exit 2. (A configuration that cannot be used is a ConfigurationError: exit 2.) */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** What was asked could not be done, for a reason a person can mend: exit 1. */
export class CommandError extends Error {
  override readonly name = "CommandError";
}

/**
 * Options and other words of a command line.
 * @throws UsageError for an unknown option, a value too few, or more words than `wordsMax`
 */
export function readArguments<O extends ParseArgsOptionsConfig>(args: readonly string[], options: O, wordsMax: number) {
  const parsed = (() => {
    try {
      return parseArgs({ args: [...args], options, allowPositionals: true, strict: true });
    } catch (cause) {
      // Its second sentence is advice for those who mean an option as a word.
      const message = (cause as Error).message.split(". ")[0] ?? "";
      throw new UsageError(message, { cause });
    }
  })();
  const extra = parsed.positionals[wordsMax];
  if (extra !== undefined) throw new UsageError(`"${extra}" is one word too many`);
  return parsed;
}

/** `, did you mean "kick"?` when one of the words is near enough; otherwise nothing. */
export function suggestion(word: string, known: readonly string[]): string {
  const near = known
    .map((name) => ({ name, distance: name.startsWith(word) ? 0 : distance(word, name) }))
    .filter((one) => one.distance <= Math.max(2, Math.floor(word.length / 3)))
    .sort((a, b) => a.distance - b.distance)[0];
  return near === undefined ? "" : `, did you mean "${near.name}"?`;
}

/** Letters to insert, remove, replace or swap (Damerau and Levenshtein, each pair swapped once). */
function distance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, at) => at)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      const above = rows[i - 1] as number[];
      let least = Math.min((above[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (above[j - 1] ?? 0) + same);
      if (a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) least = Math.min(least, (rows[i - 2]?.[j - 2] ?? least) + 1);
      row.push(least);
    }
    rows.push(row);
  }
  return rows[a.length]?.[b.length] ?? 0;
}

/** @returns the word that a verb needs first. @throws UsageError with what there is */
export function knownWord<W extends string>(
  verb: string,
  word: string | undefined,
  known: Readonly<Record<W, string>>,
): W {
  if (word !== undefined && word in known) return word as W;
  const words = Object.keys(known);
  const all = `${words.slice(0, -1).join(", ")}${words.length > 1 ? " or " : ""}${words.at(-1)}`;
  if (word === undefined) throw new UsageError(`expected ${all}`);
  throw new UsageError(
    `no "${verb} ${word}"${suggestion(word, words) || `; there ${words.length > 1 ? "are" : "is"} ${all.replace(/ or (?=\S+$)/, " and ")}`}`,
  );
}

/** For a verb that has no other word than `list`. @throws UsageError */
export function listOnly(verb: string, word: string | undefined): void {
  if (word !== undefined) knownWord(verb, word, { list: "" });
}
