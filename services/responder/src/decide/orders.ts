/**
 * What a person asks for → what follows from it, in one transaction.
 *
 * An order that is delivered a second time is known by its id: an unban ends what was in force when it came first, and never a
 * ban that somebody made since.
 */

import type { NewBan, Target } from "@logwarden/ledger";
import { parseSubject, type Subject } from "@logwarden/shared/subject";
import type { OrderTask } from "@logwarden/shared/task";
import { type Asked, type Deciding, type Decision, receivedAtMs } from "./decide.ts";
import { eventAgeMs } from "./events.ts";
import { holdersOf, subjectsMeant } from "./unban.ts";

/** A person who does not say how long means a shift. */
const banSecondsDefault = 4 * 3600;
const somebody = "somebody";

export async function decideOrder(options: Deciding, asked: Asked<OrderTask>): Promise<Decision> {
  const { task, place } = asked;
  switch (task.type) {
    case "ban":
      return ban(options, { ...asked, task });
    case "unban":
      return unban(options, { ...asked, task });
    case "enforce":
      return { kind: "enforce", subjects: [task.address], targets: [`device:${place.key}`] };
    case "reconcile":
      return { kind: "reconcile", isRestored: task.restored === true };
    case "interface_enable":
      return { kind: "enable", name: task.interface, by: task.by ?? somebody, reason: task.reason ?? "" };
  }
}

type Order<K extends OrderTask["type"]> = Asked<Extract<OrderTask, { type: K }>>;

async function ban(options: Deciding, { task, taskId, place }: Order<"ban">): Promise<Decision> {
  const { ledger, clock, dryRun, newId, log } = options;
  const subject = mustParse(task.address);
  const by = task.by ?? somebody;
  const nowMs = clock.nowMs();
  const seconds = task.for ?? banSecondsDefault;
  const targets =
    (task.targets as Target[] | undefined) ?? (task.host === undefined ? ["all"] : [`device:${place.key}`]);
  const wanted: NewBan = {
    ...{
      id: newId(),
      subject: subject.text,
      family: subject.family,
      origin: "person",
      type: "ban",
      rule: "",
      device: "",
    },
    ...{
      reason: task.reason ?? "",
      by,
      taskId,
      startedAtMs: nowMs,
      targets,
      dryRun,
    },
    endsAtMs: seconds === -1 ? null : nowMs + seconds * 1000,
  };
  const made = await ledger.decide(async (transaction) => {
    await transaction.lock([subject.text], nowMs);
    // Asked last: the list may have been edited while we waited for the ledger.
    const why = options.neverBan().reasonForAnyOf(subject.prefix);
    if (why !== undefined) {
      await transaction.audit([
        { atMs: nowMs, actor: by, action: "refuse", subject: subject.text, router: "", reason: why, source: taskId },
      ]);
      return why;
    }
    const before = (await transaction.bansOfTasks([taskId])).get(taskId);
    if (before !== undefined) return before;
    await transaction.addBans([wanted]);
    return wanted;
  });
  if (typeof made === "string") {
    return { kind: "nothing", reason: "never-ban", detail: `${subject.prefix.text}: ${made}` };
  }
  if (made.id === wanted.id) {
    const { id, reason, dryRun: isDry, endsAtMs } = wanted;
    const until = endsAtMs === null ? "permanent" : new Date(endsAtMs).toISOString();
    log.say("ban.started", {
      ...{ ban: id, address: subject.text, by, type: "ban", device: "", reason, until, targets, dryRun: isDry },
    });
  }
  if (made.dryRun) return { kind: "nothing", reason: "dry-run", detail: `${subject.prefix.text} would be banned` };
  return { kind: "enforce", subjects: [subject.text], targets: made.targets };
}

async function unban(options: Deciding, { task, taskId, place }: Order<"unban">): Promise<Decision> {
  const { ledger, clock, unbanGraceMs, log } = options;
  const nowMs = clock.nowMs();
  const by = task.by ?? somebody;
  const reason = task.reason ?? "";
  const subjects = subjectsMeant(mustParse(task.address), options.ipv6Prefix);
  const subject = subjects[0] as string;
  const isOld = receivedAtMs(task, nowMs) < nowMs - eventAgeMs(options.policies);
  const ended = await ledger.decide(async (transaction) => {
    await transaction.lock(subjects, nowMs);
    // Given before: what was banned since was banned by somebody who knew of it.
    if (isOld || (await transaction.sightingsOfTasks([taskId])).size > 0) return [];
    const order = { taskId, subject, counter: "order", type: task.type, rule: "", device: place.key, user: null };
    await transaction.addSightings([{ ...order, count: 1, atMs: nowMs }], nowMs);
    const over = await transaction.endBans({ subjects, because: "unban", by, reason, atMs: nowMs });
    for (const one of subjects) {
      await transaction.forget({ subject: one, atMs: nowMs, user: null, counters: [] });
      await transaction.update(one, { pardonedUntilMs: nowMs + unbanGraceMs, offences: 0 });
    }
    if (over.length === 0) {
      await transaction.audit([
        { atMs: nowMs, actor: by, action: "clear", subject, router: "", reason, source: taskId },
      ]);
    }
    return over;
  });
  for (const ban of ended) log.say("ban.ended", { ban: ban.id, address: ban.subject, by, reason: "unban" });
  // Also when this order comes a second time, since the first may not have told them all.
  const targets = await holdersOf(ledger, subjects);
  if (ended.length === 0 && targets.length === 0)
    return { kind: "nothing", reason: "not-banned", detail: task.address };
  return { kind: "enforce", subjects, targets };
}

function mustParse(text: string): Subject {
  const subject = parseSubject(text);
  if (subject === undefined) throw new Error(`a task let ${JSON.stringify(text)} through as an address`);
  return subject;
}
