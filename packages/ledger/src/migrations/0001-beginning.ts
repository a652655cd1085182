/**
 * The first tables. A migration that was released is never edited: databases in the field are told apart by the names of
 * the migrations in them, and by nothing else.
 */

import { type Kysely, sql } from "kysely";
import type { Dialect } from "../dialect.ts";
import type { Schema } from "../schema.ts";

export const name = "0001-beginning";

export async function up(db: Kysely<Schema>, { text, number, serial }: Dialect): Promise<void> {
  const { schema } = db;
  await schema
    .createTable("subjects")
    .addColumn("subject", text, (column) => column.primaryKey())
    .addColumn("pardoned_until_ms", number, (column) => column.notNull())
    .addColumn("offences", number, (column) => column.notNull())
    .execute();

  await schema
    .createTable("sightings")
    .addColumn("task_id", text, (column) => column.primaryKey())
    .addColumn("subject", text, (column) => column.notNull())
    .addColumn("counter", text, (column) => column.notNull())
    .addColumn("type", text, (column) => column.notNull())
    .addColumn("rule", text, (column) => column.notNull())
    .addColumn("device", text, (column) => column.notNull())
    .addColumn("user_name", text)
    .addColumn("count", number, (column) => column.notNull())
    .addColumn("at_ms", number, (column) => column.notNull())
    .addColumn("recorded_at_ms", number, (column) => column.notNull())
    .addColumn("ban_id", text)
    .addColumn("forgotten", number, (column) => column.notNull())
    .execute();
  await schema.createIndex("sightings_of_subject").on("sightings").columns(["subject", "at_ms"]).execute();
  await schema.createIndex("sightings_by_age").on("sightings").column("recorded_at_ms").execute();

  await schema
    .createTable("bans")
    .addColumn("id", text, (column) => column.primaryKey())
    .addColumn("subject", text, (column) => column.notNull())
    .addColumn("family", number, (column) => column.notNull())
    .addColumn("origin", text, (column) => column.notNull())
    .addColumn("type", text, (column) => column.notNull())
    .addColumn("rule", text, (column) => column.notNull())
    .addColumn("reason", text, (column) => column.notNull())
    .addColumn("by_whom", text, (column) => column.notNull())
    .addColumn("device", text, (column) => column.notNull())
    .addColumn("task_id", text, (column) => column.notNull().unique())
    .addColumn("started_at_ms", number, (column) => column.notNull())
    .addColumn("ends_at_ms", number)
    .addColumn("dry_run", number, (column) => column.notNull())
    .addColumn("hits", number, (column) => column.notNull())
    .addColumn("ended_at_ms", number)
    .addColumn("ended_because", text)
    .addColumn("ended_by", text)
    .execute();
  await schema.createIndex("bans_of_subject").on("bans").columns(["subject", "started_at_ms"]).execute();
  await schema.createIndex("bans_by_age").on("bans").columns(["started_at_ms", "id"]).execute();
  // What is in force is little beside what was: these hold the former alone.
  const open = sql<boolean>`ended_at_ms is null`;
  await schema.createIndex("bans_open_of_subject").on("bans").column("subject").where(open).execute();
  await schema.createIndex("bans_open_by_end").on("bans").columns(["ends_at_ms", "subject"]).where(open).execute();
  await schema.createIndex("bans_open_by_start").on("bans").columns(["started_at_ms", "id"]).where(open).execute();
  const ended = sql<boolean>`ended_at_ms is not null`;
  await schema.createIndex("bans_ended").on("bans").column("ended_at_ms").where(ended).execute();

  await schema
    .createTable("ban_targets")
    .addColumn("ban_id", text, (column) => column.notNull().references("bans.id").onDelete("cascade"))
    .addColumn("target", text, (column) => column.notNull())
    .addColumn("position", number, (column) => column.notNull())
    .addColumn("subject", text, (column) => column.notNull())
    .addColumn("family", number, (column) => column.notNull())
    .addColumn("started_at_ms", number, (column) => column.notNull())
    .addColumn("ends_at_ms", number)
    .addColumn("enforced", number, (column) => column.notNull())
    .addPrimaryKeyConstraint("ban_targets_key", ["ban_id", "target"])
    .execute();
  await schema
    .createIndex("ban_targets_enforced")
    .on("ban_targets")
    .columns(["target", "subject", "ends_at_ms", "started_at_ms", "family"])
    .where(sql<boolean>`enforced = 1`)
    .execute();

  await schema
    .createTable("placements")
    .addColumn("router", text, (column) => column.notNull())
    .addColumn("subject", text, (column) => column.notNull())
    .addColumn("family", number, (column) => column.notNull())
    .addColumn("intended_at_ms", number, (column) => column.notNull())
    .addColumn("applied_at_ms", number)
    .addColumn("verified_at_ms", number)
    .addColumn("removed_at_ms", number)
    .addColumn("error", text)
    .addColumn("error_detail", text)
    .addColumn("error_at_ms", number)
    .addPrimaryKeyConstraint("placements_key", ["router", "subject"])
    .execute();
  await schema.createIndex("placements_of_subject").on("placements").column("subject").execute();

  await schema
    .createTable("interfaces")
    .addColumn("router", text, (column) => column.notNull())
    .addColumn("name", text, (column) => column.notNull())
    .addColumn("state", text, (column) => column.notNull())
    .addColumn("changed_at_ms", number, (column) => column.notNull())
    .addColumn("by_whom", text, (column) => column.notNull())
    .addColumn("reason", text, (column) => column.notNull())
    .addColumn("enable_at_ms", number)
    .addPrimaryKeyConstraint("interfaces_key", ["router", "name"])
    .execute();

  await schema
    .createTable("routers")
    .addColumn("router", text, (column) => column.primaryKey())
    .addColumn("state", text, (column) => column.notNull())
    .addColumn("error", text)
    .addColumn("error_detail", text)
    .addColumn("since_ms", number, (column) => column.notNull())
    .addColumn("reconciled_at_ms", number)
    .addColumn("members", number, (column) => column.notNull())
    .addColumn("foreign_members", number, (column) => column.notNull())
    .addColumn("mended", number, (column) => column.notNull())
    .execute();

  await schema
    .createTable("leases")
    .addColumn("device", text, (column) => column.primaryKey())
    .addColumn("owner", text)
    .addColumn("renewals", number, (column) => column.notNull())
    .execute();

  await schema
    .createTable("responders")
    .addColumn("id", text, (column) => column.primaryKey())
    .addColumn("name", text, (column) => column.notNull())
    .addColumn("beats", number, (column) => column.notNull())
    .addColumn("started_at_ms", number, (column) => column.notNull())
    .addColumn("seen_at_ms", number, (column) => column.notNull())
    .execute();

  await schema
    .createTable("audit")
    .addColumn("id", serial)
    .addColumn("at_ms", number, (column) => column.notNull())
    .addColumn("actor", text, (column) => column.notNull())
    .addColumn("action", text, (column) => column.notNull())
    .addColumn("subject", text, (column) => column.notNull())
    .addColumn("router", text, (column) => column.notNull())
    .addColumn("reason", text, (column) => column.notNull())
    .addColumn("source", text, (column) => column.notNull())
    .execute();
  await schema.createIndex("audit_by_age").on("audit").column("at_ms").execute();
  await schema.createIndex("audit_of_subject").on("audit").columns(["subject", "at_ms"]).execute();
  await schema.createIndex("audit_of_router").on("audit").columns(["router", "at_ms"]).execute();
  await schema.createIndex("audit_of_action").on("audit").columns(["action", "at_ms"]).execute();
}
