// A parser that dies takes nothing with it: its keeper has the connections, its journal what it had in hand.

import { existsSync, readFileSync } from "node:fs";
import { afterEach, describe, expect, test } from "@jest/globals";
import { freePort, ownHost } from "@logwarden/lab/parts/loopback";
import { workerOptions } from "../src/keep/keeper.ts";
import { attack, type Balancer, type Dial, type Framing, frames } from "./balancer.ts";
import { type Rig, startRig, until } from "./rig.ts";
import { killAtCall, mayTrace } from "./tracer.ts";

let rig: Rig;
const start = async (env: Record<string, string> = {}): Promise<void> => {
  // One worker after the other has it.
  const status = `${ownHost}:${await freePort()}`;
  // With every line in its log a parser is nearly always in the middle of a read.
  const own = { LOGWARDEN_KEEP_CONNECTIONS: "yes", LOGWARDEN_STATUS_LISTEN: status, LOGWARDEN_LOG_LEVEL: "debug" };
  rig = await startRig({ env: { ...own, ...env } });
};
afterEach(() => rig.close());

const ended = (): Promise<{ code: number | null; signal: string | null }> => rig.parser.program.ended;
const said = (wanted: string): number => rig.parser.log.filter(({ event }) => event === wanted).length;
const starts = (): number => said("service.started");

/** The process that works, started by the one that keeps. */
const workerPid = (): number => rig.parser.program.childPid;

/** A parser at work: it has one connection, whose first line is a task that somebody took. */
async function atWork(dial: Dial = {}): Promise<Balancer> {
  await start();
  const balancer = await rig.dial(dial);
  await balancer.send(frames([attack("203.0.113.1")]));
  await rig.take(1);
  return balancer;
}

/** Waits until the keeper has so many connections. */
const kept = (count: number): Promise<void> =>
  until(`${count} are kept`, async () => (await rig.metric("connections_kept")) === count);

/** Kills the worker, and waits until another one is at work. */
async function replaceWorker(): Promise<void> {
  const before = starts();
  process.kill(workerPid(), "SIGKILL");
  await until("another worker is at work", () => starts() > before);
}

/**
 * Whom so many tasks are about; fewer when no more come, so that it is seen which are missing. A put whose answer a dead worker did
 * not hear of comes twice, under one name.
 */
async function attackers(count: number, key?: string): Promise<unknown[]> {
  const names = new Map<unknown, unknown>();
  while (names.size < count) {
    const [task] = await rig.take(1, key).catch(noMore);
    if (task === undefined) break;
    names.set(task["id"], task["from"]);
  }
  return [...names.values()];
}

function noMore(error: Error): never[] {
  if (!error.message.startsWith("no task of")) throw error;
  return [];
}

const address = (n: number): string => `203.0.${Math.floor(n / 250)}.${1 + (n % 250)}`;

test("its worker is told what makes a line cheap, and does not leave it to chance", async () => {
  await start();
  const told = readFileSync(`/proc/${workerPid()}/cmdline`, "utf8").split("\0");
  expect(told).toEqual(expect.arrayContaining([...workerOptions]));
});

test.each<Framing>(["lf", "octet-counted"])(
  "%s: killed again and again in the middle of a read, every line becomes one task, and the sender notices nothing",
  async (framing) => {
    await start();
    const balancer = await rig.dial();
    await kept(1);
    let closed = false;
    void balancer.closed.then(() => (closed = true));
    let sent = 0;
    for (let death = 1; death <= 4; death++) {
      // Told from all others by its length. Where a read dies before it is in the journal it is lost; its first line is said behind that.
      const first = attack(address(sent++), "u".repeat(100 + death));
      await balancer.send(frames([first, ...Array.from({ length: 49 }, () => attack(address(sent++)))], framing));
      await rig.parser.said("line.received", ({ bytes }) => bytes === first.length);
      const before = starts();
      process.kill(workerPid(), "SIGKILL");
      while (starts() === before) {
        await balancer.send(frames([attack(address(sent++))], framing));
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    }
    expect((await attackers(sent)).sort()).toEqual(Array.from({ length: sent }, (_, n) => address(n)).sort());
    expect(closed).toBe(false);
    expect(rig.warnings().filter(({ event }) => event === "worker.replaced")).toHaveLength(4);
  },
);

const describeWhereTraced = (await mayTrace()) ? describe : describe.skip;

describeWhereTraced("killed as it is about to tell the journal (skipped where no process may be traced)", () => {
  // Two reads of two tasks each. Each is done with before the next one comes, so a worker makes these writes in this order.
  const writes = [
    "that a read begins",
    "its first task",
    "its second task",
    "that it ends",
    "an answer",
    "the other answer",
  ];
  const [one, two, split, four, last] = ["203.0.113.1", "203.0.113.2", "203.0.113.3", "203.0.113.4", "203.0.113.5"];
  const lines = frames([attack(one), attack(two), attack(split), attack(four)]);
  const cutAt = frames([attack(one), attack(two)]).length + 60;
  // What the kernel has given away and nobody has written down is gone: decisions/0008.
  const reads = [
    { read: "first", unwritten: [one, two, split] },
    { read: "second", unwritten: [split, four] },
  ];
  const points = reads.flatMap(({ read, unwritten }) =>
    writes.map((write, index) => ({ read, write, lost: index === 0 ? unwritten : [] })),
  );

  test.each(points.map((point, index) => ({ ...point, nth: index + 1 })))(
    "$write ($read read)",
    async ({ lost, nth }) => {
      await start();
      const balancer = await rig.dial();
      await kept(1);
      await killAtCall(workerPid(), "pwrite64", nth);
      await balancer.send(lines.subarray(0, cutAt));
      await until("the first read is done with, or the worker", () => said("task.submitted") === 2 || starts() === 2);
      await balancer.send(lines.subarray(cutAt));
      await until("the second read is done with, or the worker", () => said("task.submitted") === 4 || starts() === 2);
      await balancer.send(`\n${attack(last)}\n`);
      const tasks = await rig.takeUntil("the last line's task", (seen) => seen.some(({ from }) => from === last));
      // By name: a task may be delivered twice, and is the same one then.
      const whom = [...new Map(tasks.map(({ id, from }) => [id, from])).values()];
      expect(whom.sort()).toEqual([one, two, split, four, last].filter((from) => !lost.includes(from)));
      expect(starts()).toBe(2);
    },
  );
});

describe("what had come of a line when the parser died is not forgotten", () => {
  const halves = async (balancer: Balancer, bytes: Buffer, at: number): Promise<void> => {
    await balancer.send(bytes.subarray(0, at));
    await rig.settled();
    await replaceWorker();
    await balancer.send(bytes.subarray(at));
  };

  test.each<Framing>(["lf", "octet-counted"])("%s: half of one is completed", async (framing) => {
    await start();
    const balancer = await rig.dial();
    await kept(1);
    const line = frames([attack("203.0.113.7")], framing);
    await halves(balancer, Buffer.concat([line, line]), line.length + 60);
    expect(await attackers(2)).toEqual(["203.0.113.7", "203.0.113.7"]);
  });

  test("the rest of one that is too long is no line, whatever it looks like", async () => {
    await start({ LOGWARDEN_FRAME_BYTES_MAX: "480" });
    const [lines, counted] = [await rig.dial(), await rig.dial()];
    await kept(2);
    const noise = "x".repeat(600);
    await halves(lines, frames([`${noise}${attack("203.0.113.8")}`, attack("203.0.113.9")]), 600);
    const overlong = frames([`${noise}${attack("203.0.113.8")}`], "octet-counted");
    await halves(counted, Buffer.concat([overlong, frames([attack("203.0.113.10")], "octet-counted")]), 604);
    expect(await attackers(2)).toEqual(["203.0.113.9", "203.0.113.10"]);
  });
});

test("the device is the one that the PROXY header named, and what was said while nobody read is read", async () => {
  await start();
  const balancer = await rig.dial({ source: "2001:db8::201" });
  await balancer.send(frames([attack("203.0.113.1")]));
  await rig.parser.said("task.submitted");
  const before = starts();
  process.kill(workerPid(), "SIGKILL");
  await balancer.send(frames([attack("203.0.113.2"), attack("203.0.113.3")]));
  balancer.finish();
  expect(await attackers(3, "branch-1")).toEqual(["203.0.113.1", "203.0.113.2", "203.0.113.3"]);
  await balancer.closed;
  expect(starts()).toBe(before + 1);
});

test("a connection that ended is kept no longer: its peer sees the end", async () => {
  const balancer = await atWork();
  balancer.finish();
  await balancer.closed;
  await kept(0);
  await rig.settled();
  await replaceWorker();
  expect(await rig.parser.said("worker.replaced")).toMatchObject({ reason: "SIGKILL", connections: 0 });
});

test("asked to end, it drains and ends as a parser without a keeper does", async () => {
  const balancer = await atWork({ stubborn: true });
  rig.parser.program.signal("SIGTERM");
  await balancer.halfClosed;
  await balancer.send(frames([attack("203.0.113.2")]));
  balancer.finish();
  expect(await ended()).toEqual({ code: 0, signal: null });
  expect(await rig.take(1)).toMatchObject([{ from: "203.0.113.2" }]);
});

test("asked to end while one of its workers starts, it ends when that one has read what was left to it", async () => {
  await start();
  const balancer = await rig.dial();
  await balancer.send(frames([attack("203.0.113.1")]));
  await rig.parser.said("task.submitted");
  process.kill(workerPid(), "SIGKILL");
  await balancer.send(frames([attack("203.0.113.2")]));
  rig.parser.program.signal("SIGTERM");
  expect(await attackers(2)).toEqual(["203.0.113.1", "203.0.113.2"]);
  expect(await ended()).toEqual({ code: 0, signal: null });
});

test("a second signal ends it at once", async () => {
  const balancer = await atWork({ stubborn: true });
  rig.parser.program.signal("SIGTERM");
  await balancer.halfClosed;
  rig.parser.program.signal("SIGTERM");
  expect(await ended()).toEqual({ code: 1, signal: null });
});

test("its keeper killed, the parser drains: what was sent to it is read, and its ports are free", async () => {
  const balancer = await atWork({ stubborn: true });
  rig.parser.program.signal("SIGKILL");
  await balancer.halfClosed;
  await balancer.send(frames([attack("203.0.113.2")]));
  balancer.finish();
  expect(await rig.take(1)).toMatchObject([{ from: "203.0.113.2" }]);
  await expect(rig.dial()).rejects.toMatchObject({ code: "ECONNREFUSED" });
});

test("a keeper that dies with a socket on its way to it is found gone as well", async () => {
  await start();
  const { program } = rig.parser;
  const worker = workerPid();
  program.signal("SIGSTOP");
  const balancer = await rig.dial({ stubborn: true });
  await balancer.send(frames([attack("203.0.113.1")]));
  expect(await attackers(1)).toEqual(["203.0.113.1"]);
  program.signal("SIGKILL");
  await balancer.halfClosed;
  balancer.finish();
  await until("the worker has ended", () => !existsSync(`/proc/${worker}`));
});

test("a parser that dies at once again and again is given up, and the supervisor hears of it", async () => {
  await start();
  const balancer = await rig.dial();
  await kept(1);
  for (let death = 1; death < 5; death++) await replaceWorker();
  process.kill(workerPid(), "SIGKILL");
  expect(await ended()).toEqual({ code: 1, signal: null });
  await balancer.closed;
  expect(rig.parser.program.lastWords).toContain("died 5 times in a row as soon as it had begun: giving up");
});

test("puts that the queue did not answer for are put again, by the names that they had", async () => {
  await start();
  const balancer = await rig.dial();
  const [queue] = rig.queues;
  queue?.program.signal("SIGSTOP");
  await balancer.send(frames([attack("203.0.113.1"), attack("203.0.113.2")]));
  await until("both are on their way", async () => (await rig.metric("puts_unanswered")) === 2);
  await replaceWorker();
  expect(await rig.parser.said("worker.replaced")).toMatchObject({ connections: 1, tasks: 2 });
  queue?.program.signal("SIGCONT");
  expect(await attackers(2)).toEqual(["203.0.113.1", "203.0.113.2"]);
  await until("both are answered for", async () => (await rig.metric("puts_unanswered")) === 0);
});
