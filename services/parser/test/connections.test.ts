// Who may speak, and what becomes of those who may not: every refusal is counted by name, and a health check is none.

import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { parseProxyHeader } from "../src/receive/proxy-protocol.ts";
import { attack, frames, localHeader, proxyHeader } from "./balancer.ts";
import { edge, type Rig, startRig, until } from "./rig.ts";

let rig: Rig;
beforeAll(async () => {
  // Shorter than a test may take, longer than any peer here needs for a header that it means to send.
  const env = {
    LOGWARDEN_HEADER_TIMEOUT_MS: "1000",
    LOGWARDEN_LOG_LEVEL: "debug",
    LOGWARDEN_DEVICE_CONNECTIONS_MAX: "1000",
  };
  rig = await startRig({ env });
});
afterAll(() => rig.close());

const refused = (reason: string): Promise<number> => rig.metric(`connection_refused_total{reason="${reason}"}`);

/** A line behind everything that was sent before; when its task is there, all of that has been judged. */
async function expectOnlyTask(from: string): Promise<void> {
  const balancer = await rig.dial();
  await balancer.send(frames([attack(from)]));
  expect(await rig.take(1)).toMatchObject([{ from }]);
  expect(await rig.ready()).toBe(0);
  await balancer.destroy();
}

async function nothingOpen(): Promise<void> {
  await until("no connection is open", async () => (await rig.metric("connections")) === 0);
}

test("a peer that is no configured balancer is closed before anything is read, and counted", async () => {
  const [before, lines] = [await refused("untrusted-peer"), await rig.metric("line_received_total")];
  const stranger = await rig.dial({ from: "127.0.0.2" });
  void stranger.send(frames([attack("203.0.113.1")]));
  await stranger.closed;
  expect(await refused("untrusted-peer")).toBe(before + 1);
  expect(await rig.metric("line_received_total")).toBe(lines);
  expect(rig.warnings().at(-1)).toMatchObject({ event: "connection.refused", peer: "127.0.0.2" });
  await expectOnlyTask("203.0.113.2");
});

test("an address that is no device's is refused and counted, and its lines are not read", async () => {
  const [before, lines] = [await refused("unknown-device"), await rig.metric("line_received_total")];
  const balancer = await rig.dial({ source: "10.10.10.99" });
  void balancer.send(frames([attack("203.0.113.1")]));
  await balancer.closed;
  expect(await refused("unknown-device")).toBe(before + 1);
  expect(await rig.metric("line_received_total")).toBe(lines);
  expect(rig.warnings().at(-1)).toMatchObject({ detail: expect.stringContaining("10.10.10.99") });
});

interface Case {
  id: string;
  chunks_hex: string[];
  expect: { result: string };
}
const file = new URL("../src/testdata/proxy-cases.json", import.meta.url);
const { cases } = JSON.parse(readFileSync(file, "utf8")) as { cases: Case[] };
const broken = cases.filter((one) => one.expect.result === "close");

describe("a broken PROXY header closes the connection, counted by what is wrong with it", () => {
  test.each(broken.map((one) => [one.id, one] as const))("%s", async (_, { chunks_hex }) => {
    const chunks = chunks_hex.map((hex) => Buffer.from(hex, "hex"));
    const header = parseProxyHeader(Buffer.concat(chunks));
    const fault = header.kind === "refused" ? header.fault : header.kind;
    const [before, lines] = [await refused(fault), await rig.metric("line_received_total")];
    const balancer = await rig.dial({ silent: true });
    for (const chunk of chunks) {
      void balancer.send(chunk);
      await rig.settled();
    }
    await balancer.closed;
    expect(await refused(fault)).toBe(before + 1);
    expect(await rig.metric("line_received_total")).toBe(lines);
  });
});

test("a second header is payload, and claims nothing", async () => {
  const balancer = await rig.dial();
  await balancer.send(proxyHeader({ source: "2001:db8::201", version: "v1" }));
  await balancer.send(frames([attack("203.0.113.3")]));
  expect(await rig.take(1)).toMatchObject([{ host: edge.address, from: "203.0.113.3" }]);
  await balancer.destroy();
});

test.each([
  ["nothing at all", Buffer.alloc(0)],
  ["half a header", proxyHeader().subarray(0, 20)],
])("a connection that sends %s is closed when the time for a header is over", async (_, bytes) => {
  const before = await refused("header-timeout");
  const balancer = await rig.dial({ silent: true });
  await balancer.send(bytes);
  await balancer.closed;
  expect(await refused("header-timeout")).toBe(before + 1);
});

test("a connection that ended without a header is not refused afterwards", async () => {
  const before = await refused("header-timeout");
  const gone = await rig.dial({ silent: true });
  await rig.settled();
  gone.finish();
  await gone.closed;
  // Its time ends before that of a connection which came after it.
  const silent = await rig.dial({ silent: true });
  await silent.closed;
  expect(await refused("header-timeout")).toBe(before + 1);
});

describe("a health check makes no warning, no device and no refusal", () => {
  const checks: [name: string, bytes: Buffer, end: "finish" | "reset"][] = [
    ["a bare connect that is closed", Buffer.alloc(0), "finish"],
    ["a bare connect that is reset", Buffer.alloc(0), "reset"],
    ["LOCAL, then closed", localHeader, "finish"],
    ["LOCAL, then reset: send-proxy-v2 check", localHeader, "reset"],
    ["v1 UNKNOWN, then closed", Buffer.from("PROXY UNKNOWN\r\n"), "finish"],
    [
      "the balancer's own address in v1, then reset: send-proxy check",
      proxyHeader({ source: "127.0.0.1", version: "v1" }),
      "reset",
    ],
  ];

  test.each(checks)("%s", async (_, bytes, end) => {
    const [warnings, refusals] = [rig.warnings().length, await rig.metric("connection_refused_total")];
    const check = await rig.dial({ silent: true });
    await check.send(bytes);
    await rig.settled();
    check[end]();
    await check.closed;
    await nothingOpen();
    expect(rig.warnings().slice(warnings)).toEqual([]);
    expect(await rig.metric("connection_refused_total")).toBe(refusals);
  });

  test("one that was reset before the parser could accept it", async () => {
    const [warnings, refusals] = [rig.warnings().length, await rig.metric("connection_refused_total")];
    const ended = await rig.metric("connection_closed_total");
    rig.parser.program.signal("SIGSTOP");
    const check = await rig.dial({ silent: true });
    await check.send(localHeader);
    check.reset();
    await check.closed;
    rig.parser.program.signal("SIGCONT");
    await until("its end is counted", async () => (await rig.metric("connection_closed_total")) === ended + 1);
    expect(rig.warnings().slice(warnings)).toEqual([]);
    expect(await rig.metric("connection_refused_total")).toBe(refusals);
  });
});

test.each([
  ["LOCAL", localHeader],
  ["the balancer's own address", proxyHeader({ source: "127.0.0.1" })],
])("lines behind %s belong to no device: counted, never a task", async (_, header) => {
  const before = await rig.metric('line_refused_total{reason="no-device"}');
  const balancer = await rig.dial({ silent: true });
  await balancer.send(Buffer.concat([header, frames([attack("203.0.113.1"), attack("203.0.113.1")])]));
  balancer.finish();
  await balancer.closed;
  expect(await rig.metric('line_refused_total{reason="no-device"}')).toBe(before + 2);
  await expectOnlyTask("203.0.113.4");
});

test("a thousand connections, opened and closed in every manner, leave none behind", async () => {
  const balancers = await Promise.all(Array.from({ length: 1000 }, (_, n) => rig.dial({ silent: n % 4 === 0 })));
  await until("all of them are open", async () => (await rig.metric("connections")) === 1000);
  for (const [n, balancer] of balancers.entries()) {
    if (n % 3 === 0) balancer.reset();
    else if (n % 3 === 1) balancer.finish();
    else void balancer.destroy();
  }
  await Promise.all(balancers.map(({ closed }) => closed));
  await nothingOpen();
  await expectOnlyTask("203.0.113.5");
});

test("one connection more than may be open is refused and counted; the others live", async () => {
  const small = await startRig({ env: { LOGWARDEN_CONNECTIONS_MAX: "2" } });
  try {
    const [first] = await Promise.all([small.dial(), small.dial()]);
    await until("two are open", async () => (await small.metric("connections")) === 2);
    await (await small.dial()).closed;
    expect(await small.metric('connection_refused_total{reason="too-many-connections"}')).toBe(1);
    await first.send(frames([attack("203.0.113.6")]));
    expect(await small.take(1)).toMatchObject([{ from: "203.0.113.6" }]);
  } finally {
    await small.close();
  }
});
