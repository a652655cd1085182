/**
 * A device's tube on real beanstalkd nodes, filled with tasks while it is paused, so that whoever takes them is ready and
 * connected when the clock starts.
 *
 *   fill ──▶ paused ──(workers wait in their reserves)──▶ open: the clock starts ──▶ empty: the clock stops
 */

import { randomUUID } from "node:crypto";
import { type Beanstalkd, startBeanstalkd } from "@logwarden/lab/parts/beanstalkd";
import { Connection, type NodeAddress, Producer, QueueError, type TubeStats } from "@logwarden/queue";
import { encodeTask } from "@logwarden/shared/task";
import { taskTtrSeconds } from "@logwarden/shared/tubes";
import { mkdirSync } from "node:fs";
import { attacker } from "./addresses.ts";
import { pause } from "./wait.ts";

/** How often the nodes are asked whether the tube is empty: seldom enough to be no load, often enough for seconds. */
const askEveryMs = 10;
/** A slow router's largest batch (500 changes, 100 each) takes 17 s; a tube that stands still longer will not go on. */
const standstillSecondsMax = 60;
/** Longer than any start of a responder. */
const pauseSeconds = 600;
/** As the parser puts them. */
const taskPriority = 1000;

export class QueueLoad implements AsyncDisposable {
  readonly nodes: readonly NodeAddress[];
  readonly #connections: readonly Connection[];
  readonly #parts: readonly Beanstalkd[];

  private constructor(parts: readonly Beanstalkd[], connections: readonly Connection[]) {
    this.#parts = parts;
    this.#connections = connections;
    this.nodes = parts.map(({ host, port }) => ({ host, port }));
  }

  /** Starts two nodes, as in life, each with an fsync before every answer. @param directory for their binlogs */
  static async start(directory: string): Promise<QueueLoad> {
    const parts: Beanstalkd[] = [];
    try {
      for (const name of ["queue-1", "queue-2"]) {
        const binlogDirectory = `${directory}/${name}`;
        mkdirSync(binlogDirectory);
        parts.push(await startBeanstalkd({ name, binlogDirectory }));
      }
      const connections = await Promise.all(parts.map(({ host, port }) => Connection.open({ host, port })));
      return new QueueLoad(parts, connections);
    } catch (error) {
      await Promise.all(parts.map(({ program }) => program.stop()));
      throw error;
    }
  }

  /** Puts tasks as the parser makes them, half of them into each node, and pauses the tube. @param addresses how many different ones */
  async fill(tube: string, tasks: number, addresses: number): Promise<void> {
    const producers = this.nodes.map((node) => new Producer({ nodes: [node] }));
    try {
      const puts = Array.from({ length: tasks }, (_, number) => {
        const body = Buffer.from(
          encodeTask({
            ...{ host: "127.0.0.1", type: "password_failed", from: attacker(number % addresses), v: 1 },
            ...{ id: randomUUID(), at: new Date().toISOString(), rule: "sshd-failed-password", count: 1, user: "root" },
          }),
        );
        // The first half here, the second there: alternately, each node would have half of the addresses of a flood.
        const producer = producers[Math.floor((number / tasks) * producers.length)] as Producer;
        return producer.put(tube, body, { priority: taskPriority, ttrSeconds: taskTtrSeconds });
      });
      await Promise.all(puts);
    } finally {
      await Promise.all(producers.map((producer) => producer.close(0)));
    }
    await Promise.all(this.#connections.map((connection) => connection.pauseTube(tube, pauseSeconds)));
  }

  /** Resolves when somebody waits for a job of the tube on every node. */
  async awaited(tube: string, signal: AbortSignal): Promise<void> {
    const isAwaited = async (): Promise<boolean> => {
      try {
        return (await this.#stats(tube)).every(({ currentWaiting }) => currentWaiting > 0);
      } catch (error) {
        // A tube that nobody has put into or watches is none.
        if (!(error instanceof QueueError && error.code === "not-found")) throw error;
        return false;
      }
    };
    while (!(await isAwaited())) await pause(askEveryMs, signal);
  }

  async open(tube: string): Promise<void> {
    await Promise.all(this.#connections.map((connection) => connection.pauseTube(tube, 0)));
  }

  /** Resolves when every job was deleted. @throws when one was buried, or when nothing moves any more */
  async empty(tube: string, signal: AbortSignal): Promise<void> {
    let last = "";
    let movedAtMs = performance.now();
    for (;;) {
      const stats = await this.#stats(tube);
      const buried = stats.reduce((sum, { currentJobsBuried }) => sum + currentJobsBuried, 0);
      if (buried > 0) throw new Error(`${buried} tasks were buried: nothing was measured`);
      const now = stats.map((one) => [one.currentJobsReady, one.currentJobsReserved, one.currentJobsDelayed].join("+"));
      if (now.every((counts) => counts === "0+0+0")) return;
      if (now.join(" ") !== last) movedAtMs = performance.now();
      last = now.join(" ");
      if (performance.now() - movedAtMs > standstillSecondsMax * 1000) {
        throw new Error(`nothing was settled for ${standstillSecondsMax} s (ready+reserved+delayed: ${last})`);
      }
      await pause(askEveryMs, signal);
    }
  }

  /** Resolves when no node has a job in any tube. @throws when one was buried */
  async idle(signal: AbortSignal): Promise<void> {
    for (;;) {
      const stats = await Promise.all(this.#connections.map((connection) => connection.stats()));
      const buried = stats.reduce((sum, { currentJobsBuried }) => sum + currentJobsBuried, 0);
      if (buried > 0) throw new Error(`${buried} tasks were buried: nothing was measured`);
      const left = stats.reduce(
        (sum, { currentJobsReady, currentJobsReserved, currentJobsDelayed }) =>
          sum + currentJobsReady + currentJobsReserved + currentJobsDelayed,
        0,
      );
      if (left === 0) return;
      await pause(askEveryMs, signal);
    }
  }

  /** The nodes' own processes. */
  get pids(): number[] {
    return this.#parts.map(({ program }) => program.pid);
  }

  #stats(tube: string): Promise<TubeStats[]> {
    return Promise.all(this.#connections.map((connection) => connection.statsTube(tube)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#connections.map((connection) => connection.close()));
    await Promise.all(this.#parts.map(({ program }) => program.stop()));
  }
}
