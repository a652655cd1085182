/**
 * `--ledger ADDRESS`: the ledger, opened to read.
 *
 * The command never makes a ledger and never changes its tables: an empty one in the wrong place would look like "nobody is
 * banned". Responders make it when they start.
 */

import type { Ledger } from "@logwarden/ledger";
import { type LedgerAddress, ledgerAddress, ledgerVariables, readOwnVariables } from "@logwarden/shared/environment";
import { CommandError, type Context } from "../verb.ts";

export const ledgerOption = {
  ledger: {
    type: "string",
    value: "ADDRESS",
    about: `the ledger: a file, or postgres://USER@HOST/DATABASE. LOGWARDEN_LEDGER_URL_FILE, LOGWARDEN_LEDGER, or ${ledgerVariables.ledger.default}, unless given`,
    choices: "file",
  },
} as const;

interface Given {
  ledger?: string | undefined;
}

/**
 * Runs the work with the ledger, and closes it.
 * @throws ConfigurationError; CommandError when there is none yet, or it cannot be read
 */
export async function withLedger<T>(values: Given, context: Context, work: (ledger: Ledger) => Promise<T>): Promise<T> {
  // Half of what the command needs to start, and most verbs need none of it.
  const { LedgerError, openLedger } = await import("@logwarden/ledger");
  try {
    const ledger = await openLedger({ ...givenAddress(values, context), check: "header", existingOnly: true });
    try {
      return await work(ledger);
    } finally {
      await ledger.close();
    }
  } catch (error) {
    if (!(error instanceof LedgerError)) throw error;
    const where = "; if it is elsewhere: --ledger, or LOGWARDEN_LEDGER";
    const hint = error.code === "ledger-absent" ? where : "";
    throw new CommandError(`no ledger can be read: ${error.message}${hint}`, { cause: error });
  }
}

/** As withLedger, for an answer that is worth something without it. @returns why there is none, in a sentence */
export async function tryLedger<T>(
  values: Given,
  context: Context,
  work: (ledger: Ledger) => Promise<T>,
): Promise<{ value: T; error: null } | { value: null; error: string }> {
  try {
    return { value: await withLedger(values, context, work), error: null };
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    return { value: null, error: error.message };
  }
}

function givenAddress(values: Given, { environment }: Context): LedgerAddress {
  const given = values.ledger === undefined ? environment : { LOGWARDEN_LEDGER: values.ledger };
  return ledgerAddress(readOwnVariables(ledgerVariables, given));
}
