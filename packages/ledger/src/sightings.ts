/** Sightings: each task once, counted until a ban or a pardon ends that. */

import type { Kysely } from "kysely";
import { limitOf } from "./audit.ts";
import { chunksOf, groupBy } from "./chunks.ts";
import { type Schema, sightingColumns } from "./schema.ts";
import type { NewSighting, Sighting } from "./types.ts";

/**
 * The newest of a batch's subjects that are read to be counted. A policy that needs more than this within its time would be
 * no protection; the bound keeps a flood from filling the memory.
 */
const countedMax = 100_000;

export async function sightingsOfTasks(db: Kysely<Schema>, taskIds: readonly string[]): Promise<Map<string, Sighting>> {
  const found = new Map<string, Sighting>();
  for (const chunk of chunksOf(taskIds)) {
    const rows = await db.selectFrom("sightings").select(sightingColumns).where("task_id", "in", chunk).execute();
    for (const row of rows) found.set(row.taskId, row);
  }
  return found;
}

export async function sightingsOf(
  db: Kysely<Schema>,
  subjects: readonly string[],
  sinceMs: number,
): Promise<Map<string, Sighting[]>> {
  const rows: Sighting[] = [];
  for (const chunk of chunksOf([...new Set(subjects)])) {
    const found = await db
      .selectFrom("sightings")
      .select(sightingColumns)
      .where("subject", "in", chunk)
      .where("at_ms", ">=", sinceMs)
      .where("ban_id", "is", null)
      .where("forgotten", "=", 0)
      .orderBy("at_ms", "desc")
      .orderBy("task_id", "desc")
      .limit(countedMax)
      .execute();
    rows.push(...found.reverse());
  }
  return groupBy(rows, ({ subject }) => subject);
}

export async function addSightings(
  db: Kysely<Schema>,
  sightings: readonly NewSighting[],
  recordedAtMs: number,
): Promise<void> {
  for (const chunk of chunksOf(sightings, 12)) {
    const rows = chunk.map((sighting) => rowOf(sighting, recordedAtMs));
    await db
      .insertInto("sightings")
      .values(rows)
      .onConflict((conflict) => conflict.column("task_id").doNothing())
      .execute();
  }
}

function rowOf(sighting: NewSighting, recordedAtMs: number): Schema["sightings"] {
  return {
    task_id: sighting.taskId,
    subject: sighting.subject,
    counter: sighting.counter,
    type: sighting.type,
    rule: sighting.rule,
    device: sighting.device,
    user_name: sighting.user,
    count: sighting.count,
    at_ms: sighting.atMs,
    recorded_at_ms: recordedAtMs,
    ban_id: sighting.banId ?? null,
    forgotten: 0,
  };
}

/** They led to a ban, and count for no other. */
export async function consume(
  db: Kysely<Schema>,
  used: readonly { subject: string; counter: string; banId: string }[],
): Promise<void> {
  for (const { subject, counter, banId } of used) {
    await db
      .updateTable("sightings")
      .set({ ban_id: banId })
      .where("subject", "=", subject)
      .where("counter", "=", counter)
      .where("ban_id", "is", null)
      .execute();
  }
}

/** Counts them no more. They stay: were they deleted, a task delivered once more would count again. */
export async function forget(
  db: Kysely<Schema>,
  {
    subject,
    atMs,
    user,
    counters,
  }: { subject: string; atMs: number; user: string | null; counters: readonly string[] },
): Promise<number> {
  const { numUpdatedRows } = await db
    .updateTable("sightings")
    .set({ forgotten: 1 })
    .where("subject", "=", subject)
    .where("at_ms", "<=", atMs)
    .where("ban_id", "is", null)
    .where("forgotten", "=", 0)
    .$if(user !== null, (update) => update.where("user_name", "=", user))
    .$if(counters.length > 0, (update) => update.where("counter", "in", counters))
    .executeTakeFirstOrThrow();
  return Number(numUpdatedRows);
}

/** What was recorded last, first. */
export function readSightings(
  db: Kysely<Schema>,
  query: { subject?: string; sinceMs?: number; limit?: number },
): Promise<Sighting[]> {
  const { subject, sinceMs } = query;
  return db
    .selectFrom("sightings")
    .select(sightingColumns)
    .$if(subject !== undefined, (select) => select.where("subject", "=", subject ?? ""))
    .$if(sinceMs !== undefined, (select) => select.where("recorded_at_ms", ">=", sinceMs ?? 0))
    .orderBy("recorded_at_ms", "desc")
    .orderBy("task_id", "desc")
    .limit(limitOf(query.limit))
    .execute();
}
