/** `logwarden version`: what runs here. */

import { readFileSync } from "node:fs";
import { readArguments, type Verb } from "../verb.ts";

export const version: Verb = {
  name: "version",
  about: "the version of Logwarden and of the Node that runs it",
  help: "logwarden version [--json]\n\nThe version of Logwarden and of the Node that runs it.",
  run: async (args, { output }) => {
    const { values } = readArguments(args, { json: { type: "boolean" } }, 0);
    const manifest = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
      version: string;
    };
    const facts = { logwarden: manifest.version, node: process.versions.node };
    if (values.json) await output.json(facts);
    else await output.line(`logwarden ${facts.logwarden}, Node ${facts.node}`);
    return 0;
  },
};
