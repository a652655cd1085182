/**
 * Events of a batch → what follows from each, in one transaction.
 *
 * Everything is sorted first, without the ledger: who is never banned, what has no policy, what is an interface. The rest is
 * judged subject by subject (judge.ts) with the subjects locked, and written down.
 */

import type { Ban, Deciding as Transaction, NewSighting, Sighting } from "@logwarden/ledger";
import { type Address, parseAddress } from "@logwarden/shared/ip";
import type { NeverBan } from "@logwarden/shared/never-ban";
import type { BannedType, Chosen, InterfacePolicy, Policies } from "@logwarden/shared/policies";
import { single, type Subject, subjectOf } from "@logwarden/shared/subject";
import type { EventTask } from "@logwarden/shared/task";
import { type Asked, type Deciding, type Decision, type NothingReason, receivedAtMs } from "./decide.ts";
import { type Before, type Happening, judge, type Judgement, mostWithin, type Verdict } from "./judge.ts";
import { holdersOf, subjectsMeant } from "./unban.ts";

type Fall = {
  handle: number;
  subject: string;
  chosen: Chosen<InterfacePolicy>;
  asked: Asked<EventTask & { type: "interface_down" }>;
  atMs: number;
};
type Login = { subject: string; user: string | null; atMs: number };
type PeerUnban = { handle: number; subjects: string[]; device: string; reason: string; atMs: number };

/** A batch, sorted by what must be asked of the ledger. */
interface Sorted {
  /** By this list. */
  neverBan: NeverBan;
  /** So many of the batch, from its front: all, or those before a turn. */
  taken: number;
  /** Decided already, by place in the batch. */
  decided: Map<number, Decision>;
  /** By subject. */
  happenings: Map<string, { subject: Subject; list: Happening<number>[] }>;
  falls: Fall[];
  logins: Login[];
  peerUnbans: PeerUnban[];
}

/** Events that waited a day for responders still count. */
const eventAgeMsMin = 86_400_000;

/**
 * An event whose line is older leads to nothing. Sightings are kept longer than that, so a task that is delivered again is
 * either known or too old: it counts once, however long it was away.
 */
export function eventAgeMs({ findTimeMsMax }: Policies): number {
  return Math.max(eventAgeMsMin, findTimeMsMax);
}

export async function decideEvents(options: Deciding, asked: readonly Asked<EventTask>[]): Promise<Decision[]> {
  const decisions: Decision[] = [];
  while (decisions.length < asked.length) decisions.push(...(await decidePart(options, asked.slice(decisions.length))));
  return decisions;
}

/** Decides those at the front that can be decided together. */
async function decidePart(options: Deciding, rest: readonly Asked<EventTask>[]): Promise<Decision[]> {
  const nowMs = options.clock.nowMs();
  const sorted = sort(options, rest, nowMs);
  const asked = rest.slice(0, sorted.taken);
  const { decided, logins } = sorted;
  if (decided.size < asked.length || logins.length > 0) {
    const found = await options.ledger.decide((transaction) =>
      decideTogether(options, transaction, sorted, asked, nowMs),
    );
    if (found === undefined) return decidePart(options, rest);
    for (const [handle, decision] of found.decisions) decided.set(handle, decision);
    for (const { ban } of found.bans) {
      const { id, subject, type, device, reason, endsAtMs, targets, dryRun } = ban;
      const until = endsAtMs === null ? "permanent" : new Date(endsAtMs).toISOString();
      options.log.say("ban.started", {
        ban: id,
        address: subject,
        by: "policy",
        type,
        device,
        reason,
        until,
        targets,
        dryRun,
      });
    }
    await tellHolders(options, sorted.peerUnbans, decided);
  }
  return asked.map((_, handle) => {
    const decision = decided.get(handle);
    if (decision === undefined) throw new Error("an event came out of its transaction without a decision");
    return decision;
  });
}

/**
 * Logins and unbans of peers are done before what happened. One that comes behind an event of the same subject is a turn: it ends
 * the part, so that all have the effect that they have in the order in which they came, however they are batched.
 */
function sort(options: Deciding, asked: readonly Asked<EventTask>[], nowMs: number): Sorted {
  const { policies, dryRun } = options;
  const neverBan = options.neverBan();
  const sorted: Sorted = {
    ...{ neverBan, taken: asked.length, decided: new Map(), happenings: new Map() },
    ...{ falls: [], logins: [], peerUnbans: [] },
  };
  for (const [handle, one] of asked.entries()) {
    const { task, taskId, place } = one;
    const atMs = receivedAtMs(task, nowMs);
    const nothing = (reason: NothingReason, detail: string): void =>
      void sorted.decided.set(handle, { kind: "nothing", reason, detail });
    if (task.type === "interface_down") {
      const chosen = policies.forInterface(task.rule ?? "");
      if (chosen === undefined) nothing("no-policy", "no policy for interface_down");
      else
        sorted.falls.push({ handle, subject: `${place.key}/${task.interface}`, chosen, asked: { ...one, task }, atMs });
      continue;
    }
    const address = mustParse(task.from);
    const why = neverBan.reasonFor(address);
    if (why !== undefined) {
      nothing("never-ban", `${address.text}: ${why}`);
      continue;
    }
    const subject = subjectFor(address, options.ipv6Prefix, neverBan);
    const takesBack = task.type === "login_succeeded" || (task.type === "peer_ban" && task.action === "unban");
    if (takesBack && sorted.happenings.has(subject.text)) return { ...sorted, taken: handle };
    if (task.type === "login_succeeded") {
      if (policies.forgivingCounters.length === 0) nothing("no-policy", "no policy listens to logins that work");
      else {
        nothing("forgiven", subject.text);
        sorted.logins.push({ subject: subject.text, user: task.user ?? null, atMs });
      }
      continue;
    }
    const chosen = policies.forEvent(task.type satisfies BannedType, task.rule ?? "");
    if (chosen === undefined) nothing("no-policy", `no policy for ${task.type}`);
    else if (task.type === "peer_ban" && task.action === "unban") {
      // The list may have been another one when it was banned, and so its subject.
      const subjects = subjectsMeant(single(address), options.ipv6Prefix);
      sorted.peerUnbans.push({ handle, subjects, device: place.key, reason: task.reason ?? "", atMs });
    } else {
      const entry = sorted.happenings.get(subject.text) ?? { subject, list: [] };
      sorted.happenings.set(subject.text, entry);
      entry.list.push({
        ...{ handle, taskId, place, atMs, type: task.type, rule: task.rule ?? "" },
        chosen: dryRun ? { ...chosen, policy: { ...chosen.policy, dryRun } } : chosen,
        user: task.user ?? null,
        count: task.count ?? 1,
      });
    }
  }
  return sorted;
}

/**
 * The subject that an address is counted and banned as. A network in which somebody is never banned is not banned: then it is the
 * address alone.
 */
function subjectFor(address: Address, ipv6Prefix: number, neverBan: NeverBan): Subject {
  const subject = subjectOf(address, ipv6Prefix);
  return neverBan.reasonForAnyOf(subject.prefix) === undefined ? subject : single(address);
}

/**
 * @returns undefined, and nothing was written, when the never-ban list was edited while the ledger let us wait: bans of who is allowed now
 * are ended when that happens (housekeeping.ts), and one made by the old list would come behind it
 */
async function decideTogether(
  options: Deciding,
  transaction: Transaction,
  { neverBan, happenings, falls, logins, peerUnbans }: Sorted,
  asked: readonly Asked[],
  nowMs: number,
): Promise<{ decisions: Map<number, Decision>; bans: Judgement<number>["bans"] } | undefined> {
  const { policies, newId } = options;
  const eventAgeMsMax = eventAgeMs(policies);
  const counted = [...happenings.keys(), ...falls.map(({ subject }) => subject)];
  const others = [...logins.map(({ subject }) => subject), ...peerUnbans.flatMap(({ subjects }) => subjects)];
  const facts = await transaction.lock([...new Set([...counted, ...others])], nowMs);
  if (options.neverBan() !== neverBan) return undefined;
  for (const login of logins) await transaction.forget({ ...login, counters: policies.forgivingCounters });
  const { decisions, ended } = await endPeerBans(transaction, peerUnbans);
  const ids = asked.map(({ taskId }) => taskId);
  const recorded = await transaction.sightingsOfTasks(ids);
  const led = await transaction.bansOfTasks(ids);
  const before = await transaction.sightingsOf([...new Set(counted)], nowMs - 2 * eventAgeMsMax);
  const known = new Map<string, Before>(
    [...recorded].map(([id, { banId, subject }]) => [
      id,
      { ban: led.get(id), coveredAs: banId === null ? undefined : subject },
    ]),
  );
  for (const [id, ban] of led) known.set(id, { ban, coveredAs: ban.subject });

  const judgements = [...happenings.values()].map(({ subject, list }) => {
    const locked = facts.get(subject.text);
    if (locked === undefined) throw new Error(`the ledger locked ${subject.text} and knows nothing of it`);
    const of = { ...locked, activeBans: locked.activeBans.filter(({ id }) => !ended.has(id)) };
    const sightings = before.get(subject.text) ?? [];
    const { family } = subject;
    const judgement = judge({ facts: of, family, sightings, known, happenings: list, nowMs, eventAgeMsMax, newId });
    for (const { happening, verdict } of judgement.verdicts) {
      decisions.set(happening.handle, follow(subject.text, happening, verdict));
    }
    return { facts: of, judgement };
  });
  const bans = judgements.flatMap(({ judgement }) => judgement.bans);
  await transaction.addSightings(
    judgements.flatMap(({ judgement }) => judgement.sightings),
    nowMs,
  );
  await transaction.addBans(bans.map(({ ban }) => ban));
  await transaction.consume(bans.map(({ ban, counter }) => ({ subject: ban.subject, counter, banId: ban.id })));
  for (const { facts: of, judgement } of judgements) {
    if (judgement.offences !== of.offences) await transaction.update(of.subject, { offences: judgement.offences });
  }
  await transaction.addHits(new Map(judgements.flatMap(({ judgement }) => [...judgement.hits])));

  for (const [handle, decision] of await countFalls(transaction, falls, before, recorded, nowMs)) {
    decisions.set(handle, decision);
  }
  return { decisions, bans };
}

function follow(subject: string, { place, chosen }: Happening<number>, verdict: Verdict): Decision {
  const nothing = (reason: NothingReason, detail: string): Decision => ({ kind: "nothing", reason, detail });
  const enforce = ({ targets, dryRun, reason }: Pick<Ban, "targets" | "dryRun" | "reason">, of = subject): Decision =>
    dryRun ? nothing("dry-run", `would be banned: ${reason}`) : { kind: "enforce", subjects: [of], targets };
  // Where a ban is not on this router yet, the task waits for it, and is deleted when that is saved.
  const follows = (of: string): Decision =>
    enforce({ targets: [`device:${place.key}`], dryRun: chosen.policy.dryRun, reason: "already" }, of);
  switch (verdict.kind) {
    case "too-old":
      return nothing("too-old", "the line is older than anything that is counted");
    case "pardoned":
      return nothing("pardoned", `${subject} was unbanned a while ago`);
    case "counted":
      return nothing("counted", `${verdict.seen} of ${chosen.policy.maxRetry}`);
    case "already-banned":
      return follows(subject);
    case "repeated":
      if (verdict.ban !== undefined) return enforce(verdict.ban, verdict.ban.subject);
      return verdict.coveredAs === undefined
        ? nothing("repeated", "counted when it came first")
        : follows(verdict.coveredAs);
    case "banned":
      return enforce(verdict.ban);
  }
}

/** What another program banned and unbans again is no longer banned for its sake. */
async function endPeerBans(
  transaction: Transaction,
  unbans: readonly PeerUnban[],
): Promise<{ decisions: Map<number, Decision>; ended: ReadonlySet<string> }> {
  const decisions = new Map<number, Decision>();
  const over = new Set<string>();
  for (const { handle, subjects, device, reason, atMs } of unbans) {
    const only = { type: "peer_ban", device };
    const ended = await transaction.endBans({
      subjects,
      because: "peer-unban",
      by: device,
      reason,
      atMs,
      only,
    });
    for (const { id } of ended) over.add(id);
    const targets = ended.flatMap((ban) => ban.targets);
    decisions.set(
      handle,
      ended.length === 0
        ? { kind: "nothing", reason: "not-banned", detail: subjects[0] ?? "" }
        : { kind: "enforce", subjects, targets },
    );
  }
  return { decisions, ended: over };
}

/**
 * An unban that ends nothing may have ended its bans when it came first, and not told all routers, or not been saved: those that
 * hold the address are told.
 */
async function tellHolders(
  { ledger }: Deciding,
  unbans: readonly PeerUnban[],
  decided: Map<number, Decision>,
): Promise<void> {
  for (const { handle, subjects } of unbans) {
    if (decided.get(handle)?.kind !== "nothing") continue;
    const targets = await holdersOf(ledger, subjects);
    if (targets.length > 0) decided.set(handle, { kind: "enforce", subjects, targets });
  }
}

/** An interface that falls is counted only where its policy waits for more than one fall. */
async function countFalls(
  transaction: Transaction,
  falls: readonly Fall[],
  before: ReadonlyMap<string, readonly Sighting[]>,
  recorded: ReadonlyMap<string, Sighting>,
  nowMs: number,
): Promise<(readonly [number, Decision])[]> {
  const decisions: (readonly [number, Decision])[] = [];
  const sightings = new Map<string, NewSighting[]>();
  for (const { handle, subject, chosen, asked, atMs } of falls) {
    const { task, taskId, place } = asked;
    const { policy, counter } = chosen;
    const own = sightings.get(subject) ?? [];
    sightings.set(subject, own);
    const isKnown = recorded.has(taskId) || own.some((one) => one.taskId === taskId);
    if (policy.maxRetry > 1 && !isKnown) {
      const common = { type: task.type, rule: task.rule ?? "", device: place.key, user: null, count: task.count ?? 1 };
      own.push({ taskId, subject, counter, atMs, ...common });
    }
    const all = [...(before.get(subject) ?? []), ...own].filter((one) => one.counter === counter);
    const seen = policy.maxRetry === 1 ? 1 : mostWithin(all, atMs, policy.findTimeMs);
    decisions.push([
      handle,
      seen >= policy.maxRetry
        ? { kind: "disable", name: task.interface, policy, reason: task.rule ?? task.type, atMs }
        : { kind: "nothing", reason: "counted", detail: `${seen} of ${policy.maxRetry}` },
    ]);
  }
  await transaction.addSightings([...sightings.values()].flat(), nowMs);
  return decisions;
}

/** The task's schema has brought the address to canonical form. */
function mustParse(text: string): Address {
  const address = parseAddress(text);
  if (address === undefined) throw new Error(`a task let ${JSON.stringify(text)} through as an address`);
  return address;
}
