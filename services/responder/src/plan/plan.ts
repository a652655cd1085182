/**
 * What the ledger wants of a router, and what the router shows → the changes it needs now. Pure.
 *
 *   pending (ledger)  ──┐
 *   members (router)  ──┼──▶ delete what is ours and wanted no longer, then set what is wanted, first sighting first
 *   never-ban, limits ──┘
 *
 * - What people put into the group by hand is theirs: it is never taken out, and what they banned already is not set again.
 * - Whoever must never be banned is left out here, whoever decided otherwise.
 * - A full group holds the bans that last longest.
 * - One commit is bounded: what does not fit is left for the next.
 */

import type { Pending, Placement, Wanted } from "@logwarden/ledger";
import { Failure, isFailureCode, waitingFor } from "@logwarden/shared/failure";
import type { NeverBan } from "@logwarden/shared/never-ban";
import { parseSubject } from "@logwarden/shared/subject";
import { addressOp, type Op } from "@logwarden/vyos";

/** What the router must show once the change is there, or must not show any more. */
export type Proof =
  | { kind: "member"; family: 4 | 6; address: string; present: boolean }
  | { kind: "disabled"; path: string[]; interfacePath: string[]; present: boolean };

/** One operation. `key` names what it is about: a subject, or an interface. */
export interface Change {
  key: string;
  op: Op;
  proof: Proof;
}

/** The members of a router's two groups, as it showed them last. */
export type Members = Readonly<Record<4 | 6, ReadonlySet<string>>>;

/** What the ledger says of a subject that is wanted and for which the group has no room. */
export const groupFull = "group-full";

export interface FirewallPlan {
  /** The commit, deletes before sets. */
  changes: Change[];
  /** What the router shows already, after an answer that was lost: to be saved, and not sent again. */
  shown: Change[];
  /** Subjects of `changes` that are set: what we may have put there must be written down first. */
  sets: { subject: string; family: 4 | 6 }[];
  /** Ours once, wanted no longer, and not there: only the ledger must learn it. */
  gone: string[];
  /** Wanted and there, but put there by somebody else. */
  foreign: string[];
  /** Wanted, and never to be banned. */
  refused: { subject: string; why: string }[];
  /** Wanted, and the group is full of bans that last longer. */
  evicted: { subject: string; family: 4 | 6; isNew: boolean }[];
  /** Refused by the router for good, and nobody has asked to try again. */
  failing: { subject: string; failure: Failure }[];
  /** Whether more is left for the next commit. */
  more: boolean;
}

export interface PlanInput {
  group: string;
  groupMax: number;
  opsMax: number;
  neverBan: NeverBan;
  pending: Pending;
  members: Members;
  /** All that is wanted there: needed where the group would be full. */
  wanted: readonly Wanted[];
  /** All that we placed there: needed where the group would be full. */
  placements: readonly Placement[];
  /** Subjects that somebody asks for now: they are tried again, whatever the router said before. */
  asked: ReadonlySet<string>;
}

export function plan(input: PlanInput): FirewallPlan {
  const { group, pending, members, neverBan, asked, opsMax } = input;
  const result: FirewallPlan = {
    ...{ changes: [], shown: [], sets: [], gone: [], foreign: [], refused: [], evicted: [], failing: [], more: false },
  };
  const changes: Change[] = [];
  for (const { subject, family, error } of pending.remove) {
    const taken = change("delete", group, family, subject);
    if (members[family].has(subject)) changes.push(taken);
    else if (error === null) result.gone.push(subject);
    else result.shown.push(taken);
  }
  const kept = keepLongest(input);
  for (const { subject, family } of kept.evicted) {
    result.evicted.push({ subject, family, isNew: !kept.known.has(subject) });
    if (kept.placed.has(subject) && members[family].has(subject))
      changes.push(change("delete", group, family, subject));
  }
  const isEvicted = new Set(kept.evicted.map(({ subject }) => subject));
  for (const { subject, family, placement } of pending.add) {
    const why = neverBanReason(neverBan, subject);
    if (why !== undefined) result.refused.push({ subject, why });
    else if (isEvicted.has(subject)) continue;
    else if (members[family].has(subject)) {
      if (placement === null) result.foreign.push(subject);
      else result.shown.push(change("set", group, family, subject));
    } else {
      const failure = lastingFailure(placement);
      if (failure === undefined || asked.has(subject)) changes.push(change("set", group, family, subject));
      else result.failing.push({ subject, failure });
    }
  }
  result.changes = changes.slice(0, opsMax);
  result.more = changes.length > opsMax;
  result.sets = result.changes.flatMap(({ key, op, proof }) =>
    op.op === "set" && proof.kind === "member" ? [{ subject: key, family: proof.family }] : [],
  );
  return result;
}

function change(op: Op["op"], group: string, family: 4 | 6, subject: string): Change {
  const proof = { kind: "member", family, address: subject, present: op === "set" } as const;
  return { key: subject, op: addressOp(op, family, group, subject), proof };
}

/** Which of what is wanted must stay out of a group that would be too large, and which of that is in it through us. */
function keepLongest({ groupMax, pending, members, wanted, placements }: PlanInput): {
  evicted: Wanted[];
  placed: ReadonlySet<string>;
  /** Evicted before. */
  known: ReadonlySet<string>;
} {
  // What was only ever left out of a full group is not ours: it may stand there by somebody's hand.
  const placed = new Set(placements.flatMap(({ subject, intendedAtMs }) => (intendedAtMs > 0 ? [subject] : [])));
  const known = new Set(placements.filter(({ error }) => error === groupFull).map(({ subject }) => subject));
  const evicted: Wanted[] = [];
  for (const family of [4, 6] as const) {
    const adds = pending.add.filter((one) => one.family === family).length;
    if (members[family].size + adds <= groupMax) continue;
    const foreign = new Set([...members[family]].filter((member) => !placed.has(member)));
    // Whom people banned by hand has his place already.
    const own = wanted.filter((one) => one.family === family && !foreign.has(one.subject));
    const room = Math.max(0, groupMax - foreign.size);
    const byEnd = own.toSorted((a, b) => (b.untilMs ?? Infinity) - (a.untilMs ?? Infinity) || a.sinceMs - b.sinceMs);
    evicted.push(...byEnd.slice(room));
  }
  return { evicted, placed, known };
}

function neverBanReason(neverBan: NeverBan, text: string): string | undefined {
  const subject = parseSubject(text);
  return subject === undefined ? "no address" : neverBan.reasonForAnyOf(subject.prefix);
}

/** What the router refused for good the last time. */
function lastingFailure(placement: Placement | null): Failure | undefined {
  if (placement?.error === null || placement === null) return undefined;
  const { error } = placement;
  const isLasting = isFailureCode(error) && waitingFor(error) === "never";
  return isLasting ? new Failure(error, placement.errorDetail ?? "") : undefined;
}
