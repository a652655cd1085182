/**
 * How fast is the parser, beside its peers, and does it stay so? Five parts, each with a question of its own:
 *
 *   table    processor time per line, side by side with rsyslog, syslog-ng, Python, sshguard, fail2ban   parser/table.ts
 *   puts     how much of what beanstalkd can take the parser gives it                                  parser/puts.ts
 *   rules    what 300 rules cost that 3 do not                                                         parser/rules.ts
 *   soak     what is held while the queue is away, and whether everything arrives                      parser/soak.ts
 *   linear   whether there is a line that makes a rule slow                                            parser/linear.ts
 *
 * Only parser/our-parser.ts knows how the parser is put together.
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { measureLinear } from "./parser/linear.ts";
import type { PartOptions } from "./parser/part.ts";
import { measurePuts } from "./parser/puts.ts";
import { measureRules } from "./parser/rules.ts";
import { measureSoak } from "./parser/soak.ts";
import { measureTable, peers } from "./parser/table.ts";
import type { Report } from "./report.ts";

const measures = {
  table: measureTable,
  puts: measurePuts,
  rules: measureRules,
  soak: measureSoak,
  linear: measureLinear,
} as const satisfies Record<string, (options: PartOptions) => Promise<Report>>;
export type PartName = keyof typeof measures;

export const partNames = Object.keys(measures) as PartName[];
export const peerKeys: readonly string[] = peers.map(({ key }) => key);

export const aim =
  "the parser's CPU per line at 0.1 / 5 / 50 % matches: rsyslog 7 / 5 / 2.3 times ours, syslog-ng 8 / 6 / 3.4, Python 3 / 3 / 3.3, " +
  "sshguard 12 / 9 / 3.5, fail2ban 80 / 70 / 40; 90 % of beanstalkd's own puts; 300 rules at most 1.15 times the cost of 3";

/** Measures the parts one after the other. */
export async function measureParser(
  parts: readonly PartName[],
  options: Omit<PartOptions, "directory">,
): Promise<Report[]> {
  const directory = mkdtempSync(`${tmpdir()}/logwarden-bench-`);
  try {
    const reports: Report[] = [];
    for (const part of parts) {
      options.signal.throwIfAborted();
      reports.push(await measures[part]({ ...options, directory }));
    }
    return reports;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
