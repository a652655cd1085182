/** `logwarden router-config`: the exact `set` commands for a router of a release, and the sender's queue. */

import { readFileSync } from "node:fs";
import type { Inventory } from "@logwarden/shared/inventory";
import { parseAddress } from "@logwarden/shared/ip";
import { z } from "zod";
import { configOption, givenInventory, type Router, routerNamed } from "../given/inventory.ts";
import { givenWhole } from "../given/times.ts";
import type { Output } from "../output.ts";
import { CommandError, jsonOption, readArguments, suggestion, UsageError, type Verb } from "../verb.ts";
import { type Block, blocksFor, type Release, releases, setCommand } from "../vyos/commands.ts";
import { dropIn, dropInNotes, dropInPath } from "../vyos/drop-in.ts";

const placeholder = "SECRET";
/** HAProxy's, as deploy/haproxy has it. */
const portDefault = 10_514;

const shape = z.strictObject({
  release: z.enum(releases),
  router: z.string().nullable(),
  blocks: z.array(z.strictObject({ name: z.string(), notes: z.array(z.string()), commands: z.array(z.string()) })),
  dropIn: z.strictObject({ path: z.string(), notes: z.array(z.string()), text: z.string() }),
});

const options = {
  release: { type: "string", value: "RELEASE", about: "1.3, 1.4, 1.5 or rolling", choices: releases },
  router: { type: "string", value: "NAME", about: "its address, group and API port, from the inventory" },
  collector: { type: "string", value: "ADDRESS", about: "where lines go: the address of HAProxy, or of a parser" },
  port: { type: "string", value: "N", about: `and its port; ${portDefault} unless given` },
  client: {
    type: "string",
    value: "ADDRESS",
    multiple: true,
    about: "who may use the API: each responder (1.4 and newer)",
  },
  interface: {
    type: "string",
    value: "NAME",
    about: "drop only what comes in here; every interface unless given (1.3 must name one: eth0 unless given)",
  },
  "key-file": {
    type: "string",
    value: "FILE",
    about: `writes the key that this file holds into the commands; ${placeholder} stands there unless given`,
    choices: "file",
  },
  ...configOption,
  ...jsonOption,
} as const;

export const routerConfig: Verb = {
  name: "router-config",
  about: "the `set` commands that a VyOS router needs, for its release",
  usage: ["router-config --release RELEASE --collector ADDRESS [OPTIONS]"],
  text: `What to paste in configuration mode, in blocks: the API with its key, syslog to the collector, the groups, the rules that drop
what is in them (IPv4 and IPv6, to the router and through it), and apart from these a configuration of rsyslog with a queue.
Nothing is sent anywhere. Read the notes before the rules: their place among yours decides whether they hold.`,
  options,
  examples: [
    "logwarden router-config --release 1.4 --collector 10.10.10.10 --client 10.10.10.9",
    "logwarden router-config --release 1.3 --router edge-1 --collector 10.10.10.10 --interface eth0",
    "logwarden router-config --release rolling --router edge-2 --collector 10.10.10.10 --key-file /run/secrets/edge-2",
  ],
  json: { shape },
  run: async (args, context) => {
    const { values } = readArguments(args, options, 0);
    const release = givenRelease(values.release);
    const collector = givenAddress("--collector", values.collector);
    const port = values.port === undefined ? portDefault : givenWhole("--port", values.port, 1, 65_535);
    const known =
      values.router === undefined ? undefined : fromInventory(values.router, givenInventory(values, context));
    const clients = (values.client ?? []).map((text) => givenAddress("--client", text));
    const blocks = blocksFor({
      ...{ release, collector, port, clients, group: known?.group ?? "BAD_GUYS", listen: known?.listen },
      ...{
        key: values["key-file"] === undefined ? placeholder : readKey(values["key-file"]),
        outside: values.interface,
      },
    });
    const facts: z.infer<typeof shape> = {
      ...{ release, router: values.router ?? null },
      blocks: blocks.map(({ name, notes, paths }) => ({ name, notes, commands: paths.map(setCommand) })),
      dropIn: { path: dropInPath, notes: [...dropInNotes], text: dropIn(collector, port) },
    };
    if (values.json) await context.output.json(facts);
    else await print(facts, context.output);
    return 0;
  },
};

const titles: Record<Block["name"], string> = {
  api: "The API",
  syslog: "Syslog",
  groups: "The groups",
  rules: "The rules that drop what is in them",
};

async function print({ blocks, dropIn: sender }: z.infer<typeof shape>, output: Output): Promise<void> {
  for (const { name, notes, commands } of blocks) {
    await output.lines([`# ${titles[name as Block["name"]]}`, ...notes.map((note) => `# ${note}`), ...commands, ""]);
  }
  await output.line("# commit, save. Then logwarden routers check NAME says whether the API answers.");
  await output.lines(["", "# A queue for the sender, in rsyslog's words", ...sender.notes.map((note) => `# ${note}`)]);
  await output.block(sender.text);
}

function givenRelease(text: string | undefined): Release {
  const release = releases.find((one) => one === text);
  if (release !== undefined) return release;
  if (text === undefined) throw new UsageError(`expected --release, one of ${releases.join(", ")}`);
  throw new UsageError(`no release "${text}"${suggestion(text, releases) || `; releases are ${releases.join(", ")}`}`);
}

function givenAddress(name: string, text: string | undefined): string {
  const address = parseAddress(text ?? "");
  if (address !== undefined) return address.text;
  throw new UsageError(`${name}: expected an address, got ${text === undefined ? "nothing" : `"${text}"`}`);
}

/** The API listens where the inventory's URL says, if that is an address. */
function fromInventory(name: string, inventory: Inventory): { group: string; listen: string | undefined } {
  const { api }: Router = routerNamed(inventory, name);
  const host = URL.parse(api.url)?.hostname.replaceAll(/^\[|\]$/g, "") ?? "";
  return { group: inventory.group, listen: parseAddress(host)?.text };
}

function readKey(path: string): string {
  let key: string;
  try {
    key = readFileSync(path, "utf8").trim();
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new CommandError(`--key-file ${path} cannot be read (${reason})`, { cause });
  }
  if (key === "" || /['\n\s]/.test(key))
    throw new CommandError(`--key-file ${path} holds no key, alone on a line, without quotes`);
  return key;
}
