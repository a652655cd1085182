/** What a verb says of itself → the text of its --help, and the list of all. */

import { columns } from "./output.ts";
import type { Option, Verb } from "./verb.ts";

/** As wide as a terminal that somebody reads in. */
const widthMax = 116;

export function overviewOf(verbs: readonly Verb[]): string {
  return [
    "logwarden VERB [OPTIONS]",
    "",
    ...columns(verbs.map(({ name, about }) => [name, about])),
    "",
    "Every verb has --help with examples, and --json.",
    "Exit code: 0 done, 1 failed or not as asked, 2 the command line or a configuration is wrong.",
  ].join("\n");
}

export function helpOf(verb: Verb): string {
  const { usage, words = {}, text, options, notes, examples } = verb;
  const aliases =
    verb.aliases === undefined ? [] : [`Also: ${verb.aliases.map((one) => `logwarden ${one}`).join(", ")}`];
  const sections: string[][] = [
    usage.map((line) => `logwarden ${line}`),
    [...text.trim().split("\n"), ...aliases],
    paired(Object.entries(words)),
    paired(Object.entries(options).map(([name, option]) => [flagsOf(name, option), option.about])),
    notes === undefined ? [] : notes.trim().split("\n"),
    examples.map((line) => `  ${line}`),
  ];
  return sections
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join("\n"))
    .join("\n\n");
}

/** `-d, --duration DURATION` */
export function flagsOf(name: string, { short, type, value = "VALUE" }: Option): string {
  return `${short === undefined ? "    " : `-${short}, `}--${name}${type === "string" ? ` ${value}` : ""}`;
}

/** Two columns, the second folded where a terminal would. */
function paired(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(0, ...rows.map(([first]) => first.length));
  return rows.flatMap(([first, second]) =>
    folded(second, widthMax - width - 4).map((line, at) => `  ${(at === 0 ? first : "").padEnd(width)}  ${line}`),
  );
}

function folded(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last === undefined || last.length + 1 + word.length > width) lines.push(word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines;
}
