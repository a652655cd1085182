// Leases and those who hold them.

import { expect, test } from "@jest/globals";
import type { Lease, Ledger } from "../src/index.ts";
import { onBothEngines } from "./parts/rig.ts";
import { noon } from "./parts/values.ts";

onBothEngines((store) => {
  test("leases are made once, owned by nobody", async () => {
    const ledger = await store.open();
    await ledger.addLeases(["edge-2", "edge-1"]);
    expect(await ledger.claim("a", [free("edge-1")])).toEqual([
      { device: "edge-1", owner: "a", renewals: 1, claims: 1 },
    ]);
    await ledger.addLeases(["edge-1", "edge-2", "edge-3"]);
    expect((await ledger.leases()).map(({ device, owner }) => [device, owner])).toEqual([
      ["edge-1", "a"],
      ["edge-2", null],
      ["edge-3", null],
    ]);
  });

  test("a beat shows that its responder lives, in its entry and in all leases it owns", async () => {
    const ledger = await store.open();
    await ledger.addLeases(["edge-1", "edge-2"]);
    await beat(ledger, "a");
    await ledger.claim("a", [free("edge-1")]);
    const before = await leaseOf(ledger, "edge-1");
    const { leases, responders } = await ledger.beat({
      id: "a",
      name: "host/2",
      startedAtMs: noon,
      seenAtMs: noon + 9,
    });
    expect(leases).toEqual([
      { device: "edge-1", owner: "a", renewals: before.renewals + 1, claims: 1 },
      { device: "edge-2", owner: null, renewals: 0, claims: 0 },
    ]);
    expect(responders).toEqual([{ id: "a", name: "host/2", beats: 2, startedAtMs: noon, seenAtMs: noon + 9 }]);
  });

  test("only a lease that stands as it was seen is taken", async () => {
    const ledger = await store.open();
    await ledger.addLeases(["edge-1", "edge-2"]);
    await ledger.claim("a", [free("edge-1")]);
    const seen = await ledger.leases();
    await beat(ledger, "a");
    const claim = async (from: Lease[]): Promise<string[]> =>
      (await ledger.claim("b", from)).map(({ device }) => device);
    expect(await claim([...seen, free("edge-9")])).toEqual(["edge-2"]);
    expect(await claim([{ ...(await leaseOf(ledger, "edge-1")), owner: "c" }])).toEqual([]);
    expect(await claim([await leaseOf(ledger, "edge-1")])).toEqual(["edge-1"]);
  });

  test("of many that saw the same, one gets it", async () => {
    const ledgers = await Promise.all(Array.from({ length: 3 }, store.open));
    const devices = Array.from({ length: 40 }, (_, at) => `edge-${at}`);
    await ledgers[0]!.addLeases(devices);
    const seen = devices.map(free);
    const got = await Promise.all(
      ledgers.map((ledger, at) => ledger.claim(`responder-${at}`, at === 1 ? seen.toReversed() : seen)),
    );
    expect(got.flatMap((some) => some.map(({ device }) => device)).toSorted()).toEqual(devices.toSorted());
  });

  test("a ledger of the release before gets what it lacks, and keeps its leases", async () => {
    const before = await store.open();
    await before.addLeases(["edge-1"]);
    await before.claim("a", await before.leases());
    await before.close();
    await store.sql("alter table leases drop column claims");
    await store.sql("delete from ledger_migrations where name = '0002-claims'");
    const [lease] = await (await store.open()).leases();
    expect(lease).toEqual({ device: "edge-1", owner: "a", renewals: 1, claims: 0 });
  });

  test("a lease is given back only by its owner", async () => {
    const ledger = await store.open();
    await ledger.addLeases(["edge-1"]);
    await ledger.claim("a", [free("edge-1")]);
    await ledger.release("b", ["edge-1"]);
    expect((await leaseOf(ledger, "edge-1")).owner).toBe("a");
    await ledger.release("a", ["edge-1"]);
    expect((await leaseOf(ledger, "edge-1")).owner).toBeNull();
  });

  test("what is written about a router is written only under the lease it was begun with", async () => {
    const ledger = await store.open();
    await ledger.addLeases(["edge-1"]);
    const attackers = [{ subject: "203.0.113.7", family: 4 }] as const;
    const [first] = await ledger.claim("a", await ledger.leases());
    const old = ledger.writerOf(first!);
    await old.intend(attackers, noon);
    await beat(ledger, "a");
    await old.placed(["203.0.113.7"], noon);

    // Another one takes it, and then the same responder again: what it began before is still not of this holding.
    await ledger.claim("b", await ledger.leases());
    const [third] = await ledger.claim("a", await ledger.leases());
    const state = { state: "held", error: null, errorDetail: null, sinceMs: noon } as const;
    const writes: [string, () => Promise<void>][] = [
      ["intend", () => old.intend([{ subject: "203.0.113.8", family: 4 }], noon)],
      ["placed", () => old.placed(["203.0.113.7"], noon)],
      ["misplaced", () => old.misplaced([{ ...attackers[0], error: "group-full", detail: "" }], noon)],
      ["removed", () => old.removed(["203.0.113.7"], noon)],
      ["revive", () => old.revive(["203.0.113.7"], noon)],
      ["missing", () => old.missing(["203.0.113.7"])],
      ["setInterface", () => old.setInterface({ ...interfaceDown, name: "eth1" })],
      ["setRouter", () => old.setRouter({ ...state, reconciledAtMs: null, members: 0, foreign: 0, mended: 0 })],
    ];
    for (const [name, write] of writes) {
      expect([name, await write().catch((error: unknown) => error)]).toEqual([
        name,
        expect.objectContaining({ code: "lease-lost" }),
      ]);
    }
    expect(await ledger.placementsOn("edge-1")).toMatchObject([{ subject: "203.0.113.7", verifiedAtMs: noon }]);
    expect(await ledger.routers()).toEqual([]);
    expect(await ledger.interfacesOn("edge-1")).toEqual([]);
    await ledger.writerOf(third!).removed(["203.0.113.7"], noon);
    expect(await ledger.placementsOn("edge-1")).toEqual([]);
    await ledger.release("a", ["edge-1"]);
    await expect(ledger.writerOf(third!).missing(["203.0.113.7"])).rejects.toMatchObject({ code: "lease-lost" });
  });

  test("a write that has lost its lease fails alone among those it shares a transaction with", async () => {
    const ledger = await store.open();
    await ledger.addLeases(["edge-1", "edge-2"]);
    const leases = await ledger.claim("a", await ledger.leases());
    const [lost, kept] = leases.map((lease) => ledger.writerOf(lease));
    await ledger.claim("b", [await leaseOf(ledger, "edge-1")]);
    const place = (subject: string): Promise<void> => kept!.intend([{ subject, family: 4 }], noon);
    const outcomes = await Promise.allSettled([
      ...[place("203.0.113.1"), place("203.0.113.2")],
      lost!.intend([{ subject: "203.0.113.1", family: 4 }], noon),
      place("203.0.113.3"),
    ]);
    expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "fulfilled", "rejected", "fulfilled"]);
  });

  test("who leaves has no entry and no lease; who is buried has no entry", async () => {
    const ledger = await store.open();
    await ledger.addLeases(["edge-1", "edge-2"]);
    for (const id of ["a", "b", "c"]) await beat(ledger, id);
    await ledger.claim("a", [free("edge-1")]);
    await ledger.claim("b", [free("edge-2")]);
    await ledger.leave("a");
    await ledger.bury(["b", "nobody"]);
    expect((await ledger.responders()).map(({ id }) => id)).toEqual(["c"]);
    expect((await ledger.leases()).map(({ owner }) => owner)).toEqual([null, "b"]);
  });
});

const interfaceDown = {
  state: "disabled",
  changedAtMs: noon,
  by: "policy",
  reason: "link lost",
  enableAtMs: null,
} as const;

const free = (device: string): Lease => ({ device, owner: null, renewals: 0, claims: 0 });

function beat(ledger: Ledger, id: string): Promise<unknown> {
  return ledger.beat({ id, name: id, startedAtMs: noon, seenAtMs: noon });
}

async function leaseOf(ledger: Ledger, device: string): Promise<Lease> {
  const found = (await ledger.leases()).find((lease) => lease.device === device);
  if (found === undefined) throw new Error(`expected a lease of ${device}`);
  return found;
}
