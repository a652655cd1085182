/**
 * The one place where the outcome of a task becomes a word that beanstalkd understands.
 *
 *   reserve ──▶ plan ──▶ apply ──▶ settle ──┬─ delete    the change is on the router and saved, or nothing may be done
 *                                           ├─ release   waiting may help: again later
 *                                           └─ bury      waiting cannot help: a person must look
 *
 * Nothing else in the responder deletes, releases or buries. A task settled twice, or never, is the bug that this file
 * exists to make impossible.
 */

import { type Job, QueueError } from "@logwarden/queue";
import { buryPriority, type Failure, type FailureCode } from "@logwarden/shared/failure";
import type { Log } from "@logwarden/shared/log";

export type Outcome =
  | { kind: "done" }
  /** Nothing may be done: the address is never banned, the interface is protected. */
  | { kind: "nothing"; reason: string; detail: string }
  | { kind: "failed"; failure: Failure };

export type Settlement =
  | { verb: "delete"; reason: string }
  | { verb: "release"; delaySeconds: number; reason: FailureCode }
  | { verb: "bury"; priority: number; reason: FailureCode };

/** Ten minutes: a person who mends a router at night should not have to wait longer than that to see it work. */
const delaySecondsMax = 600;

/**
 * @param failuresInARow how often this device has failed since it last succeeded, this time included; from 1
 */
export function settlementFor(outcome: Outcome, failuresInARow: number): Settlement {
  switch (outcome.kind) {
    case "done":
      return { verb: "delete", reason: "done" };
    case "nothing":
      return { verb: "delete", reason: outcome.reason };
    case "failed": {
      const { code, waiting } = outcome.failure;
      switch (waiting) {
        case "never":
          return { verb: "bury", priority: buryPriority(code), reason: code };
        case "later":
          return { verb: "release", delaySeconds: Math.min(2 ** (failuresInARow - 1), delaySecondsMax), reason: code };
        case "device":
          // The tube of the device is paused (device-worker.ts): that is the delay, and it ends when the device is back.
          return { verb: "release", delaySeconds: 0, reason: code };
      }
    }
  }
}

/** Gives the job its verb. A job that is no longer ours (its connection ended, its time ran out) is somebody else's now. */
export async function settle(
  job: Job,
  outcome: Outcome,
  failuresInARow: number,
  log: Log,
  names: { device: string; taskId: string; lagMs?: number },
): Promise<void> {
  const settlement = settlementFor(outcome, failuresInARow);
  const { verb, reason } = settlement;
  try {
    switch (settlement.verb) {
      case "delete":
        await job.delete();
        break;
      case "release":
        await job.release({ delaySeconds: settlement.delaySeconds });
        break;
      case "bury":
        await job.bury({ priority: settlement.priority });
        break;
    }
  } catch (error) {
    if (!(error instanceof QueueError)) throw error;
    return log.say("task.lost", { ...names, verb, reason: error.code });
  }
  log.say("task.settled", { ...names, verb, reason, detail: detailOf(outcome) });
}

function detailOf(outcome: Outcome): string {
  switch (outcome.kind) {
    case "done":
      return "";
    case "nothing":
      return outcome.detail;
    case "failed":
      return outcome.failure.detail;
  }
}
