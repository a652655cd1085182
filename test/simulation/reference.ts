/**
 * The counting rule, written a second time and as simply as it can be: one event after the other, each task once.
 *
 * It is told what each transaction was asked, in the order in which the ledger committed them, and says what should have come of
 * it. It shares no code with judge.ts, and its policies are numbers written by hand (beside setting.ts).
 */

import { parseAddress } from "@logwarden/shared/ip";
import { overlaps, parseSubject, single, type Subject, subjectOf } from "@logwarden/shared/subject";
import type { Task } from "@logwarden/shared/task";
import type { Host } from "./host.ts";
import type { Observed } from "./observed.ts";
import { hosts, strangers } from "./setting.ts";
import type { World } from "./world.ts";

interface Rule {
  maxRetry: number;
  findMs: number;
  /** Of the first ban; undefined: permanent. */
  banMs?: number;
  growth?: number;
  banMsMax?: number;
  targets: readonly ("self" | "all" | "edge")[];
  dryRun?: true;
  forgives?: true;
}

const rules: Record<string, Rule> = {
  password_failed: {
    ...{ maxRetry: 5, findMs: 120_000, banMs: 60_000, growth: 2, banMsMax: 240_000 },
    ...{ targets: ["edge"], forgives: true },
  },
  user_invalid: { maxRetry: 1, findMs: 60_000, banMs: 90_000, targets: ["self"] },
  attempts_exceeded: { maxRetry: 3, findMs: 300_000, targets: ["all"] },
  pam_failed: { maxRetry: 2, findMs: 120_000, banMs: 300_000, targets: ["all"], dryRun: true },
  http_error: {
    ...{ maxRetry: 4, findMs: 60_000, banMs: 45_000, growth: 3, banMsMax: 600_000 },
    targets: ["self", "edge"],
  },
  peer_ban: { maxRetry: 1, findMs: 60_000, banMs: 120_000, targets: ["edge"] },
};
const pardonMs = 30_000;
const eventAgeMs = 86_400_000;

export interface KnownBan {
  id: string;
  subject: string;
  targets: readonly string[];
  endsAtMs: number | null;
  dryRun: boolean;
  type: string;
  device: string;
  taskId: string;
  /** By the world's time. */
  addedAtMs: number;
  /** By the world's time, when somebody ended it. */
  endedAtMs: number | undefined;
  /** Its end was over by some responder's clock, and it was marked so: setting the clock back does not bring it back. */
  hasExpired: boolean;
}

interface Known {
  sightings: { taskId: string; counter: string; atMs: number; count: number; user: string | undefined }[];
  pardonedUntilMs: number;
  offences: number;
}

export class Reference {
  readonly #world: World;
  readonly bans: KnownBan[] = [];
  /** What a task led to: its ban's id, or nothing. Every task that was looked at is in it. */
  readonly outcomes = new Map<string, string | undefined>();
  readonly #known = new Map<string, Known>();

  constructor(world: World) {
    this.#world = world;
  }

  /** @param tasks of the batch, in their order */
  decided(host: Host, observed: Observed, tasks: ReadonlyMap<string, Task>): void {
    const { banTask, asked, ended } = observed;
    const only = asked.length === 1 ? tasks.get(asked[0] ?? "") : undefined;
    if (banTask !== undefined) this.#ordered(banTask, observed);
    else if (only?.type === "unban") this.#unbanned(only, asked[0] ?? "", observed);
    else if (asked.length > 0) this.#happened(host, observed, tasks);
    else for (const end of ended) this.#end(end.subjects, observed.lockedAtMs, () => true, end.bans);
  }

  expired(nowMs: number): void {
    for (const ban of this.bans) if ((ban.endsAtMs ?? Infinity) <= nowMs) ban.hasExpired = true;
  }

  /** Bans of the subject that hold on this router. */
  bansOn(router: string, subject: string): KnownBan[] {
    return this.bans.filter((ban) => ban.subject === subject && !ban.dryRun && holdsOn(ban.targets, router));
  }

  isInForce(ban: KnownBan, wallMs: number): boolean {
    return ban.endedAtMs === undefined && !ban.hasExpired && (ban.endsAtMs === null || ban.endsAtMs > wallMs);
  }

  #ordered(taskId: string, { bans }: Observed): void {
    const isKnown = this.outcomes.has(taskId);
    this.#expect(
      `bans of the order ${taskId}`,
      isKnown ? [] : [taskId],
      bans.map((ban) => ban.taskId),
    );
    for (const ban of bans) this.#add(ban);
  }

  #unbanned(task: Task & { type: "unban" }, taskId: string, observed: Observed): void {
    const meant = parseSubject(task.address) as Subject;
    const { address, length } = meant.prefix;
    const subjects = new Set([meant.text]);
    if (length === (address.family === 4 ? 32 : 128)) subjects.add(subjectOf(address, 64).text);
    const nowMs = observed.lockedAtMs;
    const first = !this.outcomes.has(taskId);
    this.outcomes.set(taskId, undefined);
    const bans = observed.ended.flatMap((end) => end.bans);
    this.#end(first ? [...subjects] : [], nowMs, () => true, bans);
    if (!first) return;
    for (const subject of subjects) {
      const known = this.#of(subject);
      known.sightings = known.sightings.filter(({ atMs }) => atMs > nowMs);
      known.pardonedUntilMs = nowMs + pardonMs;
      known.offences = 0;
    }
  }

  #happened(host: Host, observed: Observed, tasks: ReadonlyMap<string, Task>): void {
    const nowMs = observed.lockedAtMs;
    const counted: string[] = [];
    const made: string[] = [];
    const endedIds: string[] = [];
    const bansByTask = new Map(observed.bans.map((ban) => [ban.taskId, ban]));
    for (const taskId of observed.asked) {
      const task = tasks.get(taskId);
      if (task === undefined) {
        this.#world.violate("counting", `the ledger was asked about a task that nobody put: ${taskId}`);
        return;
      }
      if (!("from" in task)) continue;
      const { from } = task as Task & { from: string };
      const address = parseAddress(from);
      if (address === undefined || host.neverBan.reasonFor(address) !== undefined) continue;
      const whole = subjectOf(address, 64);
      const isShared = host.neverBan.entries.some(({ prefix }) => overlaps(prefix, whole.prefix));
      const subject = (isShared ? single(address) : whole).text;
      const known = this.#of(subject);
      const atMs = Math.min(nowMs, task.at === undefined ? nowMs : Date.parse(task.at));
      const device = deviceOf(task.host);
      const rule = rules[task.type];
      if (task.type === "login_succeeded") {
        known.sightings = known.sightings.filter(
          (one) =>
            rules[one.counter]?.forgives !== true ||
            one.atMs > atMs ||
            (task.user !== undefined && one.user !== task.user),
        );
        continue;
      }
      if (rule === undefined) continue;
      if (task.type === "peer_ban" && task.action === "unban") {
        // As its subject is by today's list, and as it may have been by an older one.
        const meant = [single(address).text, whole.text];
        for (const ban of this.bans) {
          const isMeant = meant.includes(ban.subject) && ban.type === "peer_ban" && ban.device === device;
          if (isMeant && this.isInForce(ban, nowMs)) {
            ban.endedAtMs = this.#world.nowMs;
            endedIds.push(ban.id);
          }
        }
        continue;
      }
      if (this.outcomes.has(taskId)) continue;
      // Nothing is kept of these: they are as old, and as pardoned, when they come again.
      if (atMs < nowMs - eventAgeMs || atMs <= known.pardonedUntilMs) continue;
      this.outcomes.set(taskId, undefined);
      const targets = rule.targets.map((word) =>
        word === "self" ? `device:${device}` : word === "edge" ? "tag:edge" : "all",
      );
      const active = this.bans.filter(
        (ban) => ban.subject === subject && this.isInForce(ban, nowMs) && (!ban.dryRun || rule.dryRun === true),
      );
      const isCovered = targets.every((target) =>
        active.some(
          (ban) =>
            ban.targets.includes("all") ||
            ban.targets.includes(target) ||
            (target === `device:${device}` && isEdge(device) && ban.targets.includes("tag:edge")),
        ),
      );
      if (isCovered) {
        if (rule.dryRun !== true) this.outcomes.set(taskId, active[0]?.id);
        continue;
      }
      counted.push(taskId);
      known.sightings.push({ taskId, counter: task.type, atMs, count: task.count ?? 1, user: task.user });
      const same = known.sightings.filter((one) => one.counter === task.type);
      if (mostNear(same, atMs, rule.findMs) < rule.maxRetry) continue;
      made.push(taskId);
      const lengthMs =
        rule.banMs === undefined
          ? undefined
          : Math.min(rule.banMs * (rule.growth ?? 1) ** known.offences, rule.banMsMax ?? Infinity);
      known.sightings = known.sightings.filter((one) => one.counter !== task.type);
      if (rule.dryRun !== true) known.offences++;
      const ban = bansByTask.get(taskId);
      if (ban === undefined) continue;
      const endsAtMs = lengthMs === undefined ? null : nowMs + lengthMs;
      if (ban.subject !== subject || ban.endsAtMs !== endsAtMs || String(ban.targets) !== String(targets)) {
        const got = JSON.stringify({ ...ban, lengthMs: (ban.endsAtMs ?? Infinity) - nowMs });
        this.#world.violate(
          "counting",
          `expected a ban of ${subject} on ${String(targets)} for ${lengthMs} ms, got ${got}`,
        );
      }
      this.#add(ban);
    }
    const recorded = observed.sightings.filter(({ banId }) => (banId ?? null) === null);
    this.#expect(
      "sightings that count",
      counted,
      recorded.map((one) => one.taskId),
    );
    this.#expect(
      "bans",
      made,
      observed.bans.map((ban) => ban.taskId),
    );
    // What was over by itself may be marked as ended by the peer: nothing follows from it.
    const ended = observed.ended.flatMap(({ bans }) => bans).filter(({ endsAtMs }) => (endsAtMs ?? Infinity) > nowMs);
    this.#expect(
      "bans that a peer ended",
      endedIds,
      ended.map(({ id }) => id),
    );
  }

  #add(ban: Observed["bans"][number]): void {
    const { id, subject, targets, endsAtMs, dryRun, type, device, taskId } = ban;
    const times = { addedAtMs: this.#world.nowMs, endedAtMs: undefined, hasExpired: false };
    this.bans.push({ id, subject, targets, endsAtMs, dryRun, type, device, taskId, ...times });
    this.outcomes.set(taskId, id);
    this.#world.say(
      "ledger",
      `ban of ${subject} on ${String(targets)} by ${taskId} (${ban.reason})${dryRun ? " dry" : ""}`,
    );
  }

  #end(
    subjects: readonly string[],
    nowMs: number,
    isMeant: (ban: KnownBan) => boolean,
    ended: readonly { id: string }[],
  ): void {
    const over = this.bans.filter(
      (ban) => subjects.includes(ban.subject) && this.isInForce(ban, nowMs) && isMeant(ban),
    );
    for (const ban of over) {
      ban.endedAtMs = this.#world.nowMs;
      this.#world.say("ledger", `ban of ${ban.subject} by ${ban.taskId} was ended`);
    }
    this.#expect(
      "bans that were ended",
      over.map(({ id }) => id),
      ended.map(({ id }) => id),
    );
  }

  #of(subject: string): Known {
    const known = this.#known.get(subject) ?? { sightings: [], pardonedUntilMs: 0, offences: 0 };
    this.#known.set(subject, known);
    return known;
  }

  #expect(what: string, expected: readonly string[], got: readonly string[]): void {
    const [a, b] = [[...expected].sort().join(), [...got].sort().join()];
    if (a !== b) this.#world.violate("counting", `${what}: expected ${a || "none"}, got ${b || "none"}`);
  }
}

/** The most within one span that has `atMs` in it. */
function mostNear(list: readonly { atMs: number; count: number }[], atMs: number, spanMs: number): number {
  const ends = list.map((one) => one.atMs).filter((end) => end >= atMs && end < atMs + spanMs);
  const within = (end: number): number =>
    list.filter((one) => one.atMs > end - spanMs && one.atMs <= end).reduce((sum, { count }) => sum + count, 0);
  return Math.max(0, ...ends.map(within));
}

const isEdge = (device: string): boolean => device === "edge-1" || device === "edge-2";

function holdsOn(targets: readonly string[], router: string): boolean {
  return targets.some((one) => one === "all" || one === `device:${router}` || (one === "tag:edge" && isEdge(router)));
}

function deviceOf(host: string | undefined): string {
  const [key] = Object.entries(hosts).find(([, address]) => address === host) ?? [];
  return key ?? strangers.find((one) => one === host) ?? "";
}
