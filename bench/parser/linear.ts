/**
 * Is there a line that makes a rule slow?
 *
 * Every shipped rule, and rules that a hostile or unlucky operator could write, against lines that are built to hurt them
 * (hostile-lines.ts), of 1 to 64 KiB. A matcher whose work grows with the square of the line takes 16 times as long per
 * byte at 64 KiB as at 4; one that is linear takes as long.
 */

import { fileURLToPath } from "node:url";
import type { Report } from "../report.ts";
import { showNumber } from "../statistics.ts";
import type { Case, Refused } from "./linear-worker.ts";
import type { PartOptions } from "./part.ts";
import { runToEnd } from "./peers/peer.ts";

const kibibytes = [1, 4, 16, 64] as const;
/** From 4 to 64 KiB: twice is noise, sixteen times is a square. */
const growthMax = 2;
/** Below this a case costs next to nothing, and its growth is the clock's. */
const nsPerByteMin = 0.2;

/** Where a line must have been slow to be looked at: its cost at 4 KiB, or what is near nothing. */
function growth({ nsPerByte }: Case): number {
  return (nsPerByte[3] ?? 0) / Math.max(nsPerByte[1] ?? 0, nsPerByteMin);
}

export async function measureLinear({ say, signal }: PartOptions): Promise<Report> {
  say("parser linear: hostile lines against every rule");
  const script = fileURLToPath(new URL("linear-worker.ts", import.meta.url));
  const args = [script, JSON.stringify(kibibytes.map((size) => size * 1024))];
  const last = await runToEnd({ name: "linear", command: process.execPath, args }, signal);
  const { cases, refused } = JSON.parse(last) as { cases: Case[]; refused: Refused[] };
  return report(cases, refused);
}

function report(cases: readonly Case[], refused: readonly Refused[]): Report {
  const groups = [...new Set(cases.map(({ group }) => group))];
  const worstOf = (some: readonly Case[], size: number): Case =>
    some.reduce((worst, one) => ((one.nsPerByte[size] ?? 0) > (worst.nsPerByte[size] ?? 0) ? one : worst));
  const grown = cases.reduce((worst, one) => (growth(one) > growth(worst) ? one : worst));
  const slow = cases.filter((one) => growth(one) > growthMax);
  const at64 = worstOf(cases, kibibytes.length - 1);
  return {
    name: "parser: linear",
    question: "Is there a line that makes a rule slow?",
    answer:
      `${slow.length === 0 ? "No" : `YES, ${slow.length} of ${cases.length} cases`}: at 64 KiB the worst of ${cases.length} cases takes ` +
      `${showNumber(at64.nsPerByte[3] ?? 0, 2)} ns per byte (${at64.rule}: ${at64.line}); from 4 to 64 KiB no case grows more than ` +
      `${showNumber(growth(grown), 2)} times per byte (${grown.rule}: ${grown.line}). A square would grow 16 times.`,
    columns: [
      "worst ns per byte",
      "rules",
      "cases",
      ...kibibytes.map((size) => `${size} KiB`),
      "largest growth 4 → 64 KiB",
    ],
    rows: groups.map((group) => {
      const some = cases.filter((one) => one.group === group);
      return [
        group,
        String(new Set(some.map(({ rule }) => rule)).size),
        String(some.length),
        ...kibibytes.map((_, size) => showNumber(worstOf(some, size).nsPerByte[size] ?? 0, 2)),
        `${showNumber(Math.max(...some.map(growth)), 2)}×`,
      ];
    }),
    more: [
      {
        columns: ["slowest at 64 KiB", "line", ...kibibytes.map((size) => `${size} KiB`)],
        rows: cases
          .toSorted((left, right) => (right.nsPerByte[3] ?? 0) - (left.nsPerByte[3] ?? 0))
          .slice(0, 8)
          .map(({ rule, line, nsPerByte }) => [rule, line, ...nsPerByte.map((value) => showNumber(value, 2))]),
      },
    ],
    notes: [
      "The least of ten short runs (0.2 ms and more), the second five when all cases are through, by the clock on the wall: the work is the same every time, what disturbs it only adds, and the kernel's processor clock has steps of 4 ms. Header, unwrapping and dispatch are in it: the line goes through the whole recognizer.",
      "A case is one rule and one kind of line, at four sizes. `many short lines` is a text of that size with many lines in it: a search that looks beyond its line would be seen here.",
      ...(refused.length === 0
        ? []
        : [`Refused before they could hurt: ${refused.map(({ rule, why }) => `\`${rule}\` (${why})`).join("; ")}.`]),
    ],
    figures: { cases, refused },
  };
}
