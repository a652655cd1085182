/** An unban, a person's or a peer's: which subjects it is about, and which routers must be told. */

import type { Ledger, Target } from "@logwarden/ledger";
import { type Subject, subjectOf } from "@logwarden/shared/subject";

/** An address in a banned IPv6 network means the network too: nobody knows how it was written down. */
export function subjectsMeant(subject: Subject, ipv6Prefix: number): string[] {
  const { address, length } = subject.prefix;
  const isSingle = length === (address.family === 4 ? 32 : 128);
  return [...new Set([subject.text, ...(isSingle ? [subjectOf(address, ipv6Prefix).text] : [])])];
}

/** The routers that hold one of these subjects through us, or may: they are told when its bans are over. @throws LedgerError */
export async function holdersOf(ledger: Pick<Ledger, "placementsOf">, subjects: readonly string[]): Promise<Target[]> {
  const placements = (await Promise.all(subjects.map((one) => ledger.placementsOf(one)))).flat();
  return placements.map(({ router }): Target => `device:${router}`);
}
