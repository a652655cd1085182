/**
 * A whole responder over what it is given: a ledger, a queue, a clock, a way to reach routers. main.ts gives it the real ones, the
 * simulation its own.
 *
 *   leases ──▶ a worker for each device that is ours          intake ──▶ orders, forwarding          housekeeping
 */

import type { Ledger } from "@logwarden/ledger";
import { LedgerError } from "@logwarden/ledger";
import type { Producer } from "@logwarden/queue";
import type { Clock } from "@logwarden/shared/clock";
import { Failure } from "@logwarden/shared/failure";
import type { Device, Inventory } from "@logwarden/shared/inventory";
import type { Log } from "@logwarden/shared/log";
import type { NeverBan } from "@logwarden/shared/never-ban";
import { deviceTube, intakeTubes } from "@logwarden/shared/tubes";
import type { VyosClient } from "@logwarden/vyos";
import { createDecider } from "./decide/decide.ts";
import { eventAgeMs } from "./decide/events.ts";
import { type Condition, DeviceWorker } from "./device-worker.ts";
import { keepHouse, liftAllowed } from "./housekeeping.ts";
import { workIntake } from "./intake.ts";
import { Leases } from "./lease/leases.ts";
import { createOrders } from "./orders.ts";
import type { Tube } from "./take-batch.ts";

export type { Tube };

export interface ResponderOptions {
  /** Unique among all responders and all their lives. */
  id: string;
  /** For people: host and process. */
  name: string;
  inventory: Inventory;
  ledger: Ledger;
  producer: Pick<Producer, "put">;
  /** Opens connections of its own to every queue node. */
  openTube: (tubes: readonly string[]) => Tube;
  /** A new client, with the key as its file holds it now. @throws Failure device-key-unreadable */
  connect: (device: Device) => VyosClient;
  clock: Clock;
  log: Log;
  batchTasksMax: number;
  opsPerRequestMax: number;
  configureTimeoutMs: number;
  reconcileMs: number;
  leaseMs: number;
  dryRun: boolean;
  /** For ids of bans; random unless given. */
  newId?: () => string;
}

export interface Responder {
  /** Devices that it works for now. */
  readonly held: number;
  /** How it stands with each of them. */
  readonly conditions: ReadonlyMap<string, Condition>;
  /** The ledger did not answer when it was asked last. */
  readonly ledgerAway: boolean;
  /** The never-ban list was edited: what it covers now is lifted. @throws LedgerError */
  setNeverBan(neverBan: NeverBan): Promise<void>;
  /** Resolves when the work in hand has ended. */
  stop(): Promise<void>;
}

export function startResponder(options: ResponderOptions): Responder {
  const { inventory, log, producer, openTube } = options;
  const { policies, ipv6Prefix, unbanGraceMs, devices } = inventory;
  const stopping = new AbortController();
  let neverBan = inventory.neverBan;
  const common = { ...options, ...inventory, neverBan: () => neverBan };
  const decider = createDecider({ ...common, policies, ipv6Prefix, unbanGraceMs });
  const orders = createOrders(producer, devices);
  const byKey = new Map(devices.map((device) => [device.key, device]));

  const workers = new Map<string, DeviceWorker>();
  const leases = new Leases({
    ...options,
    devices: devices.map(({ key }) => key),
    work: (lease, mayWrite) => {
      const { device: key } = lease;
      const device = byKey.get(key);
      if (device === undefined) throw new Error(`a lease of ${key}, which is no device`);
      const ending = new AbortController();
      const tube = openTube([deviceTube(key)]);
      const connect = (): VyosClient => options.connect(device);
      const writer = common.ledger.writerOf(lease);
      const worker = new DeviceWorker({ ...common, device, connect, tube, decider, orders, writer, mayWrite });
      workers.set(key, worker);
      const running = until(tube, worker.run(ending.signal));
      return async () => {
        ending.abort();
        await running;
        workers.delete(key);
      };
    },
  });
  const intake = openTube(intakeTubes);
  const running = [
    leases.run(stopping.signal),
    until(
      intake,
      workIntake({ ...common, tube: intake, devices: inventory.byAddress, decider, orders }, stopping.signal),
    ),
    keepHouse({ ...common, orders, sightingsMs: eventAgeMs(policies) }, stopping.signal),
  ];

  return {
    get held() {
      return leases.held;
    },
    get conditions() {
      return new Map([...workers].map(([key, worker]) => [key, worker.condition]));
    },
    get ledgerAway() {
      return leases.isLedgerAway;
    },
    async setNeverBan(edited) {
      neverBan = edited;
      log.say("allow.changed", { entries: edited.entries.length });
      try {
        await liftAllowed({ ...common, orders });
      } catch (error) {
        // The ledger is away: housekeeping tries again. Or we end before a queue node was there to be told: routers find out when they are read.
        if (!(error instanceof LedgerError || error instanceof Failure)) throw error;
      }
    },
    async stop() {
      stopping.abort();
      await Promise.all(running);
    },
  };
}

/** The tube is open as long as the work goes on. */
async function until(tube: Tube, work: Promise<void>): Promise<void> {
  try {
    await work;
  } finally {
    await tube.close();
  }
}
