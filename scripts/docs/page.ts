/** Markdown of the reference pages: a title, where it comes from, tables. */

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** @param source the file that a change belongs into */
export function page(title: string, source: string, parts: readonly string[]): string {
  const note = `Made from \`${source}\` by \`npm run docs\`; change it there.`;
  return `${[`# ${title}`, note, ...parts].join("\n\n")}\n`;
}

export function table(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.map(cell).join(" | ")} |`;
  return [line(titles), `|${titles.map(() => "---").join("|")}|`, ...rows.map(line)].join("\n");
}

/** A pipe would end the cell, a line its row. */
function cell(text: string): string {
  return text.replaceAll("|", "\\|").replaceAll("\n", " ");
}

export function code(text: string): string {
  return text === "" ? "" : `\`${text}\``;
}

export function source(path: string): string {
  return readFileSync(fileURLToPath(new URL(`../../${path}`, import.meta.url)), "utf8");
}

/** The comment before `name: {` or `name?: …` of a source file, on one line; empty where there is none. */
export function commentOn(text: string, name: string): string {
  const found = new RegExp(`/\\*\\*((?:(?!\\*/)[^])*)\\*/\\s*${name}\\??:`).exec(text);
  return (found?.[1] ?? "")
    .replaceAll(/\n\s*\*/g, " ")
    .replaceAll(/\s+/g, " ")
    .trim();
}
