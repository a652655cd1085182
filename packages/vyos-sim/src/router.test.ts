/** A router as a whole: what it keeps, what it forgets, what it writes down. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "@jest/globals";
import { type Router, type RouterOptions, startRouter } from "./index.ts";
import { ban, configure, form, groupPath, memberPath, remove, save, send, set, testKey } from "./test-client.ts";

const open: Router[] = [];
const directories: string[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((router) => router.close()));
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true });
});

async function start(options: Partial<RouterOptions> = {}): Promise<Router> {
  const router = await startRouter({ key: testKey, ...options });
  open.push(router);
  return router;
}

function makeDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "vyos-sim-"));
  directories.push(directory);
  return directory;
}

test("a restart keeps what was saved, the certificate and nothing else", async () => {
  const stateDirectory = makeDirectory();
  const before = await start({ stateDirectory, hostname: "gw1" });
  await send(before, ban("192.0.2.1"));
  await send(before, configure({ op: "comment", path: groupPath, value: "kept" }));
  await send(before, save());
  await send(before, ban("192.0.2.2"));
  await send(before, configure(set("interfaces", "ethernet", "eth1", "disable")));
  expect(before.members("BAD_GUYS")).toEqual(["192.0.2.1", "192.0.2.2"]);
  expect([before.disabled("eth1"), before.savedDisabled("eth1")]).toEqual([true, false]);
  await before.close();

  const after = await start({ stateDirectory });
  expect(after.members("BAD_GUYS")).toEqual(["192.0.2.1"]);
  expect(after.disabled("eth1")).toBe(false);
  expect(after.fingerprint).toBe(before.fingerprint);
  expect(after.active()).toEqual(after.saved());
  const raw = await send(
    after,
    form("/retrieve", { op: "showConfig", path: ["firewall", "group"], configFormat: "raw" }),
  );
  expect(JSON.parse(raw.body)).toHaveProperty(
    "data",
    " /* kept */\n address-group BAD_GUYS {\n     address 192.0.2.1\n }\n",
  );
});

test("a first start has its interfaces and its name, and they are saved", async () => {
  const router = await start({ interfaces: ["eth0", "eth1.10", "dum0"], hostname: "gw7" });
  expect(router.active()).toEqual({
    interfaces: { dummy: { dum0: {} }, ethernet: { eth0: {}, eth1: { vif: { "10": {} } } } },
    system: { "host-name": "gw7" },
  });
  expect(router.saved()).toEqual(router.active());
});

test("an interface that cannot exist is refused at the start", async () => {
  await expect(start({ interfaces: ["eht0"] })).rejects.toThrow(
    'expected the name of an interface such as eth0, got "eht0"',
  );
});

test("a VLAN is disabled by its dotted name", async () => {
  const router = await start();
  await send(router, configure(set("interfaces", "ethernet", "eth1", "vif-s", "20", "vif-c", "30", "disable")));
  expect([router.disabled("eth1.20.30"), router.disabled("eth1")]).toEqual([true, false]);
});

test("a network card that is not there cannot be committed, and the session is clean afterwards", async () => {
  const router = await start();
  const reply = await send(router, configure(set("interfaces", "ethernet", "eth9", "disable")));
  expect(reply.body).toContain("[[interfaces ethernet eth9]] failed\\nCommit failed\\n");
  expect(
    (await send(router, form("/retrieve", { op: "exists", path: ["interfaces", "ethernet", "eth9"] }))).body,
  ).toContain('"data": false');
});

test("addresses are compared as strings", async () => {
  const router = await start();
  const spellings = ["2001:db8::1", "2001:DB8::1", "2001:db8:0::1"];
  const path = ["firewall", "group", "ipv6-address-group", "BAD_GUYS", "address"];
  await send(router, configure(...spellings.map((each) => set(...path, each))));
  expect(router.members("BAD_GUYS", 6)).toEqual(spellings);
});

test("an address group takes ranges and no prefixes, a network group the reverse", async () => {
  const router = await start();
  const statuses = [];
  for (const [group, member, value] of [
    ["address-group", "address", "192.0.2.1-192.0.2.9"],
    ["address-group", "address", "192.0.2.9-192.0.2.1"],
    ["address-group", "address", "192.0.2.0/24"],
    ["ipv6-address-group", "address", "2001:db8::1-2001:db8::ff"],
    ["network-group", "network", "192.0.2.0/24"],
    ["network-group", "network", "192.0.2.1"],
    ["ipv6-network-group", "network", "2001:db8::/32"],
  ] as const)
    statuses.push((await send(router, configure(set("firewall", "group", group, "G", member, value)))).status);
  expect(statuses).toEqual([200, 400, 400, 200, 200, 400, 200]);
});

test("strict mode looks at the state before the request", async () => {
  const router = await start({ strict: true });
  await send(router, ban("192.0.2.1"));
  const absent = await send(router, configure(remove(...memberPath("192.0.2.250"))));
  expect(JSON.parse(absent.body)).toHaveProperty(
    "error",
    "Cannot delete [firewall group address-group BAD_GUYS address 192.0.2.250]: path/value does not exist",
  );
  const setThenDelete = configure(set(...memberPath("192.0.2.2")), remove(...memberPath("192.0.2.2")));
  expect((await send(router, setThenDelete)).status).toBe(400);
  const twice = configure(remove(...memberPath("192.0.2.1")), remove(...memberPath("192.0.2.1")));
  expect((await send(router, twice)).status).toBe(200);
  expect(router.members("BAD_GUYS")).toEqual([]);
});

test("a load whose commit failed stays staged, and the next write commits it", async () => {
  const router = await start();
  await send(router, ban("192.0.2.1"));
  await send(router, form("/config-file", { op: "save", file: "/config/other" }));
  await send(router, configure(remove(...groupPath)));
  router.inject({ kind: "commit-fails", endpoint: "/configure", times: 1 });
  expect((await send(router, form("/config-file", { op: "load", file: "/config/other" }))).status).toBe(400);
  expect(router.members("BAD_GUYS")).toEqual([]);
  await send(router, configure(set("interfaces", "ethernet", "eth1", "description", "uplink")));
  expect(router.members("BAD_GUYS")).toEqual(["192.0.2.1"]);
});

test("a body over one MiB is stopped by nginx, until the router is told to take more", async () => {
  const router = await start();
  const large = form("/configure", [{ op: "set", path: ["firewall", "x".repeat(1024 * 1024)] }]);
  expect(await send(router, large)).toMatchObject({ status: 413, contentType: "text/html" });
  await send(router, configure(set("service", "https", "request-body-size-limit", "2")));
  expect((await send(router, large)).body).toContain("is not valid");
});

test("paths that nginx does not know are its own 404", async () => {
  const router = await start();
  expect(await send(router, { path: "/nothing" })).toMatchObject({ status: 404, contentType: "text/html" });
});

test("current escapes HTML in an error, and 1.4 does not", async () => {
  const texts = [];
  for (const release of ["current", "1.4"] as const)
    texts.push((await send(await start({ release }), form("/configure", { op: "<&>'", path: ["a"] }))).body);
  expect(texts.map((text) => JSON.parse(text) as unknown)).toEqual([
    expect.objectContaining({ error: "'&lt;&amp;&gt;'' is not a valid operation" }),
    expect.objectContaining({ error: "'<&>'' is not a valid operation" }),
  ]);
});

test("JSON that is nested deeper than the stack is refused, and the router lives on", async () => {
  const router = await start();
  const deep = `{"op":${"[".repeat(200_000)}`;
  const body = new URLSearchParams({ data: deep, key: testKey }).toString();
  const reply = await send(router, { path: "/configure", contentType: "application/x-www-form-urlencoded", body });
  expect(reply).toMatchObject({ status: 400, body: '{"detail":"There was an error parsing the body"}' });
  expect((await send(router, ban("192.0.2.1"))).status).toBe(200);
});

test("every request is written down with its commands, its times and without its key", async () => {
  const router = await start();
  const seen: number[] = [];
  const stop = router.onRequest(({ seq }) => seen.push(seq));
  await send(router, ban("192.0.2.1"));
  stop();
  await send(router, form("/configure", [{ op: "set" }], "wrong"));
  const [first, second] = router.requests;
  expect(first).toMatchObject({ seq: 1, endpoint: "/configure", ops: [set(...memberPath("192.0.2.1"))], status: 200 });
  expect(second).toMatchObject({ seq: 2, ops: [{ op: "set" }], status: 400, error: expect.stringContaining("'path'") });
  expect(first?.receivedAtMs).toBeGreaterThanOrEqual(first?.startedAtMs ?? Number.NaN);
  expect(first?.answeredAtMs).toBeGreaterThanOrEqual(first?.receivedAtMs ?? Number.NaN);
  expect(seen).toEqual([1]);
  expect(JSON.stringify(router.requests)).not.toContain(testKey);
});
