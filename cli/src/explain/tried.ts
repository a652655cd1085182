/** `--match TEMPLATE --program NAME [--type TYPE]` → a rule of one's own, as logwarden.yaml would hold it. */

import { ConfigurationError } from "@logwarden/shared/environment";
import { type OwnRule, parseInventory } from "@logwarden/shared/inventory";
import { type EventType, eventTypes } from "@logwarden/shared/task";
import { suggestion, UsageError } from "../verb.ts";

export const triedName = "tried";

export const triedOptions = {
  match: {
    type: "string",
    value: "TEMPLATE",
    multiple: true,
    about: 'tries a rule: the whole message, as it stands behind "program[pid]: "; several if given several times',
  },
  program: {
    type: "string",
    value: "NAME",
    multiple: true,
    about: 'who writes it, as the log names it: sshd of "sshd[2319]:"; several if given several times',
  },
  type: {
    type: "string",
    value: "TYPE",
    about: "what it means; password_failed unless given",
    choices: eventTypes,
  },
} as const;

interface TriedValues {
  match?: string[] | undefined;
  program?: string[] | undefined;
  type?: string | undefined;
}

/** @returns undefined when none is given. What its templates say is checked where they are compiled. */
export function triedRule({ match, program, type = "password_failed" }: TriedValues): OwnRule | undefined {
  if (match === undefined) {
    if (program !== undefined)
      throw new UsageError("--program says who writes the lines of --match, and there is none");
    return undefined;
  }
  if (program === undefined) throw new UsageError("--match needs --program: who writes these lines, such as sshd");
  if (!(eventTypes as readonly string[]).includes(type)) {
    const advice = suggestion(type, eventTypes) || `; types are ${eventTypes.join(", ")}`;
    throw new UsageError(`no type "${type}"${advice}`);
  }
  // What the peer did is not asked for on a command line; it makes no difference to what is matched.
  const set = (type as EventType) === "peer_ban" ? { action: "ban" } : undefined;
  const own = [{ name: triedName, match, program, type, ...(set === undefined ? {} : { set }) }];
  const inventory = { devices: { device: { address: "0.0.0.0" } }, allow: [], rules: { own } };
  try {
    return parseInventory(JSON.stringify(inventory), "the tried rule").rules.own[0];
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    throw new ConfigurationError(error.complaints.map((one) => one.replace(/rules\.own\.0\.(\w+)\.\d+/, "--$1")));
  }
}
