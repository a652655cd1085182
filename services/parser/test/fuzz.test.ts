// A short run of the fuzzer: one seed that is always the same, one that never is. `npm run test:fuzz -- --cases N` runs any number.

import { randomInt } from "node:crypto";
import { expect, test } from "@jest/globals";
import { fuzzInProcess } from "./fuzz/in-process.ts";
import { fuzzSockets } from "./fuzz/sockets.ts";

const drawn = randomInt(2 ** 32);
const again = (seed: number, cases: number, only: string): string =>
  `npm run test:fuzz -- --seed ${seed} --cases ${cases} --only ${only}`;

test.each([1, drawn])("no stream breaks framer, rules and pipeline, or leaves a byte uncounted: seed %d", (seed) => {
  const cases = 8000;
  try {
    expect(fuzzInProcess(seed, 0, cases).tasks).toBeGreaterThan(1000);
  } catch (cause) {
    throw new Error(`to repeat it: ${again(seed, cases, "in-process")}`, { cause });
  }
});

test(`no connection breaks the parser, or costs another one a line: seed ${drawn}`, async () => {
  const connections = 800;
  try {
    expect((await fuzzSockets(drawn, 0, connections)).wellBehaved).toBeGreaterThan(100);
  } catch (cause) {
    throw new Error(`to repeat it: ${again(drawn, connections, "sockets")}`, { cause });
  }
});
