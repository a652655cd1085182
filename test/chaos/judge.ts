/**
 * What must be true when no fault is left and everything that was under way has arrived. Everything is read where it is kept:
 * the ledger's file, the queue nodes, the routers' own configuration, and what each life of each parser has written of its lines.
 *
 *   parser's lines ═══ sightings ═══ bans ═══ routers' groups, running and saved
 */

import { DatabaseSync } from "node:sqlite";
import { Connection, parseNodeAddress } from "@logwarden/queue";
import { until } from "@logwarden/lab/parts/until";
import type { Stream } from "./stream.ts";
import type { Life, System } from "./system.ts";

export interface Sightings {
  /** By task. */
  tasks: Map<string, string>;
  /** How many, by attacker. */
  counts: Map<string, number>;
}

/** How many complaints of one kind are written out. */
const namedMax = 10;

export class Judge {
  readonly #system: System;
  readonly #stream: Stream;

  constructor(system: System, stream: Stream) {
    this.#system = system;
    this.#stream = stream;
  }

  #ledger<T>(read: (db: DatabaseSync) => T): T {
    const db = new DatabaseSync(this.#system.ledger, { readOnly: true, timeout: 5000 });
    try {
      return read(db);
    } finally {
      db.close();
    }
  }

  sightings(): Sightings {
    return this.#ledger((db) => {
      const rows = db.prepare("select task_id, subject from sightings").all() as { task_id: string; subject: string }[];
      const counts = new Map<string, number>();
      for (const { subject } of rows) counts.set(subject, (counts.get(subject) ?? 0) + 1);
      return { tasks: new Map(rows.map(({ task_id: id, subject }) => [id, subject])), counts };
    });
  }

  /** Jobs of every node, by tube and state; what needs an answer of every node. */
  async jobs(): Promise<{ where: string; ready: number; reserved: number; delayed: number; buried: number }[]> {
    const all = await Promise.all(
      this.#system.queueAddresses.map(async (address) => {
        const connection = await Connection.open(parseNodeAddress(address));
        try {
          const tubes = await connection.listTubes();
          const stats = await Promise.all(tubes.map((tube) => connection.statsTube(tube).catch(() => undefined)));
          return stats.flatMap((one, index) =>
            one === undefined
              ? []
              : [
                  {
                    where: `${address} ${tubes[index]}`,
                    ...{ ready: one.currentJobsReady, reserved: one.currentJobsReserved },
                    ...{ delayed: one.currentJobsDelayed, buried: one.currentJobsBuried },
                  },
                ],
          );
        } finally {
          await connection.close();
        }
      }),
    );
    return all.flat().filter(({ where }) => /logwarden\.(device|intake)/.test(where));
  }

  /** Puts that parsers hold until a queue node has answered them: between two attempts they may wait for seconds. */
  async #unanswered(): Promise<number> {
    const counts = await Promise.all(
      this.#system.parsers.map(async (parser) => {
        const metrics = await (await fetch(`${this.#system.statusOf(parser)}/metrics`)).text();
        return Number(/^logwarden_puts_unanswered (\d+)$/m.exec(metrics)?.[1]);
      }),
    );
    return counts.reduce((sum, count) => sum + count, 0);
  }

  /** Nothing is under way any more: no task in any tube, no put without an answer, nothing new in the ledger. */
  async quiet(limitMs = 60_000): Promise<void> {
    let last = "";
    let since = 0;
    let left = "";
    await until(
      "nothing under way",
      async () => {
        const jobs = await this.jobs().catch(() => undefined);
        const busy = jobs?.filter(({ ready, reserved, delayed }) => ready + reserved + delayed > 0);
        const unanswered = await this.#unanswered().catch(() => Number.NaN);
        left = `${JSON.stringify(busy)}, ${unanswered} puts without an answer`;
        const now = `${this.sightings().tasks.size} ${this.#linesReceived()}`;
        if (busy?.length !== 0 || unanswered !== 0 || now !== last) {
          since = Date.now();
          last = now;
          return false;
        }
        return Date.now() - since > quietMs;
      },
      limitMs,
    ).catch((error: Error) => {
      throw new Error(`${error.message}: ${left}`);
    });
  }

  #linesReceived(): number {
    return this.#system.lives.reduce((sum, { log }) => sum + log.length, 0);
  }

  /** @returns every promise that is not kept, in words */
  async verdict(): Promise<string[]> {
    const seen = this.sightings();
    const broken = [
      ...(await this.#tubes()),
      ...this.#lives(seen),
      ...this.#lines(seen),
      ...this.#order(seen),
      ...(await this.#routers(seen)),
      ...this.#stream.forbidden,
    ];
    return broken;
  }

  async #tubes(): Promise<string[]> {
    return (await this.jobs())
      .filter(({ ready, reserved, delayed, buried }) => ready + reserved + delayed + buried > 0)
      .map(({ where, ...counts }) => `tasks are left in ${where}: ${JSON.stringify(counts)}`);
  }

  /** What each life of a parser made of its lines, and what the ledger has of that life. */
  #lives({ tasks }: Sightings): string[] {
    const byLife = new Map<string, number>();
    for (const id of tasks.keys()) byLife.set(lifeOf(id), (byLife.get(lifeOf(id)) ?? 0) + 1);
    return this.#system.lives.flatMap((life) => {
      // Of a life with several workers it is told by what is lost of the stream: nothing may be.
      if (!life.unit.startsWith("parser") || life.replaced === true) return [];
      const { made, name } = tasksOf(life);
      const found = byLife.get(name ?? "") ?? 0;
      if (found === made) return [];
      // Killed: what it had read and not yet sent is lost with it, and told as lost on the way in.
      if (life.ended === "killed" && found < made) return [];
      return [`${life.unit} (pid ${life.pid}) made ${made} tasks of its lines, the ledger has ${found} of them`];
    });
  }

  /** Whom the ledger knows and nobody sent. */
  #lines({ counts }: Sightings): string[] {
    return name(
      [...counts.keys()].filter((subject) => !this.#stream.lines.has(subject)),
      "the ledger has a sighting that nobody sent:",
    );
  }

  /** Each task that a responder ended as done: between the request for its change and its end, the router was asked to save. */
  #order({ tasks }: Sightings): string[] {
    const early = this.#system.lives.flatMap(({ unit, log }) =>
      log.flatMap(({ event, verb, reason, device, taskId, time }) => {
        if (event !== "task.settled" || verb !== "delete" || reason !== "done") return [];
        const attacker = tasks.get(String(taskId)) ?? "";
        const router = String(device);
        const askedAtMs = this.#stream.lines.get(attacker)?.askedAtMs.get(router);
        if (askedAtMs === undefined) return [];
        const isBetween = (at: number): boolean => at >= askedAtMs && at <= Date.parse(time) + clockMs;
        return this.#stream.saves.get(router)?.some(isBetween) === true ? [] : [`${unit}: ${attacker} on ${router}`];
      }),
    );
    return name(early, "a task was ended before its router had saved:");
  }

  async #routers({ counts }: Sightings): Promise<string[]> {
    const wanted = this.#ledger(
      (db) =>
        db.prepare("select distinct subject, target from ban_targets where enforced = 1").all() as {
          subject: string;
          target: string;
        }[],
    );
    const banned = new Set(wanted.map(({ subject }) => subject));
    const broken = name(
      [...counts.keys()].filter((subject) => !banned.has(subject)),
      "seen, and not banned:",
    );
    for (const { name: key, router } of this.#system.edges) {
      const { active, saved } = await router.state();
      const should = new Set(
        wanted.filter(({ target }) => target === "all" || target === `device:${key}`).map(({ subject }) => subject),
      );
      for (const [what, config] of Object.entries({ running: active, saved })) {
        const members = membersOf(config);
        const has = new Set(members);
        if (has.size !== members.length) broken.push(`${key}: its ${what} group names somebody twice`);
        broken.push(
          ...name(
            [...should].filter((one) => !has.has(one)),
            `${key}: wanted, and not in its ${what} group:`,
          ),
          ...name(
            members.filter((one) => !should.has(one)),
            `${key}: in its ${what} group, and not wanted:`,
          ),
        );
      }
    }
    return broken;
  }
}

/** Log lines have whole milliseconds. */
const clockMs = 2;
/** As long as nothing moves. */
const quietMs = 400;

function name(all: readonly string[], what: string): string[] {
  if (all.length === 0) return [];
  const more = all.length > namedMax ? ` and ${all.length - namedMax} more` : "";
  return [`${what} ${all.slice(0, namedMax).join(" ")}${more}`];
}

/** A task's id ends with the life of the parser that made it: services/parser/src/decide/task-id.ts. */
function lifeOf(taskId: string): string {
  return taskId.replace(/^\d+-\d+-/, "");
}

/** How many tasks a parser made of the lines that it counted as received, and how it calls this life of its. */
function tasksOf({ log }: Life): { made: number; name: string | undefined } {
  let made = 0;
  let name: string | undefined;
  for (const { event, taskId, of, suppressed, reason } of log) {
    // Debug lines are all written; of the others those above the limit are summed up.
    if (event === "line.received") made++;
    if (event === "line.unrecognized" || event === "event.refused") made--;
    // Other reasons are of what never became a line.
    if (event === "line.refused" && reason === "no-syslog-header") made--;
    if (event === "log.suppressed" && of === "event.refused") made -= Number(suppressed);
    if (event === "task.submitted") name ??= lifeOf(String(taskId));
  }
  return { made, name };
}

function membersOf(config: unknown): string[] {
  const at = (node: unknown, key: string): unknown =>
    typeof node === "object" && node !== null ? (node as Record<string, unknown>)[key] : undefined;
  const found = ["firewall", "group", "address-group", "BAD_GUYS", "address"].reduce(at, config);
  if (typeof found === "string") return [found];
  return Array.isArray(found) ? (found as string[]) : [];
}
