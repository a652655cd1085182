/**
 * Subjects: the rows at which two who decide about the same one meet.
 *
 * Locking writes the row even where nothing about it changes, because in PostgreSQL that is the one statement which, for a
 * row that exists and for one that does not, waits for whoever holds it, row by row in the order given. Since all lock in
 * one order, nobody waits for somebody who waits for him.
 */

import type { Kysely } from "kysely";
import { openBansOf } from "./bans.ts";
import { chunksOf, groupBy } from "./chunks.ts";
import type { Schema } from "./schema.ts";
import type { SubjectFacts } from "./types.ts";

export async function lockSubjects(
  db: Kysely<Schema>,
  subjects: readonly string[],
  nowMs?: number,
): Promise<Map<string, SubjectFacts>> {
  const ordered = [...new Set(subjects)].sort();
  const facts = new Map<string, SubjectFacts>();
  for (const chunk of chunksOf(ordered, 3)) {
    const rows = await db
      .insertInto("subjects")
      .values(chunk.map((subject) => ({ subject, ...nothingKnown })))
      .onConflict((conflict) =>
        conflict.column("subject").doUpdateSet((eb) => ({ subject: eb.ref("excluded.subject") })),
      )
      .returning(["subject", "pardoned_until_ms as pardonedUntilMs", "offences"])
      .execute();
    for (const row of rows) facts.set(row.subject, { ...row, activeBans: [] });
  }
  // Only now, after the locks: what others did until they let go is seen.
  const bansOf = groupBy(await openBansOf(db, ordered, nowMs), ({ subject }) => subject);
  return new Map(
    subjects.flatMap((subject) => {
      const known = facts.get(subject);
      return known === undefined ? [] : [[subject, { ...known, activeBans: bansOf.get(subject) ?? [] }]];
    }),
  );
}

const nothingKnown = { pardoned_until_ms: 0, offences: 0 };

export type FactsUpdate = Partial<Pick<SubjectFacts, "pardonedUntilMs" | "offences">>;

const columnOf = {
  pardonedUntilMs: "pardoned_until_ms",
  offences: "offences",
} as const;

/** Writes what is given of each subject, and leaves the rest: one statement for all of which the same is given. */
export async function updateSubjects(db: Kysely<Schema>, updates: ReadonlyMap<string, FactsUpdate>): Promise<void> {
  const ordered = [...updates].sort(([a], [b]) => (a < b ? -1 : 1));
  for (const group of groupBy(ordered, ([, facts]) => columnsOf(facts).join()).values()) {
    const columns = columnsOf(group[0]?.[1] ?? {});
    if (columns.length === 0) continue;
    for (const chunk of chunksOf(group, 3)) {
      const rows = chunk.map(([subject, facts]) => ({
        subject,
        pardoned_until_ms: facts.pardonedUntilMs ?? 0,
        offences: facts.offences ?? 0,
      }));
      await db
        .insertInto("subjects")
        .values(rows)
        .onConflict((conflict) =>
          conflict
            .column("subject")
            .doUpdateSet((eb) => Object.fromEntries(columns.map((column) => [column, eb.ref(`excluded.${column}`)]))),
        )
        .execute();
    }
  }
}

function columnsOf(facts: FactsUpdate) {
  const keys = Object.keys(columnOf) as (keyof typeof columnOf)[];
  return keys.filter((key) => facts[key] !== undefined).map((key) => columnOf[key]);
}
