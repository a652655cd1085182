import { describe, expect, test } from "@jest/globals";
import type { Placement, Wanted } from "@logwarden/ledger";
import { parsePrefix } from "@logwarden/shared/ip";
import { createNeverBan } from "@logwarden/shared/never-ban";
import { plan, type PlanInput } from "./plan.ts";

const allow = ["192.0.2.0/24", "2001:db8:1::5"].flatMap((text) => parsePrefix(text) ?? []);
const neverBan = createNeverBan([], allow);
const network = "2001:db8::-2001:db8::ffff:ffff:ffff:ffff";

const wanted = (subject: string, sinceMs = 0, untilMs: number | null = null): Wanted => ({
  ...{ subject, sinceMs, untilMs },
  family: subject.includes(":") ? 6 : 4,
});
const placement = (subject: string, given: Partial<Placement> = {}): Placement => ({
  ...{ router: "edge-1", subject, family: subject.includes(":") ? 6 : 4, intendedAtMs: 1 },
  ...{ appliedAtMs: 1, verifiedAtMs: 1, error: null, errorDetail: null, errorAtMs: null },
  ...given,
});
const members = (...all: string[]): PlanInput["members"] => ({
  4: new Set(all.filter((one) => !one.includes(":"))),
  6: new Set(all.filter((one) => one.includes(":"))),
});
const add = (...all: Wanted[]): PlanInput["pending"]["add"] => all.map((one) => ({ ...one, placement: null }));

function planned(given: Partial<PlanInput>) {
  const nothing = { pending: { add: [], remove: [] }, members: members(), wanted: [], placements: [] };
  return plan({ group: "BAD_GUYS", groupMax: 100, opsMax: 100, neverBan, asked: new Set(), ...nothing, ...given });
}
const ops = (given: Partial<PlanInput>): string[] =>
  planned(given).changes.map(({ op }) => `${op.op} ${op.path.slice(2).join(" ")}`);

describe("a plan", () => {
  test("of nothing pending is empty", () => {
    expect(planned({})).toMatchObject({ changes: [], more: false });
  });

  test("takes out first, then sets what is wanted, in the order it is given", () => {
    const pending = { add: add(wanted("10.0.0.2"), wanted(network)), remove: [placement("10.0.0.1")] };
    expect(ops({ pending, members: members("10.0.0.1") })).toEqual([
      "delete address-group BAD_GUYS address 10.0.0.1",
      "set address-group BAD_GUYS address 10.0.0.2",
      `set ipv6-address-group BAD_GUYS address ${network}`,
    ]);
  });

  test("is bounded: the rest is for the next commit", () => {
    const pending = { add: add(wanted("10.0.0.1"), wanted("10.0.0.2"), wanted("10.0.0.3")), remove: [] };
    const first = planned({ pending, opsMax: 2 });
    expect(first.changes.map(({ key }) => key)).toEqual(["10.0.0.1", "10.0.0.2"]);
    expect(first.sets).toEqual([
      { subject: "10.0.0.1", family: 4 },
      { subject: "10.0.0.2", family: 4 },
    ]);
    expect(first.more).toBe(true);
  });
});

describe("nobody who must never be banned is in a plan:", () => {
  test.each([
    ["192.0.2.7"],
    ["127.0.0.1"],
    ["2001:db8:1::-2001:db8:1:0:ffff:ffff:ffff:ffff"],
    ["192.0.0.0-192.0.255.255"],
  ])("%s", (subject) => {
    const result = planned({ pending: { add: add(wanted(subject)), remove: [] } });
    expect(result.changes).toEqual([]);
    expect(result.refused.map((one) => one.subject)).toEqual([subject]);
  });
});

describe("what people put there by hand", () => {
  test("is not set again, and so never becomes ours", () => {
    const result = planned({ pending: { add: add(wanted("10.0.0.1")), remove: [] }, members: members("10.0.0.1") });
    expect([result.changes, result.foreign]).toEqual([[], ["10.0.0.1"]]);
  });

  test("is not taken out: only what the ledger knows as ours is", () => {
    expect(ops({ members: members("10.0.0.1", "10.0.0.2") })).toEqual([]);
  });
});

describe("what became of an earlier request is looked at first:", () => {
  test("what was set and is there is only saved", () => {
    const pending = {
      add: [{ ...wanted("10.0.0.1"), placement: placement("10.0.0.1", { verifiedAtMs: null }) }],
      remove: [],
    };
    const result = planned({ pending, members: members("10.0.0.1") });
    expect([result.changes, result.shown.map(({ key }) => key)]).toEqual([[], ["10.0.0.1"]]);
  });

  test("what was taken out and is gone is only saved, or only written down", () => {
    const remove = [placement("10.0.0.1", { error: "change-unknown" }), placement("10.0.0.2")];
    const result = planned({ pending: { add: [], remove } });
    expect([result.shown.map(({ key }) => key), result.gone]).toEqual([["10.0.0.1"], ["10.0.0.2"]]);
  });

  test("what the router refused for good waits until somebody asks", () => {
    const refused = placement("10.0.0.1", { verifiedAtMs: null, error: "change-rejected", errorDetail: "no" });
    const pending = { add: [{ ...wanted("10.0.0.1"), placement: refused }], remove: [] };
    expect(planned({ pending }).failing).toMatchObject([{ subject: "10.0.0.1", failure: { code: "change-rejected" } }]);
    expect(planned({ pending, asked: new Set(["10.0.0.1"]) }).changes).toHaveLength(1);
    const busy = [{ ...wanted("10.0.0.1"), placement: { ...refused, error: "device-busy" } }];
    expect(planned({ pending: { add: busy, remove: [] } }).changes).toHaveLength(1);
  });
});

describe("a group that is full", () => {
  const long = wanted("10.0.0.1", 1, null);
  const short = wanted("10.0.0.2", 2, 1000);
  const longer = wanted("10.0.0.3", 3, 5000);

  test("holds the bans that last longest: what ends soonest makes room", () => {
    const result = planned({
      ...{ groupMax: 2, pending: { add: add(longer), remove: [] }, members: members("10.0.0.1", "10.0.0.2") },
      ...{ wanted: [long, short, longer], placements: [placement("10.0.0.1"), placement("10.0.0.2")] },
    });
    expect(result.changes.map(({ key, op }) => `${op.op} ${key}`)).toEqual(["delete 10.0.0.2", "set 10.0.0.3"]);
    expect(result.evicted).toEqual([{ subject: "10.0.0.2", family: 4, isNew: true }]);
  });

  test("leaves out what ends soonest when that is the new one", () => {
    const result = planned({
      ...{ groupMax: 1, pending: { add: add(short), remove: [] }, members: members("10.0.0.1") },
      ...{ wanted: [long, short], placements: [placement("10.0.0.1")] },
    });
    expect([result.changes, result.evicted.map(({ subject }) => subject)]).toEqual([[], ["10.0.0.2"]]);
  });

  test("counts what people put there, and leaves it", () => {
    const result = planned({
      ...{ groupMax: 2, pending: { add: add(long, longer), remove: [] }, members: members("10.9.9.9") },
      wanted: [long, longer],
    });
    expect(result.changes.map(({ key }) => key)).toEqual(["10.0.0.1"]);
    expect(result.evicted.map(({ subject }) => subject)).toEqual(["10.0.0.3"]);
  });
});
