/** `logwarden unban`: lifts every ban of an address, clears its counters, and pardons it for a while. */

import { randomUUID } from "node:crypto";
import type { Ledger } from "@logwarden/ledger";
import { formatDuration } from "@logwarden/shared/duration";
import { parseSubject, showSubject, type Subject } from "@logwarden/shared/subject";
import type { Task } from "@logwarden/shared/task";
import { intakeTubes } from "@logwarden/shared/tubes";
import { z } from "zod";
import { configOption, givenInventory } from "../given/inventory.ts";
import { ledgerOption, tryLedger } from "../given/ledger.ts";
import { byOption, givenBy } from "../given/person.ts";
import { countedAs, givenSubjects, holding } from "../given/subjects.ts";
import { givenWaitMs, waitOptions, watchLedger } from "../given/wait.ts";
import { givenNodes, queuesOption } from "../queue/nodes.ts";
import { putTasks } from "../queue/put.ts";
import { CommandError, type Context, jsonOption, readArguments, UsageError, type Verb } from "../verb.ts";

/**
 *   absent  there was no ban; counters are cleared and the grace begins all the same
 *   queued  a queue node has the task; the ban is in force (yet), or nobody can say
 *   lifted  no ban is in force, and some router has not been seen without it
 *   done    and every router has been seen without it
 */
const resultShape = z.strictObject({
  address: z.string(),
  outcome: z.enum(["absent", "queued", "lifted", "done"]),
  lifts: z.array(z.string()),
  alsoInside: z.array(z.string()),
  routers: z.array(z.string()),
  reason: z.string().nullable(),
});
type Result = z.infer<typeof resultShape>;

const options = {
  all: { type: "boolean", about: "every address that is banned now" },
  "report-absent": { type: "boolean", about: "exit with 1 when an address was not banned" },
  reason: { type: "string", short: "R", value: "TEXT", about: "why, for the audit" },
  ...waitOptions,
  ...byOption,
  ...configOption,
  ...queuesOption,
  ...ledgerOption,
  ...jsonOption,
} as const;

/** What is known of an address before anything is asked. */
interface Wanted {
  subject: Subject;
  /** Members of groups that are lifted: the address, and the IPv6 network that it was counted as. */
  members: readonly string[];
  /** undefined: nobody can say. */
  banned: readonly string[] | undefined;
  /** Networks that hold it and were banned as such: lifting them would lift more than was asked. */
  alsoInside: readonly string[];
}

export const unban: Verb = {
  name: "unban",
  about: "lifts every ban of addresses, everywhere, with a grace",
  usage: ["unban ADDRESS… [OPTIONS]", "unban --all [OPTIONS]"],
  text: `Lifts every ban of each ADDRESS on every router, clears its counters, and for a grace (\`unbanGrace\`, 10 minutes unless the
inventory says otherwise) counts nothing of it, so that it is not banned again at once. Then waits until the routers have
followed. An IPv6 address also lifts the network that policies count it as (\`ipv6Prefix\`, /64).

Exit code 1 when the routers have not followed within the wait, and with --report-absent when an address was not banned.`,
  options,
  examples: [
    "logwarden unban 203.0.113.9",
    "logwarden unban 203.0.113.9 2001:db8:6::7 --report-absent",
    "logwarden unban --all --reason 'wrong rule'",
  ],
  json: { shape: z.strictObject({ results: z.array(resultShape) }) },
  run: async (args, context) => {
    const { values, positionals } = readArguments(args, options, Number.POSITIVE_INFINITY);
    if (values.all === true && positionals.length > 0)
      throw new UsageError("--all is every address: name none beside it");
    const subjects = values.all === true ? [] : givenSubjects(positionals);
    const waitMs = givenWaitMs(values);
    const inventory = givenInventory(values, context);
    const { output } = context;

    const known = await tryLedger(values, context, (ledger) => ledger.bannedSubjects(Date.now()));
    if (known.error !== null) {
      if (values.all === true) throw new CommandError(known.error);
      output.complain(`whether they are banned cannot be said: ${known.error}`);
    }
    const wanted = (values.all === true ? (known.value ?? []).map(mustParse) : subjects).map((subject) =>
      wantedOf(subject, inventory.ipv6Prefix, known.value ?? undefined),
    );
    const members = [...new Set(wanted.flatMap((one) => one.members))];
    const reason = values.reason === undefined ? {} : { reason: values.reason };
    const tasks = members.map(
      (address): Task => ({
        ...{ type: "unban", v: 1, id: randomUUID(), at: new Date().toISOString(), address },
        ...{ by: givenBy(values, context), ...reason },
      }),
    );
    if (tasks.length > 0)
      await putTasks(
        givenNodes(values, context),
        tasks.map((task) => ({ tube: intakeTubes[0], task })),
      );

    const results = wanted.map(firstResult);
    const open = wanted.filter(({ banned }) => banned === undefined || banned.length > 0);
    if (waitMs > 0 && open.length > 0) {
      const seen = await watchLedger(
        values,
        context,
        waitMs,
        (ledger) => Promise.all(open.map((one) => look(ledger, one))),
        (all) => all.every(({ outcome }) => outcome === "done"),
      );
      for (const [at, one] of open.entries()) {
        const result = results[wanted.indexOf(one)] as Result;
        Object.assign(result, seen.value?.[at] ?? { reason: seen.error });
        if (result.outcome === "queued" && seen.error === null)
          result.reason = `no responder has lifted it within ${waitMs / 1000} s; see logwarden status`;
      }
    }
    if (values.json) await output.json({ results });
    else await print(results, inventory.unbanGraceMs, context);
    const absent = values["report-absent"] === true && results.some(({ outcome }) => outcome === "absent");
    const good: readonly Result["outcome"][] = waitMs === 0 ? ["absent", "queued"] : ["absent", "done"];
    return absent || results.some(({ outcome }) => !good.includes(outcome)) ? 1 : 0;
  },
};

function wantedOf(subject: Subject, ipv6Length: number, bannedNow: readonly string[] | undefined): Wanted {
  const members = [...new Set([subject.text, countedAs(subject, ipv6Length)])];
  const held = bannedNow === undefined ? [] : holding(subject, bannedNow);
  const banned = bannedNow === undefined ? undefined : held.filter((text) => members.includes(text));
  return { subject, members, banned, alsoInside: held.filter((text) => !members.includes(text)) };
}

function firstResult({ subject, members, banned, alsoInside }: Wanted): Result {
  return {
    address: showSubject(subject.text),
    outcome: banned?.length === 0 ? "absent" : "queued",
    lifts: (banned ?? members).map(showSubject),
    alsoInside: alsoInside.map(showSubject),
    ...{ routers: [], reason: null },
  };
}

async function look(ledger: Ledger, { members }: Wanted): Promise<Pick<Result, "outcome" | "routers">> {
  const nowMs = Date.now();
  const bans = await Promise.all(members.map((subject) => ledger.bans({ subject, activeAtMs: nowMs, limit: 1 })));
  const placements = (await Promise.all(members.map((subject) => ledger.placementsOf(subject)))).flat();
  // One that a full group never took was never there.
  const there = placements.filter(({ intendedAtMs }) => intendedAtMs > 0);
  const routers = [...new Set(there.map(({ router }) => router))];
  if (bans.flat().length > 0) return { outcome: "queued", routers };
  return { outcome: routers.length === 0 ? "done" : "lifted", routers };
}

function mustParse(text: string): Subject {
  const subject = parseSubject(text);
  if (subject === undefined) throw new Error(`the ledger holds a subject that is none: ${text}`);
  return subject;
}

async function print(results: readonly Result[], graceMs: number, { output }: Context): Promise<void> {
  if (results.length === 0) await output.line("nobody is banned");
  const grace = `grace of ${formatDuration(graceMs / 1000)}`;
  for (const { address, outcome, lifts, alsoInside, routers, reason } of results) {
    const more = lifts.filter((one) => one !== address);
    const names = more.length === 0 ? address : `${address} (${more.join(", ")})`;
    if (outcome === "absent") await output.line(`${address}: was not banned; counters cleared, ${grace}`);
    if (outcome === "queued") await output.line(`${names}: the unban is in the queue`);
    if (outcome === "lifted") await output.line(`${names}: lifted, ${grace}; still on ${routers.join(", ")}`);
    if (outcome === "done") await output.line(`${names}: lifted on every router, ${grace}`);
    if (reason !== null) output.complain(`${address}: ${reason}`);
    for (const network of alsoInside)
      output.complain(`${address}: still inside ${network}, which is banned; to lift that: logwarden unban ${network}`);
  }
}
