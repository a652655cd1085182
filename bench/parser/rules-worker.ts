/**
 * Lines in memory through the framer and the recognizer, with many rules: no socket, no task.
 *
 *   node rules-worker.ts '{"file":"…","made":300,"from":0,"ofOneProgram":50,"withShipped":false}'
 *     ──▶  {"lines":…,"events":…,"cpuSeconds":…}
 *
 * The file is cut into pieces of 64 KiB, as reads are. It is read until what is measured is compiled, and then a few times more.
 */

import { readFileSync } from "node:fs";
import { openLines } from "./our-parser.ts";
import { madeRules, type RuleSet } from "./made-rules.ts";

export interface RulesWork extends RuleSet {
  file: string;
}

const pieceBytes = 65_536;
/** The compiler, whose threads count as this process's time, is still at work in the third reading of a million lines. */
const warmReadings = 4;
const readings = 4;

const { file, ...set } = JSON.parse(process.argv[2] ?? "") as RulesWork;
const bytes = readFileSync(file);
const lines = openLines(madeRules(set));
for (let count = 0; count < warmReadings; count++) readAll();
const warm = { ...lines.counts };
const before = process.cpuUsage();
for (let count = 0; count < readings; count++) readAll();
const { user, system } = process.cpuUsage(before);
const counts = { lines: lines.counts.lines - warm.lines, events: lines.counts.events - warm.events };
process.stdout.write(`${JSON.stringify({ ...counts, cpuSeconds: (user + system) / 1e6 })}\n`);

function readAll(): void {
  const read = lines.begin();
  for (let at = 0; at < bytes.length; at += pieceBytes) read(bytes.subarray(at, at + pieceBytes));
}
