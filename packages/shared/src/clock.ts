/** Time as an argument: whoever waits or asks for the time is given one of these, so that a test can be the clock. */

import { setTimeout as wait } from "node:timers/promises";

export interface Clock {
  /** Milliseconds since the epoch. Somebody may set it: for what people and other machines are told, and for ends of bans. */
  nowMs(): number;
  /** Milliseconds since some moment; never set, never back. For how long something took, or may take. */
  monotonicMs(): number;
  /** Resolves when the time is over, or earlier when the signal comes. Never rejects. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  sleep: (ms, signal) => wait(ms, undefined, { signal }).catch(() => undefined),
};
