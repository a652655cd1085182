/** `logwarden check-config`: what a logwarden.yaml means, or everything that is wrong with it. */

import { createRuleSet, type RuleSet } from "@logwarden/parser/rule-set";
import { ConfigurationError } from "@logwarden/shared/environment";
import { type DeviceApi, type Inventory, readInventory } from "@logwarden/shared/inventory";
import { deviceTube } from "@logwarden/shared/tubes";
import { z } from "zod";
import { effectNote, effectOf, effects } from "../explain/effects.ts";
import { configOption, configPath } from "../given/inventory.ts";
import { columns, type Output } from "../output.ts";
import { factsOfPolicies, policyRow, policyShape, warningsOf } from "../show/policies.ts";
import { jsonOption, readArguments, type Verb } from "../verb.ts";

const deviceShape = z.strictObject({
  ...{ name: z.string(), address: z.string(), tube: z.string() },
  api: z.strictObject({ url: z.string(), keyFile: z.string(), trust: z.string() }).nullable(),
  ...{ tags: z.array(z.string()), protect: z.array(z.string()) },
});
const ruleShape = z.strictObject({
  ...{ name: z.string(), on: z.boolean(), own: z.boolean(), programs: z.array(z.string()), match: z.array(z.string()) },
  ...{ type: z.string(), effect: z.enum(effects) },
});
const factsShape = z.strictObject({
  ...{ config: z.string(), usable: z.literal(true), group: z.string(), ipv6Prefix: z.number(), groupMax: z.number() },
  ...{ unbanGraceSeconds: z.number(), devices: z.array(deviceShape) },
  neverBanned: z.array(z.strictObject({ address: z.string(), why: z.string() })),
  ...{ policies: z.array(policyShape), rules: z.array(ruleShape), warnings: z.array(z.string()) },
});
type Facts = z.infer<typeof factsShape>;
const complaintsShape = z.strictObject({
  ...{ config: z.string(), usable: z.literal(false), complaints: z.array(z.string()) },
});

const options = { ...configOption, ...jsonOption } as const;

export const checkConfig: Verb = {
  name: "check-config",
  about: "what an inventory means: devices, policies, rules; or everything that is wrong with it",
  usage: ["check-config [OPTIONS]"],
  text: `Reads the inventory as the services do and prints what it means: the devices, the policies in force, what is never banned,
which rules are on, and a warning for each policy that can never act. A configuration that cannot be used is answered with
every complaint, and exit code 2; warnings alone are exit code 0.`,
  options,
  examples: ["logwarden check-config --config logwarden.yaml", "logwarden check-config --json | jq .warnings"],
  json: { shape: z.union([factsShape, complaintsShape]) },
  run: async (args, context) => {
    const { values } = readArguments(args, options, 0);
    const { output } = context;
    const config = configPath(values, context);
    try {
      const inventory = readInventory(config);
      const facts = factsOf(config, inventory, createRuleSet(config, inventory).rules);
      if (values.json) await output.json(facts);
      else await print(output, facts);
      for (const warning of facts.warnings) output.complain(`warning: ${warning}`);
      return 0;
    } catch (error) {
      if (values.json && error instanceof ConfigurationError) {
        await output.json({ config, usable: false, complaints: error.complaints });
      }
      throw error;
    }
  },
};

function factsOf(config: string, inventory: Inventory, rules: RuleSet["rules"]): Facts {
  const { group, devices, neverBan, ipv6Prefix, groupMax, unbanGraceMs } = inventory;
  const { disabled, own } = inventory.rules;
  const ownRules = new Set<RuleSet["rules"][number]>(own);
  return {
    ...{ config, usable: true, group, ipv6Prefix, groupMax, unbanGraceSeconds: unbanGraceMs / 1000 },
    devices: devices.map(({ key, address, api, tags, protect }) => ({
      ...{ name: key, address: address.text, tube: deviceTube(key) },
      api: api === undefined ? null : { url: api.url, keyFile: api.keyFile, trust: trustOf(api) },
      ...{ tags: [...tags], protect: [...protect] },
    })),
    neverBanned: neverBan.entries.map(({ prefix, why }) => ({ address: prefix.text, why })),
    policies: factsOfPolicies(inventory, rules),
    // In the order they are tried.
    rules: rules.map((rule) => ({
      ...{ name: rule.name, on: !disabled.includes(rule.name), own: ownRules.has(rule), programs: [...rule.programs] },
      ...{ match: typeof rule.match === "string" ? [rule.match] : [...rule.match], type: rule.type },
      // What its policy leads to.
      effect: effectOf(inventory.policies, rule.type, rule.name),
    })),
    warnings: warningsOf(inventory, rules),
  };
}

function trustOf({ trust }: DeviceApi): string {
  if ("fingerprint" in trust) return "certificate pinned";
  return "caFile" in trust ? `certificate by ${trust.caFile}` : "certificate NOT verified";
}

async function print(output: Output, facts: Facts): Promise<void> {
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
    `Policies (IPv6 is counted by /${facts.ipv6Prefix})`,
    facts.policies.length === 0 ? [["none: nothing is ever done"]] : facts.policies.map(policyRow),
  );
  await list(
    "Never banned",
    facts.neverBanned.map(({ address, why }) => [address, why]),
  );
  await list(
    "Rules",
    facts.rules.map(({ name, on, own, programs, type, effect }): string[] => [
      ...[on ? "on" : "off", name, type, programs.join(" ")],
      [own ? "your own" : "", effectNote(effect)].filter((note) => note !== "").join(", "),
    ]),
  );
}
