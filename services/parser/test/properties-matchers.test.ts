// The compiled matchers, and the dispatcher that chooses among them, against what templates mean: said slowly in
// properties-templates.ts, tried one by one in their order.

import { describe, expect, test } from "@jest/globals";
import { parseAddress } from "@logwarden/shared/ip";
import fc from "fast-check";
import { Dispatcher, type Entry } from "../src/recognize/dispatch.ts";
import { Edges } from "../src/recognize/edges.ts";
import { shippedRules } from "../src/recognize/rule-set.ts";
import {
  compileTemplate,
  type Form as Compiled,
  fieldsMax,
  type Template,
  TemplateError,
} from "../src/recognize/template.ts";
import { corpusLines, hostileText } from "./properties-lines.ts";
import {
  type FieldKind,
  type Form,
  formsOf,
  type Node,
  type Part,
  readForm,
  readTemplate,
  writeTemplate,
} from "./properties-templates.ts";

interface Made {
  template: Template;
  forms: Form[];
}

/** Few characters, so that texts overlap, repeat and stand inside one another; a byte of UTF-8 among them. */
const letter = fc.constantFrom("a", "b", " ", ":", "x", "1", "\u00e9");
const text = fc.string({ unit: letter, minLength: 1, maxLength: 6 });
/** Longer ones share beginnings and ends, and are longer than the window of the search. */
const fixed = fc.oneof(
  text,
  fc
    .tuple(
      fc.constantFrom("failed ", "failed login ", "ab", "aab", "abababababab", ""),
      text,
      fc.constantFrom("", " from ", "bab", "x x x x x x x x"),
    )
    .map((parts) => parts.join("")),
);
const kind = fc.constantFrom<FieldKind>("ip", "int", "hex", "word", "word", "quoted");

/** Texts and fields in turn; a field may come first or last, one of them may be free text, and some parts are optional. */
const nodes: fc.Arbitrary<Node[]> = fc
  .tuple(
    fc.array(fc.tuple(fixed, kind), { minLength: 1, maxLength: 4 }),
    fc.tuple(fc.boolean(), fc.boolean(), fc.option(fc.nat(4)), fc.array(fc.nat(3), { maxLength: 2 })),
  )
  .map(([pairs, [startsWithField, endsWithText, free, optional]]) => {
    const parts = pairs.flatMap(([literal, of], number): Part[] => {
      const isFree = free === number;
      const quoted = of === "quoted" && !isFree;
      const field: Part = { field: `f${number}`, kind: isFree ? "text" : of };
      return quoted ? [{ literal: `${literal}"` }, field, { literal: '"' }] : [{ literal }, field];
    });
    const [first] = parts;
    const isBare = startsWithField && first !== undefined && "literal" in first && !first.literal.endsWith('"');
    const all: Node[] = [...parts.slice(isBare ? 1 : 0), ...(endsWithText ? [{ literal: pairs[0]?.[0] ?? "" }] : [])];
    // A text and the field behind it, or a text alone, that may be missing.
    for (const number of optional) {
      const at = all.findIndex((node, index) => index >= 2 * number && "literal" in node);
      const [literal, field] = all.slice(at, at + 2);
      if (at === -1 || literal === undefined || !("literal" in literal) || literal.literal.includes('"')) continue;
      const taken: Part[] =
        field !== undefined && "field" in field && field.kind !== "quoted" ? [literal, field] : [literal];
      all.splice(at, taken.length, { optional: taken });
    }
    return all;
  });

/** @returns undefined when it is one of the templates that are refused */
function make(of: readonly Node[]): Made | undefined {
  try {
    return { template: compileTemplate(writeTemplate(of)), forms: formsOf(of) };
  } catch (error) {
    if (error instanceof TemplateError) return undefined;
    throw error;
  }
}

const made: fc.Arbitrary<Made> = nodes.map(make).filter((one) => one !== undefined);

const everyday: Record<FieldKind, readonly string[]> = {
  text: ["", "a", " ab", "aab: x"],
  ip: ["192.0.2.7", "a:b", "1", "x".repeat(256), "x".repeat(257)],
  int: ["1", "11", "1".repeat(256), "1".repeat(257)],
  hex: ["0x1f", "ab"],
  word: ["a", "ab", "\u00e9", "a:b:a", "b".repeat(256), "b".repeat(257)],
  quoted: ["", "a b", '\\"', "\\\\", 'a\\"b', "\\"],
};

/** A line of the form, its fields filled with everyday values, the template's own texts, or anything. */
function lineOf(form: Form): fc.Arbitrary<string> {
  const texts = form.flatMap((part) => ("literal" in part ? [part.literal] : []));
  const value = (part: Part): fc.Arbitrary<string> => {
    if ("literal" in part) return fc.constant(part.literal);
    const own = fc
      .array(fc.constantFrom(...texts, ...everyday[part.kind]), { maxLength: 3 })
      .map((some) => some.join(""));
    const [usual = ""] = everyday[part.kind];
    return fc.oneof(
      { weight: 6, arbitrary: fc.constant(usual) },
      { weight: 4, arbitrary: fc.constantFrom(...everyday[part.kind]) },
      { weight: 1, arbitrary: own },
    );
  };
  const whole = fc.tuple(...form.map(value)).map((parts) => parts.join(""));
  const place = fc.nat(60);
  return fc.oneof(
    { weight: 5, arbitrary: whole },
    { weight: 1, arbitrary: fc.tuple(whole, place).map(([line, at]) => line.slice(0, at) + line.slice(at + 1)) },
    {
      weight: 1,
      arbitrary: fc.tuple(whole, place, letter).map(([line, at, one]) => line.slice(0, at) + one + line.slice(at)),
    },
    { weight: 1, arbitrary: fc.tuple(whole, place).map(([line, at]) => line.slice(0, at)) },
    { weight: 1, arbitrary: fc.tuple(whole, whole).map((two) => two.join("")) },
    { weight: 1, arbitrary: fc.tuple(text, whole).map((two) => two.join("")) },
  );
}

const places = new Int32Array(2 * fieldsMax);

/** What the compiled form says of the line, which lies in the middle of a read. */
function readCompiled(compiled: Compiled, { fields }: Template, line: string): Record<string, string> | undefined {
  const read = `x${line}x`;
  const bytes = Buffer.from(read, "latin1");
  // Whoever chose the form has seen its prefix.
  if (!line.startsWith(compiled.prefix) || !compiled.match(bytes, 1, 1 + line.length, places)) return undefined;
  const values: Record<string, string> = {};
  for (const [number, name] of fields.entries()) {
    const from = places[2 * number] as number;
    if (from !== -1) values[name] = read.slice(from, places[2 * number + 1]);
  }
  return values;
}

/** Every template that ships. */
const shipped = shippedRules
  .flatMap(({ match }) => match)
  .map((match): Made => ({ template: compileTemplate(match), forms: formsOf(readTemplate(match)) }));

test("a compiled matcher reads the fields that the template means, and no line that it does not mean", () => {
  let matched = 0;
  const withLine = made.chain((one) =>
    fc.tuple(fc.constant(one), fc.oneof(...one.forms.map(lineOf), fc.string({ unit: letter, maxLength: 30 }))),
  );
  fc.assert(
    fc.property(withLine, ([{ template, forms }, line]) => {
      expect(template.forms.length).toBe(forms.length);
      for (const [index, form] of forms.entries()) {
        const meant = readForm(form, line);
        if (meant !== undefined) matched++;
        expect(readCompiled(template.forms[index] as Compiled, template, line)).toEqual(meant);
      }
    }),
    { numRuns: 6000 },
  );
  expect(matched).toBeGreaterThan(1000);
});

test("a matcher that ships reads what its template means of lines that an attacker wrote", () => {
  let matched = 0;
  fc.assert(
    fc.property(
      fc.constantFrom(...shipped).chain((one) => {
        const value = (part: Part): fc.Arbitrary<string> => {
          if ("literal" in part) return fc.constant(part.literal);
          const plain = fc.constantFrom(...everyday[part.kind]);
          return part.kind === "text"
            ? hostileText
            : fc.oneof({ weight: 9, arbitrary: plain }, { weight: 1, arbitrary: hostileText });
        };
        const line = fc.oneof(...one.forms.map((form) => fc.tuple(...form.map(value)).map((parts) => parts.join(""))));
        return fc.tuple(fc.constant(one), line);
      }),
      ([{ template, forms }, line]) => {
        for (const [index, form] of forms.entries()) {
          const meant = readForm(form, line);
          if (meant !== undefined) matched++;
          expect(readCompiled(template.forms[index] as Compiled, template, line)).toEqual(meant);
        }
      },
    ),
    { numRuns: 2000 },
  );
  expect(matched).toBeGreaterThan(500);
});

/** The owner: its place among all forms, as text, so that a wrong order shows. */
function entriesOf(all: readonly Made[]): { entry: Entry<number>; form: Form }[] {
  const forms = all.flatMap(({ template, forms }) =>
    forms.map((form, index) => ({ form, compiled: template.forms[index] as Compiled })),
  );
  return forms.map(({ form, compiled }, owner) => ({ form, entry: { form: compiled, owner } }));
}

/** What the dispatcher's candidates come to: those that match, in the order in which they are given. */
function dispatched(dispatcher: Dispatcher<number>, before: string, line: string, after: string): number[] {
  const bytes = Buffer.from(before + line + after, "latin1");
  const to = before.length + line.length;
  const count = dispatcher.find(bytes, before.length, to);
  const owners: number[] = [];
  for (let index = 0; index < count; index++) {
    const { form, owner } = dispatcher.candidate(index);
    if (form.match(bytes, before.length, to, places)) owners.push(owner);
  }
  return owners;
}

/** Whether every field that should hold an address does: only such a line becomes an event. */
function holdsAddresses(form: Form, line: string): boolean {
  const values = readForm(form, line) ?? {};
  return form.every(
    (part) => "literal" in part || part.kind !== "ip" || parseAddress(values[part.field] ?? "") !== undefined,
  );
}

/** The end is asked with the place where the line begins, and with one before it. */
function expectMayBe(edges: Edges, before: string, line: string, after: string): void {
  const bytes = Buffer.from(before + line + after, "latin1");
  const to = before.length + line.length;
  for (const from of [0, before.length]) expect(edges.mayEnd(bytes, from, to)).toBe(true);
  for (const endsSo of [true, false]) expect(edges.mayBe(bytes, before.length, to, endsSo)).toBe(true);
}

/** The dispatcher over some rules against trying each form. @returns how many forms matched */
function dispatchAsTried(rule: fc.Arbitrary<Made>, minLength: number, maxLength: number, numRuns: number): number {
  let matched = 0;
  const rulesAndLines = fc.array(rule, { minLength, maxLength }).chain((all) => {
    const line = fc.oneof(...all.flatMap(({ forms }) => forms.map(lineOf)));
    return fc.tuple(fc.constant(all), fc.array(line, { minLength: 1, maxLength: 12 }), fixed, fixed);
  });
  fc.assert(
    fc.property(rulesAndLines, ([all, lines, before, after]) => {
      const entries = entriesOf(all);
      const dispatcher = new Dispatcher(entries.map(({ entry }) => entry));
      const edges = new Edges(entries.map(({ entry }) => entry.form));
      for (const line of lines) {
        const meant = entries.filter(({ form }) => readForm(form, line) !== undefined);
        matched += meant.length;
        expect(dispatched(dispatcher, before, line, after)).toEqual(meant.map(({ entry }) => entry.owner));
        if (meant.some(({ form }) => holdsAddresses(form, line))) expectMayBe(edges, before, line, after);
      }
    }),
    { numRuns },
  );
  return matched;
}

test.each([
  ["a few rules", 1, 5],
  ["many rules", 6, 60],
])("of %s, the dispatcher finds every form that a line has, once and in their order", (_, minLength, maxLength) => {
  expect(dispatchAsTried(made, minLength, maxLength, 300)).toBeGreaterThan(500);
});

test.each([
  ["with a field and end with text", true],
  ["and end with a field", false],
])("of many rules that begin %s, each is found wherever its text stands", (_, endsWithText) => {
  const ofForm = fc
    .tuple(
      fc.array(fc.tuple(fixed, fc.constantFrom<FieldKind>("word", "int", "ip")), { minLength: 1, maxLength: 3 }),
      fc.tuple(fixed, fc.constantFrom<FieldKind>("word", "text")),
    )
    .map(([pairs, [text, last]]) => {
      const begin = pairs.flatMap(([literal, kind], n): Node[] => [{ field: `f${n}`, kind }, { literal }]);
      return make([...begin, { field: "last", kind: last }, ...(endsWithText ? [{ literal: text }] : [])]);
    })
    .filter((one) => one !== undefined);
  expect(dispatchAsTried(ofForm, 5, 60, 300)).toBeGreaterThan(500);
});

test("of the rules that ship, all in one dispatcher, a line finds what trying each in its order finds", () => {
  const all = shipped.flatMap(({ template }) => template.forms);
  const dispatcher = new Dispatcher(all.map((form, owner) => ({ form, owner })));
  let matched = 0;
  const message = fc.oneof(
    fc.constantFrom(...corpusLines).map((line) => line.toString("latin1").replace(/^.*?(?:\]: | - - +|: )/, "")),
    hostileText,
  );
  fc.assert(
    fc.property(message, fc.nat(80), hostileText, fc.boolean(), (line, at, junk, isWhole) => {
      const seen = isWhole ? line : line.slice(0, at) + junk.slice(0, 40) + line.slice(at);
      const bytes = Buffer.from(seen, "latin1");
      const meant = all.flatMap((form, owner) =>
        seen.startsWith(form.prefix) && form.match(bytes, 0, bytes.length, places) ? [owner] : [],
      );
      matched += meant.length;
      expect(dispatched(dispatcher, "x", seen, "x")).toEqual(meant);
    }),
    { numRuns: 2000 },
  );
  expect(matched).toBeGreaterThan(300);
});

const ofSshd = shippedRules.filter(({ programs }) => programs.includes("sshd")).flatMap(({ match }) => match);

/** How many forms of these templates are tried on a line. */
function triedOf(matches: readonly string[]): (line: string) => number {
  const forms = matches.flatMap((match) => compileTemplate(match).forms);
  const dispatcher = new Dispatcher(forms.map((form, owner) => ({ form, owner })));
  return (line) => dispatcher.find(Buffer.from(line, "latin1"), 0, line.length);
}

test("of what sshd says all day no form that ships is tried, though sixteen of PAM's begin as its lines do", () => {
  const tried = triedOf(ofSshd);
  for (const line of [
    "pam_unix(sshd:session): session opened for user deploy(uid=1002) by (uid=0)",
    "pam_unix(sshd:session): session closed for user deploy",
    "Received disconnect from 10.0.3.4 port 50022:11: disconnected by user",
    "Server listening on 0.0.0.0 port 22.",
  ])
    expect([line, tried(line)]).toEqual([line, 0]);
  expect(tried("Failed password for root from 192.0.2.7 port 22 ssh2")).toBeGreaterThan(0);
});

test("of hundreds of rules that begin as those of sshd do and differ in their end, few are tried on a line", () => {
  const own = Array.from({ length: 300 }, (_, number) => [
    `Failed password for {user} from {address:ip} port {port:int} reason-${number}`,
    `Failed password for {user} on {interface:word} from {address:ip} code ${number}`,
  ]).flat();
  const tried = triedOf([...own, ...ofSshd]);
  for (const end of ["port 22 reason-17", "port 22 ssh2", "port 22 reason-301", "code 299", "code 300"]) {
    const line = `Failed password for root on eth0 from 192.0.2.7 ${end}`;
    expect([line, tried(line) <= 16]).toEqual([line, true]);
  }
});

describe("a line that is none of its program's is told", () => {
  const of = (...templates: string[]) => new Edges(templates.flatMap((one) => compileTemplate(one).forms));
  const mayBe = (edges: Edges, line: string, endsSo = false): boolean =>
    edges.mayBe(Buffer.from(line, "latin1"), 0, line.length, endsSo);
  const known = of(
    "Failed password for {user} from {address:ip} port {port:int} ssh2",
    "{address:ip} banned by {by:word}",
    "{user} from {address:ip}",
    "{user} refused from {address:ip} port {port:int}",
  );

  test("by its end", () => {
    const mayEnd = (line: string): boolean => known.mayEnd(Buffer.from(line, "latin1"), 0, line.length);
    const some = ["a ssh2", "x banned by y", "x from 192.0.2.1", "x from ::1", "x from 192.0.2.1 port 22"];
    const others = ["a ssh3", "x banned to y", "x from y", "x from 192.0.2.1, y", "y", "", "from "];
    // The last word is a form's, and what stands further left is not.
    const further = ["x by y", "band by y", "user x 192.0.2.1 port 22", "192.0.2.1 port 22", "port 22"];
    for (const line of some) expect([line, mayEnd(line), mayBe(known, line)]).toEqual([line, true, true]);
    for (const line of [...others, ...further])
      expect([line, mayEnd(line), mayBe(known, line)]).toEqual([line, false, false]);
  });

  test("by its beginning, where forms end with free text", () => {
    const begun = of(
      "Accepted {method:word} for {user:word} from {address:ip} port {port:int} ssh2: {key}",
      "{user} was refused",
    );
    expect(begun.mayEnd(Buffer.from("anything"), 0, 8)).toBe(true);
    for (const line of ["Accepted", "Acc", "x was refused"])
      expect([line, mayBe(begun, line, true)]).toEqual([line, true]);
    for (const line of ["Ac", "Bccepted", "x Accepted", "x was asked", ""])
      expect([line, mayBe(begun, line, true)]).toEqual([line, false]);
  });

  test("by nothing, where both ends of a form are free", () => {
    const edges = of("Accepted {key}", '{address:ip} says "{what:quoted}"');
    for (const endsSo of [true, false]) expect(mayBe(edges, "anything", endsSo)).toBe(true);
  });
});
