/** A database that was opened, checked and migrated; and how a transaction runs in it. */

import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import type { Kysely, Transaction } from "kysely";
import type { Dialect } from "./dialect.ts";
import { LedgerError, messageOf } from "./errors.ts";
import type { Schema } from "./schema.ts";

export interface Engine {
  db: Kysely<Schema>;
  dialect: Dialect;
  /** For messages: a file, or an address without its password. */
  database: string;
  /** The database asks to begin again: nothing of the transaction was done. */
  asksToRepeat(error: unknown): boolean;
  /** How long a transaction is begun again, and after that is "database-busy". */
  repeatMsMax: number;
  /** What an error of the engine means; undefined: a bug, which flies as it is. */
  explain(error: unknown): LedgerError | undefined;
  /** Ends what was opened, once the transactions that run now have ended. Harmless when repeated. */
  close(): Promise<void>;
}

export type Access = "write" | "read";

/** A collision is over in milliseconds; who waits longer waits for a long transaction, and need not ask so often. */
const pauseMsMax = 50;

/**
 * Runs the work in one transaction, again as a whole while the database asks for that. "read" sees one moment throughout,
 * and holds nobody up.
 * @throws LedgerError, or what the work threw
 */
export function transact<T>(
  engine: Engine,
  access: Access,
  work: (transaction: Transaction<Schema>) => Promise<T>,
): Promise<T> {
  return repeat(engine, () => {
    const transaction = engine.db.transaction();
    const inside = async (handle: Transaction<Schema>): Promise<T> => {
      const self = { engine, ended: false };
      try {
        return await running.run(self, () => work(handle));
      } finally {
        self.ended = true;
      }
    };
    return access === "write"
      ? transaction.execute(inside)
      : transaction.setIsolationLevel("repeatable read").setAccessMode("read only").execute(inside);
  });
}

/** The transaction in which the caller is. */
const running = new AsyncLocalStorage<{ engine: Engine; ended: boolean }>();

/** SQLite has one connection: whoever asks for it while he has it would wait for himself for ever. */
export function assertOutside(engine: Engine): void {
  const around = running.getStore();
  assert(
    around?.engine !== engine || around.ended,
    "inside of decide only `deciding` may be used, not the ledger itself",
  );
}

/** Runs the work again while the database asks for that, and says what its errors mean. */
export async function repeat<T>(engine: Engine, work: () => Promise<T>): Promise<T> {
  assertOutside(engine);
  let giveUpAtMs: number | undefined;
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await work();
    } catch (error) {
      if (!engine.asksToRepeat(error)) throw engine.explain(error) ?? error;
      // This clock is read only when several processes collide, so never where a simulation drives a ledger in memory.
      giveUpAtMs ??= performance.now() + engine.repeatMsMax;
      if (performance.now() > giveUpAtMs) throw busy(engine, attempt + 1, error);
      // By chance, so that two that collided do not collide again.
      await sleep(Math.random() * Math.min(2 ** attempt, pauseMsMax));
    }
  }
}

function busy({ database, repeatMsMax }: Engine, attempts: number, cause: unknown): LedgerError {
  return new LedgerError(
    "database-busy",
    `expected ${database} to be free within ${repeatMsMax / 1000} s, others held it at each of ${attempts} attempts: ` +
      `${messageOf(cause)}; if it lasts, look for a process that hangs in a transaction`,
    { cause },
  );
}
