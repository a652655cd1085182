/**
 * beanstalkd → tasks: reads the bodies of reserved jobs.
 */

import { createHash } from "node:crypto";
import type { Job } from "@logwarden/queue";
import { Failure } from "@logwarden/shared/failure";
import { parseTask, type Task } from "@logwarden/shared/task";

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
function idOf(job: Job): string {
  return createHash("sha256").update(`${job.node}\n${job.id}\n`).update(job.body).digest("hex").slice(0, 32);
}
