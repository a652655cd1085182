// What only PostgreSQL could get wrong.

import { expect, test } from "@jest/globals";
import { openPostgres } from "../src/postgres.ts";
import { ledgerOver } from "../src/sql-ledger.ts";
import { atEnd, freshDatabase, opened, ownPostgres } from "./parts/rig.ts";
import { addressOf, edge, newBan, noon } from "./parts/values.ts";
import { writer } from "./parts/writer.ts";

const server = ownPostgres();

test("locks are taken in one order: not one deadlock has to be repeated", async () => {
  const engine = await openPostgres(await freshDatabase(server()), { poolMax: 8 });
  atEnd(() => engine.close());
  let repeats = 0;
  const asksToRepeat = (error: unknown): boolean => {
    repeats += 1;
    return engine.asksToRepeat(error);
  };
  const ledger = ledgerOver({ ...engine, asksToRepeat });
  const subjects = Array.from({ length: 400 }, (_, at) => addressOf(at));
  const rounds = Array.from({ length: 40 }, (_, at) =>
    ledger.decide(async (deciding) => {
      const facts = await deciding.lock(at % 2 === 0 ? subjects : subjects.toReversed());
      for (const subject of subjects)
        await deciding.update(subject, { offences: (facts.get(subject)?.offences ?? 0) + 1 });
    }),
  );
  await Promise.all(rounds);
  expect(repeats).toBe(0);
});

test("a collision is repeated as a whole, and its work counts once", async () => {
  const ledger = await opened({ url: await freshDatabase(server()), poolMax: 8 });
  let runs = 0;
  // Each locks one subject and then the other's, which no caller should do: PostgreSQL ends one of them.
  const cross = (first: string, second: string) =>
    ledger.decide(async (deciding) => {
      runs += 1;
      await deciding.lock([first]);
      await new Promise((resolve) => setTimeout(resolve, 100));
      const facts = await deciding.lock([second]);
      await deciding.update(second, { offences: (facts.get(second)?.offences ?? 0) + 1 });
    });
  await Promise.all([cross("203.0.113.7", "203.0.113.8"), cross("203.0.113.8", "203.0.113.7")]);
  expect(runs).toBeGreaterThan(2);
  const facts = await ledger.decide((deciding) => deciding.lock(["203.0.113.7", "203.0.113.8"]));
  expect([...facts.values()].map(({ offences }) => offences)).toEqual([1, 1]);
});

test("what is pending is of one moment, whatever is decided meanwhile", async () => {
  const url = await freshDatabase(server());
  const [reader, decider] = [await opened({ url }), await opened({ url })];
  const its = await writer(decider, "edge-1");
  let done = false;
  const writing = (async () => {
    for (let at = 0; at < 60; at += 1) {
      await decider.decide(async (deciding) => {
        await deciding.lock(["203.0.113.7"]);
        await deciding.addBans([newBan({ subject: "203.0.113.7" })]);
      });
      await its.intend([{ subject: "203.0.113.7", family: 4 }], noon);
      await decider.decide((deciding) =>
        deciding.endBans({ subjects: ["203.0.113.7"], because: "unban", by: "ada", reason: "", atMs: noon }),
      );
    }
    done = true;
  })();
  while (!done) {
    const { add, remove } = await reader.pendingOn(edge, noon);
    expect(add.length + remove.length).toBeLessThan(2);
  }
  await writing;
});
