/**
 * PostgreSQL: a ledger for a cluster. A pool of connections, each with limits on how long anything may take, since one that
 * waits for ever holds a router's tasks for ever.
 */

import { Kysely, PostgresDialect, sql } from "kysely";
import pg from "pg";
import { postgresDialect } from "./dialect.ts";
import type { Engine } from "./engine.ts";
import { codeOf, LedgerError, type LedgerErrorCode, messageOf } from "./errors.ts";
import { migrate, missingMigrations, older } from "./migrate.ts";
import type { Schema } from "./schema.ts";
import { storable } from "./storable.ts";

/** What may be other than it is by default: for tests, mostly. */
export interface PostgresLimits {
  poolMax: number;
  connectMsMax: number;
  lockMsMax: number;
  answerMsMax: number;
}

const defaults: PostgresLimits = {
  // A service decides for several devices at once; PostgreSQL's own default admits 100 connections in all.
  poolMax: 10,
  // A connection over a LAN takes milliseconds; waiting for one of the pool is included.
  connectMsMax: 10_000,
  // Who waits longer for a lock than any transaction takes waits for one that hangs.
  lockMsMax: 10_000,
  // The server's own limits strike first; this one is for a server that no longer answers.
  answerMsMax: 30_000,
};

/** The longest statement of ours, migrations aside, takes well under a second. */
const statementMsMax = 20_000;

/** Transactions do nothing but talk to the database: one that is silent so long belongs to a process that hangs. */
const idleInTransactionMsMax = 30_000;

/** Collisions are over in milliseconds. */
const repeatMsMax = 15_000;

/** Others may have a long migration to do before it is our turn. */
const migrationMsMax = 300_000;

/** The key of the advisory lock under which migrations run: "LOGW". */
const migrationLock = 0x4c_4f_47_57;

export async function openPostgres(
  url: string,
  limits: Partial<PostgresLimits> = {},
  existingOnly = false,
): Promise<Engine> {
  const database = describe(url);
  const { poolMax, connectMsMax, lockMsMax, answerMsMax } = { ...defaults, ...limits };
  const pool = new pg.Pool({
    ...{ connectionString: url, Client: CleanClient, application_name: "logwarden", max: poolMax },
    ...{
      connectionTimeoutMillis: connectMsMax,
      idleTimeoutMillis: 60_000,
      keepAlive: true,
      query_timeout: answerMsMax,
    },
    ...{ statement_timeout: statementMsMax, lock_timeout: lockMsMax },
    idle_in_transaction_session_timeout: idleInTransactionMsMax,
    types: { getTypeParser: parserOf as typeof pg.types.getTypeParser },
  });
  // A connection that breaks is told to whoever uses it next; without a listener it would end the process.
  pool.on("error", () => {});
  pool.on("connect", (client) => client.on("error", () => {}));
  const db = new Kysely<Schema>({ dialect: new PostgresDialect({ pool }) });
  const explain = (error: unknown): LedgerError | undefined => explainPostgres(error, database);
  const engine: Engine = {
    ...{ db, database, dialect: postgresDialect, repeatMsMax, explain, asksToRepeat: isCollision },
    close: () => db.destroy(),
  };
  try {
    await bringUp(engine, existingOnly);
    return engine;
  } catch (error) {
    await engine.close();
    throw explain(error) ?? error;
  }
}

async function bringUp({ db, dialect, database }: Engine, existingOnly: boolean): Promise<void> {
  const missing = await missingMigrations(db, dialect, database);
  if (missing.length === 0) return;
  if (existingOnly) throw older(database, missing);
  await db.transaction().execute(async (transaction) => {
    for (const limit of ["statement_timeout", "lock_timeout"]) {
      await sql`select set_config(${limit}, ${String(migrationMsMax)}, true)`.execute(transaction);
    }
    await sql`select pg_advisory_xact_lock(${migrationLock})`.execute(transaction);
    await migrate(transaction, dialect, database);
  });
}

/** The address as it may be shown: who and where, and never with what password. */
function describe(url: string): string {
  let parsed: URL;
  try {
    parsed = new URL(url);
  } catch {
    // The error would hold the whole address.
    throw new LedgerError(
      "address-invalid",
      'expected an address like "postgres://user:password@host:5432/database", this one cannot be read; a password with ' +
        "special characters is written with %-escapes",
    );
  }
  const { username, host, pathname, searchParams } = parsed;
  const where = host === "" ? (searchParams.get("host") ?? "") : host;
  return `postgres://${username === "" ? "" : `${username}@`}${where}${pathname}`;
}

/** Names the errors after which PostgreSQL asks to begin the transaction again. */
function isCollision(error: unknown): boolean {
  // serialization_failure, deadlock_detected, lock_not_available
  return ["40001", "40P01", "55P03"].includes(codeOf(error));
}

const advice: readonly (readonly [code: RegExp, as: LedgerErrorCode, text: string])[] = [
  [/^(28...|42501)$/, "access-refused", "mend user, password, rights or pg_hba.conf"],
  [/^3D000$/, "access-refused", "make the database with createdb"],
  [/^3F000$/, "access-refused", "expected a schema that tables can be made in; mend search_path"],
  [/^(57P0[1-5]|08...)$/, "connection-lost", "the server ended the connection; it is tried again"],
  [/^(53300|53400|57P03)$/, "database-unreachable", "the server takes no more connections now"],
  [/^53100$/, "disk-full", "make room on the server"],
  [/^(58...|XX00[12])$/, "database-damaged", "look at the server's log and disk"],
  [/^(25006)$/, "access-refused", "expected the primary, this server is read-only"],
  [/^(57014|53200|53000)$/, "database-busy", "the server did not finish in time"],
  [/^25P0[34]$/, "connection-lost", "the server ended a transaction that stood still"],
];

/** Node's words for a server that nobody reaches. */
const unreachable =
  /^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|ETIMEDOUT|ENOENT|EACCES|EADDRNOTAVAIL)$/;

/** pg gives these errors no code. */
const wordsOfPg: readonly (readonly [RegExp, LedgerErrorCode, string])[] = [
  [
    /timeout exceeded when trying to connect|timeout expired|Connection terminated due to connection timeout/,
    "database-unreachable",
    "look at address, route and firewall, or at who holds its connections",
  ],
  [
    /Connection terminated|Client has encountered a connection error|not queryable|Query read timeout/,
    "connection-lost",
    "the outcome is unknown; ask again",
  ],
  [
    /SASL|password must be a string|no pg_hba|does not support SSL|self.signed|certificate/i,
    "access-refused",
    "mend user, password or sslmode",
  ],
  [/driver has already been destroyed|Cannot use a pool after calling end/, "closed", "this process closed it"],
];

function explainPostgres(error: unknown, database: string): LedgerError | undefined {
  if (error instanceof LedgerError) return error;
  const code = codeOf(error);
  // Several addresses that all refuse come as one AggregateError with no words of its own.
  const message = messageOf(error) || code;
  const told = (as: LedgerErrorCode, text: string): LedgerError =>
    new LedgerError(as, `${database}: ${message}${code === "" ? "" : ` (${code})`}; ${text}`, { cause: error });
  if (unreachable.test(code)) return told("database-unreachable", "look at address, route, firewall and the server");
  if (code === "ECONNRESET" || code === "EPIPE") return told("connection-lost", "the outcome is unknown; ask again");
  const found =
    advice.find(([pattern]) => pattern.test(code)) ??
    wordsOfPg.find(([pattern]) => code === "" && pattern.test(message));
  return found === undefined ? undefined : told(found[1], found[2]);
}

/** int8 comes as text, since it may be larger than a number holds exactly; ours never are. */
function parserOf(type: number, format?: "text" | "binary"): unknown {
  if (type === pg.types.builtins.INT8) return Number;
  return pg.types.getTypeParser(type, format as "text");
}

/** A client whose parameters are storable, and which is gone once it did not answer: nobody shall wait behind that. */
class CleanClient extends pg.Client {
  constructor(config?: pg.ClientConfig) {
    super(config);
    const query = super.query.bind(this) as (text: unknown, parameters?: unknown) => Promise<never>;
    // The one form that Kysely uses; pg knows a dozen.
    this.query = async (text: unknown, parameters?: unknown): Promise<never> => {
      try {
        return await query(text, Array.isArray(parameters) ? parameters.map(storable) : parameters);
      } catch (error) {
        // The pool takes no client back that is ending, and ending destroys a socket that still waits.
        if (messageOf(error) === "Query read timeout") this.end().catch(() => {});
        throw error;
      }
    };
  }
}
