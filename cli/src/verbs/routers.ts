/** `logwarden routers`: the routers of the inventory, as the ledger knows them; a look at themselves; a repair. */

import { randomUUID } from "node:crypto";
import type { Ledger } from "@logwarden/ledger";
import { deviceTube } from "@logwarden/shared/tubes";
import { z } from "zod";
import { configOption, givenInventory, givenRouters, type Router, routersOf } from "../given/inventory.ts";
import { ledgerOption, tryLedger } from "../given/ledger.ts";
import { byOption, givenBy } from "../given/person.ts";
import { iso, moment } from "../given/times.ts";
import { columns, type Output } from "../output.ts";
import { givenNodes, queuesOption } from "../queue/nodes.ts";
import { putTasks } from "../queue/put.ts";
import { adviceOn } from "../show/bans.ts";
import { countsOf } from "../show/counts.ts";
import { type Check, checkShape } from "../show/checks.ts";
import { timeOrNull } from "../shape.ts";
import { jsonOption, knownWord, readArguments, UsageError, type Verb } from "../verb.ts";

const routerShape = z.strictObject({
  router: z.string(),
  address: z.string(),
  url: z.string(),
  tags: z.array(z.string()),
  state: z.enum(["ok", "held", "unknown"]),
  since: timeOrNull,
  error: z.string().nullable(),
  detail: z.string().nullable(),
  advice: z.string().nullable(),
  reconciled: timeOrNull,
  members: z.number().nullable(),
  foreign: z.number().nullable(),
  verified: z.number(),
  pending: z.number(),
  failing: z.number(),
  responder: z.string().nullable(),
});
type RouterFacts = z.infer<typeof routerShape>;

const words = {
  list: "the routers, their state, what they hold, and which responder works for them",
  check: "asks each router's API itself: certificate, key, groups, protected interfaces",
  reconcile: "lets a responder read each router's groups and mend what differs from the ledger",
};

const options = {
  all: { type: "boolean", about: "check, reconcile: every router" },
  restored: {
    type: "boolean",
    about: "reconcile: an older configuration was loaded there; what Logwarden took out since is taken out again",
  },
  ...byOption,
  ...configOption,
  ...queuesOption,
  ...ledgerOption,
  ...jsonOption,
} as const;

export const routers: Verb = {
  name: "routers",
  aliases: ["bouncers"],
  about: "the routers: their state, a check of each one's API, a repair",
  usage: ["routers [list] [OPTIONS]", "routers check NAME…|--all [OPTIONS]", "routers reconcile NAME…|--all [OPTIONS]"],
  words,
  text: `list is what the ledger knows. check reads the router itself, with the key and the certificate of the inventory, and changes
nothing: it must run where the key files can be read. reconcile puts a task into each router's tube, and does not wait.
A router that was restored from a backup is found out by itself when it was away, or lacks a ban; else say --restored.

Exit code 1 when a router is wrong, or the ledger could not be read.`,
  options,
  examples: [
    "logwarden routers",
    "logwarden routers check --all",
    "logwarden routers reconcile edge-1 edge-2",
    "logwarden routers reconcile edge-1 --restored",
  ],
  json: {
    shape: z.union([
      z.strictObject({ routers: z.array(routerShape) }),
      z.strictObject({ checks: z.array(checkShape) }),
      z.strictObject({
        put: z.array(z.strictObject({ router: z.string(), tube: z.string(), taskId: z.string(), node: z.string() })),
      }),
    ]),
  },
  run: async (args, context) => {
    const { values, positionals } = readArguments(args, options, Number.POSITIVE_INFINITY);
    const { output } = context;
    const word = knownWord("routers", positionals[0] ?? "list", words);
    const names = positionals.slice(1);
    if (word === "list") {
      if (names.length > 0) throw new UsageError(`"${names[0]}" is one word too many`);
      const all = routersOf(givenInventory(values, context));
      const known = await tryLedger(values, context, (ledger) => factsOf(all, ledger, Date.now()));
      const facts = known.value ?? all.map((router) => ({ ...bare(router), ...unknown }));
      if (values.json) await output.json({ routers: facts });
      else await printList(facts, output);
      if (known.error !== null) output.complain(known.error);
      return known.error === null ? 0 : 1;
    }
    const inventory = givenInventory(values, context);
    const chosen = givenRouters(inventory, names, values.all === true);
    if (values.restored === true && word !== "reconcile") throw new UsageError("--restored is for reconcile");
    if (word === "check") {
      // A client of HTTP with all that it needs: no other verb does.
      const { checkRouter } = await import("../routers/check.ts");
      const nowMs = Date.now();
      const known = await tryLedger(
        values,
        context,
        async (ledger) =>
          new Map(
            await Promise.all(
              chosen.map(async (router) => [router.key, await ledger.wantedOn(router, nowMs)] as const),
            ),
          ),
      );
      if (known.error !== null) output.complain(`what the routers should hold cannot be said: ${known.error}`);
      const checks = await Promise.all(
        chosen.map((router) =>
          checkRouter(
            router,
            inventory.group,
            known.value?.get(router.key)?.map(({ subject }) => subject),
          ),
        ),
      );
      if (values.json) await output.json({ checks });
      else for (const check of checks) await printCheck(check, output);
      return checks.every(({ ok }) => ok) ? 0 : 1;
    }
    const tasks = chosen.map(({ key, address }) => ({
      ...{ router: key, tube: deviceTube(key), taskId: randomUUID(), host: address.text },
    }));
    const nodes = await putTasks(
      givenNodes(values, context),
      tasks.map(({ tube, taskId, host }) => ({
        tube,
        task: {
          ...{ host, type: "reconcile" as const, v: 1 as const, id: taskId, at: new Date().toISOString() },
          ...{ by: givenBy(values, context), ...(values.restored === true ? { restored: true } : {}) },
        },
      })),
    );
    const put = tasks.map(({ router, tube, taskId }, at) => ({ router, tube, taskId, node: nodes[at] ?? "" }));
    if (values.json) await output.json({ put });
    else for (const { router, tube, node } of put) await output.line(`${router}: asked for, in ${tube} at ${node}`);
    return 0;
  },
};

function bare({ key, address, api, tags }: Router) {
  return { router: key, address: address.text, url: api.url, tags: [...tags] };
}

const unknown = {
  ...{ state: "unknown" as const, since: null, error: null, detail: null, advice: null, reconciled: null },
  ...{ members: null, foreign: null, verified: 0, pending: 0, failing: 0, responder: null },
};

async function factsOf(all: readonly Router[], ledger: Ledger, nowMs: number): Promise<RouterFacts[]> {
  const [states, counts, leases, responders] = await Promise.all([
    ledger.routers(),
    countsOf(ledger, all, nowMs),
    ledger.leases(),
    ledger.responders(),
  ]);
  return all.map((router) => {
    const state = states.find((one) => one.router === router.key);
    const owner = leases.find(({ device }) => device === router.key)?.owner ?? null;
    return {
      ...{ ...bare(router), ...unknown },
      ...(state === undefined
        ? {}
        : {
            ...{ state: state.state, since: iso(state.sinceMs), error: state.error, detail: state.errorDetail },
            ...{ advice: adviceOn(state.error), reconciled: iso(state.reconciledAtMs) },
            ...{ members: state.members, foreign: state.foreign },
          }),
      ...counts.get(router.key),
      responder: owner === null ? null : (responders.find(({ id }) => id === owner)?.name ?? owner),
    };
  });
}

async function printList(facts: readonly RouterFacts[], output: Output): Promise<void> {
  const rows = facts.map(
    ({ router, url, tags, state, members, foreign, verified, pending, failing, reconciled, responder }) => [
      ...[router, url, tags.join(" "), state, verified, pending, failing],
      ...[
        members ?? "",
        foreign ?? "",
        reconciled === null ? "never" : moment(Date.parse(reconciled)),
        responder ?? "nobody",
      ],
    ],
  );
  const titles = [
    "router",
    "api",
    "tags",
    "state",
    "verified",
    "pending",
    "failing",
    "members",
    "not ours",
    "reconciled",
    "responder",
  ];
  await output.lines(columns([titles, ...rows], ""));
  for (const { router, error, detail, advice } of facts)
    if (error !== null) output.complain(`${router}: ${[error, detail, advice].filter(Boolean).join(": ")}`);
}

async function printCheck({ router, ok, members, missing, wrong }: Check, output: Output): Promise<void> {
  const held = members === null ? "" : `, ${members} members${missing === null ? "" : `, ${missing.length} missing`}`;
  await output.line(`${router}: ${ok ? "ok" : "WRONG"}${held}`);
  for (const { what, detail, advice } of wrong) {
    await output.line(`  ${what}: ${detail}`);
    await output.line(`  ${advice}`);
  }
}
