/**
 * One beanstalkd, in memory, with what the responder uses of it: priorities, FIFO within one, delay, time to run, reserve, touch,
 * release, bury, delete, kick, pause-tube. With a binlog: what it stored it has again when it comes back, reserved jobs ready.
 */

import type { World } from "./world.ts";

export interface StoredJob {
  id: number;
  tube: string;
  body: Buffer;
  priority: number;
  ttrMs: number;
  state: "ready" | "delayed" | "reserved" | "buried";
  holder: NodeConnection | undefined;
  /** Its holder's worker has it, and not only its consumer. */
  isInHand: boolean;
  /** Ends the delay, or the time to run. */
  cancel: () => void;
}

/** One connection of a consumer. It ends with the node, with its process, or by itself. */
export interface NodeConnection {
  readonly tubes: readonly string[];
  readonly name: string;
  alive: boolean;
  onEnd: () => void;
}

interface Reserving {
  connection: NodeConnection;
  take: (job: StoredJob) => void;
}

const never = (): void => undefined;

export class QueueNode {
  readonly name: string;
  readonly #world: World;
  readonly jobs = new Map<number, StoredJob>();
  readonly #pausedUntilMs = new Map<string, number>();
  readonly #connections = new Set<NodeConnection>();
  #reserving: Reserving[] = [];
  #nextId = 1;
  isUp = true;
  /** Told before a job is deleted. */
  onDelete: (job: StoredJob) => void = never;
  /** Told of a job whose time to run is over while a worker has it. */
  onForgotten: (job: StoredJob) => void = never;
  onUp: (() => void)[] = [];

  constructor(name: string, world: World) {
    this.name = name;
    this.#world = world;
  }

  put(tube: string, body: Buffer, priority: number, delayMs: number, ttrMs: number): StoredJob {
    const job: StoredJob = {
      ...{ id: this.#nextId++, tube, body, priority, ttrMs },
      ...{ state: "ready", holder: undefined, isInHand: false, cancel: never },
    };
    this.jobs.set(job.id, job);
    this.#return(job, delayMs);
    return job;
  }

  connect(connection: NodeConnection): void {
    this.#connections.add(connection);
  }

  /** Its jobs are ready again. */
  disconnect(connection: NodeConnection): void {
    if (!connection.alive) return;
    connection.alive = false;
    this.#connections.delete(connection);
    this.#reserving = this.#reserving.filter((one) => one.connection !== connection);
    for (const job of this.jobs.values()) {
      if (job.holder === connection && job.state === "reserved") this.#return(job, 0);
    }
    connection.onEnd();
  }

  /** The next ready job for this connection, if there is one. */
  reserve(connection: NodeConnection): StoredJob | undefined {
    let best: StoredJob | undefined;
    for (const job of this.jobs.values()) {
      if (job.state !== "ready" || !connection.tubes.includes(job.tube) || this.#isPaused(job.tube)) continue;
      if (best === undefined || job.priority < best.priority || (job.priority === best.priority && job.id < best.id)) {
        best = job;
      }
    }
    if (best === undefined) return undefined;
    const job = best;
    job.state = "reserved";
    job.holder = connection;
    this.#startTtr(job);
    return job;
  }

  /** Takes one job as soon as there is one. @returns gives up waiting */
  reserveLater(connection: NodeConnection, take: (job: StoredJob) => void): () => void {
    const reserving = { connection, take };
    this.#reserving.push(reserving);
    this.#serve();
    return () => {
      this.#reserving = this.#reserving.filter((one) => one !== reserving);
    };
  }

  /** @returns whether the connection holds the job: else NOT_FOUND */
  holds(connection: NodeConnection, job: StoredJob): boolean {
    return connection.alive && job.state === "reserved" && job.holder === connection && this.jobs.has(job.id);
  }

  delete(job: StoredJob): void {
    this.onDelete(job);
    job.cancel();
    this.jobs.delete(job.id);
  }

  release(job: StoredJob, priority: number, delayMs: number): void {
    job.priority = priority;
    this.#return(job, delayMs);
  }

  bury(job: StoredJob, priority: number): void {
    job.cancel();
    job.priority = priority;
    job.state = "buried";
    job.holder = undefined;
  }

  touch(job: StoredJob): void {
    this.#startTtr(job);
  }

  /** @returns how many */
  kick(tube: string): number {
    const buried = [...this.jobs.values()].filter((job) => job.tube === tube && job.state === "buried");
    for (const job of buried) this.#return(job, 0);
    return buried.length;
  }

  pauseTube(tube: string, seconds: number): void {
    this.#pausedUntilMs.set(tube, this.#world.nowMs + seconds * 1000);
    this.#world.after(seconds * 1000, () => this.#serve());
    if (seconds === 0) this.#serve();
  }

  down(): void {
    this.isUp = false;
    for (const connection of this.#connections) this.disconnect(connection);
    this.#pausedUntilMs.clear();
  }

  up(): void {
    this.isUp = true;
    for (const tell of this.onUp.splice(0)) tell();
  }

  #isPaused(tube: string): boolean {
    return (this.#pausedUntilMs.get(tube) ?? 0) > this.#world.nowMs;
  }

  #startTtr(job: StoredJob): void {
    job.cancel();
    job.cancel = this.#world.after(job.ttrMs, () => {
      this.#world.say(this.name, `time to run of job ${job.id} is over`);
      if (job.isInHand) this.onForgotten(job);
      this.#return(job, 0);
    });
  }

  #return(job: StoredJob, delayMs: number): void {
    job.cancel();
    job.cancel = never;
    job.holder = undefined;
    job.isInHand = false;
    job.state = delayMs > 0 ? "delayed" : "ready";
    if (delayMs > 0) job.cancel = this.#world.after(delayMs, () => this.#return(job, 0));
    else this.#serve();
  }

  #serve(): void {
    if (!this.isUp) return;
    for (const reserving of [...this.#reserving]) {
      const job = this.reserve(reserving.connection);
      if (job === undefined) continue;
      this.#reserving = this.#reserving.filter((one) => one !== reserving);
      reserving.take(job);
    }
  }
}
