/**
 * Line → what the parser would make of it: the parser's own recognizer and decision, with the reasons kept.
 *
 *   task ── a rule claims it, and nothing forbids what it asks for
 *   refused ── a rule claims it, but its address is never banned, or its interface is protected
 *   unmatched ── no rule claims it
 *   malformed ── no line of syslog at all
 */

import { decide } from "@logwarden/parser/decide";
import { latin1 } from "@logwarden/parser/latin1";
import { createRuleSet, type RuleSet } from "@logwarden/parser/rule-set";
import type { Device, Inventory } from "@logwarden/shared/inventory";
import type { EventTask } from "@logwarden/shared/task";
import type { FileLine } from "./lines.ts";

export type Outcome = "task" | "refused" | "unmatched" | "malformed";

/** Closed: these are keys of a report. */
export type Reason =
  | "never-ban"
  | "protected"
  | "rule-off"
  | "no-rule-fits"
  | "no-rule-for-program"
  | "no-syslog-header"
  | "frame-too-long"
  | "empty";

export interface Verdict {
  outcome: Outcome;
  rule: string | null;
  /** Without `id`, which a line is given when it arrives; with `at` when the clock is known. */
  task: EventTask | null;
  reason: Reason | null;
  /** What the reason is about: an address and why, a program. */
  detail: string | null;
}

export type Rule = RuleSet["rules"][number];

export interface Judge {
  judge(line: FileLine): Verdict;
  /** In the order they are tried, switched off or not. */
  rules: readonly Rule[];
}

export interface JudgeOptions {
  /** How complaints call the inventory. */
  name: string;
  inventory: Inventory;
  /** Who sent the lines. */
  device: Device;
  /** When the lines were received, ISO 8601. */
  at?: string | undefined;
  /** A rule that is tried before all others. */
  tried?: Rule | undefined;
}

/** What each reason means, in a sentence. */
export const meanings: Record<Reason, string> = {
  "never-ban": "the address is never banned: allowed, our own, or no host's",
  protected: "the interface is protected on this device",
  "rule-off": "a rule claims it, but is switched off",
  "no-rule-fits": "the program has rules, and none of them fits",
  "no-rule-for-program": "no rule reads lines of this program",
  "no-syslog-header": 'expected "<PRI>Mmm dd hh:mm:ss host program[pid]: text" or RFC 5424, with or without <PRI>',
  "frame-too-long": "longer than the parser takes",
  empty: "an empty line",
};

const missed = (
  outcome: "unmatched" | "malformed",
  reason: Reason,
  detail: string | null,
  rule: string | null,
): Verdict => ({
  ...{ outcome, rule, task: null, reason, detail },
});

/** @throws ConfigurationError when a rule of the inventory, or the tried one, cannot be used */
export function createJudge({ name, inventory, device, at, tried }: JudgeOptions): Judge {
  const { rules, recognizer, off } = createRuleSet(name, inventory, tried);

  const judge = ({ text, overlong }: FileLine): Verdict => {
    if (overlong) return missed("malformed", "frame-too-long", null, null);
    if (text === "") return missed("malformed", "empty", null, null);
    const line = latin1(text);
    const event = recognizer.recognize(line, 0, text.length);
    if (event === "malformed") return missed("malformed", "no-syslog-header", null, null);
    if (event === "unrecognized") {
      const silenced = off.recognize(line, 0, text.length);
      if (typeof silenced !== "string") return missed("unmatched", "rule-off", null, silenced.rule);
      const program = recognizer.programOf(line, 0, text.length) ?? "";
      const isRead = recognizer.programs.has(program) || off.programs.has(program);
      return missed("unmatched", isRead ? "no-rule-fits" : "no-rule-for-program", readable(program), null);
    }
    const decision = decide(event, device, inventory, at ?? "", "");
    if (decision.kind === "refused") {
      const { reason, detail } = decision;
      return { outcome: "refused", rule: event.rule, task: null, reason, detail };
    }
    const { id: _, at: __, ...undated } = decision.task;
    const task = at === undefined ? undated : { ...undated, at };
    return { outcome: "task", rule: event.rule, task, reason: null, detail: null };
  };
  return { judge, rules };
}

/** latin1 as it stands in a line → text. */
export function readable(latin1: string): string {
  return Buffer.from(latin1, "latin1").toString("utf8");
}
