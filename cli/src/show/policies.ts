/** The policies in force → what is told of them, and which of them can never act. */

import { formatDuration } from "@logwarden/shared/duration";
import type { Inventory } from "@logwarden/shared/inventory";
import {
  type BannedType,
  bannedTypes,
  type BanPolicy,
  type InterfacePolicy,
  type TargetWord,
} from "@logwarden/shared/policies";
import { z } from "zod";

/** What an interface_down does not have is null: its ban, growth and login. */
export const policyShape = z.strictObject({
  type: z.string(),
  rule: z.string().nullable(),
  maxRetry: z.number(),
  findTimeSeconds: z.number(),
  banTimeSeconds: z.number().nullable(),
  permanent: z.boolean(),
  growth: z.number().nullable(),
  banTimeMaxSeconds: z.number().nullable(),
  enableAfterSeconds: z.number().nullable(),
  targets: z.array(z.string()),
  forgetOnSuccess: z.boolean(),
  dryRun: z.boolean(),
});
export type PolicyFacts = z.infer<typeof policyShape>;

type Rule = { name: string };

/** One for each type, and one for each rule that has its own. */
export function factsOfPolicies({ policies }: Inventory, rules: readonly Rule[]): PolicyFacts[] {
  const names = ["", ...rules.map(({ name }) => name)];
  const once = <T extends { counter: string }>(found: readonly (T | undefined)[]): T[] => [
    ...new Map(found.flatMap((one) => (one === undefined ? [] : [[one.counter, one] as const]))).values(),
  ];
  const bans = bannedTypes.flatMap((type) => once(names.map((name) => policies.forEvent(type, name))));
  const downs = once(names.map((name) => policies.forInterface(name)));
  return [
    ...bans.map(({ counter, policy }) => banFacts(counter, policy)),
    ...downs.map(({ counter, policy }) => interfaceFacts(counter, policy)),
  ];
}

function named(counter: string) {
  const [type = "", rule = null] = counter.split("/");
  return { type, rule };
}

const seconds = (ms: number | null): number | null => (ms === null ? null : ms / 1000);

function banFacts(counter: string, policy: BanPolicy): PolicyFacts {
  const { maxRetry, findTimeMs, banTimeMs, growth, banTimeMaxMs, forgetOnSuccess, dryRun } = policy;
  return {
    ...{ ...named(counter), maxRetry, findTimeSeconds: findTimeMs / 1000, banTimeSeconds: seconds(banTimeMs) },
    ...{ permanent: banTimeMs === null, growth, banTimeMaxSeconds: seconds(banTimeMaxMs), enableAfterSeconds: null },
    ...{ targets: policy.targets.map(wordOf), forgetOnSuccess, dryRun },
  };
}

function interfaceFacts(
  counter: string,
  { maxRetry, findTimeMs, enableAfterMs, dryRun }: InterfacePolicy,
): PolicyFacts {
  return {
    ...{ ...named(counter), maxRetry, findTimeSeconds: findTimeMs / 1000, banTimeSeconds: null, permanent: false },
    ...{ growth: null, banTimeMaxSeconds: null, enableAfterSeconds: seconds(enableAfterMs), targets: ["self"] },
    ...{ forgetOnSuccess: false, dryRun },
  };
}

const wordOf = (word: TargetWord): string => (typeof word === "string" ? word : word.tag);

/** One line of the table. */
export function policyRow(facts: PolicyFacts): string[] {
  const { type, rule, maxRetry, findTimeSeconds, growth, banTimeMaxSeconds, enableAfterSeconds, targets } = facts;
  const grows = growth !== null && growth > 1;
  const most = banTimeMaxSeconds === null ? "" : ` up to ${formatDuration(banTimeMaxSeconds)}`;
  const notes = [
    grows ? `each further one ×${growth}${most}` : "",
    facts.forgetOnSuccess ? "a login forgets" : "",
    facts.dryRun ? "dry run" : "",
  ];
  const up = enableAfterSeconds === null ? "until somebody enables it" : `for ${formatDuration(enableAfterSeconds)}`;
  const length = facts.permanent ? "without an end" : `for ${formatDuration(facts.banTimeSeconds ?? 0)}`;
  return [
    ...[rule === null ? type : `${type}, rule ${rule}`, `${maxRetry} in ${formatDuration(findTimeSeconds)}`],
    ...[type === "interface_down" ? `disable ${up}` : `ban ${length}`, `on ${targets.join(", ")}`],
    notes.filter((note) => note !== "").join(", "),
  ];
}

/** Policies that look as if they did something, and cannot: a sentence each. */
export function warningsOf({ devices, policies }: Inventory, rules: readonly Rule[]): string[] {
  const routers = devices.filter(({ api }) => api !== undefined);
  const silent = devices.filter(({ api }) => api === undefined).map(({ key }) => key);
  if (routers.length === 0) return ["no device has an `api`: nobody is banned anywhere, and no interface is disabled"];
  // What is wrong → the policies that it is wrong with.
  const wrong = new Map<string, Set<string>>();
  for (const type of bannedTypes) {
    for (const name of ["", ...rules.map((rule) => rule.name)]) {
      const chosen = policies.forEvent(type satisfies BannedType, name);
      if (chosen === undefined) continue;
      for (const text of wrongWith(chosen.policy.targets)) {
        const counters = wrong.get(text) ?? new Set();
        wrong.set(text, counters.add(chosen.counter));
      }
    }
  }
  return [...wrong].map(([text, counters]) => `policies ${[...counters].join(", ")}: ${text}`);

  function wrongWith(targets: readonly TargetWord[]): string[] {
    if (targets.includes("all")) return [];
    const tags = targets.flatMap((word) => (typeof word === "string" ? [] : [word.tag]));
    const dead = tags.filter((tag) => !routers.some((router) => router.tags.includes(tag)));
    const texts = dead.map((tag) => `no device with the tag ${tag} has an \`api\`: that target holds nothing`);
    if (tags.length > dead.length || !targets.includes("self") || silent.length === 0) return texts;
    return [
      ...texts,
      `targets [${targets.map(wordOf).join(", ")}] is the device whose line it was, and ${silent.join(", ")} ` +
        `${silent.length === 1 ? "has" : "have"} no \`api\`: who attacks there is banned nowhere`,
    ];
  }
}
