/** Forgetting: what is old enough goes, some of it in each transaction, so that nobody waits long. */

import type { Kysely } from "kysely";
import { type Dialect, locked } from "./dialect.ts";
import type { Schema } from "./schema.ts";

export interface Before {
  sightingsMs: number;
  bansMs: number;
  auditMs: number;
}

/** So many rows are looked at and deleted in one transaction. */
const rowsAtOnceMax = 2000;

/** What one transaction did, and where the next one goes on; undefined: nowhere, this kind is done. */
interface Pruned {
  rows: number;
  next: string | undefined;
}

/** Deletes a bounded number of rows. `after` is the `next` of the last transaction, at first empty. */
type Step = (db: Kysely<Schema>, dialect: Dialect, before: Before, after: string) => Promise<Pruned>;

/** In this order: a subject is known while a sighting or a ban of it is. */
export const pruneSteps: readonly Step[] = [pruneSightings, pruneBans, prunePlacements, pruneAudit, pruneSubjects];

function pruned(deleted: bigint): Pruned {
  const rows = Number(deleted);
  return { rows, next: rows < rowsAtOnceMax ? undefined : "again" };
}

async function pruneSightings(db: Kysely<Schema>, _dialect: Dialect, { sightingsMs }: Before): Promise<Pruned> {
  const old = db
    .selectFrom("sightings")
    .select("task_id")
    .where("recorded_at_ms", "<", sightingsMs)
    .orderBy("recorded_at_ms")
    .limit(rowsAtOnceMax);
  const { numDeletedRows } = await db.deleteFrom("sightings").where("task_id", "in", old).executeTakeFirstOrThrow();
  return pruned(numDeletedRows);
}

/** Their targets go with them. */
async function pruneBans(db: Kysely<Schema>, _dialect: Dialect, { bansMs }: Before): Promise<Pruned> {
  const old = db
    .selectFrom("bans")
    .select("id")
    .where("ended_at_ms", "is not", null)
    .where("ended_at_ms", "<", bansMs)
    .orderBy("ended_at_ms")
    .limit(rowsAtOnceMax);
  const { numDeletedRows } = await db.deleteFrom("bans").where("id", "in", old).executeTakeFirstOrThrow();
  return pruned(numDeletedRows);
}

/** Those that were taken out so long ago that no backup can hold them any more. */
async function prunePlacements(db: Kysely<Schema>, _dialect: Dialect, { bansMs }: Before): Promise<Pruned> {
  const old = db
    .selectFrom("placements")
    .select("router")
    .where("removed_at_ms", "is not", null)
    .where("removed_at_ms", "<", bansMs)
    .limit(1);
  const some = await old.executeTakeFirst();
  if (some === undefined) return { rows: 0, next: undefined };
  // One router at a time: a bounded number, since a group is.
  const { numDeletedRows } = await db
    .deleteFrom("placements")
    .where("router", "=", some.router)
    .where("removed_at_ms", "is not", null)
    .where("removed_at_ms", "<", bansMs)
    .executeTakeFirstOrThrow();
  return { rows: Number(numDeletedRows), next: "again" };
}

async function pruneAudit(db: Kysely<Schema>, _dialect: Dialect, { auditMs }: Before): Promise<Pruned> {
  const old = db.selectFrom("audit").select("id").where("at_ms", "<", auditMs).orderBy("at_ms").limit(rowsAtOnceMax);
  const { numDeletedRows } = await db.deleteFrom("audit").where("id", "in", old).executeTakeFirstOrThrow();
  return pruned(numDeletedRows);
}

/**
 * Subjects of which nothing else is known any more: an offender whose last ban was pruned is a stranger again. They are
 * walked through in their order, since most are still known. Those that somebody decides about now are passed by, and what
 * is locked is looked at once more: the decision before may have ended just then.
 */
async function pruneSubjects(db: Kysely<Schema>, dialect: Dialect, before: Before, after: string): Promise<Pruned> {
  const page = await db
    .selectFrom("subjects")
    .select("subject")
    .where("subject", ">", after)
    .orderBy("subject")
    .limit(rowsAtOnceMax)
    .execute();
  const next = page.length < rowsAtOnceMax ? undefined : page.at(-1)?.subject;
  const found = await locked(dialect, forgettable(db, before, page).orderBy("subject"), "skip").execute();
  const still = await forgettable(db, before, found).execute();
  if (still.length === 0) return { rows: 0, next };
  const { numDeletedRows } = await db
    .deleteFrom("subjects")
    .where("subject", "in", subjectsOf(still))
    .executeTakeFirstOrThrow();
  return { rows: Number(numDeletedRows), next };
}

function forgettable(db: Kysely<Schema>, before: Before, among: readonly { subject: string }[]) {
  const oldest = Math.min(before.sightingsMs, before.bansMs);
  return db
    .selectFrom("subjects")
    .select("subject")
    .where("subject", "in", subjectsOf(among))
    .where("pardoned_until_ms", "<", oldest)
    .where(({ not, exists, selectFrom }) =>
      not(exists(selectFrom("sightings").select("task_id").whereRef("sightings.subject", "=", "subjects.subject"))),
    )
    .where(({ not, exists, selectFrom }) =>
      not(exists(selectFrom("bans").select("id").whereRef("bans.subject", "=", "subjects.subject"))),
    );
}

/** SQL knows no empty list; the empty subject is nobody's. */
function subjectsOf(rows: readonly { subject: string }[]): string[] {
  return rows.length === 0 ? [""] : rows.map(({ subject }) => subject);
}
