/**
 * npm run test:simulation: many seeds, one after the other; stops at the first that fails, unless told otherwise.
 *
 * A seed decides everything: the same seed with the same number of steps is the same run, to the last request.
 */

import { parseArgs } from "node:util";
import { simulate } from "./simulate.ts";

const help = `npm run test:simulation -- [OPTION…]

  --seed N      the first seed (1); alone, the only one
  --seeds N     how many seeds, from the first one on (1000)
  --steps N     attacks, orders and faults in each run (120)
  --trace       writes down what happened, for one seed
  --keep-going  does not stop at the first seed that fails
  --help        this text

Exits 0 when every invariant held in every run, else 1 with the seeds that failed and the command that repeats one.
`;

const { values } = parseArgs({
  options: {
    seed: { type: "string" },
    seeds: { type: "string" },
    steps: { type: "string", default: "120" },
    trace: { type: "boolean", default: false },
    "keep-going": { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

if (values.help) {
  process.stdout.write(help);
  process.exit(0);
}

const first = whole("seed", values.seed ?? "1");
const count = whole("seeds", values.seeds ?? (values.seed === undefined ? "1000" : "1"));
const steps = whole("steps", values.steps);
const startedAtMs = performance.now();
let failed = 0;
let done = 0;
let bans = 0;
let simulatedMs = 0;
for (let seed = first; seed < first + count; seed++) {
  const result = await simulate({ seed, steps, trace: values.trace });
  done++;
  bans += result.bans;
  simulatedMs += result.simulatedMs;
  if (values.trace) process.stdout.write(`${result.trace.join("\n")}\n`);
  if (result.violations.length > 0) {
    failed++;
    const [first = "", ...others] = result.violations;
    const more = others.length > 0 ? `\n  and ${others.length} more, which may follow from it` : "";
    process.stdout.write(`seed ${seed} fails:\n  ${first}${more}\n`);
    process.stdout.write(`  again: npm run test:simulation -- --seed ${seed} --steps ${steps} --trace\n`);
    if (!values["keep-going"]) break;
  }
  if (done % 20 === 0) process.stderr.write(`${done} of ${count} seeds, ${failed} failed, ${seconds()} s\n`);
}
const hours = (simulatedMs / 3_600_000).toFixed(1);
process.stdout.write(
  `${done - failed} seeds passed, ${failed} failed: ${hours} simulated hours, ${bans} bans, in ${seconds()} s\n`,
);
process.exit(failed === 0 ? 0 : 1);

function seconds(): string {
  return ((performance.now() - startedAtMs) / 1000).toFixed(1);
}

function whole(name: string, text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= 0) return value;
  process.stderr.write(`--${name}: expected a whole number, got ${JSON.stringify(text)}\n`);
  process.exit(2);
}
