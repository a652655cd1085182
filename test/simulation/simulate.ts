/**
 * One run: a seed in, what went wrong out.
 *
 *   steps of attacks, orders and faults ──▶ all faults heal ──▶ a calm, with some more attacks ──▶ the end is judged
 */

import { openLedger } from "@logwarden/ledger";
import { parseTask, type Task } from "@logwarden/shared/task";
import { deviceTube, intakeTubes } from "@logwarden/shared/tubes";
import { Crowd } from "./crowd.ts";
import { type Ending, unexplained, unfinished } from "./ending.ts";
import { Faults } from "./faults.ts";
import { Fleet } from "./fleet.ts";
import { configureTimeoutMs, Judge } from "./judge.ts";
import { QueueNode } from "./queue-node.ts";
import { Reference } from "./reference.ts";
import { SimRouter } from "./router.ts";
import { hosts, inventoryOf, routerKeys, type Setting } from "./setting.ts";
import { World } from "./world.ts";

export interface Run {
  seed: number;
  /** Of attacks, orders and faults. */
  steps: number;
  trace: boolean;
}

export interface Result {
  violations: readonly string[];
  trace: readonly string[];
  /** How much happened, so that a run in which nothing happens is noticed. */
  bans: number;
  simulatedMs: number;
}

/** Each of them may come to `allow`, and go again. */
const allowable = ["203.0.113.1", "203.0.113.4/30", "2001:db8:0:1::2", "2001:db8:0:2::/64"];

/** The longest delay of a release is ten minutes; then there is some work to do. */
const healingMs = 25 * 60_000;
const lookMs = 5000;
/** Longer than anything that failed takes to be tried again: a minute, and one that hangs for twenty seconds. */
const settlingMs = 100_000;
/** A second until the clock is looked at, and two commits: the one that is open then, and the one that takes out. */
const endGraceMs = 3500;

export async function simulate({ seed, steps, trace }: Run): Promise<Result> {
  const world = new World(seed, trace);
  const { random } = world;
  const onUnhandled = (error: unknown): void => {
    world.violate("bug", error instanceof Error ? (error.stack ?? error.message) : String(error));
  };
  process.on("unhandledRejection", onUnhandled);
  const ledger = await openLedger({ file: ":memory:" });
  const ends: (() => void)[] = [];
  try {
    const setting: Setting = {
      groupMax: random.chance(0.15) ? random.between(2, 5) : 10_000,
      allow: random.chance(0.3) ? [random.pick(allowable)] : [],
      unknownDevices: random.chance(0.5) ? "accept" : "refuse",
    };
    let allow = setting.allow;
    let inventory = inventoryOf(setting);
    const routers = routerKeys.map((key) => new SimRouter(key, world));
    if (random.chance(0.1)) random.pick(routers).dislikes = "203.0.113.2";
    const nodes = Array.from(
      { length: random.between(1, 3) },
      (_, index) => new QueueNode(`queue-${index + 1}`, world),
    );
    const reference = new Reference(world);
    const tasks = new Map<string, Task>();
    const fleet = new Fleet({
      ...{ world, ledger, nodes, routers },
      inventory: () => inventory,
      watch: {
        decided: (host, observed) => reference.decided(host, observed, tasks),
        expired: (nowMs) => reference.expired(nowMs),
      },
      onConfigure: (host, router, ops) => {
        judge.onConfigure(host, router, ops);
        faults.onConfigure(host);
      },
      batchTasksMax: random.pick([1, 3, 2000]),
      opsPerRequestMax: random.pick([1, 3, 2000]),
      configureTimeoutMs,
      reconcileMs: 60_000,
    });
    ends.push(() => {
      for (const one of fleet.processes) fleet.kill(one);
    });
    const judged = { world, reference, routers, tasks, hosts: fleet.hosts, evicts: setting.groupMax < 10_000 };
    const judge = new Judge(judged);
    for (const router of routers) router.onWrite = (write) => judge.onWrite(router, write);
    for (const node of nodes) {
      node.onForgotten = (job) => judge.onForgotten(job);
      node.onDelete = (job) => {
        const host = fleet.hosts.get(job.holder?.name ?? "");
        const task = readTask(job.body);
        if (host !== undefined && task !== undefined) judge.onSettle(host, job, task, task.id ?? "");
      };
    }
    const faults = new Faults({
      ...{ world, fleet, nodes, routers },
      tubes: [...Object.keys(hosts).map(deviceTube), ...intakeTubes],
      editAllow: () => {
        const entry = random.pick(allowable);
        allow = allow.includes(entry) ? allow.filter((one) => one !== entry) : [...allow, entry];
        inventory = inventoryOf({ ...setting, allow });
        world.say("allow", allow.join(", "));
        fleet.tellNeverBan();
      },
      onStep: () => {
        judge.steppedAtMs = world.nowMs;
      },
    });
    const crowd = new Crowd(world, nodes, tasks, setting.unknownDevices === "accept");

    for (let count = random.between(1, 3); count > 0; count--) fleet.start();
    for (let step = 0; step < steps && world.violations.length === 0; step++) {
      await world.run(world.nowMs + random.between(0, 3000));
      act(crowd, faults, world);
    }
    const lost = random.chance(0.1) ? random.pick(routers) : undefined;
    faults.healAll();
    lost?.fall({ away: "refuses" });
    world.say("fault", lost === undefined ? "all is well" : `all is well, but for ${lost.key}`);
    const ending = (): Ending => {
      const wasStepped = judge.steppedAtMs >= 0;
      return { world, ledger, inventory, nodes, routers, wasStepped };
    };
    await calm({ world, crowd, judge, ending });
    return { violations: world.violations, trace: world.trace, bans: reference.bans.length, simulatedMs: world.nowMs };
  } finally {
    // Nothing of this run may go on into the next.
    for (const kill of ends) kill();
    await world.run(world.nowMs);
    process.off("unhandledRejection", onUnhandled);
    await ledger.close();
  }
}

function act(crowd: Crowd, faults: Faults, { random }: World): void {
  random.weighted([
    [10, () => crowd.attack()],
    [1, () => crowd.login()],
    [1, () => crowd.fall()],
    [2, () => crowd.order()],
    [0.2, () => crowd.nonsense()],
    [4, () => faults.one()],
  ])();
}

/** Attacks go on for a while, and then all must come to rest. */
async function calm(run: { world: World; crowd: Crowd; judge: Judge; ending: () => Ending }): Promise<void> {
  const { world, crowd, judge, ending } = run;
  const calmSinceMs = world.nowMs;
  let left: string[] = [];
  while (world.nowMs < calmSinceMs + healingMs && world.violations.length === 0) {
    const isAttacked = world.nowMs < calmSinceMs + settlingMs + 60_000;
    for (let looks = 0; looks < lookMs / 500; looks++) {
      await world.run(world.nowMs + 500);
      judge.expectInTime(calmSinceMs + settlingMs, endGraceMs);
    }
    if (isAttacked) crowd.attack();
    else {
      left = await unfinished(ending());
      if (left.length === 0) break;
    }
  }
  if (world.violations.length > 0) return;
  for (const one of left) world.violate("ending", one);
  for (const one of await unexplained(ending())) world.violate("audit", one);
}

function readTask(body: Buffer): Task | undefined {
  try {
    return parseTask(body);
  } catch {
    return undefined;
  }
}
