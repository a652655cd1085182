/** Whom to tell when bans of a subject are over. */

import type { Ledger, Target } from "@logwarden/ledger";

/** The routers that hold one of these subjects through us, or may: they are told when its bans are over. @throws LedgerError */
export async function holdersOf(ledger: Pick<Ledger, "placementsOf">, subjects: readonly string[]): Promise<Target[]> {
  const placements = (await Promise.all(subjects.map((one) => ledger.placementsOf(one)))).flat();
  return placements.map(({ router }): Target => `device:${router}`);
}
