/**
 * The loop of one device: everything that is ready for it becomes one plan; one change at a time.
 *
 *   waiting ──task──▶ working ──settled──▶ waiting
 *                        └─ the device is away ──▶ held: its tube is paused, the device is probed ──answers──▶ waiting
 *
 * Each device has a worker and queue connections of its own, so that a dead router delays nobody else's tasks. While it
 * is held its tasks stay in its tube, in their order, and the pause holds for every responder; it is renewed as long as
 * somebody probes, and runs out by itself when that responder dies.
 */

import { setTimeout as sleep } from "node:timers/promises";
import { type Consumer, QueueError } from "@logwarden/queue";
import { adviceFor, Failure } from "@logwarden/shared/failure";
import type { Device } from "@logwarden/shared/inventory";
import type { Log } from "@logwarden/shared/log";
import type { NeverBan } from "@logwarden/shared/never-ban";
import { groupPath, type VyosClient } from "@logwarden/vyos";
import { apply, type ApplyObserver, type ChangeResult, failAll } from "./apply/apply.ts";
import { failureOf } from "./apply/failure-of.ts";
import { plan, type PlannedRequest } from "./plan/plan.ts";
import { keepReserved, read, type Reserved } from "./reserve.ts";
import { type Outcome, settle } from "./settle.ts";
import { takeBatch } from "./take-batch.ts";

export interface DeviceWorkerOptions {
  device: Device;
  consumer: Consumer;
  /** A new client, with the key as its file holds it now. @throws Failure device-key-unreadable */
  connect: () => VyosClient;
  group: string;
  neverBan: NeverBan;
  batchTasksMax: number;
  opsPerRequestMax: number;
  /** How long a commit may take. */
  configureTimeoutMs: number;
  log: Log;
}

/** Three probes fit into one pause, so that a slow one does not let the tube loose. */
const holdSeconds = 30;
/** Growing from one to ten seconds: a router that reboots is back in use within ten seconds of answering. */
const probeDelayMsMin = 1000;
const probeDelayMsMax = 10_000;

/** Works until the signal; resolves when the batch in hand is settled. */
export async function workDevice(options: DeviceWorkerOptions, signal: AbortSignal): Promise<void> {
  const { consumer, log, device } = options;
  let client: VyosClient | undefined;
  let failuresInARow = 0;
  /** The last answer was lost, or the router went away before it could be read: it is read before anything is sent again. */
  let lookFirst = false;
  const observer: ApplyObserver = {
    committed: (ops, durationMs, detail) => log.say("change.applied", { device: device.key, ops, durationMs, detail }),
    saved: (durationMs) => log.say("change.saved", { device: device.key, durationMs }),
    verified: (ops) => log.say("change.verified", { device: device.key, ops }),
  };

  while (!signal.aborted) {
    const jobs = await takeBatch(consumer, options.batchTasksMax, signal);
    if (jobs.length === 0) break;
    const stopTouching = keepReserved(jobs);
    let away: Failure | undefined;
    try {
      const outcomes = await work(jobs.map(read));
      const failures = outcomes.flatMap(({ outcome }) => (outcome.kind === "failed" ? [outcome.failure] : []));
      away = failures.find(({ waiting }) => waiting === "device");
      failuresInARow = failures.some(({ waiting }) => waiting !== "never") ? failuresInARow + 1 : 0;
      lookFirst = away !== undefined || failures.some(({ code }) => code === "change-unknown");
      // Paused first: released into an open tube, the tasks would come straight back.
      if (away !== undefined) await pause(holdSeconds);
      await Promise.all(
        outcomes.map(({ reserved: { job, taskId }, outcome }) =>
          settle(job, outcome, failuresInARow, log, { device: device.key, taskId }),
        ),
      );
    } finally {
      stopTouching();
    }
    if (away !== undefined) await hold(away);
  }
  client?.close();

  async function work(reserved: Reserved[]): Promise<{ reserved: Reserved; outcome: Outcome }[]> {
    const outcomes = new Map<Reserved, Outcome>();
    const wanted = reserved.flatMap((item) => {
      if (item.kind === "unreadable") {
        outcomes.set(item, { kind: "failed", failure: item.failure });
        return [];
      }
      log.say("task.reserved", { device: device.key, taskId: item.taskId, type: item.task.type });
      return [{ task: item.task, askedBy: item }];
    });
    const { requests, empty, failed } = plan({ ...options, wanted });
    for (const { askedBy, reason, detail } of empty) {
      log.say("plan.empty", { device: device.key, taskId: askedBy.taskId, reason, detail });
      outcomes.set(askedBy, { kind: "nothing", reason, detail });
    }
    for (const { askedBy, failure } of failed) outcomes.set(askedBy, { kind: "failed", failure });
    if (requests.length > 0) {
      const ops = requests.reduce((sum, { changes }) => sum + changes.length, 0);
      log.say("plan.made", { device: device.key, tasks: wanted.length, ops, requests: requests.length });
      for (const result of await applyWithKey(requests)) {
        if (result.kind === "failed") sayFailed(result.failure);
        for (const item of result.change.askedBy) {
          outcomes.set(item, result.kind === "done" ? result : { kind: "failed", failure: result.failure });
        }
      }
    }
    return reserved.map((item) => {
      const outcome = outcomes.get(item);
      if (outcome === undefined) throw new Error(`task ${item.taskId} came out of a plan without an outcome`);
      return { reserved: item, outcome };
    });
  }

  async function applyWithKey(requests: PlannedRequest<Reserved>[]): Promise<ChangeResult<Reserved>[]> {
    try {
      client ??= options.connect();
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      return failAll(
        requests.flatMap(({ changes }) => changes),
        error,
      );
    }
    const { group, configureTimeoutMs: patienceMs } = options;
    return apply(client, { group, patienceMs, requests, lookFirst, observer });
  }

  function sayFailed({ code, detail }: Failure): void {
    log.say("change.failed", { device: device.key, reason: code, detail, advice: adviceFor(code) });
  }

  /** Waits until the device answers a read again, or until we are told to end. */
  async function hold(failure: Failure): Promise<void> {
    const heldAtMs = performance.now();
    let current = failure;
    let said: string | undefined;
    for (let delayMs = probeDelayMsMin; ; delayMs = Math.min(delayMs * 2, probeDelayMsMax)) {
      if (said !== current.code) {
        const { code, detail } = current;
        log.say("device.held", { device: device.key, reason: code, detail, advice: adviceFor(code) });
        said = code;
      }
      await sleep(delayMs, undefined, { signal }).catch(() => undefined);
      // Whoever takes over must not wait for a pause that nobody ends.
      if (signal.aborted) return pause(0);
      client?.close();
      client = undefined;
      const failing = await probe();
      if (failing === undefined) {
        await pause(0);
        const durationMs = Math.round(performance.now() - heldAtMs);
        return log.say("device.resumed", { device: device.key, durationMs });
      }
      current = failing;
      await pause(holdSeconds);
    }
  }

  /** Reads the router with the key as it is now. @returns why it does not answer; undefined when it does */
  async function probe(): Promise<Failure | undefined> {
    try {
      client = options.connect();
    } catch (error) {
      if (error instanceof Failure) return error;
      throw error;
    }
    const answer = await client.returnValues(groupPath(4, options.group));
    return answer.kind === "done" ? undefined : failureOf(answer);
  }

  /** A node that is away cannot pause: its tasks come back with it and find out about the device themselves. */
  async function pause(seconds: number): Promise<void> {
    try {
      await consumer.pauseTubes(seconds);
    } catch (error) {
      if (!(error instanceof QueueError)) throw error;
    }
  }
}
