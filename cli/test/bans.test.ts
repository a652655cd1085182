// Who is banned, why and where; what was seen; what was done: read from a real ledger that others write.

import { describe, expect, test } from "@jest/globals";
import { addBan, place, rig } from "./rig.ts";
import { writer } from "@logwarden/ledger/test/writer";

const hour = 3_600_000;

describe("bans list", () => {
  test("shows who is banned now, until when, by whom, why, and how far the routers are", async () => {
    const { ledger, run } = await rig();
    await addBan(ledger, "203.0.113.9", { endsAtMs: Date.now() + 4 * hour - 500 });
    await place(ledger, "edge-1", "203.0.113.9");
    await addBan(ledger, "203.0.113.10", { by: "ann", reason: "by hand", endsAtMs: null, targets: ["device:edge-2"] });
    await addBan(ledger, "203.0.113.11", { dryRun: true });
    await addBan(ledger, "203.0.113.12", { startedAtMs: 1000, endsAtMs: 2000 });
    const { code, stdout, stderr } = await run("bans");
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const rows = stdout.split("\n").map((line) => line.replaceAll(/ {2,}/g, " | "));
    expect(rows[0]).toBe("address | since | ends | by | why | hits | routers");
    expect(stdout).toMatch(
      /203\.0\.113\.9 .* in 3h59m +policy +5 password_failed in 10m +0 +1 of 2 verified, edge-2 wanted/,
    );
    expect(stdout).toMatch(/203\.0\.113\.10 .* never +ann +by hand +0 +0 of 1 verified, edge-2 wanted/);
    expect(stdout).toMatch(/203\.0\.113\.11 .* dry run: no router is touched/);
    expect(stdout).not.toContain("203.0.113.12");
    expect(stdout).toMatch(/\n\d addresses are banned; 3 shown\n$/);
  });

  test("--all shows what is over, and why it is; --since and --limit bound it", async () => {
    const { ledger, run, json } = await rig();
    const now = Date.now();
    await addBan(ledger, "203.0.113.9", { startedAtMs: now - 3 * hour, endsAtMs: now - 2 * hour });
    await addBan(ledger, "203.0.113.10", { startedAtMs: now - hour });
    await ledger.decide(async (deciding) => {
      const end = { because: "unban" as const, by: "ann", reason: "", atMs: now };
      await deciding.lock(["203.0.113.10"], now);
      await deciding.endBans({ subjects: ["203.0.113.10"], ...end });
    });
    await addBan(ledger, "203.0.113.11", { startedAtMs: now - 1000 });
    const { stdout } = await run("bans", "list", "--all");
    expect(stdout).toMatch(/203\.0\.113\.9 .* 2h ago: expired /);
    expect(stdout).toMatch(/203\.0\.113\.10 .* ago: unban by ann /);
    expect(await addressesOf(json("bans", "-a", "--since", "2h"))).toEqual(["203.0.113.11", "203.0.113.10"]);
    expect(await addressesOf(json("bans", "-a", "--limit", "1"))).toEqual(["203.0.113.11"]);
    expect(await addressesOf(json("bans"))).toEqual(["203.0.113.11"]);
  });

  test("-i finds an IPv6 address inside the network that it was counted as, and inside a prefix that a person banned", async () => {
    const { ledger, json } = await rig();
    await addBan(ledger, "2001:db8:6::/64");
    await addBan(ledger, "198.51.100.0/24");
    await addBan(ledger, "203.0.113.9");
    expect(await addressesOf(json("bans", "-i", "2001:db8:6::7"))).toEqual(["2001:db8:6::/64"]);
    expect(await addressesOf(json("bans", "-i", "198.51.100.77"))).toEqual(["198.51.100.0/24"]);
    expect(await addressesOf(json("bans", "-i", "198.51.101.77"))).toEqual([]);
  });

  test("a router that cannot take it says so with advice, one that must let it go is leaving", async () => {
    const { ledger, json } = await rig();
    await addBan(ledger, "203.0.113.9", { targets: ["device:edge-1"] });
    await (await writer(ledger, "edge-1")).intend([{ subject: "203.0.113.9", family: 4 }], Date.now());
    const wrong = { error: "device-unreachable", detail: "connect ETIMEDOUT" };
    await (await writer(ledger, "edge-1")).misplaced([{ subject: "203.0.113.9", family: 4, ...wrong }], Date.now());
    await place(ledger, "edge-2", "203.0.113.9");
    const { value } = await json("bans");
    expect((value as { bans: { routers: unknown }[] }).bans[0]?.routers).toMatchObject([
      { router: "edge-1", state: "error", error: "device-unreachable", advice: expect.stringContaining("HTTPS API") },
      { router: "edge-2", state: "leaving" },
    ]);
  });

  test.each([
    [["bans", "lst"], 'no "bans lst", did you mean "list"?'],
    [["bans", "list", "x"], '"x" is one word too many'],
    [["bans", "-i", "nobody"], 'got "nobody"'],
    [["bans", "--since", "yesterday"], "--since: expected a duration"],
    [["bans", "--limit", "0"], "--limit: expected a whole number from 1"],
    [["bans", "show"], "expected an address"],
  ])("%j exits 2", async (args, words) => {
    expect(await (await rig()).run(...args)).toMatchObject({
      code: 2,
      stdout: "",
      stderr: expect.stringContaining(words),
    });
  });

  test("many are told of as few are", async () => {
    const { ledger, json } = await rig();
    const many = Array.from({ length: 150 }, (_, n) => `203.0.113.${n + 1}`);
    for (const address of many) await addBan(ledger, address, { targets: ["device:edge-1"] });
    for (const router of ["edge-1", "edge-2"]) await place(ledger, router, "203.0.113.7");
    type Facts = { address: string; routers: { router: string; state: string }[] };
    const few = ((await json("bans", "-i", "203.0.113.7")).value as { bans: Facts[] }).bans[0];
    const all = ((await json("bans", "--limit", "1000")).value as { bans: Facts[] }).bans;
    expect(all).toHaveLength(150);
    expect(all.find(({ address }) => address === "203.0.113.7")).toEqual(few);
    expect(few?.routers.map(({ router, state }) => `${router} ${state}`)).toEqual([
      "edge-1 verified",
      "edge-2 leaving",
    ]);
    expect(all.find(({ address }) => address === "203.0.113.8")?.routers).toMatchObject([
      { router: "edge-1", state: "wanted" },
    ]);
  });

  test("works while others write", async () => {
    const { ledger, run } = await rig();
    const writing = Promise.all(Array.from({ length: 20 }, (_, n) => addBan(ledger, `203.0.113.${n + 1}`)));
    for (let n = 0; n < 5; n++) expect(await run("bans")).toMatchObject({ code: 0, stderr: "" });
    await writing;
    expect((await run("bans")).stdout).toContain("20 addresses are banned; 20 shown");
  });
});

async function addressesOf(answer: Promise<{ value: never }>): Promise<string[]> {
  return ((await answer).value as { bans: { address: string }[] }).bans.map(({ address }) => address);
}

describe("bans show", () => {
  test("tells why, since when, where, and what was seen", async () => {
    const { ledger, run, json } = await rig();
    const now = Date.now();
    const taskId = "task-1";
    await ledger.decide(async (deciding) => {
      await deciding.lock(["203.0.113.9"], now);
      const sighting = { taskId, subject: "203.0.113.9", counter: "password_failed", type: "password_failed" };
      const line = { rule: "sshd-failed-password", device: "edge-1", user: "root", count: 5, atMs: now - 60_000 };
      await deciding.addSightings([{ ...sighting, ...line }], now);
    });
    const { id } = await addBan(ledger, "203.0.113.9", { taskId });
    await ledger.decide((deciding) => deciding.addHits(new Map([[id, 3]])));
    await place(ledger, "edge-1", "203.0.113.9");
    const { code, stdout } = await run("bans", "show", "203.0.113.9");
    expect(code).toBe(0);
    const lines = stdout.split("\n").map((line) => line.trim().replaceAll(/ +/g, " "));
    expect(lines).toEqual(
      expect.arrayContaining([
        "203.0.113.9: banned",
        "why 5 password_failed in 10m; by policy, a line of edge-1 (rule sshd-failed-password)",
        "where all",
        "hits 3 while it was in force",
        "edge-2 wanted",
      ]),
    );
    expect(stdout).toMatch(/edge-1 +verified +\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ/);
    expect(stdout).toMatch(/203\.0\.113\.9 +password_failed +sshd-failed-password +edge-1 +root +5 +completed a ban/);
    expect(await run("bans", "203.0.113.9")).toEqual({ code, stdout, stderr: "" });
    expect((await json("bans", "show", "203.0.113.9")).value).toMatchObject({
      addresses: [
        { banned: true, neverBanned: null, bans: [{ hits: 3 }], sightings: [{ user: "root", count: 5, banId: id }] },
      ],
    });
  });

  test("a ban in dry run is no ban; --report-absent makes that exit code 1", async () => {
    const { ledger, run } = await rig();
    await addBan(ledger, "203.0.113.9", { dryRun: true });
    const { code, stdout } = await run("bans", "show", "203.0.113.9", "--report-absent");
    expect(code).toBe(1);
    expect(stdout).toContain("203.0.113.9: not banned");
    expect(stdout).toContain("dry run: no router is touched");
    await addBan(ledger, "203.0.113.10");
    expect(await run("bans", "show", "203.0.113.10", "--report-absent")).toMatchObject({ code: 0 });
    expect(await run("bans", "show", "203.0.113.10", "203.0.113.11", "--report-absent")).toMatchObject({ code: 1 });
    expect(await run("bans", "show", "203.0.113.11")).toMatchObject({ code: 0, stdout: "203.0.113.11: not banned\n" });
  });

  test("an address inside a banned /64 is banned, as that network; one that is never banned says why", async () => {
    const { ledger, run } = await rig();
    await addBan(ledger, "2001:db8:6::/64");
    const { stdout } = await run("bans", "show", "2001:db8:6::7", "192.0.2.1");
    expect(stdout).toMatch(/^2001:db8:6::7: banned\n {2}ban since .*, as 2001:db8:6::\/64; ends in (59m|1h)/);
    expect(stdout).toContain("192.0.2.1: not banned\n  never banned: allow 192.0.2.0/24");
  });

  test("what an attacker chose stays text", async () => {
    const { ledger, run } = await rig();
    await addBan(ledger, "203.0.113.9", { reason: "\u001b[2J\u202e by hand" });
    const { stdout } = await run("bans");
    expect(stdout).toContain("\\u{1b}[2J\\u{202e} by hand");
    expect(stdout).not.toContain("\u001b");
  });
});

test("events shows sightings, newest first, of everybody or one", async () => {
  const { ledger, run, json } = await rig();
  const now = Date.now();
  const sighting = { counter: "user_invalid", type: "user_invalid", rule: "sshd-invalid-user", device: "edge-1" };
  await ledger.decide(async (deciding) => {
    await deciding.lock(["203.0.113.9", "203.0.113.10"], now);
    const more = { ...sighting, user: "admin", count: 1 };
    const [first, second] = [now - 2 * hour, now - 1000];
    await deciding.addSightings([{ ...more, taskId: "t1", subject: "203.0.113.9", atMs: first }], first);
    await deciding.addSightings([{ ...more, taskId: "t2", subject: "203.0.113.10", atMs: second }], second);
  });
  const ids = async (...args: string[]): Promise<string[]> =>
    ((await json("events", ...args)).value as { events: { taskId: string }[] }).events.map(({ taskId }) => taskId);
  expect(await ids()).toEqual(["t2", "t1"]);
  expect(await ids("--since", "1h")).toEqual(["t2"]);
  expect(await ids("-i", "203.0.113.9")).toEqual(["t1"]);
  expect((await run("events", "list")).stdout).toMatch(
    /203\.0\.113\.9 +user_invalid +sshd-invalid-user +edge-1 +admin +1\n/,
  );
  expect(await run("events", "-i", "203.0.113.77")).toMatchObject({ code: 0, stdout: "no events\n" });
  expect(await run("events", "lst")).toMatchObject({ code: 2 });
});

test("audit shows who did what, of everybody, one address or one router", async () => {
  const { ledger, run, json } = await rig();
  await addBan(ledger, "203.0.113.9", { by: "ann", reason: "by hand", origin: "person" });
  await place(ledger, "edge-1", "203.0.113.9");
  await place(ledger, "edge-2", "203.0.113.9");
  const actions = async (...args: string[]): Promise<string[]> =>
    ((await json("audit", ...args)).value as { audit: { action: string; router: string }[] }).audit.map(
      ({ action, router }) => `${action} ${router}`.trim(),
    );
  expect((await actions("-i", "203.0.113.9")).sort()).toEqual(["ban", "place edge-1", "place edge-2"]);
  expect(await actions("--router", "edge-1")).toEqual(["place edge-1"]);
  expect(await actions("-i", "203.0.113.1")).toEqual([]);
  expect((await run("audit")).stdout).toMatch(/Z +ann +ban +203\.0\.113\.9 +by hand\n/);
});
