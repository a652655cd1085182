// The repository's own manners.

import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { describe, expect, test } from "@jest/globals";

const tracked = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard"], { encoding: "utf8" })
  .split("\n")
  .filter((file) => file !== "" && existsSync(file));
const sources = tracked.filter((file) => file.endsWith(".ts") && !file.endsWith(".d.ts"));
const isTest = (file: string): boolean =>
  file.endsWith(".test.ts") || /\/test\//.test(file) || file.startsWith("test/");
const read = (file: string): string => readFileSync(file, "utf8");

/** Each room and the rooms it may look into. A room that is not listed may look into none. */
const mayImport: Record<string, readonly string[]> = {
  "packages/ledger": ["shared"],
  "services/parser": ["shared", "queue"],
  "services/responder": ["shared", "queue", "vyos", "ledger"],
  // explain runs the very code of the parser, and routers check that of the responder.
  cli: ["shared", "queue", "ledger", "vyos", "parser", "responder"],
  lab: ["shared", "queue", "vyos", "vyos-sim", "ledger"],
  // Not rooms of the product: they stand outside and look at all of it.
  bench: ["shared", "queue", "vyos", "vyos-sim", "lab", "parser", "ledger"],
  // The reference is made from what each room says of itself.
  scripts: ["lab", "shared", "cli", "parser", "responder"],
};

function roomOf(file: string): string {
  const [first, second] = file.split("/");
  return first === "packages" || first === "services" ? `${first}/${second}` : (first ?? "");
}

test("imports follow the direction of the flow", () => {
  const strays: string[] = [];
  for (const file of sources.filter((one) => !isTest(one))) {
    const room = roomOf(file);
    for (const [, name] of read(file).matchAll(/from\s+"@logwarden\/([a-z-]+)/g)) {
      if (name === undefined || room.endsWith(`/${name}`) || room === name) continue;
      if (!(mayImport[room] ?? []).includes(name)) strays.push(`${file} looks into ${name}`);
    }
  }
  expect(strays).toEqual([]);
});

test("no room reaches into another by a path", () => {
  const strays: string[] = [];
  for (const file of sources) {
    for (const [, path] of read(file).matchAll(/from\s+"(\.\.?\/[^"]+)"/g)) {
      const target = new URL(path ?? "", `file:///${file}`).pathname.slice(1);
      if (roomOf(target) !== roomOf(file)) strays.push(`${file} reaches into ${target}`);
    }
  }
  expect(strays).toEqual([]);
});

test("the simulator and the client of VyOS know nothing of each other", () => {
  const strays = sources.filter((file) => {
    const other = file.startsWith("packages/vyos-sim/") ? '@logwarden/vyos"' : "@logwarden/vyos-sim";
    return /^packages\/vyos(-sim)?\//.test(file) && read(file).includes(other);
  });
  expect(strays).toEqual([]);
});

test("in a service, only process.ts and a main.ts read the environment, and nothing writes to the console", () => {
  const strays = sources
    .filter((file) => /^(packages|services)\//.test(file) && !isTest(file) && !file.startsWith("packages/vyos-sim/"))
    // The parser's main.ts looks whether it is to keep or to work, before anything is imported that reads the environment.
    .filter((file) => !["packages/shared/src/process.ts", "services/parser/src/main.ts"].includes(file))
    .filter((file) => /\bprocess\.env\b|\bconsole\./.test(read(file)));
  expect(strays).toEqual([]);
});

test("only settle.ts deletes, releases or buries a job", () => {
  const strays = sources
    .filter((file) => file.startsWith("services/responder/src/") && !file.endsWith(".test.ts"))
    .filter((file) => !file.endsWith("/settle.ts"))
    .filter((file) => /\bjob\.(delete|release|bury)\(/.test(read(file)));
  expect(strays).toEqual([]);
});

test("every source file opens with what it is for", () => {
  const strays = sources.filter(
    (file) => !/^(#!.*\n)?\s*(\/\*\*|\/\/|\/\*)/.test(read(file)) && !file.endsWith(".test.ts"),
  );
  expect(strays).toEqual([]);
});

describe("documents", () => {
  const documents = tracked.filter((file) => file.endsWith(".md"));

  test("have one title each", () => {
    const titles = (text: string): number => text.replace(/^```[^]*?^```$/gm, "").match(/^# /gm)?.length ?? 0;
    expect(documents.filter((file) => titles(read(file)) !== 1)).toEqual([]);
  });

  test("name only paths that exist", () => {
    const strays: string[] = [];
    const rooms = /(?<![\w./-])(?:services|packages|cli|lab|corpus|test|bench|deploy|docs|scripts)\/[\w./-]*[\w]/g;
    for (const file of documents) {
      for (const [path] of read(file).matchAll(rooms)) {
        if (!existsSync(path)) strays.push(`${file} names ${path}`);
      }
      for (const [, link] of read(file).matchAll(/\]\(((?!https?:|#)[^)#]+)(?:#[^)]*)?\)/g)) {
        const target = new URL(link ?? "", `file:///${file}`).pathname.slice(1);
        if (!existsSync(target)) strays.push(`${file} links to ${link}`);
      }
    }
    expect(strays).toEqual([]);
  });

  test("say what to do about every failure, and about every event that warns", () => {
    const headings = [...read("docs/operating.md").matchAll(/^### (\S+)$/gm)].map(([, name]) => name);
    const failures = [...read("packages/shared/src/failure.ts").matchAll(/^ {2}"([a-z-]+)": \{/gm)];
    const events = [
      ...read("packages/shared/src/log/vocabulary.ts").matchAll(
        /^ {2}"([a-z]+\.[a-z]+)": \{\s*level: "(?:warn|error|fatal)"/gm,
      ),
    ];
    expect(failures.length).toBeGreaterThan(20);
    expect(events.length).toBeGreaterThan(15);
    const named = [...failures, ...events].map(([, name]) => name);
    expect(headings.toSorted()).toEqual(named.toSorted());
  });

  test("name only scripts that package.json has", () => {
    const { scripts } = JSON.parse(read("package.json")) as { scripts: Record<string, string> };
    const strays: string[] = [];
    for (const file of documents) {
      for (const [, name] of read(file).matchAll(/npm run (?:-s )?([\w:-]+)/g)) {
        if (name !== undefined && !(name in scripts)) strays.push(`${file}: npm run ${name}`);
      }
    }
    expect(strays).toEqual([]);
  });
});
