/**
 * A file is there as a whole or not at all: a reload that reads it meanwhile sees the old one.
 */

import { closeSync, fsyncSync, openSync, realpathSync, renameSync, rmSync, statSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { CommandError } from "../verb.ts";

/** Everybody may read it: these files hold no secrets, and HAProxy's user is not ours. */
const modeDefault = 0o644;

/** @throws CommandError when it cannot be written; then the old file is as it was */
export function writeWhole(path: string, text: string): void {
  const target = existing(path);
  const beside = `${target.path}.${process.pid}.new`;
  try {
    const descriptor = openSync(beside, "wx", target.mode);
    try {
      writeSync(descriptor, text);
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    renameSync(beside, target.path);
    // The rename itself is on disk only when the directory is.
    const directory = openSync(dirname(target.path), "r");
    fsyncSync(directory);
    closeSync(directory);
  } catch (cause) {
    rmSync(beside, { force: true });
    throw new CommandError(`${path} could not be written: ${(cause as Error).message}`, { cause });
  }
}

/** Behind a symbolic link, so that the link stays; with the mode that somebody gave it. */
function existing(path: string): { path: string; mode: number } {
  try {
    const real = realpathSync(path);
    return { path: real, mode: statSync(real).mode & 0o777 };
  } catch {
    return { path, mode: modeDefault };
  }
}
