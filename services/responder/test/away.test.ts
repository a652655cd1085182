// Routers that are not there, or not who they should be: their tasks wait, and nobody else's do.

import { rmSync, writeFileSync } from "node:fs";
import { afterEach, describe, expect, test } from "@jest/globals";
import { startRouter } from "@logwarden/vyos-sim";
import { ban, hasRead, type Rig, requestsOf, startRig, tube, until } from "./rig.ts";

let rig: Rig;
afterEach(() => rig.close());

const saved = (index: number): string[] => rig.routers[index]?.savedMembers("BAD_GUYS") ?? [];

test("one router is dead: the other's tasks pass it, and when it returns its own are applied", async () => {
  rig = await startRig({ routers: ["1.4", "1.4"] });
  await rig.routers[0]?.close();
  // The dead router's tasks were first, and there are more of them than one batch takes.
  for (let n = 1; n <= 30; n++) await rig.put(tube(1), ban(`10.0.1.${n}`));
  for (let n = 1; n <= 30; n++) await rig.put(tube(2), ban(`10.0.2.${n}`, 2));
  const responder = await rig.startResponder({ LOGWARDEN_BATCH_TASKS_MAX: "10" });
  await rig.empty(tube(2));
  expect(saved(1)).toHaveLength(30);
  const held = await responder.said("device.held");
  expect(held).toMatchObject({ device: "edge-1", reason: "device-unreachable" });
  expect(await rig.stats(tube(1))).toMatchObject({ currentJobsReady: 30, currentJobsBuried: 0 });
  // A responder that knew it before it had a connection to the queue pauses the tube after its first probe.
  await until("its tube is paused", async () => (await rig.stats(tube(1))).pause > 0);

  await rig.restartRouter(0);
  await responder.said("device.resumed");
  await rig.empty(tube(1));
  expect(saved(0)).toHaveLength(30);
});

test("one router hangs: the other's tasks are done while it does", async () => {
  rig = await startRig({ routers: ["1.4", "1.4"] });
  rig.routers[0]?.inject({ kind: "hang" });
  await rig.put(tube(1), ban("10.0.1.1"));
  await rig.startResponder();
  await until("the router that hangs has been asked", () => rig.routers[0]?.requests.length === 1);
  for (let n = 1; n <= 20; n++) await rig.put(tube(2), ban(`10.0.2.${n}`, 2));
  await rig.empty(tube(2));
  expect(saved(1)).toHaveLength(20);
  expect(rig.routers[0]?.requests).toHaveLength(1);
});

describe("nothing is lost and nothing is buried while", () => {
  test("the key is wrong; when its file is mended the tasks go on, without a restart", async () => {
    rig = await startRig();
    writeFileSync(rig.keyFile(0), "wrong\n");
    await rig.put(tube(1), ban("10.0.0.1"));
    const responder = await rig.startResponder();
    expect(await responder.said("device.held")).toMatchObject({ reason: "device-refused-key" });
    expect(JSON.stringify(responder.log)).not.toContain("wrong");
    writeFileSync(rig.keyFile(0), "key-of-edge-1\n");
    await rig.empty(tube(1));
    expect(saved(0)).toEqual(["10.0.0.1"]);
  });

  test("the key's file is gone, as for a moment when a key is rotated", async () => {
    rig = await startRig();
    const responder = await rig.startResponder();
    await hasRead(rig.routers[0]);
    await rig.routers[0]?.close();
    await rig.put(tube(1), ban("10.0.0.1"));
    await responder.said("device.held", ({ reason }) => reason === "device-unreachable");
    rmSync(rig.keyFile(0));
    await rig.restartRouter(0);
    await responder.said("device.held", ({ reason }) => reason === "device-key-unreadable");
    writeFileSync(rig.keyFile(0), "key-of-edge-1\n");
    await rig.empty(tube(1));
    expect(saved(0)).toEqual(["10.0.0.1"]);
  });

  test("the certificate is another one: not a byte of a request is sent to whoever has it", async () => {
    rig = await startRig();
    await rig.put(tube(1), ban("10.0.0.1"));
    await rig.routers[0]?.close();
    const { hostname, port } = new URL(rig.routers[0]?.url ?? "");
    const impostor = await startRouter({ key: "key-of-edge-1", host: hostname, port: Number(port) });
    const responder = await rig.startResponder();
    expect(await responder.said("device.held")).toMatchObject({ reason: "device-certificate" });
    expect(impostor.requests).toEqual([]);
    await impostor.close();
    await rig.restartRouter(0);
    await rig.empty(tube(1));
    expect(saved(0)).toEqual(["10.0.0.1"]);
  });

  test.each([["1.3"], ["1.4"]] as const)("the API of %s is switched off", async (release) => {
    rig = await startRig({ routers: [release] });
    rig.routers[0]?.inject({ kind: "api-off" });
    await rig.put(tube(1), ban("10.0.0.1"));
    const responder = await rig.startResponder();
    expect(await responder.said("device.held")).toMatchObject({ reason: "device-api-off" });
    rig.routers[0]?.clearFaults();
    await rig.empty(tube(1));
    expect(saved(0)).toEqual(["10.0.0.1"]);
  });
});

test("a responder that stops while a router is away leaves no pause behind", async () => {
  rig = await startRig();
  await rig.routers[0]?.close();
  await rig.put(tube(1), ban("10.0.0.1"));
  const responder = await rig.startResponder();
  await responder.said("device.held");
  responder.program.signal("SIGTERM");
  expect(await responder.program.ended).toEqual({ code: 0, signal: null });
  expect(await rig.stats(tube(1))).toMatchObject({ pause: 0, currentJobsReady: 1 });
});

test("the API that hangs after taking its lock is given up on, read, and used again when it is back", async () => {
  rig = await startRig();
  const responder = await rig.startResponder({ LOGWARDEN_CONFIGURE_TIMEOUT_MS: "300" });
  await hasRead(rig.routers[0]);
  rig.routers[0]?.inject({ kind: "hang-after-lock" });
  await rig.put(tube(1), ban("10.0.0.1"));
  await responder.said("task.settled", ({ reason }) => reason === "change-unknown");
  rig.routers[0]?.clearFaults();
  await rig.empty(tube(1));
  expect(saved(0)).toEqual(["10.0.0.1"]);
  expect(requestsOf(rig.routers[0] as never).at(-1)).toContain("/retrieve returnValues");
});
