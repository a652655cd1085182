/**
 * The one place that writes: results on stdout, complaints on stderr.
 *
 * What we print is partly an attacker's text (a line of a log, a body in a tube). No character of it may move a cursor,
 * retitle a terminal or reorder what is read, so control and format characters are written as escapes, here, for all.
 */

import { once } from "node:events";
import type { Writable } from "node:stream";

export interface Output {
  /** One line. Waits while the reader is slower than we are. */
  line(text?: string): Promise<void>;
  /** One value as JSON, on one line. */
  json(value: unknown): Promise<void>;
  /** A text of our own with line ends: help. */
  block(text: string): Promise<void>;
  /** One line for the person, beside the results. */
  complain(text: string): void;
}

/** @param onReaderGone the reader has closed our stdout (`| head`): it has what it wanted */
export function openOutput(stdout: Writable, stderr: Writable, onReaderGone: () => void): Output {
  stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
    onReaderGone();
  });
  // Nobody listens to our complaints: there is nobody left to tell.
  stderr.on("error", () => undefined);
  const write = async (text: string): Promise<void> => {
    if (!stdout.write(`${text}\n`)) await once(stdout, "drain");
  };
  const line = (text = ""): Promise<void> => write(printable(text));
  return {
    line,
    json: (value) => write(JSON.stringify(value).replace(hidden, (characters) => escapeUnits(characters))),
    block: async (text) => {
      for (const one of text.trimEnd().split("\n")) await line(one);
    },
    complain: (text) => void stderr.write(`${printable(text)}\n`),
  };
}

/** Cc: control characters, C1 among them. Cf: direction marks, zero-width and tag characters. */
const hidden = /[\p{Cc}\p{Cf}\u2028\u2029]/gu;

/** A text that shows every character it holds. */
function printable(text: string): string {
  return text.replace(hidden, (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`);
}

/** As JSON writes it: each UTF-16 unit by itself. */
function escapeUnits(characters: string): string {
  return Array.from(
    { length: characters.length },
    (_, at) => `\\u${characters.charCodeAt(at).toString(16).padStart(4, "0")}`,
  ).join("");
}

/** Rows in columns, two spaces between; a column of numbers stands at its right. */
export function columns(rows: readonly (readonly (string | number)[])[], indent = "  "): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [at, cell] of row.entries()) widths[at] = Math.max(widths[at] ?? 0, printable(String(cell)).length);
  }
  return rows.map((row) => {
    const cells = row.map((cell, at) => {
      const text = printable(String(cell));
      return typeof cell === "number" ? text.padStart(widths[at] ?? 0) : text.padEnd(widths[at] ?? 0);
    });
    return `${indent}${cells.join("  ")}`.trimEnd();
  });
}
