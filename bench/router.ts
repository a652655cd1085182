/**
 * The router of a bench: the simulator, inside the bench's own process.
 *
 * In a process of its own it would stamp its requests by another clock: performance.timeOrigin is what the wall clock
 * said when a process started, so two processes disagree by whatever that clock was corrected between their starts, and
 * by every pause of the kernel while it was read. In here there is one clock. The price: the bench and the router share
 * one event loop, and what the bench does meanwhile (it reads the services' log) is added to the figures, never taken
 * from them.
 */

import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { type RequestRecord, type Router, startRouter } from "@logwarden/vyos-sim";

export interface BenchRouter extends AsyncDisposable {
  router: Router;
  /** How it is reached, as the inventory writes it. */
  api: { url: string; keyFile: string; fingerprint: string };
  /** Answered requests, oldest first: the simulator itself forgets after 10 000. */
  answered: readonly RequestRecord[];
}

/** The one clock: milliseconds since the epoch that never step back. The simulator stamps its requests the same way. */
export function nowMs(): number {
  return performance.timeOrigin + performance.now();
}

/** Starts a router with an empty group. @param directory its disk; saves are fsynced as everywhere */
export async function startBenchRouter(directory: string, commitScale: number): Promise<BenchRouter> {
  mkdirSync(directory, { recursive: true });
  const key = randomBytes(24).toString("base64url");
  const keyFile = `${directory}/api-key`;
  writeFileSync(keyFile, `${key}\n`, { mode: 0o600 });
  const router = await startRouter({ key, release: "1.4", stateDirectory: directory, commitScale });
  const answered: RequestRecord[] = [];
  router.onAnswer((record) => answered.push(record));
  return {
    router,
    api: { url: router.url, keyFile, fingerprint: router.fingerprint },
    answered,
    [Symbol.asyncDispose]: () => router.close(),
  };
}

/**
 * Many routers, each with a door of its own. One certificate and one key file for all: to make a thousand of them would take
 * longer than what is measured. They have no disk: a save is an answer, not an fsync.
 * @param directory for the key and the certificate
 */
export async function startBenchRouters(directory: string, count: number, commitScale: number): Promise<BenchRouter[]> {
  const first = await startBenchRouter(directory, commitScale);
  const routers = [first];
  try {
    const { api } = first;
    const key = readFileSync(api.keyFile, "utf8").trim();
    const identity = {
      certificatePem: first.router.certificatePem,
      privateKeyPem: readFileSync(`${directory}/private-key.pem`, "utf8"),
    };
    while (routers.length < count) {
      const router = await startRouter({ key, release: "1.4", commitScale, identity });
      const answered: RequestRecord[] = [];
      router.onAnswer((record) => answered.push(record));
      const close = (): Promise<void> => router.close();
      routers.push({ router, api: { ...api, url: router.url }, answered, [Symbol.asyncDispose]: close });
    }
    return routers;
  } catch (error) {
    await Promise.all(routers.map(({ router }) => router.close()));
    throw error;
  }
}

/** How long the router had a request: from its last byte to the end of the answer. */
export function routerMs({ receivedAtMs, answeredAtMs }: RequestRecord): number {
  return (answeredAtMs ?? receivedAtMs) - receivedAtMs;
}

/** Whether it is the commit that bans the address. */
export function bans({ endpoint, ops }: RequestRecord, address: string): boolean {
  return endpoint === "/configure" && JSON.stringify(ops).includes(`"${address}"`);
}
