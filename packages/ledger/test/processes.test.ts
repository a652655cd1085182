// Several processes with one database: what no single one can promise.

import { once } from "node:events";
import { expect, test } from "@jest/globals";
import { child, onBothEngines } from "./parts/rig.ts";
import { noon } from "./parts/values.ts";

const attacker = "203.0.113.7";
const migrations = [{ name: "0001-beginning" }, { name: "0002-claims" }];

onBothEngines((store) => {
  test("processes that start at once on a new database make it once, and all find it whole", async () => {
    const children = Array.from({ length: 4 }, () => child(store.address(), "open"));
    for (const one of children) expect(await one.lines()).toEqual(["opened"]);
    expect(await store.sql("select name from ledger_migrations")).toEqual(migrations);
  });

  test("ledgers that open a new database in the same moment make it once", async () => {
    const ledgers = await Promise.all(Array.from({ length: 8 }, store.open));
    expect(await Promise.all(ledgers.map((ledger) => ledger.leases()))).toEqual(Array(8).fill([]));
    expect(await store.sql("select name from ledger_migrations")).toEqual(migrations);
  });

  test("processes that decide at once count exactly: one ban, at the threshold", async () => {
    await store.open();
    const children = ["a", "b", "c"].map((name) => child(store.address(), "judge", name, "10", attacker, "20"));
    const verdicts = (await Promise.all(children.map((one) => one.lines()))).flat();
    const times = (verdict: string): number => verdicts.filter((one) => one === verdict).length;
    // 30 tasks of their own and one that all were given, ten times each.
    expect([times("counted"), times("banned"), times("hit"), times("seen before")]).toEqual([19, 1, 11, 29]);
  });

  test("processes that claim at once never own the same", async () => {
    const ledger = await store.open();
    const devices = Array.from({ length: 20 }, (_, at) => `edge-${at}`);
    await ledger.addLeases(devices);
    const children = ["a", "b", "c"].map((id) => child(store.address(), "claim", id, ...devices));
    const got = (await Promise.all(children.map((one) => one.lines()))).flat();
    expect(got.toSorted()).toEqual(devices.toSorted());
  });

  test("a process killed in its transaction leaves nothing of it, and nothing locked", async () => {
    const ledger = await store.open();
    const dying = child(store.address(), "die", attacker);
    expect(await dying.line()).toBe("written");
    dying.process.kill("SIGKILL");
    await once(dying.process, "close");
    const facts = await ledger.decide((deciding) => deciding.lock([attacker]));
    expect(facts.get(attacker)).toMatchObject({ offences: 0, activeBans: [] });
    expect([await ledger.sightings({}), await ledger.bans({}), await ledger.auditTrail({})]).toEqual([[], [], []]);
    expect(await ledger.wantedOn({ key: "edge-1", tags: [] }, noon)).toEqual([]);
  });

  test("processes that write at once wait for each other, and lose nothing", async () => {
    const ledger = await store.open();
    const children = ["a", "b", "c"].map((name) => child(store.address(), "audit", name, "100"));
    await Promise.all(children.map((one) => one.lines()));
    expect(await ledger.auditTrail({ limit: 1000 })).toHaveLength(300);
  });

  test("who reads is not held up by who writes", async () => {
    const ledger = await store.open();
    const writing = child(store.address(), "die", attacker);
    expect(await writing.line()).toBe("written");
    expect(await ledger.bans({})).toEqual([]);
    expect(await ledger.pendingOn({ key: "edge-1", tags: [] }, noon)).toEqual({ add: [], remove: [] });
  });
});
