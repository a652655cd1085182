/**
 * Tasks → what follows from them, written into the ledger before anything is done about it.
 *
 *   events of a batch ──▶ events.ts: sightings, bans        an order ──▶ orders.ts: a ban, or bans ended
 *
 * Each is one transaction with its subjects locked, so counting is exact however many responders decide at once. A task that
 * is delivered again finds its id in the ledger and leads to what it led to the first time.
 */

import { randomUUID } from "node:crypto";
import type { Ledger, Place, Target } from "@logwarden/ledger";
import type { Clock } from "@logwarden/shared/clock";
import type { Log } from "@logwarden/shared/log";
import type { NeverBan } from "@logwarden/shared/never-ban";
import type { InterfacePolicy, Policies } from "@logwarden/shared/policies";
import { type EventTask, eventTypes, type OrderTask, type Task } from "@logwarden/shared/task";
import { decideEvents } from "./events.ts";
import { decideOrder } from "./orders.ts";

/** What follows from a task. */
export type Decision =
  /** Nothing is to be done about it. */
  | { kind: "nothing"; reason: NothingReason; detail: string }
  /** Routers must follow the ledger on these subjects: those that `targets` mean, the task's own device among them. */
  | { kind: "enforce"; subjects: readonly string[]; targets: readonly Target[] }
  | { kind: "disable"; name: string; policy: InterfacePolicy; reason: string; atMs: number }
  | { kind: "enable"; name: string; by: string; reason: string }
  | { kind: "reconcile"; isRestored: boolean };

/** Why nothing is done: a closed list, since it is a metric label. */
export type NothingReason =
  | "no-policy"
  | "never-ban"
  | "counted"
  | "pardoned"
  | "too-old"
  | "repeated"
  | "dry-run"
  | "not-banned"
  | "forgiven";

/** A task, and whose it is. `place` of a host that is in no inventory: its address, without tags. */
export interface Asked<T extends Task = Task> {
  task: T;
  taskId: string;
  place: Place;
}

export interface DecideOptions {
  ledger: Ledger;
  clock: Clock;
  policies: Policies;
  /** Asked anew for each batch: the list may be edited while we run. */
  neverBan: () => NeverBan;
  ipv6Prefix: number;
  unbanGraceMs: number;
  /** Nothing is enforced, whatever a policy or a person says. */
  dryRun: boolean;
  log: Log;
  /** For ids of bans. */
  newId?: () => string;
}

export type Deciding = Required<DecideOptions>;

export interface Decider {
  /** One decision for each task, in their order. @throws LedgerError when the ledger is away: nothing was decided */
  decide(asked: readonly Asked[]): Promise<Decision[]>;
}

export function createDecider(options: DecideOptions): Decider {
  const complete: Deciding = { newId: randomUUID, ...options };
  return {
    async decide(asked) {
      const decisions: Decision[] = [];
      // Orders keep their place among the events: what came before an unban is over with it, what comes behind it is not.
      for (let from = 0; from < asked.length; ) {
        const events = leadingEvents(asked.slice(from));
        if (events.length > 0) decisions.push(...(await decideEvents(complete, events)));
        from += events.length;
        const order = asked[from];
        if (order === undefined) break;
        decisions.push(await decideOrder(complete, order as Asked<OrderTask>));
        from++;
      }
      return decisions;
    },
  };
}

function leadingEvents(asked: readonly Asked[]): Asked<EventTask>[] {
  const end = asked.findIndex(({ task }) => !isEvent(task));
  return (end === -1 ? asked : asked.slice(0, end)) as Asked<EventTask>[];
}

function isEvent(task: Task): task is EventTask {
  return (eventTypes as readonly string[]).includes(task.type);
}

/** When the line was received, as the task says; now, where it says nothing. Never in the future: a clock that is ahead gains nothing. */
export function receivedAtMs({ at }: Task, nowMs: number): number {
  const time = at === undefined ? Number.NaN : Date.parse(at);
  return Number.isNaN(time) ? nowMs : Math.min(time, nowMs);
}
