/**
 * What must hold when the last fault has healed and enough time has passed: the routers hold what the ledger wants and what people
 * put there, all of it is saved, the tubes are empty, and the audit explains what is in force.
 */

import type { Ledger } from "@logwarden/ledger";
import type { Inventory } from "@logwarden/shared/inventory";
import { parseSubject } from "@logwarden/shared/subject";
import { deviceTube } from "@logwarden/shared/tubes";
import { isNamed } from "./judge.ts";
import type { QueueNode } from "./queue-node.ts";
import type { SimRouter } from "./router.ts";
import type { World } from "./world.ts";

export interface Ending {
  world: World;
  ledger: Ledger;
  inventory: Inventory;
  nodes: readonly QueueNode[];
  routers: readonly SimRouter[];
  /** The clock on the wall was set, so that the order of the audit is not the order of what happened. */
  wasStepped: boolean;
}

/** What is not yet as it shall be in the end, in words; nothing when all is. */
export async function unfinished({ world, ledger, inventory, nodes, routers }: Ending): Promise<string[]> {
  const wrong: string[] = [];
  const away = new Set(routers.filter(({ isReachable }) => !isReachable).map(({ key }) => deviceTube(key)));
  for (const node of nodes) {
    for (const job of node.jobs.values()) {
      // What waits for a router that never came back waits there.
      if (away.has(job.tube)) continue;
      if (!isNamed(job))
        wrong.push(`${node.name} holds a job that is ${job.state} in ${job.tube}: ${String(job.body)}`);
    }
  }
  const held = new Map((await ledger.routers()).map((state) => [state.router, state]));
  for (const router of routers) {
    const device = inventory.devices.find(({ key }) => key === router.key);
    if (device === undefined) throw new Error(`${router.key} is in no inventory`);
    if (!router.isReachable) {
      if (held.get(router.key)?.state !== "held") wrong.push(`${router.key} is away, and is not shown as held`);
      continue;
    }
    if (held.get(router.key)?.state !== "ok") wrong.push(`${router.key} is not shown as ok`);
    const wanted = await ledger.wantedOn({ key: device.key, tags: device.tags }, world.wallMs);
    const placements = new Map((await ledger.placementsOn(router.key)).map((one) => [one.subject, one]));
    const { members } = router.running;
    for (const { subject } of wanted) {
      const prefix = parseSubject(subject)?.prefix;
      if (prefix === undefined || inventory.neverBan.reasonForAnyOf(prefix) !== undefined) {
        wrong.push(`${subject} is banned and must never be`);
      }
      const error = placements.get(subject)?.error ?? null;
      const mayBeAbsent = error === "group-full" || error === "change-rejected";
      if (!members.has(subject) && !mayBeAbsent) wrong.push(`${router.key} lacks ${subject} (${error ?? "no error"})`);
    }
    const isWanted = new Set(wanted.map(({ subject }) => subject));
    for (const member of members) {
      const isOurs = router.setByUs.has(member) && !router.doubtful.has(member);
      if (!isWanted.has(member) && isOurs) wrong.push(`${router.key} still holds ${member}`);
    }
    for (const family of [4, 6] as const) {
      const own = [...members].filter((one) => one.includes(":") === (family === 6));
      const foreign = own.filter((one) => !router.setByUs.has(one)).length;
      if (own.length > Math.max(inventory.groupMax, foreign)) wrong.push(`${router.key} holds ${own.length} members`);
    }
    const ours = (list: ReadonlySet<string>): string =>
      [...list]
        .filter((one) => router.setByUs.has(one))
        .sort()
        .join();
    if (ours(members) !== ours(router.saved.members)) {
      wrong.push(`${router.key} runs ${ours(members)} and has saved ${ours(router.saved.members)}`);
    }
    for (const { subject, verifiedAtMs } of placements.values()) {
      if (verifiedAtMs !== null && !members.has(subject)) wrong.push(`${subject} is verified and not on ${router.key}`);
    }
  }
  return wrong;
}

const endActions = new Set(["unban", "expire", "allow-list"]);

/** Replays the audit: what it leaves in force, and on the routers, must be what is. */
export async function unexplained({ ledger, routers, wasStepped }: Ending): Promise<string[]> {
  const wrong: string[] = [];
  const limit = 20_000;
  const trail = (await ledger.auditTrail({ limit })).toReversed();
  const made = new Map<string, number>();
  const ended = new Map<string, number>();
  const placed = new Map(routers.map(({ key }) => [key, new Set<string>()]));
  for (const { action, source, subject, router } of trail) {
    if (action === "ban") made.set(source, (made.get(source) ?? 0) + 1);
    if (endActions.has(action)) ended.set(source, (ended.get(source) ?? 0) + 1);
    if (action === "place" || action === "mend") placed.get(router)?.add(subject);
    if (action === "remove") placed.get(router)?.delete(subject);
  }
  for (const { id, subject, taskId, endedAtMs } of await ledger.bans({ limit })) {
    if (made.get(taskId) !== 1) wrong.push(`ban ${id} of ${subject} was made ${made.get(taskId) ?? 0} times`);
    const isOver = endedAtMs !== null;
    if ((ended.get(id) ?? 0) !== (isOver ? 1 : 0)) {
      wrong.push(
        `ban ${id} of ${subject} is ${isOver ? "over" : "in force"} and was ended ${ended.get(id) ?? 0} times`,
      );
    }
    made.delete(taskId);
    ended.delete(id);
  }
  for (const source of [...made.keys(), ...ended.keys()])
    wrong.push(`the audit tells of ${source}, and there is no such ban`);
  if (wasStepped) return wrong;
  for (const router of routers) {
    if (!router.isReachable) continue;
    for (const member of router.running.members) {
      const isExplained =
        placed.get(router.key)?.has(member) === true || !router.setByUs.has(member) || router.doubtful.has(member);
      if (!isExplained) wrong.push(`${router.key} holds ${member}, and the audit does not say why`);
    }
  }
  return wrong;
}
