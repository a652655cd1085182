/**
 * A configuration: a tree in which names, tag names and values are all nodes, in the order they were set.
 *
 * The three verbs answer as my_set, my_delete and my_comment do: undefined for exit 0 (also when there was nothing to do:
 * setting what exists and deleting what is absent succeed), else the text they print. The tree is plain data; the schema
 * says which nodes are values.
 */
import type { Release } from "./answer.ts";
import { type LeafSchema, locate, type NodeSchema, rootSchema } from "./schema.ts";

export interface ConfigNode {
  children: Map<string, ConfigNode>;
  comment?: string;
}

export type PlainConfig = { [name: string]: string | string[] | PlainConfig };

export function emptyConfig(): ConfigNode {
  return { children: new Map() };
}

export function find(root: ConfigNode, path: readonly string[]): ConfigNode | undefined {
  let at: ConfigNode | undefined = root;
  for (const name of path) at = at?.children.get(name);
  return at;
}

export function copyConfig(from: ConfigNode): ConfigNode {
  const to: ConfigNode = { children: new Map() };
  for (const [name, child] of from.children) to.children.set(name, copyConfig(child));
  if (from.comment !== undefined) to.comment = from.comment;
  return to;
}

export function equalConfig(left: ConfigNode | undefined, right: ConfigNode | undefined): boolean {
  if (left === undefined || right === undefined) return left === right;
  if (left.comment !== right.comment || left.children.size !== right.children.size) return false;
  for (const [name, child] of left.children) if (!equalConfig(child, right.children.get(name))) return false;
  return true;
}

export function setPath(root: ConfigNode, path: readonly string[], release: Release): string | undefined {
  const place = locate(path);
  const shown = `Configuration path: [${path.join(" ")}]`;
  if (place.kind === "nowhere" || path.includes("")) return `${shown} is not valid\n\nSet failed\n`;
  const invalid = invalidName(path, release);
  if (invalid !== undefined) return `${invalid}\nInvalid value\nValue validation failed\nSet failed\n`;
  if (place.kind === "tag" || (place.kind === "leaf" && place.schema.values !== "none"))
    return `${shown} requires a value\nSet failed\n`;

  let at = root;
  for (const [index, name] of path.entries()) {
    const isLast = index === path.length - 1;
    if (isLast && place.kind === "value" && place.schema.values === "one" && !at.children.has(name))
      at.children.clear();
    let child = at.children.get(name);
    if (child === undefined) {
      child = emptyConfig();
      at.children.set(name, child);
    }
    at = child;
  }
  return undefined;
}

/** Names and values on the way are checked from the root: the first that its validator refuses is named. */
function invalidName(path: readonly string[], release: Release): string | undefined {
  let at: NodeSchema = rootSchema;
  for (let index = 0; index + 1 < path.length; index += 1) {
    const child = at.children.get(path[index] ?? "");
    if (child === undefined) return undefined;
    if (child.kind === "node") {
      at = child;
      continue;
    }
    const text = child.validator(path[index + 1] ?? "", release);
    if (text !== undefined || child.kind === "leaf") return text;
    at = child.entry;
    index += 1;
  }
  return undefined;
}

/** Values are not validated on delete. The last value takes its leaf along, and the last tag entry its tag. */
export function deletePath(root: ConfigNode, path: readonly string[]): string | undefined {
  const place = locate(path);
  if (place.kind === "nowhere" || path.length === 0)
    return `Configuration path: [${path.join(" ")}] is not valid\n\nDelete failed\n`;
  const parentPath = path.slice(0, -1);
  const parent = find(root, parentPath);
  if (parent === undefined || !parent.children.delete(path.at(-1) ?? "")) return undefined;
  const parentKind = locate(parentPath).kind;
  if (parent.children.size === 0 && (parentKind === "leaf" || parentKind === "tag"))
    find(root, parentPath.slice(0, -1))?.children.delete(parentPath.at(-1) ?? "");
  return undefined;
}

/** The last component is the text; an empty one removes the comment. */
export function commentPath(root: ConfigNode, path: readonly string[]): string | undefined {
  const target = path.length < 2 ? undefined : find(root, path.slice(0, -1));
  if (target === undefined) return "The specified config node does not exist\nComment failed\n";
  const text = path.at(-1) ?? "";
  if (text === "") delete target.comment;
  else target.comment = text;
  return undefined;
}

/** The values of a leaf; empty for everything else. */
export function valuesAt(root: ConfigNode, path: readonly string[]): string[] {
  const place = locate(path);
  if (place.kind !== "leaf" || place.schema.values === "none") return [];
  return [...(find(root, path)?.children.keys() ?? [])];
}

/** As showConfig's JSON: a string for one value, a list for many, {} for a bare node. Names are sorted, values are not. */
export function plainConfig(at: ConfigNode, schema: NodeSchema = rootSchema): PlainConfig {
  const plain: PlainConfig = {};
  for (const [name, child] of sorted(at.children)) {
    const childSchema = schema.children.get(name);
    if (childSchema === undefined) continue;
    if (childSchema.kind === "leaf") plain[name] = plainValues([...child.children.keys()], childSchema);
    else if (childSchema.kind === "node") plain[name] = plainConfig(child, childSchema);
    else plain[name] = plainEntries(child, childSchema.entry);
  }
  return plain;
}

function plainEntries(at: ConfigNode, entry: NodeSchema): PlainConfig {
  return Object.fromEntries(sorted(at.children).map(([name, child]) => [name, plainConfig(child, entry)]));
}

export function plainValues(values: string[], schema: LeafSchema): string | string[] | PlainConfig {
  if (schema.values === "none") return {};
  return values.length === 1 ? (values[0] ?? "") : values;
}

/** eth2 before eth10, as the engine lists them. */
export function sorted<T>(children: ReadonlyMap<string, T>): [string, T][] {
  return [...children].sort(([left], [right]) => left.localeCompare(right, "en", { numeric: true }));
}
