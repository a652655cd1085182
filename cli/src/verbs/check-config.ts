/** `logwarden check-config`: what a logwarden.yaml means, or everything that is wrong with it. */

import { createRuleSet, type RuleSet } from "@logwarden/parser/rule-set";
import { ConfigurationError } from "@logwarden/shared/environment";
import { type DeviceApi, type Inventory, readInventory } from "@logwarden/shared/inventory";
import { deviceTube } from "@logwarden/shared/tubes";
import { effectNote, effects } from "../explain/effects.ts";
import { columns, type Output } from "../output.ts";
import { configDefault } from "../topology/read.ts";
import { readArguments, type Verb } from "../verb.ts";

export const checkConfig: Verb = {
  name: "check-config",
  about: "reads the inventory: devices, what is never banned, rules; or all complaints",
  help: `logwarden check-config [--config FILE] [--json]

Reads the inventory as the services do and prints what it means: the devices, what is never banned, which rules are on.
A configuration that cannot be used is answered with every complaint, and exit code 2.

  --config FILE  the inventory; LOGWARDEN_CONFIG, or ${configDefault}, unless given
  --json         one object: {"config", "usable", "complaints"} or with everything that is printed
`,
  run: async (args, { output, environment }) => {
    const { values } = readArguments(args, { config: { type: "string" }, json: { type: "boolean" } }, 0);
    const config = values.config ?? (environment["LOGWARDEN_CONFIG"] || configDefault);
    try {
      const inventory = readInventory(config);
      const facts = factsOf(config, inventory, createRuleSet(config, inventory).rules);
      if (values.json) await output.json(facts);
      else await print(output, facts);
      return 0;
    } catch (error) {
      if (values.json && error instanceof ConfigurationError) {
        await output.json({ config, usable: false, complaints: error.complaints });
      }
      throw error;
    }
  },
};

function factsOf(config: string, inventory: Inventory, rules: RuleSet["rules"]) {
  const { group, devices, neverBan } = inventory;
  const { disabled, own } = inventory.rules;
  const ownRules = new Set<RuleSet["rules"][number]>(own);
  return {
    config,
    usable: true,
    group,
    devices: devices.map(({ key, address, api, tags, protect }) => ({
      ...{ name: key, address: address.text, tube: deviceTube(key) },
      api: api === undefined ? null : { url: api.url, keyFile: api.keyFile, trust: trustOf(api) },
      ...{ tags, protect },
    })),
    neverBanned: neverBan.entries.map(({ prefix, why }) => ({ address: prefix.text, why })),
    // In the order they are tried.
    rules: rules.map((rule) => ({
      ...{ name: rule.name, on: !disabled.includes(rule.name), own: ownRules.has(rule), programs: rule.programs },
      ...{ match: typeof rule.match === "string" ? [rule.match] : rule.match, type: rule.type },
      // What is done for one event of it by itself: ban, disable or nothing.
      effect: effects[rule.type],
    })),
  };
}

function trustOf({ trust }: DeviceApi): string {
  if ("fingerprint" in trust) return "certificate pinned";
  return "caFile" in trust ? `certificate by ${trust.caFile}` : "certificate NOT verified";
}

async function print(output: Output, facts: ReturnType<typeof factsOf>): Promise<void> {
  const list = async (title: string, rows: (string | number)[][]): Promise<void> => {
    await output.line();
    await output.line(title);
    for (const line of columns(rows)) await output.line(line);
  };
  const words = (name: string, values: readonly string[]): string => `${name} ${values.join(" ") || "-"}`;
  await output.line(`${facts.config} can be used.`);
  await list(
    `Devices (attackers go into the group ${facts.group})`,
    facts.devices.map(({ name, address, api, tags, protect }) => [
      ...[name, address, api === null ? "only sends logs" : `${api.url}, ${api.trust}`],
      ...[words("protect", protect), words("tags", tags)],
    ]),
  );
  await list(
    "Never banned",
    facts.neverBanned.map(({ address, why }) => [address, why]),
  );
  await list(
    "Rules",
    facts.rules.map(({ name, on, own, programs, type }): string[] => [
      ...[on ? "on" : "off", name, type, programs.join(" ")],
      [own ? "your own" : "", effectNote(type)].filter((note) => note !== "").join(", "),
    ]),
  );
}
