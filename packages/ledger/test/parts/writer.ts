/** For tests and measurements: writes about a router as the responder does that works for it. */

import type { Ledger, RouterWriter } from "@logwarden/ledger";

/** Of whoever holds the lease now; where nobody does, it is claimed first. */
export async function writer(ledger: Ledger, router: string): Promise<RouterWriter> {
  await ledger.addLeases([router]);
  const seen = (await ledger.leases()).filter(({ device }) => device === router);
  const [lease] = seen[0]?.owner == null ? await ledger.claim("test", seen) : seen;
  if (lease === undefined) throw new Error(`expected the lease of ${router}, somebody took it`);
  return ledger.writerOf(lease);
}
