/**
 * What do 300 rules cost that 3 do not?
 *
 *   3, 10, 30, 100, 300 rules over 40 programs; 300 of which 50 are one program's (made-rules.ts)
 *
 * Eleven of the programs are in the traffic, so that rules are asked and not just looked up. Three rules are measured twice:
 * for a program each, and for all 40: then the same lines are looked at as with 300, and only the number of rules differs.
 * In memory: 64 KiB at a time through framer and recognizer. Over TCP: the whole receiving process.
 */

import { mkdirSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Report } from "../report.ts";
import { showNumber, showSpread, spread } from "../statistics.ts";
import { type Corpus, writeWarmCorpus } from "./corpus.ts";
import { madeRules, type RuleSet } from "./made-rules.ts";
import { startOurs } from "./our-process.ts";
import type { PartOptions } from "./part.ts";
import { runOverTcp, runToEnd } from "./peers/peer.ts";
import type { RulesWork } from "./rules-worker.ts";

const sets: readonly RuleSet[] = [
  { made: 3, ofOneProgram: 0 },
  { made: 3, ofOneProgram: 0, forAll: true },
  { made: 10, ofOneProgram: 0 },
  { made: 30, ofOneProgram: 0 },
  { made: 100, ofOneProgram: 0 },
  { made: 300, ofOneProgram: 0 },
  { made: 300, ofOneProgram: 50 },
];

/** Enough for a second of work in each trial. */
const linesMax = 1_000_000;
const aim = 1.15;
const share = 0.05;

interface Result {
  set: RuleSet;
  /** Microseconds per line, by round. */
  inMemory: number[];
  overTcp: number[];
}

export async function measureRules(options: PartOptions): Promise<Report> {
  const { rounds, seed, directory, say, signal } = options;
  const lines = Math.min(options.lines, linesMax);
  const corpusDirectory = `${directory}/rules`;
  mkdirSync(corpusDirectory);
  const corpus = await writeWarmCorpus({ seed, lines, share, directory: corpusDirectory }, signal);
  const results: Result[] = sets.map((set) => ({ set, inMemory: [], overTcp: [] }));
  for (let round = 1; round <= rounds; round++) {
    for (const { set, inMemory, overTcp } of results) {
      say(`parser rules: round ${round} of ${rounds}: ${name(set)}`);
      inMemory.push(await runInMemory(set, corpus, signal));
      overTcp.push(await runAll(set, corpus, corpusDirectory, signal));
      say(
        `              ${showNumber(inMemory.at(-1) ?? 0, 3)} µs in memory, ${showNumber(overTcp.at(-1) ?? 0, 3)} µs over TCP`,
      );
    }
  }
  rmSync(corpusDirectory, { recursive: true });
  return report(results, corpus, rounds);
}

async function runInMemory(set: RuleSet, corpus: Corpus, signal: AbortSignal): Promise<number> {
  const work: RulesWork = { file: corpus.lf, ...set };
  const script = fileURLToPath(new URL("rules-worker.ts", import.meta.url));
  const args = [script, JSON.stringify(work)];
  const last = await runToEnd({ name: "rules", command: process.execPath, args }, signal);
  const { lines, events, cpuSeconds } = JSON.parse(last) as { lines: number; events: number; cpuSeconds: number };
  if (lines < corpus.lines * 0.9 || events > 0)
    throw new Error(`expected ${corpus.lines} lines without an event, got ${last}`);
  return (cpuSeconds / lines) * 1e6;
}

async function runAll(set: RuleSet, corpus: Corpus, directory: string, signal: AbortSignal): Promise<number> {
  const start = () => startOurs(madeRules(set), {}, `${directory}/ours`);
  const run = await runOverTcp(start, corpus, { framing: "lf", expected: 0 }, signal);
  if (run.matches !== 0) throw new Error(`expected no event from made rules, got ${run.matches}`);
  return (run.cpuSeconds / run.lines) * 1e6;
}

function name({ made, ofOneProgram, forAll }: RuleSet): string {
  if (forAll === true) return `${made} rules, each for all 40 programs`;
  return ofOneProgram === 0 ? `${made} rules` : `${made} rules, ${ofOneProgram} of them sshd's`;
}

type Place = "inMemory" | "overTcp";

/** Of the cost with the set that is named by its place in the list, round by round. */
function ratios(results: readonly Result[], one: Result, place: Place, base: number): number[] {
  return one[place].map((cost, round) => cost / (results[base]?.[place][round] ?? Number.NaN));
}

function report(results: readonly Result[], corpus: Corpus, rounds: number): Report {
  const many = results.filter(({ set }) => set.made === 300);
  const worst = (place: Place, base: number): number =>
    Math.max(...many.map((one) => spread(ratios(results, one, place, base)).median));
  const against = (base: number): string => {
    const [inMemory, overTcp] = [worst("inMemory", base), worst("overTcp", base)];
    const verdict = Math.max(inMemory, overTcp) <= aim ? "reached" : "missed";
    return `${showNumber(inMemory, 2)}× in memory and ${showNumber(overTcp, 2)}× over TCP (aim ${aim}×: ${verdict})`;
  };
  const columns = (one: Result, place: Place): string[] => [
    showSpread(spread(one[place]), 3),
    ...[0, 1].map((base) => `${showSpread(spread(ratios(results, one, place, base)), 2)}×`),
  ];
  return {
    name: "parser: rules",
    question: "What do 300 rules cost that 3 do not?",
    answer:
      `At most ${against(0)} what 3 rules for three programs cost, also when 50 of them are one program's; ` +
      `and at most ${against(1)} what 3 rules cost that look at the same 40 programs.`,
    columns: [
      "rules",
      ...["in memory", "over TCP"].flatMap((place) => [`${place}, µs per line`, "of 3 rules", "of 3 for all 40"]),
    ],
    rows: results.map((one) => [name(one.set), ...columns(one, "inMemory"), ...columns(one, "overTcp")]),
    more: [],
    notes: [
      `${showNumber(corpus.lines)} lines, 5 % of them attacks that none of these rules means: every rule is asked, none matches. Median of ${rounds} interleaved rounds (min–max), each in a new process; ratios are taken within a round.`,
      "The rules are spread over 40 programs, eleven of which log 92 % of the lines. With 3 rules for a program each, half of the lines are of programs that nobody asked for, and cost least; the last column leaves that difference out.",
      "Over TCP: processor time of the receiving process, as in the table of peers.",
    ],
    figures: results,
  };
}
