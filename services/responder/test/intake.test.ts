import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { buriedBecause } from "@logwarden/shared/failure";
import { ban, linkDown, type Rig, startRig, statsOrNothing, tube, until } from "./rig.ts";

let rig: Rig;
beforeEach(async () => {
  rig = await startRig({ inventory: { devices: { "web-1": { address: "10.10.10.50" } } } });
});
afterEach(() => rig.close());

async function buriedIn(name: string): Promise<{ body: string; reason: string | undefined }> {
  const connection = await rig.connection();
  // A tube that nobody has used or watched yet does not exist.
  await until(
    `something is buried in ${name}`,
    async () => (await statsOrNothing(connection, name))?.currentJobsBuried === 1,
  );
  const job = await connection.peekBuried(name);
  if (job === undefined) throw new Error("a buried job can be peeked");
  const { pri } = await connection.statsJob(job.id);
  return { body: job.body.toString("latin1"), reason: buriedBecause(pri) };
}

describe.each([["default"], ["logwarden.intake"]])("tasks of the original form in the tube %s", (name) => {
  test("are applied to the device that they name", async () => {
    await rig.startResponder();
    await rig.put(name, '{"host":"10.10.10.201","type":"password_failed","from":"10.10.10.132"}');
    await rig.put(name, linkDown("eth1"));
    await until("both are saved", () => {
      const [router] = rig.routers;
      return router?.savedMembers("BAD_GUYS").includes("10.10.10.132") === true && router.savedDisabled("eth1");
    });
    await rig.empty(name);
    await rig.empty(tube(1));
  });

  test("without a known device are buried with that reason", async () => {
    await rig.startResponder();
    const task = { ...ban("10.0.0.1"), host: "10.99.99.99" };
    await rig.put(name, task);
    expect(await buriedIn(name)).toEqual({ body: JSON.stringify(task), reason: "task-device-unknown" });
  });
});

describe("a task that cannot be read is buried with its reason, wherever it was put, and its neighbours are done:", () => {
  test.each([
    ["no JSON", "hello", "task-not-json"],
    ["bytes that are no text", Buffer.from([0x00, 0xff, 0xfe]), "task-not-json"],
    ["an empty body", "", "task-not-json"],
    ["an unknown type", { host: "10.10.10.201", type: "teleport" }, "task-type-unknown"],
    ["an address that is none", ban("10.0.0.999"), "task-address-invalid"],
    ["a field that is missing", { host: "10.10.10.201", type: "interface_down" }, "task-malformed"],
  ])("%s", async (_, body, reason) => {
    const responder = await rig.startResponder();
    for (const name of ["default", tube(1)]) {
      await rig.put(name, body);
      expect((await buriedIn(name)).reason).toBe(reason);
    }
    await rig.put(tube(1), ban("10.0.0.1"));
    await until("its neighbour is saved", () => rig.routers[0]?.savedMembers("BAD_GUYS").length === 1);
    const settled = (): unknown[] => responder.log.filter(({ verb }) => verb === "bury");
    await until("both are in the log", () => settled().length === 2);
    expect(settled()).toEqual([expect.objectContaining({ reason }), expect.objectContaining({ reason })]);
  });
});

test("a host that only sends logs has nothing to change: what is asked of it alone is counted as no router's", async () => {
  const responder = await rig.startResponder();
  await rig.put("default", { ...ban("10.0.0.1"), host: "10.10.10.50" });
  await responder.said("plan.empty", ({ device, reason }) => device === "web-1" && reason === "no-router");
  await rig.put("default", { ...linkDown("eth1"), host: "10.10.10.50" });
  expect((await buriedIn("logwarden.device.web-1")).reason).toBe("device-without-api");
});

test("a task that comes twice makes one member, and both jobs end", async () => {
  const task = { ...ban("10.0.0.1"), id: "one" };
  for (let n = 0; n < 3; n++) await rig.put("default", task);
  await rig.startResponder();
  await rig.empty("default");
  await rig.empty(tube(1));
  expect(rig.routers[0]?.savedMembers("BAD_GUYS")).toEqual(["10.0.0.1"]);
});

test("a stop while no node takes the task leaves it where it was: it is not the task that is wrong", async () => {
  await rig.put("default", ban("10.0.0.1"));
  // A node that drains gives out jobs and takes none.
  rig.queues[0]?.program.signal("SIGUSR1");
  const responder = await rig.startResponder({ LOGWARDEN_DRAIN_DEADLINE_MS: "200" });
  await until("it is being forwarded", async () => (await rig.stats("default")).currentJobsReserved === 1);
  await responder.said("queue.refusing");
  responder.program.signal("SIGTERM");
  expect(await responder.program.ended).toEqual({ code: 1, signal: null });
  expect(await rig.stats("default")).toMatchObject({ currentJobsReady: 1, currentJobsBuried: 0 });
});
