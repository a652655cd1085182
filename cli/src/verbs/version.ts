/** `logwarden version`: what runs here. */

import { readFileSync } from "node:fs";
import { z } from "zod";
import { jsonOption, readArguments, type Verb } from "../verb.ts";

const options = { ...jsonOption } as const;

export const version: Verb = {
  name: "version",
  about: "the version of Logwarden and of the Node that runs it",
  usage: ["version [--json]"],
  text: "The version of Logwarden and of the Node that runs it.",
  options,
  examples: ["logwarden version"],
  json: { shape: z.strictObject({ logwarden: z.string(), node: z.string() }) },
  run: async (args, { output }) => {
    const { values } = readArguments(args, options, 0);
    const manifest = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
      version: string;
    };
    const facts = { logwarden: manifest.version, node: process.versions.node };
    if (values.json) await output.json(facts);
    else await output.line(`logwarden ${facts.logwarden}, Node ${facts.node}`);
    return 0;
  },
};
