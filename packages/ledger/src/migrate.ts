/**
 * Brings a database to the tables of this release: the migrations that it lacks, in order, in one transaction, so that a
 * process that dies meanwhile leaves the database as it was. Whoever calls `migrate` has made sure that nobody else
 * migrates (SQLite: a transaction begun to write; PostgreSQL: an advisory lock in it).
 *
 * A database that knows a migration which we do not was written by a newer release. It is refused, never guessed at.
 */

import type { Kysely } from "kysely";
import type { Dialect } from "./dialect.ts";
import { LedgerError } from "./errors.ts";
import * as beginning from "./migrations/0001-beginning.ts";
import * as claims from "./migrations/0002-claims.ts";
import type { Schema } from "./schema.ts";

interface Migration {
  name: string;
  up(db: Kysely<Schema>, dialect: Dialect): Promise<void>;
}

const migrations: readonly Migration[] = [beginning, claims];

/** The tables of 0001: where one of them stands without our list of migrations, it is somebody else's. */
const firstTables = ["subjects", "sightings", "bans", "ban_targets", "placements", "leases", "audit"];

/** More names than there will ever be migrations. */
const migrationsMax = 10_000;

/** @throws LedgerError "database-newer" or "database-foreign" @returns what the database lacks; nothing: it is up to date */
export async function missingMigrations(
  db: Kysely<Schema>,
  dialect: Dialect,
  database: string,
): Promise<readonly Migration[]> {
  const tables = new Set((await dialect.tables.execute(db)).rows.map((row) => row.name));
  if (!tables.has("ledger_migrations")) {
    const strangers = firstTables.filter((table) => tables.has(table));
    if (strangers.length === 0) return migrations;
    throw new LedgerError(
      "database-foreign",
      `expected a database of Logwarden or an empty one, ${database} has the tables ${strangers.join(", ")} of another ` +
        "program; give Logwarden a database of its own",
    );
  }
  const rows = await db.selectFrom("ledger_migrations").select("name").orderBy("name").limit(migrationsMax).execute();
  const applied = new Set(rows.map((row) => row.name));
  const unknown = [...applied].filter((name) => migrations.every((migration) => migration.name !== name));
  if (unknown.length > 0) {
    throw new LedgerError(
      "database-newer",
      `expected a database of this release or an older one, ${database} has the unknown migration ${unknown.join(", ")}; ` +
        "run the release that wrote it, or restore a backup from before",
    );
  }
  return migrations.filter(({ name }) => !applied.has(name));
}

export async function migrate(transaction: Kysely<Schema>, dialect: Dialect, database: string): Promise<void> {
  const missing = await missingMigrations(transaction, dialect, database);
  if (missing === migrations) {
    await transaction.schema
      .createTable("ledger_migrations")
      .addColumn("name", dialect.text, (column) => column.primaryKey())
      .execute();
  }
  for (const { name, up } of missing) {
    await up(transaction, dialect);
    await transaction.insertInto("ledger_migrations").values({ name }).execute();
  }
}

/** Somebody only looks, and there is nothing to look at. */
export function absent(database: string): LedgerError {
  return new LedgerError(
    "ledger-absent",
    `expected a ledger, there is none at ${database}; a responder makes it when it starts`,
  );
}

/** Somebody only looks, and what is there was written by an older release, or is empty. */
export function older(database: string, missing: readonly Migration[]): LedgerError {
  if (missing.length === migrations.length) return absent(database);
  const names = missing.map(({ name }) => name).join(", ");
  return new LedgerError(
    "ledger-older",
    `expected a ledger of this release, ${database} lacks ${names}; a responder of this release brings it up when it starts`,
  );
}
