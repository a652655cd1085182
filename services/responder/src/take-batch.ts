/** The jobs of one batch: the first that comes, and whatever is ready beside it. */

import type { Consumer, Job } from "@logwarden/queue";

/** Waits for a job, then takes up to `max` in all. @returns none when the signal ended the wait */
export async function takeBatch(consumer: Consumer, max: number, signal: AbortSignal): Promise<Job[]> {
  const first = await firstJob(consumer, signal);
  return first === undefined ? [] : [first, ...(await consumer.drain(max - 1))];
}

async function firstJob(consumer: Consumer, signal: AbortSignal): Promise<Job | undefined> {
  try {
    return await consumer.next(signal);
  } catch (error) {
    if (signal.aborted) return undefined;
    throw error;
  }
}
