/**
 * Tasks of the original form → the tube of their device.
 *
 * Programs that know no device tubes put into `default` or `logwarden.intake`; the device is the task's `host`. A task is
 * forwarded first and settled then, so that it is never in no tube; a crash in between makes a second copy with the same
 * id. A host that is no device of the inventory is buried with that reason.
 */

import { type Consumer, type Producer, QueueError } from "@logwarden/queue";
import { Failure } from "@logwarden/shared/failure";
import type { Device } from "@logwarden/shared/inventory";
import type { Log } from "@logwarden/shared/log";
import { encodeTask } from "@logwarden/shared/task";
import { deviceTube, taskTtrSeconds } from "@logwarden/shared/tubes";
import { keepReserved, read, type Reserved } from "./reserve.ts";
import { type Outcome, settle } from "./settle.ts";
import { takeBatch } from "./take-batch.ts";

export interface IntakeOptions {
  consumer: Consumer;
  producer: Producer;
  devices: ReadonlyMap<string, Device>;
  batchTasksMax: number;
  log: Log;
}

/** Forwards until the signal; resolves when the jobs in hand are settled. */
export async function forwardIntake(options: IntakeOptions, signal: AbortSignal): Promise<void> {
  const { consumer, log } = options;
  while (!signal.aborted) {
    const jobs = await takeBatch(consumer, options.batchTasksMax, signal);
    const stopTouching = keepReserved(jobs);
    try {
      await Promise.all(
        jobs.map(read).map(async (reserved) => {
          const forwarded = await forward(options, reserved);
          // We stop, and nothing is known against the task: the end of our connection makes it ready again.
          if (forwarded === undefined) return;
          const { outcome, device } = forwarded;
          await settle(reserved.job, outcome, 1, log, { device, taskId: reserved.taskId });
        }),
      );
    } finally {
      stopTouching();
    }
  }
}

/** @returns undefined when we were told to stop before any node had taken the task */
async function forward(
  { producer, devices, log }: IntakeOptions,
  reserved: Reserved,
): Promise<{ outcome: Outcome; device: string } | undefined> {
  if (reserved.kind === "unreadable") return { outcome: { kind: "failed", failure: reserved.failure }, device: "" };
  const { task, taskId } = reserved;
  const device = devices.get(task.host);
  if (device === undefined) {
    const failure = new Failure("task-device-unknown", `expected the address of a device, got ${task.host}`);
    return { outcome: { kind: "failed", failure }, device: "" };
  }
  try {
    await producer.put(deviceTube(device.key), encodeTask({ ...task, id: taskId }), { ttrSeconds: taskTtrSeconds });
  } catch (error) {
    if (!(error instanceof QueueError)) throw error;
    if (error.code === "closed") return undefined;
    const failure = new Failure("task-malformed", `no queue node takes it: ${error.message}`);
    return { outcome: { kind: "failed", failure }, device: device.key };
  }
  log.say("task.forwarded", { device: device.key, taskId, type: task.type });
  return { outcome: { kind: "done" }, device: device.key };
}
