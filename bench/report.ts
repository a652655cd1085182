/** A measured answer → text: for the terminal, and for RESULTS.md. Pure. */

import type { Machine } from "./machine.ts";

export interface Table {
  columns: readonly string[];
  rows: readonly (readonly string[])[];
}

export interface Report extends Table {
  /** The bench's name on the command line. */
  name: string;
  question: string;
  /** One or two sentences with the figure in it. */
  answer: string;
  /** Further tables, below the first. */
  more: readonly Table[];
  /** What must be known to read the figures. */
  notes: readonly string[];
  /** Everything that was measured, for --json. */
  figures: unknown;
}

/** For the terminal: the question, the answer, the tables, what to know. */
export function asText({ question, answer, notes, ...tables }: Report): string {
  const parts = [question, answer, ...allTables(tables), notes.map((note) => `- ${note}`).join("\n")];
  return `${parts.join("\n\n")}\n`;
}

/**
 * RESULTS.md with the chapters of these reports in place of the ones of the same name; all other chapters stay as they are.
 * @param before its text until now
 */
export function asMarkdown(
  before: string,
  reports: readonly Report[],
  machine: Machine,
  aims: readonly string[],
): string {
  const head = [
    "# What we measured",
    "Each chapter is written by `npm run bench -- --write`, but where it says otherwise. Each bench file opens with its question and says how it measures.",
    aims.map((aim) => `Aim: ${aim}.`).join("\n\n"),
  ].join("\n\n");
  const chapters = new Map(
    before
      .split(/^(?=## )/m)
      .filter((chapter) => chapter.startsWith("## "))
      .map((chapter) => [chapter.slice(3, chapter.indexOf("\n")), chapter.trimEnd()]),
  );
  for (const { name, question, answer, notes, ...tables } of reports) {
    const known = [...notes, `Measured: ${describe(machine).join("; ")}.`].map((note) => `- ${note}`).join("\n");
    chapters.set(name, [`## ${name}`, `**${question}**`, answer, ...allTables(tables), known].join("\n\n"));
  }
  return `${[head, ...chapters.values()].join("\n\n")}\n`;
}

/** The machine, a line each. */
export function describe(machine: Machine): string[] {
  return Object.entries(machine).map(([what, value]) => `${what}: ${value}`);
}

function allTables({ columns, rows, more }: Pick<Report, "columns" | "rows" | "more">): string[] {
  return [{ columns, rows }, ...more].map(showTable);
}

/** Markdown whose columns stand under each other; numbers to the right. */
function showTable({ columns, rows }: Table): string {
  const widths = columns.map((name, column) => Math.max(name.length, ...rows.map((row) => (row[column] ?? "").length)));
  const show = (cells: readonly string[]): string => {
    const padded = widths.map((width, column) => {
      const cell = cells[column] ?? "";
      return column === 0 ? cell.padEnd(width) : cell.padStart(width);
    });
    return `| ${padded.join(" | ")} |`;
  };
  const rule = widths.map((width, column) => (column === 0 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`));
  return [show(columns), show(rule), ...rows.map(show)].join("\n");
}
