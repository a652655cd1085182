/** The never-ban list is followed while the service runs; everything else in logwarden.yaml waits for a start. */

import { statSync } from "node:fs";
import { ConfigurationError } from "./environment.ts";
import { readInventory } from "./inventory.ts";
import type { Log } from "../log/log.ts";
import type { NeverBan } from "../ip/never-ban.ts";

/** Looked at this often: whoever edits the list because he is locked out does not want to wait. */
const watchMs = 2000;

/** Tells of each edit that can be used, and logs those that cannot. @returns ends it */
export function watchAllow(path: string, log: Log, tell: (neverBan: NeverBan) => void): () => void {
  const stamp = (): string => {
    try {
      const { mtimeMs, size, ino } = statSync(path);
      return `${mtimeMs} ${size} ${ino}`;
    } catch {
      // Between the two steps of an editor that replaces the file.
      return "";
    }
  };
  let seen = stamp();
  const timer = setInterval(() => {
    const now = stamp();
    if (now === seen || now === "") return;
    seen = now;
    try {
      tell(readInventory(path).neverBan);
    } catch (error) {
      if (!(error instanceof ConfigurationError)) throw error;
      log.say("allow.unusable", { detail: error.complaints.join("; ") });
    }
  }, watchMs);
  return () => clearInterval(timer);
}
