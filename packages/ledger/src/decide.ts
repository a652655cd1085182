/** What may be read and written while events are decided, inside one transaction. */

import type { Kysely } from "kysely";
import { writeAudit } from "./audit.ts";
import { addBans, addHits, bansOfTasks, endBans } from "./bans.ts";
import type { Deciding } from "./ledger.ts";
import type { Schema } from "./schema.ts";
import { addSightings, forget, sightingsOf, sightingsOfTasks } from "./sightings.ts";
import { type FactsUpdate, lockSubjects, updateSubjects } from "./subjects.ts";

/** Runs the work. Updates of subjects are kept until the end, or until somebody reads them, and then written all at once. */
export async function decideIn<T>(db: Kysely<Schema>, work: (deciding: Deciding) => Promise<T>): Promise<T> {
  const updates = new Map<string, FactsUpdate>();
  const writeUpdates = async (): Promise<void> => {
    await updateSubjects(db, updates);
    updates.clear();
  };
  const result = await work({
    lock: async (subjects, nowMs) => {
      await writeUpdates();
      return lockSubjects(db, subjects, nowMs);
    },
    sightingsOfTasks: (taskIds) => sightingsOfTasks(db, taskIds),
    bansOfTasks: (taskIds) => bansOfTasks(db, taskIds),
    sightingsOf: (subjects, sinceMs) => sightingsOf(db, subjects, sinceMs),
    addSightings: (sightings, recordedAtMs) => addSightings(db, sightings, recordedAtMs),
    addBans: (bans) => addBans(db, bans),
    endBans: (end) => endBans(db, end),
    update: async (subject, facts) => {
      updates.set(subject, { ...updates.get(subject), ...facts });
    },
    forget: (subject, atMs, user) => forget(db, subject, atMs, user),
    addHits: (hits) => addHits(db, hits),
    audit: (entries) => writeAudit(db, entries),
  });
  await writeUpdates();
  return result;
}
