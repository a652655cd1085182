/** `logwarden events`: what was seen of whom, as far back as policies look. */

import { z } from "zod";
import { configOption } from "../given/inventory.ts";
import { ledgerOption, withLedger } from "../given/ledger.ts";
import { givenNames, ipOption } from "../given/subjects.ts";
import { givenLimit, givenSince, limitOption, sinceOption } from "../given/times.ts";
import { columns } from "../output.ts";
import { factsOfSighting, sightingRow, sightingShape, sightingTitles } from "../show/sightings.ts";
import { jsonOption, listOnly, readArguments, type Verb } from "../verb.ts";

const limitDefault = 100;

const options = {
  ...ipOption,
  ...sinceOption,
  ...limitOption(limitDefault),
  ...configOption,
  ...ledgerOption,
  ...jsonOption,
} as const;

export const events: Verb = {
  name: "events",
  aliases: ["alerts"],
  about: "what policies counted: who was seen doing what, on which device",
  usage: ["events [list] [OPTIONS]"],
  words: { list: "the same" },
  text: `The sightings that the ledger keeps, newest first: every event that a policy counts. They are kept as long as the longest
findTime of the policies looks back; for longer, keep the log of the responder.`,
  options,
  examples: ["logwarden events --since 1h", "logwarden events -i 203.0.113.9 --json"],
  json: { shape: z.strictObject({ events: z.array(sightingShape) }) },
  run: async (args, context) => {
    const { values, positionals } = readArguments(args, options, 1);
    listOnly("events", positionals[0]);
    const sinceMs = givenSince(values.since, Date.now());
    const limit = givenLimit(values.limit, limitDefault);
    const names = givenNames(values, context);
    return withLedger(values, context, async (ledger) => {
      const found = await Promise.all(
        names.map((name) => ledger.sightings({ ...name, ...(sinceMs === undefined ? {} : { sinceMs }), limit })),
      );
      const facts = found.flat().map(factsOfSighting);
      if (values.json) await context.output.json({ events: facts });
      else if (facts.length === 0) await context.output.line("no events");
      else await context.output.lines(columns([sightingTitles, ...facts.map(sightingRow)], ""));
      return 0;
    });
  },
};
