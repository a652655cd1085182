/**
 * What do 300 rules cost that 3 do not?
 *
 *   3, 10, 100, 300 rules over 40 programs; 300 of which 50 are one program's (made-rules.ts)
 *     three times 3, because what 3 cost depends on which
 *     each alone, and beside the rules that ship, as everybody has them who did not turn those off
 *
 * Eleven of the programs are in the traffic, so that rules are asked and not just looked up.
 * In memory: 64 KiB at a time through framer and recognizer. Over TCP: the whole receiving process.
 */

import { mkdirSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { workerOptions } from "@logwarden/parser/keeper";
import type { Report } from "../report.ts";
import { mean, showNumber, showSpread, spread } from "../statistics.ts";
import { type Corpus, writeCorpus } from "./corpus.ts";
import { madeRules, type RuleSet } from "./made-rules.ts";
import { startOurs } from "./our-process.ts";
import type { PartOptions } from "./part.ts";
import { type Listening, runToEnd, secondsToRead } from "./peers/peer.ts";
import type { RulesWork } from "./rules-worker.ts";

const few = 3;
const many = 300;
const sets: readonly RuleSet[] = [false, true].flatMap((withShipped) => [
  ...[0, 3, 6].map((from) => ({ made: few, from, ofOneProgram: 0, withShipped })),
  ...[10, 100, many].map((made) => ({ made, from: 0, ofOneProgram: 0, withShipped })),
  { made: many, from: 0, ofOneProgram: 50, withShipped },
]);

const aim = 1.15;
const share = 0.05;
/** The compiler is still at work in the third million of lines; a parser lives for months. */
const warmReadings = 2;
/** What the kernel does for one reading differs by a tenth from the next one. */
const readings = 2;
/** Two with the same rules differ by some 4 %. */
const processes = 3;

interface Result {
  set: RuleSet;
  /** Microseconds per line, by round. */
  inMemory: number[];
  overTcp: number[];
}

export async function measureRules(options: PartOptions): Promise<Report> {
  const { lines, rounds, seed, directory, say, signal } = options;
  const corpusDirectory = `${directory}/rules`;
  mkdirSync(corpusDirectory);
  const corpus = await writeCorpus({ seed, lines, share, directory: corpusDirectory }, signal);
  const results: Result[] = sets.map((set) => ({ set, inMemory: [], overTcp: [] }));
  for (let round = 1; round <= rounds; round++) {
    say(`parser rules: round ${round} of ${rounds}: in memory`);
    for (const { set, inMemory } of results) inMemory.push(await runInMemory(set, corpus, signal));
    say(`parser rules: round ${round} of ${rounds}: over TCP`);
    const costs: number[][] = [];
    for (let process = 1; process <= processes; process++) {
      costs.push(await readInTurns(corpus, corpusDirectory, signal));
    }
    for (const [index, { set, inMemory, overTcp }] of results.entries()) {
      overTcp.push(mean(costs.map((cost) => cost[index] as number)));
      say(
        `              ${showNumber(overTcp.at(-1) ?? 0, 3)} µs over TCP, ${showNumber(inMemory.at(-1) ?? 0, 3)} µs in memory: ${name(set)}`,
      );
    }
  }
  rmSync(corpusDirectory, { recursive: true });
  return report(results, corpus, rounds);
}

async function runInMemory(set: RuleSet, corpus: Corpus, signal: AbortSignal): Promise<number> {
  const work: RulesWork = { file: corpus.lf, ...set };
  const script = fileURLToPath(new URL("rules-worker.ts", import.meta.url));
  const args = [...workerOptions, script, JSON.stringify(work)];
  const last = await runToEnd({ name: "rules", command: process.execPath, args }, signal);
  const { lines, events, cpuSeconds } = JSON.parse(last) as { lines: number; events: number; cpuSeconds: number };
  const readings = lines / corpus.lines;
  if (!Number.isInteger(readings) || events !== readings * eventsMeant(set, corpus)) {
    throw new Error(`expected ${eventsMeant(set, corpus)} events in ${corpus.lines} lines, got ${last}`);
  }
  return (cpuSeconds / lines) * 1e6;
}

/**
 * All sets at once, a process for each, which read the corpus in turns: what disturbs the machine disturbs them alike.
 * @returns microseconds per line, in the order of the sets
 */
async function readInTurns(corpus: Corpus, directory: string, signal: AbortSignal): Promise<number[]> {
  await using stack = new AsyncDisposableStack();
  const systems: Listening[] = [];
  for (const [index, set] of sets.entries()) {
    const system = await startOurs(madeRules(set), {}, `${directory}/ours-${index}`);
    stack.defer(() => system.program.kill());
    for (let reading = 0; reading < warmReadings; reading++) await secondsToRead(system, corpus.lf, signal);
    systems.push(system);
  }
  const seconds = sets.map(() => 0);
  for (let reading = 0; reading < readings; reading++) {
    for (const [index, system] of systems.entries()) {
      seconds[index] = (seconds[index] as number) + (await secondsToRead(system, corpus.lf, signal));
    }
  }
  for (const [index, set] of sets.entries()) {
    const found = await systems[index]?.finish();
    const meant = (warmReadings + readings) * eventsMeant(set, corpus);
    if (found !== meant) throw new Error(`expected ${meant} events with ${name(set)}, got ${found}`);
  }
  return seconds.map((used) => (used / (readings * corpus.lines)) * 1e6);
}

/** Made rules mean none of the lines. */
function eventsMeant({ withShipped }: RuleSet, { matches }: Corpus): number {
  return withShipped ? matches : 0;
}

function name({ made, from, ofOneProgram, withShipped }: RuleSet): string {
  const which = made === few ? ` (${from + 1} to ${from + made})` : "";
  const crowd = ofOneProgram === 0 ? "" : `, ${ofOneProgram} of them sshd's`;
  return `${made} rules${which}${crowd}${withShipped ? ", and those that ship" : ""}`;
}

type Place = "inMemory" | "overTcp";

/** Of what 3 rules cost in the mean, alone or beside those that ship as these are; round by round. */
function ratios(results: readonly Result[], { set, ...one }: Result, place: Place): number[] {
  const those = results.filter((other) => other.set.made === few && other.set.withShipped === set.withShipped);
  return one[place].map((cost, round) => cost / mean(those.map((other) => other[place][round] as number)));
}

function report(results: readonly Result[], corpus: Corpus, rounds: number): Report {
  const worst = (withShipped: boolean): Record<Place, number> => {
    const those = results.filter(({ set }) => set.made === many && set.withShipped === withShipped);
    const worstIn = (place: Place): number =>
      Math.max(...those.map((one) => spread(ratios(results, one, place)).median));
    return { inMemory: worstIn("inMemory"), overTcp: worstIn("overTcp") };
  };
  const say = ({ inMemory, overTcp }: Record<Place, number>): string =>
    `${showNumber(overTcp, 2)}× over TCP (aim ${aim}×: ${overTcp <= aim ? "reached" : "missed"}) and ${showNumber(inMemory, 2)}× in memory`;
  const columns = (one: Result, place: Place): string[] => [
    showSpread(spread(one[place]), 3),
    `${showSpread(spread(ratios(results, one, place)), 2)}×`,
  ];
  return {
    name: "parser: rules",
    question: "What do 300 rules cost that 3 do not?",
    answer: `Beside the rules that ship, 300 cost at most ${say(worst(true))} what 3 cost, also when 50 of them are one program's. Without those, ${say(worst(false))}.`,
    columns: ["rules", ...["over TCP", "in memory"].flatMap((place) => [`${place}, µs per line`, "of 3 rules"])],
    rows: results.map((one) => [name(one.set), ...columns(one, "overTcp"), ...columns(one, "inMemory")]),
    more: [],
    notes: [
      `${showNumber(corpus.lines)} lines, 5 % of them attacks that the rules that ship mean and none of the others: every rule is asked, none of the others matches. Median of ${rounds} rounds (min–max), each in new processes; ratios are taken within a round.`,
      "The rules are spread over 40 programs, eleven of which log 92 % of the lines; 3 rules are for a program each, so that half of the lines are of programs that nobody asks for. Of 300, every program in the traffic has forms that end with a field, for which the last space of each of its lines must be found; of seven shapes two have such, 4 and 6. What 3 cost is the mean of the three sets, in which every shape is.",
      `Over TCP: processor time of the receiving process, as in the table of peers, but warm: each has read the lines ${warmReadings} times before, so that the compiler's work is not in it; then ${readings} times, in turns with all others; ${processes} processes of each in every round, started as a keeper starts its worker. In memory: the framer and the recognizer alone, without a socket or a task.`,
    ],
    figures: results,
  };
}
