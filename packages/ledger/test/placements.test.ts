// What a router should hold, what we put into it, and what it still needs.

import { expect, test } from "@jest/globals";
import type { Ledger, Place } from "../src/index.ts";
import { onBothEngines } from "./parts/rig.ts";
import { addressOf, ban, edge, minute, newBan, noon, unban } from "./parts/values.ts";
import { writer } from "./parts/writer.ts";

const attacker = "203.0.113.7";
const core: Place = { key: "core-1", tags: ["core", "inside"] };

onBothEngines((store) => {
  test("a subject with several bans is wanted once, since the first and until the end of the longest", async () => {
    const ledger = await store.open();
    await ban(ledger, newBan({ subject: attacker, startedAtMs: noon + 1, endsAtMs: noon + 90 * minute }));
    await ban(ledger, newBan({ subject: attacker, startedAtMs: noon, endsAtMs: noon + 60 * minute }));
    const wanted = { subject: attacker, family: 4, sinceMs: noon };
    expect(await ledger.wantedOn(edge, noon)).toEqual([{ ...wanted, untilMs: noon + 90 * minute }]);
    expect(await ledger.nextEndOn(edge, noon)).toBe(noon + 90 * minute);
    await ban(ledger, newBan({ subject: attacker, startedAtMs: noon + 2, endsAtMs: null }));
    expect(await ledger.wantedOn(edge, noon)).toEqual([{ ...wanted, untilMs: null }]);
    expect(await ledger.nextEndOn(edge, noon)).toBeUndefined();
  });

  test("the next end is the earliest of each subject's last, there", async () => {
    const ledger = await store.open();
    await ban(ledger, newBan({ subject: attacker, endsAtMs: noon + 10 }));
    await ban(ledger, newBan({ subject: attacker, endsAtMs: noon + 30 }));
    await ban(ledger, newBan({ subject: "198.51.100.1", endsAtMs: noon + 20, targets: ["tag:core"] }));
    await ban(ledger, newBan({ subject: "198.51.100.2", endsAtMs: null }));
    expect(await ledger.nextEndOn(edge, noon)).toBe(noon + 30);
    expect(await ledger.nextEndOn(core, noon)).toBe(noon + 20);
    expect(await ledger.nextEndOn(core, noon + 20)).toBe(noon + 30);
    expect(await ledger.nextEndOn(core, noon + 30)).toBeUndefined();
  });

  test("targets mean all routers, those with a tag, or one; a router that gets the tag later too", async () => {
    const ledger = await store.open();
    await ban(ledger, newBan({ subject: "198.51.100.1", targets: ["all"] }));
    await ban(ledger, newBan({ subject: "198.51.100.2", targets: ["tag:core", "tag:inside"] }));
    await ban(ledger, newBan({ subject: "198.51.100.3", targets: ["device:edge-1"] }));
    await ban(ledger, newBan({ subject: "198.51.100.4", targets: ["device:nobody", "tag:nothing"] }));
    const on = async (place: Place): Promise<string[]> =>
      (await ledger.wantedOn(place, noon)).map(({ subject }) => subject.slice(-1));
    expect(await on(edge)).toEqual(["1", "3"]);
    expect(await on(core)).toEqual(["1", "2"]);
    expect(await on({ ...edge, tags: ["edge", "inside"] })).toEqual(["1", "2", "3"]);
    expect((await ledger.pendingOn({ ...edge, tags: ["core"] }, noon)).add).toHaveLength(3);
  });

  test("a dry run is never wanted", async () => {
    const ledger = await store.open();
    await ban(ledger, newBan({ subject: attacker, dryRun: true, endsAtMs: noon + 5 }));
    expect(await ledger.wantedOn(edge, noon)).toEqual([]);
    expect(await ledger.pendingOn(edge, noon)).toEqual({ add: [], remove: [] });
    expect(await ledger.nextEndOn(edge, noon)).toBeUndefined();
    expect(await ledger.countBanned(noon)).toBe(1);
  });

  test("a ban whose end is over is wanted no longer, marked or not", async () => {
    const ledger = await store.open();
    await ban(ledger, newBan({ subject: attacker, endsAtMs: noon + 5 }));
    await put(ledger, attacker);
    expect((await ledger.pendingOn(edge, noon + 4)).remove).toEqual([]);
    for (const marked of [false, true]) {
      if (marked) expect(await ledger.expire(noon + 5)).toHaveLength(1);
      expect(await ledger.wantedOn(edge, noon + 5)).toEqual([]);
      expect((await ledger.pendingOn(edge, noon + 5)).remove).toMatchObject([{ subject: attacker }]);
    }
  });

  test("what is pending comes in the order of first sighting, verified on this very router or not", async () => {
    const ledger = await store.open();
    await ban(ledger, newBan({ subject: "198.51.100.1", startedAtMs: noon + 2 }));
    await ban(ledger, newBan({ subject: "198.51.100.2", startedAtMs: noon + 1 }));
    await ban(ledger, newBan({ subject: "2001:db8::-2001:db8::ffff:ffff:ffff:ffff", family: 6, startedAtMs: noon }));
    await ban(ledger, newBan({ subject: "198.51.100.3", startedAtMs: noon + 3 }));
    await put(ledger, "198.51.100.2");
    const pending = await ledger.pendingOn(edge, noon);
    expect(pending.add.map(({ subject, family }) => [subject, family])).toEqual([
      ["2001:db8::-2001:db8::ffff:ffff:ffff:ffff", 6],
      ["198.51.100.1", 4],
      ["198.51.100.3", 4],
    ]);
    expect((await ledger.pendingOn(core, noon)).add).toHaveLength(4);
  });

  test("what is wanted no longer is to be removed, until the router has let it go", async () => {
    const ledger = await store.open();
    await ban(ledger, newBan({ subject: attacker }));
    await put(ledger, attacker);
    await unban(ledger, attacker, noon + 1);
    const { add, remove } = await ledger.pendingOn(edge, noon + 1);
    expect([add.length, remove.map(({ subject }) => subject)]).toEqual([0, [attacker]]);
    expect(await ledger.pendingOn(core, noon + 1)).toEqual({ add: [], remove: [] });
    await (await writer(ledger, "edge-1")).removed([attacker, "198.51.100.9"], noon + 2);
    expect(await ledger.pendingOn(edge, noon + 2)).toEqual({ add: [], remove: [] });
    expect(await trail(ledger)).toEqual([`place ${attacker}`, `remove ${attacker}`]);
  });

  test("a placement is never lost between intend and placed", async () => {
    const ledger = await store.open();
    await ban(ledger, newBan({ subject: attacker }));
    await (await writer(ledger, "edge-1")).intend([{ subject: attacker, family: 4 }], noon);
    // Whoever intended it died here. The ban ends before anybody knows whether the router took it.
    const next = await store.open();
    await unban(next, attacker, noon + 1);
    await next.expire(noon + 1000 * minute);
    await next.prune({
      sightingsMs: noon + 1000 * minute,
      bansMs: noon + 1000 * minute,
      auditMs: noon + 1000 * minute,
    });
    expect((await next.pendingOn(edge, noon + 2)).remove).toMatchObject([
      { subject: attacker, intendedAtMs: noon, appliedAtMs: null, verifiedAtMs: null },
    ]);
  });

  test("an intention that stands keeps what it says", async () => {
    const ledger = await store.open();
    await put(ledger, attacker);
    await (await writer(ledger, "edge-1")).intend(
      [
        { subject: attacker, family: 4 },
        { subject: "198.51.100.1", family: 4 },
      ],
      noon + 5,
    );
    const placements = await ledger.placementsOn("edge-1");
    expect(placements.map(({ subject, intendedAtMs, verifiedAtMs }) => [subject, intendedAtMs, verifiedAtMs])).toEqual([
      ["198.51.100.1", noon + 5, null],
      [attacker, noon, noon + 1],
    ]);
    expect(await ledger.placementsOf(attacker)).toMatchObject([{ router: "edge-1" }]);
  });

  test("placing clears errors, and is audited where it was not verified before", async () => {
    const ledger = await store.open();
    await put(ledger, attacker);
    await (await writer(ledger, "edge-1")).placed([attacker], noon + 2);
    expect(await trail(ledger)).toEqual([`place ${attacker}`]);
    await (await writer(ledger, "edge-1")).misplaced(
      [{ subject: attacker, family: 4, error: "change-rejected", detail: "no" }],
      noon + 3,
    );
    expect(await ledger.placementsOn("edge-1")).toMatchObject([
      { appliedAtMs: null, verifiedAtMs: null, error: "change-rejected", errorDetail: "no", errorAtMs: noon + 3 },
    ]);
    await (await writer(ledger, "edge-1")).placed([attacker], noon + 4);
    expect(await ledger.placementsOn("edge-1")).toMatchObject([
      { appliedAtMs: noon + 4, verifiedAtMs: noon + 4, error: null, errorDetail: null, errorAtMs: null },
    ]);
    expect(await trail(ledger)).toEqual([`place ${attacker}`, `place ${attacker}`]);
  });

  test("an error makes a placement only where a group is full, and nothing to remove of it", async () => {
    const ledger = await store.open();
    const bans = ["198.51.100.1", "198.51.100.2"].map((subject) => newBan({ subject, targets: ["tag:edge"] }));
    await ban(ledger, ...bans);
    const error = (subject: string, code: string) => ({ subject, family: 4 as const, error: code, detail: "15000" });
    await (await writer(ledger, "edge-1")).misplaced(
      [error("198.51.100.1", "group-full"), error("198.51.100.2", "save-failed")],
      noon,
    );
    expect((await ledger.placementsOn("edge-1")).map(({ subject, error: code }) => [subject, code])).toEqual([
      ["198.51.100.1", "group-full"],
    ]);
    expect((await ledger.pendingOn(edge, noon)).add).toHaveLength(2);
    // Nor where it is wanted no longer because the router lost its tag.
    expect((await ledger.pendingOn({ key: "edge-1", tags: [] }, noon)).remove).toEqual([]);
    await unban(ledger, "198.51.100.1", noon + 1);
    // A person may have put it there by hand: what we never asked for we do not take out.
    expect((await ledger.pendingOn(edge, noon + 1)).remove).toEqual([]);
    expect(await ledger.placementsOn("edge-1")).toEqual([]);
  });

  test("what found no room is asked for later, and then is ours", async () => {
    const ledger = await store.open();
    await ban(ledger, newBan({ subject: attacker }));
    await (await writer(ledger, "edge-1")).misplaced(
      [{ subject: attacker, family: 4, error: "group-full", detail: "" }],
      noon,
    );
    await (await writer(ledger, "edge-1")).intend([{ subject: attacker, family: 4 }], noon + 1);
    await unban(ledger, attacker, noon + 2);
    expect((await ledger.pendingOn(edge, noon + 2)).remove).toMatchObject([
      { subject: attacker, intendedAtMs: noon + 1 },
    ]);
  });

  test("what a router was read not to hold is pending again, and still ours", async () => {
    const ledger = await store.open();
    await ban(ledger, newBan({ subject: attacker }));
    await put(ledger, attacker);
    await (await writer(ledger, "edge-1")).missing([attacker, "198.51.100.9"]);
    expect((await ledger.pendingOn(edge, noon + 2)).add).toMatchObject([{ subject: attacker }]);
    expect(await ledger.placementsOn("edge-1")).toMatchObject([
      { intendedAtMs: noon, appliedAtMs: null, verifiedAtMs: null },
    ]);
  });

  test("placements are counted by router: verified, not yet, in error", async () => {
    const ledger = await store.open();
    await put(ledger, "198.51.100.1");
    await put(ledger, "198.51.100.2");
    await (await writer(ledger, "edge-1")).intend([{ subject: "198.51.100.3", family: 4 }], noon);
    await (await writer(ledger, "core-1")).intend([{ subject: "198.51.100.3", family: 4 }], noon);
    await (await writer(ledger, "core-1")).misplaced(
      [{ subject: "198.51.100.3", family: 4, error: "save-failed", detail: "" }],
      noon,
    );
    expect(await ledger.countPlacements()).toEqual([
      { router: "core-1", verified: 0, pending: 0, failing: 1 },
      { router: "edge-1", verified: 2, pending: 1, failing: 0 },
    ]);
  });

  test("what was taken out is remembered as ours once, and is ours again when the router shows it again", async () => {
    const ledger = await store.open();
    await ban(ledger, newBan({ subject: attacker }));
    await (await writer(ledger, "edge-1")).intend([{ subject: attacker, family: 4 }], noon);
    await (await writer(ledger, "edge-1")).placed([attacker], noon);
    await unban(ledger, attacker, noon + 1);
    expect(await ledger.formerOn("edge-1")).toEqual([]);
    await (await writer(ledger, "edge-1")).removed([attacker], noon + 2);
    expect(await ledger.formerOn("edge-1")).toEqual([{ subject: attacker, family: 4 }]);
    expect([await ledger.placementsOn("edge-1"), await ledger.placementsOf(attacker)]).toEqual([[], []]);
    expect((await ledger.pendingOn({ key: "edge-1", tags: [] }, noon + 3)).remove).toEqual([]);

    await (await writer(ledger, "edge-1")).revive([attacker, "198.51.100.9"], noon + 3);
    expect(await ledger.formerOn("edge-1")).toEqual([]);
    expect((await ledger.pendingOn({ key: "edge-1", tags: [] }, noon + 3)).remove).toMatchObject([
      { subject: attacker },
    ]);
    expect(await ledger.auditTrail({ action: "mend" })).toMatchObject([{ subject: attacker, router: "edge-1" }]);
  });

  test("what was taken out and is banned again is ours from the moment that it is meant to be", async () => {
    const ledger = await store.open();
    await (await writer(ledger, "edge-1")).intend([{ subject: attacker, family: 4 }], noon);
    await (await writer(ledger, "edge-1")).removed([attacker], noon + 1);
    await ban(ledger, newBan({ subject: attacker, targets: ["all"] }));
    expect((await ledger.pendingOn({ key: "edge-1", tags: [] }, noon + 2)).add).toMatchObject([{ placement: null }]);
    await (await writer(ledger, "edge-1")).intend([{ subject: attacker, family: 4 }], noon + 2);
    const { add } = await ledger.pendingOn({ key: "edge-1", tags: [] }, noon + 3);
    expect(add).toMatchObject([{ subject: attacker, placement: { intendedAtMs: noon + 2, verifiedAtMs: null } }]);
    expect(await ledger.formerOn("edge-1")).toEqual([]);
  });

  test("it is forgotten when no backup can hold it any more", async () => {
    const ledger = await store.open();
    await (await writer(ledger, "edge-1")).intend([{ subject: attacker, family: 4 }], noon);
    await (await writer(ledger, "edge-1")).removed([attacker], noon + 1);
    await ledger.prune({ sightingsMs: 0, bansMs: noon + 1, auditMs: 0 });
    expect(await ledger.formerOn("edge-1")).toHaveLength(1);
    await ledger.prune({ sightingsMs: 0, bansMs: noon + 2, auditMs: 0 });
    expect(await ledger.formerOn("edge-1")).toEqual([]);
  });

  test("ten thousand bans are placed and removed like one", async () => {
    const ledger = await store.open();
    const subjects = Array.from({ length: 10_000 }, (_, at) => addressOf(at));
    await ban(ledger, ...subjects.map((subject) => newBan({ subject })));
    const { add } = await ledger.pendingOn(edge, noon);
    expect(add).toHaveLength(10_000);
    await (await writer(ledger, "edge-1")).intend(add, noon);
    await (await writer(ledger, "edge-1")).placed(subjects, noon);
    expect(await ledger.pendingOn(edge, noon)).toEqual({ add: [], remove: [] });
    await ledger.expire(noon + 60 * minute);
    expect((await ledger.pendingOn(edge, noon)).remove).toHaveLength(10_000);
    await (await writer(ledger, "edge-1")).removed(subjects, noon);
    expect(await ledger.countPlacements()).toEqual([]);
  });
});

async function put(ledger: Ledger, subject: string): Promise<void> {
  await (await writer(ledger, "edge-1")).intend([{ subject, family: 4 }], noon);
  await (await writer(ledger, "edge-1")).placed([subject], noon + 1);
}

async function trail(ledger: Ledger): Promise<string[]> {
  const entries = await ledger.auditTrail({ router: "edge-1" });
  return entries.map(({ action, subject }) => `${action} ${subject}`).reverse();
}
