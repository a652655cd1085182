/** The vocabulary → docs/reference/log.md: what each service can say, in the order of the flow. */

import { vocabulary } from "@logwarden/shared/vocabulary";
import { code, page, source, table } from "./page.ts";

const file = "packages/shared/src/log/vocabulary.ts";

export function logPage(): string {
  const text = source(file);
  const rows = Object.entries(vocabulary).map(([event, { level, says, labels }]) => [
    ...[code(event), level, says, fieldsOf(text, event).map(code).join(" "), labels.map(code).join(" ")],
  ]);
  return page("What is logged", file, [
    "JSON lines on stdout. Each event is counted by the logger itself, as `logwarden_<noun>_<verb>_total` with the labels named here; none of\nthem ever holds what a log line chose.",
    table(["event", "level", "says", "fields", "labels"], rows),
  ]);
}

/** Types are gone when a program runs, so the fields are read where they are written. */
function fieldsOf(text: string, event: string): string[] {
  const body = new RegExp(`"${event.replace(".", "\\.")}": \\{([^}]*)\\};`).exec(text)?.[1];
  if (body === undefined) throw new Error(`expected the fields of ${event} in ${file}, on one line in braces`);
  return [...body.matchAll(/(\w+)\??:/g)].map(([, name = ""]) => name);
}
