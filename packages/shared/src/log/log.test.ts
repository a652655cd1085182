import { expect, test } from "@jest/globals";
import { Registry } from "prom-client";
import { createLog } from "./log.ts";

function setUp(level: "debug" | "info") {
  const registry = new Registry();
  const lines: Record<string, unknown>[] = [];
  let nowMs = 0;
  const log = createLog({
    service: "test",
    level,
    registry,
    destination: { write: (line) => void lines.push(JSON.parse(line) as Record<string, unknown>) },
    now: () => nowMs,
  });
  return { registry, lines, log, tick: (ms: number) => (nowMs += ms) };
}

test("a line holds the event, its fields and a static text; the counter has the closed labels only", async () => {
  const { registry, lines, log } = setUp("info");
  log.say("connection.refused", { peer: "192.0.2.1", reason: "untrusted-peer", detail: "x" });
  expect(lines[0]).toMatchObject({
    level: "warn",
    service: "test",
    event: "connection.refused",
    peer: "192.0.2.1",
    message: "A connection was refused before any line.",
  });
  expect(await registry.metrics()).toContain('logwarden_connection_refused_total{reason="untrusted-peer"} 1');
});

test("a flood of one event is counted whole, written in part, and summed up", async () => {
  const { registry, lines, log, tick } = setUp("info");
  const refusal = { peer: "192.0.2.1", reason: "untrusted-peer", detail: "" };
  for (let n = 0; n < 1000; n++) log.say("connection.refused", refusal);
  expect(lines).toHaveLength(50);
  await Promise.resolve();
  tick(1000);
  log.say("connection.refused", refusal);
  expect(lines.slice(50)).toMatchObject([
    { event: "log.suppressed", of: "connection.refused", suppressed: 950 },
    { event: "connection.refused" },
  ]);
  expect(await registry.metrics()).toContain('logwarden_connection_refused_total{reason="untrusted-peer"} 1001');
});

test("what is below the level is counted all the same", async () => {
  const { registry, lines, log } = setUp("info");
  log.say("line.unrecognized", { device: "edge-1" });
  log.tally("line.received", {}).count += 7;
  expect(lines).toEqual([]);
  const metrics = await registry.metrics();
  expect(metrics).toContain("logwarden_line_unrecognized_total 1");
  expect(metrics).toContain("logwarden_line_received_total 7");
});

test("a tally and what is said of the same event are one count, and each is counted once", async () => {
  const { registry, lines, log } = setUp("info");
  const refused = { peer: "192.0.2.1", reason: "untrusted-peer", detail: "" };
  log.tally("connection.refused", refused).count += 2;
  log.say("connection.refused", refused);
  log.tally("connection.refused", { reason: "unknown-device" }).count++;
  for (let asked = 0; asked < 2; asked++) {
    const metrics = await registry.metrics();
    expect(metrics).toContain('logwarden_connection_refused_total{reason="untrusted-peer"} 3');
    expect(metrics).toContain('logwarden_connection_refused_total{reason="unknown-device"} 1');
  }
  log.teller("connection.refused", () => refused)();
  expect(lines).toHaveLength(2);
  expect(await registry.metrics()).toContain('logwarden_connection_refused_total{reason="untrusted-peer"} 3');
});

test("of a flood that is told, only what is written is made", () => {
  const { log } = setUp("info");
  let made = 0;
  const tell = log.teller("connection.refused", (peer: string) => ({ peer, reason: "x", detail: String(made++) }));
  for (let n = 0; n < 1000; n++) tell("192.0.2.1");
  log.teller("connection.opened", () => ({ peer: String(made++), device: "" }))();
  expect(made).toBe(50);
});

test("a duration that an event carries is measured in seconds, with the event's labels; without it nothing is", async () => {
  const { registry, log } = setUp("info");
  const settled = { device: "edge-1", taskId: "t", verb: "delete", reason: "done", detail: "" };
  log.say("task.settled", { ...settled, lagMs: 400 });
  log.say("task.settled", settled);
  const metrics = await registry.metrics();
  expect(metrics).toContain('logwarden_lag_seconds_bucket{le="0.25",device="edge-1"} 0');
  expect(metrics).toContain('logwarden_lag_seconds_bucket{le="0.5",device="edge-1"} 1');
  expect(metrics).toContain('logwarden_lag_seconds_sum{device="edge-1"} 0.4');
  expect(metrics).toContain('logwarden_task_settled_total{verb="delete",reason="done"} 2');
});

test("a watched metric shows what is there now, and no last value of what is gone", async () => {
  const { registry, log } = setUp("info");
  let held = ["edge-1", "edge-2"];
  log.watchEach("lease_held", "Leases.", ["device"], () => held.map((device) => ({ labels: { device }, value: 1 })));
  expect(await registry.metrics()).toContain('logwarden_lease_held{device="edge-1"} 1');
  held = ["edge-2"];
  const metrics = await registry.metrics();
  expect(metrics).not.toContain('logwarden_lease_held{device="edge-1"}');
  expect(metrics).toContain('logwarden_lease_held{device="edge-2"} 1');
});
