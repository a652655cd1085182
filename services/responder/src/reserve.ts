/**
 * beanstalkd → tasks: reads the bodies of reserved jobs, and keeps the jobs ours while work is under way.
 */

import { createHash } from "node:crypto";
import { type Job, QueueError } from "@logwarden/queue";
import { Failure } from "@logwarden/shared/failure";
import { parseTask, type Task } from "@logwarden/shared/task";
import { taskTtrSeconds } from "@logwarden/shared/tubes";

/** A job in hand: its task, or why it holds none. */
export type Reserved = { job: Job; taskId: string } & (
  | { kind: "task"; task: Task }
  | { kind: "unreadable"; failure: Failure }
);

/** Reads a job's body. Never throws: a body that is no task is a fact about the job. */
export function read(job: Job): Reserved {
  try {
    const task = parseTask(job.body);
    return { kind: "task", job, task, taskId: task.id ?? idOf(job) };
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return { kind: "unreadable", job, failure: error, taskId: idOf(job) };
  }
}

/**
 * The id of a task that brought none. The same job gives the same id each time it is delivered, so that a forwarder
 * which dies between put and delete makes no second task of it.
 */
export function idOf(job: Job): string {
  return createHash("sha256").update(`${job.node}\n${job.id}\n`).update(job.body).digest("hex").slice(0, 32);
}

/**
 * Touches the jobs three times in each time-to-run until it is told to stop, so that no other responder gets them while
 * a slow commit runs.
 * @returns stops touching
 */
export function keepReserved(jobs: readonly Job[]): () => void {
  const timer = setInterval(
    () => {
      for (const job of jobs) {
        // A job that is no longer ours is reported once, where it is settled.
        void job.touch().catch((error: unknown) => {
          if (!(error instanceof QueueError)) throw error;
        });
      }
    },
    (taskTtrSeconds * 1000) / 3,
  );
  return () => clearInterval(timer);
}
