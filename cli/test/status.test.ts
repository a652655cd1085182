// Is everything at work? And what about the routers: as the ledger knows them, as they are, and asked to be mended.

import { describe, expect, test } from "@jest/globals";
import { freePort, ownHost } from "@logwarden/lab/parts/loopback";
import { startRouterPart } from "@logwarden/lab/parts/router";
import { directory, end, file } from "./command.ts";
import { addBan, place, type Rig, rig, rigWithQueue, take } from "./rig.ts";
import { writer } from "@logwarden/ledger/test/writer";

const ok = { state: "ok" as const, error: null, errorDetail: null, members: 4, foreign: 1, mended: 0 };

/** A responder that lives and has both routers, which are well. */
async function atWork({ ledger }: Rig, seenAtMs = Date.now()): Promise<void> {
  await ledger.addLeases(["edge-1", "edge-2"]);
  const responder = { id: "r1", name: "host-1:77", startedAtMs: seenAtMs - 7_200_000, seenAtMs };
  const { leases } = await ledger.beat(responder);
  await ledger.claim("r1", leases);
  for (const router of ["edge-1", "edge-2"]) {
    await (await writer(ledger, router)).setRouter({
      ...ok,
      sinceMs: seenAtMs - 60_000,
      reconciledAtMs: seenAtMs - 30_000,
    });
  }
}

describe("status", () => {
  test("when all is well says so and exits 0", async () => {
    const it = await rigWithQueue();
    await atWork(it);
    await addBan(it.ledger, "203.0.113.9");
    for (const router of ["edge-1", "edge-2"]) await place(it.ledger, router, "203.0.113.9");
    const { code, value, stderr } = await it.json("status");
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(value).toMatchObject({
      ...{ ok: true, wrong: [], queues: [{ node: it.address, error: null, buried: 0 }] },
      ledger: {
        ...{ banned: 1, unowned: [], responders: [{ name: "host-1:77", silent: false, devices: 2 }] },
        routers: [{ router: "edge-1", state: "ok", verified: 1, pending: 0, failing: 0 }, { router: "edge-2" }],
      },
    });
    const { stdout } = await it.run("status");
    expect(stdout).toMatch(/host-1:77 +seen \d+s ago +up 2h +2\n/);
    expect(stdout).toMatch(/edge-1 +ok for 1m\S* +1 +0 +0\n/);
    expect(stdout).toMatch(/1 address is banned\n$/);
  });

  test("a ban that nobody has begun to place is pending", async () => {
    const it = await rigWithQueue();
    await atWork(it);
    await addBan(it.ledger, "203.0.113.9");
    await place(it.ledger, "edge-1", "203.0.113.9");
    await place(it.ledger, "edge-1", "203.0.113.10");
    const counts = [
      { router: "edge-1", verified: 2, pending: 1, failing: 0 },
      { router: "edge-2", verified: 0, pending: 1, failing: 0 },
    ];
    expect((await it.json("status")).value).toMatchObject({ ledger: { routers: counts } });
    expect((await it.json("routers")).value).toMatchObject({ routers: counts });
  });

  test("each thing that is wrong is a line, and exit code 1", async () => {
    const it = await rigWithQueue();
    await it.queue.put("logwarden.intake", Buffer.from("x"), { priority: 0 });
    await it.queue.watchOnly(["logwarden.intake"]);
    const job = await it.queue.reserve(5);
    await it.queue.bury(job.kind === "job" ? job.id : "");
    await atWork(it, Date.now() - 600_000);
    const held = { state: "held" as const, error: "device-refused-key", errorDetail: "Valid API key is required" };
    await (await writer(it.ledger, "edge-1")).setRouter({ ...ok, ...held, sinceMs: Date.now(), reconciledAtMs: null });
    const away = `${ownHost}:${await freePort()}`;
    const { code, stderr } = await it.run("status", "--queues", `${it.address},${away}`);
    expect(code).toBe(1);
    expect(stderr.trimEnd().split("\n")).toEqual([
      `queue ${it.address}: 1 buried, see logwarden queue buried`,
      expect.stringMatching(new RegExp(`^queue ${away}: `)),
      "no responder lives: nothing is done until one starts",
      "edge-1: held, device-refused-key: Valid API key is required: The API key was rotated on one side only.",
    ]);
  });

  test("devices that nobody works for are named, and a ledger that is not there", async () => {
    const it = await rigWithQueue();
    await it.ledger.addLeases(["edge-1"]);
    await it.ledger.beat({ id: "r1", name: "host-1:77", startedAtMs: Date.now(), seenAtMs: Date.now() });
    expect((await it.run("status")).stderr).toBe("no responder works for edge-1\n");
    const nowhere = await it.run("status", "--ledger", `${directory()}/ledger.db`);
    expect(nowhere).toMatchObject({ code: 1, stderr: expect.stringContaining("there is none at") });
    expect(nowhere.stdout).toContain(it.address);
  });
});

describe("routers", () => {
  test("list shows state, members, and who works for each; without a ledger what the inventory says", async () => {
    const it = await rig();
    await atWork(it);
    const { value } = await it.json("routers");
    expect(value).toMatchObject({
      routers: [
        { router: "edge-1", url: "https://10.10.10.201", state: "ok", members: 4, foreign: 1, responder: "host-1:77" },
        { router: "edge-2", tags: ["edge", "far"] },
      ],
    });
    expect((await it.run("routers", "list")).stdout).toMatch(/edge-1 .* ok .* host-1:77\n/);
    const bare = await it.run("routers", "--ledger", `${directory()}/ledger.db`);
    expect(bare).toMatchObject({ code: 1, stdout: expect.stringMatching(/edge-1 .* unknown .* nobody\n/) });
  });

  test("reconcile puts a task into each router's tube", async () => {
    const it = await rigWithQueue();
    expect(await it.run("routers", "reconcile", "edge-1", "edge-2")).toMatchObject({ code: 0 });
    for (const [router, host] of [
      ["edge-1", "10.10.10.201"],
      ["edge-2", "10.10.10.202"],
    ] as const) {
      const { task, priority } = await take(it.queue, `logwarden.device.${router}`);
      expect({ ...task, priority }).toMatchObject({ type: "reconcile", host, by: "jo", priority: 100 });
    }
    expect(await it.run("routers", "reconcile", "edge-1", "--restored")).toMatchObject({ code: 0 });
    expect((await take(it.queue, "logwarden.device.edge-1")).task).toMatchObject({ type: "reconcile", restored: true });
    expect(await it.run("routers", "check", "edge-1", "--restored")).toMatchObject({ code: 2 });
    expect((await it.json("routers", "reconcile", "--all")).value).toMatchObject({
      put: [{ router: "edge-1" }, { router: "edge-2" }],
    });
  });

  test.each([
    [["routers", "reconcile"], "expected the names of routers, or --all"],
    [["routers", "check", "edge-3"], 'no router "edge-3", did you mean "edge-'],
    [["routers", "check", "web-1"], "web-1 only sends logs"],
    [["routers", "check", "edge-1", "--all"], "--all is every router"],
    [["routers", "chekc"], 'no "routers chekc", did you mean "check"?'],
  ])("%j exits 2", async (args, words) => {
    expect(await (await rig()).run(...args)).toMatchObject({
      code: 2,
      stdout: "",
      stderr: expect.stringContaining(words),
    });
  });

  describe("check", () => {
    const group = ["firewall", "group"];
    const start = async () => {
      const router = await startRouterPart({
        ...{ name: "edge-1", release: "1.4", host: ownHost, port: 0, key: "k1", directory: directory() },
        ...{ commitScale: 0, interfaces: ["eth0"] },
      });
      end(() => router.program.kill());
      const inventory = (trust: string, keyFile = router.keyFile) => `
devices:
  edge-1: { address: 10.10.10.201, api: { url: "${router.url}", keyFile: ${keyFile}, ${trust} }, protect: [eth0] }
allow: []
`;
      return { router, inventory, pinned: `fingerprint: "${router.fingerprint}"` };
    };

    test("asks the router itself, and compares its groups with what the ledger wants", async () => {
      const { router, inventory, pinned } = await start();
      const it = await rig({}, inventory(pinned));
      expect((await it.json("routers", "check", "edge-1")).value).toMatchObject({
        checks: [{ ok: false, wrong: [{ what: "group-absent" }, { what: "group-absent" }] }],
      });
      await configure(router, [
        [...group, "address-group", "BAD_GUYS", "address", "203.0.113.9"],
        [...group, "ipv6-address-group", "BAD_GUYS", "address", "2001:db8::1"],
      ]);
      expect(await it.run("routers", "check", "--all")).toMatchObject({
        ...{ code: 0, stderr: "", stdout: "edge-1: ok, 2 members, 0 missing\n" },
      });
      await addBan(it.ledger, "203.0.113.9");
      await addBan(it.ledger, "203.0.113.10");
      const run = await it.run("routers", "check", "edge-1");
      expect(run.code).toBe(1);
      expect(run.stdout).toContain(
        "edge-1: WRONG, 2 members, 1 missing\n  members-missing: 1 of 2 that the ledger wants",
      );
    });

    test("says what is wrong: another certificate, another key, no key, no such interface", async () => {
      const { router, inventory, pinned } = await start();
      await configure(router, [
        [...group, "address-group", "BAD_GUYS", "address", "203.0.113.9"],
        [...group, "ipv6-address-group", "BAD_GUYS", "address", "2001:db8::1"],
      ]);
      const wrong = async (text: string): Promise<string[]> => {
        const it = await rig({}, text);
        const { code, value } = await it.json("routers", "check", "edge-1");
        expect(code).toBe(1);
        return (value as { checks: { wrong: { what: string; advice: string }[] }[] }).checks.flatMap((check) =>
          check.wrong.map(({ what, advice }) => `${what}: ${advice}`),
        );
      };
      expect(await wrong(inventory(`fingerprint: "sha256:${"0f".repeat(32)}"`))).toEqual([
        expect.stringMatching(/^device-certificate: The certificate is not the pinned one/),
      ]);
      expect(await wrong(inventory(pinned, file("key", "k2")))).toEqual([
        expect.stringMatching(/^device-refused-key: The API key was rotated/),
      ]);
      expect(await wrong(inventory(pinned, "/nowhere/key"))).toEqual([
        expect.stringMatching(/^device-key-unreadable: The key's file is missing/),
      ]);
      expect(await wrong(inventory(pinned).replace("[eth0]", "[eth7]"))).toEqual([
        expect.stringMatching(/^protect-absent: A typo there protects nothing/),
      ]);
      await router.program.kill();
      expect(await wrong(inventory(pinned))).toEqual([expect.stringMatching(/^device-unreachable: Check the route/)]);
    });
  });
});

/** As a person on the router would: through its API. */
async function configure({ url, keyFile }: { url: string; keyFile: string }, paths: string[][]): Promise<void> {
  const { connectTo } = await import("@logwarden/responder/connect");
  const client = connectTo({ url, keyFile, trust: { verify: "off" } }, {});
  const answer = await client.configure(paths.map((path) => ({ op: "set", path })));
  client.close();
  expect(answer.kind).toBe("done");
}

describe("interface", () => {
  test("enable puts a task into the router's tube, list shows what became of interfaces", async () => {
    const it = await rigWithQueue();
    expect(await it.run("interface", "enable", "edge-1", "eth1.10", "-R", "mended")).toMatchObject({
      code: 0,
      stderr: "",
    });
    const { task } = await take(it.queue, "logwarden.device.edge-1");
    expect(task).toMatchObject({
      type: "interface_enable",
      host: "10.10.10.201",
      interface: "eth1.10",
      by: "jo",
      reason: "mended",
    });
    expect(await it.run("interface", "list")).toMatchObject({ stdout: "no interface was ever disabled\n" });
    const state = { router: "edge-1", name: "eth1", state: "disabled" as const, changedAtMs: Date.now(), by: "policy" };
    await (await writer(it.ledger, "edge-1")).setInterface({
      ...state,
      reason: "3 interface_down in 5m",
      enableAtMs: Date.now() + 600_000,
    });
    expect((await it.json("interface", "list", "edge-1")).value).toMatchObject({
      interfaces: [{ router: "edge-1", interface: "eth1", state: "disabled", enableAt: expect.stringMatching(/Z$/) }],
    });
    expect((await it.run("interface", "list")).stdout).toMatch(/edge-1 +eth1 +disabled .* comes up at /);
    expect((await it.json("interface", "enable", "edge-1", "eth1")).value).toMatchObject({
      router: "edge-1",
      interface: "eth1",
    });
  });

  test.each([
    [["interface"], "expected list or enable"],
    [["interface", "enable", "edge-1"], "expected a router and its interface"],
    [["interface", "enable", "edg-1", "eth1"], 'did you mean "edge-1"?'],
    [["interface", "enable", "edge-1", "lo"], "expected the name of an interface that VyOS can disable"],
  ])("%j exits 2", async (args, words) => {
    expect(await (await rig()).run(...args)).toMatchObject({
      code: 2,
      stdout: "",
      stderr: expect.stringContaining(words),
    });
  });
});

test("allow check says who is never banned and why; 1 when one may be", async () => {
  const it = await rig();
  expect(await it.run("allow", "check", "192.0.2.9", "10.10.10.132")).toEqual({
    ...{ code: 0, stderr: "" },
    stdout: "192.0.2.9: never banned, allow 192.0.2.0/24\n10.10.10.132: never banned, address of web-1\n",
  });
  const { code, value } = await it.json("allow", "check", "192.0.0.0/16", "203.0.113.9");
  expect(code).toBe(1);
  expect(value).toEqual({
    checks: [
      { address: "192.0.0.0/16", neverBanned: true, why: "allow 192.0.2.0/24" },
      { address: "203.0.113.9", neverBanned: false, why: null },
    ],
  });
  expect((await it.json("allow", "list")).value).toMatchObject({
    entries: expect.arrayContaining([{ address: "10.10.10.201/32", why: "address of edge-1" }]),
  });
  expect(await it.run("allow")).toMatchObject({ code: 2, stderr: expect.stringContaining("expected list or check") });
});
