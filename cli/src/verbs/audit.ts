/** `logwarden audit`: who did what to whom, and why. */

import type { AuditEntry } from "@logwarden/ledger";
import { showSubject } from "@logwarden/shared/subject";
import { z } from "zod";
import { configOption } from "../given/inventory.ts";
import { ledgerOption, withLedger } from "../given/ledger.ts";
import { givenNames, ipOption } from "../given/subjects.ts";
import { givenLimit, givenSince, iso, limitOption, moment, sinceOption } from "../given/times.ts";
import { columns } from "../output.ts";
import { time } from "../shape.ts";
import { jsonOption, listOnly, readArguments, type Verb } from "../verb.ts";

const limitDefault = 100;

const entryShape = z.strictObject({
  at: time,
  actor: z.string(),
  action: z.string(),
  address: z.string(),
  router: z.string(),
  reason: z.string(),
  source: z.string(),
});

const options = {
  ...ipOption,
  router: { type: "string", value: "NAME", about: "only on this router" },
  ...sinceOption,
  ...limitOption(limitDefault),
  ...configOption,
  ...ledgerOption,
  ...jsonOption,
} as const;

export const audit: Verb = {
  name: "audit",
  about: "who banned, lifted, disabled or mended what, when and why",
  usage: ["audit [list] [OPTIONS]"],
  words: { list: "the same" },
  text: `What was done, newest first: by "policy", by a person, by a "responder", or by "somebody" who edited a router by hand. The
source is the task or the ban that it follows from, so one id tells a whole story.`,
  options,
  examples: [
    "logwarden audit --since 24h",
    "logwarden audit -i 203.0.113.9",
    "logwarden audit --router edge-1 --limit 20 --json",
  ],
  json: { shape: z.strictObject({ audit: z.array(entryShape) }) },
  run: async (args, context) => {
    const { values, positionals } = readArguments(args, options, 1);
    listOnly("audit", positionals[0]);
    const sinceMs = givenSince(values.since, Date.now());
    const limit = givenLimit(values.limit, limitDefault);
    const names = givenNames(values, context);
    const query = {
      ...(values.router === undefined ? {} : { router: values.router }),
      ...(sinceMs === undefined ? {} : { sinceMs }),
      limit,
    };
    return withLedger(values, context, async (ledger) => {
      const found = await Promise.all(names.map((name) => ledger.auditTrail({ ...query, ...name })));
      const facts = found.flat().map(factsOf);
      if (values.json) await context.output.json({ audit: facts });
      else if (facts.length === 0) await context.output.line("nothing was done");
      else
        await context.output.lines(
          columns(
            [
              ["at", "who", "did", "address", "router", "why"],
              ...facts.map(({ at, actor, action, address, router, reason }) => [
                ...[moment(Date.parse(at)), actor, action, address, router, reason],
              ]),
            ],
            "",
          ),
        );
      return 0;
    });
  },
};

function factsOf({ atMs, actor, action, subject, router, reason, source }: AuditEntry): z.infer<typeof entryShape> {
  return { at: iso(atMs), actor, action, address: showSubject(subject), router, reason, source };
}
