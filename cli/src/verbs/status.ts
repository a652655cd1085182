/** `logwarden status`: is everything at work? What is wrong is a complaint each, and exit code 1. */

import type { Ledger } from "@logwarden/ledger";
import { z } from "zod";
import { configOption, givenInventory, type Router, routersOf } from "../given/inventory.ts";
import { ledgerOption, tryLedger } from "../given/ledger.ts";
import { iso, roughly } from "../given/times.ts";
import { columns, type Output } from "../output.ts";
import { ask, givenNodes, queuesOption, tubesOf } from "../queue/nodes.ts";
import { adviceOn } from "../show/bans.ts";
import { countsOf } from "../show/counts.ts";
import { time, timeOrNull } from "../shape.ts";
import { jsonOption, readArguments, type Verb } from "../verb.ts";

/** Responders show that they live every few seconds; one that was silent for so long is gone or stuck. */
const silentMs = 60_000;

const nodeShape = z.strictObject({
  node: z.string(),
  error: z.string().nullable(),
  version: z.string().nullable(),
  draining: z.boolean(),
  ready: z.number(),
  reserved: z.number(),
  delayed: z.number(),
  buried: z.number(),
  pausedTubes: z.array(z.string()),
});
const ledgerShape = z.strictObject({
  banned: z.number(),
  responders: z.array(
    z.strictObject({ name: z.string(), started: time, seen: time, silent: z.boolean(), devices: z.number() }),
  ),
  unowned: z.array(z.string()),
  routers: z.array(
    z.strictObject({
      router: z.string(),
      state: z.enum(["ok", "held", "unknown"]),
      since: timeOrNull,
      error: z.string().nullable(),
      detail: z.string().nullable(),
      verified: z.number(),
      pending: z.number(),
      failing: z.number(),
    }),
  ),
});
const shape = z.strictObject({
  ok: z.boolean(),
  wrong: z.array(z.string()),
  queues: z.array(nodeShape),
  ledger: ledgerShape.nullable(),
});
type Facts = z.infer<typeof shape>;

const options = { ...configOption, ...queuesOption, ...ledgerOption, ...jsonOption } as const;

export const status: Verb = {
  name: "status",
  aliases: ["ping"],
  about: "is everything at work? Queue nodes, responders, routers, bans",
  usage: ["status [OPTIONS]"],
  text: `Asks every queue node and the ledger. Parsers say nothing of themselves there: HAProxy and their own /readyz know them.
Each thing that is wrong is a line on stderr, and exit code 1: a node that is away, buried jobs, no responder that lives, a
router that is held, members of groups that cannot be placed.`,
  options,
  examples: ["logwarden status", "logwarden status --json | jq .wrong"],
  json: { shape },
  run: async (args, context) => {
    const { values } = readArguments(args, options, 0);
    const nodes = givenNodes(values, context);
    const known = routersOf(givenInventory(values, context));
    const nowMs = Date.now();
    const [answers, ledger] = await Promise.all([
      ask(nodes, async (connection) => {
        const { version, draining } = await connection.stats();
        const { tubes } = await tubesOf(connection);
        const sum = (read: (tube: (typeof tubes)[number]) => number): number =>
          tubes.reduce((all, tube) => all + read(tube), 0);
        return {
          ...{ version, draining },
          ready: sum(({ currentJobsReady }) => currentJobsReady),
          reserved: sum(({ currentJobsReserved }) => currentJobsReserved),
          delayed: sum(({ currentJobsDelayed }) => currentJobsDelayed),
          buried: sum(({ currentJobsBuried }) => currentJobsBuried),
          pausedTubes: tubes.filter(({ pause }) => pause > 0).map(({ name }) => name),
        };
      }),
      tryLedger(values, context, (open) => ledgerFacts(open, known, nowMs)),
    ]);
    const none = { version: null, draining: false, ready: 0, reserved: 0, delayed: 0, buried: 0, pausedTubes: [] };
    const queues = answers.map((answer) => (answer.error === null ? answer : { ...none, ...answer }));
    const wrong = [
      ...queues.flatMap(wrongWithNode),
      ...(ledger.error === null ? wrongInLedger(ledger.value) : [ledger.error]),
    ];
    const facts: Facts = { ok: wrong.length === 0, wrong, queues, ledger: ledger.value };
    if (values.json) await context.output.json(facts);
    else await print(facts, nowMs, context.output);
    for (const one of wrong) context.output.complain(one);
    return facts.ok ? 0 : 1;
  },
};

async function ledgerFacts(
  ledger: Ledger,
  known: readonly Router[],
  nowMs: number,
): Promise<z.infer<typeof ledgerShape>> {
  const [banned, responders, leases, routers, counts] = await Promise.all([
    ledger.countBanned(nowMs),
    ledger.responders(),
    ledger.leases(),
    ledger.routers(),
    countsOf(ledger, known, nowMs),
  ]);
  const names = [...new Set([...routers.map(({ router }) => router), ...counts.keys()])].sort();
  return {
    banned,
    responders: responders.map(({ id, name, startedAtMs, seenAtMs }) => ({
      ...{ name, started: iso(startedAtMs), seen: iso(seenAtMs), silent: nowMs - seenAtMs > silentMs },
      devices: leases.filter(({ owner }) => owner === id).length,
    })),
    unowned: leases.filter(({ owner }) => owner === null).map(({ device }) => device),
    routers: names.map((name) => {
      const state = routers.find(({ router }) => router === name);
      const { verified, pending, failing } = counts.get(name) ?? { verified: 0, pending: 0, failing: 0 };
      return {
        ...{ router: name, state: state?.state ?? "unknown", since: iso(state?.sinceMs ?? null) },
        ...{ error: state?.error ?? null, detail: state?.errorDetail ?? null, verified, pending, failing },
      };
    }),
  };
}

function wrongWithNode({ node, error, draining, buried }: z.infer<typeof nodeShape>): string[] {
  if (error !== null) return [`queue ${node}: ${error}`];
  return [
    ...(draining ? [`queue ${node}: takes no new jobs (draining)`] : []),
    ...(buried > 0 ? [`queue ${node}: ${buried} buried, see logwarden queue buried`] : []),
  ];
}

function wrongInLedger({ responders, unowned, routers }: z.infer<typeof ledgerShape>): string[] {
  const living = responders.filter(({ silent }) => !silent);
  return [
    ...(living.length === 0 ? [`no responder lives: nothing is done until one starts`] : []),
    ...(living.length > 0 && unowned.length > 0 ? [`no responder works for ${unowned.join(", ")}`] : []),
    ...routers.flatMap(({ router, state, error, detail, failing }) => [
      ...(state === "held" ? [`${router}: held, ${[error, detail, adviceOn(error)].filter(Boolean).join(": ")}`] : []),
      ...(failing > 0 ? [`${router}: ${failing} of its bans cannot be placed, see logwarden bans`] : []),
    ]),
  ];
}

async function print({ queues, ledger }: Facts, nowMs: number, output: Output): Promise<void> {
  const nodes = queues.map(({ node, error, version, ready, reserved, delayed, buried, pausedTubes }) => [
    ...[node, error === null ? `beanstalkd ${version}` : "away", ready, reserved, delayed, buried],
    pausedTubes.length > 0 ? `paused: ${pausedTubes.join(" ")}` : "",
  ]);
  await output.lines(columns([["queue", "", "ready", "reserved", "delayed", "buried", ""], ...nodes], ""));
  if (ledger === null) return;
  const { responders, routers, banned } = ledger;
  const rows = responders.map(({ name, started, seen, silent, devices }) => [
    ...[name, `${silent ? "silent" : "seen"} ${roughly(nowMs - Date.parse(seen))} ago`],
    ...[`up ${roughly(nowMs - Date.parse(started))}`, devices],
  ]);
  await output.line();
  await output.lines(columns([["responder", "", "", "devices"], ...rows], ""));
  await output.line();
  const states = routers.map(({ router, state, since, verified, pending, failing }) => [
    ...[
      router,
      since === null ? state : `${state} for ${roughly(nowMs - Date.parse(since))}`,
      verified,
      pending,
      failing,
    ],
  ]);
  await output.lines(columns([["router", "", "verified", "pending", "failing"], ...states], ""));
  await output.line();
  await output.line(`${banned === 1 ? "1 address is" : `${banned} addresses are`} banned`);
}
