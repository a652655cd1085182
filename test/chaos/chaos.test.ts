// The whole system under a few faults of one seed; `npm run test:chaos` plays as many as one has time for.

import { describe, expect, test } from "@jest/globals";
import { chaos, refused } from "./suite.ts";

const where = refused === undefined ? describe : describe.skip;

where(`under faults drawn from a seed${refused === undefined ? "" : ` (skipped: ${refused})`}`, () => {
  test("every line that a parser received is a task, every task a change that its router has saved, and nothing is left over", async () => {
    const { code, result, said } = await chaos("--seed", "1", "--faults", "9");
    process.stderr.write(said);
    expect(result.broken).toBeUndefined();
    expect(result.faults.length).toBe(9);
    expect(code).toBe(0);
  }, 300_000);

  test("a kind of fault that nobody knows is refused, with its name", async () => {
    await expect(chaos("--only", "parser.tickle")).rejects.toThrow("no kind is called parser.tickle");
  });
});
