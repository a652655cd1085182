/** `logwarden allow`: who is never banned, and who covers an address. */

import { showSubject } from "@logwarden/shared/subject";
import { z } from "zod";
import { configOption, givenInventory } from "../given/inventory.ts";
import { givenSubjects } from "../given/subjects.ts";
import { columns } from "../output.ts";
import { jsonOption, knownWord, readArguments, UsageError, type Verb } from "../verb.ts";

const words = {
  list: "the whole list, in the order it is asked",
  check: "whether each address is never banned, and why",
};

const options = { ...configOption, ...jsonOption } as const;

export const allow: Verb = {
  name: "allow",
  aliases: ["allowlists"],
  about: "who is never banned, and why",
  usage: ["allow list [OPTIONS]", "allow check ADDRESS… [OPTIONS]"],
  words,
  text: `The list is in the inventory: \`allow\`, the address of every device, and what is built in (loopback, link-local, multicast).
To change it, edit \`allow\` and restart the services: what it covers from then on is lifted. Of a prefix, the reason is that of
the first entry that has an address in common with it: no part of that may be banned.

Exit code of check: 0 when every address is never banned, 1 when one may be.`,
  options,
  examples: ["logwarden allow list", "logwarden allow check 192.0.2.10 2001:db8:1::/64"],
  json: {
    shape: z.union([
      z.strictObject({ entries: z.array(z.strictObject({ address: z.string(), why: z.string() })) }),
      z.strictObject({
        checks: z.array(z.strictObject({ address: z.string(), neverBanned: z.boolean(), why: z.string().nullable() })),
      }),
    ]),
  },
  run: async (args, context) => {
    const { values, positionals } = readArguments(args, options, Number.POSITIVE_INFINITY);
    const word = knownWord("allow", positionals[0], words);
    const { output } = context;
    const { neverBan } = givenInventory(values, context);
    if (word === "list") {
      if (positionals.length > 1) throw new UsageError(`"${positionals[1]}" is one word too many`);
      const entries = neverBan.entries.map(({ prefix, why }) => ({ address: prefix.text, why }));
      if (values.json) await output.json({ entries });
      else
        await output.lines(
          columns(
            entries.map(({ address, why }) => [address, why]),
            "",
          ),
        );
      return 0;
    }
    const checks = givenSubjects(positionals.slice(1)).map((subject) => {
      const why = neverBan.reasonForAnyOf(subject.prefix) ?? null;
      return { address: showSubject(subject.text), neverBanned: why !== null, why };
    });
    if (values.json) await output.json({ checks });
    for (const { address, why } of values.json ? [] : checks) {
      await output.line(why === null ? `${address}: may be banned` : `${address}: never banned, ${why}`);
    }
    return checks.every(({ neverBanned }) => neverBanned) ? 0 : 1;
  },
};
