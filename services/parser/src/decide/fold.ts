/**
 * Repeats of one event inside one read → one event that counts them.
 *
 * A saving for floods that holds no state between reads: what an attacker wrote ten times into one read is one job in the
 * queue with `count: 10`. Which lines share a read is chance, so nothing may depend on it: the sum of the counts is the
 * same as without.
 */

import type { Device } from "@logwarden/shared/inventory";
import type { LogEvent } from "../recognize/recognize.ts";

export class Fold {
  readonly #events = new Map<string, { device: Device; event: LogEvent }>();

  /** Takes an event; its count is added to that of the same event of the same device, if this read holds one. */
  add(device: Device, event: LogEvent): void {
    const key = keyOf(device, event);
    const known = this.#events.get(key);
    if (known === undefined) this.#events.set(key, { device, event });
    else known.event.count = Math.min(known.event.count + event.count, Number.MAX_SAFE_INTEGER);
  }

  /** Gives out what was taken since the last drain, in the order in which each event came first. */
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
