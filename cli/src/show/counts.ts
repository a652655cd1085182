/** How far a router has followed: how many subjects it has shown, how many wait, and how many it cannot take. */

import type { Ledger } from "@logwarden/ledger";
import type { Router } from "../given/inventory.ts";

export interface Counts {
  verified: number;
  pending: number;
  failing: number;
}

/** What waits is the difference between wanted and placed: a ban that nobody has begun to place is in no placement. */
export async function countsOf(
  ledger: Ledger,
  routers: readonly Router[],
  nowMs: number,
): Promise<Map<string, Counts>> {
  const placements = await ledger.countPlacements();
  const counts = new Map<string, Counts>(
    placements.map(({ router, verified, pending, failing }) => [router, { verified, pending, failing }]),
  );
  for (const router of routers) {
    const { verified = 0, failing = 0 } = counts.get(router.key) ?? {};
    const { add, remove } = await ledger.pendingOn(router, nowMs);
    // What fails is wanted and not there, so it is among these.
    counts.set(router.key, { verified, failing, pending: Math.max(0, add.length + remove.length - failing) });
  }
  return counts;
}
