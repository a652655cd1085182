/**
 * What the two engines write differently: all of it. Everything else in this package is one SQL for both.
 *
 *   text       PostgreSQL would sort by the database's language; byte by byte is faster and is what SQLite and our own
 *              sorting of ASCII do, so that all lock in one order
 *   number     SQLite's integer has 64 bits anyway
 *   serial     numbers that grow by themselves
 *   tables     what is in the database
 *   locksRows  SQLite has one writer at a time: whoever began a transaction to write has locked every row
 */

import { type RawBuilder, type SelectQueryBuilder, sql } from "kysely";
import type { Schema } from "./schema.ts";

export interface Dialect {
  text: RawBuilder<unknown>;
  number: RawBuilder<unknown>;
  serial: RawBuilder<unknown>;
  tables: RawBuilder<{ name: string }>;
  locksRows: boolean;
}

export const sqliteDialect: Dialect = {
  text: sql`text`,
  number: sql`integer`,
  serial: sql`integer primary key autoincrement`,
  tables: sql`select name from sqlite_schema where type = 'table'`,
  locksRows: false,
};

export const postgresDialect: Dialect = {
  text: sql`text collate "C"`,
  number: sql`bigint`,
  serial: sql`bigint generated always as identity primary key`,
  tables: sql`select tablename as name from pg_catalog.pg_tables where schemaname = current_schema()`,
  locksRows: true,
};

/** Locks the rows it finds, in the order it finds them, until the transaction ends. */
export function locked<Table extends keyof Schema, Row>(
  dialect: Dialect,
  query: SelectQueryBuilder<Schema, Table, Row>,
  held: "wait" | "skip" = "wait",
): SelectQueryBuilder<Schema, Table, Row> {
  if (!dialect.locksRows) return query;
  return held === "skip" ? query.forUpdate().skipLocked() : query.forUpdate();
}
