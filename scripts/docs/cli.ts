/** The table of verbs → docs/reference/cli.md. */

import { flagsOf } from "@logwarden/cli/help";
import { notation } from "@logwarden/cli/shape";
import type { Verb } from "@logwarden/cli/verb";
import { verbs } from "@logwarden/cli/verbs";
import { code, page, table } from "./page.ts";

export function cliPage(): string {
  return page("The logwarden command", "cli/src/verbs.ts", [
    "`npm run -s logwarden -- VERB …` runs it on a clone. Every verb has `--help` and `--json`; `logwarden help --json` holds the\nJSON Schema of each. A shape below never loses a field or changes one; fields may be added.",
    table(
      ["exit code", "meaning"],
      [
        ["0", "done"],
        ["1", "failed, or not as asked; what could be done was done, and stderr says what was not"],
        ["2", "the command line or a configuration is wrong; nothing was done"],
      ],
    ),
    table(
      ["verb", "", "also"],
      verbs.map(({ name, about, aliases = [] }) => [
        `[${name}](#logwarden-${name})`,
        about,
        aliases.map(code).join(" "),
      ]),
    ),
    ...verbs.map(section),
  ]);
}

function section({ name, usage, words = {}, text, options, notes, examples, json }: Verb): string {
  const flags = Object.entries(options).map(([option, value]) => [code(flagsOf(option, value).trim()), value.about]);
  return [
    `## logwarden ${name}`,
    fenced(usage.map((line) => `logwarden ${line}`)),
    text.trim(),
    // Its words are the verbs, which stand above.
    Object.keys(words).length === 0 || name === "help"
      ? ""
      : table(
          ["word", ""],
          Object.entries(words).map(([word, about]) => [code(word), about]),
        ),
    table(["option", ""], flags),
    notes?.trim() ?? "",
    fenced(examples, "sh"),
    `\`--json\` prints ${json.lines === true ? "for each line, on a line of its own" : "one line"}:`,
    fenced(notation(json.shape)),
  ]
    .filter((part) => part !== "")
    .join("\n\n");
}

function fenced(lines: readonly string[], language = "text"): string {
  return [`\`\`\`${language}`, ...lines, "```"].join("\n");
}
