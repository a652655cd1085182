/** `logwarden ban`: puts a task like any other, and follows it to the routers. */

import { randomUUID } from "node:crypto";
import { formatDuration } from "@logwarden/shared/duration";
import type { Inventory } from "@logwarden/shared/inventory";
import { showSubject, type Subject } from "@logwarden/shared/subject";
import type { Task } from "@logwarden/shared/task";
import { intakeTubes } from "@logwarden/shared/tubes";
import { z } from "zod";
import { configOption, givenInventory, type Router, routerNamed, routersOf } from "../given/inventory.ts";
import { ledgerOption } from "../given/ledger.ts";
import { byOption, givenBy } from "../given/person.ts";
import { givenSubjects } from "../given/subjects.ts";
import { givenDuration, moment } from "../given/times.ts";
import { givenWaitMs, waitOptions, watchLedger } from "../given/wait.ts";
import type { Output } from "../output.ts";
import { givenNodes, queuesOption } from "../queue/nodes.ts";
import { putTasks } from "../queue/put.ts";
import { type BanFacts, banShape, factsOfBans, placeLines, summaryOf } from "../show/bans.ts";
import { isMeant } from "../show/known.ts";
import { jsonOption, readArguments, suggestion, UsageError, type Verb } from "../verb.ts";

const secondsDefault = 4 * 3600;

/**
 *   refused   it is never banned; nothing was put, or the responder has refused it
 *   planned   --dry-run: it would have been put
 *   queued    a queue node has the task; no ban is in the ledger (yet)
 *   recorded  the ban is in force, and not every router has followed
 *   done      every router that is meant has shown it, saved
 */
const resultShape = z.strictObject({
  address: z.string(),
  outcome: z.enum(["refused", "planned", "queued", "recorded", "done"]),
  reason: z.string().nullable(),
  taskId: z.string().nullable(),
  node: z.string().nullable(),
  ban: banShape.nullable(),
});
type Result = z.infer<typeof resultShape>;

const options = {
  duration: {
    type: "string",
    short: "d",
    value: "DURATION",
    about: "for how long: 90s, 30m, 4h, 7d, or -1 for no end (written --duration=-1); 4h unless given",
  },
  reason: { type: "string", short: "R", value: "TEXT", about: "why, for the list and the audit" },
  router: {
    type: "string",
    value: "NAME",
    multiple: true,
    about: "only on this router; several if given several times",
  },
  tag: { type: "string", value: "TAG", multiple: true, about: "only on routers with this tag; several likewise" },
  "dry-run": { type: "boolean", about: "say what would be asked, and ask nothing" },
  ...waitOptions,
  ...byOption,
  ...configOption,
  ...queuesOption,
  ...ledgerOption,
  ...jsonOption,
} as const;

export const ban: Verb = {
  name: "ban",
  about: "bans addresses by hand, on every router, a tag or one",
  usage: ["ban ADDRESS… [OPTIONS]"],
  text: `Puts a task into the queue, before every event that waits there; a responder writes the ban into the ledger and into the
routers' groups. Then waits, and says how far each router has followed. An ADDRESS is one, or a prefix: 192.0.2.0/24.
What must never be banned (\`allow\`, every address of the inventory, loopback and the like) is refused with the reason.

Exit code 1 when an address was refused, or not every router has shown its ban within the wait: the ban may stand all the
same, see \`logwarden bans show\`.`,
  options,
  examples: [
    "logwarden ban 203.0.113.9",
    "logwarden ban 203.0.113.9 198.51.100.0/24 -d 7d -R 'scans our VPN'",
    "logwarden ban 2001:db8:6::/64 --tag edge --duration=-1",
    "logwarden ban 203.0.113.9 --dry-run",
  ],
  json: { shape: z.strictObject({ results: z.array(resultShape) }) },
  run: async (args, context) => {
    const { values, positionals } = readArguments(args, options, Number.POSITIVE_INFINITY);
    const subjects = givenSubjects(positionals);
    const duration = values.duration === undefined ? secondsDefault : givenDuration("--duration", values.duration);
    const waitMs = givenWaitMs(values);
    const inventory = givenInventory(values, context);
    const targets = givenTargets(values, inventory);
    const meant = routersOf(inventory).filter((router) => isMeant(targets, router));
    if (meant.length === 0) throw new UsageError("no router is meant: none of those devices has an `api`");

    let results = subjects.map((subject): Result => refusalOf(subject, inventory) ?? planned(subject));
    const wanted = subjects.filter((_, at) => results[at]?.outcome === "planned");
    if (values["dry-run"] !== true && wanted.length > 0) {
      const common = {
        by: givenBy(values, context),
        ...(values.reason === undefined ? {} : { reason: values.reason }),
      };
      const tasks = wanted.map(
        (subject): Task => ({
          ...{ type: "ban", v: 1, id: randomUUID(), at: new Date().toISOString(), address: subject.text },
          ...{ for: duration === "permanent" ? -1 : duration, targets, ...common },
        }),
      );
      const nodes = await putTasks(
        givenNodes(values, context),
        tasks.map((task) => ({ tube: intakeTubes[0], task })),
      );
      const orders = tasks.map(({ id = "" }, at) => ({ id, subject: (wanted[at] as Subject).text }));
      const seen = await follow(orders, meant);
      const reason = waitMs === 0 ? null : (seen.error ?? nobodyYet(waitMs));
      results = results.map((result): Result => {
        const at = orders.findIndex(({ subject }) => showSubject(subject) === result.address);
        const order = orders[at];
        if (order === undefined) return result;
        return { ...result, outcome: "queued", reason, taskId: order.id, node: nodes[at] ?? null, ...seen.value?.[at] };
      });
    }
    if (values.json) await context.output.json({ results });
    else await print(results, describe(duration, targets, meant), context.output);
    const good: readonly Result["outcome"][] = waitMs === 0 ? ["planned", "queued"] : ["planned", "done"];
    return results.every(({ outcome }) => good.includes(outcome)) ? 0 : 1;

    function follow(orders: readonly { id: string; subject: string }[], routers: readonly Router[]) {
      if (waitMs === 0) return { value: null, error: "" };
      return watchLedger(
        values,
        context,
        waitMs,
        (ledger) =>
          Promise.all(
            orders.map(async ({ id, subject }): Promise<Partial<Result>> => {
              const nowMs = Date.now();
              const found = (await ledger.bans({ subject, activeAtMs: nowMs })).find(({ taskId }) => taskId === id);
              if (found !== undefined) {
                const [facts] = await factsOfBans(ledger, [found], routers, nowMs);
                return { outcome: isDone(facts) ? "done" : "recorded", reason: null, ban: facts ?? null };
              }
              const refusals = await ledger.auditTrail({ subject, action: "refuse", limit: 10 });
              const refusal = refusals.find(({ source }) => source === id);
              return refusal === undefined ? {} : { outcome: "refused", reason: refusal.reason };
            }),
          ),
        (seen) => seen.every(({ outcome }) => outcome === "done" || outcome === "refused"),
      );
    }
  },
};

function isDone(facts: BanFacts | undefined): boolean {
  return facts !== undefined && (facts.dryRun || facts.routers.every(({ state }) => state === "verified"));
}

function planned({ text }: Subject): Result {
  return { address: showSubject(text), outcome: "planned", reason: null, taskId: null, node: null, ban: null };
}

/** The responder looks again: the task may come from anybody. */
function refusalOf(subject: Subject, { neverBan }: Inventory): Result | undefined {
  const why = neverBan.reasonForAnyOf(subject.prefix);
  return why === undefined ? undefined : { ...planned(subject), outcome: "refused", reason: `never banned: ${why}` };
}

/** @throws UsageError for a router or tag that is not there */
function givenTargets(
  { router = [], tag = [] }: { router?: string[]; tag?: string[] },
  inventory: Inventory,
): string[] {
  const tags = [...new Set(inventory.devices.flatMap((device) => device.tags))];
  for (const name of tag) {
    if (!tags.includes(name))
      throw new UsageError(`no tag "${name}"${suggestion(name, tags) || `; tags are ${tags.join(", ") || "none"}`}`);
  }
  const all = router.includes("all");
  const names = all ? [] : router.map((name) => `device:${routerNamed(inventory, name).key}`);
  const targets = all ? ["all"] : [...names, ...tag.map((name) => `tag:${name}`)];
  return targets.length === 0 ? ["all"] : [...new Set(targets)];
}

function describe(duration: number | "permanent", targets: readonly string[], meant: readonly Router[]): string {
  const length = duration === "permanent" ? "without an end" : `for ${formatDuration(duration)}`;
  return `${length} on ${targets.join(", ")} (${meant.map(({ key }) => key).join(", ")})`;
}

const nobodyYet = (waitMs: number): string =>
  `no responder has taken it within ${waitMs / 1000} s; it stays in the queue. See logwarden status`;

async function print(results: readonly Result[], asked: string, output: Output): Promise<void> {
  for (const { address, outcome, reason, node, ban: facts } of results) {
    if (outcome === "refused") output.complain(`${address}: refused, ${reason}`);
    if (outcome === "planned") await output.line(`${address}: would be banned ${asked}`);
    if (outcome === "queued") {
      await output.line(`${address}: in the queue at ${node}, ${asked}`);
      if (reason !== null) output.complain(`${address}: ${reason}`);
    }
    if (facts === null) continue;
    const end = facts.until === null ? "without an end" : `until ${moment(Date.parse(facts.until))}`;
    await output.line(`${address}: banned ${end}, ${summaryOf(facts)}`);
    const open = facts.routers.filter(({ state }) => state !== "verified");
    for (const line of placeLines(open))
      output.complain(`${address}: ${line.filter((cell) => cell !== "").join("  ")}`);
  }
}
