/**
 * What one router should hold, and how that differs from what we placed there. All of it is read from ban_targets, where
 * `enforced = 1` is written out in the statements: the engines use the index of what is enforced for no other form.
 */

import { type Kysely, sql } from "kysely";
import { placementColumns, type Schema } from "./schema.ts";
import type { Pending, Place, Placement, Target, Wanted } from "./types.ts";

/** The subjects with a ban in force that holds there, each once, with the longest of them. */
function wantedThere(db: Kysely<Schema>, place: Place, nowMs: number) {
  return db
    .selectFrom("ban_targets as t")
    .where("t.target", "in", targetsOf(place))
    .where(sql<boolean>`t.enforced = 1`)
    .where((eb) => eb.or([eb("t.ends_at_ms", "is", null), eb("t.ends_at_ms", ">", nowMs)]))
    .groupBy(["t.subject", "t.family"])
    .select((eb) => [
      "t.subject",
      "t.family",
      eb.fn.min("t.started_at_ms").as("sinceMs"),
      eb.fn.max("t.ends_at_ms").as("endsMs"),
      sql<number>`max(case when t.ends_at_ms is null then 1 else 0 end)`.as("endless"),
    ]);
}

function targetsOf(place: Place): Target[] {
  return ["all", `device:${place.key}`, ...place.tags.map((tag) => `tag:${tag}` as const)];
}

interface WantedRow {
  subject: string;
  family: 4 | 6;
  sinceMs: number;
  endsMs: number | null;
  endless: number;
}

function wantedOf({ subject, family, sinceMs, endsMs, endless }: WantedRow): Wanted {
  return { subject, family, sinceMs, untilMs: endless === 1 ? null : endsMs };
}

export async function wantedOn(db: Kysely<Schema>, place: Place, nowMs: number): Promise<Wanted[]> {
  const rows = await wantedThere(db, place, nowMs).orderBy("sinceMs").orderBy("t.subject").execute();
  return rows.map(wantedOf);
}

/** Two statements: only in a transaction that sees one moment do they fit each other. */
export async function pendingOn(db: Kysely<Schema>, place: Place, nowMs: number): Promise<Pending> {
  const add = await db
    .selectFrom(wantedThere(db, place, nowMs).as("w"))
    .leftJoin("placements as p", (join) => join.on("p.router", "=", place.key).onRef("p.subject", "=", "w.subject"))
    .where("p.verified_at_ms", "is", null)
    .select(["w.subject", "w.family", "w.sinceMs", "w.endsMs", "w.endless"])
    .select(["p.intended_at_ms as intendedAtMs", "p.applied_at_ms as appliedAtMs", "p.verified_at_ms as verifiedAtMs"])
    .select([
      "p.error",
      "p.error_detail as errorDetail",
      "p.error_at_ms as errorAtMs",
      "p.removed_at_ms as removedAtMs",
    ])
    .orderBy("w.sinceMs")
    .orderBy("w.subject")
    .execute();
  const remove = await db
    .selectFrom("placements")
    .select(placementColumns)
    .where("router", "=", place.key)
    // What the router was never asked to hold may stand there by somebody else's hand.
    .where("intended_at_ms", ">", 0)
    .where("removed_at_ms", "is", null)
    // "Not in", since both engines look that up in a hash whatever they think of the tables' sizes. PostgreSQL, which learns of ten
    // thousand new rows only after a while, took "not exists" for a comparison of each with each: 30 s.
    .where("subject", "not in", (eb) =>
      eb
        .selectFrom("ban_targets as t")
        .select("t.subject")
        .where("t.target", "in", targetsOf(place))
        .where(sql<boolean>`t.enforced = 1`)
        .where((inner) => inner.or([inner("t.ends_at_ms", "is", null), inner("t.ends_at_ms", ">", nowMs)])),
    )
    .orderBy("subject")
    .execute();
  return { add: add.map((row) => ({ ...wantedOf(row), placement: placementOf(place.key, row) })), remove };
}

/** A former placement is none: what stands there now may be somebody else's. */
function placementOf(
  router: string,
  row: WantedRow & { removedAtMs: number | null } & { [K in keyof PlacementState]: PlacementState[K] | null },
): Placement | null {
  const { subject, family, intendedAtMs, removedAtMs } = row;
  if (intendedAtMs === null || removedAtMs !== null) return null;
  const { appliedAtMs, verifiedAtMs, error, errorDetail, errorAtMs } = row;
  return { router, subject, family, intendedAtMs, appliedAtMs, verifiedAtMs, error, errorDetail, errorAtMs };
}

type PlacementState = Omit<Placement, "router" | "subject" | "family">;

export async function nextEndOn(db: Kysely<Schema>, place: Place, nowMs: number): Promise<number | undefined> {
  const row = await db
    .selectFrom(wantedThere(db, place, nowMs).as("w"))
    .where("w.endless", "=", 0)
    .select((eb) => eb.fn.min("w.endsMs").as("nextMs"))
    .executeTakeFirst();
  return row?.nextMs ?? undefined;
}
