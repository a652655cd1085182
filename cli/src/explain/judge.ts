/**
 * Line → what the parser would make of it: the parser's own recognizer and decision, with the reasons kept.
 *
 *   task ── a rule claims it, and nothing forbids what it asks for
 *   refused ── a rule claims it, but its address is never banned, or its interface is protected
 *   unmatched ── no rule claims it
 *   malformed ── no line of syslog at all
 */

import { decide } from "@logwarden/parser/decide";
import { createRecognizer, shippedRules } from "@logwarden/parser/recognize";
import type { Device, Inventory } from "@logwarden/shared/inventory";
import type { Task } from "@logwarden/shared/task";
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
  /** Without `id` and `at`, which a line is given when it arrives. */
  task: Task | null;
  reason: Reason | null;
  /** What the reason is about: an address and why, a program. */
  detail: string | null;
}

export type Judge = (line: FileLine) => Verdict;

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

/** @throws TemplateError when the inventory switches off a rule that does not exist */
export function createJudge(inventory: Inventory, device: Device): Judge {
  const recognizer = createRecognizer(shippedRules, inventory.rulesDisabled);
  const off = createRecognizer(shippedRules.filter(({ name }) => inventory.rulesDisabled.includes(name)));
  const programs = new Set(shippedRules.flatMap((rule) => rule.programs));

  return ({ text, overlong }) => {
    if (overlong) return missed("malformed", "frame-too-long", null, null);
    if (text === "") return missed("malformed", "empty", null, null);
    const recognition = recognizer.recognize(text, 0, text.length);
    if (recognition.kind === "malformed") return missed("malformed", "no-syslog-header", null, null);
    if (recognition.kind === "unrecognized") {
      const silenced = off.recognize(text, 0, text.length);
      if (silenced.kind === "event") return missed("unmatched", "rule-off", null, silenced.event.rule);
      const { program } = recognition;
      const reason = programs.has(program) ? "no-rule-fits" : "no-rule-for-program";
      return missed("unmatched", reason, readable(program), null);
    }
    const { event } = recognition;
    const decision = decide(event, device, inventory, "", "");
    if (decision.kind === "refused") {
      const { reason, detail } = decision;
      return { outcome: "refused", rule: event.rule, task: null, reason, detail };
    }
    const { id: _, at: __, ...task } = decision.task;
    return { outcome: "task", rule: event.rule, task, reason: null, detail: null };
  };
}

/** latin1 as it stands in a line → text. */
export function readable(latin1: string): string {
  return Buffer.from(latin1, "latin1").toString("utf8");
}
