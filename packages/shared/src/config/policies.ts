/**
 * Policies: how much of what is too much, and what follows. In fail2ban's words.
 *
 *   password_failed: { maxRetry: 5, findTime: 10m, banTime: 1h, growth: 2, banTimeMax: 7d, targets: [edge] }
 *
 * Where `policies` is left out, the built-in ones act on the first event, as the original design does. Where it is
 * written, it is the whole list: a type that it does not name is recognized, counted in the metrics, and nothing else.
 */

import { z } from "zod";
import { type Duration, durationForm, parseDuration } from "../duration.ts";
import type { EventType } from "../flow/task.ts";

/** `self` is the device whose line it was. */
export type TargetWord = "self" | "all" | { tag: string };

export interface BanPolicy {
  /** So many sightings within findTimeMs are a ban. */
  maxRetry: number;
  findTimeMs: number;
  /** null: permanent. */
  banTimeMs: number | null;
  /** Each further ban of the same subject is so many times as long. */
  growth: number;
  /** No ban grows beyond this; null: no bound. */
  banTimeMaxMs: number | null;
  targets: readonly TargetWord[];
  /** A login that works takes back the failed ones of the same user from the same subject. */
  forgetOnSuccess: boolean;
  /** Decided and written down, and no router is touched. */
  dryRun: boolean;
}

export interface InterfacePolicy {
  /** So many falls within findTimeMs disable the interface. */
  maxRetry: number;
  findTimeMs: number;
  /** When it is enabled again by itself; null: never. */
  enableAfterMs: number | null;
  dryRun: boolean;
}

/** A policy, and the name of what it counts: the type, or `type/rule` where the rule has a policy of its own. */
export interface Chosen<P> {
  policy: P;
  counter: string;
}

export interface Policies {
  /** @returns undefined when nothing is done about this type */
  forEvent(type: BannedType, rule: string): Chosen<BanPolicy> | undefined;
  forInterface(rule: string): Chosen<InterfacePolicy> | undefined;
  /** What a login that works takes back: the counters of the policies that say so. */
  readonly forgivingCounters: readonly string[];
  /** The longest findTime: what is older is never looked at again. */
  readonly findTimeMsMax: number;
  /** Types with a policy, for people. */
  readonly types: readonly string[];
}

/** Types of events that may lead to a ban. */
export const bannedTypes = [
  "password_failed",
  "user_invalid",
  "attempts_exceeded",
  "pam_failed",
  "preauth_failed",
  "http_error",
  "peer_ban",
] as const satisfies readonly EventType[];
export type BannedType = (typeof bannedTypes)[number];

/** Each sighting until a ban is a row; nobody waits for more. */
const maxRetryMax = 1000;
/** Sightings are kept for the longest findTime: a month of them is what a small disk can hold. */
const findTimeSecondsMax = 31 * 86_400;

const seconds = z.union([z.string(), z.number().int()]).transform((value, context): Duration => {
  const duration = parseDuration(String(value));
  if (duration !== undefined) return duration;
  context.addIssue({ code: "custom", message: `expected ${durationForm}, or permanent` });
  return z.NEVER;
});
const milliseconds = (duration: Duration): number | null => (duration === "permanent" ? null : duration * 1000);
const end = seconds.transform(milliseconds);
const span = (secondsMax: number) =>
  end.refine(
    (ms): ms is number => ms !== null && ms <= secondsMax * 1000,
    `expected ${durationForm}, at most ${secondsMax / 86_400}d`,
  );

const counting = {
  maxRetry: z.number().int().min(1).max(maxRetryMax),
  findTime: span(findTimeSecondsMax),
  dryRun: z.boolean(),
};

const ban = {
  ...counting,
  banTime: end,
  growth: z.number().min(1).max(100),
  banTimeMax: end,
  targets: z
    .array(z.string().regex(/^[a-z0-9-]{1,63}$/, "expected self, all, or a tag of the devices that it is for"))
    .min(1, "expected at least one of self, all and tags"),
  forgetOnSuccess: z.boolean(),
};

const interfaceDown = { ...counting, enableAfter: end, targets: z.tuple([z.literal("self")]) };

const rules = <S extends z.ZodRawShape>(shape: S) =>
  z.record(z.string().min(1), z.strictObject(shape).partial()).default({});

const BanForm = z.strictObject({ ...z.strictObject(ban).partial().shape, rules: rules(ban) });
const InterfaceForm = z.strictObject({ ...z.strictObject(interfaceDown).partial().shape, rules: rules(interfaceDown) });

/** `policies` of logwarden.yaml. */
export const PoliciesForm = z
  .strictObject({
    ...Object.fromEntries(bannedTypes.map((type) => [type, BanForm.optional()])),
    interface_down: InterfaceForm.optional(),
  } as Record<BannedType, z.ZodOptional<typeof BanForm>> & { interface_down: z.ZodOptional<typeof InterfaceForm> })
  .optional();
type PoliciesForm = z.infer<typeof PoliciesForm>;

/** What a policy says where it says nothing. The first event acts, for an hour, on the router whose line it was. */
const banDefault = {
  maxRetry: 1,
  findTime: 600_000,
  banTime: 3_600_000,
  growth: 1,
  banTimeMax: null,
  targets: ["self"],
  forgetOnSuccess: false,
  dryRun: false,
};
const interfaceDefault = { maxRetry: 1, findTime: 600_000, enableAfter: null, dryRun: false };

/** Those of the original design: what an attack looks like by itself, and a link that is lost. */
const builtIn: NonNullable<PoliciesForm> = {
  password_failed: { rules: {} },
  user_invalid: { rules: {} },
  attempts_exceeded: { rules: {} },
  interface_down: { rules: {} },
};

export function createPolicies(form: PoliciesForm): Policies {
  const { interface_down: down, ...bans } = form ?? builtIn;
  const byType = new Map<string, (rule: string) => Chosen<BanPolicy>>();
  const all: BanPolicy[] = [];
  const forgivingCounters: string[] = [];
  for (const [type, given] of Object.entries(bans)) {
    if (given === undefined) continue;
    const { rules: overrides, ...general } = given;
    const policy = toBanPolicy(general);
    const own = new Map(
      Object.entries(overrides).map(([rule, override]) => [rule, toBanPolicy({ ...general, ...override })]),
    );
    all.push(policy, ...own.values());
    if (policy.forgetOnSuccess) forgivingCounters.push(type);
    for (const [rule, { forgetOnSuccess }] of own) if (forgetOnSuccess) forgivingCounters.push(`${type}/${rule}`);
    byType.set(type, (rule) => {
      const special = own.get(rule);
      return special === undefined ? { policy, counter: type } : { policy: special, counter: `${type}/${rule}` };
    });
  }
  const forInterface = down === undefined ? undefined : interfacePolicies(down);
  const spans = [...all, ...(forInterface?.all ?? [])].map(({ findTimeMs }) => findTimeMs);
  return {
    forEvent: (type, rule) => byType.get(type)?.(rule),
    forInterface: (rule) => forInterface?.choose(rule),
    forgivingCounters,
    findTimeMsMax: Math.max(0, ...spans),
    types: [...byType.keys(), ...(forInterface === undefined ? [] : ["interface_down"])],
  };
}

/** The tags that policies aim at, each with the path that names it: for a check that somebody has them. */
export function tagsOf(form: PoliciesForm): { path: string; tag: string }[] {
  const { interface_down: _, ...bans } = form ?? {};
  return Object.entries(bans).flatMap(([type, given]) => {
    if (given === undefined) return [];
    const lists: (readonly [string, readonly string[] | undefined])[] = [
      [type, given.targets],
      ...Object.entries(given.rules).map(([rule, { targets }]) => [`${type}.rules.${rule}`, targets] as const),
    ];
    return lists.flatMap(([path, words]) =>
      (words ?? [])
        .filter((word) => word !== "self" && word !== "all")
        .map((tag) => ({ path: `policies.${path}.targets`, tag })),
    );
  });
}

type Given<T> = { [K in keyof T]?: T[K] | undefined };

function toBanPolicy(given: Given<z.infer<z.ZodObject<typeof ban>>>): BanPolicy {
  const form = { ...banDefault, ...withoutUndefined(given) } as z.infer<z.ZodObject<typeof ban>>;
  const { maxRetry, findTime, banTime, growth, banTimeMax, targets, forgetOnSuccess, dryRun } = form;
  return {
    ...{ maxRetry, growth, forgetOnSuccess, dryRun },
    findTimeMs: findTime,
    banTimeMs: banTime,
    banTimeMaxMs: banTimeMax,
    targets: targets.map((word) => (word === "self" || word === "all" ? word : { tag: word })),
  };
}

function interfacePolicies(form: z.infer<typeof InterfaceForm>) {
  const { rules: overrides, ...general } = form;
  const toPolicy = (given: Given<z.infer<z.ZodObject<typeof interfaceDown>>>): InterfacePolicy => {
    const { maxRetry, findTime, enableAfter, dryRun } = { ...interfaceDefault, ...withoutUndefined(given) };
    return { maxRetry, dryRun, findTimeMs: findTime, enableAfterMs: enableAfter };
  };
  const policy = toPolicy(general);
  const own = new Map(
    Object.entries(overrides).map(([rule, override]) => [rule, toPolicy({ ...general, ...override })]),
  );
  return {
    all: [policy, ...own.values()],
    choose: (rule: string): Chosen<InterfacePolicy> => {
      const special = own.get(rule);
      return special === undefined
        ? { policy, counter: "interface_down" }
        : { policy: special, counter: `interface_down/${rule}` };
    },
  };
}

function withoutUndefined<T extends object>(given: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as never;
}

/** How long the subject's next ban is. @param offences bans before this one */
export function banLengthMs(policy: BanPolicy, offences: number): number | null {
  if (policy.banTimeMs === null) return null;
  const grown = policy.banTimeMs * policy.growth ** offences;
  const bounded = Math.min(grown, policy.banTimeMaxMs ?? Number.POSITIVE_INFINITY);
  // Beyond what a calendar holds there is no difference to permanent.
  return bounded > 8e12 ? null : Math.round(bounded);
}
