/** What the inventory says of a router's API → a client of it, with the key and the certificate that the files hold now. */

import { readFileSync } from "node:fs";
import { Failure } from "@logwarden/shared/failure";
import type { DeviceApi } from "@logwarden/shared/inventory";
import { createClient, type Timeouts, type Trust, type VyosClient } from "@logwarden/vyos";

/** @throws Failure device-key-unreadable: files are read anew each time, and may be missing while somebody rotates a key */
export function connectTo({ url, keyFile, trust }: DeviceApi, timeouts: Partial<Timeouts>): VyosClient {
  const key = readSecret(keyFile).trim();
  if (key === "") throw new Failure("device-key-unreadable", `${keyFile} is empty`);
  const trusted: Trust = "caFile" in trust ? { ca: readSecret(trust.caFile) } : trust;
  return createClient({ url, key, trust: trusted, timeouts });
}

function readSecret(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Failure("device-key-unreadable", `${path}: ${reason}`, { cause });
  }
}
