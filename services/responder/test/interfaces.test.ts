// Interfaces: what is disabled, what never is, and what an operator does is not undone.

import { createClient, disableOp, type Op } from "@logwarden/vyos";
import { afterEach, describe, expect, test } from "@jest/globals";
import { linkDown, requestsOf, type Rig, type RigOptions, startRig, tube, until } from "./rig.ts";
import { writer } from "@logwarden/ledger/test/writer";

let rig: Rig;
afterEach(() => rig.close());

let id = 0;
const fall = (name: string, more: object = {}) => ({
  ...linkDown(name),
  id: `i-${++id}`,
  at: new Date().toISOString(),
  ...more,
});
const isDown = (name = "eth1"): boolean => rig.routers[0]?.savedDisabled(name) === true;
const writes = (): string[] => requestsOf(rig.routers[0] as never).filter((one) => one.startsWith("/configure"));

async function start(options: RigOptions = {}) {
  rig = await startRig(options);
  return rig.startResponder();
}

async function byHand(...ops: Op[]): Promise<void> {
  const { url, key, fingerprint } = rig.access(0);
  const client = createClient({ url, key, trust: { fingerprint } });
  expect((await client.configure(ops)).kind).toBe("done");
  client.close();
}
const enableByHand = (name: string): Promise<void> => byHand(disableOp("delete", name) as Op);

test("a fallen interface is disabled once; the line that our own disable makes its daemons write changes nothing", async () => {
  const responder = await start();
  await rig.put(tube(1), fall("eth1"));
  await rig.empty(tube(1));
  expect(isDown()).toBe(true);
  await rig.put(tube(1), fall("eth1"));
  await rig.empty(tube(1));
  await responder.said("plan.empty", ({ reason }) => reason === "already-disabled");
  expect(writes()).toHaveLength(1);
  expect(await rig.ledger.interfacesOn("edge-1")).toMatchObject([{ name: "eth1", state: "disabled", by: "policy" }]);
});

test("what an operator enabled on the router stays enabled, although his doing so makes netplugd write a line", async () => {
  const responder = await start();
  await rig.put(tube(1), fall("eth1"));
  await rig.empty(tube(1));
  await enableByHand("eth1");
  // eth1: state DOWN flags … -> … UP: the original design takes it for a fall.
  await rig.put(tube(1), fall("eth1", { rule: "netplugd-state-down" }));
  await responder.said("plan.empty", ({ reason }) => reason === "re-enabled");
  await rig.put(tube(1), fall("eth1", { rule: "netplugd-state-down" }));
  await rig.empty(tube(1));
  expect(rig.routers[0]?.disabled("eth1")).toBe(false);
  expect(await rig.ledger.interfacesOn("edge-1")).toMatchObject([{ state: "enabled", by: "somebody" }]);
});

test("a real fall later on disables it again", async () => {
  await start();
  await rig.put(tube(1), fall("eth1"));
  await rig.empty(tube(1));
  await rig.put(tube(1), { ...fall("eth1"), type: "interface_enable", by: "jo" });
  await rig.empty(tube(1));
  expect(isDown()).toBe(false);
  // Written by the coming up: it is a few seconds after that.
  await rig.put(tube(1), fall("eth1"));
  await rig.empty(tube(1));
  expect(isDown()).toBe(false);
  const [state] = await rig.ledger.interfacesOn("edge-1");
  await (await writer(rig.ledger, "edge-1")).setInterface({ ...state!, changedAtMs: Date.now() - 60_000 });
  await rig.put(tube(1), fall("eth1"));
  await until("it is down again", () => isDown());
});

test("a person enables it by an order, and the ledger says who", async () => {
  await start();
  await rig.put(tube(1), fall("eth1"));
  await rig.empty(tube(1));
  await rig.put(tube(1), { ...fall("eth1"), type: "interface_enable", by: "jo", reason: "cable is back" });
  await rig.empty(tube(1));
  expect(isDown()).toBe(false);
  expect(await rig.ledger.interfacesOn("edge-1")).toMatchObject([
    { state: "enabled", by: "jo", reason: "cable is back" },
  ]);
  expect((await rig.ledger.auditTrail({ router: "edge-1", action: "enable" })).map(({ actor }) => actor)).toEqual([
    "jo",
  ]);
});

test("it comes up again by itself where the policy says so", async () => {
  await start({ inventory: { policies: { interface_down: { enableAfter: 2 } } } });
  await rig.put(tube(1), fall("eth1"));
  await until("it is down", () => isDown());
  await until("it is up again", () => !isDown());
  await until("the ledger says so", async () => (await rig.ledger.interfacesOn("edge-1"))[0]?.state === "enabled");
  expect((await rig.ledger.interfacesOn("edge-1"))[0]?.by).toBe("policy");
});

test("a policy may wait for the third fall", async () => {
  await start({ inventory: { policies: { interface_down: { maxRetry: 3 } } } });
  const same = fall("eth1");
  for (const task of [same, same, fall("eth1")]) await rig.put(tube(1), task);
  await rig.empty(tube(1));
  expect(writes()).toEqual([]);
  await rig.put(tube(1), fall("eth1"));
  await until("it is down", () => isDown());
});

describe("never disabled is", () => {
  test("what is protected", async () => {
    const responder = await start();
    await rig.put(tube(1), fall("eth0"));
    await responder.said("plan.empty", ({ reason }) => reason === "protected");
    expect(writes()).toEqual([]);
  });

  test.each([
    ["the interface that carries the API's address", "eth2", ["interfaces", "ethernet", "eth2", "address"], "eth2"],
    [
      "the interface below the VLAN that carries it",
      "eth2",
      ["interfaces", "ethernet", "eth2", "vif", "7", "address"],
      "eth2.7",
    ],
  ])("%s, where the router's configuration tells", async (_, name, path, carrier) => {
    const responder = await start();
    await byHand(
      { op: "set", path: [...path, "127.9.9.9/8"] },
      { op: "set", path: [...path, `${new URL(rig.access(0).url).hostname}/8`] },
    );
    const before = writes().length;
    await rig.put(tube(1), fall(name));
    const { detail } = await responder.said("plan.empty", ({ reason }) => reason === "carries-api");
    expect(detail).toContain(carrier);
    await rig.put(tube(1), fall("eth1"));
    await until("another one is", () => isDown());
    expect(writes()).toHaveLength(before + 1);
  });
});
