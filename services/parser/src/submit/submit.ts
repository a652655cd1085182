/**
 * Task → beanstalkd: nothing is dropped, and nothing is kept without bound.
 *
 *   open ──window full──▶ paused ──half of it answered──▶ open
 *
 * The window bounds the puts that are sent and not yet answered. When it is full, `onPause` stops the sockets; what one
 * read held may still be put over it, so the memory is bounded by the window and one read of each connection. A put
 * whose answer never came is repeated with the same id: consumers count by id.
 */

import type { Producer } from "@logwarden/queue";
import type { Keeping } from "../keep/keeping.ts";
import type { UnansweredPut } from "../keep/journal.ts";
import type { Log } from "@logwarden/shared/log";
import { createTaskEncoder, type EventTask } from "@logwarden/shared/task";
import { taskTtrSeconds } from "@logwarden/shared/tubes";

export interface Submitter {
  submit(tube: string, task: EventTask): void;
  /** Puts a task once more that another parser died with. */
  repeat(left: UnansweredPut): void;
  /** Waits for the answers. @returns how many never came; each of those tasks has been logged whole */
  close(deadlineMs: number): Promise<number>;
}

/**
 * Behind what a person asks for and before nothing: the parser holds no state, so it cannot know a first sighting from
 * a repetition.
 */
const put = { priority: 1000, ttrSeconds: taskTtrSeconds };

export function createSubmitter(
  producer: Producer,
  log: Log,
  gate: { pause: () => void; resume: () => void },
  keeping?: Keeping,
): Submitter {
  const encode = createTaskEncoder();
  const submitted = log.tally("task.submitted", {});
  const tellSubmitted = log.teller("task.submitted", ({ id = "" }: EventTask, tube: string, node: string) => ({
    ...{ taskId: id, tube, node },
  }));
  let paused = false;

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

  function send(tube: string, body: string, task: EventTask, place: number | undefined): void {
    producer.submit(tube, body, put, {
      stored(node) {
        if (place !== undefined) keeping?.answered(place);
        submitted.count++;
        tellSubmitted(task, tube, node);
      },
      rejected({ code }) {
        log.say("task.rejected", { taskId: task.id ?? "", tube, reason: code, task });
        if (place !== undefined) keeping?.answered(place);
      },
    });
    if (producer.full && !paused) void pauseUntilHalf();
  }

  return {
    submit(tube, task) {
      const body = encode(task);
      send(tube, body, task, keeping?.put(tube, body));
    },
    repeat: ({ tube, body, place }) => send(tube, body, JSON.parse(body) as EventTask, place),
    close: (deadlineMs) => producer.close(deadlineMs),
  };
}
