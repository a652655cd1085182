/** What is known of banned subjects beside the bans themselves: where they are placed, and where they should be. */

import type { Ledger, Placement } from "@logwarden/ledger";
import type { Router } from "../given/inventory.ts";

export interface Known {
  placements: readonly Placement[];
  /** Routers that should hold the subject now, by any of its bans. */
  meant: ReadonlySet<string>;
}

/** Up to here each is asked about; for more, every router is asked for all it holds (10 000 one by one took 87 s). */
const askedOneByOneMax = 100;
/** The ledger gives no more at once. */
const bansMax = 20_000;

export async function knownOf(
  ledger: Ledger,
  subjects: readonly string[],
  routers: readonly Router[],
  nowMs: number,
): Promise<ReadonlyMap<string, Known>> {
  const oneByOne = subjects.length <= askedOneByOneMax;
  const [placements, bans] = await Promise.all([
    Promise.all(
      oneByOne
        ? subjects.map((subject) => ledger.placementsOf(subject))
        : routers.map(({ key }) => ledger.placementsOn(key)),
    ),
    Promise.all(
      oneByOne
        ? subjects.map((subject) => ledger.bans({ subject, activeAtMs: nowMs }))
        : [ledger.bans({ activeAtMs: nowMs, limit: bansMax })],
    ),
  ]);
  const placementsBySubject = Map.groupBy(placements.flat(), ({ subject }) => subject);
  const bansBySubject = Map.groupBy(bans.flat(), ({ subject }) => subject);
  return new Map(
    subjects.map((subject) => {
      const enforced = (bansBySubject.get(subject) ?? []).filter(({ dryRun }) => !dryRun);
      const meant = routers.filter((router) => enforced.some(({ targets }) => isMeant(targets, router)));
      const keys = new Set(meant.map(({ key }) => key));
      return [subject, { placements: placementsBySubject.get(subject) ?? [], meant: keys }];
    }),
  );
}

/** Whether a ban with these targets holds on the router. */
export function isMeant(targets: readonly string[], { key, tags }: Router): boolean {
  return targets.some(
    (target) => target === "all" || target === `device:${key}` || tags.some((tag) => target === `tag:${tag}`),
  );
}
