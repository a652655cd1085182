/**
 * The fuzzer from the command line.
 *
 *   npm run test:fuzz -- --cases 1000000            in process, and 5 % of them as connections to a real parser
 *   npm run test:fuzz -- --seed S --cases N         the same again
 *   npm run test:fuzz -- --seed S --first N --cases 1 --only in-process
 *
 * Progress is on stderr. The last line is `N cases, seed S: no failure`; a failure says how to repeat it.
 */

import { randomInt } from "node:crypto";
import { inspect, parseArgs } from "node:util";
import { CaseFailure, fuzzInProcess } from "./in-process.ts";
import { fuzzSockets } from "./sockets.ts";

const { values } = parseArgs({
  options: {
    seed: { type: "string" },
    cases: { type: "string", default: "20000" },
    first: { type: "string", default: "0" },
    only: { type: "string" },
    help: { type: "boolean", default: false },
  },
});

if (values.help) {
  process.stdout.write("npm run test:fuzz -- [--seed N] [--cases N] [--first N] [--only in-process|sockets]\n");
  process.exit(0);
}

/** A connection costs a hundred times what a case in process does. */
const socketsShare = 0.05;

const seed = Number(values.seed ?? randomInt(2 ** 32));
const [cases, first] = [Number(values.cases), Number(values.first)];
const isGood = [seed, cases, first].every((value) => Number.isSafeInteger(value) && value >= 0);
if (!isGood || ![undefined, "in-process", "sockets"].includes(values.only)) {
  process.stderr.write("expected whole numbers and --only in-process or sockets, see --help\n");
  process.exit(2);
}
const connections =
  { both: Math.floor(cases * socketsShare), "in-process": 0, sockets: cases }[values.only ?? "both"] ?? 0;

const startedAtMs = performance.now();
const elapsed = (): string => `${((performance.now() - startedAtMs) / 1000).toFixed(1)} s`;
const mib = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
const say = (text: string): void => void process.stderr.write(`${elapsed()}: ${text}\n`);

try {
  if (connections < cases) {
    const tried = fuzzInProcess(seed, first, cases - connections, (done) => say(`${done} cases in process`));
    const { early, late } = tried.heapBytes;
    say(`${tried.cases} cases in process: ${tried.bytes} bytes, ${tried.lines} lines, ${tried.tasks} tasks`);
    say(`alive after a tenth of them ${mib(early)}, at the end ${mib(late)}`);
  }
  if (connections > 0) {
    const seen = await fuzzSockets(seed, first, connections, (done) => say(`${done} connections`));
    say(`${seen.connections} connections: ${JSON.stringify(seen)}`);
  }
  process.stdout.write(`${cases} cases, seed ${seed}: no failure\n`);
} catch (error) {
  process.stderr.write(`${inspect(error)}\n`);
  const all = `npm run test:fuzz -- --seed ${seed} --first ${first} --cases ${cases}${values.only === undefined ? "" : ` --only ${values.only}`}`;
  const one =
    error instanceof CaseFailure
      ? `\n  npm run test:fuzz -- --seed ${seed} --first ${error.number} --cases 1 --only in-process`
      : "";
  process.stdout.write(`failed with seed ${seed}; to repeat it:\n  ${all}${one}\n`);
  process.exitCode = 1;
}
