/** A client of a device's API, with its key and certificate as their files hold them now. */

import { readFileSync } from "node:fs";
import { Failure } from "@logwarden/shared/failure";
import type { DeviceApi } from "@logwarden/shared/inventory";
import { createClient, type Trust, type VyosClient } from "@logwarden/vyos";

/** @throws Failure device-key-unreadable: files are read anew each time, and may be missing while somebody rotates a key */
export function connectTo({ url, keyFile, trust }: DeviceApi, configureMs: number): VyosClient {
  const key = readSecret(keyFile).trim();
  if (key === "") throw new Failure("device-key-unreadable", `${keyFile} is empty`);
  const trusted: Trust = "caFile" in trust ? { ca: readSecret(trust.caFile) } : trust;
  return createClient({ url, key, trust: trusted, timeouts: { configureMs } });
}

function readSecret(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Failure("device-key-unreadable", `${path}: ${reason}`, { cause });
  }
}
