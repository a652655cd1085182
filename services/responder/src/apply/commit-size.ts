/**
 * How many changes go into one commit: as many as the router commits in a few seconds.
 *
 * The price of a change grows with the commit (one 0.13 s, 100 3.3 s, 500 22.8 s on two cores), and a router may be much
 * slower or faster than that one. A commit that is too small wastes its fixed price under a flood; one that is too large holds
 * up an unban, and comes near the time limit after which nobody knows what became of it.
 */

/** Long enough to be mostly work, short enough for whoever waits behind it. */
const aimedMs = 4000;
/** One step is never larger than this: a commit's time says little about one of ten times its size. */
const growthMax = 4;
const sizeFirst = 100;
const sizeMin = 10;

export class CommitSize {
  readonly #max: number;
  #size: number;

  /** @param max the operator's bound */
  constructor(max: number) {
    this.#max = max;
    this.#size = Math.min(sizeFirst, max);
  }

  get size(): number {
    return this.#size;
  }

  /** Learns from a commit. One that was much smaller than it might have been says only that there was no more to do. */
  learn(ops: number, durationMs: number): void {
    if (ops < this.#size / 2) return;
    const fitting = Math.floor((ops * aimedMs) / Math.max(1, durationMs));
    this.#size = Math.max(Math.min(sizeMin, this.#max), Math.min(fitting, this.#size * growthMax, this.#max));
  }
}
