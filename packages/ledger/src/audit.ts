/** The audit: what was done, by whom, to whom. Only ever added to, and pruned by age. */

import type { Kysely } from "kysely";
import { chunksOf } from "./chunks.ts";
import { auditColumns, type Schema } from "./schema.ts";
import type { AuditAction, AuditEntry } from "./types.ts";

export async function writeAudit(db: Kysely<Schema>, entries: readonly AuditEntry[]): Promise<void> {
  for (const chunk of chunksOf(entries, 7)) {
    const rows = chunk.map(({ atMs, ...rest }) => ({ at_ms: atMs, ...rest }));
    await db.insertInto("audit").values(rows).execute();
  }
}

/** One entry for each subject on a router. */
export function auditSubjects(
  db: Kysely<Schema>,
  action: AuditAction,
  router: string,
  subjects: readonly string[],
  atMs: number,
): Promise<void> {
  const entry = { atMs, actor: "responder", action, router, reason: "", source: "" };
  return writeAudit(
    db,
    subjects.map((subject) => ({ ...entry, subject })),
  );
}

export interface AuditQuery {
  subject?: string;
  router?: string;
  action?: AuditAction;
  sinceMs?: number;
  limit?: number;
}

/** Newest first. */
export function readAudit(db: Kysely<Schema>, query: AuditQuery): Promise<AuditEntry[]> {
  const { subject, router, action, sinceMs } = query;
  return db
    .selectFrom("audit")
    .select(auditColumns)
    .$if(subject !== undefined, (select) => select.where("subject", "=", subject ?? ""))
    .$if(router !== undefined, (select) => select.where("router", "=", router ?? ""))
    .$if(action !== undefined, (select) => select.where("action", "=", action ?? "ban"))
    .$if(sinceMs !== undefined, (select) => select.where("at_ms", ">=", sinceMs ?? 0))
    .orderBy("at_ms", "desc")
    .orderBy("id", "desc")
    .limit(limitOf(query.limit))
    .execute();
}

/** What a person reads at once. */
const limitDefault = 100;

/** More than the groups of a router hold (VyOS suffers near 15 000); a caller that asks for more gets so many. */
const limitMax = 20_000;

export function limitOf(limit = limitDefault): number {
  return Math.max(0, Math.min(Math.floor(limit), limitMax));
}
