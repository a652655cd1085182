/**
 * Everything that can go wrong between us and the ledger's database, by name.
 *
 * The list is closed: a code is a metric label and a branch in the services, never built from data. `passing` is the one
 * question a service asks: may the same call succeed if we wait? Of these, "connection-lost" alone means that nobody knows
 * whether the transaction was committed; after every other code nothing was. What is not in the list (a constraint that
 * does not hold, a type that does not fit) is a bug and flies as the engine threw it.
 */

const catalogue = {
  /** What was given is neither a file nor a postgres:// address. */
  "address-invalid": { passing: false },
  "directory-missing": { passing: false },
  /** The file or its directory may not be written by us. */
  "not-writable": { passing: false },
  /** No bytes: no database was ever written so by us. Somebody made it by hand, or a disk lost it. */
  "file-empty": { passing: false },
  "not-a-database": { passing: false },
  "database-damaged": { passing: false },
  /** Asked for by somebody who only looks: there is none, or it lacks tables of this release. */
  "ledger-absent": { passing: true },
  "ledger-older": { passing: true },
  /** A sound database of some other program. */
  "database-foreign": { passing: false },
  /** Written by a newer Logwarden: a migration in it is unknown here. */
  "database-newer": { passing: false },
  /** PostgreSQL answered, and does not let us in. */
  "access-refused": { passing: false },
  /** Nobody answers at PostgreSQL's address, or it is starting, stopping or full. */
  "database-unreachable": { passing: true },
  "connection-lost": { passing: true },
  /** Others held what we needed for longer than we wait, or collided with us each time we tried. */
  "database-busy": { passing: true },
  "disk-full": { passing: true },
  /** The disk, or what stands for one, fails. */
  "disk-failed": { passing: true },
  /** Somebody claimed the router's lease since: what we know of the router may be old, and nothing was written. */
  "lease-lost": { passing: false },
  /** This ledger was closed. */
  closed: { passing: false },
} as const satisfies Record<string, { passing: boolean }>;

export type LedgerErrorCode = keyof typeof catalogue;

export class LedgerError extends Error {
  override readonly name = "LedgerError";
  readonly code: LedgerErrorCode;

  constructor(code: LedgerErrorCode, detail: string, options?: ErrorOptions) {
    super(`${code}: ${detail}`, options);
    this.code = code;
  }

  /** Whether the same call may succeed later without anybody's doing. */
  get passing(): boolean {
    return catalogue[this.code].passing;
  }
}

/** `code` of an error of Node, SQLite or PostgreSQL; empty when it has none. */
export function codeOf(error: unknown): string {
  const code = error !== null && typeof error === "object" && "code" in error ? error.code : undefined;
  return typeof code === "string" ? code : "";
}

export function messageOf(error: unknown): string {
  return error !== null && typeof error === "object" && "message" in error ? String(error.message) : String(error);
}
