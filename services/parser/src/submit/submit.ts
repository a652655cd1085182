/**
 * Task → beanstalkd: nothing is dropped, and nothing is kept without bound.
 *
 *   open ──window full──▶ paused ──half of it answered──▶ open
 *
 * The window bounds the puts that are sent and not yet answered. When it is full, `onPause` stops the sockets; what one
 * read held may still be put over it, so the memory is bounded by the window and one read of each connection. A put
 * whose answer never came is repeated with the same id: consumers count by id.
 */

import { QueueError, type Producer } from "@logwarden/queue";
import type { Log } from "@logwarden/shared/log";
import { encodeTask, type Task } from "@logwarden/shared/task";
import { taskTtrSeconds } from "@logwarden/shared/tubes";

export interface Submitter {
  submit(tube: string, task: Task): void;
  /** Waits for the answers. @returns how many never came; each of those tasks has been logged whole */
  close(deadlineMs: number): Promise<number>;
}

/**
 * Behind what a person asks for and before nothing: the parser holds no state, so it cannot know a first sighting from
 * a repetition.
 */
const detectionPriority = 1000;

export function createSubmitter(
  producer: Producer,
  log: Log,
  gate: { pause: () => void; resume: () => void },
): Submitter {
  let paused = false;

  async function put(tube: string, task: Task): Promise<void> {
    const taskId = task.id ?? "";
    try {
      const { node } = await producer.put(tube, encodeTask(task), {
        priority: detectionPriority,
        ttrSeconds: taskTtrSeconds,
      });
      log.say("task.submitted", { taskId, tube, node });
    } catch (error) {
      // The queue's own errors are facts about this task; anything else is a bug and must end the process.
      if (!(error instanceof QueueError)) throw error;
      log.say("task.rejected", { taskId, tube, reason: error.code, task });
    }
  }

  async function pauseUntilHalf(): Promise<void> {
    paused = true;
    const pausedAtMs = performance.now();
    gate.pause();
    log.say("intake.paused", { unanswered: producer.unanswered });
    await producer.onceBelow();
    paused = false;
    gate.resume();
    const durationMs = Math.round(performance.now() - pausedAtMs);
    log.say("intake.resumed", { unanswered: producer.unanswered, durationMs });
  }

  return {
    submit(tube, task) {
      void put(tube, task);
      if (producer.full && !paused) void pauseUntilHalf();
    },
    close: (deadlineMs) => producer.close(deadlineMs),
  };
}
