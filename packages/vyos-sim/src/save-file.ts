/**
 * What the router remembers over a restart: one file, written whole or not at all, or memory when there is no directory.
 * Files that are saved under other names live in memory, as if on a disk that nobody keeps.
 */
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { join } from "node:path";
import { type ConfigNode, emptyConfig, find, type PlainConfig, plainConfig } from "./config-tree.ts";
import { isObject } from "./json.ts";
import { type NodeSchema, rootSchema } from "./schema.ts";

export const bootFile = "/config/config.boot";
/** Directories of the router in which a file can be made. */
const writableDirectories = /^\/(config|tmp|home\/vyos|opt\/vyatta\/etc\/config)\/[^/]+$/;

export function hasDirectory(path: string): boolean {
  return writableDirectories.test(path);
}

interface Saved {
  config: PlainConfig;
  comments: [path: string[], text: string][];
}

export class SaveFile {
  readonly #path: string | undefined;
  readonly #memory = new Map<string, Saved>();

  constructor(directory: string | undefined) {
    if (directory !== undefined) mkdirSync(directory, { recursive: true });
    this.#path = directory === undefined ? undefined : join(directory, "config.json");
  }

  write(root: ConfigNode, file: string = bootFile): void {
    const saved: Saved = { config: plainConfig(root), comments: commentsIn(root, []) };
    if (file !== bootFile || this.#path === undefined) {
      this.#memory.set(file, saved);
      return;
    }
    const draft = `${this.#path}.new`;
    const descriptor = openSync(draft, "w", 0o600);
    try {
      writeSync(descriptor, `${JSON.stringify(saved, undefined, 2)}\n`);
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    renameSync(draft, this.#path);
  }

  /** undefined when nothing was ever saved under that name. */
  read(file: string = bootFile): ConfigNode | undefined {
    const saved = this.#readSaved(file);
    if (saved === undefined) return undefined;
    const root = fromPlain(saved.config, rootSchema);
    for (const [path, text] of saved.comments) {
      const node = find(root, path);
      if (node !== undefined) node.comment = text;
    }
    return root;
  }

  #readSaved(file: string): Saved | undefined {
    if (file !== bootFile || this.#path === undefined) return this.#memory.get(file);
    let text: string;
    try {
      text = readFileSync(this.#path, "utf8");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw error;
    }
    const value: unknown = JSON.parse(text);
    if (!isObject(value) || !isObject(value["config"]) || !Array.isArray(value["comments"]))
      throw new Error(`expected a saved configuration with \`config\` and \`comments\` in ${this.#path}`);
    return value as unknown as Saved;
  }
}

function commentsIn(at: ConfigNode, path: string[]): Saved["comments"] {
  const own: Saved["comments"] = at.comment === undefined ? [] : [[path, at.comment]];
  const below = [...at.children].flatMap(([name, child]) => commentsIn(child, [...path, name]));
  return [...own, ...below];
}

function fromPlain(plain: PlainConfig, schema: NodeSchema): ConfigNode {
  const root = emptyConfig();
  for (const [name, value] of Object.entries(plain)) {
    const child = schema.children.get(name);
    if (child === undefined) continue;
    const values = typeof value === "string" ? [value] : value;
    if (Array.isArray(values)) {
      root.children.set(name, { children: new Map(values.map((each) => [each, emptyConfig()])) });
    } else if (child.kind === "node") {
      root.children.set(name, fromPlain(values, child));
    } else if (child.kind === "tag") {
      const entries = Object.entries(values).filter((entry): entry is [string, PlainConfig] => isObject(entry[1]));
      const nodes = entries.map(([entry, inside]): [string, ConfigNode] => [entry, fromPlain(inside, child.entry)]);
      root.children.set(name, { children: new Map(nodes) });
    } else {
      root.children.set(name, emptyConfig());
    }
  }
  return root;
}
