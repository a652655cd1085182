/** Bans and placements of the ledger → what is told of them: where each holds, and how far each router has followed. */

import type { Ban, Ledger, Placement } from "@logwarden/ledger";
import { adviceFor, type FailureCode, isFailureCode } from "@logwarden/shared/failure";
import { showSubject } from "@logwarden/shared/subject";
import { z } from "zod";
import type { Router } from "../given/inventory.ts";
import { iso, moment, roughly } from "../given/times.ts";
import { time, timeOrNull } from "../shape.ts";
import { isMeant, type Known, knownOf } from "./known.ts";

/**
 *   wanted    the router should hold it, and nothing is known of it there yet
 *   applied   the router committed it
 *   verified  the router showed it after it was saved
 *   error     it is not there, and why
 *   leaving   it is wanted there no longer, and we have not yet seen it gone
 */
const placeShape = z.strictObject({
  router: z.string(),
  state: z.enum(["wanted", "applied", "verified", "error", "leaving"]),
  since: timeOrNull,
  error: z.string().nullable(),
  detail: z.string().nullable(),
  advice: z.string().nullable(),
});
export type Place = z.infer<typeof placeShape>;

export const banShape = z.strictObject({
  id: z.string(),
  address: z.string(),
  member: z.string(),
  active: z.boolean(),
  dryRun: z.boolean(),
  since: time,
  until: timeOrNull,
  ended: timeOrNull,
  endedBecause: z.string().nullable(),
  endedBy: z.string().nullable(),
  by: z.string(),
  reason: z.string(),
  type: z.string(),
  rule: z.string(),
  device: z.string(),
  targets: z.array(z.string()),
  hits: z.number(),
  taskId: z.string(),
  routers: z.array(placeShape),
});
export type BanFacts = z.infer<typeof banShape>;

function isActive({ endedAtMs, endsAtMs }: Ban, nowMs: number): boolean {
  return endedAtMs === null && (endsAtMs === null || endsAtMs > nowMs);
}

/** The facts of bans, each with its routers. */
export async function factsOfBans(
  ledger: Ledger,
  bans: readonly Ban[],
  routers: readonly Router[],
  nowMs: number,
): Promise<BanFacts[]> {
  const known = await knownOf(ledger, [...new Set(bans.map(({ subject }) => subject))], routers, nowMs);
  return bans.map((ban) => factsOf(ban, known.get(ban.subject) as Known, routers, nowMs));
}

function factsOf(ban: Ban, known: Known, routers: readonly Router[], nowMs: number): BanFacts {
  const active = isActive(ban, nowMs);
  const endedAtMs = ban.endedAtMs ?? (active ? null : ban.endsAtMs);
  return {
    ...{ id: ban.id, address: showSubject(ban.subject), member: ban.subject, active, dryRun: ban.dryRun },
    ...{ since: iso(ban.startedAtMs), until: iso(ban.endsAtMs), ended: iso(endedAtMs) },
    // Over, and nobody has marked it yet: that is all the same.
    ...{ endedBecause: active ? null : (ban.endedBecause ?? "expired"), endedBy: ban.endedBy },
    ...{ by: ban.by, reason: ban.reason, type: ban.type, rule: ban.rule, device: ban.device },
    ...{ targets: [...ban.targets], hits: ban.hits, taskId: ban.taskId },
    routers: ban.dryRun ? [] : placesOf(ban, active, known, routers),
  };
}

function placesOf(
  { targets }: Ban,
  active: boolean,
  { placements, meant }: Known,
  routers: readonly Router[],
): Place[] {
  const mine = active ? routers.filter((router) => isMeant(targets, router)) : [];
  const places = mine.map(({ key }) =>
    placeOf(
      key,
      placements.find(({ router }) => router === key),
    ),
  );
  const leaving = placements
    // What a full group never took was never there.
    .filter(({ router, intendedAtMs }) => !meant.has(router) && intendedAtMs > 0)
    .map((placement): Place => ({ ...placeOf(placement.router, placement), state: "leaving" }));
  return [...places, ...leaving];
}

function placeOf(router: string, placement: Placement | undefined): Place {
  const { error = null, errorDetail = null, verifiedAtMs = null, appliedAtMs = null } = placement ?? {};
  const state =
    error !== null ? "error" : verifiedAtMs !== null ? "verified" : appliedAtMs !== null ? "applied" : "wanted";
  const sinceMs =
    error !== null ? (placement?.errorAtMs ?? null) : (verifiedAtMs ?? appliedAtMs ?? placement?.intendedAtMs ?? null);
  return { router, state, since: iso(sinceMs), error, detail: errorDetail, advice: adviceOn(error) };
}

export function adviceOn(error: string | null): string | null {
  if (error === null) return null;
  if (error === "group-full")
    return "The router's groups are full (groupMax); bans that end soonest gave way to others.";
  return isFailureCode(error) ? adviceFor(error satisfies FailureCode) : null;
}

/** "2 of 3 verified, edge-2 error": for a line of a list. */
export function summaryOf({ dryRun, routers }: Pick<BanFacts, "dryRun" | "routers">): string {
  if (dryRun) return "dry run: no router is touched";
  if (routers.length === 0) return "no router";
  const verified = routers.filter(({ state }) => state === "verified");
  const others = routers.filter(({ state }) => state !== "verified").map(({ router, state }) => `${router} ${state}`);
  const sum = `${verified.length} of ${routers.length} verified`;
  if (routers.every(({ state }) => state === "leaving")) return others.join(", ");
  return [sum, ...others.slice(0, 3), ...(others.length > 3 ? ["…"] : [])].join(", ");
}

/** "in 3h59m", "never", "ended 2m ago: unban by jo". */
export function endOf({ active, until, ended, endedBecause, endedBy }: BanFacts, nowMs: number): string {
  if (active) return until === null ? "never" : `in ${roughly(Date.parse(until) - nowMs)}`;
  const by = endedBy === null ? "" : ` by ${endedBy}`;
  return `${roughly(nowMs - Date.parse(ended ?? ""))} ago: ${endedBecause}${by}`;
}

/** What is wrong or under way on each router, a line each. */
export function placeLines(routers: readonly Place[]): string[][] {
  return routers.map(({ router, state, since, error, detail, advice }) => [
    router,
    state,
    since === null ? "" : moment(Date.parse(since)),
    [error, detail, advice].filter((text) => text !== null && text !== "").join(": "),
  ]);
}
