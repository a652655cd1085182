/**
 * Tasks that came into no device's tube: forwarded to it, or decided here where they are of no device.
 *
 *   a task with a `host` of the inventory ──▶ its device's tube (programs that know no device tubes; the original form)
 *   an order without `host` ──▶ decided, and the routers told (a person's ban of the whole fleet)
 *   a host that is in no inventory ──▶ decided, where unknown devices are accepted; else buried with that reason
 *
 * A task is forwarded, or its orders are given, first, and it is settled then, so that it is never in no tube; a crash in between
 * does it again, with the same ids. Every responder takes from here: nothing here writes to a router.
 */

import { LedgerError } from "@logwarden/ledger";
import { type Producer, QueueError } from "@logwarden/queue";
import type { Clock } from "@logwarden/shared/clock";
import { Failure } from "@logwarden/shared/failure";
import type { Device } from "@logwarden/shared/inventory";
import type { Log } from "@logwarden/shared/log";
import { encodeTask } from "@logwarden/shared/task";
import { deviceTube, taskTtrSeconds } from "@logwarden/shared/tubes";
import type { Decider, Decision } from "./decide/decide.ts";
import { JobsInHand } from "./jobs-in-hand.ts";
import type { Orders } from "./orders.ts";
import { read, type Reserved } from "./reserve.ts";
import { type Outcome, settle } from "./settle.ts";
import { takeBatch, type Tube } from "./take-batch.ts";

export interface IntakeOptions {
  tube: Tube;
  producer: Pick<Producer, "put">;
  devices: ReadonlyMap<string, Device>;
  unknownDevices: "refuse" | "accept";
  decider: Decider;
  orders: Orders;
  clock: Clock;
  batchTasksMax: number;
  dryRun: boolean;
  log: Log;
}

type Readable = Reserved & { kind: "task" };

/** Works until the signal; resolves when the jobs in hand are settled. */
export async function workIntake(options: IntakeOptions, signal: AbortSignal): Promise<void> {
  const { tube, clock, log, batchTasksMax } = options;
  const inHand = new JobsInHand(clock);
  let failuresInARow = 0;

  while (!signal.aborted) {
    const jobs = await takeBatch(tube, batchTasksMax, clock, Number.POSITIVE_INFINITY, signal);
    const items = jobs.map(read);
    inHand.add(items);
    const outcomes = await settleAll(items);
    failuresInARow = outcomes.some((one) => one?.kind === "failed" && one.failure.waiting !== "never")
      ? failuresInARow + 1
      : 0;
    await Promise.all(items.map((item, index) => end(item, outcomes[index])));
  }

  async function settleAll(items: readonly Reserved[]): Promise<(Outcome | undefined)[]> {
    const decided = items.filter((item): item is Readable => item.kind === "task" && isForHere(item));
    const decisions = await decideAll(decided);
    return Promise.all(
      items.map(async (item) => {
        if (item.kind === "unreadable") return failedBy(item.failure);
        const decision = decisions.get(item);
        if (decision === undefined) return forward(item);
        return decision instanceof Failure ? failedBy(decision) : follow(item, decision);
      }),
    );
  }

  /** Of no device: an order for many routers, or the line of a host that may send and is in no inventory. */
  function isForHere({ task }: Readable): boolean {
    if (task.host === undefined) return true;
    return !options.devices.has(task.host) && options.unknownDevices === "accept" && "from" in task;
  }

  async function decideAll(items: readonly Readable[]): Promise<Map<Reserved, Decision | Failure>> {
    if (items.length === 0) return new Map();
    const asked = items.map(({ task, taskId }) => ({ task, taskId, place: { key: task.host ?? "", tags: [] } }));
    try {
      const decisions = await options.decider.decide(asked);
      return new Map(items.map((item, index) => [item, decisions[index] as Decision]));
    } catch (error) {
      if (!(error instanceof LedgerError)) throw error;
      const failure = new Failure("ledger-away", error.message);
      return new Map(items.map((item) => [item, failure]));
    }
  }

  async function follow({ task, taskId }: Readable, decision: Decision): Promise<Outcome> {
    if (decision.kind === "nothing") {
      log.say("plan.empty", { device: "", taskId, reason: decision.reason, detail: decision.detail });
      return decision;
    }
    if (decision.kind !== "enforce") {
      return failedBy(new Failure("task-malformed", `${task.type}: expected the host that it is about`));
    }
    if (options.dryRun) return { kind: "nothing", reason: "dry-run", detail: decision.targets.join(", ") };
    const startedAtMs = clock.monotonicMs();
    try {
      const given = await options.orders.give(
        decision.subjects,
        decision.targets,
        { taskId, by: task.by ?? "policy", at: task.at },
        "",
      );
      if (given === 0) {
        return { kind: "nothing", reason: "no-router", detail: `no router is meant by ${decision.targets.join(", ")}` };
      }
      log.say("order.given", { device: "", taskId, orders: given, durationMs: clock.monotonicMs() - startedAtMs });
      return { kind: "done" };
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      return failedBy(error);
    }
  }

  /** @returns undefined when we were told to stop before any node had taken the task */
  async function forward({ task, taskId }: Readable): Promise<Outcome | undefined> {
    const device = options.devices.get(task.host ?? "");
    if (device === undefined) {
      return failedBy(new Failure("task-device-unknown", `expected the address of a device, got ${task.host}`));
    }
    try {
      const body = encodeTask({ ...task, id: taskId });
      await options.producer.put(deviceTube(device.key), body, { ttrSeconds: taskTtrSeconds });
    } catch (error) {
      if (!(error instanceof QueueError)) throw error;
      if (error.code === "closed") return undefined;
      return failedBy(new Failure("task-malformed", `no queue node takes it: ${error.message}`));
    }
    log.say("task.forwarded", { device: device.key, taskId, type: task.type });
    return { kind: "done" };
  }

  async function end(item: Reserved, outcome: Outcome | undefined): Promise<void> {
    inHand.remove(item);
    // We stop, and nothing is known against the task: the end of our connection makes it ready again.
    if (outcome === undefined) return;
    const device = item.kind === "task" ? (options.devices.get(item.task.host ?? "")?.key ?? "") : "";
    await settle(item.job, outcome, Math.max(1, failuresInARow), log, { device, taskId: item.taskId });
  }
}

function failedBy(failure: Failure): Outcome {
  return { kind: "failed", failure };
}
