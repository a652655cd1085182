// The corpus is the specification of the parser: every case in corpus/*.md is one test, named by its file and line.

import { globSync, readFileSync } from "node:fs";
import { expect, test } from "@jest/globals";
import { latin1 } from "../src/latin1.ts";
import { createRuleSet, shippedRules } from "../src/recognize/rule-set.ts";

const { recognizer } = createRuleSet("test", { rules: { disabled: [], own: [] } });

function outcomeOf(line: string): unknown {
  const read = latin1(Buffer.from(line).toString("latin1"));
  const event = recognizer.recognize(read, 0, read.bytes.length);
  if (typeof event === "string") return null;
  return event.type === "interface_down" ? event : { ...event, from: event.from.text };
}

function fenced(section: string, language: string): string {
  const blocks = [...section.matchAll(new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\`$`, "gm"))];
  if (blocks.length !== 1) throw new Error(`expected exactly one \`${language}\` block, found ${blocks.length}`);
  return (blocks[0]?.[1] ?? "").replace(/\n$/, "");
}

const files = globSync("corpus/*.md").filter((file) => !file.endsWith("README.md"));

test("the corpus is found", () => {
  expect(files).toEqual(expect.arrayContaining(["corpus/sshd.md", "corpus/hostile.md"]));
});

test("every shipped rule has a sample", () => {
  const text = files.map((file) => readFileSync(file, "utf8")).join("\n");
  expect(shippedRules.filter(({ name }) => !text.includes(`"rule": "${name}"`))).toEqual([]);
});

for (const file of files) {
  let line = 1;
  for (const section of readFileSync(file, "utf8").split(/^(?=### )/m)) {
    const at = `${file}:${line}`;
    line += section.split("\n").length - 1;
    if (!section.startsWith("### ")) continue;
    test(`${at} ${section.slice(4, section.indexOf("\n"))}`, () => {
      expect(outcomeOf(fenced(section, "log"))).toEqual(JSON.parse(fenced(section, "json")));
    });
  }
}
