// What the parser does while the queue is slow, dead or full: it stops reading, keeps what it has, and loses nothing.

import { afterEach, describe, expect, test } from "@jest/globals";
import { startBeanstalkd } from "@logwarden/lab/parts/beanstalkd";
import { attack, type Balancer, frames } from "./balancer.ts";
import { edge, type Rig, type RigOptions, startRig, type TaskSeen, until } from "./rig.ts";

let rig: Rig;
const start = async (options: RigOptions): Promise<void> => void (rig = await startRig(options));
afterEach(() => rig.close());

const addressOf = (n: number): string => `198.18.${n >> 8}.${n & 255}`;
const attacks = (from: number, to: number): string[] =>
  Array.from({ length: to - from }, (_, n) => attack(addressOf(from + n)));

/** Whether every address of [0, count) is among the tasks, and no task stands under two ids or one id for two tasks. */
function allOnce(tasks: readonly TaskSeen[], count: number): boolean {
  if (tasks.length < count) return false;
  const ids = new Map<unknown, unknown>();
  for (const { id, from } of tasks) {
    if (ids.get(from) !== undefined && ids.get(from) !== id)
      throw new Error(`${JSON.stringify(from)} came under two ids`);
    ids.set(from, id);
  }
  if (new Set(ids.values()).size !== ids.size) throw new Error("two tasks share one id");
  return ids.size === count;
}

/** Bytes that the kernel has taken from us. */
const taken = ({ socket }: Balancer): number => socket.bytesWritten - socket.writableLength;

describe("while beanstalkd does not answer", () => {
  const window = 20;
  /** A line that no rule claims fills the sockets' buffers without filling the queue. */
  const filler = `<30>Nov 21 04:44:40 gw1 webapp[77]: ${"x".repeat(8000)}`;
  /** 60 MB with the fillers: more than the kernel's buffers of one connection hold (tcp_rmem and tcp_wmem end at 38 MB). */
  const events = 2500;

  test("the sockets are not read, new ones neither; when it answers again no line is lost", async () => {
    await start({ env: { LOGWARDEN_UNANSWERED_PUTS_MAX: String(window) } });
    rig.queues[0]?.program.signal("SIGSTOP");
    const balancer = await rig.dial();
    const stream = Buffer.concat(attacks(0, events).map((line) => frames([line, filler, filler, filler])));
    const sent = balancer.send(stream);
    await rig.parser.said("intake.paused");

    // The sender is stuck: what the kernel took from us has not grown for many looks.
    let looks = 0;
    let last = -1;
    await until("the sender's socket takes no more", () => {
      looks = taken(balancer) === last ? looks + 1 : 0;
      last = taken(balancer);
      return looks >= 30;
    });
    expect(last).toBeLessThan(stream.length);
    const unanswered = await rig.metric("puts_unanswered");
    expect(unanswered).toBeGreaterThanOrEqual(window);
    // One read of 64 KiB may go over the window: three events.
    expect(unanswered).toBeLessThanOrEqual(window + 3);
    const late = await rig.dial({ version: "v1" });
    await late.send(frames([attack(addressOf(events))]));
    await rig.settled();
    expect(await rig.status("/readyz")).toBe(200);
    expect(await rig.metric("puts_unanswered")).toBe(unanswered);

    rig.queues[0]?.program.signal("SIGCONT");
    await rig.parser.said("intake.resumed");
    await sent;
    const tasks = await rig.takeUntil("every task is there", (seen) => allOnce(seen, events + 1));
    expect(tasks.length).toBeGreaterThanOrEqual(events + 1);
    expect(await rig.metric("line_received_total")).toBe(4 * events + 1);
    expect(await rig.metric("puts_unanswered")).toBe(0);
  });

  test("the time for a PROXY header stands still: a paused parser refuses nobody for its own pause", async () => {
    await start({ env: { LOGWARDEN_UNANSWERED_PUTS_MAX: "1", LOGWARDEN_HEADER_TIMEOUT_MS: "50" } });
    rig.queues[0]?.program.signal("SIGSTOP");
    const first = await rig.dial();
    await first.send(frames([attack(addressOf(0))]));
    await rig.parser.said("intake.paused");
    const late = await rig.dial();
    await late.send(frames([attack(addressOf(1))]));
    const dialledAtMs = performance.now();
    await until("several header times have passed", () => performance.now() - dialledAtMs > 300);
    rig.queues[0]?.program.signal("SIGCONT");
    await rig.takeUntil("both tasks are there", (seen) => allOnce(seen, 2));
    expect(await rig.metric("connection_refused_total")).toBe(0);
  });
});

test("a queue node that is killed and comes back has every task: what was stored, and what was on its way", async () => {
  await start({});
  const [queue] = rig.queues;
  const balancer = await rig.dial();
  const lines = attacks(0, 600);
  await balancer.send(frames(lines.slice(0, 200)));
  await until("the first third is stored", async () => (await rig.ready()) === 200);
  // Stopped first, so that the second third is certainly sent and not answered when the node dies.
  queue?.program.signal("SIGSTOP");
  await balancer.send(frames(lines.slice(200, 400)));
  await until("the second third waits for its answers", async () => (await rig.metric("puts_unanswered")) === 200);
  await queue?.program.kill();
  await rig.parser.said("queue.lost");
  await balancer.send(frames(lines.slice(400)));
  await until("the last third waits as well", async () => (await rig.metric("puts_unanswered")) === 400);
  expect(await rig.status("/readyz")).toBe(200);

  const again = await startBeanstalkd({ port: queue?.port ?? 0, binlogDirectory: rig.binlogDirectory(0) });
  try {
    await rig.takeUntil("every task is there", (seen) => allOnce(seen, 600));
    expect(await rig.metric("puts_unanswered")).toBe(0);
  } finally {
    await again.program.kill();
  }
});

describe("with two queue nodes", () => {
  /** @returns a balancer, and the number of the node that has the first task */
  async function startOnTwoNodes(): Promise<{ balancer: Balancer; first: number }> {
    await start({ queues: 2 });
    const balancer = await rig.dial();
    await until("both are connected", async () => (await rig.metric("queue_nodes_connected")) === 2);
    await balancer.send(frames(attacks(0, 1)));
    const { node } = await rig.parser.said("task.submitted");
    const first = rig.queues.findIndex(({ address }) => address === node);
    return { balancer, first };
  }

  test("one that drains takes nothing more: the other gets the tasks", async () => {
    const { balancer, first } = await startOnTwoNodes();
    rig.queues[first]?.program.signal("SIGUSR1");
    await until("it says that it drains", async () => (await rig.draining(first)) === true);

    await balancer.send(frames(attacks(1, 50)));
    await rig.parser.said("queue.refusing", (line) => line["reason"] === "draining");
    const tasks = await rig.takeUntil("the other has them", (seen) => seen.length === 49, 1 - first);
    expect(tasks.map(({ from }) => from)).toEqual(Array.from({ length: 49 }, (_, n) => addressOf(n + 1)));
    expect(await rig.take(1, edge.key, first)).toMatchObject([{ from: addressOf(0) }]);
  });

  test("one that dies leaves the work to the other", async () => {
    const { balancer, first } = await startOnTwoNodes();
    await rig.queues[first]?.program.kill();
    await balancer.send(frames(attacks(1, 50)));
    const tasks = await rig.takeUntil(
      "the other has them",
      (seen) => new Set(seen.map(({ id }) => id)).size === 49,
      1 - first,
    );
    expect(tasks.map(({ from }) => from)).not.toContain(addressOf(0));
  });
});

test("a task that no queue will ever take is written to the log whole, and the next one is not held up", async () => {
  await start({ queueFlags: ["-z", "300"] });
  const balancer = await rig.dial();
  await balancer.send(frames([attack("203.0.113.1", "u".repeat(200)), attack("203.0.113.2")]));
  expect(await rig.take(1)).toMatchObject([{ from: "203.0.113.2" }]);
  const rejected = await rig.parser.said("task.rejected");
  expect(rejected).toMatchObject({ level: "error", reason: "job-too-big", task: { from: "203.0.113.1" } });
  expect(await rig.metric('task_rejected_total{reason="job-too-big"}')).toBe(1);
});
