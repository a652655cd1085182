/**
 * The loop of one device, run by the one responder that has its lease.
 *
 *   waiting ──task, or something is due──▶ decide ──▶ orders for other routers ──▶ one pass over the router ──▶ settle
 *                                            └─ the device is away ──▶ held: its tube is paused, the device is probed ──answers──▶
 *
 * A task is settled when what it leads to is on this router and saved; until then it stays in hand, and the passes go on. So a flood
 * becomes as many commits as the router can do, first sighting first, and nothing is forgotten when this process dies.
 *
 * Each device has a worker and queue connections of its own, so that a dead router delays nobody else's tasks. While it is held
 * its tasks stay in its tube, and the pause runs out by itself when this responder dies.
 */

import { type Ledger, LedgerError } from "@logwarden/ledger";
import { type Job, QueueError } from "@logwarden/queue";
import { adviceFor, Failure } from "@logwarden/shared/failure";
import { groupPath } from "@logwarden/vyos";
import { failureOf } from "./apply/failure-of.ts";
import type { Decider, Decision } from "./decide/decide.ts";
import { means } from "./decide/judge.ts";
import { expire } from "./housekeeping.ts";
import { type InterfaceChange, type InterfaceWish, planInterface } from "./interfaces.ts";
import { JobsInHand } from "./jobs-in-hand.ts";
import type { Orders } from "./orders.ts";
import { read, type Reserved } from "./reserve.ts";
import { type Result, Router, type RouterOptions } from "./router.ts";
import { settle } from "./settle.ts";
import { takeBatch, type Tube } from "./take-batch.ts";

export interface DeviceWorkerOptions extends RouterOptions {
  tube: Tube;
  ledger: Ledger;
  decider: Decider;
  orders: Orders;
  /** Tasks in hand at once. */
  batchTasksMax: number;
  /** Decisions are written down, and no router is touched. */
  dryRun: boolean;
}

/** A task that was decided and waits for the router. */
interface Waiting {
  reserved: Reserved;
  decision: Exclude<Decision, { kind: "nothing" }>;
}

/** How it stands with a device, for whoever watches. */
export interface Condition {
  /** Nothing can be done on it, and its tasks wait. */
  held: boolean;
  /** Tasks that are reserved and not settled. */
  inHand: number;
  /** Addresses in its groups; undefined: not known now, or it has none. */
  sizes: { 4: number; 6: number } | undefined;
}

/** Everybody has read an edited never-ban list by then, give or take; and one look costs the ledger little. */
const refusedAgainMs = 2000;
/** Three probes fit into one pause, so that a slow one does not let the tube loose. */
const holdSeconds = 30;
/** Growing from one to ten seconds: a router that reboots is back in use within ten seconds of answering. */
const probeDelayMsMin = 1000;
const probeDelayMsMax = 10_000;
/** What is due, and failed, is tried again after so long, and up to this. */
const retryDelayMsMin = 1000;
const retryDelayMsMax = 60_000;

export class DeviceWorker {
  readonly #options: DeviceWorkerOptions;
  readonly #router: Router | undefined;
  readonly #inHand: JobsInHand;
  #waiting: Waiting[] = [];
  /** By the clock on the wall: when something must be done, whether a task comes or not. */
  #dueAtMs = 0;
  /** Changes were left over. */
  #more = false;
  #failuresInARow = 0;
  #isHeld = false;

  constructor(options: DeviceWorkerOptions) {
    this.#options = options;
    this.#router = options.device.api === undefined || options.dryRun ? undefined : new Router(options);
    this.#inHand = new JobsInHand(options.clock);
  }

  get condition(): Condition {
    return { held: this.#isHeld, inHand: this.#inHand.size, sizes: this.#router?.sizes };
  }

  /** Works until the signal; resolves when the tasks in hand are settled or given back. Never rejects but for a bug. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const jobs = await this.#take(signal);
      if (signal.aborted && jobs.length === 0) break;
      const items = jobs.map(read);
      this.#inHand.add(items);
      const away = await this.#work(items);
      if (away === undefined) continue;
      this.#isHeld = true;
      await this.#hold(away, signal);
      this.#isHeld = false;
    }
    const stopped = new Failure("lease-lost", "this responder stops, or has lost the device to another one");
    await this.#giveBack(stopped);
    this.#router?.disconnect();
  }

  async #take(signal: AbortSignal): Promise<Job[]> {
    const { tube, clock, batchTasksMax } = this.#options;
    const isBusy = this.#waiting.length > 0 || this.#more;
    return takeBatch(tube, batchTasksMax - this.#inHand.size, clock, isBusy ? 0 : this.#dueAtMs, signal);
  }

  /** One turn: decides what came, passes over the router once, settles what can be. @returns why the device is away, if it is */
  async #work(items: readonly Reserved[]): Promise<Failure | undefined> {
    const { clock } = this.#options;
    try {
      await this.#decide(items);
      // Nothing waits for the router, and nothing is due there: most tasks only count.
      if (this.#waiting.length === 0 && !this.#more && clock.nowMs() < this.#dueAtMs) return undefined;
      // Asked before the pass: what ends while its commit runs would be over, and so not be the next end, afterwards.
      const nextEndMs = await this.#nextEndMs();
      const away = await this.#pass();
      await this.#findDue(nextEndMs);
      return away;
    } catch (error) {
      if (!(error instanceof LedgerError)) throw error;
      // What was decided cannot be read, and what was done cannot be written: every task in hand is asked about again.
      this.#failuresInARow++;
      this.#more = false;
      this.#dueAtMs = clock.nowMs() + this.#retryDelayMs();
      await this.#giveBack(new Failure(error.code === "lease-lost" ? "lease-lost" : "ledger-away", error.message));
      return undefined;
    }
  }

  async #decide(items: readonly Reserved[]): Promise<void> {
    const { device, decider, log } = this.#options;
    const place = { key: device.key, tags: device.tags };
    const readable: (Reserved & { kind: "task" })[] = [];
    for (const item of items) {
      if (item.kind === "task") readable.push(item);
      else await this.#settle(item, { kind: "failed", failure: item.failure });
    }
    if (readable.length === 0) return;
    for (const { task, taskId } of readable) log.say("task.reserved", { device: device.key, taskId, type: task.type });
    const decisions = await decider.decide(readable.map(({ task, taskId }) => ({ task, taskId, place })));
    await Promise.all(readable.map((item, index) => this.#follow(item, decisions[index] as Decision)));
  }

  /** Tells others what they must do; what this router must do waits for the pass. */
  async #follow(reserved: Reserved & { kind: "task" }, decision: Decision): Promise<void> {
    const { device } = this.#options;
    const { taskId, task } = reserved;
    if (decision.kind === "nothing") return this.#settle(reserved, decision);
    if (decision.kind === "enforce") {
      const { subjects, targets } = decision;
      const ordered = await this.#order(subjects, targets, { taskId, by: task.by ?? "policy", at: task.at });
      const isMeant = this.#router !== undefined && means(targets, device);
      // For this router there is nothing to wait for: others are told, or nobody is meant.
      if (ordered.kind !== "done" && !(isMeant && ordered.kind === "nothing")) return this.#settle(reserved, ordered);
      if (!isMeant) return this.#settle(reserved, { kind: "done" });
    } else if (this.#router === undefined) {
      const failure = new Failure("device-without-api", `${device.key} only sends logs`);
      return this.#settle(
        reserved,
        this.#options.dryRun
          ? { kind: "nothing", reason: "dry-run", detail: `${decision.kind} on ${device.key}` }
          : { kind: "failed", failure },
      );
    }
    this.#waiting.push({ reserved, decision });
  }

  async #order(
    subjects: readonly string[],
    targets: Parameters<Orders["give"]>[1],
    source: Parameters<Orders["give"]>[2],
  ): Promise<Result> {
    const { device, orders, log, dryRun, clock } = this.#options;
    if (dryRun) return { kind: "nothing", reason: "dry-run", detail: targets.join(", ") };
    const startedAtMs = clock.monotonicMs();
    try {
      const given = await orders.give(subjects, targets, source, device.key);
      if (given === 0)
        return { kind: "nothing", reason: "no-router", detail: `no router is meant by ${targets.join(", ")}` };
      const durationMs = clock.monotonicMs() - startedAtMs;
      log.say("order.given", { device: device.key, taskId: source.taskId, orders: given, durationMs });
      return { kind: "done" };
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      return { kind: "failed", failure: error };
    }
  }

  async #pass(): Promise<Failure | undefined> {
    const router = this.#router;
    if (router === undefined) return undefined;
    const { writer } = this.#options;
    await expire(this.#options);
    const waiting = this.#waiting.splice(0);
    const asked = new Set(waiting.flatMap(({ decision }) => (decision.kind === "enforce" ? decision.subjects : [])));
    const isAsked = waiting.some(({ decision }) => decision.kind === "reconcile");
    if (waiting.some(({ decision }) => decision.kind === "reconcile" && decision.isRestored)) router.wasRestored();
    const interfaces = await this.#planInterfaces(waiting);
    const { results, others, more, away, stopped } = await router.pass(
      asked,
      interfaces.changes.map(({ change }) => change),
      isAsked,
    );
    for (const { change, after } of interfaces.changes) {
      if (others.get(change.key)?.kind === "done") await writer.setInterface(after);
    }
    this.#more = more;
    const passing =
      stopped !== undefined
        ? failedBy(stopped)
        : [...results.values(), ...others.values(), ...interfaces.settled.values()].find(
            (one) => one.kind === "failed" && one.failure.waiting !== "never",
          );
    this.#failuresInARow = passing !== undefined || away !== undefined ? this.#failuresInARow + 1 : 0;
    // A router that fails is not asked for the rest at once: all go back, and come again later.
    if (passing !== undefined) this.#more = false;
    // Paused first: released into an open tube, the tasks would come straight back.
    if (away !== undefined) await this.#pause(holdSeconds);
    await Promise.all(
      waiting.map(async (item) => {
        const result =
          this.#resultOf(item, results, others, interfaces.settled, more) ??
          (stopped === undefined ? undefined : failedBy(stopped));
        if (away !== undefined) await this.#settleWaiting(item, result?.kind === "done" ? result : failedBy(away));
        else if (result !== undefined) await this.#settleWaiting(item, result);
        else if (more && passing !== undefined) await this.#settleWaiting(item, passing);
        else if (more) this.#waiting.push(item);
        else await this.#settleWaiting(item, { kind: "done" });
      }),
    );
    return away;
  }

  /** What became of what the task waited for; undefined: nothing in this pass, so it is as it should be, or among what was left over. */
  #resultOf(
    { decision, reserved }: Waiting,
    results: ReadonlyMap<string, Result>,
    others: ReadonlyMap<string, Result>,
    interfaces: ReadonlyMap<Reserved, Result>,
    more: boolean,
  ): Result | undefined {
    switch (decision.kind) {
      case "reconcile":
        return undefined;
      case "enable":
      case "disable":
        return interfaces.get(reserved) ?? others.get(`interface ${decision.name}`);
      case "enforce": {
        const own = decision.subjects.flatMap((subject) => results.get(subject) ?? []);
        const failed = own.find(({ kind }) => kind === "failed");
        // An unban may be about an address and its network, of which one did not fit into this commit.
        if (failed === undefined && more && own.length < decision.subjects.length) return undefined;
        return failed ?? own.find(({ kind }) => kind === "nothing") ?? own[0];
      }
    }
  }

  /** Wishes of the tasks in hand, and interfaces whose time is over. Each interface once. */
  async #planInterfaces(
    waiting: readonly Waiting[],
  ): Promise<{ changes: InterfaceChange[]; settled: Map<Reserved, Result> }> {
    const { device, ledger, clock } = this.#options;
    const router = this.#router as Router;
    const changes = new Map<string, InterfaceChange>();
    const settled = new Map<Reserved, Result>();
    const wishes = waiting.flatMap(({ reserved, decision }) =>
      decision.kind === "disable" || decision.kind === "enable" ? [{ reserved, wish: decision }] : [],
    );
    const due = (await ledger.interfacesOn(device.key)).filter(
      ({ state, enableAtMs }) => state === "disabled" && enableAtMs !== null && enableAtMs <= clock.nowMs(),
    );
    const own = due.map(({ name }): { reserved: undefined; wish: InterfaceWish } => ({
      reserved: undefined,
      wish: { kind: "enable", name, by: "policy", reason: "its time is over" },
    }));
    for (const { reserved, wish } of [...wishes, ...own]) {
      if (changes.has(wish.name)) continue;
      try {
        const planned = await planInterface({ ...this.#options, client: router.client }, wish);
        if ("change" in planned) changes.set(wish.name, planned);
        else if (reserved !== undefined) settled.set(reserved, planned);
      } catch (error) {
        if (!(error instanceof Failure)) throw error;
        if (reserved !== undefined) settled.set(reserved, failedBy(error));
      }
    }
    return { changes: [...changes.values()], settled };
  }

  /** When the next of the bans in force here ends. */
  async #nextEndMs(): Promise<number | undefined> {
    const { ledger, clock, device } = this.#options;
    if (this.#router === undefined) return undefined;
    return ledger.nextEndOn({ key: device.key, tags: device.tags }, clock.nowMs());
  }

  /** When the next turn is due without a task. */
  async #findDue(nextEndMs: number | undefined): Promise<void> {
    const { ledger, clock, device } = this.#options;
    const router = this.#router;
    const nowMs = clock.nowMs();
    if (router === undefined) {
      this.#dueAtMs = Number.POSITIVE_INFINITY;
      return;
    }
    if (this.#failuresInARow > 0) {
      this.#dueAtMs = nowMs + this.#retryDelayMs();
      return;
    }
    const ends = [
      nextEndMs,
      ...(await ledger.interfacesOn(device.key)).map(({ enableAtMs, state }) =>
        state === "disabled" ? enableAtMs : null,
      ),
    ];
    const reads = nowMs + Math.max(0, router.readDueMs - clock.monotonicMs());
    const refused = router.isRefusing ? nowMs + refusedAgainMs : Number.POSITIVE_INFINITY;
    this.#dueAtMs = Math.min(reads, refused, ...ends.filter((end) => typeof end === "number"));
  }

  #retryDelayMs(): number {
    return Math.min(retryDelayMsMin * 2 ** Math.max(0, this.#failuresInARow - 1), retryDelayMsMax);
  }

  /** Every task in hand goes back to the queue. */
  async #giveBack(failure: Failure): Promise<void> {
    this.#waiting = [];
    await Promise.all(this.#inHand.items.map((item) => this.#settle(item, failedBy(failure))));
  }

  /** What the task led to is on the router: how long that took since its line is what people wait for. */
  async #settleWaiting({ reserved }: Waiting, result: Result): Promise<void> {
    const at = reserved.kind === "task" ? Date.parse(reserved.task.at ?? "") : Number.NaN;
    if (result.kind !== "done" || Number.isNaN(at)) return this.#settle(reserved, result);
    // Two machines' clocks: a line is never from the future.
    return this.#settle(reserved, result, { lagMs: Math.max(0, this.#options.clock.nowMs() - at) });
  }

  async #settle(reserved: Reserved, result: Result, measured: { lagMs?: number } = {}): Promise<void> {
    const { device, log } = this.#options;
    const { job, taskId } = reserved;
    if (result.kind === "nothing") {
      log.say("plan.empty", { device: device.key, taskId, reason: result.reason, detail: result.detail });
    }
    await settle(job, result, Math.max(1, this.#failuresInARow), log, { device: device.key, taskId, ...measured });
    this.#inHand.remove(reserved);
  }

  /** Waits until the device answers a read again, or until we are told to end. */
  async #hold(failure: Failure, signal: AbortSignal): Promise<void> {
    const { clock, device, log } = this.#options;
    const heldAtMs = clock.monotonicMs();
    let current = failure;
    let said: string | undefined;
    for (let delayMs = probeDelayMsMin; ; delayMs = Math.min(delayMs * 2, probeDelayMsMax)) {
      if (said !== current.code) {
        const { code, detail } = current;
        log.say("device.held", { device: device.key, reason: code, detail, advice: adviceFor(code) });
        await this.#showHeld(current);
        said = code;
      }
      await clock.sleep(delayMs, signal);
      // Whoever takes over must not wait for a pause that nobody ends.
      if (signal.aborted) return this.#pause(0);
      const failing = await this.#probe();
      if (failing === undefined) {
        await this.#pause(0);
        this.#failuresInARow = 0;
        this.#dueAtMs = 0;
        const durationMs = Math.round(clock.monotonicMs() - heldAtMs);
        return log.say("device.resumed", { device: device.key, durationMs });
      }
      current = failing;
      await this.#pause(holdSeconds);
    }
  }

  /** Reads the router with the key as it is now. @returns why it does not answer; undefined when it does */
  async #probe(): Promise<Failure | undefined> {
    const router = this.#router as Router;
    router.disconnect();
    try {
      const answer = await router.client.returnValues(groupPath(4, this.#options.group));
      return answer.kind === "done" ? undefined : failureOf(answer);
    } catch (error) {
      if (error instanceof Failure) return error;
      throw error;
    }
  }

  async #showHeld({ code, detail }: Failure): Promise<void> {
    const { ledger, writer, clock, device } = this.#options;
    try {
      const before = (await ledger.routers()).find(({ router }) => router === device.key);
      const last = { reconciledAtMs: null, members: 0, foreign: 0, mended: 0, ...before };
      const now = {
        state: "held",
        error: code,
        errorDetail: detail,
        sinceMs: clock.nowMs(),
      } as const;
      await writer.setRouter({ ...last, ...now });
    } catch (error) {
      // It is for people only, and in the log as well.
      if (!(error instanceof LedgerError)) throw error;
    }
  }

  /** A node that is away cannot pause: its tasks come back with it and find out about the device themselves. */
  async #pause(seconds: number): Promise<void> {
    try {
      await this.#options.tube.pauseTubes(seconds);
    } catch (error) {
      if (!(error instanceof QueueError)) throw error;
    }
  }
}

function failedBy(failure: Failure): Result {
  return { kind: "failed", failure };
}
