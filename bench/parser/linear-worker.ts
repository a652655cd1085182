/**
 * Measures hostile lines against rules, one rule at a time, and many at once.
 *
 *   node linear-worker.ts '[1024,4096]'  ──▶  {"cases":[…],"refused":[…]}
 */

import { hostileLines } from "./hostile-lines.ts";
import { madeRules } from "./made-rules.ts";
import { type OwnRule, recognizeWith, type Rules, shipped, shippedOnly, shippedTemplates } from "./our-parser.ts";

export interface Case {
  group: string;
  rule: string;
  /** The kind of line. */
  line: string;
  /** By size. */
  nsPerByte: number[];
}

export interface Refused {
  rule: string;
  why: string;
}

/** As an operator could write them who means harm, or knows no better. */
const hostileTemplates = [
  "{a:word} {b:word} {c:word} {d:word} {e:word} {address:ip} end",
  "{a:int}.{b:int}.{c:int}.{d:int}.{e:int} from {address:ip} end!",
  "aaaa{user}aaaa from {address:ip} aaaa",
  "{user} from {address:ip} from {b:word} from {c:word} from",
  "[aaaa ][aaaa ][aaaa ][aaaa ]{user} aaaa {address:ip}",
  "[from {a:word} ][from {b:word} ][from {c:word} ][from {d:word} ]{user} from {address:ip}",
  "from from {address:ip}[ from {a:word}][ from {b:word}][ from {c:word}][ from {d:word}]",
  "    {user}    {address:ip}    ",
  "{flags:hex}{user}0x0x {address:ip}",
  "{a:word}aa{b:word}aa{c:word}aaa {address:ip}",
  "message repeated {times:int} times: \\[ {user} from {address:ip} \\]",
  "{a} and {b} from {address:ip}",
  "{user}{address:ip}",
];

/** Long enough for the clock, short enough that most runs are not interrupted. */
const runMsMin = 0.2;
const runs = 5;
/** What disturbs the machine takes longer than the runs of a case: all are measured again when the others are through. */
const sweeps = 2;

const sizes = JSON.parse(process.argv[2] ?? "") as number[];
const cases: Case[] = [];
const refused = new Map<string, Refused>();

for (let number = 0; number < sweeps; number++) sweep();
process.stdout.write(`${JSON.stringify({ cases, refused: [...refused.values()] })}\n`);

/** Measures every case, always in the same order. */
function sweep(): void {
  const seen = cases.splice(0);
  for (const template of shippedTemplates) measure("shipped", template, shippedOnly([template.name]));
  for (const [number, match] of hostileTemplates.entries()) {
    const rule: OwnRule = { name: `own-${number + 1}`, program: "sshd", match, type: "password_failed" };
    try {
      measure("an operator's own", { name: match, program: "sshd", match }, { ...shippedOnly([]), own: [rule] });
    } catch (error) {
      refused.set(match, { rule: match, why: complaint(error, rule.name) });
    }
  }
  for (const template of shippedTemplates) measure("shipped, all of them at once", template, shipped);
  const many = madeRules({ made: 300, from: 0, ofOneProgram: 50, withShipped: false });
  for (const { name, match } of many.own.slice(0, 7)) {
    measure("300 at once, 50 for sshd", { name, program: "sshd", match }, many);
  }
  for (const [index, { nsPerByte }] of seen.entries()) {
    const again = cases[index] as Case;
    again.nsPerByte = again.nsPerByte.map((value, size) => Math.min(value, nsPerByte[size] ?? value));
  }
}

function measure(group: string, template: { name: string; program: string; match: string }, rules: Rules): void {
  const recognize = recognizeWith(rules);
  const bySize = sizes.map((bytes) => hostileLines(template.program, template.match, bytes));
  for (const [index, { kind }] of (bySize[0] ?? []).entries()) {
    const nsPerByte = bySize.map((lines) => nanosecondsPerByte(recognize, lines[index]?.text ?? ""));
    cases.push({ group, rule: template.name, line: kind, nsPerByte });
  }
}

/** What is wrong with the rule: the first line, behind its name. */
function complaint(error: unknown, name: string): string {
  const [first = ""] = (error instanceof Error ? error.message : String(error)).split("\n");
  return first.slice(first.indexOf(name)).replace(`${name}: `, "");
}

function nanosecondsPerByte(recognize: ReturnType<typeof recognizeWith>, text: string): number {
  const ends = [...text.matchAll(/\n/g)].map(({ index }) => index);
  const lines = (ends.length === 0 ? [text.length] : ends).map((to, number) => ({
    from: (ends[number - 1] ?? -1) + 1,
    to,
  }));
  const once = (): void => recognize(text, lines);
  let least = Number.POSITIVE_INFINITY;
  let times = 1;
  for (let run = 0; run < runs; ) {
    const startedAtMs = performance.now();
    for (let time = 0; time < times; time++) once();
    const tookMs = performance.now() - startedAtMs;
    if (tookMs < runMsMin) {
      // Also warms it up.
      times *= 2;
      continue;
    }
    least = Math.min(least, (tookMs * 1e6) / times / text.length);
    run++;
  }
  return least;
}
