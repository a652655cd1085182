/**
 * One reserved job, bound to the connection life that reserved it.
 *
 * Always true: its verbs are sent on that connection or not at all. An id means nothing in another life: a server without binlog
 * starts at 1 again, and the delete of an old 1 deletes the new 1. And it is settled once: after a release, another worker may hold it.
 */

import type { Connection } from "./connection.ts";
import { QueueError } from "./errors.ts";
import type { JobStats } from "./stats.ts";

export interface Job {
  readonly id: string;
  /** The node that holds it, `host:port`. */
  readonly node: string;
  readonly body: Buffer;
  /** Whether the connection life that reserved it still runs. When not, the server has given the job back already. */
  readonly alive: boolean;
  /** @throws QueueError `not-found` (the time to run is over, somebody else may hold it), `connection-lost`, `already-settled` */
  delete(): Promise<void>;
  /** Back into the tube, after a delay. @throws QueueError as delete, and `buried-on-release` */
  release(options: { delaySeconds: number; priority?: number }): Promise<void>;
  /** Aside, until a person kicks it. @throws QueueError as delete */
  bury(options?: { priority?: number }): Promise<void>;
  /** Starts the time to run again. @throws QueueError as delete */
  touch(): Promise<void>;
  /** @throws QueueError as delete */
  stats(): Promise<JobStats>;
}

export class HeldJob implements Job {
  readonly id: string;
  readonly body: Buffer;
  readonly #connection: Connection;
  readonly #onSettled: (job: HeldJob) => void;
  #settled = false;

  constructor(connection: Connection, id: string, body: Buffer, onSettled: (job: HeldJob) => void) {
    this.#connection = connection;
    this.id = id;
    this.body = body;
    this.#onSettled = onSettled;
  }

  get node(): string {
    return this.#connection.node;
  }

  get alive(): boolean {
    return this.#connection.alive;
  }

  delete(): Promise<void> {
    return this.#settle(() => this.#connection.delete(this.id));
  }

  release(options: { delaySeconds: number; priority?: number }): Promise<void> {
    return this.#settle(() => this.#connection.release(this.id, options));
  }

  bury(options: { priority?: number } = {}): Promise<void> {
    return this.#settle(() => this.#connection.bury(this.id, options));
  }

  async touch(): Promise<void> {
    this.#check();
    return this.#connection.touch(this.id);
  }

  async stats(): Promise<JobStats> {
    this.#check();
    return this.#connection.statsJob(this.id);
  }

  async #settle(verb: () => Promise<void>): Promise<void> {
    this.#check();
    this.#settled = true;
    try {
      await verb();
    } catch (error) {
      // Refused without being carried out: the job is still ours, and another verb may do.
      const code = error instanceof QueueError ? error.code : "protocol";
      this.#settled = !["bad-argument", "window-full", "out-of-memory", "internal-error"].includes(code);
      throw error;
    } finally {
      if (this.#settled) this.#onSettled(this);
    }
  }

  #check(): void {
    const { node } = this;
    if (!this.alive) throw new QueueError("connection-lost", `${node} has taken job ${this.id} back`, { node });
    if (this.#settled)
      throw new QueueError("already-settled", `job ${this.id} at ${node} was settled before`, { node });
  }
}
