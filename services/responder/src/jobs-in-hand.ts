/**
 * Jobs that are reserved and not settled yet. They are touched three times in each time-to-run, so that no other responder gets
 * them while a slow commit runs.
 */

import { QueueError } from "@logwarden/queue";
import type { Clock } from "@logwarden/shared/clock";
import { taskTtrSeconds } from "@logwarden/shared/tubes";
import type { Reserved } from "./reserve.ts";

export class JobsInHand {
  readonly #clock: Clock;
  readonly #items = new Set<Reserved>();
  #touching: AbortController | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#items.size;
  }

  /** All of them. */
  get items(): readonly Reserved[] {
    return [...this.#items];
  }

  add(items: readonly Reserved[]): void {
    for (const item of items) this.#items.add(item);
    if (this.#items.size > 0 && this.#touching === undefined) void this.#touch();
  }

  /** Settled, or given up. */
  remove(item: Reserved): void {
    this.#items.delete(item);
    if (this.#items.size > 0) return;
    this.#touching?.abort();
    this.#touching = undefined;
  }

  async #touch(): Promise<void> {
    const touching = new AbortController();
    this.#touching = touching;
    for (;;) {
      await this.#clock.sleep((taskTtrSeconds * 1000) / 3, touching.signal);
      if (touching.signal.aborted) return;
      for (const { job } of this.#items) {
        // A job that is no longer ours is reported once, where it is settled.
        void job.touch().catch((error: unknown) => {
          if (!(error instanceof QueueError)) throw error;
        });
      }
    }
  }
}
