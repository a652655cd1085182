/**
 * Jobs that were received when nobody waited for them any more: a pending reserve was answered after all.
 *
 * Always true: a job in here is touched every third of its time to run, so that whoever takes it has about two thirds left. It leaves
 * by being taken, by expiring all the same (we were stopped for too long), or with its connection.
 */

import { QueueError } from "./errors.ts";
import type { HeldJob } from "./job.ts";
import { pause } from "./link.ts";

export class JobBuffer {
  readonly #jobs = new Map<HeldJob, AbortController>();
  readonly #onExpired: (job: HeldJob) => void;

  constructor(onExpired: (job: HeldJob) => void) {
    this.#onExpired = onExpired;
  }

  get size(): number {
    return this.#jobs.size;
  }

  add(job: HeldJob): void {
    const taken = new AbortController();
    this.#jobs.set(job, taken);
    void this.#keep(job, taken.signal);
  }

  /** The oldest jobs, at most `max`. They are the caller's from here on. */
  take(max: number): HeldJob[] {
    this.removeEnded();
    const jobs = [...this.#jobs.keys()].slice(0, Math.max(0, max));
    for (const job of jobs) this.#remove(job);
    return jobs;
  }

  /** Forgets the jobs whose connection has ended. */
  removeEnded(): void {
    for (const job of this.#jobs.keys()) if (!job.alive) this.#remove(job);
  }

  clear(): void {
    for (const job of this.#jobs.keys()) this.#remove(job);
  }

  #remove(job: HeldJob): void {
    this.#jobs.get(job)?.abort();
    this.#jobs.delete(job);
  }

  async #keep(job: HeldJob, taken: AbortSignal): Promise<void> {
    try {
      // RESERVED does not tell the time to run.
      const { ttr } = await job.stats();
      while (!taken.aborted) {
        await pause((ttr * 1000) / 3, taken);
        if (!taken.aborted) await job.touch();
      }
    } catch (error) {
      if (taken.aborted) return;
      if (error instanceof QueueError && error.code === "not-found") this.#onExpired(job);
      // Otherwise its connection has ended, and the server has taken it back.
      this.#remove(job);
    }
  }
}
