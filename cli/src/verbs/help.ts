/** `logwarden help`: what the command can do, or what one verb can do. */

import { z } from "zod";
import { helpOf, overviewOf } from "../help.ts";
import { schemaOf } from "../shape.ts";
import { jsonOption, readArguments, type Verb } from "../verb.ts";

const options = { ...jsonOption } as const;

const verbShape = z.strictObject({
  name: z.string(),
  about: z.string(),
  usage: z.array(z.string()),
  options: z.record(z.string(), z.string()),
  lines: z.boolean(),
  schema: z.looseObject({}).describe("JSON Schema"),
});

export function helpFor(verbs: () => readonly Verb[], verbNamed: (name: string) => Verb): Verb {
  return {
    name: "help",
    about: "this text, or a verb's own: logwarden help VERB",
    usage: ["help [VERB] [--json]"],
    // A getter: when this is made, the list is not.
    get words() {
      return Object.fromEntries(verbs().map(({ name, about }) => [name, about]));
    },
    text: "What the command can do, or what one verb can do. With --json also the JSON Schema of what each verb prints with --json.",
    options,
    examples: ["logwarden help ban", "logwarden help bans --json | jq '.verbs[0].schema'"],
    json: { shape: z.strictObject({ verbs: z.array(verbShape) }) },
    run: async (args, { output }) => {
      const { values, positionals } = readArguments(args, options, 1);
      const [name] = positionals;
      const chosen = name === undefined ? verbs() : [verbNamed(name)];
      if (values.json) await output.json({ verbs: chosen.map(factsOf) });
      else await output.block(name === undefined ? overviewOf(chosen) : chosen.map(helpOf).join("\n"));
      return 0;
    },
  };
}

function factsOf({ name, about, usage, options: all, json }: Verb): z.infer<typeof verbShape> {
  const described = Object.entries(all).map(([option, { about: what }]) => [option, what]);
  return {
    ...{ name, about, usage: usage.map((line) => `logwarden ${line}`), options: Object.fromEntries(described) },
    ...{ lines: json.lines === true, schema: schemaOf(json.shape) as Record<string, unknown> },
  };
}
