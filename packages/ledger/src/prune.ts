/** Forgetting: what is old enough goes, some of it in each transaction, so that nobody waits long. */

import type { Kysely } from "kysely";
import { type Dialect, locked } from "./dialect.ts";
import type { Schema } from "./schema.ts";

export interface Before {
  sightingsMs: number;
  bansMs: number;
  auditMs: number;
}

/** So many rows are deleted in one transaction. */
const rowsAtOnceMax = 2000;

type Step = (db: Kysely<Schema>, dialect: Dialect, before: Before) => Promise<number>;

/** Each deletes a bounded number of rows and says how many; fewer than the bound: nothing is left. */
export const pruneSteps: readonly Step[] = [pruneSightings, pruneBans, pruneAudit, pruneSubjects];

export const pruneStepIsDone = (rows: number): boolean => rows < rowsAtOnceMax;

async function pruneSightings(db: Kysely<Schema>, _dialect: Dialect, { sightingsMs }: Before): Promise<number> {
  const old = db
    .selectFrom("sightings")
    .select("task_id")
    .where("recorded_at_ms", "<", sightingsMs)
    .orderBy("recorded_at_ms")
    .limit(rowsAtOnceMax);
  const { numDeletedRows } = await db.deleteFrom("sightings").where("task_id", "in", old).executeTakeFirstOrThrow();
  return Number(numDeletedRows);
}

/** Their targets go with them. */
async function pruneBans(db: Kysely<Schema>, _dialect: Dialect, { bansMs }: Before): Promise<number> {
  const old = db
    .selectFrom("bans")
    .select("id")
    .where("ended_at_ms", "is not", null)
    .where("ended_at_ms", "<", bansMs)
    .orderBy("ended_at_ms")
    .limit(rowsAtOnceMax);
  const { numDeletedRows } = await db.deleteFrom("bans").where("id", "in", old).executeTakeFirstOrThrow();
  return Number(numDeletedRows);
}

async function pruneAudit(db: Kysely<Schema>, _dialect: Dialect, { auditMs }: Before): Promise<number> {
  const old = db.selectFrom("audit").select("id").where("at_ms", "<", auditMs).orderBy("at_ms").limit(rowsAtOnceMax);
  const { numDeletedRows } = await db.deleteFrom("audit").where("id", "in", old).executeTakeFirstOrThrow();
  return Number(numDeletedRows);
}

/**
 * Subjects of which nothing else is known any more: an offender whose last ban was pruned is a stranger again. Those that
 * somebody decides about now are passed by, and what is locked is looked at once more, since a decision may just have
 * ended.
 */
async function pruneSubjects(db: Kysely<Schema>, dialect: Dialect, before: Before): Promise<number> {
  const oldest = Math.min(before.sightingsMs, before.bansMs);
  const forgettable = db
    .selectFrom("subjects")
    .where("counted_after_ms", "<", oldest)
    .where("pardoned_until_ms", "<", oldest)
    .where((eb) =>
      eb.not(
        eb.exists(eb.selectFrom("sightings").select("task_id").whereRef("sightings.subject", "=", "subjects.subject")),
      ),
    )
    .where((eb) =>
      eb.not(eb.exists(eb.selectFrom("bans").select("id").whereRef("bans.subject", "=", "subjects.subject"))),
    )
    .select("subject");
  const found = await locked(dialect, forgettable.orderBy("subject").limit(rowsAtOnceMax), "skip").execute();
  if (found.length === 0) return 0;
  const subjects = found.map(({ subject }) => subject);
  const still = await forgettable.where("subject", "in", subjects).execute();
  if (still.length === 0) return 0;
  const { numDeletedRows } = await db
    .deleteFrom("subjects")
    .where(
      "subject",
      "in",
      still.map(({ subject }) => subject),
    )
    .executeTakeFirstOrThrow();
  return Number(numDeletedRows);
}
