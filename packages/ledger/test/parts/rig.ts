/**
 * The two engines as a test sees them: for each test a database of its own, and whatever was opened or started is ended
 * after it, even when it fails.
 */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, beforeEach, describe } from "@jest/globals";
import { type Postgres, startPostgres } from "@logwarden/lab/parts/postgres";
import pg from "pg";
import { type Ledger, type LedgerOptions, openLedger } from "../../src/index.ts";

const ends: (() => unknown)[] = [];

export function atEnd(end: () => unknown): void {
  ends.push(end);
}

afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

export interface Store {
  engine: "SQLite" | "PostgreSQL";
  /** Of this test's database. */
  address(): LedgerOptions;
  /** Opens it, once more each time: each is a process as far as the database knows. */
  open(): Promise<Ledger>;
  /** Runs SQL beside the ledger. */
  sql(text: string): Promise<unknown[]>;
}

/** The same story told to both engines. */
export function onBothEngines(story: (store: Store) => void): void {
  describe("SQLite", () => {
    let directory = "";
    beforeEach(() => {
      directory = temporaryDirectory();
    });
    const file = (): string => join(directory, "ledger.db");
    story({
      engine: "SQLite",
      address: () => ({ file: file() }),
      open: () => opened({ file: file() }),
      sql: async (text) => {
        const { default: Database } = await import("better-sqlite3");
        const raw = new Database(file());
        try {
          const statement = raw.prepare(text);
          return statement.reader ? statement.all() : [statement.run()];
        } finally {
          raw.close();
        }
      },
    });
  });

  describe("PostgreSQL", () => {
    const server = ownPostgres();
    let url = "";
    beforeEach(async () => {
      url = await freshDatabase(server());
    });
    story({
      engine: "PostgreSQL",
      address: () => ({ url, poolMax: 4 }),
      open: () => opened({ url, poolMax: 4 }),
      sql: (text) => query(url, text),
    });
  });
}

/** A server for the tests of one file. */
export function ownPostgres(settings: Record<string, string> = {}): () => Postgres {
  let server: Postgres | undefined;
  beforeAll(async () => {
    server = await startPostgres({ settings });
  });
  afterAll(() => server?.remove());
  return () => {
    if (server === undefined) throw new Error("expected the server to be started");
    return server;
  };
}

let databases = 0;

export async function freshDatabase(server: Postgres): Promise<string> {
  databases += 1;
  const name = `ledger_${databases}`;
  await query(server.url(), `create database ${name}`);
  return server.url(name);
}

export async function query(url: string, text: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(text)).rows;
  } finally {
    await client.end();
  }
}

export async function opened(options: LedgerOptions): Promise<Ledger> {
  const ledger = await openLedger(options);
  atEnd(() => ledger.close());
  return ledger;
}

export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "logwarden-ledger-"));
  atEnd(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

export interface Child {
  process: ChildProcess;
  /** Resolves with the next line that it prints; rejects when it ends first. */
  line(): Promise<string>;
  /** Resolves with everything it printed when it has ended well. */
  lines(): Promise<string[]>;
}

/** A process with a ledger of its own: test/parts/child.ts says what it can do. */
export function child(address: LedgerOptions, verb: string, ...rest: string[]): Child {
  const program = fileURLToPath(new URL("child.ts", import.meta.url));
  const started = spawn(process.execPath, [program, JSON.stringify(address), verb, ...rest], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = once(started, "close");
  atEnd(async () => {
    started.kill("SIGKILL");
    await ended;
  });
  const all: string[] = [];
  const reader = createInterface({ input: started.stdout });
  reader.on("line", (line) => all.push(line));
  return {
    process: started,
    line: async () => {
      const [line] = await Promise.race([
        once(reader, "line"),
        ended.then(() => Promise.reject(new Error(`${verb} ended first`))),
      ]);
      return String(line);
    },
    lines: async () => {
      const [code] = await ended;
      if (code !== 0) throw new Error(`expected ${verb} to end well, it ended with ${String(code)}`);
      return all;
    },
  };
}
