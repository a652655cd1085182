/**
 * The leases of this responder: renewed, taken, given, lost.
 *
 *   beat ──▶ who lives? ──▶ share ──▶ give back what is too much (its worker ends first) ──▶ take what is free
 *
 * VyOS takes one writer at a time, so each device has one responder. Whether another one lives is judged by watching its counter
 * with a clock of our own: no two machines' clocks are compared, and nobody can set this one. Our own leases end, for us, before
 * they can end for anybody else: `mayWrite` says no as soon as we could not renew for two thirds of the time.
 */

import { type Lease, LedgerError, type Ledger } from "@logwarden/ledger";
import type { Clock } from "@logwarden/shared/clock";
import type { Log } from "@logwarden/shared/log";
import { share } from "./share.ts";

export interface LeasesOptions {
  ledger: Ledger;
  clock: Clock;
  log: Log;
  /** Unique among all responders and all their lives. */
  id: string;
  /** For people: host and process. */
  name: string;
  devices: readonly string[];
  /** After so long without a sign of life a responder's devices go to others. */
  leaseMs: number;
  /** Begins to work for a device. @returns ends it: resolves when nothing of it runs any more */
  work: (lease: Lease, mayWrite: () => boolean) => () => Promise<void>;
}

/** So often within a lease's time it is renewed: two renewals may fail. */
const beatsPerLease = 4;
/** Renewed longer ago than this share of the time, a lease may be somebody else's by the time a request arrives. */
const certainShare = 2 / 3;
/** The entry of a responder that has been silent for so many leases is taken away. */
const buriedAfterLeases = 30;

interface Worker {
  /** Of the lease it works under: another number is another holding. */
  claims: number;
  stop: () => Promise<void>;
  ending: Promise<void> | undefined;
  /** The lease may be somebody else's: it ends, and writes nothing more. */
  isLost: boolean;
}

interface Watched {
  counter: number;
  changedAtMs: number;
}

export class Leases {
  readonly #options: LeasesOptions;
  readonly #startedAtMs: number;
  readonly #workers = new Map<string, Worker>();
  /** Their workers have ended, and the ledger is to be told. */
  readonly #toRelease = new Set<string>();
  readonly #owners = new Map<string, Watched>();
  #renewedAtMs = Number.NEGATIVE_INFINITY;
  #awaySinceMs: number | undefined;

  constructor(options: LeasesOptions) {
    this.#options = options;
    this.#startedAtMs = options.clock.nowMs();
  }

  /** Devices that this responder works for now. */
  get held(): number {
    return this.#workers.size;
  }

  /** It did not answer the last beat. */
  get isLedgerAway(): boolean {
    return this.#awaySinceMs !== undefined;
  }

  /** Keeps the leases until the signal; then ends all workers, and gives all leases back. */
  async run(signal: AbortSignal): Promise<void> {
    const { ledger, clock, devices, id } = this.#options;
    let isRegistered = false;
    while (!signal.aborted) {
      await this.#attempt(async () => {
        if (!isRegistered) await ledger.addLeases(devices);
        isRegistered = true;
        await this.#turn();
      });
      if (!this.#isCertain()) this.#end([...this.#workers.keys()], "uncertain");
      await clock.sleep(this.#beatMs, signal);
    }
    this.#end([...this.#workers.keys()], "stopping");
    await this.#renewUntilEnded();
    await this.#attempt(() => ledger.leave(id));
  }

  /** A worker may be in the middle of a commit: until that has ended, nobody else shall have its device. */
  async #renewUntilEnded(): Promise<void> {
    const { ledger, clock, id, name } = this.#options;
    const ended = new AbortController();
    const endings = [...this.#workers.values()].flatMap(({ ending }) => ending ?? []);
    void Promise.all(endings).then(() => ended.abort());
    while (!ended.signal.aborted) {
      await clock.sleep(this.#beatMs, ended.signal);
      if (ended.signal.aborted) return;
      await this.#attempt(async () => {
        const askedAtMs = clock.monotonicMs();
        await ledger.beat({ id, name, startedAtMs: this.#startedAtMs, seenAtMs: clock.nowMs() });
        this.#renewedAtMs = askedAtMs;
      });
    }
  }

  get #beatMs(): number {
    return this.#options.leaseMs / beatsPerLease;
  }

  async #turn(): Promise<void> {
    const { ledger, clock, id, name, devices } = this.#options;
    if (this.#toRelease.size > 0) await ledger.release(id, [...this.#toRelease]);
    this.#toRelease.clear();
    const askedAtMs = clock.monotonicMs();
    const times = { startedAtMs: this.#startedAtMs, seenAtMs: clock.nowMs() };
    const { leases, responders } = await ledger.beat({ id, name, ...times });
    // Another may have taken what we held while we were away: first of all its worker must write no more.
    const ours = leases.filter(({ owner }) => owner === id);
    const claimsOf = new Map(ours.map(({ device, claims }) => [device, claims]));
    const lost = [...this.#workers].filter(([device, { claims }]) => claimsOf.get(device) !== claims);
    this.#end(
      lost.map(([device]) => device),
      "taken",
    );
    this.#renewedAtMs = askedAtMs;
    for (const { id: other, beats } of responders) this.#watch(other, beats);
    const alive = new Set([id, ...responders.map((one) => one.id).filter((other) => this.#lives(other))]);
    await this.#buryDead(responders.map((one) => one.id));
    const { give, take } = share({ id, devices, leases, alive });
    // Released at the turn after their workers have ended; at the next one where a worker ended before, because we were uncertain.
    this.#end(give, "shared");
    for (const device of give) if (!this.#workers.has(device)) this.#toRelease.add(device);
    const claimed = take.length > 0 ? await ledger.claim(id, take) : [];
    const given = new Set(give);
    const known = new Set(devices);
    for (const lease of [...ours, ...claimed]) {
      if (!given.has(lease.device) && known.has(lease.device)) this.#begin(lease);
    }
  }

  #watch(id: string, counter: number): void {
    const known = this.#owners.get(id);
    if (known?.counter === counter) return;
    this.#owners.set(id, { counter, changedAtMs: this.#options.clock.monotonicMs() });
  }

  #lives(id: string): boolean {
    return this.#silentMs(id) < this.#options.leaseMs;
  }

  #silentMs(id: string): number {
    const { clock } = this.#options;
    return clock.monotonicMs() - (this.#owners.get(id)?.changedAtMs ?? clock.monotonicMs());
  }

  /** The leases of the dead are taken over by `share`; here only their names are taken from the list. */
  async #buryDead(ids: readonly string[]): Promise<void> {
    const { ledger, leaseMs, id: own } = this.#options;
    const dead = ids.filter((id) => id !== own && this.#silentMs(id) > buriedAfterLeases * leaseMs);
    if (dead.length > 0) await ledger.bury(dead);
  }

  #begin(lease: Lease): void {
    const { device, claims } = lease;
    if (this.#workers.has(device)) return;
    this.#options.log.say("lease.taken", { device });
    const worker: Worker = { claims, stop: async () => undefined, ending: undefined, isLost: false };
    this.#workers.set(device, worker);
    worker.stop = this.#options.work(lease, () => !worker.isLost && this.#isCertain());
  }

  /** Does not wait: a worker may be in the middle of a commit, and our other leases must be renewed meanwhile. */
  #end(devices: readonly string[], reason: string): void {
    for (const device of devices) {
      const worker = this.#workers.get(device);
      if (worker === undefined) continue;
      if (reason === "taken" || reason === "uncertain") worker.isLost = true;
      if (worker.ending !== undefined) continue;
      worker.ending = worker.stop().then(() => {
        this.#workers.delete(device);
        if (reason === "shared") this.#toRelease.add(device);
        this.#options.log.say("lease.given", { device, reason });
      });
    }
  }

  #isCertain(): boolean {
    const { clock, leaseMs } = this.#options;
    return clock.monotonicMs() - this.#renewedAtMs < leaseMs * certainShare;
  }

  /** A ledger that is away is tried again at the next beat. */
  async #attempt(work: () => Promise<void>): Promise<void> {
    const { clock, log } = this.#options;
    try {
      await work();
      if (this.#awaySinceMs === undefined) return;
      log.say("ledger.back", { durationMs: Math.round(clock.monotonicMs() - this.#awaySinceMs) });
      this.#awaySinceMs = undefined;
    } catch (error) {
      if (!(error instanceof LedgerError)) throw error;
      if (this.#awaySinceMs !== undefined) return;
      this.#awaySinceMs = clock.monotonicMs();
      log.say("ledger.away", { reason: error.code, detail: error.message });
    }
  }
}
