/**
 * The ledger as one process sees it: the real one, behind a connection that takes its time and may be away.
 *
 * A call that ends with `connection-lost` may have been carried out. What is decided is shown to whoever watches, in the order in
 * which the ledger takes it.
 */

import { type Ledger, LedgerError } from "@logwarden/ledger";
import type { Host } from "./host.ts";
import { type Observed, observing } from "./observed.ts";

export interface LedgerWatch {
  decided(host: Host, observed: Observed): void;
  expired(nowMs: number): void;
}

export function openLedgerDoor(host: Host, ledger: Ledger, watch: LedgerWatch): Ledger {
  const { world } = host;

  async function reach<T>(work: () => Promise<T>): Promise<T> {
    // Most calls cost less than a millisecond; some meet somebody else's transaction.
    if (world.random.chance(0.2)) await host.gate(world.wait(world.random.between(1, 10)));
    if (host.isCutOff) throw new LedgerError("database-unreachable", "the ledger does not answer");
    const result = await host.gate(work());
    if (world.random.chance(0.2)) await host.gate(world.wait(world.random.between(1, 10)));
    if (host.isCutOff) throw new LedgerError("connection-lost", "the ledger's answer was lost");
    return result;
  }

  function through<Calls extends object>(calls: Calls): Calls {
    const door: Record<string, unknown> = {};
    for (const [name, method] of Object.entries(calls) as [string, (...args: unknown[]) => Promise<unknown>][]) {
      door[name] = (...args: unknown[]) => (host.isDead ? new Promise(() => undefined) : reach(() => method(...args)));
    }
    return door as Calls;
  }

  const special: Partial<Ledger> = {
    decide: (work) =>
      reach(async () => {
        const { result, observed } = await ledger.decide(async (deciding) => {
          const seen: Observed = { lockedAtMs: 0, asked: [], banTask: undefined, sightings: [], bans: [], ended: [] };
          return { result: await work(observing(deciding, seen)), observed: seen };
        });
        watch.decided(host, observed);
        return result;
      }),
    expire: (nowMs) =>
      reach(async () => {
        const expired = await ledger.expire(nowMs);
        watch.expired(nowMs);
        return expired;
      }),
    writerOf: (lease) => through(ledger.writerOf(lease)),
    pendingOn: (place, nowMs) =>
      reach(() => {
        host.plannedAtMs.set(place.key, world.nowMs);
        return ledger.pendingOn(place, nowMs);
      }),
  };
  return { ...through(ledger), ...special };
}
