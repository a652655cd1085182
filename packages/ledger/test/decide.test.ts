// Counting and banning: what holds for one ledger, and for several that decide about the same subject.

import { describe, expect, test } from "@jest/globals";
import { type Ledger, openLedger } from "../src/index.ts";
import { judge } from "./parts/judge.ts";
import { onBothEngines } from "./parts/rig.ts";
import { addressOf, ban, minute, newBan, newSighting, noon, see, unban } from "./parts/values.ts";

const attacker = "203.0.113.7";

onBothEngines((store) => {
  test("what has never been seen has zeros", async () => {
    const ledger = await store.open();
    const facts = await ledger.decide((deciding) => deciding.lock([attacker]));
    expect([...facts]).toEqual([[attacker, { subject: attacker, pardonedUntilMs: 0, offences: 0, activeBans: [] }]]);
  });

  test("a task counts once, however often it is delivered", async () => {
    const ledger = await store.open();
    const verdicts = [];
    for (const task of ["a", "a", "b", "a", "b", "c"]) verdicts.push(await judge(ledger, task, attacker, 3));
    expect(verdicts).toEqual(["counted", "seen before", "counted", "seen before", "seen before", "banned"]);
  });

  test("a sighting that is recorded already is passed over, and keeps what it says", async () => {
    const ledger = await store.open();
    await see(ledger, newSighting({ subject: attacker, taskId: "a", user: "root" }));
    await see(
      ledger,
      newSighting({ subject: attacker, taskId: "a", user: "admin" }),
      newSighting({ subject: attacker, taskId: "b" }),
    );
    const rows = await ledger.sightings({ subject: attacker });
    expect(rows.map(({ taskId, user }) => [taskId, user])).toEqual([
      ["b", "root"],
      ["a", "root"],
    ]);
  });

  test("a task counts once, by however many at once", async () => {
    const ledgers = await several(store.open);
    const verdicts = await Promise.all(
      Array.from({ length: 24 }, (_, at) => judge(ledgers[at % ledgers.length] as Ledger, "same", attacker, 2)),
    );
    expect(verdicts.toSorted()).toEqual(["counted", ...Array(23).fill("seen before")]);
  });

  test("two ledgers that decide at once never both miss the threshold, and only one of them bans", async () => {
    const ledgers = await several(store.open);
    for (let round = 0; round < 5; round += 1) {
      const verdicts = await Promise.all(
        Array.from({ length: 12 }, (_, at) =>
          judge(ledgers[at % ledgers.length] as Ledger, `${round}-${at}`, addressOf(round), 6),
        ),
      );
      expect(verdicts.toSorted()).toEqual(["banned", ...Array(5).fill("counted"), ...Array(6).fill("hit")]);
      const [made] = await ledgers[0]!.bans({ subject: addressOf(round) });
      expect(made?.hits).toBe(6);
    }
  });

  test("two that lock the same subjects in different order do not wait for each other for ever", async () => {
    const ledgers = await several(store.open);
    const subjects = Array.from({ length: 50 }, (_, at) => addressOf(at));
    const rounds = Array.from({ length: 20 }, (_, at) =>
      ledgers[at % ledgers.length]!.decide(async (deciding) => {
        const facts = await deciding.lock(at % 2 === 0 ? subjects : subjects.toReversed());
        for (const subject of subjects) await deciding.update(subject, { offences: facts.get(subject)!.offences + 1 });
      }),
    );
    await Promise.all(rounds);
    const facts = await ledgers[0]!.decide((deciding) => deciding.lock(subjects));
    expect(new Set([...facts.values()].map(({ offences }) => offences))).toEqual(new Set([20]));
  });

  test("the sighting that completed a ban is marked, and counts for none any more", async () => {
    const ledger = await store.open();
    for (const task of ["a", "b", "c"]) await judge(ledger, task, attacker, 3);
    const [made] = await ledger.bans({ subject: attacker });
    const counted = await ledger.decide(async (deciding) => {
      await deciding.lock([attacker]);
      expect((await deciding.bansOfTasks(["a", "c"])).get("c")?.id).toBe(made?.id);
      expect((await deciding.sightingsOfTasks(["c"])).get("c")?.banId).toBe(made?.id);
      return deciding.sightingsOf([attacker], 0);
    });
    expect(counted.get(attacker)?.map(({ taskId }) => taskId)).toEqual(["a", "b"]);
  });

  test("sightings are counted from a moment on, oldest first", async () => {
    const ledger = await store.open();
    const times = [3, 1, 2, 0].map((minutes) => noon + minutes * minute);
    await see(ledger, ...times.map((atMs) => newSighting({ subject: attacker, atMs, taskId: `at-${atMs - noon}` })));
    const counted = await ledger.decide((deciding) => deciding.sightingsOf([attacker], noon + minute));
    expect(counted.get(attacker)?.map(({ atMs }) => (atMs - noon) / minute)).toEqual([1, 2, 3]);
  });

  test("what is forgotten counts no more, of one user where one is named, and its task still counts once", async () => {
    const ledger = await store.open();
    await see(
      ledger,
      newSighting({ subject: attacker, taskId: "root-1" }),
      newSighting({ subject: attacker, taskId: "bob-1", user: "bob" }),
      newSighting({ subject: attacker, taskId: "bob-2", user: "bob", atMs: noon + 1 }),
      newSighting({ subject: attacker, taskId: "nobody", user: null }),
    );
    const counted = async (): Promise<string[] | undefined> => {
      const found = await ledger.decide((deciding) => deciding.sightingsOf([attacker], 0));
      return found.get(attacker)?.map(({ taskId }) => taskId);
    };
    expect(
      await ledger.decide((deciding) => deciding.forget({ subject: attacker, atMs: noon, user: "bob", counters: [] })),
    ).toBe(1);
    expect(await counted()).toEqual(["nobody", "root-1", "bob-2"]);
    expect(await judge(ledger, "bob-1", attacker, 100)).toBe("seen before");
    expect(
      await ledger.decide((deciding) => deciding.forget({ subject: attacker, atMs: noon, user: null, counters: [] })),
    ).toBe(2);
    expect(await counted()).toEqual(["bob-2"]);
  });

  test("of some counters only, where they are named", async () => {
    const ledger = await store.open();
    const counters = ["password_failed", "http_error"];
    await see(ledger, ...counters.map((counter) => newSighting({ subject: attacker, taskId: counter, counter })));
    const what = { subject: attacker, atMs: noon, user: null, counters: ["http_error"] };
    expect(await ledger.decide((deciding) => deciding.forget(what))).toBe(1);
    const left = await ledger.decide((deciding) => deciding.sightingsOf([attacker], 0));
    expect(left.get(attacker)?.map(({ taskId }) => taskId)).toEqual(["password_failed"]);
  });

  test("what led to a ban counts for no other, and what another counter saw still does", async () => {
    const ledger = await store.open();
    const of = (counter: string, taskId: string) => newSighting({ subject: attacker, taskId, counter });
    await see(ledger, of("a", "a1"), of("a", "a2"), of("b", "b1"));
    await ledger.decide((deciding) => deciding.consume([{ subject: attacker, counter: "a", banId: "the ban" }]));
    const left = await ledger.decide((deciding) => deciding.sightingsOf([attacker], 0));
    expect(left.get(attacker)?.map(({ taskId }) => taskId)).toEqual(["b1"]);
    const known = await ledger.decide((deciding) => deciding.sightingsOfTasks(["a1", "b1"]));
    expect([known.get("a1")?.banId, known.get("b1")?.banId]).toEqual(["the ban", null]);
  });

  test("facts are written as given, the rest is left, and who locks again sees them", async () => {
    const ledger = await store.open();
    await ledger.decide(async (deciding) => {
      await deciding.lock([attacker]);
      await deciding.update(attacker, { offences: 2 });
      await deciding.update(attacker, { pardonedUntilMs: noon + 1 });
      const again = await deciding.lock([attacker]);
      expect(again.get(attacker)).toMatchObject({ offences: 2, pardonedUntilMs: noon + 1 });
      await deciding.update(attacker, { offences: 0 });
    });
    const facts = await ledger.decide((deciding) => deciding.lock([attacker]));
    expect(facts.get(attacker)).toMatchObject({ offences: 0, pardonedUntilMs: noon + 1 });
  });

  test("a ban comes back as it was made, targets in their order, and is audited", async () => {
    const ledger = await store.open();
    const made = newBan({
      ...{ subject: "2001:db8::-2001:db8::ffff:ffff:ffff:ffff", family: 6, origin: "person", by: "ada" },
      ...{ endsAtMs: null, targets: ["tag:edge", "device:core-1", "all"], dryRun: true, reason: "because" },
    });
    await ban(ledger, made);
    const whole = { ...made, hits: 0, endedAtMs: null, endedBecause: null, endedBy: null };
    expect(await ledger.bans({})).toEqual([whole]);
    const facts = await ledger.decide((deciding) => deciding.lock([made.subject]));
    expect(facts.get(made.subject)?.activeBans).toEqual([whole]);
    expect(await ledger.auditTrail({})).toEqual([
      {
        atMs: noon,
        actor: "ada",
        action: "ban",
        subject: made.subject,
        router: "",
        reason: "because",
        source: made.taskId,
      },
    ]);
  });

  test("a task leads to one ban, and to one line of the audit", async () => {
    const ledger = await store.open();
    await ban(ledger, newBan({ subject: attacker, id: "first", taskId: "same" }));
    await ban(ledger, newBan({ subject: attacker, id: "second", taskId: "same" }));
    expect((await ledger.bans({})).map(({ id }) => id)).toEqual(["first"]);
    expect(await ledger.auditTrail({ action: "ban" })).toHaveLength(1);
  });

  test("an unban ends all bans of a subject, says which, and audits each", async () => {
    const ledger = await store.open();
    await ban(ledger, newBan({ subject: attacker, id: "hour" }));
    await ban(ledger, newBan({ subject: attacker, id: "for-ever", endsAtMs: null, startedAtMs: noon + 1 }));
    await ban(ledger, newBan({ subject: attacker, id: "dry", dryRun: true, startedAtMs: noon + 2 }));
    await ban(ledger, newBan({ subject: attacker, id: "over", endsAtMs: noon + 3 }));
    await ban(ledger, newBan({ subject: "198.51.100.1", id: "of-another" }));
    expect(await unban(ledger, attacker, noon + minute)).toEqual(["hour", "for-ever", "dry"]);
    expect(await unban(ledger, attacker, noon + minute)).toEqual([]);
    const [ended] = await ledger.bans({ subject: attacker, limit: 1 });
    expect(ended).toMatchObject({ id: "dry", endedAtMs: noon + minute, endedBecause: "unban", endedBy: "ada" });
    const trail = await ledger.auditTrail({ action: "unban" });
    expect(trail.map(({ source, actor, reason }) => [source, actor, reason]).toSorted()).toEqual([
      ["dry", "ada", "it was me"],
      ["for-ever", "ada", "it was me"],
      ["hour", "ada", "it was me"],
    ]);
    expect(await ledger.bannedSubjects(noon + minute)).toEqual(["198.51.100.1"]);
  });

  test("an end may be meant for the bans of one type and device only", async () => {
    const ledger = await store.open();
    await ban(ledger, newBan({ subject: attacker, id: "mine", type: "peer_ban", device: "web-1" }));
    await ban(ledger, newBan({ subject: attacker, id: "of-web-2", type: "peer_ban", device: "web-2" }));
    await ban(ledger, newBan({ subject: attacker, id: "ours", device: "web-1" }));
    const ended = await ledger.decide((deciding) =>
      deciding.endBans({
        ...{ subjects: [attacker], because: "peer-unban", by: "web-1", reason: "", atMs: noon },
        only: { type: "peer_ban", device: "web-1" },
      }),
    );
    expect(ended.map(({ id, endedBecause }) => [id, endedBecause])).toEqual([["mine", "peer-unban"]]);
  });

  test("a ban whose end is over is no active one for who says the time, marked or not", async () => {
    const ledger = await store.open();
    await ban(ledger, newBan({ subject: attacker, endsAtMs: noon + 5 }));
    const active = async (nowMs?: number): Promise<number | undefined> => {
      const facts = await ledger.decide((deciding) => deciding.lock([attacker], nowMs));
      return facts.get(attacker)?.activeBans.length;
    };
    expect([await active(noon + 4), await active(noon + 5), await active()]).toEqual([1, 0, 1]);
    await ledger.expire(noon + 5);
    expect(await active()).toBe(0);
  });

  test("work that throws leaves nothing", async () => {
    const ledger = await store.open();
    const work = ledger.decide(async (deciding) => {
      await deciding.lock([attacker]);
      await deciding.addSightings([newSighting({ subject: attacker })], noon);
      await deciding.addBans([newBan({ subject: attacker })]);
      await deciding.update(attacker, { offences: 1 });
      throw new Error("a bug");
    });
    await expect(work).rejects.toThrow("a bug");
    expect(await ledger.sightings({})).toEqual([]);
    expect(await ledger.bans({})).toEqual([]);
    expect(await ledger.auditTrail({})).toEqual([]);
    expect((await ledger.decide((deciding) => deciding.lock([attacker]))).get(attacker)?.offences).toBe(0);
  });

  test("who asks the ledger itself while he decides is told so, and does not wait for himself for ever", async () => {
    const [ledger, other] = await Promise.all([store.open(), store.open()]);
    await expect(ledger.decide(() => ledger.bans({}))).rejects.toThrow("only `deciding` may be used");
    expect(await ledger.decide(() => other.bans({}))).toEqual([]);
    // What was begun there and goes on afterwards is nobody's business.
    let later: Promise<unknown> = Promise.resolve();
    let letGo = (): void => {};
    const after = new Promise<void>((resolve) => (letGo = resolve));
    await ledger.decide(async () => {
      later = after.then(() => ledger.bans({}));
    });
    letGo();
    expect(await later).toEqual([]);
  });

  test("text that an attacker wrote comes back, but for what no engine stores", async () => {
    const ledger = await store.open();
    const user = "Robert'); DROP TABLE bans;-- \0 \uD800 \u{1F4A9} %_";
    await see(ledger, newSighting({ subject: attacker, user }));
    const [row] = await ledger.sightings({});
    expect(row?.user).toBe("Robert'); DROP TABLE bans;-- \uFFFD \uFFFD \u{1F4A9} %_");
  });

  test("a number that is not whole is a bug in both engines", async () => {
    const ledger = await store.open();
    for (const atMs of [noon + 0.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      await expect(see(ledger, newSighting({ subject: attacker, atMs }))).rejects.toThrow("expected a whole number");
    }
    expect(await ledger.sightings({})).toEqual([]);
  });

  test("a batch of any size is one transaction", async () => {
    const ledger = await store.open();
    const subjects = Array.from({ length: 9000 }, (_, at) => addressOf(at));
    await ledger.decide(async (deciding) => {
      const facts = await deciding.lock(subjects);
      expect(facts.size).toBe(9000);
      const sightings = subjects.map((subject) => newSighting({ subject, taskId: `task-of-${subject}` }));
      await deciding.addSightings(sightings, noon);
      expect((await deciding.sightingsOfTasks(sightings.map(({ taskId }) => taskId))).size).toBe(9000);
      expect((await deciding.sightingsOf(subjects, 0)).size).toBe(9000);
      await deciding.addBans(subjects.map((subject) => newBan({ subject, taskId: `task-of-${subject}` })));
      for (const subject of subjects) await deciding.update(subject, { offences: 1 });
    });
    expect(await ledger.countBanned(noon)).toBe(9000);
    expect(await ledger.expire(noon + 60 * minute)).toHaveLength(9000);
    expect(await ledger.countBanned(noon)).toBe(0);
  });

  test("an empty list asks for nothing", async () => {
    const ledger = await store.open();
    await ledger.decide(async (deciding) => {
      expect((await deciding.lock([])).size).toBe(0);
      expect((await deciding.sightingsOfTasks([])).size).toBe(0);
      expect((await deciding.bansOfTasks([])).size).toBe(0);
      expect((await deciding.sightingsOf([], 0)).size).toBe(0);
      await deciding.addSightings([], noon);
      await deciding.addBans([]);
      await deciding.addHits(new Map());
      await deciding.audit([]);
      expect(await deciding.endBans({ subjects: [], because: "unban", by: "", reason: "", atMs: 0 })).toEqual([]);
    });
  });
});

describe("a ledger in memory", () => {
  test("is driven by promises alone: many at once end in the order they were asked, without a timer", async () => {
    const ledger = await openLedger({ file: ":memory:" });
    const done: number[] = [];
    const work = Array.from({ length: 20 }, (_, at) =>
      judge(ledger, `task-${at}`, attacker, 5).then(() => done.push(at)),
    );
    let turns = 0;
    const counting = setImmediate(() => (turns += 1));
    await Promise.all(work);
    clearImmediate(counting);
    expect(done).toEqual(Array.from({ length: 20 }, (_, at) => at));
    expect(turns).toBe(0);
    await ledger.close();
  });
});

function several(open: () => Promise<Ledger>): Promise<Ledger[]> {
  return Promise.all(Array.from({ length: 3 }, open));
}
