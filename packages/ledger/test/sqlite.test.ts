// What only SQLite could get wrong.

import { expect, test } from "@jest/globals";
import Database from "better-sqlite3";
import { join } from "node:path";
import { type Ledger, openLedger } from "../src/index.ts";
import { opened, temporaryDirectory } from "./parts/rig.ts";
import { noon, see, newSighting } from "./parts/values.ts";

test("work is begun only when it can be finished: it runs once, whoever else writes", async () => {
  const file = join(temporaryDirectory(), "ledger.db");
  const ledgers = await Promise.all(Array.from({ length: 3 }, () => opened({ file })));
  let runs = 0;
  const work = Array.from({ length: 30 }, (_, at) =>
    (ledgers[at % 3] as Ledger).decide(async (deciding) => {
      runs += 1;
      // Reads first, as a transaction that upgrades too late would.
      await deciding.sightingsOf(["203.0.113.7"], 0);
      await deciding.addSightings([newSighting({ subject: "203.0.113.7" })], noon);
    }),
  );
  await Promise.all(work);
  expect(runs).toBe(30);
});

test("what was committed is on the disk, in a file that says whose it is", async () => {
  const file = join(temporaryDirectory(), "ledger.db");
  await see(await opened({ file }), newSighting({ subject: "203.0.113.7" }));
  const raw = new Database(file);
  expect(raw.pragma("journal_mode", { simple: true })).toBe("wal");
  expect(raw.pragma("application_id", { simple: true })).toBe(Buffer.from("LOGW").readInt32BE());
  raw.close();
});

test("a backup made while it runs is a ledger", async () => {
  const directory = temporaryDirectory();
  const file = join(directory, "ledger.db");
  await see(await opened({ file }), newSighting({ subject: "203.0.113.7" }));
  const raw = new Database(file);
  raw.exec(`vacuum into '${join(directory, "backup.db")}'`);
  raw.close();
  const backup = await opened({ file: join(directory, "backup.db") });
  expect(await backup.sightings({})).toHaveLength(1);
});

test("ledgers in memory are apart from each other", async () => {
  const [one, other] = [await opened({ file: ":memory:" }), await openLedger({ file: ":memory:" })];
  await see(one, newSighting({ subject: "203.0.113.7" }));
  expect(await other.sightings({})).toEqual([]);
  await other.close();
});
