/**
 * Keeps one node connected: one connection life after the other.
 *
 *   dialing ──▶ preparing ──▶ up ──ended──▶ waiting ──▶ dialing …        stop() ends it in any state
 *      └───────────┴──failed─────────────────▲
 *
 * Always true: at most one connection at a time; `connection` is set only while it is up and prepared.
 */

import { setTimeout as sleep } from "node:timers/promises";
import { Connection, type ConnectionOptions } from "./connection.ts";
import { QueueError, toQueueError } from "./errors.ts";
import type { NodeEvent } from "./events.ts";
import { formatNodeAddress, type NodeAddress } from "./names.ts";

export interface LinkOptions {
  node: NodeAddress;
  connection: ConnectionOptions;
  delayMsMax: number;
  random: () => number;
  emit: (event: NodeEvent) => void;
  /** What must have succeeded before the connection is used. */
  prepare?: (connection: Connection) => Promise<void>;
  onUp: (connection: Connection) => void;
  onDown: (connection: Connection) => void;
}

const delayMsMin = 200;
export const delayMsMaxDefault = 5000;

export class Link {
  readonly node: NodeAddress;
  readonly name: string;
  readonly #options: LinkOptions;
  readonly #stop = new AbortController();
  readonly #ended: Promise<void>;
  #current: Connection | undefined;
  #isUp = false;

  constructor(options: LinkOptions) {
    this.#options = options;
    this.node = options.node;
    this.name = formatNodeAddress(options.node);
    this.#ended = this.#run();
  }

  get connection(): Connection | undefined {
    return this.#isUp && this.#current?.alive === true ? this.#current : undefined;
  }

  /** Ends the connection, after the answers it owes when `graceful`, and dials no more. Resolves when nothing is left open. */
  async stop({ graceful }: { graceful: boolean }): Promise<void> {
    this.#stop.abort();
    if (graceful && this.#isUp) await this.#current?.close();
    else this.#current?.destroy();
    await this.#ended;
  }

  async #run(): Promise<void> {
    const { random, delayMsMax } = this.#options;
    // Not in the constructor's turn: the owner is still being built.
    await Promise.resolve();
    let failures = 0;
    while (!this.#stop.signal.aborted) {
      const since = performance.now();
      const livedWell = (await this.#live()) && performance.now() - since >= delayMsMax;
      failures = livedWell ? 1 : failures + 1;
      await pause(backoffMs(failures, delayMsMax, random), this.#stop.signal);
    }
  }

  /** One life, from the dial to its end. @returns whether it was ever up */
  async #live(): Promise<boolean> {
    const { emit, onUp, onDown } = this.#options;
    const { signal } = this.#stop;
    const node = this.name;
    const connection = await this.#dial().catch((cause) => {
      const { code, message } = toQueueError(cause, "connect-failed", node);
      if (!signal.aborted) emit({ kind: "node.unreachable", node, reason: code, message });
    });
    if (connection === undefined) return false;
    this.#isUp = true;
    emit({ kind: "node.connected", node });
    onUp(connection);
    const reason: QueueError = await connection.closed;
    this.#isUp = false;
    this.#current = undefined;
    onDown(connection);
    if (!signal.aborted) emit({ kind: "node.lost", node, reason: reason.code, message: reason.message });
    // Its socket as well: stop() promises that nothing is left open.
    await connection.close();
    return true;
  }

  async #dial(): Promise<Connection> {
    const { node, connection: options, prepare } = this.#options;
    const connection = await Connection.open(node, { ...options, signal: this.#stop.signal });
    this.#current = connection;
    try {
      await prepare?.(connection);
      if (this.#stop.signal.aborted)
        throw new QueueError("closed", `${this.name} is needed no more`, { node: this.name });
      return connection;
    } catch (error) {
      this.#current = undefined;
      connection.destroy();
      await connection.close();
      throw error;
    }
  }
}

/** 0.2 s, doubling to the maximum; between half and the whole of it, so that clients of one node do not return all at once. */
export function backoffMs(failures: number, maxMs: number, random: () => number): number {
  return Math.min(maxMs, delayMsMin * 2 ** Math.min(failures - 1, 20)) * (0.5 + random() / 2);
}

/** Resolves after so long, or when the signal aborts. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await sleep(ms, undefined, { signal }).catch(() => undefined);
}
