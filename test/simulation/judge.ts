/**
 * What must hold while a run goes on, asked at every request to a router and at every task that is deleted.
 *
 *   never-ban   no request adds an address that its responder may not ban
 *   wanted      no request adds what nobody wants, or takes out what is wanted, or what we never put there
 *   writer      one responder at a time writes to a router
 *   settled     a task is deleted when its subject is on the router and saved, or nothing is to be done; none is forgotten in hand
 *   late        while nothing is wrong, what is banned is put in, and what is over is taken out, in time
 */

import type { Op } from "@logwarden/vyos";
import { buriedBecause } from "@logwarden/shared/failure";
import { parseSubject, subjectOf } from "@logwarden/shared/subject";
import type { Task } from "@logwarden/shared/task";
import type { Host } from "./host.ts";
import type { StoredJob } from "./queue-node.ts";
import type { KnownBan, Reference } from "./reference.ts";
import type { SimRouter, Write } from "./router.ts";
import type { World } from "./world.ts";

/** The other ones' leases end so long after the last sign of life. */
export const leaseMs = 10_000;
/** How long a responder waits for the answer to a commit. */
export const configureTimeoutMs = 20_000;

/** So soon a ban is on every router that it means, when nothing is wrong: several commits, and a put that was lost once. */
const reachMs = 10_000;

export interface Judged {
  world: World;
  reference: Reference;
  routers: readonly SimRouter[];
  hosts: ReadonlyMap<string, Host>;
  tasks: ReadonlyMap<string, Task>;
  /** Groups are so small that bans are evicted: what is wanted may be absent, and taken out again. */
  evicts: boolean;
}

export class Judge {
  readonly #of: Judged;
  /** When the clock on the wall was set last. */
  steppedAtMs = Number.NEGATIVE_INFINITY;

  constructor(judged: Judged) {
    this.#of = judged;
  }

  onConfigure(host: Host, router: SimRouter, ops: readonly Op[]): void {
    const { world } = this.#of;
    const kinds = new Set(ops.map(({ path }) => path[0]));
    if (kinds.size > 1) world.violate("request", `${host.name} mixes ${[...kinds].join(" and ")} in one request`);
    for (const { op, path } of ops) {
      if (path[0] !== "firewall") continue;
      const member = path.at(-1) ?? "";
      if (op === "set") this.#onSet(host, router, member);
      else this.#onDelete(host, router, member);
    }
  }

  #onSet(host: Host, router: SimRouter, member: string): void {
    const { world, reference } = this.#of;
    router.setByUs.add(member);
    const prefix = parseSubject(member)?.prefix;
    const why = prefix === undefined ? "no address" : host.neverBan.reasonForAnyOf(prefix);
    if (why !== undefined) world.violate("never-ban", `${host.name} adds ${member} to ${router.key}: ${why}`);
    const plannedAtMs = host.plannedAtMs.get(router.key) ?? 0;
    if (this.steppedAtMs >= plannedAtMs) return;
    const sincePlanMs = world.nowMs - plannedAtMs;
    const isWanted = reference
      .bansOn(router.key, member)
      .some(
        ({ endedAtMs, endsAtMs }) =>
          (endedAtMs ?? Infinity) >= plannedAtMs && (endsAtMs ?? Infinity) > world.wallMs - sincePlanMs - 50,
      );
    if (!isWanted) world.violate("wanted", `${host.name} adds ${member} to ${router.key}, and nobody wants that`);
  }

  #onDelete(host: Host, router: SimRouter, member: string): void {
    const { world, reference, evicts } = this.#of;
    if (router.running.members.has(member) && !router.setByUs.has(member)) {
      world.violate("wanted", `${host.name} takes ${member} out of ${router.key}, which somebody put there by hand`);
    }
    const plannedAtMs = host.plannedAtMs.get(router.key) ?? 0;
    if (evicts || this.steppedAtMs >= plannedAtMs) return;
    const still = reference
      .bansOn(router.key, member)
      .find((ban) => ban.addedAtMs < plannedAtMs && reference.isInForce(ban, world.wallMs));
    if (still === undefined) return;
    world.violate("wanted", `${host.name} takes ${member} out of ${router.key} before the end of ban ${still.id}`);
  }

  /**
   * Of two requests that are open at once, the later one began beside the other. Excused, since nobody can take back what is on its way
   * to a router: when the sender of the earlier one was paused, killed or cut off from the ledger, and so lost its lease, since
   * shortly before it sent that; and beside one's own, when its time to answer was over. Never excused: to begin one beside another's
   * that is not, however long oneself was paused.
   */
  onWrite(router: SimRouter, write: Write): void {
    const { world, hosts } = this.#of;
    for (const other of router.writes) {
      const [earlier, later] = write.sentAtMs < other.sentAtMs ? [write, other] : [other, write];
      const troubledAtMs = hosts.get(earlier.who)?.troubledAtMs ?? Number.NEGATIVE_INFINITY;
      if (earlier.who !== later.who && troubledAtMs >= earlier.sentAtMs - 2 * leaseMs) continue;
      if (earlier.who === later.who && world.nowMs - other.sinceMs >= configureTimeoutMs) continue;
      world.violate(
        "writer",
        `${later.who} sends ${later.what} to ${router.key} while ${earlier.who}'s ${earlier.what} is open`,
      );
    }
  }

  /** The time to run of a job in a worker's hands is over. */
  onForgotten(job: StoredJob): void {
    const { world, hosts } = this.#of;
    const host = hosts.get(job.holder?.name ?? "");
    if (host === undefined || host.troubledAtMs > world.nowMs - job.ttrMs - 5000) return;
    world.violate(
      "settled",
      `${host.name} neither settled nor touched job ${job.id} of ${job.tube}: ${String(job.body)}`,
    );
  }

  /** @param host who deletes it */
  onSettle(host: Host, job: StoredJob, task: Task, taskId: string): void {
    const { world, reference, routers } = this.#of;
    const router = routers.find(({ key }) => job.tube === `logwarden.device.${key}`);
    if (router === undefined) return;
    const plannedAtMs = host.plannedAtMs.get(router.key) ?? Number.NEGATIVE_INFINITY;
    for (const subject of subjectsOf(task)) {
      // An unban need not wait for a ban that was made since.
      const isAbout = (ban: KnownBan): boolean => task.type === "enforce" || reference.outcomes.get(taskId) === ban.id;
      const bans = reference.bansOn(router.key, subject).filter(isAbout);
      const isWanted = bans.some((ban) => ban.addedAtMs < plannedAtMs && reference.isInForce(ban, world.wallMs));
      if (isWanted) this.#expectSaved(host, router, subject, taskId);
      const isOver = reference
        .bansOn(router.key, subject)
        .every(({ endedAtMs }) => (endedAtMs ?? Infinity) < plannedAtMs);
      if (isOver && takesOut(task)) this.#expectGone(host, router, subject, taskId);
    }
  }

  #expectSaved(host: Host, router: SimRouter, subject: string, taskId: string): void {
    const { world, evicts } = this.#of;
    const prefix = parseSubject(subject)?.prefix;
    if (evicts || (prefix !== undefined && host.neverBan.reasonForAnyOf(prefix) !== undefined)) return;
    // Planned by another list, which may have forbidden it: then it must get there in time all the same (expectInTime).
    if (host.neverBanSinceMs >= (host.plannedAtMs.get(router.key) ?? 0)) return;
    // By somebody's hand, and ours to keep only when it is gone.
    if (!router.setByUs.has(subject) && router.running.members.has(subject)) return;
    if (router.saved.members.has(subject)) return;
    // It was, and then somebody changed the router.
    if (router.savedWithMs.has(subject) && router.disturbedAtMs >= (router.savedWithMs.get(subject) ?? 0)) return;
    world.violate("settled", `${host.name} deletes ${taskId}, and ${router.key} has not saved ${subject}`);
  }

  #expectGone(host: Host, router: SimRouter, subject: string, taskId: string): void {
    const { world } = this.#of;
    if (!router.setByUs.has(subject) || !router.saved.members.has(subject)) return;
    if (router.disturbedAtMs >= (router.savedWithoutMs.get(subject) ?? Number.NEGATIVE_INFINITY)) return;
    world.violate("settled", `${host.name} deletes ${taskId}, and ${router.key} still has ${subject} saved`);
  }

  /** @param sinceMs since when nothing is wrong any more, anywhere */
  expectInTime(sinceMs: number, graceMs: number): void {
    for (const router of this.#of.routers) {
      if (!router.isReachable) continue;
      this.#expectEnded(router, sinceMs, graceMs);
      this.#expectReached(router, sinceMs);
    }
  }

  #expectEnded(router: SimRouter, sinceMs: number, graceMs: number): void {
    const { world, reference } = this.#of;
    for (const member of router.running.members) {
      if (!router.setByUs.has(member) || router.doubtful.has(member)) continue;
      const bans = reference.bansOn(router.key, member);
      const isInForce = bans.some((ban) => reference.isInForce(ban, world.wallMs) || ban.endedAtMs !== undefined);
      if (bans.length === 0 || isInForce) continue;
      const overMs = world.wallMs - Math.max(...bans.map(({ endsAtMs }) => endsAtMs ?? Infinity));
      if (world.nowMs - overMs < sinceMs || overMs <= graceMs) continue;
      world.violate("late", `${member} is on ${router.key} ${overMs} ms after the end of its ban`);
    }
  }

  /** Well below reconcileMs, after which whatever was forgotten is found. */
  #expectReached(router: SimRouter, sinceMs: number): void {
    const { world, reference, evicts } = this.#of;
    if (evicts) return;
    for (const ban of reference.bans) {
      const isNew = ban.addedAtMs >= sinceMs && ban.addedAtMs < world.nowMs - reachMs;
      if (!isNew || !reference.isInForce(ban, world.wallMs)) continue;
      if (!reference.bansOn(router.key, ban.subject).includes(ban)) continue;
      if (router.running.members.has(ban.subject) || router.dislikes === ban.subject) continue;
      world.violate("late", `${ban.subject} is not on ${router.key} ${reachMs} ms after it was banned`);
    }
  }
}

export function isNamed(job: StoredJob): boolean {
  return job.state === "buried" && buriedBecause(job.priority) !== undefined;
}

/** Whether it asks for what is over to be off the router. */
function takesOut(task: Task): boolean {
  return task.type === "enforce" || task.type === "unban" || (task.type === "peer_ban" && task["action"] === "unban");
}

function subjectsOf(task: Task): string[] {
  const { from, address } = task as { from?: string; address?: string };
  const subject = parseSubject(from ?? address ?? "");
  if (subject === undefined) return [];
  return [...new Set([subject.text, ...("from" in task ? [subjectOf(subject.prefix.address, 64).text] : [])])];
}
