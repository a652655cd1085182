/**
 * /retrieve showConfig: a session's view of a path, with the marks of changes that are not committed yet.
 *
 * In: the active and the staged configuration. Out: the raw text of `cli-shell-api showCfg` or its JSON.
 * VyOS parses its own marked text to make the JSON. A mark at the first column becomes part of a key ("+address"); a mark
 * deeper down is followed by spaces, which the parser refuses, and the server answers 500.
 */
import {
  type ConfigNode,
  emptyConfig,
  equalConfig,
  find,
  type PlainConfig,
  plainConfig,
  plainValues,
  sorted,
} from "./config-tree.ts";
import { type LeafSchema, locate, type NodeSchema, type Schema } from "./schema.ts";

export type Shown =
  | { kind: "shown"; data: PlainConfig }
  | { kind: "raw"; text: string }
  | { kind: "refused"; text: string }
  | { kind: "crashed" };

const emptyText = "Configuration under specified path is empty\n";
const invalidText = "Specified configuration path is not valid\n";

export function showConfig(active: ConfigNode, staged: ConfigNode, path: readonly string[], format: string): Shown {
  const place = locate(path);
  if (place.kind === "nowhere") return { kind: "refused", text: invalidText };
  const before = find(active, path);
  const after = find(staged, path);
  if (before === undefined && after === undefined) return { kind: "refused", text: emptyText };
  if (place.kind === "value" || (place.kind === "leaf" && place.schema.values === "none"))
    return format === "raw" ? { kind: "raw", text: "" } : { kind: "shown", data: {} };

  // A leaf and a tag keep their own name in the answer; a node and a tag entry show what is inside.
  const name = path.at(-1) ?? "";
  const wrapped = place.kind === "leaf" || place.kind === "tag";
  const schema: NodeSchema = wrapped
    ? { kind: "node", children: new Map<string, Schema>([[name, place.schema]]) }
    : place.schema;
  const left = wrapped ? wrap(name, before) : (before ?? emptyConfig());
  const right = wrapped ? wrap(name, after) : (after ?? emptyConfig());
  if (left.children.size === 0 && right.children.size === 0) return { kind: "refused", text: emptyText };

  const lines = rawLines(left, right, schema, 0);
  if (format === "raw") return { kind: "raw", text: lines.map((line) => `${line}\n`).join("") };
  if (lines.some((line) => /^[-+>][\s}]/.test(line))) return { kind: "crashed" };
  return { kind: "shown", data: markedJson(left, right, schema) };
}

function wrap(name: string, child: ConfigNode | undefined): ConfigNode {
  return { children: child === undefined ? new Map() : new Map([[name, child]]) };
}

function union(left: ConfigNode | undefined, right: ConfigNode | undefined): [string, undefined][] {
  const names = new Map<string, undefined>();
  for (const name of left?.children.keys() ?? []) names.set(name, undefined);
  for (const name of right?.children.keys() ?? []) names.set(name, undefined);
  return sorted(names);
}

function rawLines(
  left: ConfigNode | undefined,
  right: ConfigNode | undefined,
  schema: NodeSchema,
  depth: number,
): string[] {
  const lines: string[] = [];
  const indent = " ".repeat(depth * 4);
  const block = (title: string, was: ConfigNode | undefined, is: ConfigNode | undefined, inside: NodeSchema): void => {
    const mark = was === undefined ? "+" : is === undefined ? "-" : " ";
    const comment = (is ?? was)?.comment;
    if (comment !== undefined) lines.push(`${mark}${indent}/* ${comment} */`);
    lines.push(`${mark}${indent}${title} {`, ...rawLines(was, is, inside, depth + 1), `${mark}${indent}}`);
  };
  for (const [name] of union(left, right)) {
    const child = schema.children.get(name);
    const was = left?.children.get(name);
    const is = right?.children.get(name);
    if (child === undefined) continue;
    if (child.kind === "node") block(name, was, is, child);
    else if (child.kind === "leaf")
      for (const { mark, value } of markedValues(was, is, child))
        lines.push(`${mark}${indent}${name}${value === undefined ? "" : ` ${quote(value)}`}`);
    else
      for (const [entry] of union(was, is))
        block(`${name} ${entry}`, was?.children.get(entry), is?.children.get(entry), child.entry);
  }
  return lines;
}

interface MarkedValue {
  mark: " " | "+" | "-" | ">";
  value: string | undefined;
}

function markedValues(was: ConfigNode | undefined, is: ConfigNode | undefined, schema: LeafSchema): MarkedValue[] {
  if (schema.values === "none")
    return [{ mark: was === undefined ? "+" : is === undefined ? "-" : " ", value: undefined }];
  const old = was?.children ?? new Map<string, ConfigNode>();
  const now = is?.children ?? new Map<string, ConfigNode>();
  const [first] = now.keys();
  if (schema.values === "one" && old.size > 0 && first !== undefined && !old.has(first))
    return [{ mark: ">", value: first }];
  return [
    ...[...old.keys()].map((value): MarkedValue => ({ mark: now.has(value) ? " " : "-", value })),
    ...[...now.keys()].filter((value) => !old.has(value)).map((value): MarkedValue => ({ mark: "+", value })),
  ];
}

function quote(value: string): string {
  return /^[\w.:/@+,-]+$/.test(value) ? value : `"${value}"`;
}

/** Only called when nothing below the first level is marked. Marked keys sort before letters, as VyOS shows them. */
function markedJson(left: ConfigNode, right: ConfigNode, schema: NodeSchema): PlainConfig {
  const entries: [string, PlainConfig[string]][] = [];
  for (const [name] of union(left, right)) {
    const child = schema.children.get(name);
    const was = left.children.get(name);
    const is = right.children.get(name);
    if (child === undefined) continue;
    if (child.kind === "leaf" && !equalConfig(was, is)) {
      const marked = markedValues(was, is, child);
      for (const mark of [" ", "+", "-", ">"] as const) {
        const values = marked.filter((each) => each.mark === mark).map((each) => each.value ?? "");
        if (values.length > 0) entries.push([`${mark.trim()}${name}`, plainValues(values, child)]);
      }
    } else {
      const shown = plainConfig({ children: new Map([[name, is ?? was ?? emptyConfig()]]) }, schema);
      entries.push([name, shown[name] ?? {}]);
    }
  }
  const isMarked = ([name]: [string, unknown]): number => (/^[-+>]/.test(name) ? 0 : 1);
  return Object.fromEntries(entries.sort((one, two) => isMarked(one) - isMarked(two)));
}
