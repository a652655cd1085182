/**
 * One process of a responder, as an operating system sees it: it runs, is stopped for a while, or is dead.
 *
 * All that comes to it from outside (time, the ledger, the queue, routers) comes through `gate`: to a stopped process it comes when
 * it goes on, to a dead one never. A process that is never told anything any more does nothing any more.
 */

import type { Clock } from "@logwarden/shared/clock";
import type { NeverBan } from "@logwarden/shared/never-ban";
import type { World } from "./world.ts";

export class Host {
  readonly name: string;
  readonly world: World;
  readonly clock: Clock;
  /** The list that it was told last, and when. */
  neverBan: NeverBan;
  neverBanSinceMs = Number.NEGATIVE_INFINITY;
  /** The ledger does not answer it. */
  isCutOff = false;
  /** By router: when it last asked the ledger what is pending there. */
  readonly plannedAtMs = new Map<string, number>();
  #state: "running" | "paused" | "dead" = "running";
  #held: (() => void)[] = [];
  #onDeath: (() => void)[] = [];
  /** When it was last paused, cut off from the ledger, or killed; still is: now. */
  #troubledAtMs = Number.NEGATIVE_INFINITY;

  constructor(name: string, world: World, neverBan: NeverBan) {
    this.name = name;
    this.world = world;
    this.neverBan = neverBan;
    // Clocks that never are set differ from machine to machine.
    const bootedAtMs = world.random.between(0, 10_000_000);
    this.clock = {
      nowMs: () => world.wallMs,
      monotonicMs: () => world.nowMs + bootedAtMs,
      sleep: (ms, signal) =>
        new Promise((resolve) => {
          if (signal?.aborted === true) return resolve();
          const end = (): void => {
            cancel();
            signal?.removeEventListener("abort", end);
            resolve();
          };
          const cancel = world.after(ms, () => this.#deliver(end));
          signal?.addEventListener("abort", end, { once: true });
        }),
    };
  }

  get isDead(): boolean {
    return this.#state === "dead";
  }

  get isPaused(): boolean {
    return this.#state === "paused";
  }

  get troubledAtMs(): number {
    return this.#state !== "running" || this.isCutOff ? this.world.nowMs : this.#troubledAtMs;
  }

  /** Something troubled it just now. */
  trouble(): void {
    this.#troubledAtMs = this.world.nowMs;
  }

  /** What it is told of the promise, and when. */
  gate<T>(promise: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      promise.then(
        (value) => this.#deliver(() => resolve(value)),
        (error: unknown) => this.#deliver(() => reject(error as Error)),
      );
    });
  }

  /** Runs in the process: now, when it goes on, or never. */
  inside(work: () => void): void {
    this.#deliver(work);
  }

  #deliver(tell: () => void): void {
    if (this.#state === "running") tell();
    else if (this.#state === "paused") this.#held.push(tell);
  }

  pause(): void {
    this.trouble();
    if (this.#state === "running") this.#state = "paused";
  }

  proceed(): void {
    if (this.#state !== "paused") return;
    this.trouble();
    this.#state = "running";
    for (const tell of this.#held.splice(0)) tell();
  }

  kill(): void {
    this.trouble();
    this.#state = "dead";
    this.#held = [];
    for (const end of this.#onDeath.splice(0)) end();
  }

  /** What the operating system ends with the process. */
  onDeath(end: () => void): void {
    this.#onDeath.push(end);
  }
}
