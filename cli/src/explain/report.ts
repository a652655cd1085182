/** Verdicts → the sums that a person reads, in the manner of fail2ban-regex. Memory is bounded, however many addresses attack. */

import type { Task } from "@logwarden/shared/task";
import { columns } from "../output.ts";
import { meanings, type Outcome, type Reason, type Verdict } from "./judge.ts";

/** Different addresses and interfaces that are counted one by one. */
const subjectsMax = 100_000;
const subjectsShown = 10;

export class Report {
  #lines = 0;
  readonly #outcomes: Record<Outcome, number> = { task: 0, refused: 0, unmatched: 0, malformed: 0 };
  readonly #rules = new Map<string, { task: number; refused: number; off: number }>();
  readonly #reasons = new Map<Reason, { outcome: Outcome; times: number }>();
  readonly #subjects = new Map<string, number>();
  #uncounted = 0;

  add({ outcome, rule, reason, task }: Verdict): void {
    this.#lines++;
    this.#outcomes[outcome]++;
    if (rule !== null) {
      const sums = this.#rules.get(rule) ?? { task: 0, refused: 0, off: 0 };
      sums[outcome === "task" || outcome === "refused" ? outcome : "off"]++;
      this.#rules.set(rule, sums);
    }
    if (reason !== null) {
      this.#reasons.set(reason, { outcome, times: (this.#reasons.get(reason)?.times ?? 0) + 1 });
    }
    if (task !== null) this.#addSubject(task);
  }

  /** @param title what was read, and for whom */
  print(title: string): string[] {
    const { task, refused, unmatched, malformed } = this.#outcomes;
    const rules = [...this.#rules].map(([name, sums]) => [
      ...[sums.task + sums.refused + sums.off, name, `task ${sums.task}, refused ${sums.refused}`],
      sums.off > 0 ? "switched off" : "",
    ]);
    const reasons = (wanted: Outcome): (string | number)[][] =>
      [...this.#reasons].flatMap(([reason, { outcome, times }]) =>
        outcome === wanted ? [[times, reason, meanings[reason]]] : [],
      );
    const busiest = [...this.#subjects].sort((a, b) => b[1] - a[1]).slice(0, subjectsShown);
    return [
      title,
      ...section("Rules", rules),
      ...section(
        `Asked for${this.#subjects.size > subjectsShown ? ` (the first ${subjectsShown} of ${this.#subjects.size})` : ""}`,
        busiest.map(([subject, times]) => [times, subject]),
      ),
      ...section("Refused", reasons("refused")),
      ...section("Missed: unmatched", reasons("unmatched")),
      ...section("Missed: malformed", reasons("malformed")),
      ...(this.#uncounted > 0 ? ["", `${this.#uncounted} events of more addresses were not counted one by one.`] : []),
      "",
      `Lines: ${this.#lines}; matched ${task + refused} (task ${task}, refused ${refused}); ` +
        `missed ${unmatched + malformed} (unmatched ${unmatched}, malformed ${malformed})`,
    ];
  }

  #addSubject(task: Task): void {
    const subject = `${task.type} ${task.type === "password_failed" ? task.from : task.interface}`;
    const known = this.#subjects.get(subject);
    if (known === undefined && this.#subjects.size >= subjectsMax) this.#uncounted++;
    else this.#subjects.set(subject, (known ?? 0) + (task.count ?? 1));
  }
}

function section(title: string, rows: (string | number)[][]): string[] {
  return rows.length === 0 ? [] : ["", title, ...columns(rows)];
}
