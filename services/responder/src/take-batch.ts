/** The jobs of one batch: the first that comes, and whatever is ready beside it; or none, when something else is due. */

import type { Consumer, Job } from "@logwarden/queue";
import type { Clock } from "@logwarden/shared/clock";

/** What a worker needs of a tube. */
export type Tube = Pick<Consumer, "next" | "drain" | "pauseTubes" | "close">;

/** The clock on the wall may be set: it is looked at this often, so that what is due is late by a second at most. */
const lookAtClockMs = 1000;

/** Waits for a job until `dueAtMs` (by the clock on the wall), then takes up to `max` in all. */
export async function takeBatch(
  tube: Tube,
  max: number,
  clock: Clock,
  dueAtMs: number,
  signal: AbortSignal,
): Promise<Job[]> {
  if (signal.aborted || max <= 0) return [];
  if (clock.nowMs() >= dueAtMs) return tube.drain(max);
  const waiting = new AbortController();
  const either = AbortSignal.any([signal, waiting.signal]);
  const alarm = ringAt(clock, dueAtMs, waiting);
  try {
    const first = await tube.next(either);
    return max === 1 ? [first] : [first, ...(await tube.drain(max - 1))];
  } catch (error) {
    if (either.aborted) return [];
    throw error;
  } finally {
    waiting.abort();
    await alarm;
  }
}

async function ringAt(clock: Clock, dueAtMs: number, waiting: AbortController): Promise<void> {
  while (!waiting.signal.aborted) {
    const leftMs = dueAtMs - clock.nowMs();
    if (leftMs <= 0) return waiting.abort();
    await clock.sleep(Math.min(leftMs, lookAtClockMs), waiting.signal);
  }
}
