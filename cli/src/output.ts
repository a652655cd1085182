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
  /** Many lines at once. */
  lines(texts: readonly string[]): Promise<void>;
  /** One value as JSON, on one line. */
  json(value: unknown): Promise<void>;
  /** Many values as JSON at once, each on a line of its own. */
  jsons(values: readonly unknown[]): Promise<void>;
  /** A text of our own with line ends: help. */
  block(text: string): Promise<void>;
  /** One line for the person, beside the results. */
  complain(text: string): void;
  /** How wide a text for `progress` may be; 0 where nobody would see it. `whileWriting`: results are written meanwhile. */
  progressColumns(whileWriting: boolean): number;
  /** Shows a text on the terminal's last line, in place of the one before. Whatever is written next erases it; so does "". */
  progress(text: string): void;
}

type Terminal = Writable & { isTTY?: boolean; columns?: number };

/** A terminal that does not know its own width. */
const columnsDefault = 80;
const eraseLine = "\r\u001b[K";

/** @param onReaderGone the reader has closed our stdout (`| head`): it has what it wanted */
export function openOutput(stdout: Terminal, stderr: Terminal, onReaderGone: () => void): Output {
  let shown = "";
  const progress = (text: string): void => {
    if (text === shown) return;
    // The last column stays free: a terminal that has filled it may begin a new line.
    stderr.write(`${eraseLine}${printable(text).slice(0, widthOf(stderr) - 1)}`);
    shown = text;
  };
  stdout.on("error", (error: NodeJS.ErrnoException) => {
    progress("");
    if (error.code !== "EPIPE") throw error;
    onReaderGone();
  });
  // Nobody listens to our complaints: there is nobody left to tell.
  stderr.on("error", () => undefined);
  const write = async (text: string): Promise<void> => {
    if (stdout.isTTY) progress("");
    if (!stdout.write(text)) await once(stdout, "drain");
  };
  const lines = async (texts: readonly string[]): Promise<void> => {
    if (texts.length > 0) await write(texts.map((text) => `${printable(text)}\n`).join(""));
  };
  const jsons = async (values: readonly unknown[]): Promise<void> => {
    if (values.length > 0) await write(values.map((value) => `${printableJson(value)}\n`).join(""));
  };
  return {
    line: (text = "") => lines([text]),
    lines,
    json: (value) => jsons([value]),
    jsons,
    block: (text) => lines(text.trimEnd().split("\n")),
    complain: (text) => {
      progress("");
      stderr.write(`${printable(text)}\n`);
    },
    progressColumns: (whileWriting) => {
      // Where both are terminals they are taken for one: results that scroll by show the progress themselves.
      return stderr.isTTY !== true || (whileWriting && stdout.isTTY === true) ? 0 : widthOf(stderr) - 1;
    },
    progress,
  };
}

function widthOf({ columns = columnsDefault }: Terminal): number {
  return columns > 0 ? columns : columnsDefault;
}

/** Cc: control characters, C1 among them. Cf: direction marks, zero-width and tag characters. */
const hidden = /[\p{Cc}\p{Cf}\u2028\u2029]/gu;

/** Nearly every line of a log: looked at in one pass. */
const isPlain = /^[ -~]*$/;

/** A text that shows every character it holds. */
function printable(text: string): string {
  if (isPlain.test(text)) return text;
  return text.replace(hidden, (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`);
}

function printableJson(value: unknown): string {
  const json = JSON.stringify(value);
  return isPlain.test(json) ? json : json.replace(hidden, escapeUnits);
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
