/**
 * What the policies lead to, by the type and the rule of an event.
 *
 * Many types say too little alone: a page that was not there, a login that worked. Whoever reads a report must not believe
 * that each of them bans.
 */

import { bannedTypes, type Policies } from "@logwarden/shared/policies";
import type { EventType } from "@logwarden/shared/task";

/** forget: a login that works takes back what failed before. */
export const effects = ["ban", "disable", "forget", "nothing"] as const;
export type Effect = (typeof effects)[number];

export function effectOf(policies: Policies, type: EventType, rule: string): Effect {
  if (type === "interface_down") return policies.forInterface(rule) === undefined ? "nothing" : "disable";
  if (type === "login_succeeded") return policies.forgivingCounters.length > 0 ? "forget" : "nothing";
  const banned = bannedTypes.find((one) => one === type);
  return banned === undefined || policies.forEvent(banned, rule) === undefined ? "nothing" : "ban";
}

/** A few words beside a rule, where there is something to say. */
export function effectNote(effect: Effect): string {
  return effect === "nothing" ? "no policy: nothing is done" : "";
}
