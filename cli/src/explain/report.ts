/** Verdicts → the sums that a person reads, in the manner of fail2ban-regex. Memory is bounded, however many addresses attack. */

import type { EventTask, EventType } from "@logwarden/shared/task";
import { columns } from "../output.ts";
import { type Effect, effectNote } from "./effects.ts";
import { meanings, type Outcome, type Reason, type Verdict } from "./judge.ts";

/** Different addresses and interfaces that are counted one by one. */
const subjectsMax = 100_000;
const subjectsShown = 10;

/** A rule as the report tells of it. */
export interface ReportedRule {
  name: string;
  type: EventType;
  programs: readonly string[];
  origin: "shipped" | "own" | "tried";
  /** What its policy leads to. */
  effect: Effect;
}

interface Sums {
  task: number;
  refused: number;
  off: number;
}

export class Report {
  readonly #rules: readonly ReportedRule[];
  readonly #effects: ReadonlyMap<string, Effect>;
  #lines = 0;
  readonly #outcomes: Record<Outcome, number> = { task: 0, refused: 0, unmatched: 0, malformed: 0 };
  /** Tasks for which something is done. */
  #effective = 0;
  readonly #sums = new Map<string, Sums>();
  readonly #reasons = new Map<Reason, { outcome: Outcome; times: number }>();
  readonly #subjects = new Map<string, { times: number; effective: boolean }>();
  #uncounted = 0;
  /** Lines that no rule claims, of the tried rule's programs. */
  #missedByTried = 0;
  readonly #tried: ReportedRule | undefined;

  /** @param rules all that could have claimed a line */
  constructor(rules: readonly ReportedRule[]) {
    this.#rules = rules;
    this.#effects = new Map(rules.map(({ name, effect }) => [name, effect]));
    this.#tried = rules.find(({ origin }) => origin === "tried");
  }

  add({ outcome, rule, reason, task, detail }: Verdict): void {
    this.#lines++;
    this.#outcomes[outcome]++;
    if (rule !== null) {
      const sums = this.#sums.get(rule) ?? { task: 0, refused: 0, off: 0 };
      sums[outcome === "task" || outcome === "refused" ? outcome : "off"]++;
      this.#sums.set(rule, sums);
    }
    if (reason !== null) {
      const known = this.#reasons.get(reason);
      if (known === undefined) this.#reasons.set(reason, { outcome, times: 1 });
      else known.times++;
    }
    if (task !== null) this.#addTask(task, this.#effects.get(rule ?? "") !== "nothing");
    if (reason === "no-rule-fits" && this.#tried?.programs.includes(detail ?? "")) this.#missedByTried++;
  }

  /** @param title what was read, and for whom */
  print(title: string): string[] {
    const { task, refused, unmatched, malformed } = this.#outcomes;
    return [
      title,
      ...this.#printRules(),
      ...this.#printSubjects("Asked for", true),
      ...this.#printSubjects("Told, and no policy does anything about it", false),
      ...(this.#uncounted > 0 ? ["", `${this.#uncounted} events of more addresses were not counted one by one.`] : []),
      ...section("Refused", this.#reasonsOf("refused")),
      ...section("Missed: unmatched", this.#reasonsOf("unmatched")),
      ...section("Missed: malformed", this.#reasonsOf("malformed")),
      "",
      `Lines: ${this.#lines}; matched ${task + refused} (task ${task}, refused ${refused}); ` +
        `missed ${unmatched + malformed} (unmatched ${unmatched}, malformed ${malformed})`,
      ...(this.#effective < task
        ? [`Tasks: ${task}; ${this.#effective} count for a policy, the other ${task - this.#effective} lead to nothing`]
        : []),
    ];
  }

  /** Those that claimed a line, the busiest first; of one's own also those that did not. */
  #printRules(): string[] {
    const none: Sums = { task: 0, refused: 0, off: 0 };
    const total = ({ task, refused, off }: Sums): number => task + refused + off;
    const told = this.#rules
      .map((rule) => ({ ...rule, sums: this.#sums.get(rule.name) ?? none }))
      .filter(({ origin, sums }) => origin !== "shipped" || total(sums) > 0)
      .sort((a, b) => total(b.sums) - total(a.sums));
    const rows = told.map(({ name, type, origin, effect, sums }) => [
      ...[total(sums), name, type, `task ${sums.task}, refused ${sums.refused}`],
      [origin === "own" ? "your own" : "", sums.off > 0 ? "switched off" : effectNote(effect)]
        .filter((note) => note !== "")
        .join(", "),
    ]);
    const silent = this.#rules.length - told.length;
    const lines = section("Rules", rows);
    if (lines.length > 0 && silent > 0) lines.push(`  and ${silent} that claimed no line`);
    return [...lines, ...this.#printTried()];
  }

  /** Why a rule that is tried claims nothing: its words, or its program's name. */
  #printTried(): string[] {
    const tried = this.#tried;
    if (tried === undefined || this.#sums.has(tried.name)) return [];
    const programs = tried.programs.join(", ");
    const others = this.#rules.filter((rule) => rule.programs.some((program) => tried.programs.includes(program)));
    const claiming = others.map(({ name }) => name).filter((name) => this.#sums.has(name));
    const facts = [
      this.#missedByTried > 0
        ? `lines of ${programs} that no rule claimed: ${this.#missedByTried}, --print-missed shows them`
        : undefined,
      claiming.length > 0 ? `lines of ${programs} that others claimed: ${claiming.join(", ")}` : undefined,
    ].filter((fact) => fact !== undefined);
    if (facts.length === 0) facts.push(`no line of ${programs} was read: is that how it names itself in the log?`);
    return ["", "The tried rule claimed no line", ...facts.map((fact) => `  ${fact}`)];
  }

  #reasonsOf(wanted: Outcome): (string | number)[][] {
    return [...this.#reasons].flatMap(([reason, { outcome, times }]) =>
      outcome === wanted ? [[times, reason, meanings[reason]]] : [],
    );
  }

  #printSubjects(title: string, effective: boolean): string[] {
    const subjects = [...this.#subjects].filter(([, subject]) => subject.effective === effective);
    const shown = subjects.sort(([, a], [, b]) => b.times - a.times).slice(0, subjectsShown);
    const more = subjects.length > shown.length ? ` (the first ${shown.length} of ${subjects.length})` : "";
    return section(
      `${title}${more}`,
      shown.map(([name, { times }]) => [times, ...name.split("\t")]),
    );
  }

  #addTask(task: EventTask, effective: boolean): void {
    if (effective) this.#effective++;
    const times = task.count ?? 1;
    const key = `${task.type}\t${subjectOf(task)}`;
    const known = this.#subjects.get(key);
    if (known !== undefined) known.times += times;
    else if (this.#subjects.size >= subjectsMax) this.#uncounted++;
    else this.#subjects.set(key, { times, effective });
  }
}

/** Who or what a task is about, and what its type adds to that. */
function subjectOf(task: EventTask): string {
  if (task.type === "interface_down") return task.interface;
  if (task.type === "http_error") return `${task.from}\t${task.status ?? task.reason ?? ""}`;
  return task.type === "peer_ban" ? `${task.from}\t${task.action}` : task.from;
}

function section(title: string, rows: (string | number)[][]): string[] {
  return rows.length === 0 ? [] : ["", title, ...columns(rows)];
}
