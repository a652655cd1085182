// What people ask for: lists, the audit, the state of routers; and what is forgotten.

import { expect, test } from "@jest/globals";
import type { AuditEntry, InterfaceState, RouterState } from "../src/index.ts";
import { onBothEngines } from "./parts/rig.ts";
import { addressOf, ban, edge, minute, newBan, newSighting, noon, see, unban } from "./parts/values.ts";
import { writer } from "./parts/writer.ts";

const attacker = "203.0.113.7";

onBothEngines((store) => {
  test("bans are listed newest first, by subject, moment and number", async () => {
    const ledger = await store.open();
    for (const [at, subject] of ["198.51.100.1", attacker, attacker].entries()) {
      await ban(ledger, newBan({ subject, id: `ban-number-${at}`, startedAtMs: noon + at, endsAtMs: noon + 10 + at }));
    }
    await unban(ledger, "198.51.100.1", noon + 5);
    const ids = async (query: Parameters<typeof ledger.bans>[0]): Promise<string> =>
      (await ledger.bans(query)).map(({ id }) => id.slice(-1)).join("");
    expect(await ids({})).toBe("210");
    expect(await ids({ limit: 2 })).toBe("21");
    expect(await ids({ subject: attacker })).toBe("21");
    expect(await ids({ activeAtMs: noon + 6 })).toBe("21");
    expect(await ids({ activeAtMs: noon + 11 })).toBe("2");
    expect(await ids({ sinceMs: noon + 1, subject: "198.51.100.1" })).toBe("");
    expect(await ids({ limit: 0 })).toBe("");
  });

  test("a list without a limit has a hundred", async () => {
    const ledger = await store.open();
    await see(ledger, ...Array.from({ length: 101 }, () => newSighting({ subject: attacker })));
    expect(await ledger.sightings({})).toHaveLength(100);
    expect(await ledger.sightings({ limit: 101, sinceMs: noon })).toHaveLength(101);
    expect(await ledger.sightings({ sinceMs: noon + 1 })).toEqual([]);
  });

  test("a subject is counted as banned once, while any ban of it is in force", async () => {
    const ledger = await store.open();
    await ban(ledger, newBan({ subject: attacker, endsAtMs: noon + 5 }), newBan({ subject: attacker, endsAtMs: null }));
    await ban(ledger, newBan({ subject: "198.51.100.1", endsAtMs: noon + 5 }));
    expect(await ledger.bannedSubjects(noon)).toEqual(["198.51.100.1", attacker]);
    expect([await ledger.countBanned(noon), await ledger.countBanned(noon + 5)]).toEqual([2, 1]);
  });

  test("bans whose end is over are marked and audited once, by however many at once", async () => {
    const ledgers = await Promise.all(Array.from({ length: 3 }, store.open));
    const [ledger] = ledgers;
    await ban(ledger!, newBan({ subject: attacker, id: "over", endsAtMs: noon + 5 }));
    await ban(ledger!, newBan({ subject: attacker, id: "longer", endsAtMs: noon + 50 }));
    await ban(ledger!, newBan({ subject: attacker, id: "for-ever", endsAtMs: null }));
    const marked = await Promise.all(ledgers.map((one) => one.expire(noon + 5)));
    expect(marked.flat()).toEqual([{ id: "over", subject: attacker }]);
    expect(await ledger!.expire(noon + 5)).toEqual([]);
    const trail = await ledger!.auditTrail({ action: "expire" });
    expect(trail).toMatchObject([{ subject: attacker, source: "over", atMs: noon + 5 }]);
    const over = (await ledger!.bans({})).find(({ id }) => id === "over");
    expect(over).toMatchObject({ endedAtMs: noon + 5, endedBecause: "expired" });
  });

  test("the audit is read newest first, by who and where and what", async () => {
    const ledger = await store.open();
    const entry = (differs: Partial<AuditEntry>): AuditEntry => ({
      ...{ atMs: noon, actor: "ada", action: "clear", subject: attacker, router: "", reason: "why", source: "t" },
      ...differs,
    });
    const written = [entry({}), entry({ router: "edge-1" }), entry({ action: "evict", atMs: noon + 1, subject: "" })];
    await ledger.decide((transaction) => transaction.audit(written));
    expect(await ledger.auditTrail({})).toEqual(written.toReversed());
    expect(await ledger.auditTrail({ subject: attacker, router: "edge-1" })).toEqual([written[1]]);
    expect(await ledger.auditTrail({ action: "clear", limit: 1 })).toEqual([written[1]]);
    expect(await ledger.auditTrail({ sinceMs: noon + 1 })).toEqual([written[2]]);
  });

  test("an interface is what it was set to last, audited once for each change", async () => {
    const ledger = await store.open();
    const down: InterfaceState = {
      ...{ router: "edge-1", name: "eth1", state: "disabled", changedAtMs: noon, by: "policy", reason: "link lost" },
      enableAtMs: noon + minute,
    };
    const up: InterfaceState = { ...down, state: "enabled", changedAtMs: noon + 1, by: "ada", enableAtMs: null };
    const edge = await writer(ledger, "edge-1");
    await edge.setInterface(down);
    await edge.setInterface(down);
    await edge.setInterface({ ...down, name: "eth0" });
    await edge.setInterface(up);
    expect(await ledger.interfacesOn("edge-1")).toEqual([{ ...down, name: "eth0" }, up]);
    expect(await ledger.interfacesOn("core-1")).toEqual([]);
    const trail = await ledger.auditTrail({ router: "edge-1" });
    expect(trail.map(({ action, actor, reason }) => `${action} by ${actor}: ${reason}`)).toEqual([
      "enable by ada: eth1: link lost",
      "disable by policy: eth0: link lost",
      "disable by policy: eth1: link lost",
    ]);
  });

  test("a router is what its worker said last", async () => {
    const ledger = await store.open();
    const held: RouterState = {
      ...{ router: "edge-1", state: "held", error: "device-unreachable", errorDetail: "ECONNREFUSED", sinceMs: noon },
      ...{ reconciledAtMs: null, members: 0, foreign: 0, mended: 0 },
    };
    const ok: RouterState = {
      ...{ router: "edge-1", state: "ok", error: null, errorDetail: null, sinceMs: noon + 1 },
      ...{ reconciledAtMs: noon + 2, members: 12, foreign: 2, mended: 1 },
    };
    const edge = await writer(ledger, "edge-1");
    await edge.setRouter(held);
    expect(await ledger.routers()).toEqual([held]);
    await edge.setRouter(ok);
    expect(await ledger.routers()).toEqual([ok]);
  });

  test("only what is old is pruned, and nothing that is still in force", async () => {
    const ledger = await store.open();
    await see(ledger, newSighting({ subject: "198.51.100.1", taskId: "old" }));
    await ban(ledger, newBan({ subject: "198.51.100.1", id: "ended" }));
    await unban(ledger, "198.51.100.1", noon + 1);
    await ban(ledger, newBan({ subject: "198.51.100.2", id: "for-ever", endsAtMs: null }));
    await ledger.decide(async (deciding) => {
      await deciding.lock(["198.51.100.3", "198.51.100.4"]);
      await deciding.addSightings([newSighting({ subject: "198.51.100.3", taskId: "new" })], noon + 10);
      await deciding.update("198.51.100.4", { pardonedUntilMs: noon + 20 });
    });
    const auditBefore = (await ledger.auditTrail({})).length;
    expect(await ledger.prune({ sightingsMs: noon, bansMs: noon + 1, auditMs: noon })).toBe(0);
    expect(await ledger.prune({ sightingsMs: noon + 1, bansMs: noon + 2, auditMs: noon + 1 })).toBeGreaterThan(2);
    expect((await ledger.sightings({})).map(({ taskId }) => taskId)).toEqual(["new"]);
    expect((await ledger.bans({})).map(({ id }) => id)).toEqual(["for-ever"]);
    expect((await ledger.auditTrail({})).map(({ action }) => action)).toEqual(["unban"]);
    expect(auditBefore).toBe(3);
    expect(await ledger.wantedOn(edge, noon)).toMatchObject([{ subject: "198.51.100.2" }]);
    const subjects = await store.sql("select subject from subjects order by subject");
    expect(subjects).toEqual(["2", "3", "4"].map((end) => ({ subject: `198.51.100.${end}` })));
    const targets = await store.sql("select ban_id from ban_targets");
    expect(targets).toEqual([{ ban_id: "for-ever" }]);
  });

  test("thousands are pruned like one", async () => {
    const ledger = await store.open();
    await see(ledger, ...Array.from({ length: 5000 }, (_, at) => newSighting({ subject: addressOf(at) })));
    const entry = { atMs: noon, actor: "", subject: "", router: "", reason: "", source: "" };
    await ledger.decide((transaction) =>
      transaction.audit(Array.from({ length: 5000 }, () => ({ ...entry, action: "clear" as const }))),
    );
    await see(ledger, newSighting({ subject: addressOf(4444), taskId: "kept" }));
    await store.sql("update sightings set recorded_at_ms = recorded_at_ms + 9 where task_id = 'kept'");
    expect(await ledger.prune({ sightingsMs: noon + 9, bansMs: noon, auditMs: noon + 9 })).toBe(14_999);
    expect(await store.sql("select subject from subjects")).toEqual([{ subject: addressOf(4444) }]);
  });

  test("an offender stays known while a ban of it is remembered", async () => {
    const ledger = await store.open();
    await ban(ledger, newBan({ subject: attacker }));
    await ledger.decide((deciding) => deciding.update(attacker, { offences: 3 }));
    await unban(ledger, attacker, noon + 1);
    const offences = async (): Promise<number | undefined> =>
      (await ledger.decide((deciding) => deciding.lock([attacker]))).get(attacker)?.offences;
    await ledger.prune({ sightingsMs: noon + 100, bansMs: noon, auditMs: 0 });
    expect(await offences()).toBe(3);
    await ledger.prune({ sightingsMs: noon + 100, bansMs: noon + 100, auditMs: 0 });
    expect(await offences()).toBe(0);
  });

  test("closing waits for what runs", async () => {
    const ledger = await store.open();
    let closed: Promise<void> | undefined;
    await ledger.decide(async (deciding) => {
      await deciding.lock([attacker]);
      closed = ledger.close();
      for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
      await deciding.addBans([newBan({ subject: attacker })]);
    });
    await closed;
    expect(await (await store.open()).countBanned(noon)).toBe(1);
  });

  test("what was closed says so", async () => {
    const ledger = await store.open();
    await ledger.leases();
    await ledger.close();
    await expect(ledger.leases()).rejects.toMatchObject({ code: "closed" });
    await ledger.close();
  });
});
