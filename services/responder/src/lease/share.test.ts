import { expect, test } from "@jest/globals";
import fc from "fast-check";
import type { Lease } from "@logwarden/ledger";
import { share } from "./share.ts";

const devicesOf = (count: number): string[] => Array.from({ length: count }, (_, number) => `edge-${number + 1}`);

/** Everybody looks, gives and takes in turn, until nobody moves any more. */
function settle(devices: readonly string[], start: readonly Lease[], responders: readonly string[]): Lease[] {
  const alive = new Set(responders);
  let leases = [...start];
  for (let turn = 0; turn < 10; turn++) {
    let moved = false;
    for (const id of responders) {
      const { give, take } = share({ id, devices, leases, alive });
      moved ||= give.length + take.length > 0;
      const taken = new Set(take.map(({ device }) => device));
      leases = leases.map((lease) =>
        give.includes(lease.device)
          ? { ...lease, owner: null }
          : taken.has(lease.device)
            ? { ...lease, owner: id }
            : lease,
      );
    }
    if (!moved) return leases;
  }
  throw new Error("they never agree");
}

const counts = (leases: readonly Lease[], responders: readonly string[]): number[] =>
  responders.map((id) => leases.filter(({ owner }) => owner === id).length);

test("every device has one responder, and no two differ by more than one device, whoever comes and goes", () => {
  const names = ["a", "b", "c", "d", "e"];
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 40 }),
      fc.array(fc.constantFrom(...names, "dead", null), { minLength: 40, maxLength: 40 }),
      fc.uniqueArray(fc.constantFrom(...names), { minLength: 1 }),
      (count, owners, responders) => {
        const devices = devicesOf(count);
        const start = devices.map(
          (device, number): Lease => ({ device, owner: owners[number] ?? null, renewals: 7, claims: 0 }),
        );
        const shares = counts(settle(devices, start, responders), responders);
        expect(shares.reduce((sum, one) => sum + one, 0)).toBe(count);
        expect(Math.max(...shares) - Math.min(...shares)).toBeLessThanOrEqual(1);
      },
    ),
  );
});

test("who has its share keeps it: a new replica takes only what others have too much", () => {
  const devices = devicesOf(6);
  const start = devices.map(
    (device, number): Lease => ({ device, owner: number < 3 ? "a" : "b", renewals: 1, claims: 0 }),
  );
  const after = settle(devices, start, ["a", "b", "c"]);
  expect(counts(after, ["a", "b", "c"])).toEqual([2, 2, 2]);
  expect(after.filter(({ owner }, number) => owner === start[number]?.owner)).toHaveLength(4);
});

test("a device that is in no inventory any more is nobody's business", () => {
  const leases: Lease[] = [{ device: "gone", owner: null, renewals: 0, claims: 0 }];
  expect(share({ id: "a", devices: [], leases, alive: new Set(["a"]) })).toEqual({ give: [], take: [] });
});
