/**
 * What a template means, said a second time: slowly, by searching in strings, from the words of template.ts alone. The compiled
 * matchers are compared with it, and lines are made from it.
 */

export type FieldKind = "text" | "ip" | "int" | "hex" | "word" | "quoted";

export type Part = { literal: string } | { field: string; kind: FieldKind };
export type Node = Part | { optional: Part[] };
export type Form = readonly Part[];

const fieldCharactersMax = 256;

/** A template's text → its nodes. */
export function readTemplate(template: string): Node[] {
  const nodes: Node[] = [];
  let optional: Part[] | undefined;
  for (const [token, field, kind] of template.matchAll(/\{(\w+)(?::(\w+))?\}|\\[^]|[^]/g)) {
    const into: Node[] = optional ?? nodes;
    const last = into.at(-1);
    if (field !== undefined) into.push({ field, kind: (kind ?? "text") as FieldKind });
    else if (token === "[") nodes.push({ optional: (optional = []) });
    else if (token === "]") optional = undefined;
    else {
      const text = token.length === 2 ? token.slice(1) : token;
      if (last !== undefined && "literal" in last) last.literal += text;
      else into.push({ literal: text });
    }
  }
  return nodes;
}

/** Nodes → a template's text. */
export function writeTemplate(nodes: readonly Node[]): string {
  return nodes
    .map((node) => {
      if ("optional" in node) return `[${writeTemplate(node.optional)}]`;
      if ("literal" in node) return node.literal.replaceAll(/[[\]{\\]/g, "\\$&");
      return node.kind === "text" ? `{${node.field}}` : `{${node.field}:${node.kind}}`;
    })
    .join("");
}

/** With and without each optional part, the one with the most fixed text first. */
export function formsOf(nodes: readonly Node[]): Form[] {
  let forms: Part[][] = [[]];
  for (const node of nodes) {
    if ("optional" in node) forms = forms.flatMap((form) => [form, [...form, ...node.optional]]);
    else forms = forms.map((form) => [...form, node]);
  }
  const joined = forms.map((form) => {
    const parts: Part[] = [];
    for (const part of form) {
      const last = parts.at(-1);
      if (last !== undefined && "literal" in last && "literal" in part) last.literal += part.literal;
      else parts.push({ ...part });
    }
    return parts;
  });
  return joined.sort((a, b) => fixedCharacters(b) - fixedCharacters(a));
}

function fixedCharacters(form: Form): number {
  return form.reduce((sum, part) => sum + ("literal" in part ? part.literal.length : 0), 0);
}

const mayHold: Record<FieldKind, RegExp> = {
  text: /^[^]*$/,
  ip: /^[0-9A-Za-z:.%_@-]+$/,
  int: /^\d+$/,
  hex: /^[0-9A-Fa-fx]+$/,
  word: /^[^\0- \x7f]+$/,
  quoted: /^(?:\\[^]|[^"\\])*$/,
};

/** The line's fields by the form, or nothing when it is not of this form. */
export function readForm(form: Form, line: string): Record<string, string> | undefined {
  const free = form.findIndex((part) => "field" in part && part.kind === "text");
  const left = readLeft(free === -1 ? form : form.slice(0, free), line);
  if (left === undefined) return undefined;
  if (free === -1) return left.rest === "" ? left.fields : undefined;
  const right = readRight(form.slice(free + 1), left.rest);
  if (right === undefined) return undefined;
  return { ...left.fields, ...right.fields, [(form[free] as { field: string }).field]: right.rest };
}

interface Read {
  fields: Record<string, string>;
  rest: string;
}

/** Each typed field ends where the text behind it first stands, a quoted one at its quote, the last one with the line. */
function readLeft(parts: Form, line: string): Read | undefined {
  const fields: Record<string, string> = {};
  let rest = line;
  for (const [index, part] of parts.entries()) {
    if ("literal" in part) {
      if (!rest.startsWith(part.literal)) return undefined;
      rest = rest.slice(part.literal.length);
      continue;
    }
    const behind = parts[index + 1];
    let length = rest.length;
    if (part.kind === "quoted") length = /^(?:\\[^]|[^"\\])*(?=")/.exec(rest)?.[0].length ?? -1;
    else if (behind !== undefined && "literal" in behind) length = rest.indexOf(behind.literal, 1);
    if (length === -1) return undefined;
    const value = rest.slice(0, length);
    if (!isOfKind(part.kind, value)) return undefined;
    fields[part.field] = value;
    rest = rest.slice(length);
  }
  return { fields, rest };
}

/** The mirror: each typed field begins behind the last place where the text before it stands. */
function readRight(parts: Form, line: string): Read | undefined {
  const fields: Record<string, string> = {};
  let rest = line;
  for (const [index, part] of [...parts.entries()].reverse()) {
    if ("literal" in part) {
      if (!rest.endsWith(part.literal)) return undefined;
      rest = rest.slice(0, rest.length - part.literal.length);
      continue;
    }
    const before = (parts[index - 1] as { literal: string }).literal;
    let from: number;
    if (part.kind === "quoted") {
      if (isEscaped(rest, rest.length)) return undefined;
      from = rest.length - 1;
      while (from >= 0 && (rest[from] !== '"' || isEscaped(rest, from))) from--;
      if (from === -1) return undefined;
      from++;
    } else {
      const at = before.length > rest.length - 1 ? -1 : rest.lastIndexOf(before, rest.length - 1 - before.length);
      if (at === -1) return undefined;
      from = at + before.length;
    }
    const value = rest.slice(from);
    if (!isOfKind(part.kind, value)) return undefined;
    fields[part.field] = value;
    rest = rest.slice(0, from);
  }
  return { fields, rest };
}

function isOfKind(kind: FieldKind, value: string): boolean {
  return mayHold[kind].test(value) && (kind === "quoted" || value.length <= fieldCharactersMax);
}

function isEscaped(text: string, at: number): boolean {
  const run = /\\*$/.exec(text.slice(0, at))?.[0].length ?? 0;
  return run % 2 === 1;
}
