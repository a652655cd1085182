/**
 * Time and chance of one run: nothing in it waits for a real clock.
 *
 *   run(until) ──▶ what can go on goes on until all is quiet ──▶ the next timer's time ──▶ …
 *
 * "Quiet" is one turn of Node's event loop: all that the run consists of are promises, and a turn begins only when no promise
 * can go on. So a run depends on its seed and on nothing else.
 */

import { Random } from "../random.ts";

interface Timer {
  atMs: number;
  order: number;
  ring: (() => void) | undefined;
}

export class World {
  readonly random: Random;
  /** What went wrong, in order. The first one counts: others may follow from it. */
  readonly violations: string[] = [];
  /** What happened, in order, for people. */
  readonly trace: string[] = [];
  readonly #keepsTrace: boolean;
  #nowMs = 0;
  #wallMs = Date.UTC(2026, 0, 1);
  #order = 0;
  /** A heap: the earliest first, of those the first made. */
  readonly #timers: Timer[] = [];

  constructor(seed: number, keepsTrace: boolean) {
    this.random = new Random(seed);
    // Neighbouring seeds begin alike.
    for (let warm = 0; warm < 4; warm++) this.random.next();
    this.#keepsTrace = keepsTrace;
  }

  /** Milliseconds since the run began; never set. */
  get nowMs(): number {
    return this.#nowMs;
  }

  /** The clock on every wall. */
  get wallMs(): number {
    return this.#wallMs + this.#nowMs;
  }

  stepWall(ms: number): void {
    this.#wallMs += ms;
  }

  say(who: string, what: string): void {
    if (this.#keepsTrace) this.trace.push(`${(this.#nowMs / 1000).toFixed(3).padStart(9)}  ${who.padEnd(12)} ${what}`);
  }

  violate(rule: string, what: string): void {
    this.say("VIOLATION", `${rule}: ${what}`);
    this.violations.push(`at ${(this.#nowMs / 1000).toFixed(3)} s: ${rule}: ${what}`);
  }

  /** @returns takes it back */
  after(ms: number, ring: () => void): () => void {
    const timer: Timer = { atMs: this.#nowMs + Math.max(0, Math.ceil(ms)), order: this.#order++, ring };
    this.#push(timer);
    return () => {
      timer.ring = undefined;
    };
  }

  wait(ms: number): Promise<void> {
    return new Promise((resolve) => void this.after(ms, resolve));
  }

  /** Lets the time go on until then, or until something is wrong. */
  async run(untilMs: number): Promise<void> {
    for (;;) {
      await quiet();
      const [next] = this.#timers;
      if (next === undefined || next.atMs > untilMs || this.violations.length > 0) break;
      this.#nowMs = next.atMs;
      while (this.#timers[0]?.atMs === this.#nowMs) this.#pop().ring?.();
    }
    if (this.violations.length === 0) this.#nowMs = Math.max(this.#nowMs, untilMs);
  }

  #push(timer: Timer): void {
    const heap = this.#timers;
    let at = heap.push(timer) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!before(timer, heap[parent] as Timer)) break;
      heap[at] = heap[parent] as Timer;
      at = parent;
    }
    heap[at] = timer;
  }

  #pop(): Timer {
    const heap = this.#timers;
    const first = heap[0] as Timer;
    const last = heap.pop() as Timer;
    if (heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1] as Timer, heap[child] as Timer)) child++;
      if (!before(heap[child] as Timer, last)) break;
      heap[at] = heap[child] as Timer;
      at = child;
    }
    heap[at] = last;
    return first;
  }
}

function before(a: Timer, b: Timer): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}

function quiet(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
