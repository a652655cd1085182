import { describe, expect, test } from "@jest/globals";
import type { Engine } from "./engine.ts";
import { openLedger } from "./open.ts";
import { writeTogether } from "./together.ts";
import { writer } from "../test/parts/writer.ts";

/** An engine whose transactions are only counted. */
function countingEngine(): { engine: Engine; begun: () => number } {
  let begun = 0;
  const transaction = () => ({
    execute: async (work: (transaction: unknown) => Promise<unknown>): Promise<unknown> => {
      begun++;
      return work({});
    },
  });
  const engine = {
    db: { transaction },
    repeatMsMax: 1000,
    asksToRepeat: () => false,
    explain: () => undefined,
  } as unknown as Engine;
  return { engine, begun: () => begun };
}

describe("writes of one process", () => {
  test("are begun at once when nobody writes", async () => {
    const { engine, begun } = countingEngine();
    const { write } = writeTogether(engine);
    await write(async () => "first");
    await write(async () => "second");
    expect(begun()).toBe(2);
  });

  test("that come while one is written are one transaction, each with its own answer", async () => {
    const { engine, begun } = countingEngine();
    const { write } = writeTogether(engine);
    const answers = await Promise.all([1, 2, 3, 4].map((number) => write(async () => number)));
    expect(answers).toEqual([1, 2, 3, 4]);
    expect(begun()).toBe(2);
  });

  test("are done one by one where one of them fails, and it fails alone", async () => {
    const { engine } = countingEngine();
    const { write } = writeTogether(engine);
    const outcomes = await Promise.allSettled(
      [1, 2, 3].map((number) =>
        write(async () => {
          if (number === 2) throw new Error("not this one");
          return number;
        }),
      ),
    );
    expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
  });
});

test("what a write that fails beside others had written is undone, and what they wrote stays", async () => {
  const ledger = await openLedger({ file: ":memory:" });
  const edge = await writer(ledger, "edge-1");
  const place = (subject: string): Promise<void> => edge.intend([{ subject, family: 4 }], 1);
  const outcomes = await Promise.allSettled([
    place("192.0.2.1"),
    place("192.0.2.2"),
    ledger.decide(async (deciding) => {
      await deciding.update("192.0.2.9", { offences: 3 });
      throw new Error("a bug in what was to be decided");
    }),
    place("192.0.2.3"),
  ]);
  expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "fulfilled", "rejected", "fulfilled"]);
  const placed = await ledger.placementsOn("edge-1");
  expect(placed.map(({ subject }) => subject).toSorted()).toEqual(["192.0.2.1", "192.0.2.2", "192.0.2.3"]);
  const facts = await ledger.decide((deciding) => deciding.lock(["192.0.2.9"]));
  expect(facts.get("192.0.2.9")?.offences).toBe(0);
  await ledger.close();
});
