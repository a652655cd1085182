/** What the ledger counts, for the metrics: read now and then, so that a scrape never waits for a database. */

import { type Ledger, LedgerError } from "@logwarden/ledger";
import type { Clock } from "@logwarden/shared/clock";

export interface PlacementCounts {
  router: string;
  verified: number;
  pending: number;
  failing: number;
}

export interface LedgerWatch {
  /** The last count of every router; empty before the first one, and while the ledger is away. */
  readonly placements: readonly PlacementCounts[];
}

const roundMs = 30_000;
const firstRoundMs = 2000;
/** It counts through the whole table; however large that grows, it takes no more than a twentieth of the time. */
const pausePerRead = 20;

/** Asks until the signal; a question that is open then ends with the ledger. */
export function watchLedger({ ledger, clock }: { ledger: Ledger; clock: Clock }, signal: AbortSignal): LedgerWatch {
  let placements: readonly PlacementCounts[] = [];

  async function watch(): Promise<void> {
    await clock.sleep(firstRoundMs, signal);
    while (!signal.aborted) {
      const askedAtMs = clock.monotonicMs();
      try {
        placements = await ledger.countPlacements();
      } catch (error) {
        if (!(error instanceof LedgerError)) throw error;
        placements = [];
      }
      await clock.sleep(Math.max(roundMs, pausePerRead * (clock.monotonicMs() - askedAtMs)), signal);
    }
  }

  void watch();
  return {
    get placements() {
      return placements;
    },
  };
}
