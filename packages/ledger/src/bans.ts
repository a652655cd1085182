/**
 * Bans: made, counted, ended.
 *
 *   addBans ──▶ in force ──endBans──▶ ended          the end of a ban is the only thing about it that ever changes,
 *                  └────expire──────▶ ended          but for its hits
 *
 * A ban is in force while nothing has ended it and its own end is not over. When it started is never asked: clocks of
 * hosts differ, and a ban that another host made a moment ago counts from then on, whatever our clock says.
 */

import type { ExpressionBuilder, Kysely } from "kysely";
import { limitOf, writeAudit } from "./audit.ts";
import { chunksOf, groupBy } from "./chunks.ts";
import type { BanQuery } from "./ledger.ts";
import { banColumns, type Schema } from "./schema.ts";
import type { AuditAction, Ban, EndReason, NewBan } from "./types.ts";

/** A ban whose task has led to one already is passed over: tasks are delivered more than once. */
export async function addBans(db: Kysely<Schema>, bans: readonly NewBan[]): Promise<void> {
  const added = new Set<string>();
  for (const chunk of chunksOf(bans, 17)) {
    const rows = await db
      .insertInto("bans")
      .values(chunk.map(rowOf))
      .onConflict((conflict) => conflict.column("task_id").doNothing())
      .returning("id")
      .execute();
    for (const { id } of rows) added.add(id);
  }
  const made = bans.filter(({ id }) => added.has(id));
  for (const chunk of chunksOf(made.flatMap(targetRowsOf), 8))
    await db.insertInto("ban_targets").values(chunk).execute();
  for (const chunk of chunksOf(made)) {
    await db
      .updateTable("sightings")
      .set((eb) => ({
        ban_id: eb.selectFrom("bans").select("bans.id").whereRef("bans.task_id", "=", "sightings.task_id"),
      }))
      .where(
        "task_id",
        "in",
        chunk.map(({ taskId }) => taskId),
      )
      .execute();
  }
  await writeAudit(
    db,
    made.map((ban) => ({
      ...{ atMs: ban.startedAtMs, actor: ban.by, action: "ban" as const },
      ...{ subject: ban.subject, router: "", reason: ban.reason, source: ban.taskId },
    })),
  );
}

function rowOf(ban: NewBan): Schema["bans"] {
  return {
    id: ban.id,
    subject: ban.subject,
    family: ban.family,
    origin: ban.origin,
    type: ban.type,
    rule: ban.rule,
    reason: ban.reason,
    by_whom: ban.by,
    device: ban.device,
    task_id: ban.taskId,
    started_at_ms: ban.startedAtMs,
    ends_at_ms: ban.endsAtMs,
    dry_run: ban.dryRun ? 1 : 0,
    hits: 0,
    ended_at_ms: null,
    ended_because: null,
    ended_by: null,
  };
}

function targetRowsOf(ban: NewBan): Schema["ban_targets"][] {
  return [...new Set(ban.targets)].map((target, position) => ({
    ...{ ban_id: ban.id, target, position, subject: ban.subject, family: ban.family },
    ...{ started_at_ms: ban.startedAtMs, ends_at_ms: ban.endsAtMs, enforced: ban.dryRun ? (0 as const) : (1 as const) },
  }));
}

/** More hits on bans: by how many, since few bans differ in that. */
export async function addHits(db: Kysely<Schema>, hits: ReadonlyMap<string, number>): Promise<void> {
  for (const [more, entries] of groupBy(hits, ([, count]) => count)) {
    for (const chunk of chunksOf(entries.map(([id]) => id))) {
      await db
        .updateTable("bans")
        .set((eb) => ({ hits: eb("hits", "+", more) }))
        .where("id", "in", chunk)
        .execute();
    }
  }
}

export interface End {
  subjects: readonly string[];
  because: EndReason;
  by: string;
  reason: string;
  atMs: number;
  only?: { type: string; device: string };
}

const actionOf: Record<EndReason, AuditAction> = {
  expired: "expire",
  unban: "unban",
  "peer-unban": "unban",
  "allow-list": "allow-list",
};

export async function endBans(db: Kysely<Schema>, end: End): Promise<Ban[]> {
  const { only, atMs } = end;
  const ids: string[] = [];
  for (const chunk of chunksOf([...new Set(end.subjects)])) {
    const rows = await db
      .updateTable("bans")
      .set({ ended_at_ms: atMs, ended_because: end.because, ended_by: end.by })
      .where("subject", "in", chunk)
      .where("ended_at_ms", "is", null)
      .where((eb) => eb.or([eb("ends_at_ms", "is", null), eb("ends_at_ms", ">", atMs)]))
      .$if(only !== undefined, (update) =>
        update.where("type", "=", only?.type ?? "").where("device", "=", only?.device ?? ""),
      )
      .returning("id")
      .execute();
    ids.push(...rows.map(({ id }) => id));
  }
  const ended = await bansById(db, ids);
  await afterEnd(db, ended, (ban) => ({
    ...{ atMs, actor: end.by, action: actionOf[end.because], subject: ban.subject },
    ...{ router: "", reason: end.reason, source: ban.id },
  }));
  return ended;
}

/** So many bans in one transaction: others wait for it. */
const expiredAtOnceMax = 1000;

/** Whether there is anything to mark: asked first, since a look holds nobody up, and mostly there is nothing. */
export async function isAnyOver(db: Kysely<Schema>, nowMs: number): Promise<boolean> {
  const over = db.selectFrom("bans").select("id").where("ended_at_ms", "is", null).where("ends_at_ms", "<=", nowMs);
  return (await over.limit(1).executeTakeFirst()) !== undefined;
}

/** Marks bans whose end is over, the earliest first, a bounded number of them. @returns them, and whether there may be more */
export async function expireSome(
  db: Kysely<Schema>,
  nowMs: number,
): Promise<{ expired: { id: string; subject: string }[]; more: boolean }> {
  const over = await db
    .selectFrom("bans")
    .select("id")
    .where("ended_at_ms", "is", null)
    .where("ends_at_ms", "<=", nowMs)
    .orderBy("ends_at_ms")
    .limit(expiredAtOnceMax)
    .execute();
  if (over.length === 0) return { expired: [], more: false };
  const rows = await db
    .updateTable("bans")
    .set((eb) => ({ ended_at_ms: eb.ref("ends_at_ms"), ended_because: "expired", ended_by: "responder" }))
    .where(
      "id",
      "in",
      over.map(({ id }) => id),
    )
    // Another process may have been faster: then it has audited them.
    .where("ended_at_ms", "is", null)
    .returning(["id", "subject"])
    .execute();
  await afterEnd(db, rows, (ban) => ({
    ...{
      atMs: nowMs,
      actor: "responder",
      action: "expire",
      subject: ban.subject,
      router: "",
      reason: "",
      source: ban.id,
    },
  }));
  return { expired: rows, more: over.length === expiredAtOnceMax };
}

/** What follows from the end of bans: routers need not hold them, and it is audited. */
async function afterEnd<B extends { id: string; subject: string }>(
  db: Kysely<Schema>,
  ended: readonly B[],
  entryOf: (ban: B) => Parameters<typeof writeAudit>[1][number],
): Promise<void> {
  for (const chunk of chunksOf(ended)) {
    await db
      .updateTable("ban_targets")
      .set({ enforced: 0 })
      .where(
        "ban_id",
        "in",
        chunk.map(({ id }) => id),
      )
      .execute();
    // What no router was ever asked to hold (its group was full) is nothing to remove once no ban wants it.
    await db
      .deleteFrom("placements")
      .where(
        "subject",
        "in",
        chunk.map(({ subject }) => subject),
      )
      .where("intended_at_ms", "=", 0)
      .where((eb) =>
        eb.not(
          eb.exists(
            eb
              .selectFrom("bans")
              .select("bans.id")
              .whereRef("bans.subject", "=", "placements.subject")
              .where("bans.ended_at_ms", "is", null),
          ),
        ),
      )
      .execute();
  }
  await writeAudit(db, ended.map(entryOf));
}

const inForce = (nowMs: number) => (eb: ExpressionBuilder<Schema, "bans">) =>
  eb.and([
    eb("bans.ended_at_ms", "is", null),
    eb.or([eb("bans.ends_at_ms", "is", null), eb("bans.ends_at_ms", ">", nowMs)]),
  ]);

export async function readBans(db: Kysely<Schema>, query: BanQuery): Promise<Ban[]> {
  const { subject, activeAtMs, sinceMs } = query;
  const rows = await db
    .selectFrom("bans")
    .select(banColumns)
    .$if(subject !== undefined, (select) => select.where("subject", "=", subject ?? ""))
    .$if(activeAtMs !== undefined, (select) => select.where(inForce(activeAtMs ?? 0)))
    .$if(sinceMs !== undefined, (select) => select.where("started_at_ms", ">=", sinceMs ?? 0))
    .orderBy("started_at_ms", "desc")
    .orderBy("id", "desc")
    .limit(limitOf(query.limit))
    .execute();
  return withTargets(db, rows);
}

/** Bans of the subjects that nothing has ended, oldest first; at `nowMs`, where given, only those whose end is not over. */
export async function openBansOf(db: Kysely<Schema>, subjects: readonly string[], nowMs?: number): Promise<Ban[]> {
  const rows: BanRow[] = [];
  for (const chunk of chunksOf(subjects)) {
    const found = await db
      .selectFrom("bans")
      .select(banColumns)
      .where("subject", "in", chunk)
      .where(inForce(nowMs ?? Number.MIN_SAFE_INTEGER))
      .orderBy("started_at_ms")
      .orderBy("id")
      .execute();
    rows.push(...found);
  }
  return withTargets(db, rows);
}

export async function bansOfTasks(db: Kysely<Schema>, taskIds: readonly string[]): Promise<Map<string, Ban>> {
  const rows: BanRow[] = [];
  for (const chunk of chunksOf(taskIds)) {
    rows.push(...(await db.selectFrom("bans").select(banColumns).where("task_id", "in", chunk).execute()));
  }
  return new Map((await withTargets(db, rows)).map((ban) => [ban.taskId, ban]));
}

async function bansById(db: Kysely<Schema>, ids: readonly string[]): Promise<Ban[]> {
  const rows: BanRow[] = [];
  for (const chunk of chunksOf(ids)) {
    rows.push(...(await db.selectFrom("bans").select(banColumns).where("id", "in", chunk).execute()));
  }
  rows.sort((a, b) => a.startedAtMs - b.startedAtMs || (a.id < b.id ? -1 : 1));
  return withTargets(db, rows);
}

/** Every subject with a ban in force, in one order. */
export async function bannedSubjects(db: Kysely<Schema>, nowMs: number): Promise<string[]> {
  const select = db.selectFrom("bans").select("subject").distinct().where(inForce(nowMs)).orderBy("subject");
  return (await select.execute()).map(({ subject }) => subject);
}

export async function countBanned(db: Kysely<Schema>, nowMs: number): Promise<number> {
  const { count } = await db
    .selectFrom("bans")
    .select((eb) => eb.fn.count<number>("subject").distinct().as("count"))
    .where(inForce(nowMs))
    .executeTakeFirstOrThrow();
  return count;
}

type BanRow = Omit<Ban, "targets" | "dryRun"> & { dryRun: 0 | 1 };

async function withTargets(db: Kysely<Schema>, rows: readonly BanRow[]): Promise<Ban[]> {
  const targets: Pick<Schema["ban_targets"], "ban_id" | "target">[] = [];
  for (const chunk of chunksOf(rows)) {
    const found = await db
      .selectFrom("ban_targets")
      .select(["ban_id", "target"])
      .where(
        "ban_id",
        "in",
        chunk.map(({ id }) => id),
      )
      .orderBy("ban_id")
      .orderBy("position")
      .execute();
    targets.push(...found);
  }
  const targetsOf = groupBy(targets, ({ ban_id }) => ban_id);
  return rows.map((row) => ({
    ...row,
    dryRun: row.dryRun === 1,
    targets: (targetsOf.get(row.id) ?? []).map(({ target }) => target),
  }));
}
