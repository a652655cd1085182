/** A run → a table: a row for each kind of fault. */

import type { FaultRecord, RunResult } from "./run.ts";

const columns = [
  ["fault", (_: readonly FaultRecord[], kind: string) => kind],
  ["faults", (all) => String(all.length)],
  ["lines sent", (all) => String(sum(all, ({ sent }) => sent))],
  ["arrived", (all) => String(sum(all, ({ arrived }) => arrived))],
  ["lost", (all) => String(sum(all, ({ lost }) => lost))],
  ["most in one", (all) => String(Math.max(...all.map(({ lost }) => lost)))],
  ["twice", (all) => String(sum(all, ({ twice }) => twice))],
  ["no address, p50 s", (all) => inSeconds(quantile(all.map(absenceMs), 0.5))],
  ["max s", (all) => inSeconds(Math.max(...all.map(absenceMs)))],
  [
    "next change, p50 s",
    (all) =>
      inSeconds(
        quantile(
          all.map(({ nextMs }) => nextMs),
          0.5,
        ),
      ),
  ],
  ["max s", (all) => inSeconds(Math.max(...all.map(({ nextMs }) => nextMs)))],
] as const satisfies readonly (readonly [string, (all: readonly FaultRecord[], kind: string) => string])[];

/** Without the time in which the knocker itself stood still, since it says nothing of the address. */
function absenceMs({ awayMs, stallMs }: FaultRecord): number {
  return Math.max(0, awayMs - stallMs);
}

export function asTable({ faults }: RunResult): string {
  const kinds = [...Map.groupBy(faults, ({ kind }) => kind)].toSorted(([a], [b]) => a.localeCompare(b));
  const rows = [...kinds, ["in all", faults] as const].map(([kind, all]) => columns.map(([, cell]) => cell(all, kind)));
  const table = [columns.map(([name]) => name), ...rows];
  const widths = columns.map((_, at) => Math.max(...table.map((row) => row[at]?.length ?? 0)));
  const show = (row: readonly string[]): string =>
    `| ${row.map((cell, at) => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0))).join(" | ")} |`;
  const rule = widths.map((width, at) => (at === 0 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`));
  return [show(table[0] ?? []), show(rule), ...table.slice(1).map(show)].join("\n");
}

function sum(all: readonly FaultRecord[], of: (one: FaultRecord) => number): number {
  return all.reduce((total, one) => total + of(one), 0);
}

function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.ceil(share * sorted.length) - 1] ?? Number.NaN;
}

function inSeconds(ms: number): string {
  return (ms / 1000).toFixed(2);
}
