/**
 * The file of a SQLite ledger: whether it may be opened, and how it comes into being.
 *
 * A new one is made under another name and gets its own by a link, complete: so a file under the ledger's name is always a
 * whole database, however many processes start at once and whenever one of them is killed. One without bytes was not
 * made by us, and taking it for a new ledger would forget every ban in silence.
 */

import { accessSync, constants, fsyncSync, linkSync, openSync, closeSync, rmSync, statSync } from "node:fs";
import { randomUUID } from "node:crypto";
import { dirname, resolve } from "node:path";
import { codeOf, LedgerError, messageOf } from "./errors.ts";

/** @throws LedgerError when it may not be opened @returns false when there is none yet, and it may be made */
export function checkFile(file: string): boolean {
  const directory = dirname(resolve(file));
  const place = statOf(directory);
  if (place === undefined || !place.isDirectory()) {
    throw new LedgerError(
      "directory-missing",
      `expected a directory for the ledger ${file}, there is no ${directory}; make it, or mount it, or correct the path`,
    );
  }
  // SQLite keeps its log beside the file.
  mayWrite(directory, constants.W_OK | constants.X_OK, `to write in ${directory}, where the ledger ${file} lies`);
  const found = statOf(file);
  if (found === undefined) return false;
  if (!found.isFile()) {
    throw new LedgerError("not-a-database", `expected a file, ${file} is something else; correct the path`);
  }
  mayWrite(file, constants.R_OK | constants.W_OK, `to read and write the ledger ${file}`);
  if (found.size === 0) {
    throw new LedgerError(
      "file-empty",
      `expected a database or no file at all, ${file} has 0 bytes; restore a backup, or delete it to begin with an empty ` +
        "ledger (every ban is forgotten then)",
    );
  }
  return true;
}

/** Makes the file by `fill`, unless another process is faster. */
export async function createFile(file: string, fill: (unfinished: string) => Promise<void>): Promise<void> {
  const unfinished = `${file}.new-${randomUUID()}`;
  try {
    await fill(unfinished);
    linkSync(unfinished, file);
    flush(dirname(resolve(file)));
  } catch (error) {
    if (codeOf(error) === "EEXIST") return;
    if (error instanceof LedgerError || codeOf(error).startsWith("SQLITE_")) throw error;
    throw new LedgerError(
      codeOf(error) === "ENOSPC" ? "disk-full" : "not-writable",
      `expected to make the ledger ${file}: ${messageOf(error)}; it needs a local file system with links`,
      { cause: error },
    );
  } finally {
    for (const suffix of ["", "-wal", "-shm", "-journal"]) rmSync(`${unfinished}${suffix}`, { force: true });
  }
}

function statOf(path: string): ReturnType<typeof statSync> | undefined {
  try {
    return statSync(path);
  } catch (error) {
    if (codeOf(error) === "ENOENT" || codeOf(error) === "ENOTDIR") return undefined;
    throw new LedgerError("not-writable", `expected to look at ${path}: ${messageOf(error)}`, { cause: error });
  }
}

function mayWrite(path: string, mode: number, expected: string): void {
  try {
    accessSync(path, mode);
  } catch (cause) {
    throw new LedgerError("not-writable", `expected ${expected}: ${messageOf(cause)}; mend owner, mode or mount`, {
      cause,
    });
  }
}

/** A directory must be flushed for a new name in it to survive a power cut. */
function flush(directory: string): void {
  const descriptor = openSync(directory, constants.O_RDONLY);
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
