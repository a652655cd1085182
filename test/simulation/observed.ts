/** What one transaction of deciding was asked and did: written down as it happens, judged when it is committed (reference.ts). */

import type { Ban, Deciding, EndReason, NewBan, NewSighting } from "@logwarden/ledger";

export interface Observed {
  /** The moment by which it was decided. */
  lockedAtMs: number;
  /** Tasks of the batch, in their order. */
  asked: string[];
  /** The task of a person's ban. */
  banTask: string | undefined;
  /** Recorded, whether they were known or not. */
  sightings: NewSighting[];
  bans: NewBan[];
  ended: { because: EndReason; bans: Ban[]; subjects: readonly string[] }[];
}

export function observing(deciding: Deciding, observed: Observed): Deciding {
  return {
    ...deciding,
    lock(subjects, nowMs) {
      observed.lockedAtMs = nowMs ?? 0;
      return deciding.lock(subjects, nowMs);
    },
    sightingsOfTasks(ids) {
      observed.asked.push(...ids);
      return deciding.sightingsOfTasks(ids);
    },
    bansOfTasks(ids) {
      if (observed.asked.length === 0) observed.banTask = ids[0];
      return deciding.bansOfTasks(ids);
    },
    addSightings(sightings, recordedAtMs) {
      observed.sightings.push(...sightings);
      return deciding.addSightings(sightings, recordedAtMs);
    },
    addBans(bans) {
      observed.bans.push(...bans);
      return deciding.addBans(bans);
    },
    async endBans(end) {
      const bans = await deciding.endBans(end);
      observed.ended.push({ because: end.because, bans, subjects: end.subjects });
      return bans;
    },
  };
}
