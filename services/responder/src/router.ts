/**
 * One router, as its only writer sees it: what the ledger wants of it is brought onto it, one bounded commit at a time.
 *
 *   read (when needed) ──▶ tell the ledger ──▶ pending ──▶ plan ──▶ intend ──▶ apply ──▶ tell the ledger
 *
 * The groups' members are read at the start, after every doubt and as long as it lasts, and every few minutes; in between they are known, since nobody
 * else of us writes there. A read that differs from the ledger is the drift: it is mended like any other difference.
 */

import type { Ledger, Place, RouterState, RouterWriter } from "@logwarden/ledger";
import type { Clock } from "@logwarden/shared/clock";
import { adviceFor, Failure } from "@logwarden/shared/failure";
import type { Device } from "@logwarden/shared/inventory";
import type { Log } from "@logwarden/shared/log";
import type { NeverBan } from "@logwarden/shared/never-ban";
import type { VyosClient } from "@logwarden/vyos";
import { apply, type ApplyObserver, type ChangeResult } from "./apply/apply.ts";
import { CommitSize } from "./apply/commit-size.ts";
import { readMembers } from "./apply/read-back.ts";
import { type Change, type FirewallPlan, groupFull, type Members, plan } from "./plan/plan.ts";

export interface RouterOptions {
  device: Device;
  /** A new client, with the key as its file holds it now. @throws Failure device-key-unreadable */
  connect: () => VyosClient;
  ledger: Ledger;
  /** Of this router, under our lease. */
  writer: RouterWriter;
  clock: Clock;
  group: string;
  groupMax: number;
  neverBan: () => NeverBan;
  opsPerRequestMax: number;
  /** How long a commit may take. */
  configureTimeoutMs: number;
  /** The router's groups are read at least this often. */
  reconcileMs: number;
  mayWrite: () => boolean;
  log: Log;
}

/** What became of a subject in one pass. */
export type Result =
  | { kind: "done" }
  | { kind: "nothing"; reason: string; detail: string }
  | { kind: "failed"; failure: Failure };

export interface Pass {
  /** Subjects that were pending, or are: by name. What is not in it is as the ledger wants it. */
  results: Map<string, Result>;
  /** Of the changes that were handed in beside the ledger's. */
  others: Map<string, Result>;
  /** Changes are left that did not fit: another pass should follow at once. */
  more: boolean;
  /** The device cannot be worked on now. */
  away: Failure | undefined;
  /** Nothing came of the pass at all: it ended before its first request that writes. */
  stopped: Failure | undefined;
}

/** At 80 % of its bound somebody should know. */
const fillingShare = 0.8;

/** What people and the ledger are told of an address that has no room. */
const groupFullDetail = "the group is full of bans that last longer";

export class Router {
  readonly #options: RouterOptions;
  readonly #place: Place;
  readonly #size: CommitSize;
  readonly #observer: ApplyObserver;
  #client: VyosClient | undefined;
  /** Undefined when nobody knows: before the first read, and after a doubt. */
  #members: Members | undefined;
  #readAtMs = Number.NEGATIVE_INFINITY;
  /**
   * Until then a request whose answer was lost may still be carried out, by a router that stood still: what is read now may not be
   * the last word. By the monotonic clock.
   */
  #doubtUntilMs = Number.NEGATIVE_INFINITY;
  #isFilling = false;
  /** The last plan left bans out because the never-ban list holds them. */
  #isRefusing = false;
  /** Since the last read it was away, or somebody says so: what it runs now may be an old backup. */
  #mayBeRestored = false;

  constructor(options: RouterOptions) {
    const { device, log } = options;
    this.#options = options;
    this.#place = { key: device.key, tags: device.tags };
    this.#size = new CommitSize(options.opsPerRequestMax);
    this.#observer = {
      committed: (ops, durationMs, detail) => {
        this.#size.learn(ops, durationMs);
        log.say("change.applied", { device: device.key, ops, durationMs, detail });
      },
      saved: (durationMs) => log.say("change.saved", { device: device.key, durationMs }),
      verified: (ops) => log.say("change.verified", { device: device.key, ops }),
    };
  }

  /** The client in use; a new one after `disconnect`. @throws Failure device-key-unreadable */
  get client(): VyosClient {
    this.#client ??= this.#options.connect();
    return this.#client;
  }

  /** The router is away: the next call uses a new connection and the key as its file holds it then, and reads the router first. */
  disconnect(): void {
    this.#mayBeRestored = true;
    this.#client?.close();
    this.#client = undefined;
    this.#members = undefined;
  }

  /** Somebody says that it runs an older configuration now. */
  wasRestored(): void {
    this.#mayBeRestored = true;
  }

  /** How many addresses its groups hold, as far as we know now; undefined: nobody knows. */
  get sizes(): { 4: number; 6: number } | undefined {
    return this.#members === undefined ? undefined : { 4: this.#members[4].size, 6: this.#members[6].size };
  }

  /** When the groups are to be read again, by the monotonic clock. */
  get readDueMs(): number {
    if (this.#members === undefined) return Number.NEGATIVE_INFINITY;
    const dueMs = this.#readAtMs + this.#options.reconcileMs;
    return this.#readAtMs < this.#doubtUntilMs ? Math.min(dueMs, this.#doubtUntilMs) : dueMs;
  }

  /**
   * Bans in force wait here that the never-ban list forbids: whoever made them goes by an edited list that we have not read yet, or
   * they are about to be ended.
   */
  get isRefusing(): boolean {
    return this.#isRefusing;
  }

  /**
   * Brings the router one commit nearer to what the ledger wants, and commits the other changes, each in a request of its own.
   * @param asked subjects that somebody asks for: they are tried again, whatever the router said before
   * @param mustRead whether the groups are read even if they are known
   * @throws LedgerError
   */
  async pass(asked: ReadonlySet<string>, others: readonly Change[], mustRead: boolean): Promise<Pass> {
    const { clock, writer, log } = this.#options;
    const result: Pass = { results: new Map(), others: new Map(), more: false, away: undefined, stopped: undefined };
    try {
      this.#expectLease();
      const nowMs = clock.monotonicMs();
      if (mustRead || nowMs >= this.readDueMs || nowMs < this.#doubtUntilMs) await this.#reconcile();
      const neverBan = this.#options.neverBan();
      const firewall = await this.#plan(asked, neverBan);
      this.#isRefusing = firewall.refused.length > 0;
      // A process that was stopped meanwhile goes on with what it believed then, and the router may have been another's since.
      this.#expectLease();
      for (const [subject, outcome] of this.#settleUnsent(firewall)) result.results.set(subject, outcome);
      result.more = firewall.more;
      const requests = [...(firewall.changes.length > 0 ? [firewall.changes] : []), ...others.map((one) => [one])];
      const { shown } = firewall;
      if (requests.length + shown.length === 0) {
        await this.#tellEvicted(firewall);
        return result;
      }
      await writer.intend(firewall.sets, clock.nowMs());
      log.say("plan.made", { device: this.#place.key, ops: requests.flat().length, requests: requests.length });
      const { group, configureTimeoutMs: patienceMs } = this.#options;
      // Whoever is allowed while we write, or halve a commit that failed, must not be in the next request: it is planned anew.
      const mayWrite = (): boolean => this.#options.mayWrite() && this.#options.neverBan() === neverBan;
      const around = { group, patienceMs, mayWrite, clock, observer: this.#observer };
      const results = await apply(this.client, { ...around, requests, shown });
      await this.#tellLedger(results.filter(({ change }) => change.proof.kind === "member"));
      await this.#tellEvicted(firewall);
      for (const one of results) {
        // Taken out for want of room: what is told of it is that.
        if (result.results.has(one.change.key)) continue;
        const outcome: Result = one.kind === "done" ? { kind: "done" } : { kind: "failed", failure: one.failure };
        (one.change.proof.kind === "member" ? result.results : result.others).set(one.change.key, outcome);
      }
      this.#learn(results, result);
    } catch (error) {
      // Also when the ledger went away: it may not know what the router runs now, and would call an address placed that is gone.
      this.#members = undefined;
      if (!(error instanceof Failure)) throw error;
      this.#sayFailed(error);
      result.stopped = error;
      result.away = error.waiting === "device" ? error : undefined;
      for (const { key } of others) result.others.set(key, { kind: "failed", failure: error });
      for (const subject of asked) result.results.set(subject, { kind: "failed", failure: error });
    }
    return result;
  }

  /** @throws Failure lease-lost: what is known of the router may be old, and nothing may be concluded from it */
  #expectLease(): void {
    if (!this.#options.mayWrite()) throw new Failure("lease-lost", "another responder may have the device by now");
  }

  /** Reads the groups, and tells the ledger what it did not know. @throws Failure when the router cannot be read */
  async #reconcile(): Promise<void> {
    const { ledger, writer, clock, log, group, groupMax, configureTimeoutMs: patienceMs } = this.#options;
    const router = this.#place.key;
    const read = await readMembers(this.client, { group, patienceMs, clock });
    if (read.kind === "failed") throw read.failure;
    this.#members = read.members;
    this.#readAtMs = clock.monotonicMs();
    const nowMs = clock.nowMs();
    const placements = await ledger.placementsOn(router);
    const missing = placements.filter(
      ({ subject, family, appliedAtMs, verifiedAtMs }) =>
        (appliedAtMs ?? verifiedAtMs) !== null && !read.members[family].has(subject),
    );
    if (missing.length > 0) {
      await writer.missing(missing.map(({ subject }) => subject));
    }
    const returned = missing.length > 0 || this.#mayBeRestored ? await this.#takeBack(read.members, nowMs) : 0;
    this.#mayBeRestored = false;
    const ours = new Set(placements.map(({ subject }) => subject));
    const all = [...read.members[4], ...read.members[6]];
    const foreign = all.filter((member) => !ours.has(member)).length - returned;
    const mended = missing.length + returned;
    if (mended > 0) log.say("drift.found", { device: router, missing: missing.length, returned, foreign });
    await this.#setState({ members: all.length, foreign, mended, reconciledAtMs: nowMs });
    log.say("router.read", { device: router, members: all.length, foreign });
    const fullest = Math.max(read.members[4].size, read.members[6].size);
    if (fullest >= fillingShare * groupMax && !this.#isFilling) {
      log.say("group.filling", { device: router, members: fullest, max: groupMax });
    }
    this.#isFilling = fullest >= fillingShare * groupMax;
  }

  /**
   * A router that runs an old backup shows what we took out since: it is ours again, and will be taken out again. Only when
   * there is reason to think so (it was away, or lacks what it had, or somebody says so): otherwise a person put it there by hand.
   */
  async #takeBack(members: Members, nowMs: number): Promise<number> {
    const { ledger, writer } = this.#options;
    const former = await ledger.formerOn(this.#place.key);
    const returned = former.filter(({ subject, family }) => members[family].has(subject));
    await writer.revive(
      returned.map(({ subject }) => subject),
      nowMs,
    );
    return returned.length;
  }

  async #plan(asked: ReadonlySet<string>, neverBan: NeverBan): Promise<FirewallPlan> {
    const { ledger, clock, group, groupMax } = this.#options;
    const members = this.#members;
    if (members === undefined) throw new Error("a plan without a read");
    const { add, remove } = await ledger.pendingOn(this.#place, clock.nowMs());
    // The ledger may have taken its time, or this process have stood still: a ban that is over by now is not begun.
    const nowMs = clock.nowMs();
    const pending = { add: add.filter(({ untilMs }) => untilMs === null || untilMs > nowMs), remove };
    const isFull = [4, 6].some((family) => {
      const adds = pending.add.filter((one) => one.family === family).length;
      return adds > 0 && members[family as 4 | 6].size + adds > groupMax;
    });
    const wanted = isFull ? await ledger.wantedOn(this.#place, nowMs) : [];
    const placements = isFull ? await ledger.placementsOn(this.#place.key) : [];
    const limits = { group, groupMax, opsMax: this.#size.size };
    return plan({ ...limits, neverBan, pending, members, wanted, placements, asked });
  }

  /** What needs no request. */
  #settleUnsent(firewall: FirewallPlan): Map<string, Result> {
    const results = new Map<string, Result>();
    for (const subject of firewall.foreign) results.set(subject, { kind: "done" });
    for (const { subject, why } of firewall.refused) {
      results.set(subject, { kind: "nothing", reason: "never-ban", detail: `${subject}: ${why}` });
    }
    for (const { subject, failure } of firewall.failing) results.set(subject, { kind: "failed", failure });
    for (const { subject } of firewall.evicted)
      results.set(subject, { kind: "nothing", reason: groupFull, detail: groupFullDetail });
    return results;
  }

  /** Once they are out of the group. */
  async #tellEvicted(firewall: FirewallPlan): Promise<void> {
    const { writer, clock, log, groupMax } = this.#options;
    const full = firewall.evicted.filter(({ isNew }) => isNew);
    if (full.length === 0) return;
    await writer.misplaced(
      full.map(({ subject, family }) => ({ subject, family, error: groupFull, detail: groupFullDetail })),
      clock.nowMs(),
    );
    log.say("group.full", { device: this.#place.key, evicted: full.length, max: groupMax });
  }

  async #tellLedger(results: readonly ChangeResult[]): Promise<void> {
    const { writer, clock } = this.#options;
    const done = results.filter(({ kind }) => kind === "done").map(({ change }) => change);
    const placed = done.filter(({ op }) => op.op === "set").map(({ key }) => key);
    const removed = done.filter(({ op }) => op.op === "delete").map(({ key }) => key);
    const errors = results.flatMap((one) =>
      one.kind === "failed" && one.change.proof.kind === "member"
        ? [
            {
              subject: one.change.key,
              family: one.change.proof.family,
              error: one.failure.code,
              detail: one.failure.detail,
            },
          ]
        : [],
    );
    const nowMs = clock.nowMs();
    if (placed.length > 0) await writer.placed(placed, nowMs);
    if (removed.length > 0) await writer.removed(removed, nowMs);
    if (errors.length > 0) await writer.misplaced(errors, nowMs);
  }

  /** What is known of the members after the changes; and what went wrong, once for each reason. */
  #learn(results: readonly ChangeResult[], pass: Pass): void {
    const members = this.#members;
    const failures = new Map(
      results.flatMap((one) => (one.kind === "failed" ? [[one.failure.code, one.failure]] : [])),
    );
    for (const failure of failures.values()) {
      this.#sayFailed(failure);
      if (failure.waiting === "device") pass.away = failure;
    }
    if (members === undefined || [...failures.values()].some(({ waiting }) => waiting !== "never")) {
      this.#members = undefined;
      this.#doubtUntilMs = this.#options.clock.monotonicMs() + this.#options.configureTimeoutMs;
      return;
    }
    const next = { 4: new Set(members[4]), 6: new Set(members[6]) };
    for (const { kind, change } of results) {
      if (kind !== "done" || change.proof.kind !== "member") continue;
      const { family, address, present } = change.proof;
      if (present) next[family].add(address);
      else next[family].delete(address);
    }
    this.#members = next;
  }

  /** What people are shown of the router. */
  async #setState(state: Pick<RouterState, "members" | "foreign" | "mended" | "reconciledAtMs">): Promise<void> {
    const { writer, clock } = this.#options;
    await writer.setRouter({ state: "ok", error: null, errorDetail: null, sinceMs: clock.nowMs(), ...state });
  }

  #sayFailed({ code, detail }: Failure): void {
    this.#options.log.say("change.failed", { device: this.#place.key, reason: code, detail, advice: adviceFor(code) });
  }
}
