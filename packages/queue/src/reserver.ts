/**
 * Reserves jobs over one connection life.
 *
 *   idle ──a job is wanted──▶ waiting (one long reserve) ──job, timed out──▶ idle, or waiting again while one is wanted
 *     └────a drain───────────▶ probing (a few reserves with timeout 0) ────▶ idle
 *
 * Always true: while idle nothing is pending that could hold back a delete. A waiting reserve blocks its connection, so while
 * jobs of this life are held, it waits no longer than a second.
 */

import type { Connection } from "./connection.ts";
import { toQueueError } from "./errors.ts";
import { HeldJob } from "./job.ts";
import { pause } from "./link.ts";

export interface ReserverOptions {
  connection: Connection;
  reserveSeconds: number;
  /** Whether somebody waits for a job now. */
  wanted: () => boolean;
  deliver: (job: HeldJob) => void;
  onDeadlineSoon: () => void;
}

/** How long a delete may wait behind a reserve of its own connection. */
const reserveSecondsWhileHolding = 1;
/** DEADLINE_SOON is answered at once: the pause leaves the connection to the worker's touch or delete. */
const deadlinePauseMs = 200;

export class Reserver {
  readonly connection: Connection;
  readonly #options: ReserverOptions;
  readonly #held = new Set<HeldJob>();
  readonly #ended = new AbortController();
  #busy = false;

  constructor(options: ReserverOptions) {
    this.connection = options.connection;
    this.#options = options;
    void options.connection.closed.then(() => this.#ended.abort());
  }

  get idle(): boolean {
    return !this.#busy && this.connection.alive;
  }

  /** Called when a job is wanted. */
  ensure(): void {
    if (this.idle && this.#options.wanted()) void this.#wait();
  }

  /**
   * Asks for up to `count` jobs that are ready now, all in one go.
   * @returns how many came, and whether more may be ready
   */
  async probe(
    count: number,
    take: (job: HeldJob) => void,
    onAnswer: () => void,
  ): Promise<{ got: number; dry: boolean }> {
    if (!this.idle) return { got: 0, dry: true };
    this.#busy = true;
    let got = 0;
    const ask = async (): Promise<void> => {
      const answer = await this.connection.reserve(0);
      if (answer.kind === "deadline-soon") this.#options.onDeadlineSoon();
      if (answer.kind === "job") {
        got += 1;
        take(this.#hold(answer.id, answer.body));
      }
      onAnswer();
    };
    const answers = await Promise.allSettled(Array.from({ length: count }, ask));
    this.#busy = false;
    // Somebody may have asked for a job meanwhile, and found this connection busy.
    this.ensure();
    return { got, dry: got < count || answers.some(({ status }) => status === "rejected") };
  }

  async #wait(): Promise<void> {
    const { connection } = this;
    this.#busy = true;
    try {
      while (connection.alive && this.#options.wanted()) {
        const { reserveSeconds } = this.#options;
        const seconds = this.#held.size > 0 ? Math.min(reserveSeconds, reserveSecondsWhileHolding) : reserveSeconds;
        const answer = await connection.reserve(seconds);
        if (answer.kind === "job") this.#options.deliver(this.#hold(answer.id, answer.body));
        if (answer.kind === "deadline-soon") {
          this.#options.onDeadlineSoon();
          await pause(deadlinePauseMs, this.#ended.signal);
        }
      }
    } catch (error) {
      // A server that cannot even reserve (OUT_OF_MEMORY) is left alone until the link dials again.
      connection.destroy(toQueueError(error, "protocol", connection.node));
    } finally {
      this.#busy = false;
    }
  }

  #hold(id: string, body: Buffer): HeldJob {
    const job = new HeldJob(this.connection, id, body, (settled) => this.#held.delete(settled));
    this.#held.add(job);
    return job;
  }
}
