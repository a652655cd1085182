// The command itself: its verbs, what it does with words it does not know, and how it leaves.

import { describe, expect, test } from "@jest/globals";
import { spawnSync } from "node:child_process";
import { readArguments } from "../src/verb.ts";
import { verbs as listed } from "../src/verbs.ts";
import { cleanEnvironment, directory, file, here, logwarden, program } from "./command.ts";

const verbs = [
  ...["ban", "unban", "bans", "status", "events", "audit", "routers", "interface", "queue", "allow"],
  ...["explain", "check-config", "router-config", "haproxy", "keepalived", "nodes", "completion", "version", "help"],
];

test("help names every verb, and every verb has its own help with examples", async () => {
  const overview = await here(["help"]);
  expect(overview).toMatchObject({ code: 0, stderr: "" });
  expect(listed.map(({ name }) => name)).toEqual(verbs);
  for (const { name, examples, options } of listed) {
    expect(overview.stdout).toContain(`  ${name} `);
    const own = await here([name, "--help"]);
    expect(own).toMatchObject({ code: 0, stderr: "", stdout: expect.stringMatching(new RegExp(`^logwarden ${name}`)) });
    expect(await here(["help", name])).toEqual(own);
    expect(examples.length).toBeGreaterThan(0);
    for (const example of examples) expect(own.stdout).toContain(example);
    expect(options).toHaveProperty("json");
  }
});

test("every example is a command line that its verb understands", async () => {
  for (const { name, examples, options } of listed) {
    for (const example of examples) {
      const words = /\blogwarden ([a-z-]+)([^|>&)]*)/.exec(example);
      const [, verb = "", rest = ""] = words ?? [];
      expect([example, verb]).toEqual([example, name]);
      const args = rest.match(/'[^']*'|\S+/g)?.map((word) => word.replaceAll("'", "")) ?? [];
      expect(() => readArguments(args, options, Number.POSITIVE_INFINITY)).not.toThrow();
    }
  }
});

test("help --json has the JSON Schema of what each verb prints", async () => {
  const { verbs: all } = JSON.parse((await here(["help", "--json"])).stdout) as { verbs: Record<string, unknown>[] };
  expect(all.map(({ name }) => name)).toEqual(verbs);
  for (const { schema } of all) expect(schema).toMatchObject({ $schema: expect.stringContaining("json-schema.org") });
});

test("the words of fail2ban and cscli are understood", async () => {
  for (const [alias, name] of [
    ["banned", "bans"],
    ["decisions", "bans"],
    ["alerts", "events"],
    ["bouncers", "routers"],
    ["allowlists", "allow"],
    ["ping", "status"],
  ] as const) {
    expect((await here([alias, "--help"])).stdout).toMatch(new RegExp(`^logwarden ${name}`));
  }
});

test("without a verb it fails, and says where help is", async () => {
  expect(await logwarden([])).toEqual({
    code: 2,
    stdout: "",
    stderr: "logwarden: expected a verb\nSee: logwarden help\n",
  });
});

test.each([
  ["exlpain", 'did you mean "explain"?'],
  ["check", 'did you mean "check-config"?'],
  ["queues", 'did you mean "queue"?'],
  ["frobnicate", `verbs are ${verbs.join(", ")}`],
])("an unknown verb (%s) exits 2 with a suggestion", async (verb, words) => {
  expect(await here([verb])).toMatchObject({ code: 2, stdout: "", stderr: expect.stringContaining(words) });
});

describe("a command line that cannot be understood exits 2 and names what is wrong", () => {
  test.each([
    [["explain", "--bogus"], "Unknown option '--bogus'"],
    [["explain", "one.log", "two.log"], '"two.log" is one word too many'],
    [["explain", "--config"], "argument missing"],
    [["explain", "--device", "edge-1"], 'expected an address as --device (names need --config), got "edge-1"'],
    [["queue"], "expected the queue nodes"],
    [["queue", "--queues", "127.0.0.1", "kik"], 'did you mean "kick"?'],
    [["queue", "--queues", "127.0.0.1", "kick"], "expected the tube to kick"],
    [["queue", "--queues", "127.0.0.1", "kick", "a", "-1"], "Unknown option '-1'"],
    [["queue", "--queues", "127.0.0.1", "kick", "a", "0"], "a whole number from 1"],
  ])("%j", async (args, words) => {
    expect(await here(args)).toMatchObject({ code: 2, stdout: "", stderr: expect.stringContaining(words) });
  });
});

test("version says what runs", async () => {
  const { stdout } = await logwarden(["version", "--json"]);
  expect(JSON.parse(stdout)).toEqual({
    logwarden: expect.stringMatching(/^\d+\.\d+\.\d+/),
    node: process.versions.node,
  });
  expect((await logwarden(["--version"])).stdout).toMatch(/^logwarden \d/);
});

test("a reader that has seen enough (| head) ends it quietly", () => {
  const log = file("long.log", "Nov 21 04:44:40 gw1 ntpd[1]: x\n".repeat(200_000));
  const script = `set -o pipefail; "$1" "$2" explain --json "$3" | head -n 1`;
  const { status, stdout, stderr } = spawnSync("bash", ["-c", script, "-", process.execPath, program, log], {
    encoding: "utf8",
    env: cleanEnvironment(),
  });
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  expect(JSON.parse(stdout)).toMatchObject({ line: 1, outcome: "unmatched" });
});

test("run through npm, the files that a person names are looked for where the person is", async () => {
  const where = file("a.log", "Nov 21 04:44:40 gw1 ntpd[1]: x\n").replace("/a.log", "");
  const env = { npm_lifecycle_event: "logwarden", INIT_CWD: where };
  expect(await logwarden(["explain", "a.log"], { env })).toMatchObject({ code: 0 });
  expect(await logwarden(["explain", "a.log"], { env: { ...env, INIT_CWD: directory() } })).toMatchObject({
    code: 1,
    stderr: "logwarden explain: cannot read a.log: there is no such file\n",
  });
});
