import { afterEach, describe, expect, test } from "@jest/globals";
import { ban, hasRead, linkDown, requestsOf, type Rig, type RigOptions, startRig, tube, until } from "./rig.ts";

let rig: Rig;
afterEach(() => rig.close());

async function start(options: RigOptions = {}): Promise<Rig> {
  rig = await startRig(options);
  return rig;
}

const configures = (index = 0): string[] =>
  requestsOf(rig.routers[index] as never).filter((request) => request.startsWith("/configure"));

describe("what is ready for one device", () => {
  test("becomes one request, each address once; then a save; only then are the jobs gone", async () => {
    const { put, startResponder, routers, stats, empty } = await start();
    for (const from of ["10.0.0.1", "10.0.0.2", "10.0.0.1", "2001:DB8::1", "2001:db8:0::1"])
      await put(tube(1), ban(from));
    // What the queue holds at the moment each request reaches the router.
    const heldAt: Record<string, Promise<number>> = {};
    routers[0]?.onRequest(({ endpoint }) => {
      heldAt[endpoint] ??= stats(tube(1)).then(({ currentJobsReserved }) => currentJobsReserved);
    });
    await startResponder();
    await empty(tube(1));
    const group = "set firewall group";
    const network = "2001:db8::-2001:db8::ffff:ffff:ffff:ffff";
    expect(configures()).toEqual([
      `/configure ${group} address-group BAD_GUYS address 10.0.0.1, ${group} address-group BAD_GUYS address 10.0.0.2, ${group} ipv6-address-group BAD_GUYS address ${network}`,
    ]);
    const writes = requestsOf(routers[0] as never).filter((request) => !request.startsWith("/retrieve"));
    expect(writes[1]).toBe("/config-file save");
    expect(await heldAt["/configure"]).toBe(5);
    expect(await heldAt["/config-file"]).toBe(5);
    expect(routers[0]?.savedMembers("BAD_GUYS")).toEqual(["10.0.0.1", "10.0.0.2"]);
    expect(routers[0]?.savedMembers("BAD_GUYS", 6)).toEqual([network]);
  });

  test("is split where a commit would grow too long, and each interface has a request of its own", async () => {
    const { put, startResponder, routers, empty } = await start();
    for (const from of ["10.0.0.1", "10.0.0.2", "10.0.0.3"]) await put(tube(1), ban(from));
    for (const name of ["eth1", "eth2", "eth1"]) await put(tube(1), linkDown(name));
    await startResponder({ LOGWARDEN_OPS_PER_REQUEST_MAX: "2" });
    await empty(tube(1));
    expect(configures().map((request) => request.split(", ").length)).toEqual([2, 1, 1, 1]);
    expect(configures().slice(1, 3)).toEqual([
      "/configure set interfaces ethernet eth1 disable",
      "/configure set interfaces ethernet eth2 disable",
    ]);
    // What goes together is saved together: the first commit and the interfaces, then the rest.
    expect(requestsOf(routers[0] as never).filter((request) => request.startsWith("/config-file"))).toHaveLength(2);
    expect(routers[0]?.savedDisabled("eth1")).toBe(true);
  });

  test("on several queue nodes is all seen, and one node that is away holds up nothing of the others", async () => {
    const { put, startResponder, routers, empty, queues } = await start({ queues: 2 });
    await put(tube(1), ban("10.0.0.1"), 0);
    queues[1]?.program.signal("SIGSTOP");
    await startResponder();
    await until("the task of queue-1 is done", () => routers[0]?.savedMembers("BAD_GUYS").length === 1);
    queues[1]?.program.signal("SIGCONT");
    await put(tube(1), ban("10.0.0.2"), 1);
    await empty(tube(1));
    expect(routers[0]?.savedMembers("BAD_GUYS")).toEqual(["10.0.0.1", "10.0.0.2"]);
  });
});

describe("nobody who must never be banned is in a request:", () => {
  test.each([
    ["an address of the allow list", ban("192.0.2.77")],
    ["the same in another spelling", ban("::ffff:192.0.2.77")],
    ["a device's own address", ban("10.10.10.201")],
    ["loopback", ban("127.0.0.1")],
    ["a protected interface", linkDown("eth0")],
  ])("%s", async (_, task) => {
    const { put, startResponder, empty } = await start();
    await put(tube(1), task);
    await put(tube(1), ban("10.0.0.1"));
    const responder = await startResponder();
    await empty(tube(1));
    expect(configures()).toEqual(["/configure set firewall group address-group BAD_GUYS address 10.0.0.1"]);
    // The log reaches us in its order: before a task is settled, all that its plan left out has been said.
    await responder.said("task.settled", ({ reason }) => reason === "done");
    expect(responder.log.filter(({ event }) => event === "plan.empty")).toHaveLength(1);
  });
});

describe("one bad change never holds back the good ones:", () => {
  test("what VyOS fails to commit is buried, its neighbours are applied", async () => {
    const { put, startResponder, routers, stats } = await start();
    for (let n = 1; n <= 8; n++) await put(tube(1), ban(`10.0.0.${n}`));
    routers[0]?.inject({ kind: "commit-fails", subtree: "firewall", value: "10.0.0.3" });
    const responder = await startResponder();
    await responder.said("task.settled", ({ verb }) => verb === "bury");
    await until("the others are saved", () => routers[0]?.savedMembers("BAD_GUYS").length === 7);
    await until("their jobs are gone", async () => (await stats(tube(1))).currentJobsReserved === 0);
    expect(routers[0]?.members("BAD_GUYS")).not.toContain("10.0.0.3");
    expect(await stats(tube(1))).toMatchObject({ currentJobsBuried: 1, currentJobsReady: 0, currentJobsDelayed: 0 });
    expect(responder.log.find(({ verb }) => verb === "bury")).toMatchObject({ reason: "change-failed-commit" });
  });

  test("an interface that is not configured is not created, and does not stop the others", async () => {
    const { put, startResponder, routers, stats } = await start();
    for (const name of ["eth9", "lo", "eth1; reboot", "eth1"]) await put(tube(1), linkDown(name));
    const responder = await startResponder();
    await until("eth1 is saved as disabled", () => routers[0]?.savedDisabled("eth1") === true);
    await until("three are buried", async () => (await stats(tube(1))).currentJobsBuried === 3);
    expect(configures()).toEqual(["/configure set interfaces ethernet eth1 disable"]);
    const reasons = (): unknown[] => responder.log.filter(({ verb }) => verb === "bury").map(({ reason }) => reason);
    // The queue knows before the log has reached us.
    await until("all three are in the log", () => reasons().length === 3);
    expect(reasons().sort()).toEqual(["interface-absent", "interface-invalid", "interface-invalid"]);
  });

  test("a router that fails every commit buries nothing: the tasks wait until it is mended", async () => {
    const { put, startResponder, routers, stats, empty } = await start();
    for (let n = 1; n <= 40; n++) await put(tube(1), ban(`10.0.0.${n}`));
    routers[0]?.inject({ kind: "commit-fails" });
    const responder = await startResponder();
    await responder.said("task.settled", ({ reason }) => reason === "device-refuses-commits");
    expect((await stats(tube(1))).currentJobsBuried).toBe(0);
    // Enough commits to single out one bad change, far fewer than one for each.
    expect(configures().length).toBeLessThan(30);
    routers[0]?.clearFaults();
    await empty(tube(1));
    expect(routers[0]?.savedMembers("BAD_GUYS")).toHaveLength(40);
  });
});

describe("a router that is busy or answers oddly:", () => {
  test.each([
    ["another commit is running", { kind: "commit-lock", times: 2 }, "device-busy"],
    ["nginx says 502", { kind: "502", times: 2, endpoint: "/configure" }, "change-unknown"],
    ["nginx says 504 and the commit never happened", { kind: "504", apply: false, times: 1 }, "change-unknown"],
    ["an HTML page with status 200", { kind: "html-200", times: 1, endpoint: "/configure" }, "change-unknown"],
    ["reset before the commit", { kind: "reset", when: "before-commit", times: 1 }, "change-unknown"],
    ["the save cannot be written", { kind: "save-unwritable", times: 2 }, "save-failed"],
    ["the save is answered with HTML", { kind: "html-200", times: 1, endpoint: "/config-file" }, "save-failed"],
  ] as const)("%s: the task waits and is done later", async (_, fault, reason) => {
    const { put, startResponder, routers, empty } = await start();
    const responder = await startResponder();
    await hasRead(routers[0]);
    routers[0]?.inject(fault);
    await put(tube(1), ban("10.0.0.1"));
    await responder.said("task.settled", (line) => line["verb"] === "release" && line["reason"] === reason);
    await empty(tube(1));
    expect(routers[0]?.savedMembers("BAD_GUYS")).toEqual(["10.0.0.1"]);
  });

  test.each([
    ["cut in the middle of the answer", { kind: "reset", when: "after-commit", times: 1, endpoint: "/configure" }],
    ["a 504 although the commit went through", { kind: "504", apply: true, times: 1, endpoint: "/configure" }],
    ["no answer although the commit went through", { kind: "hang", apply: true, times: 1, endpoint: "/configure" }],
  ] as const)("%s: the router is read, and nothing is sent a second time", async (_, fault) => {
    const { put, startResponder, routers, empty } = await start();
    routers[0]?.inject(fault);
    await put(tube(1), ban("10.0.0.1"));
    await startResponder({ LOGWARDEN_CONFIGURE_TIMEOUT_MS: "500" });
    await empty(tube(1));
    expect(configures()).toHaveLength(1);
    expect(routers[0]?.savedMembers("BAD_GUYS")).toEqual(["10.0.0.1"]);
  });

  test("an answer is lost and the router then goes away: when it is back it is read first, and nothing is sent a second time", async () => {
    const { put, startResponder, routers, empty } = await start();
    const responder = await startResponder({ LOGWARDEN_CONFIGURE_TIMEOUT_MS: "500" });
    await hasRead(routers[0]);
    routers[0]?.inject({ kind: "hang", apply: true, times: 1, endpoint: "/configure" });
    routers[0]?.inject({ kind: "403", times: 2, endpoint: "/retrieve" });
    await put(tube(1), ban("10.0.0.1"));
    await responder.said("device.resumed");
    await empty(tube(1));
    expect(configures()).toHaveLength(1);
    expect(routers[0]?.savedMembers("BAD_GUYS")).toEqual(["10.0.0.1"]);
  });

  test("while a commit is still open, staged values are not taken for the router's state", async () => {
    const { put, startResponder, routers, empty } = await start();
    const responder = await startResponder({ LOGWARDEN_CONFIGURE_TIMEOUT_MS: "300" });
    await put(tube(1), ban("10.0.0.9"));
    await empty(tube(1));
    // The commit outlasts our patience; reads meanwhile show what is only staged.
    routers[0]?.inject({ kind: "slow", ms: 2500, times: 1, endpoint: "/configure" });
    await put(tube(1), ban("10.0.0.1"));
    const released = await responder.said("task.settled", ({ verb }) => verb === "release");
    expect(released).toMatchObject({ reason: "change-unknown", detail: expect.stringContaining("still open") });
    await empty(tube(1));
    expect(configures()).toHaveLength(2);
    expect(routers[0]?.savedMembers("BAD_GUYS")).toEqual(["10.0.0.9", "10.0.0.1"]);
  });
});

test("on a release that hides an unwritable disk the task is done when the router shows it: the API has no better proof", async () => {
  const { put, startResponder, routers, empty } = await start({ routers: ["current"] });
  routers[0]?.inject({ kind: "save-unwritable" });
  await put(tube(1), ban("10.0.0.1"));
  await startResponder();
  await empty(tube(1));
  expect(routers[0]?.members("BAD_GUYS")).toEqual(["10.0.0.1"]);
});
