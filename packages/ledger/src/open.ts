/** Opens the ledger that an address names. */

import { LedgerError } from "./errors.ts";
import type { Ledger } from "./ledger.ts";
import { openPostgres } from "./postgres.ts";
import { ledgerOver } from "./sql-ledger.ts";
import { type FileCheck, openSqlite } from "./sqlite.ts";

export interface LedgerOptions {
  /** postgres://user:password@host:5432/database */
  url?: string;
  /** A file of this host, made where there is none; ":memory:" for a ledger that ends with the process. */
  file?: string;
  /**
   * "whole" (the default) reads all of a file before it is used. "header" is for a command that asks one question of a file
   * which services have looked at.
   */
  check?: FileCheck;
  /** At most so many connections to PostgreSQL (10). */
  poolMax?: number;
  /** For those who only look: a ledger that would have to be made or migrated first is refused, and nothing is written. */
  existingOnly?: boolean;
}

/** Checks the database and brings it to this release. @throws LedgerError, whose message says what to do */
export async function openLedger({ url, file, poolMax, check, existingOnly }: LedgerOptions): Promise<Ledger> {
  if (url !== undefined && file === undefined) {
    if (/^postgres(ql)?:\/\//.test(url))
      return ledgerOver(await openPostgres(url, poolMax === undefined ? {} : { poolMax }, existingOnly));
    throw new LedgerError("address-invalid", "expected an address that begins with postgres://, this one does not");
  }
  if (file !== undefined && url === undefined && file.trim() !== "" && !file.startsWith("file:")) {
    return ledgerOver(await openSqlite(file, check, existingOnly));
  }
  throw new LedgerError(
    "address-invalid",
    "expected either the path of a file or an address that begins with postgres://, and one of them only",
  );
}
