/** The first job of a batch, or the end of the work. */

import type { Consumer, Job } from "@logwarden/queue";

/** @returns undefined when the signal ended the wait */
export async function nextJob(consumer: Consumer, signal: AbortSignal): Promise<Job | undefined> {
  try {
    return await consumer.next(signal);
  } catch (error) {
    if (signal.aborted) return undefined;
    throw error;
  }
}
