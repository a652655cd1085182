// Policies on real parts: what is counted, banned, spread, pardoned; told by the router, the ledger and the log.

import { afterEach, describe, expect, test } from "@jest/globals";
import { ban, type Rig, type RigOptions, startRig, tube, until } from "./rig.ts";

let rig: Rig;
afterEach(() => rig.close());

let id = 0;
const failed = (from: string, more: object = {}, device = 1) => ({ ...ban(from, device), id: `p-${++id}`, ...more });
const members = (router = 0): string[] => rig.routers[router]?.savedMembers("BAD_GUYS") ?? [];
const policies = { password_failed: { maxRetry: 3, findTime: "10m", banTime: "1h", targets: ["all"] } };

async function start(options: RigOptions = {}, env: Record<string, string> = {}) {
  rig = await startRig({ inventory: { policies }, ...options });
  return rig.startResponder(env);
}

describe("a policy that waits for three", () => {
  test("bans at the third, on every router, and not before", async () => {
    const responder = await start({ routers: ["1.4", "1.4"] });
    for (let n = 0; n < 2; n++) await rig.put(tube(1), failed("10.0.0.1"));
    await rig.empty(tube(1));
    expect(await rig.ledger.countBanned(Date.now())).toBe(0);
    await rig.put(tube(2), failed("10.0.0.1", {}, 2));
    await until("both routers have it", () => members(0).length === 1 && members(1).length === 1);
    expect(await responder.said("ban.started")).toMatchObject({
      address: "10.0.0.1",
      reason: "3 password_failed in 10m",
    });
    await rig.empty(tube(1));
    await rig.empty(tube(2));
    const [placed] = await rig.ledger.placementsOf("10.0.0.1");
    expect(placed).toMatchObject({ router: "edge-1", error: null, verifiedAtMs: expect.any(Number) });
  });

  test("counts a task once, however often it is delivered", async () => {
    await start();
    const same = failed("10.0.0.1");
    for (let n = 0; n < 5; n++) await rig.put(tube(1), same);
    await rig.empty(tube(1));
    expect(await rig.ledger.sightings({ subject: "10.0.0.1" })).toHaveLength(1);
    expect(members()).toEqual([]);
  });

  test("counts IPv6 attackers by their /64, and bans all of it", async () => {
    await start();
    for (const last of ["1", "2:3", "ffff"]) await rig.put(tube(1), failed(`2001:db8:0:7::${last}`));
    await until("the network is banned", () => rig.routers[0]?.savedMembers("BAD_GUYS", 6).length === 1);
    expect(rig.routers[0]?.savedMembers("BAD_GUYS", 6)).toEqual(["2001:db8:0:7::-2001:db8:0:7:ffff:ffff:ffff:ffff"]);
  });

  test("bans an IPv6 address alone where somebody of its network is never banned", async () => {
    await start({ inventory: { policies, allow: ["2001:db8:0:7::5"] } });
    for (let n = 0; n < 3; n++) await rig.put(tube(1), failed("2001:db8:0:7::9"));
    for (let n = 0; n < 3; n++) await rig.put(tube(1), failed("2001:db8:0:7::5"));
    await until("the address is banned", () => rig.routers[0]?.savedMembers("BAD_GUYS", 6).length === 1);
    await rig.empty(tube(1));
    expect(rig.routers[0]?.savedMembers("BAD_GUYS", 6)).toEqual(["2001:db8:0:7::9"]);
  });

  test("counts exactly when two responders decide at once", async () => {
    rig = await startRig({
      routers: ["1.4", "1.4"],
      inventory: { policies: { ...policies, password_failed: { ...policies.password_failed, maxRetry: 40 } } },
    });
    await rig.startResponder();
    await rig.startResponder();
    await until(
      "each has a router",
      async () => new Set((await rig.ledger.leases()).map(({ owner }) => owner)).size === 2,
    );
    await Promise.all(
      Array.from({ length: 39 }, (_, n) => rig.put(tube(1 + (n % 2)), failed("10.0.0.1", {}, 1 + (n % 2)))),
    );
    await rig.empty(tube(1));
    await rig.empty(tube(2));
    expect(await rig.ledger.countBanned(Date.now())).toBe(0);
    await rig.put(tube(1), failed("10.0.0.1"));
    await until("the fortieth bans", () => members(0).length === 1 && members(1).length === 1);
  });
});

test("a login that works takes back the failed ones of its user, and of nobody else", async () => {
  await start({ inventory: { policies: { password_failed: { ...policies.password_failed, forgetOnSuccess: true } } } });
  const jo = { user: "jo" };
  for (let n = 0; n < 2; n++) await rig.put(tube(1), failed("10.0.0.1", jo));
  for (let n = 0; n < 2; n++) await rig.put(tube(1), failed("10.0.0.2", { user: "root" }));
  await rig.put(tube(1), failed("10.0.0.1", { type: "login_succeeded", ...jo }));
  // He has an account of his own, and tries that of root: it does not help him.
  await rig.put(tube(1), failed("10.0.0.2", { type: "login_succeeded", ...jo }));
  await rig.put(tube(1), failed("10.0.0.1", jo));
  await rig.put(tube(1), failed("10.0.0.2", { user: "root" }));
  await until("the one is banned", () => members().length > 0);
  await rig.empty(tube(1));
  expect(members()).toEqual(["10.0.0.2"]);
});

test("a dry run decides, writes down and touches no router", async () => {
  const responder = await start({}, { LOGWARDEN_DRY_RUN: "yes" });
  for (let n = 0; n < 3; n++) await rig.put(tube(1), failed("10.0.0.1"));
  await rig.empty(tube(1));
  expect(await responder.said("ban.started")).toMatchObject({ dryRun: true });
  expect(await rig.ledger.bans({})).toMatchObject([{ subject: "10.0.0.1", dryRun: true }]);
  expect(rig.routers[0]?.requests).toEqual([]);
});

describe("a person", () => {
  const order = (task: object) =>
    rig.put("logwarden.intake", { id: `o-${++id}`, at: new Date().toISOString(), by: "jo", ...task });

  test("bans on every router, for so long, and unbans everywhere; then nothing counts for a while", async () => {
    await start({ routers: ["1.4", "1.4"] });
    await order({ type: "ban", address: "10.0.0.1", for: "2h", reason: "scans" });
    await until("both have it", () => members(0).length === 1 && members(1).length === 1);
    const [made] = await rig.ledger.bans({});
    expect(made).toMatchObject({ by: "jo", reason: "scans", origin: "person", targets: ["all"] });
    expect((made?.endsAtMs ?? 0) - (made?.startedAtMs ?? 0)).toBe(7_200_000);

    await order({ type: "unban", address: "10.0.0.1" });
    await until("neither has it", () => members(0).length === 0 && members(1).length === 0);
    for (let n = 0; n < 3; n++) await rig.put(tube(1), failed("10.0.0.1", { at: new Date().toISOString() }));
    await rig.empty(tube(1));
    expect(await rig.ledger.countBanned(Date.now())).toBe(0);
    const trail = await rig.ledger.auditTrail({ subject: "10.0.0.1" });
    expect(trail.map(({ action, actor }) => `${actor} ${action}`)).toEqual(
      expect.arrayContaining(["jo ban", "jo unban"]),
    );
  });

  test("bans on one router, or on those with a tag", async () => {
    await start({ routers: ["1.4", "1.4"] });
    await order({ type: "ban", address: "10.0.0.1", targets: ["device:edge-2"] });
    await order({ type: "ban", address: "10.0.0.2", host: "10.10.10.201" });
    await until("each has its own", () => members(0).length === 1 && members(1).length === 1);
    expect([members(0), members(1)]).toEqual([["10.0.0.2"], ["10.0.0.1"]]);
  });

  test("cannot ban who is never banned, nor a network with one of them in it, and it is written down who tried", async () => {
    const responder = await start();
    await order({ type: "ban", address: "192.0.2.9" });
    await order({ type: "ban", address: "192.0.0.0/16" });
    await order({ type: "ban", address: "10.0.0.1" });
    await until("the good one is done", () => members().length === 1);
    expect(members()).toEqual(["10.0.0.1"]);
    await responder.said(
      "plan.empty",
      ({ reason, detail }) => reason === "never-ban" && String(detail).includes("192.0.0.0/16"),
    );
    expect(await rig.ledger.auditTrail({ action: "refuse" })).toMatchObject([{ actor: "jo" }, { actor: "jo" }]);
  });

  test("lifts by an IPv6 address the network that it is banned with", async () => {
    await start();
    for (let n = 0; n < 3; n++) await rig.put(tube(1), failed("2001:db8:0:7::9"));
    const six = (): number | undefined => rig.routers[0]?.savedMembers("BAD_GUYS", 6).length;
    await until("it is banned", () => six() === 1);
    await order({ type: "unban", address: "2001:db8:0:7::1234" });
    await until("it is lifted", () => six() === 0);
  });

  test("gives an order that is delivered twice: the second ends nothing that was banned since", async () => {
    await start();
    await order({ type: "ban", address: "10.0.0.1" });
    await until("banned", () => members().length === 1);
    const unban = { type: "unban", address: "10.0.0.1", id: "the-unban" };
    await order(unban);
    await until("lifted", () => members().length === 0);
    await order({ type: "ban", address: "10.0.0.1" });
    await until("banned again", () => members().length === 1);
    await order(unban);
    await rig.empty("logwarden.intake");
    await rig.empty(tube(1));
    expect(members()).toEqual(["10.0.0.1"]);
  });
});

test("a fail2ban host's ban is followed where a policy says so, and so is its unban", async () => {
  await start({ inventory: { policies: { peer_ban: { maxRetry: 1, banTime: "1d", targets: ["all"] } } } });
  const peer = (action: string) => failed("10.0.0.1", { type: "peer_ban", action, reason: "sshd" });
  await rig.put(tube(1), peer("ban"));
  await until("banned", () => members().length === 1);
  await rig.put(tube(1), peer("unban"));
  await until("lifted", () => members().length === 0);
});

test("a fail2ban host's unban waits until it is saved, although the ban is over when it comes again", async () => {
  const all = { peer_ban: { maxRetry: 1, banTime: "1d", targets: ["all"] } };
  const responder = await start({ inventory: { policies: all }, routers: ["1.4", "1.4"] });
  const peer = (action: string) => failed("10.0.0.1", { type: "peer_ban", action, reason: "sshd" });
  await rig.put(tube(1), peer("ban"));
  await until("banned", () => members(0).length === 1 && members(1).length === 1);
  rig.routers[0]?.inject({ kind: "save-unwritable", times: 2 });
  const unban = peer("unban");
  await rig.put(tube(1), unban);
  const settled = (verb: string) =>
    responder.said("task.settled", (line) => line["taskId"] === unban.id && line["verb"] === verb);
  expect(await settled("release")).toMatchObject({ reason: "save-failed" });
  // Whether this task saves it at last, or the router's own next pass and the task finds nothing left to do, is a matter of who is first.
  expect(["done", "not-banned"]).toContain((await settled("delete"))["reason"]);
  expect(members(0)).toEqual([]);
  await until("lifted on the other as well", () => members(1).length === 0);
});

test("a host that is in no inventory, and may send, has its attackers banned where the policy says", async () => {
  await start({ inventory: { policies, unknownDevices: "accept" } });
  for (let n = 0; n < 3; n++) await rig.put("logwarden.intake", { ...failed("10.0.0.1"), host: "10.99.99.99" });
  await until("banned", () => members().length === 1);
  expect(await rig.ledger.sightings({ subject: "10.0.0.1" })).toMatchObject([{}, {}, { device: "10.99.99.99" }]);
});
