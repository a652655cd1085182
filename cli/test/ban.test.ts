// Banning and lifting by hand: the task that is put, what is refused at once, and how it is followed to the routers.

import { describe, expect, test } from "@jest/globals";
import type { Task } from "@logwarden/shared/task";
import { freePort, ownHost } from "@logwarden/lab/parts/loopback";
import { directory, here } from "./command.ts";
import { addBan, place, type Rig, rig, rigWithQueue, take } from "./rig.ts";
import { writer } from "@logwarden/ledger/test/writer";

type BanTask = Extract<Task, { type: "ban" }>;

/** What a responder does with a ban: the ledger first, then the routers. */
async function obey({ ledger }: Rig, task: BanTask, routers: readonly string[]): Promise<void> {
  const now = Date.now();
  const more = { id: "ban-1", origin: "person" as const, type: "ban", rule: "", device: "", startedAtMs: now };
  const endsAtMs = now + 1000 * (task.for as number);
  const words = { by: task.by ?? "", reason: task.reason ?? "", taskId: task.id ?? "", endsAtMs };
  await addBan(ledger, task.address, { ...more, ...words, targets: task.targets as never });
  for (const router of routers) await place(ledger, router, task.address);
}

describe("ban", () => {
  test("puts a task, more urgent than any event, and waits until every router shows it", async () => {
    const it = await rigWithQueue();
    const running = it.json("ban", "203.0.113.9", "-d", "7d", "-R", "scans us", "--tag", "edge");
    const { task, priority } = await take(it.queue);
    expect(task).toEqual({
      ...{
        type: "ban",
        v: 1,
        address: "203.0.113.9",
        for: 604_800,
        targets: ["tag:edge"],
        by: "jo",
        reason: "scans us",
      },
      ...{ id: expect.stringMatching(/^[0-9a-f-]{36}$/), at: expect.stringMatching(/^\d{4}-.*Z$/) },
    });
    expect(priority).toBe(100);
    await obey(it, task as BanTask, ["edge-1", "edge-2"]);
    const { code, value } = await running;
    expect(code).toBe(0);
    expect(value).toMatchObject({
      results: [
        {
          ...{ address: "203.0.113.9", outcome: "done", reason: null, taskId: task.id, node: it.address },
          ban: {
            by: "jo",
            reason: "scans us",
            routers: [{ router: "edge-1", state: "verified" }, { router: "edge-2" }],
          },
        },
      ],
    });
  });

  test("several addresses are several tasks, each once, in canonical form", async () => {
    const it = await rigWithQueue();
    const args = ["203.0.113.9", "::ffff:203.0.113.9", "198.51.100.0/24", "2001:DB8::/64", "--no-wait"];
    expect(await it.run("ban", ...args)).toMatchObject({ code: 0, stderr: "" });
    const taken = [await take(it.queue), await take(it.queue), await take(it.queue)].map(({ task }) => task);
    expect(taken.map((task) => (task as BanTask).address)).toEqual([
      ...["203.0.113.9", "198.51.100.0-198.51.100.255", "2001:db8::-2001:db8::ffff:ffff:ffff:ffff"],
    ]);
    expect(taken.map((task) => (task as BanTask).targets)).toEqual([["all"], ["all"], ["all"]]);
  });

  test("says which router has not followed and what to do, and exits 1; the ban stands", async () => {
    const it = await rigWithQueue();
    const running = it.run("ban", "203.0.113.9", "--wait", "1");
    const { task } = await take(it.queue);
    await obey(it, task as BanTask, ["edge-1"]);
    const failed = { subject: "203.0.113.9", family: 4 as const };
    await (await writer(it.ledger, "edge-2")).intend([failed], Date.now());
    const error = { error: "device-refused-key", detail: "Valid API key is required" };
    await (await writer(it.ledger, "edge-2")).misplaced([{ ...failed, ...error }], Date.now());
    const { code, stdout, stderr } = await running;
    expect(code).toBe(1);
    expect(stdout).toMatch(/^203\.0\.113\.9: banned until \S+ \S+Z, 1 of 2 verified, edge-2 error\n$/);
    expect(stderr).toMatch(/edge-2 {2}error .*device-refused-key: Valid API key is required: The API key was rotated/);
  });

  test("says that nobody has taken it, and leaves it in the queue", async () => {
    const it = await rigWithQueue();
    const { code, stdout, stderr } = await it.run("ban", "203.0.113.9", "--wait", "1");
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: "203.0.113.9: no responder has taken it within 1 s; it stays in the queue. See logwarden status\n",
    });
    expect(stdout).toBe(`203.0.113.9: in the queue at ${it.address}, for 4h on all (edge-1, edge-2)\n`);
    expect((await take(it.queue)).task.type).toBe("ban");
  });

  test("hears of a responder that refuses", async () => {
    const it = await rigWithQueue();
    const running = it.run("ban", "203.0.113.9");
    const { task } = await take(it.queue);
    const entry = {
      atMs: Date.now(),
      actor: "responder",
      action: "refuse" as const,
      subject: "203.0.113.9",
      router: "",
    };
    await it.ledger.decide((transaction) =>
      transaction.audit([{ ...entry, reason: "never banned: allow 203.0.113.0/24", source: task.id ?? "" }]),
    );
    expect(await running).toMatchObject({
      code: 1,
      stderr: "203.0.113.9: refused, never banned: allow 203.0.113.0/24\n",
    });
  });

  test("refuses at once who is never banned, with the reason, and still does the others", async () => {
    const it = await rigWithQueue();
    const run = await it.run("ban", "192.0.2.7", "10.10.10.132", "192.0.0.0/16", "203.0.113.9", "--no-wait");
    expect(run).toMatchObject({
      code: 1,
      stderr:
        "192.0.2.7: refused, never banned: allow 192.0.2.0/24\n" +
        "10.10.10.132: refused, never banned: address of web-1\n" +
        "192.0.0.0/16: refused, never banned: allow 192.0.2.0/24\n",
    });
    expect((await take(it.queue)).task).toMatchObject({ address: "203.0.113.9" });
  });

  test("--dry-run needs no queue and says what would be asked", async () => {
    const it = await rig();
    expect(await it.run("ban", "203.0.113.9", "--router", "edge-2", "--duration=-1", "--dry-run")).toEqual({
      ...{ code: 0, stderr: "" },
      stdout: "203.0.113.9: would be banned without an end on device:edge-2 (edge-2)\n",
    });
  });

  test("names who asks: the person behind sudo, or who is named", async () => {
    const it = await rigWithQueue();
    const env = { LOGWARDEN_CONFIG: "", SUDO_USER: "ann", USER: "root", LOGWARDEN_QUEUES: it.address };
    const config = ["--config", (await configOf(it)) ?? ""];
    expect(await here(["ban", "203.0.113.9", "--no-wait", ...config], env)).toMatchObject({ code: 0 });
    expect((await take(it.queue)).task.by).toBe("ann");
    await it.run("ban", "203.0.113.9", "--no-wait", "--by", "the pager");
    expect((await take(it.queue)).task.by).toBe("the pager");
  });

  test.each([
    [["ban"], "expected an address"],
    [["ban", "203.0.113", "nobody"], 'got "203.0.113", "nobody"'],
    [["ban", "203.0.113.9", "-d", "soon"], "--duration: expected a duration"],
    [["ban", "203.0.113.9", "--router", "edg-1"], 'no router "edg-1", did you mean "edge-1"?'],
    [["ban", "203.0.113.9", "--router", "web-1"], "web-1 only sends logs"],
    [["ban", "203.0.113.9", "--tag", "fra"], 'no tag "fra", did you mean "far"?'],
    [["ban", "203.0.113.9", "--tag", "web"], "no router is meant"],
    [["ban", "203.0.113.9", "--wait", "1", "--no-wait"], "two answers to one question"],
    [["ban", "203.0.113.9"], "expected the queue nodes"],
  ])("%j exits 2", async (args, words) => {
    expect(await (await rig()).run(...args)).toMatchObject({
      code: 2,
      stdout: "",
      stderr: expect.stringContaining(words),
    });
  });

  test("the next node takes it when one is away; when all are, that is said of each", async () => {
    const it = await rigWithQueue();
    const away = `${ownHost}:${await freePort()}`;
    const both = await it.run("ban", "203.0.113.9", "--no-wait", "--queues", `${away},${it.address}`);
    expect(both).toMatchObject({ code: 0, stdout: expect.stringContaining(it.address) });
    expect(await it.run("ban", "203.0.113.9", "--queues", away)).toMatchObject({
      ...{
        code: 1,
        stdout: "",
        stderr: expect.stringMatching(new RegExp(`no queue node took it within 5 s \\(${away}: `)),
      },
    });
  });

  test("without a ledger it is in the queue, and that nobody can follow it is said; none is made", async () => {
    const it = await rigWithQueue();
    const nowhere = `${directory()}/ledger.db`;
    const run = await it.run("ban", "203.0.113.9", "--wait", "1", "--ledger", nowhere);
    expect(run).toMatchObject({ code: 1, stderr: expect.stringContaining(`there is none at ${nowhere}`) });
    expect((await take(it.queue)).task.type).toBe("ban");
    expect(await it.run("bans", "--ledger", nowhere)).toMatchObject({ code: 1, stdout: "" });
  });
});

async function configOf(it: Rig): Promise<string | undefined> {
  const { stdout } = await it.run("check-config", "--json");
  return (JSON.parse(stdout) as { config?: string }).config;
}

describe("unban", () => {
  test("lifts, and waits until no router holds it", async () => {
    const it = await rigWithQueue();
    await addBan(it.ledger, "203.0.113.9");
    await place(it.ledger, "edge-1", "203.0.113.9");
    const running = it.run("unban", "203.0.113.9", "-R", "a customer");
    const { task, priority } = await take(it.queue);
    expect({ ...task, priority }).toMatchObject({
      ...{ type: "unban", address: "203.0.113.9", by: "jo", reason: "a customer", priority: 100 },
    });
    await it.ledger.decide(async (deciding) => {
      const ending = { because: "unban" as const, by: "jo", reason: "a customer", atMs: Date.now() };
      await deciding.lock(["203.0.113.9"], Date.now());
      await deciding.endBans({ subjects: ["203.0.113.9"], ...ending });
    });
    await (await writer(it.ledger, "edge-1")).removed(["203.0.113.9"], Date.now());
    expect(await running).toEqual({
      ...{ code: 0, stderr: "", stdout: "203.0.113.9: lifted on every router, grace of 15m\n" },
    });
  });

  test("one that is not banned is said so, and is an error where that is asked for; the grace begins all the same", async () => {
    const it = await rigWithQueue();
    expect(await it.run("unban", "203.0.113.9")).toMatchObject({
      ...{ code: 0, stdout: "203.0.113.9: was not banned; counters cleared, grace of 15m\n" },
    });
    expect(await it.json("unban", "203.0.113.9", "--report-absent")).toMatchObject({
      ...{ code: 1, value: { results: [{ outcome: "absent", lifts: [] }] } },
    });
    expect((await take(it.queue)).task.type).toBe("unban");
  });

  test("an IPv6 address lifts the network that it was counted as, and is told of a wider ban that it is inside of", async () => {
    const it = await rigWithQueue();
    await addBan(it.ledger, "2001:db8:6::/64");
    await addBan(it.ledger, "2001:db8::/32");
    const run = await it.run("unban", "2001:db8:6::7", "--no-wait");
    const asked = [await take(it.queue), await take(it.queue)].map(({ task }) => (task as BanTask).address);
    expect(asked).toEqual(["2001:db8:6::7", "2001:db8:6::-2001:db8:6:0:ffff:ffff:ffff:ffff"]);
    expect(run.stdout).toBe("2001:db8:6::7 (2001:db8:6::/64): the unban is in the queue\n");
    expect(run.stderr).toContain("2001:db8:6::7: still inside 2001:db8::/32, which is banned");
  });

  test("--all is everybody who is banned now; nobody is an answer too", async () => {
    const it = await rigWithQueue();
    expect(await it.run("unban", "--all")).toMatchObject({ code: 0, stdout: "nobody is banned\n" });
    await addBan(it.ledger, "203.0.113.9");
    await addBan(it.ledger, "203.0.113.10");
    await addBan(it.ledger, "203.0.113.11", { startedAtMs: 1000, endsAtMs: 2000 });
    expect(await it.run("unban", "--all", "--no-wait")).toMatchObject({ code: 0 });
    const asked = [await take(it.queue), await take(it.queue)].map(({ task }) => (task as BanTask).address);
    expect(asked.sort()).toEqual(["203.0.113.10", "203.0.113.9"]);
    expect((await it.queue.statsTube("logwarden.intake")).currentJobsReady).toBe(0);
    expect(await it.run("unban", "--all", "203.0.113.9")).toMatchObject({ code: 2 });
  });
});
