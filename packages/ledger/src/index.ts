/** The ledger: README.md says what is promised; ledger.ts says what may be asked. */

export { LedgerError, type LedgerErrorCode } from "./errors.ts";
export type { BanQuery, Deciding, Ledger, RouterWriter } from "./ledger.ts";
export { type LedgerOptions, openLedger } from "./open.ts";
export type * from "./types.ts";
