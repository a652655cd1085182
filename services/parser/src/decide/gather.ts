/**
 * The events of one read, until all of it has been recognized: what becomes of them comes after, in a loop of its own. Going back and forth
 * between the two for each line costs a tenth more when half of the lines match.
 *
 *   Sequence   every event as it came
 *   Fold       repeats of one event become one event that counts them
 *
 * Folding is a saving for floods that holds no state between reads: what an attacker wrote ten times into one read is one job in
 * the queue with `count: 10`. Which lines share a read is chance, so nothing may depend on it: the sum of the counts is the
 * same as without.
 */

import type { Device } from "@logwarden/shared/inventory";
import type { LogEvent } from "../recognize/recognize.ts";

export interface Gathering {
  add(device: Device, event: LogEvent): void;
  /** Gives out what was taken since the last drain, in the order in which each event came first. */
  drain(take: (device: Device, event: LogEvent) => void): void;
}

export class Sequence implements Gathering {
  readonly #devices: Device[] = [];
  readonly #events: LogEvent[] = [];

  add(device: Device, event: LogEvent): void {
    this.#devices.push(device);
    this.#events.push(event);
  }

  drain(take: (device: Device, event: LogEvent) => void): void {
    for (const [index, event] of this.#events.entries()) take(this.#devices[index] as Device, event);
    this.#devices.length = 0;
    this.#events.length = 0;
  }
}

export class Fold implements Gathering {
  readonly #events = new Map<string, { device: Device; event: LogEvent }>();

  /** Its count is added to that of the same event of the same device, if this read holds one. */
  add(device: Device, event: LogEvent): void {
    const key = keyOf(device, event);
    const known = this.#events.get(key);
    if (known === undefined) this.#events.set(key, { device, event });
    else known.event.count = Math.min(known.event.count + event.count, Number.MAX_SAFE_INTEGER);
  }

  drain(take: (device: Device, event: LogEvent) => void): void {
    for (const { device, event } of this.#events.values()) take(device, event);
    this.#events.clear();
  }
}

/** Everything an event says but how often. The user comes last: it may hold any character. */
function keyOf(device: Device, event: LogEvent): string {
  if (event.type === "interface_down") return `${device.key} ${event.rule} ${event.interface}`;
  const { rule, from, status = "", action = "", reason = "", user } = event;
  return `${device.key} ${rule} ${from.text} ${status} ${action} ${reason.length} ${reason} ${user === undefined ? "" : `u${user}`}`;
}
