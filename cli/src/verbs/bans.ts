/** `logwarden bans`: who is banned, and about one address: why, since when, by whom, and how far each router has followed. */

import type { Ledger } from "@logwarden/ledger";
import type { Inventory } from "@logwarden/shared/inventory";
import { showSubject, type Subject } from "@logwarden/shared/subject";
import { z } from "zod";
import { configOption, givenInventory, routersOf } from "../given/inventory.ts";
import { ledgerOption, withLedger } from "../given/ledger.ts";
import { countedAs, givenSubject, givenSubjects, holding } from "../given/subjects.ts";
import { givenLimit, givenSince, limitOption, moment, sinceOption } from "../given/times.ts";
import { columns, type Output } from "../output.ts";
import { type BanFacts, banShape, endOf, factsOfBans, placeLines, summaryOf } from "../show/bans.ts";
import { factsOfSighting, sightingRow, sightingShape, sightingTitles } from "../show/sightings.ts";
import { jsonOption, readArguments, suggestion, UsageError, type Verb } from "../verb.ts";

const limitDefault = 100;
/** Of one address: what a person reads. */
const shownMax = 10;

const detailsShape = z.strictObject({
  address: z.string(),
  banned: z.boolean(),
  neverBanned: z.string().nullable(),
  bans: z.array(banShape),
  sightings: z.array(sightingShape),
});
type Details = z.infer<typeof detailsShape>;
const shape = z.union([
  z.strictObject({ bans: z.array(banShape), banned: z.number() }),
  z.strictObject({ addresses: z.array(detailsShape) }),
]);

const words = {
  list: "the bans in force, newest first; this unless another word is given",
  show: "all that is known of addresses: bans, routers, sightings",
};

const options = {
  all: { type: "boolean", short: "a", about: "list: those that are over too" },
  ip: { type: "string", short: "i", value: "ADDRESS", about: "list: of this address, and of networks that hold it" },
  ...sinceOption,
  ...limitOption(limitDefault),
  "report-absent": { type: "boolean", about: "show: exit with 1 when an address is not banned" },
  ...configOption,
  ...ledgerOption,
  ...jsonOption,
} as const;

export const bans: Verb = {
  name: "bans",
  aliases: ["banned", "decisions"],
  about: "who is banned; bans show ADDRESS: why, until when, and on which routers",
  usage: ["bans [list] [OPTIONS]", "bans show ADDRESS… [OPTIONS]", "bans ADDRESS…"],
  words,
  text: `What the ledger says. On each router a ban is wanted (nothing is known yet), applied (committed), verified (shown after it was
saved), in error, or leaving. Hits are sightings that came while it was in force: the attacker goes on. A ban of a policy
in dry run stands in the list and on no router. An IPv6 address is found inside the network that it was counted as.`,
  options,
  examples: [
    "logwarden bans",
    "logwarden bans --all --since 24h",
    "logwarden bans -i 2001:db8:6::7",
    "logwarden bans show 203.0.113.9",
    "logwarden bans show 203.0.113.9 --report-absent >/dev/null && echo banned",
    "logwarden bans --json | jq -r '.bans[].address'",
  ],
  json: { shape },
  run: async (args, context) => {
    const { values, positionals } = readArguments(args, options, Number.POSITIVE_INFINITY);
    const [first = "list", ...rest] = positionals;
    const isWord = first === "list" || first === "show";
    if (first === "list" && rest.length > 0) throw new UsageError(`"${rest[0]}" is one word too many`);
    if (!isWord && suggestion(first, Object.keys(words)) !== "") {
      throw new UsageError(`no "bans ${first}"${suggestion(first, Object.keys(words))}`);
    }
    const nowMs = Date.now();
    const inventory = givenInventory(values, context);
    const { output } = context;
    if (first === "list") {
      const ip = values.ip === undefined ? undefined : givenSubject(values.ip);
      const sinceMs = givenSince(values.since, nowMs);
      const limit = givenLimit(values.limit, limitDefault);
      const query = { ...(sinceMs === undefined ? {} : { sinceMs }), limit };
      const active = values.all === true ? {} : { activeAtMs: nowMs };
      return withLedger(values, context, async (ledger) => {
        const subjects = ip === undefined ? [undefined] : await namesOf(ledger, ip, inventory, nowMs);
        const found = await Promise.all(
          subjects.map((subject) =>
            ledger.bans({ ...query, ...active, ...(subject === undefined ? {} : { subject }) }),
          ),
        );
        const facts = await factsOfBans(ledger, found.flat(), routersOf(inventory), nowMs);
        const banned = await ledger.countBanned(nowMs);
        if (values.json) await output.json({ bans: facts, banned });
        else await printList(facts, banned, nowMs, output);
        return 0;
      });
    }
    const subjects = givenSubjects(isWord ? rest : positionals);
    return withLedger(values, context, async (ledger) => {
      const addresses: Details[] = [];
      for (const subject of subjects) addresses.push(await detailsOf(ledger, subject, inventory, nowMs));
      if (values.json) await output.json({ addresses });
      else for (const details of addresses) await printDetails(details, nowMs, output);
      return values["report-absent"] === true && addresses.some(({ banned }) => !banned) ? 1 : 0;
    });
  },
};

/** What the ledger may call an address: itself, the network it is counted as, and banned networks around it. */
async function namesOf(ledger: Ledger, subject: Subject, { ipv6Prefix }: Inventory, nowMs: number): Promise<string[]> {
  const around = holding(subject, await ledger.bannedSubjects(nowMs));
  return [...new Set([subject.text, countedAs(subject, ipv6Prefix), ...around])];
}

async function detailsOf(ledger: Ledger, subject: Subject, inventory: Inventory, nowMs: number): Promise<Details> {
  const names = await namesOf(ledger, subject, inventory, nowMs);
  const found = (await Promise.all(names.map((name) => ledger.bans({ subject: name, limit: shownMax })))).flat();
  const facts = await factsOfBans(ledger, found, routersOf(inventory), nowMs);
  const sightings = await Promise.all(names.map((name) => ledger.sightings({ subject: name, limit: shownMax })));
  return {
    address: showSubject(subject.text),
    banned: facts.some(({ active, dryRun }) => active && !dryRun),
    neverBanned: inventory.neverBan.reasonForAnyOf(subject.prefix) ?? null,
    bans: facts,
    sightings: sightings.flat().map(factsOfSighting),
  };
}

async function printList(facts: readonly BanFacts[], banned: number, nowMs: number, output: Output): Promise<void> {
  const rows = facts.map((one) => [
    ...[one.address, moment(Date.parse(one.since)), endOf(one, nowMs), one.by, one.reason, one.hits, summaryOf(one)],
  ]);
  if (rows.length > 0)
    await output.lines(columns([["address", "since", "ends", "by", "why", "hits", "routers"], ...rows], ""));
  await output.line(`${banned === 1 ? "1 address is" : `${banned} addresses are`} banned; ${facts.length} shown`);
}

async function printDetails(
  { address, banned, neverBanned, bans: all, sightings }: Details,
  nowMs: number,
  output: Output,
) {
  await output.line(`${address}: ${banned ? "banned" : "not banned"}`);
  if (neverBanned !== null) await output.line(`  never banned: ${neverBanned}`);
  for (const one of all) {
    const as = one.address === address ? "" : `, as ${one.address}`;
    await output.line(`  ban since ${moment(Date.parse(one.since))}${as}; ends ${endOf(one, nowMs)}`);
    const from = one.device === "" ? "" : `, a line of ${one.device} (rule ${one.rule})`;
    await output.line(`    why      ${one.reason || "no reason given"}; by ${one.by}${from}`);
    await output.line(`    where    ${one.targets.join(", ")}${one.dryRun ? "; dry run: no router is touched" : ""}`);
    await output.line(`    hits     ${one.hits} while it was in force`);
    await output.lines(columns(placeLines(one.routers), "    "));
  }
  if (sightings.length === 0) return;
  await output.line("  sightings, newest first");
  await output.lines(columns([sightingTitles, ...sightings.map(sightingRow)], "    "));
}
