// A request whose answer was lost, carried out much later, by a real (simulated) router, beside a real ledger.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { afterEach, expect, test } from "@jest/globals";
import { freePort, ownHost } from "@logwarden/lab/parts/loopback";
import { type Ledger, openLedger } from "@logwarden/ledger";
import { writer } from "@logwarden/ledger/test/writer";
import { systemClock } from "@logwarden/shared/clock";
import { parseInventory } from "@logwarden/shared/inventory";
import { createClient, type VyosClient } from "@logwarden/vyos";
import { startRouter } from "@logwarden/vyos-sim";
import { Router } from "../src/router.ts";
import { silent } from "./silent.ts";

const attacker = "203.0.113.7";
const configureTimeoutMs = 120_000;

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

test("what a router does long after nobody waits for it any more is found while that may still happen", async () => {
  const stateDirectory = mkdtempSync(`${tmpdir()}/logwarden-late-`);
  ends.push(() => rmSync(stateDirectory, { recursive: true, force: true }));
  const common = { release: "1.4", host: ownHost, port: await freePort(), key: "key", commitScale: 0 } as const;
  const sim = await startRouter({ ...common, stateDirectory, interfaces: ["eth0"] });
  ends.push(() => sim.close());
  const real = createClient({ url: sim.url, key: "key", trust: { fingerprint: sim.fingerprint } });
  ends.push(() => real.close());
  const ledger = await openLedger({ file: ":memory:" });
  ends.push(() => ledger.close());

  /** While set, a commit's answer is lost, and the router has not begun with it either. */
  let isLate = false;
  let late: (() => Promise<unknown>) | undefined;
  const client: VyosClient = {
    ...real,
    configure: async (ops) => {
      if (!isLate) return real.configure(ops);
      late = () => real.configure(ops);
      return { kind: "unknown", reason: "timeout", text: "no complete answer" };
    },
  };
  const yaml = `devices: { edge-1: { address: 10.10.10.201, api: { url: "${sim.url}", keyFile: /k, fingerprint: "${sim.fingerprint}" } } }`;
  const inventory = parseInventory(`allow: []\n${yaml}`, "a test");
  const [device] = inventory.byAddress.values();
  let skippedMs = 0;
  const clock = { ...systemClock, monotonicMs: () => systemClock.monotonicMs() + skippedMs };
  const router = new Router({
    ...{ device: device!, connect: () => client, ledger, writer: await writer(ledger, "edge-1"), clock },
    ...{ group: "BAD_GUYS", groupMax: 1000, opsPerRequestMax: 100, configureTimeoutMs, reconcileMs: 300_000 },
    ...{ neverBan: () => inventory.neverBan, mayWrite: () => true },
    log: silent,
  });
  const members = (): string[] => sim.members("BAD_GUYS");
  const pass = () => router.pass(new Set([attacker]), [], false);

  await ban(ledger);
  expect((await pass()).results.get(attacker)).toEqual({ kind: "done" });
  expect(members()).toEqual([attacker]);

  // It is unbanned, and the router stands still; then banned again, and the router shows it, as the ledger wants.
  await ledger.decide((deciding) =>
    deciding.endBans({ subjects: [attacker], because: "unban", by: "ada", reason: "", atMs: Date.now() }),
  );
  isLate = true;
  expect((await pass()).results.get(attacker)).toMatchObject({ failure: { code: "change-unknown" } });
  isLate = false;
  await ban(ledger);
  await pass();
  expect(members()).toEqual([attacker]);

  // Only now the router comes to what was asked of it first.
  await late?.();
  expect(members()).toEqual([]);
  const dueInMs = router.readDueMs - clock.monotonicMs();
  expect(dueInMs).toBeGreaterThan(0);
  expect(dueInMs).toBeLessThanOrEqual(configureTimeoutMs);
  skippedMs += dueInMs;
  await pass();
  expect(members()).toEqual([attacker]);
  // After that it is read as seldom as ever.
  expect(router.readDueMs - clock.monotonicMs()).toBeGreaterThan(configureTimeoutMs);
});

let made = 0;
async function ban(ledger: Ledger): Promise<void> {
  made += 1;
  const now = Date.now();
  await ledger.decide(async (deciding) => {
    await deciding.lock([attacker]);
    await deciding.addBans([
      {
        ...{ id: `ban-${made}`, subject: attacker, family: 4, origin: "policy", type: "password_failed", by: "policy" },
        ...{ rule: "sshd-failed-password", reason: "", device: "edge-1", taskId: `task-${made}`, targets: ["all"] },
        ...{ startedAtMs: now, endsAtMs: now + 3_600_000, dryRun: false },
      },
    ]);
  });
}
