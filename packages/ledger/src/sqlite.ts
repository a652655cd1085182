/**
 * SQLite: one file, shared by the processes of one host.
 *
 * A write transaction begins as one (BEGIN IMMEDIATE): a transaction that first reads and then wants to write is refused by
 * SQLite at once when somebody wrote meanwhile, and no waiting helps. Whoever finds the file taken waits in `transact`, so
 * that a process with a queue to touch and a health check to answer is never stopped for long.
 */

import { existsSync } from "node:fs";
import Database from "better-sqlite3";
import {
  Kysely,
  type DatabaseConnection,
  SqliteDialect,
  SqliteDriver,
  type SqliteStatement,
  type TransactionSettings,
} from "kysely";
import { sqliteDialect } from "./dialect.ts";
import { type Engine, repeat } from "./engine.ts";
import { codeOf, LedgerError, type LedgerErrorCode, messageOf } from "./errors.ts";
import { absent, migrate, missingMigrations, older } from "./migrate.ts";
import type { Schema } from "./schema.ts";
import { checkFile, createFile } from "./sqlite-file.ts";
import { storable } from "./storable.ts";

/**
 * SQLite's own waiting stops the whole process, so it is for what is over in a moment: another process that opens, or
 * folds the log into the file.
 */
const busyTimeoutMs = 20;

/** Longer than any transaction of ours: one that takes this long hangs. */
const repeatMsMax = 15_000;

/** "LOGW": how a database says whose it is. */
const applicationId = 0x4c_4f_47_57;

/** How much of an existing file is looked at before it is used. */
export type FileCheck = "whole" | "header";

interface SqliteEngine extends Engine {
  raw: Database.Database;
}

/** Opens the file, makes it where there is none; ":memory:" for a ledger that ends with this process. */
export async function openSqlite(
  file: string,
  check: FileCheck = "whole",
  existingOnly = false,
): Promise<SqliteEngine> {
  const inMemory = file === ":memory:";
  if (existingOnly && !inMemory && !existsSync(file)) throw absent(file);
  if (!inMemory && !checkFile(file)) {
    await createFile(file, async (unfinished) => {
      const engine = connect(unfinished, file);
      try {
        await bringUp(engine);
      } finally {
        // The last connection to close folds the log into the file.
        await engine.close();
      }
    });
  }
  const engine = connect(file, file, !inMemory);
  try {
    await repeat(engine, async () => {
      if (!inMemory) verify(engine.raw, file, check);
      await bringUp(engine, existingOnly);
    });
    return engine;
  } catch (error) {
    await engine.close();
    throw engine.explain(error) ?? error;
  }
}

function connect(path: string, file: string, mustExist = false): SqliteEngine {
  const database = file === ":memory:" ? "the ledger in memory" : file;
  const explain = (error: unknown): LedgerError | undefined => explainSqlite(error, database);
  let raw: Database.Database;
  try {
    raw = new Database(path, { fileMustExist: mustExist, timeout: busyTimeoutMs });
  } catch (error) {
    throw explain(error) ?? error;
  }
  const db = new Kysely<Schema>({ dialect: new ImmediateDialect(raw) });
  const close = async (): Promise<void> => {
    // Kysely would close it under a transaction that runs; here it waits for its turn, as everybody does. And it closes only
    // what it has used.
    if (raw.open) await db.connection().execute(async () => raw.close());
    await db.destroy();
  };
  return { db, raw, database, dialect: sqliteDialect, repeatMsMax, explain, asksToRepeat: isBusy, close };
}

/** Refuses what is no sound database of ours, before anything is written to it. */
function verify(raw: Database.Database, file: string, check: FileCheck): void {
  const [id] = raw.pragma("application_id", { simple: false }) as { application_id: number }[];
  if (id?.application_id !== applicationId) {
    throw new LedgerError(
      "database-foreign",
      `expected a database of Logwarden, ${file} is a database of another program; give the ledger a file of its own`,
    );
  }
  // A ledger that is damaged and goes on deciding does more harm than one that does not start. 0.25 s of processor time for
  // 130 MB, and as long as the disk needs.
  if (check === "header") return;
  const answer = raw.pragma("quick_check(1)", { simple: true });
  if (answer !== "ok") throw damaged(file, String(answer).replaceAll("\n", " "));
}

async function bringUp(engine: SqliteEngine, existingOnly = false): Promise<void> {
  const { raw, db, dialect, database } = engine;
  raw.pragma("journal_mode = WAL");
  // FULL: what was committed survives a power cut. With NORMAL the last transactions would be lost, and with them what we
  // were about to put into routers (nobody would ever take it out again) and tasks that the queue has forgotten already.
  raw.pragma("synchronous = FULL");
  raw.pragma("foreign_keys = ON");
  // Text of a stranger's schema is never run.
  raw.pragma("trusted_schema = OFF");
  // After a long read the log may have grown; it need not keep the room.
  raw.pragma(`journal_size_limit = ${64 * 1024 * 1024}`);
  const missing = await missingMigrations(db, dialect, database);
  if (missing.length === 0) return;
  if (existingOnly) throw older(database, missing);
  await db.transaction().execute(async (transaction) => {
    raw.pragma(`application_id = ${applicationId}`);
    await migrate(transaction, dialect, database);
  });
}

function isBusy(error: unknown): boolean {
  return /^SQLITE_(BUSY|LOCKED)/.test(codeOf(error));
}

const advice: readonly (readonly [code: RegExp, as: LedgerErrorCode, text: string])[] = [
  [/^SQLITE_NOTADB/, "not-a-database", "expected an SQLite database; is the path right? Else restore a backup"],
  [/^SQLITE_CORRUPT/, "database-damaged", "restore a backup, or save what can be saved with `sqlite3 FILE .recover`"],
  [/^SQLITE_FULL/, "disk-full", "make room where it lies"],
  [/^SQLITE_(READONLY|PERM|CANTOPEN)/, "not-writable", "expected to be allowed to write it and beside it"],
  [/^SQLITE_(IOERR|NOLFS|PROTOCOL)/, "disk-failed", "look at the disk; a network file system does not hold a ledger"],
];

function explainSqlite(error: unknown, database: string): LedgerError | undefined {
  if (error instanceof LedgerError) return error;
  const message = messageOf(error);
  // The words of Kysely and of better-sqlite3.
  if (/driver has already been destroyed|database connection is not open/.test(message)) {
    return new LedgerError("closed", `${database} was closed by this process`);
  }
  const found = advice.find(([code]) => code.test(codeOf(error)));
  if (found === undefined) return undefined;
  const [, as, text] = found;
  return new LedgerError(as, `${database}: ${message} (${codeOf(error)}); ${text}`, { cause: error });
}

function damaged(file: string, what: string): LedgerError {
  return new LedgerError(
    "database-damaged",
    `expected a sound database, ${file} is damaged: ${what}; restore a backup, or save what can be saved with ` +
      "`sqlite3 FILE .recover`",
  );
}

class ImmediateDialect extends SqliteDialect {
  readonly #raw: Database.Database;

  constructor(raw: Database.Database) {
    super({ database: raw });
    this.#raw = raw;
  }

  override createDriver(): SqliteDriver {
    return new ImmediateDriver(this.#raw);
  }
}

class ImmediateDriver extends SqliteDriver {
  readonly #raw: Database.Database;

  constructor(raw: Database.Database) {
    const statements = new Statements(raw);
    super({ database: { prepare: (text) => statements.prepare(text), close: () => raw.close() } });
    this.#raw = raw;
  }

  override async beginTransaction(_connection: DatabaseConnection, settings?: TransactionSettings): Promise<void> {
    this.#raw.exec(settings?.accessMode === "read only" ? "begin" : "begin immediate");
  }

  override async rollbackTransaction(): Promise<void> {
    // After some errors (a full disk) SQLite has rolled back itself, and would complain about a second time.
    if (this.#raw.inTransaction) this.#raw.exec("rollback");
  }
}

/** Statements that came before need not be compiled again. */
class Statements {
  readonly #raw: Database.Database;
  readonly #kept = new Map<string, SqliteStatement>();

  constructor(raw: Database.Database) {
    this.#raw = raw;
  }

  prepare(text: string): SqliteStatement {
    const kept = this.#kept.get(text);
    if (kept !== undefined) return kept;
    const statement = this.#raw.prepare<unknown[], unknown>(text);
    const prepared = {
      reader: statement.reader,
      all: (parameters: readonly unknown[]) => statement.all(parameters.map(storable)),
      run: (parameters: readonly unknown[]) => statement.run(parameters.map(storable)),
      iterate: (parameters: readonly unknown[]) => statement.iterate(parameters.map(storable)),
    };
    if (text.length <= keptLengthMax) {
      // The oldest goes: there are some fifty texts in all, and more only where the lengths of lists vary.
      const [oldest] = this.#kept.keys();
      if (this.#kept.size >= keptMax && oldest !== undefined) this.#kept.delete(oldest);
      this.#kept.set(text, prepared);
    }
    return prepared;
  }
}

const keptMax = 200;

/** Longer texts hold lists of a length that seldom comes again. */
const keptLengthMax = 4000;
