// How bans end, and how a router becomes right again by itself.

import { readFileSync, writeFileSync } from "node:fs";
import type { LogLine } from "@logwarden/lab/parts/service";
import { afterEach, describe, expect, test } from "@jest/globals";
import { parse, stringify } from "yaml";
import { ban, hasRead, requestsOf, type Rig, type RigOptions, startRig, tube, until } from "./rig.ts";

let rig: Rig;
afterEach(() => rig.close());

let id = 0;
const failed = (from: string, device = 1) => ({ ...ban(from, device), id: `e-${++id}`, at: new Date().toISOString() });
const order = (task: object) =>
  rig.put("logwarden.intake", { id: `o-${++id}`, at: new Date().toISOString(), by: "jo", ...task });
const running = (router = 0): string[] => rig.routers[router]?.members("BAD_GUYS") ?? [];
const saved = (router = 0): string[] => rig.routers[router]?.savedMembers("BAD_GUYS") ?? [];

const configFile = (): string => `${rig.directory}/logwarden.yaml`;
function editAllow(allow: readonly string[]): void {
  const file = parse(readFileSync(configFile(), "utf8")) as Record<string, unknown>;
  writeFileSync(configFile(), stringify({ ...file, allow }));
}

async function start(options: RigOptions = {}, env: Record<string, string> = {}) {
  rig = await startRig(options);
  return rig.startResponder(env);
}

describe("a ban ends", () => {
  test("by itself, when it says so, with nothing else going on", async () => {
    const responder = await start({ inventory: { policies: { password_failed: { banTime: 3 } } } });
    await rig.put(tube(1), failed("10.0.0.1"));
    await until("banned", () => saved().length === 1);
    const [made] = await rig.ledger.bans({});
    let seenUntilMs = 0;
    await until("over", () => {
      if (running().length === 1) seenUntilMs = Date.now();
      return running().length === 0;
    });
    // Never before its end; a second and a commit after it at most is what bench and simulation look at.
    expect(seenUntilMs).toBeGreaterThan((made?.endsAtMs ?? Infinity) - 500);
    await until("written down", async () => (await rig.ledger.auditTrail({ action: "expire" })).length === 1);
    await until("saved", () => saved().length === 0);
    await responder.said("ban.ended", ({ address, reason }) => address === "10.0.0.1" && reason === "expired");
    await until("known to be out", async () => (await rig.ledger.placementsOf("10.0.0.1")).length === 0);
  });

  test("when the last of its reasons does", async () => {
    await start({ inventory: { policies: { password_failed: { banTime: 2 } } } });
    await rig.put(tube(1), failed("10.0.0.1"));
    await until("the policy has banned", async () => (await rig.ledger.bans({})).length === 1);
    await order({ type: "ban", address: "10.0.0.1", for: 3600 });
    await until("both are known", async () => (await rig.ledger.bans({})).length === 2);
    const [short] = await rig.ledger
      .bans({ subject: "10.0.0.1" })
      .then((all) => all.filter(({ type }) => type !== "ban"));
    await until("the short one is over", () => Date.now() > (short?.endsAtMs ?? Infinity) + 1000);
    await rig.put(tube(1), failed("10.0.0.2"));
    await until("the next is done", () => saved().includes("10.0.0.2"));
    expect(saved()).toContain("10.0.0.1");
  });

  test("although no responder lived when it was over, and although the router was away", async () => {
    const first = await start({ inventory: { policies: { password_failed: { banTime: 2 } } } });
    await rig.put(tube(1), failed("10.0.0.1"));
    await until("banned", () => saved().length === 1);
    await first.program.kill();
    await rig.routers[0]?.close();
    await until("it is over", async () => (await rig.ledger.countBanned(Date.now())) === 0);
    const second = await rig.startResponder();
    await second.said("device.held");
    await rig.restartRouter(0);
    await until("lifted", () => saved().length === 0);
  });

  test("when its address is allowed, without a restart", async () => {
    const responder = await start();
    await rig.put(tube(1), failed("10.0.0.1"));
    await rig.put(tube(1), failed("10.0.0.2"));
    await until("banned", () => saved().length === 2);
    editAllow(["10.0.0.1"]);
    await until("lifted", () => saved().length === 1);
    expect(saved()).toEqual(["10.0.0.2"]);
    expect(await rig.ledger.auditTrail({ action: "allow-list" })).toMatchObject([{ subject: "10.0.0.1" }]);
    await rig.put(tube(1), failed("10.0.0.1"));
    await rig.empty(tube(1));
    expect(saved()).toEqual(["10.0.0.2"]);
    writeFileSync(configFile(), "allow: [nonsense]");
    expect(await responder.said("allow.unusable")).toMatchObject({ detail: expect.stringContaining("allow.0") });
  });
});

test("an unban of an address and of its network waits for both, however little fits into a commit", async () => {
  const responder = await start({}, { LOGWARDEN_OPS_PER_REQUEST_MAX: "1" });
  await order({ type: "ban", address: "2001:db8::1" });
  await order({ type: "ban", address: "2001:db8::/64" });
  const savedMembers = (): string[] => rig.routers[0]?.savedMembers("BAD_GUYS", 6) ?? [];
  await until("both are banned", () => savedMembers().length === 2);
  // The router knows before we have read what the responder says of it.
  const isSettled = ({ event, device, verb }: LogLine): boolean =>
    event === "task.settled" && device === "edge-1" && verb === "delete";
  await until("the responder has said so", () => responder.log.filter(isSettled).length === 2);
  const before = responder.log.length;
  await rig.put(tube(1), { type: "unban", host: ban("10.0.0.1").host, address: "2001:db8::1", id: "both", by: "jo" });
  await responder.said("task.settled", ({ taskId }) => taskId === "both");
  const since = responder.log.slice(before);
  const settled = since.findIndex(({ taskId, verb }) => taskId === "both" && verb === "delete");
  expect(since.slice(0, settled).filter(({ event }) => event === "change.saved")).toHaveLength(2);
  expect(savedMembers()).toEqual([]);
});

test("a ban that a list forbade gets to the router when the list no longer does, with nothing else going on", async () => {
  rig = await startRig({ inventory: { allow: ["10.0.0.0/24"] } });
  // As another responder makes it, which goes by another list.
  const banElsewhere = (address: string): Promise<void> =>
    rig.ledger.decide(async (transaction) => {
      const now = Date.now();
      await transaction.lock([address], now);
      const what = { subject: address, family: 4, origin: "person", type: "ban", rule: "", reason: "" } as const;
      const whose = { by: "jo", device: "", taskId: address, targets: ["all"], dryRun: false } as const;
      await transaction.addBans([{ id: address, ...what, ...whose, startedAtMs: now, endsAtMs: null }]);
    });
  await banElsewhere("10.0.0.2");
  const responder = await rig.startResponder();
  // Every 15 s a responder ends what its own list forbids: it has just done so.
  await responder.said("ban.ended", ({ address }) => address === "10.0.0.2");
  await banElsewhere("10.0.0.1");
  await rig.put(tube(1), { type: "enforce", host: ban("10.0.0.1").host, address: "10.0.0.1", id: "t.0" });
  await responder.said("plan.empty", ({ reason }) => reason === "never-ban");
  editAllow([]);
  await until("banned", () => saved().includes("10.0.0.1"));
});

describe("a router is made right again", () => {
  const restore = async (router: number, members: readonly string[]): Promise<void> => {
    const { key, url, fingerprint } = rig.access(router);
    const { createClient, addressOp } = await import("@logwarden/vyos");
    const client = createClient({ url, key, trust: { fingerprint } });
    const before = running(router);
    const ops = [
      ...before.filter((one) => !members.includes(one)).map((one) => addressOp("delete", 4, "BAD_GUYS", one)),
      ...members.filter((one) => !before.includes(one)).map((one) => addressOp("set", 4, "BAD_GUYS", one)),
    ];
    expect((await client.configure(ops)).kind).toBe("done");
    client.close();
  };

  test("when somebody took a ban out by hand: at the next reconciliation, which leaves what people put there", async () => {
    const responder = await start({}, { LOGWARDEN_RECONCILE_MS: "1000" });
    for (const from of ["10.0.0.1", "10.0.0.2"]) await rig.put(tube(1), failed(from));
    await rig.empty(tube(1));
    await restore(0, ["10.0.0.2", "10.9.9.9"]);
    await until("mended", () => running().length === 3);
    expect(await responder.said("drift.found")).toMatchObject({ missing: 1, foreign: 1 });
    await until("saved", () => saved().length === 3);
    await order({ type: "unban", address: "10.0.0.1" });
    await until("lifted", () => running().length === 2);
    expect(running().sort()).toEqual(["10.0.0.2", "10.9.9.9"]);
  });

  test("by command, at once", async () => {
    await start();
    await rig.put(tube(1), failed("10.0.0.1"));
    await until("banned", () => saved().length === 1);
    await rig.empty(tube(1));
    await restore(0, []);
    await rig.put(tube(1), { host: "10.10.10.201", type: "reconcile", id: `r-${++id}` });
    await rig.empty(tube(1));
    expect(saved()).toEqual(["10.0.0.1"]);
  });

  test("when it runs an old backup: what ended since is taken out, what began since is put in", async () => {
    await start({}, { LOGWARDEN_RECONCILE_MS: "1000" });
    await rig.put(tube(1), failed("10.0.0.1"));
    await until("banned", () => saved().length === 1);
    await order({ type: "unban", address: "10.0.0.1" });
    await until("lifted", () => saved().length === 0);
    await rig.put(tube(1), failed("10.0.0.2"));
    await until("the next is banned", () => saved().length === 1);
    await rig.empty(tube(1));
    await restore(0, ["10.0.0.1"]);
    await until("right again", () => running().join() === "10.0.0.2");
  });

  test("when it runs an old backup that lacks nothing: as soon as somebody says so", async () => {
    await start({}, { LOGWARDEN_RECONCILE_MS: "1000" });
    await rig.put(tube(1), failed("10.0.0.1"));
    await until("banned", () => saved().length === 1);
    await order({ type: "unban", address: "10.0.0.1" });
    await until("lifted", () => saved().length === 0);
    await rig.empty(tube(1));
    await restore(0, ["10.0.0.1", "10.9.9.9"]);
    const reconcile = { host: "10.10.10.201", type: "reconcile" };
    // It might be somebody's own: a reconciliation leaves it.
    await rig.put(tube(1), { ...reconcile, id: `r-${++id}` });
    await rig.empty(tube(1));
    expect(running()).toHaveLength(2);
    await rig.put(tube(1), { ...reconcile, id: `r-${++id}`, restored: true });
    await until("right again", () => running().join() === "10.9.9.9");
  });

  test("with one read and no request where nothing is wrong, however many bans there are; a stop asks nothing of it", async () => {
    const responder = await start();
    for (let n = 1; n <= 200; n++) await rig.put(tube(1), failed(`10.0.1.${n}`));
    await rig.empty(tube(1));
    expect(saved()).toHaveLength(200);
    const before = rig.routers[0]?.requests.length ?? 0;
    responder.program.signal("SIGTERM");
    expect(await responder.program.ended).toEqual({ code: 0, signal: null });
    expect(rig.routers[0]?.requests).toHaveLength(before);
    await rig.startResponder();
    await until("it is read", async () => {
      const asked = requestsOf(rig.routers[0] as never).slice(before);
      return asked.filter((one) => one.includes("returnValues")).length === 2;
    });
    await rig.put(tube(1), failed("10.0.2.1"));
    await rig.empty(tube(1));
    const writes = requestsOf(rig.routers[0] as never)
      .slice(before)
      .filter((one) => one.startsWith("/configure"));
    expect(writes).toHaveLength(1);
  });
});

test("a group that is full holds the bans that last longest, and says so", async () => {
  const responder = await start({ inventory: { groupMax: 2 } });
  for (const [address, seconds] of [
    ["10.0.0.1", 1000],
    ["10.0.0.2", 5000],
    ["10.0.0.3", 9000],
  ] as const) {
    await order({ type: "ban", address, for: seconds });
    await rig.empty("logwarden.intake");
    await rig.empty(tube(1));
  }
  await responder.said("group.full");
  await until("the shortest is out", () => saved().sort().join() === "10.0.0.2,10.0.0.3");
  await until("shown as such", async () => (await rig.ledger.placementsOf("10.0.0.1"))[0]?.error === "group-full");
  await order({ type: "unban", address: "10.0.0.3" });
  await until("there is room again", () => saved().sort().join() === "10.0.0.1,10.0.0.2");
});

test("a ban that is not on the router is shown as such, with the reason", async () => {
  await start();
  await hasRead(rig.routers[0]);
  rig.routers[0]?.inject({ kind: "commit-fails", subtree: "firewall", text: "no room" });
  await rig.put(tube(1), failed("10.0.0.1"));
  await until("it is written down", async () => {
    const [placement] = await rig.ledger.placementsOf("10.0.0.1");
    return placement?.error === "device-refuses-commits" && placement.errorDetail?.includes("no room") === true;
  });
  rig.routers[0]?.clearFaults();
  await until("done", () => saved().length === 1);
  await until("shown as done", async () => (await rig.ledger.placementsOf("10.0.0.1"))[0]?.error === null);
});
