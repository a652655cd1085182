import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import type { Ban, Sighting, SubjectFacts } from "@logwarden/ledger";
import type { BanPolicy } from "@logwarden/shared/policies";
import { type Case, type Happening, judge, means, mostWithin } from "./judge.ts";

const minute = 60_000;
const nowMs = 1_700_000_000_000;
const edge = { key: "edge-1", tags: ["edge"] };
const core = { key: "core-1", tags: ["core"] };

const policy = (given: Partial<BanPolicy> = {}): BanPolicy => ({
  ...{ maxRetry: 3, findTimeMs: 10 * minute, banTimeMs: 60 * minute, growth: 2, banTimeMaxMs: null },
  ...{ targets: ["self"], forgetOnSuccess: false, dryRun: false },
  ...given,
});

let number = 0;
const happening = (
  agoMs: number,
  given: Partial<Happening<string>> = {},
  own: Partial<BanPolicy> = {},
): Happening<string> => {
  const taskId = `task-${++number}`;
  return {
    ...{ handle: taskId, taskId, type: "password_failed", rule: "r", place: edge, user: null, count: 1 },
    ...{ atMs: nowMs - agoMs, chosen: { counter: "password_failed", policy: policy(own) } },
    ...given,
  };
};

const nobody: SubjectFacts = { subject: "203.0.113.7", pardonedUntilMs: 0, offences: 0, activeBans: [] } as never;
const ban = (given: Partial<Ban> = {}): Ban => ({
  ...{ id: "b1", subject: "203.0.113.7", family: 4, origin: "policy", type: "password_failed", rule: "", reason: "" },
  ...{
    by: "policy",
    device: "edge-1",
    taskId: "t",
    startedAtMs: 0,
    endsAtMs: null,
    targets: ["device:edge-1"],
    dryRun: false,
  },
  ...{ hits: 0, endedAtMs: null, endedBecause: null, endedBy: null },
  ...given,
});

function judged(happenings: readonly Happening<string>[], given: Partial<Case<string>> = {}) {
  let id = 0;
  const rest = {
    family: 4,
    facts: nobody,
    sightings: [],
    known: new Map(),
    nowMs,
    eventAgeMsMax: 1440 * minute,
  } as const;
  return judge({ ...rest, newId: () => `ban-${++id}`, ...given, happenings });
}
const kinds = (...args: Parameters<typeof judged>): string[] =>
  judged(...args).verdicts.map(({ verdict }) => verdict.kind);

describe("a subject is banned", () => {
  test("at maxRetry sightings within findTime, and not before", () => {
    expect(kinds([happening(3), happening(2), happening(1)])).toEqual(["counted", "counted", "banned"]);
    expect(kinds([happening(10 * minute + 1), happening(2), happening(1)])).toEqual(["counted", "counted", "counted"]);
  });

  test("by what the ledger counted before and what comes now together", () => {
    const before = { counter: "password_failed", atMs: nowMs - 5, count: 2 } as Sighting;
    expect(kinds([happening(1)], { sightings: [before] })).toEqual(["banned"]);
    expect(kinds([happening(1)], { sightings: [{ ...before, counter: "password_failed/other" }] })).toEqual([
      "counted",
    ]);
  });

  test("by one line that says it happened three times", () => {
    expect(kinds([happening(1, { count: 3 })])).toEqual(["banned"]);
  });

  test("whatever the order in which its events come: windows are of the events' own time", () => {
    expect(kinds([happening(1), happening(9 * minute), happening(5 * minute)])).toEqual([
      "counted",
      "counted",
      "banned",
    ]);
    // Two at each end of twenty minutes are not three within ten.
    expect(kinds([happening(19 * minute), happening(18 * minute), happening(1), happening(2)])).not.toContain("banned");
  });

  test("for as long as its policy says, longer each time", () => {
    const [first] = judged([happening(1, { count: 3 })]).bans;
    expect(first?.ban).toMatchObject({
      // When the line came: whoever was seen first comes first onto the router.
      startedAtMs: nowMs - 1,
      endsAtMs: nowMs + 60 * minute,
      reason: "3 password_failed in 10m",
    });
    const again = judged([happening(1, { count: 3 })], { facts: { ...nobody, offences: 2 } });
    expect(again.bans[0]?.ban.endsAtMs).toBe(nowMs + 240 * minute);
    expect(again.offences).toBe(3);
  });

  test("once: what comes behind it is a hit", () => {
    const { verdicts, bans, hits } = judged([happening(4), happening(3), happening(2), happening(1, { count: 5 })]);
    expect(verdicts.map(({ verdict }) => verdict.kind)).toEqual(["counted", "counted", "banned", "already-banned"]);
    expect(bans).toHaveLength(1);
    expect([...hits.values()]).toEqual([5]);
  });
});

describe("nothing is counted", () => {
  test("of a task that is known, or that comes twice in one batch", () => {
    const one = happening(1);
    expect(kinds([one, { ...one }, happening(1)])).toEqual(["counted", "repeated", "counted"]);
    expect(
      kinds([happening(1, { taskId: "known" })], {
        known: new Map([["known", { ban: ban(), coveredAs: "203.0.113.7" }]]),
      }),
    ).toEqual(["repeated"]);
  });

  test("of a line older than what can be told from its repetition", () => {
    expect(kinds([happening(1441 * minute, { count: 3 })])).toEqual(["too-old"]);
  });

  test("of a subject that was pardoned after the line was written", () => {
    const facts = { ...nobody, pardonedUntilMs: nowMs - 5 };
    expect(kinds([happening(5, { count: 3 }), happening(4, { count: 3 })], { facts })).toEqual(["pardoned", "banned"]);
  });
});

describe("who is banned already", () => {
  test("is not banned again where the policy would ban him", () => {
    const facts = { ...nobody, activeBans: [ban()] };
    expect(kinds([happening(1, { count: 3 })], { facts })).toEqual(["already-banned"]);
  });

  test("is banned where he is not yet: a ban of one router is none of another", () => {
    const facts = { ...nobody, activeBans: [ban()] };
    expect(kinds([happening(1, { count: 3, place: core })], { facts })).toEqual(["banned"]);
    expect(kinds([happening(1, { count: 3 }, { targets: ["all"] })], { facts })).toEqual(["banned"]);
    const tagged = { ...nobody, activeBans: [ban({ targets: ["tag:edge"] })] };
    expect(kinds([happening(1, { count: 3 })], { facts: tagged })).toEqual(["already-banned"]);
  });

  test("by a dry run is not banned at all", () => {
    const facts = { ...nobody, activeBans: [ban({ dryRun: true, targets: ["all"] })] };
    expect(kinds([happening(1, { count: 3 })], { facts })).toEqual(["banned"]);
    expect(kinds([happening(1, { count: 3 }, { dryRun: true })], { facts })).toEqual(["already-banned"]);
  });
});

test("a dry run is no offence", () => {
  expect(judged([happening(1, { count: 3 }, { dryRun: true })]).offences).toBe(0);
});

test("targets mean a device by name, by tag, or all", () => {
  expect(
    [["all"], ["tag:edge"], ["device:edge-1"], ["tag:core", "device:core-1"]].map((one) => means(one as never, edge)),
  ).toEqual([true, true, true, false]);
});

test("the most within a span is what counting every span by hand gives", () => {
  const events = fc.array(fc.record({ atMs: fc.integer({ min: 0, max: 50 }), count: fc.integer({ min: 1, max: 3 }) }), {
    minLength: 1,
    maxLength: 12,
  });
  fc.assert(
    fc.property(events, fc.integer({ min: 1, max: 20 }), fc.nat(), (all, span, pick) => {
      const at = (all[pick % all.length] as { atMs: number }).atMs;
      const ends = all.map(({ atMs }) => atMs).filter((end) => end >= at && end < at + span);
      const sums = ends.map((end) =>
        all.filter(({ atMs }) => atMs > end - span && atMs <= end).reduce((sum, { count }) => sum + count, 0),
      );
      expect(mostWithin(all, at, span)).toBe(Math.max(...sums));
    }),
  );
});
