/**
 * Placements: what we put into a router, so that we take out nothing else.
 *
 *   intend ──▶ intended ──placed──▶ verified ──removed──▶ former ──▶ pruned          revive: former ──▶ intended
 *                  ▲  ▲                 │
 *     intend again │  └─── missing ─────┤
 *                  └────── misplaced ───┘   with an error; group-full makes one that was never intended
 */

import type { Kysely } from "kysely";
import { auditSubjects } from "./audit.ts";
import { chunksOf } from "./chunks.ts";
import { placementColumns, type Schema } from "./schema.ts";
import type { Placement } from "./types.ts";

export async function intend(
  db: Kysely<Schema>,
  router: string,
  subjects: readonly { subject: string; family: 4 | 6 }[],
  atMs: number,
): Promise<void> {
  const each = new Map(subjects.map((one) => [one.subject, one]));
  for (const chunk of chunksOf(inOrder(each.values()), 10)) {
    await db
      .insertInto("placements")
      .values(chunk.map(({ subject, family }) => ({ ...{ router, subject, family }, ...bare, intended_at_ms: atMs })))
      .onConflict((conflict) =>
        conflict
          .columns(["router", "subject"])
          .doUpdateSet((eb) => ({ intended_at_ms: eb.ref("excluded.intended_at_ms"), removed_at_ms: null }))
          .where((eb) =>
            eb.or([eb("placements.intended_at_ms", "=", 0), eb("placements.removed_at_ms", "is not", null)]),
          ),
      )
      .execute();
  }
}

export async function placed(
  db: Kysely<Schema>,
  router: string,
  subjects: readonly string[],
  atMs: number,
): Promise<void> {
  for (const chunk of chunksOf(subjects)) {
    const verified = await db
      .updateTable("placements")
      .set((eb) => ({
        ...noError,
        applied_at_ms: eb.fn.coalesce("applied_at_ms", eb.val(atMs)),
        verified_at_ms: atMs,
      }))
      .where("router", "=", router)
      .where("subject", "in", chunk)
      .where("verified_at_ms", "is", null)
      // Another may have taken it out since: what is former has to be intended again first.
      .where("removed_at_ms", "is", null)
      .returning("subject")
      .execute();
    await db
      .updateTable("placements")
      .set(noError)
      .where("router", "=", router)
      .where("subject", "in", chunk)
      .where("error", "is not", null)
      .execute();
    await auditSubjects(
      db,
      "place",
      router,
      verified.map(({ subject }) => subject),
      atMs,
    );
  }
}

export async function misplaced(
  db: Kysely<Schema>,
  router: string,
  errors: readonly { subject: string; family: 4 | 6; error: string; detail: string }[],
  atMs: number,
): Promise<void> {
  const each = new Map(errors.map((one) => [one.subject, one]));
  for (const chunk of chunksOf(inOrder(each.values()), 10)) {
    const found = await db
      .selectFrom("placements")
      .select("subject")
      .where("router", "=", router)
      .where(
        "subject",
        "in",
        chunk.map(({ subject }) => subject),
      )
      .execute();
    const existing = new Set(found.map(({ subject }) => subject));
    const rows = chunk
      .filter(({ subject, error }) => existing.has(subject) || error === "group-full")
      .map(({ subject, family, error, detail }) => ({
        ...{ router, subject, family, ...bare },
        ...{ error, error_detail: detail, error_at_ms: atMs },
      }));
    if (rows.length === 0) continue;
    await db
      .insertInto("placements")
      .values(rows)
      .onConflict((conflict) =>
        conflict.columns(["router", "subject"]).doUpdateSet((eb) => ({
          removed_at_ms: null,
          applied_at_ms: null,
          verified_at_ms: null,
          error: eb.ref("excluded.error"),
          error_detail: eb.ref("excluded.error_detail"),
          error_at_ms: eb.ref("excluded.error_at_ms"),
        })),
      )
      .execute();
  }
}

export async function removed(
  db: Kysely<Schema>,
  router: string,
  subjects: readonly string[],
  atMs: number,
): Promise<void> {
  for (const chunk of chunksOf(subjects)) {
    const gone = await db
      .updateTable("placements")
      .set({ ...bare, intended_at_ms: atMs, removed_at_ms: atMs })
      .where("router", "=", router)
      .where("subject", "in", chunk)
      .where("removed_at_ms", "is", null)
      .returning("subject")
      .execute();
    await auditSubjects(
      db,
      "remove",
      router,
      gone.map(({ subject }) => subject),
      atMs,
    );
  }
}

export async function missing(db: Kysely<Schema>, router: string, subjects: readonly string[]): Promise<void> {
  for (const chunk of chunksOf(subjects)) {
    await db
      .updateTable("placements")
      .set({ applied_at_ms: null, verified_at_ms: null })
      .where("router", "=", router)
      .where("subject", "in", chunk)
      .execute();
  }
}

/** What was taken out of the router again, as far back as prune leaves it. */
export function formerOn(db: Kysely<Schema>, router: string): Promise<{ subject: string; family: 4 | 6 }[]> {
  return db
    .selectFrom("placements")
    .select(["subject", "family"])
    .where("router", "=", router)
    .where("removed_at_ms", "is not", null)
    .execute();
}

export async function revive(
  db: Kysely<Schema>,
  router: string,
  subjects: readonly string[],
  atMs: number,
): Promise<void> {
  for (const chunk of chunksOf(subjects)) {
    const back = await db
      .updateTable("placements")
      .set({ removed_at_ms: null, intended_at_ms: atMs })
      .where("router", "=", router)
      .where("subject", "in", chunk)
      .where("removed_at_ms", "is not", null)
      .returning("subject")
      .execute();
    const names = back.map(({ subject }) => subject);
    await auditSubjects(db, "mend", router, names, atMs);
  }
}

export function placementsOn(db: Kysely<Schema>, router: string): Promise<Placement[]> {
  return db
    .selectFrom("placements")
    .select(placementColumns)
    .where("router", "=", router)
    .where("removed_at_ms", "is", null)
    .orderBy("subject")
    .execute();
}

export function placementsOf(db: Kysely<Schema>, subject: string): Promise<Placement[]> {
  return db
    .selectFrom("placements")
    .select(placementColumns)
    .where("subject", "=", subject)
    .where("removed_at_ms", "is", null)
    .orderBy("router")
    .execute();
}

export async function countPlacements(
  db: Kysely<Schema>,
): Promise<{ router: string; verified: number; pending: number; failing: number }[]> {
  const rows = await db
    .selectFrom("placements")
    .where("removed_at_ms", "is", null)
    .groupBy("router")
    .select((eb) => [
      "router",
      eb.fn.countAll<number>().as("all"),
      eb.fn.count<number>("error").as("failing"),
      eb.fn.count<number>(eb.case().when("error", "is", null).then(eb.ref("verified_at_ms")).end()).as("verified"),
    ])
    .orderBy("router")
    .execute();
  return rows.map(({ router, all, verified, failing }) => ({
    ...{ router, verified, failing },
    pending: all - verified - failing,
  }));
}

const noError = { error: null, error_detail: null, error_at_ms: null };
const bare = { intended_at_ms: 0, applied_at_ms: null, verified_at_ms: null, removed_at_ms: null, ...noError };

/** Rows are written in one order, so that two writers never wait for each other. */
function inOrder<One extends { subject: string }>(items: Iterable<One>): One[] {
  return [...items].sort((a, b) => (a.subject < b.subject ? -1 : 1));
}
