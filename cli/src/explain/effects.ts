/**
 * What the responder does for a task of each type by itself (services/responder/src/plan/plan.ts; a test holds both together).
 *
 * Most types say too little alone: a page that was not there, a login that worked. Whoever reads a report must not believe
 * that each of them bans.
 */

import type { EventType } from "@logwarden/shared/task";

export type Effect = "ban" | "disable" | "nothing";

export const effects: Readonly<Record<EventType, Effect>> = {
  password_failed: "ban",
  user_invalid: "ban",
  attempts_exceeded: "ban",
  interface_down: "disable",
  pam_failed: "nothing",
  preauth_failed: "nothing",
  login_succeeded: "nothing",
  http_error: "nothing",
  peer_ban: "nothing",
};

/** A few words beside a type, where there is something to say. */
export function effectNote(type: EventType): string {
  return effects[type] === "nothing" ? "nothing is done for it alone" : "";
}
