// kill -9 at the two places where something could be lost or done by half: the router holds the next request, so that the
// responder is certainly between the two steps when it dies.

import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { ban, linkDown, type Rig, startRig, tube, until } from "./rig.ts";

let rig: Rig;
beforeEach(async () => {
  rig = await startRig();
});
afterEach(() => rig.close());

const tasks = [
  ["a ban", ban("10.0.0.1"), () => rig.routers[0]?.savedMembers("BAD_GUYS").includes("10.0.0.1") === true],
  ["a disabled interface", linkDown("eth1"), () => rig.routers[0]?.savedDisabled("eth1") === true],
] as const;

const isHeld = async (): Promise<boolean> => (await rig.stats(tube(1))).currentJobsReserved === 1;

test.each(tasks)(
  "%s: killed between configure and save, the task is done by the next responder",
  async (_, task, isSaved) => {
    const router = rig.routers[0];
    router?.inject({ kind: "hang", endpoint: "/config-file" });
    await rig.put(tube(1), task);
    const first = await rig.startResponder();
    await until(
      "the save has been asked for",
      () => router?.requests.some(({ endpoint }) => endpoint === "/config-file") === true,
    );
    expect(await isHeld()).toBe(true);
    await first.program.kill();
    // Applied, not saved, and the task is back.
    expect(isSaved()).toBe(false);
    await until("the job is ready again", async () => (await rig.stats(tube(1))).currentJobsReady === 1);
    router?.clearFaults();
    await rig.startResponder();
    await rig.empty(tube(1));
    expect(isSaved()).toBe(true);
  },
);

test.each(tasks)(
  "%s: killed between save and delete, the next responder finds it right and ends it",
  async (_, task, isSaved) => {
    const router = rig.routers[0];
    const stopListening = router?.onRequest(({ endpoint }) => {
      if (endpoint === "/config-file") router.inject({ kind: "hang", endpoint: "/retrieve" });
    });
    await rig.put(tube(1), task);
    const first = await rig.startResponder();
    await until("it is saved", isSaved);
    await until("the router is being read back", () => router?.requests.at(-1)?.endpoint === "/retrieve");
    expect(await isHeld()).toBe(true);
    await first.program.kill();
    stopListening?.();
    router?.clearFaults();
    await rig.startResponder();
    await rig.empty(tube(1));
    expect(isSaved()).toBe(true);
  },
);

test("the queue node is killed while a commit runs: the responder forgets the job, gets it again, and the router is right", async () => {
  const router = rig.routers[0];
  router?.inject({ kind: "slow", ms: 1000, times: 1, endpoint: "/configure" });
  await rig.put(tube(1), ban("10.0.0.1"));
  const responder = await rig.startResponder();
  await until("the commit runs", () => router?.requests.some(({ endpoint }) => endpoint === "/configure") === true);
  const [queue] = rig.queues;
  if (queue === undefined) throw new Error("a rig has a queue");
  await queue.program.kill();
  const { startBeanstalkd } = await import("@logwarden/lab/parts/beanstalkd");
  rig.queues[0] = await startBeanstalkd({
    host: queue.host,
    port: queue.port,
    binlogDirectory: `${rig.directory}/queue-1`,
  });
  await responder.said("task.lost");
  await rig.empty(tube(1));
  expect(router?.savedMembers("BAD_GUYS")).toEqual(["10.0.0.1"]);
  await rig.queues[0].program.kill();
});

test("the router dies between configure and save: after its reboot the change is applied again and saved", async () => {
  rig.routers[0]?.inject({ kind: "hang", endpoint: "/config-file" });
  await rig.put(tube(1), ban("10.0.0.1"));
  const responder = await rig.startResponder();
  await until("the save has been asked for", () => rig.routers[0]?.requests.at(-1)?.endpoint === "/config-file");
  const reborn = await rig.restartRouter(0);
  expect(reborn.members("BAD_GUYS")).toEqual([]);
  await responder.said("task.settled", ({ verb }) => verb === "release");
  await rig.empty(tube(1));
  expect(reborn.savedMembers("BAD_GUYS")).toEqual(["10.0.0.1"]);
});

test("SIGTERM while a commit runs: the batch in hand is finished, nothing new is begun, exit 0", async () => {
  const router = rig.routers[0];
  router?.inject({ kind: "slow", ms: 500, times: 1, endpoint: "/configure" });
  await rig.put(tube(1), ban("10.0.0.1"));
  const responder = await rig.startResponder();
  await until("the commit runs", () => router?.requests.some(({ endpoint }) => endpoint === "/configure") === true);
  responder.program.signal("SIGTERM");
  await responder.said("service.draining");
  await rig.put(tube(1), ban("10.0.0.2"));
  expect(await responder.program.ended).toEqual({ code: 0, signal: null });
  expect(router?.savedMembers("BAD_GUYS")).toEqual(["10.0.0.1"]);
  expect(await rig.stats(tube(1))).toMatchObject({ currentJobsReady: 1, currentJobsReserved: 0 });
});
