/**
 * Writes that wait for each other anyway → one transaction, and one fsync for all of them.
 *
 *   write ──▶ nobody writes ──▶ a transaction of its own, at once
 *         └──▶ somebody does ──▶ waits ──▶ with all that wait beside it, in the next transaction
 *
 * SQLite has one writer at a time and waits for the disk at every commit. A responder works for hundreds of routers at
 * once, each with small writes of its own: one after the other, a ban of a fleet takes as many waits as there are writes.
 *
 * Each write is still all or nothing, and durable when it resolves: where one of a group fails, the group is undone and each
 * is done by itself, so that nobody fails for another's sake. Where the database fails, all of them fail.
 */

import type { Transaction } from "kysely";
import { assertOutside, type Engine, transact } from "./engine.ts";
import { LedgerError } from "./errors.ts";
import type { Schema } from "./schema.ts";

export type Work<T> = (transaction: Transaction<Schema>) => Promise<T>;

interface Waiting {
  work: Work<unknown>;
  resolve: (value: unknown) => void;
  reject: (error: unknown) => void;
}

/** Others that write to the same file wait so long: some milliseconds. */
const togetherMax = 50;

export interface Writer {
  write<T>(work: Work<T>): Promise<T>;
  /** Resolves when nobody waits any more. */
  idle(): Promise<void>;
}

export function writeTogether(engine: Engine): Writer {
  const waiting: Waiting[] = [];
  let draining: Promise<void> | undefined;

  async function drain(): Promise<void> {
    for (let group = waiting.splice(0, togetherMax); group.length > 0; group = waiting.splice(0, togetherMax)) {
      if (group.length === 1 || !(await inOne(group))) await oneByOne(group);
    }
    draining = undefined;
  }

  /** @returns whether it is settled */
  async function inOne(group: readonly Waiting[]): Promise<boolean> {
    try {
      const values = await transact(engine, "write", async (transaction) => {
        const results: unknown[] = [];
        for (const { work } of group) results.push(await work(transaction));
        return results;
      });
      for (const [index, { resolve }] of group.entries()) resolve(values[index]);
      return true;
    } catch (error) {
      // Somebody's bug, or lost lease: whose, is found one by one. What the database cannot do for all it cannot do for one.
      if (!(error instanceof LedgerError) || error.code === "lease-lost") return false;
      for (const { reject } of group) reject(error);
      return true;
    }
  }

  async function oneByOne(group: readonly Waiting[]): Promise<void> {
    for (const { work, resolve, reject } of group) {
      await transact(engine, "write", work).then(resolve, reject);
    }
  }

  return {
    write: <T>(work: Work<T>) =>
      new Promise<T>((resolve, reject) => {
        assertOutside(engine);
        waiting.push({ work, resolve: resolve as (value: unknown) => void, reject });
        draining ??= drain();
      }),
    idle: async () => {
      while (draining !== undefined) await draining;
    },
  };
}
