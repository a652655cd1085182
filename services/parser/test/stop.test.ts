// SIGTERM makes a lame duck: it says so, half-closes, and reads on until its peers have closed; only then it ends.

import { afterEach, expect, test } from "@jest/globals";
import { attack, frames } from "./balancer.ts";
import { type Rig, startRig, until } from "./rig.ts";

let rig: Rig;
const start = async (env: Record<string, string>): Promise<void> => void (rig = await startRig({ env }));
afterEach(() => rig.close());

const ended = (): Promise<{ code: number | null; signal: string | null }> => rig.parser.program.ended;

test("it says 404 to the balancer, half-closes, takes what still comes, and exits 0 when the peer has closed", async () => {
  await start({});
  const balancer = await rig.dial({ stubborn: true });
  await balancer.send(frames([attack("203.0.113.1")]));
  expect(await rig.take(1)).toMatchObject([{ from: "203.0.113.1" }]);
  expect(await rig.status("/readyz")).toBe(200);

  rig.parser.program.signal("SIGTERM");
  await balancer.halfClosed;
  expect([await rig.status("/readyz"), await rig.status("/healthz")]).toEqual([404, 200]);
  await balancer.send(frames([attack("203.0.113.2"), attack("203.0.113.3")]));
  expect(await rig.take(2)).toMatchObject([{ from: "203.0.113.2" }, { from: "203.0.113.3" }]);

  // The last line of a stream needs no newline, and must not be lost by the end of the parser.
  await balancer.send(attack("203.0.113.4"));
  balancer.finish();
  expect(await ended()).toEqual({ code: 0, signal: null });
  expect(await rig.take(1)).toMatchObject([{ from: "203.0.113.4" }]);
  await rig.parser.said("service.stopped", ({ clean }) => clean === true);
});

test("before it half-closes it still accepts, while the balancer's checks learn that it leaves", async () => {
  await start({ LOGWARDEN_DRAIN_DELAY_MS: "60000" });
  rig.parser.program.signal("SIGTERM");
  await until("the balancer is told", async () => (await rig.status("/readyz")) === 404);
  const late = await rig.dial();
  await late.send(frames([attack("203.0.113.1")]));
  expect(await rig.take(1)).toMatchObject([{ from: "203.0.113.1" }]);
});

test("after it has half-closed it accepts no more", async () => {
  await start({});
  const balancer = await rig.dial({ stubborn: true });
  await rig.settled();
  rig.parser.program.signal("SIGTERM");
  await balancer.halfClosed;
  await expect(rig.dial()).rejects.toMatchObject({ code: "ECONNREFUSED" });
});

test("a peer that never closes is closed at the deadline, and the exit code tells", async () => {
  await start({ LOGWARDEN_DRAIN_DEADLINE_MS: "100" });
  const [polite, idle] = await Promise.all([rig.dial(), rig.dial({ stubborn: true })]);
  await until("both are open", async () => (await rig.metric("connections")) === 2);
  rig.parser.program.signal("SIGTERM");
  await Promise.all([polite.closed, idle.halfClosed]);
  expect(await ended()).toEqual({ code: 1, signal: null });
  await rig.parser.said("service.stopped", ({ clean }) => clean === false);
});

test("it waits for the queue's answers before it ends", async () => {
  await start({});
  const balancer = await rig.dial();
  rig.queues[0]?.program.signal("SIGSTOP");
  await balancer.send(frames([attack("203.0.113.1")]));
  await until("the put is on its way", async () => (await rig.metric("puts_unanswered")) === 1);
  rig.parser.program.signal("SIGTERM");
  await balancer.closed;
  await until("no connection is left", async () => (await rig.metric("connections")) === 0);
  expect(rig.parser.program.running).toBe(true);
  rig.queues[0]?.program.signal("SIGCONT");
  expect(await ended()).toEqual({ code: 0, signal: null });
  expect(await rig.take(1)).toMatchObject([{ from: "203.0.113.1" }]);
});

test("a task that the queue never answered for is written to the log whole, and the exit code tells", async () => {
  await start({ LOGWARDEN_DRAIN_DEADLINE_MS: "100" });
  await rig.queues[0]?.program.kill();
  await rig.parser.said("queue.lost");
  const balancer = await rig.dial();
  await balancer.send(frames([attack("203.0.113.1")]));
  await until("the put waits", async () => (await rig.metric("puts_unanswered")) === 1);
  rig.parser.program.signal("SIGTERM");
  expect(await ended()).toEqual({ code: 1, signal: null });
  const lost = await rig.parser.said("task.rejected");
  expect(lost).toMatchObject({ level: "error", reason: "closed", task: { from: "203.0.113.1" } });
});

test("a second signal ends it at once", async () => {
  await start({});
  const balancer = await rig.dial({ stubborn: true });
  await rig.settled();
  rig.parser.program.signal("SIGTERM");
  await balancer.halfClosed;
  rig.parser.program.signal("SIGINT");
  expect(await ended()).toEqual({ code: 1, signal: null });
});
