/**
 * What the events of one subject lead to, by its policies and what the ledger knows. Pure.
 *
 *   known task? ──▶ repeated        too old? ──▶ too-old        pardoned? ──▶ pardoned
 *   banned where it would be banned? ──▶ already-banned
 *   counted; maxRetry within findTime? ──▶ banned, else counted
 *
 * Windows are of the events' own times, whatever the order in which they come: an event that was held up in the queue counts
 * beside those that happened with it.
 */

import type { Ban, NewBan, NewSighting, Place, Sighting, SubjectFacts, Target } from "@logwarden/ledger";
import { formatDuration } from "@logwarden/shared/duration";
import { banLengthMs, type BanPolicy, type Chosen, type TargetWord } from "@logwarden/shared/policies";

/** An event with a policy. `T` is the caller's handle of it. */
export interface Happening<T> {
  handle: T;
  taskId: string;
  type: string;
  rule: string;
  chosen: Chosen<BanPolicy>;
  /** The device whose line it was. */
  place: Place;
  user: string | null;
  count: number;
  atMs: number;
}

export type Verdict =
  /** The task was recorded before. */
  | ({ kind: "repeated" } & Before)
  | { kind: "too-old" }
  | { kind: "pardoned" }
  | { kind: "already-banned" }
  | { kind: "counted"; seen: number }
  | { kind: "banned"; ban: NewBan };

/** What came of a task when it was delivered first. */
export interface Before {
  /** It led to this ban, if to any. */
  ban: Ban | undefined;
  /**
   * It counted for a ban of this subject, or came during one: where that is not on its router yet, the task waits for it. An edit of
   * the never-ban list since may have made another subject of its address.
   */
  coveredAs: string | undefined;
}

export interface Judgement<T> {
  verdicts: { happening: Happening<T>; verdict: Verdict }[];
  sightings: NewSighting[];
  /** Each with the counter whose sightings it used up. */
  bans: { ban: NewBan; counter: string }[];
  /** By ban: sightings that came while it was active. */
  hits: Map<string, number>;
  offences: number;
}

export interface Case<T> {
  family: 4 | 6;
  facts: SubjectFacts;
  /** Counted before, and not used up by a ban. */
  sightings: readonly Sighting[];
  /** Of these tasks, those that are recorded. */
  known: ReadonlyMap<string, Before>;
  happenings: readonly Happening<T>[];
  nowMs: number;
  /** An event whose line is older leads to nothing: by then its repetition could not be told from it any more. */
  eventAgeMsMax: number;
  newId: () => string;
}

export function judge<T>(input: Case<T>): Judgement<T> {
  const { facts, happenings, nowMs } = input;
  const result: Judgement<T> = { verdicts: [], sightings: [], bans: [], hits: new Map(), offences: facts.offences };
  const counted = new Map<string, { atMs: number; count: number }[]>();
  for (const { counter, atMs, count } of input.sightings) listOf(counted, counter).push({ atMs, count });
  const active: Pick<Ban, "id" | "targets" | "dryRun">[] = [...facts.activeBans];
  const seenNow = new Map<string, Before>();

  for (const happening of happenings) {
    const verdict = decide(happening);
    result.verdicts.push({ happening, verdict });
    if (seenNow.has(happening.taskId)) continue;
    const ban = verdict.kind === "banned" ? asBan(verdict.ban) : undefined;
    seenNow.set(happening.taskId, { ban, coveredAs: verdict.kind === "already-banned" ? facts.subject : undefined });
  }
  return result;

  function decide(happening: Happening<T>): Verdict {
    const { taskId, atMs, chosen, place } = happening;
    for (const known of [input.known, seenNow]) {
      const before = known.get(taskId);
      if (before !== undefined) return { kind: "repeated", ...before };
    }
    if (atMs < nowMs - input.eventAgeMsMax) return { kind: "too-old" };
    if (atMs <= facts.pardonedUntilMs) return { kind: "pardoned" };
    const { policy, counter } = chosen;
    const targets = policy.targets.map((word) => targetOf(word, place));
    const covering = active.filter(({ dryRun }) => !dryRun || policy.dryRun);
    if (targets.every((target) => covering.some((ban) => covers(ban.targets, target, place)))) {
      for (const { id } of covering) result.hits.set(id, (result.hits.get(id) ?? 0) + happening.count);
      // Delivered once more when the ban is over, it must not count as something new.
      result.sightings.push({ ...toSighting(happening, facts.subject), banId: covering[0]?.id ?? null });
      return { kind: "already-banned" };
    }
    result.sightings.push(toSighting(happening, facts.subject));
    const times = listOf(counted, counter);
    times.push({ atMs, count: happening.count });
    const seen = mostWithin(times, atMs, policy.findTimeMs);
    if (seen < policy.maxRetry) return { kind: "counted", seen };
    const ban = toBan(happening, targets, seen);
    counted.delete(counter);
    active.push(ban);
    result.bans.push({ ban, counter });
    if (!policy.dryRun) result.offences++;
    return { kind: "banned", ban };
  }

  function toBan({ chosen, place, ...event }: Happening<T>, targets: readonly Target[], seen: number): NewBan {
    const { policy } = chosen;
    const lengthMs = banLengthMs(policy, result.offences);
    return {
      id: input.newId(),
      subject: facts.subject,
      family: input.family,
      origin: "policy",
      type: event.type,
      rule: event.rule,
      reason: `${seen} ${event.type} in ${formatDuration(policy.findTimeMs / 1000)}`,
      by: "policy",
      device: place.key,
      taskId: event.taskId,
      // When the line came, so that of a batch that is decided at one moment the first sighting is banned first.
      startedAtMs: event.atMs,
      endsAtMs: lengthMs === null ? null : nowMs + lengthMs,
      targets,
      dryRun: policy.dryRun,
    };
  }
}

function toSighting<T>(
  { taskId, type, rule, chosen, place, user, count, atMs }: Happening<T>,
  subject: string,
): NewSighting {
  return { taskId, subject, counter: chosen.counter, type, rule, device: place.key, user, count, atMs };
}

function asBan(ban: NewBan): Ban {
  return { ...ban, hits: 0, endedAtMs: null, endedBecause: null, endedBy: null };
}

function targetOf(word: TargetWord, place: Place): Target {
  if (word === "all") return "all";
  return word === "self" ? `device:${place.key}` : `tag:${word.tag}`;
}

/** Whether bans for these targets hold wherever one for `target` would. @param place the device that `target` may be */
function covers(targets: readonly Target[], target: Target, place: Place): boolean {
  if (targets.includes("all") || targets.includes(target)) return true;
  return target === `device:${place.key}` && place.tags.some((tag) => targets.includes(`tag:${tag}`));
}

/** Whether the targets mean this device. */
export function means(targets: readonly Target[], place: Place): boolean {
  return covers(targets, `device:${place.key}`, place);
}

/**
 * The most that happened within one span of this length with `atMs` in it.
 * Counts everything in (end - span, end], for every end at which something happened.
 */
export function mostWithin(happened: readonly { atMs: number; count: number }[], atMs: number, spanMs: number): number {
  const near = happened
    .filter((one) => one.atMs > atMs - spanMs && one.atMs < atMs + spanMs)
    .toSorted((a, b) => a.atMs - b.atMs);
  let most = 0;
  let sum = 0;
  let first = 0;
  for (const { atMs: end, count } of near) {
    sum += count;
    while ((near[first] as { atMs: number }).atMs <= end - spanMs) sum -= (near[first++] as { count: number }).count;
    if (end >= atMs) most = Math.max(most, sum);
  }
  return most;
}

function listOf<V>(lists: Map<string, V[]>, key: string): V[] {
  const known = lists.get(key);
  if (known !== undefined) return known;
  const list: V[] = [];
  lists.set(key, list);
  return list;
}
