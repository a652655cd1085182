/**
 * All stream connections of the parser together: how many there may be, whether they are read, and how they end.
 *
 * What is always true: the counts are of connections that are open now, whoever closed them and in whatever state.
 */

import type { Address } from "@logwarden/shared/ip";
import type { Device } from "@logwarden/shared/inventory";

export interface ConnectionLimits {
  connectionsMax: number;
  deviceConnectionsMax: number;
  addressConnectionsMax: number;
}

/** Why there is no room for one more: a closed list, because it is a metric label. */
export type Crowding = "too-many-connections" | "too-many-of-address" | "too-many-of-device";

/** One connection, as its crowd sees it. */
export interface Member {
  /** We have said that we will not answer, and read on until the peer closes. */
  readonly halfClosed: boolean;
  pause(): void;
  resume(): void;
  leave(): void;
  cut(): void;
}

export class Connections {
  readonly #limits: ConnectionLimits;
  readonly #open = new Set<Member>();
  readonly #ofAddress = new Tally();
  readonly #ofDevice = new Tally();
  #paused = false;
  #pauses = 0;
  #leaving = false;
  #onEmpty: (() => void) | undefined;

  constructor(limits: ConnectionLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#open.size;
  }

  get halfClosed(): number {
    let count = 0;
    for (const { halfClosed } of this.#open) if (halfClosed) count++;
    return count;
  }

  get paused(): boolean {
    return this.#paused;
  }

  /** How often reading has been stopped: who looks twice knows whether it was on all the time between. */
  get pauses(): number {
    return this.#pauses;
  }

  get leaving(): boolean {
    return this.#leaving;
  }

  /** Whether there is room for one more. */
  crowding(address: Address): Crowding | undefined {
    if (this.#open.size >= this.#limits.connectionsMax) return "too-many-connections";
    if (this.#ofAddress.of(address.text) < this.#limits.addressConnectionsMax) return undefined;
    return "too-many-of-address";
  }

  /** @param address whose connections are counted together; undefined for a balancer, which speaks for many */
  enter(member: Member, address: Address | undefined): void {
    this.#open.add(member);
    if (address !== undefined) this.#ofAddress.add(address.text, 1);
  }

  /** A connection has turned out to be this device's. */
  claim(device: Device): Crowding | undefined {
    if (this.#ofDevice.of(device.key) >= this.#limits.deviceConnectionsMax) return "too-many-of-device";
    this.#ofDevice.add(device.key, 1);
    return undefined;
  }

  exit(member: Member, address: Address | undefined, claimed: Device | undefined): void {
    this.#open.delete(member);
    if (address !== undefined) this.#ofAddress.add(address.text, -1);
    if (claimed !== undefined) this.#ofDevice.add(claimed.key, -1);
    if (this.#open.size === 0) this.#onEmpty?.();
  }

  pause(): void {
    this.#paused = true;
    this.#pauses++;
    for (const member of this.#open) member.pause();
  }

  resume(): void {
    this.#paused = false;
    for (const member of this.#open) member.resume();
  }

  /** Half-closes all, waits until the peers have closed. @returns how many were cut at the deadline */
  async drain(deadlineMs: number): Promise<number> {
    this.#leaving = true;
    for (const member of this.#open) member.leave();
    const empty = new Promise<void>((resolve) => {
      this.#onEmpty = resolve;
      if (this.#open.size === 0) resolve();
    });
    const deadline = new Promise<void>((resolve) => setTimeout(resolve, deadlineMs).unref());
    await Promise.race([empty, deadline]);
    const cut = this.#open.size;
    for (const member of this.#open) member.cut();
    return cut;
  }
}

/** Counts by name; what is at zero is forgotten, so that names of the past cost nothing. */
class Tally {
  readonly #counts = new Map<string, number>();

  of(name: string): number {
    return this.#counts.get(name) ?? 0;
  }

  add(name: string, change: 1 | -1): void {
    const count = this.of(name) + change;
    if (count === 0) this.#counts.delete(name);
    else this.#counts.set(name, count);
  }
}
