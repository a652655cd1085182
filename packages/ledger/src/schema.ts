/**
 * The tables as Kysely sees them; migrations/ makes them. Numbers are whole and below 2^53; what is true or false is 1 or 0,
 * since the engines do not share a type for it.
 *
 * The lists of columns below are how rows become the values of types.ts: what is selected by them has that form already.
 */

import type { Generated } from "kysely";
import type { AuditAction, BanOrigin, EndReason, InterfaceState, RouterState, Target } from "./types.ts";

export interface Schema {
  /** Every subject that was ever locked: the row that two responders meet at. */
  subjects: {
    subject: string;
    pardoned_until_ms: number;
    offences: number;
  };
  sightings: {
    task_id: string;
    subject: string;
    counter: string;
    type: string;
    rule: string;
    device: string;
    user_name: string | null;
    count: number;
    at_ms: number;
    recorded_at_ms: number;
    ban_id: string | null;
    /** Kept so that its task still counts once, and counted no more. */
    forgotten: 0 | 1;
  };
  bans: {
    id: string;
    subject: string;
    family: 4 | 6;
    origin: BanOrigin;
    type: string;
    rule: string;
    reason: string;
    by_whom: string;
    device: string;
    task_id: string;
    started_at_ms: number;
    ends_at_ms: number | null;
    dry_run: 0 | 1;
    hits: number;
    ended_at_ms: number | null;
    ended_because: EndReason | null;
    ended_by: string | null;
  };
  /**
   * Where each ban holds, with what a router needs to know of it, so that what one router should hold is read from one
   * index. Nothing in it but `enforced` ever changes, and that only in bans.ts.
   */
  ban_targets: {
    ban_id: string;
    target: Target;
    /** In the order they were given. */
    position: number;
    subject: string;
    family: 4 | 6;
    started_at_ms: number;
    ends_at_ms: number | null;
    /** 1 while the ban has not ended and is no dry run. */
    enforced: 0 | 1;
  };
  placements: {
    router: string;
    subject: string;
    family: 4 | 6;
    /** 0: the router was never asked to take it (its group was full). */
    intended_at_ms: number;
    applied_at_ms: number | null;
    verified_at_ms: number | null;
    /** Taken out again: kept, because a router that runs an old backup shows it once more. */
    removed_at_ms: number | null;
    error: string | null;
    error_detail: string | null;
    error_at_ms: number | null;
  };
  interfaces: {
    router: string;
    name: string;
    state: InterfaceState["state"];
    changed_at_ms: number;
    by_whom: string;
    reason: string;
    enable_at_ms: number | null;
  };
  routers: {
    router: string;
    state: RouterState["state"];
    error: string | null;
    error_detail: string | null;
    since_ms: number;
    reconciled_at_ms: number | null;
    members: number;
    foreign_members: number;
    mended: number;
  };
  leases: { device: string; owner: string | null; renewals: number; claims: number };
  responders: { id: string; name: string; beats: number; started_at_ms: number; seen_at_ms: number };
  audit: {
    /** In the order they were written. */
    id: Generated<number>;
    at_ms: number;
    actor: string;
    action: AuditAction;
    subject: string;
    router: string;
    reason: string;
    source: string;
  };
  ledger_migrations: { name: string };
}

export const sightingColumns = [
  "task_id as taskId",
  "subject",
  "counter",
  "type",
  "rule",
  "device",
  "user_name as user",
  "count",
  "at_ms as atMs",
  "recorded_at_ms as recordedAtMs",
  "ban_id as banId",
] as const;

/** A ban but for its targets, and with `dryRun` as 1 or 0. */
export const banColumns = [
  "id",
  "subject",
  "family",
  "origin",
  "type",
  "rule",
  "reason",
  "by_whom as by",
  "device",
  "task_id as taskId",
  "started_at_ms as startedAtMs",
  "ends_at_ms as endsAtMs",
  "dry_run as dryRun",
  "hits",
  "ended_at_ms as endedAtMs",
  "ended_because as endedBecause",
  "ended_by as endedBy",
] as const;

export const placementColumns = [
  "router",
  "subject",
  "family",
  "intended_at_ms as intendedAtMs",
  "applied_at_ms as appliedAtMs",
  "verified_at_ms as verifiedAtMs",
  "error",
  "error_detail as errorDetail",
  "error_at_ms as errorAtMs",
] as const;

export const interfaceColumns = [
  "router",
  "name",
  "state",
  "changed_at_ms as changedAtMs",
  "by_whom as by",
  "reason",
  "enable_at_ms as enableAtMs",
] as const;

export const routerColumns = [
  "router",
  "state",
  "error",
  "error_detail as errorDetail",
  "since_ms as sinceMs",
  "reconciled_at_ms as reconciledAtMs",
  "members",
  "foreign_members as foreign",
  "mended",
] as const;

export const leaseColumns = ["device", "owner", "renewals", "claims"] as const;

export const responderColumns = [
  "id",
  "name",
  "beats",
  "started_at_ms as startedAtMs",
  "seen_at_ms as seenAtMs",
] as const;

export const auditColumns = ["at_ms as atMs", "actor", "action", "subject", "router", "reason", "source"] as const;
