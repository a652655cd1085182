// Leases and those who hold them.

import { expect, test } from "@jest/globals";
import type { Lease, Ledger } from "../src/index.ts";
import { onBothEngines } from "./parts/rig.ts";
import { noon } from "./parts/values.ts";

onBothEngines((store) => {
  test("leases are made once, owned by nobody", async () => {
    const ledger = await store.open();
    await ledger.addLeases(["edge-2", "edge-1"]);
    expect(await ledger.claim("a", [free("edge-1")])).toEqual(["edge-1"]);
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
      { device: "edge-1", owner: "a", renewals: before.renewals + 1 },
      { device: "edge-2", owner: null, renewals: 0 },
    ]);
    expect(responders).toEqual([{ id: "a", name: "host/2", beats: 2, startedAtMs: noon, seenAtMs: noon + 9 }]);
  });

  test("only a lease that stands as it was seen is taken", async () => {
    const ledger = await store.open();
    await ledger.addLeases(["edge-1", "edge-2"]);
    await ledger.claim("a", [free("edge-1")]);
    const seen = await ledger.leases();
    await beat(ledger, "a");
    expect(await ledger.claim("b", [...seen, free("edge-9")])).toEqual(["edge-2"]);
    expect(await ledger.claim("b", [{ ...(await leaseOf(ledger, "edge-1")), owner: "c" }])).toEqual([]);
    expect(await ledger.claim("b", [await leaseOf(ledger, "edge-1")])).toEqual(["edge-1"]);
  });

  test("of many that saw the same, one gets it", async () => {
    const ledgers = await Promise.all(Array.from({ length: 3 }, store.open));
    const devices = Array.from({ length: 40 }, (_, at) => `edge-${at}`);
    await ledgers[0]!.addLeases(devices);
    const seen = devices.map(free);
    const got = await Promise.all(
      ledgers.map((ledger, at) => ledger.claim(`responder-${at}`, at === 1 ? seen.toReversed() : seen)),
    );
    expect(got.flat().toSorted()).toEqual(devices.toSorted());
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

const free = (device: string): Lease => ({ device, owner: null, renewals: 0 });

function beat(ledger: Ledger, id: string): Promise<unknown> {
  return ledger.beat({ id, name: id, startedAtMs: noon, seenAtMs: noon });
}

async function leaseOf(ledger: Ledger, device: string): Promise<Lease> {
  const found = (await ledger.leases()).find((lease) => lease.device === device);
  if (found === undefined) throw new Error(`expected a lease of ${device}`);
  return found;
}
