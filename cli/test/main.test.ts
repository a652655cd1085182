// The command itself: its verbs, what it does with words it does not know, and how it leaves.

import { describe, expect, test } from "@jest/globals";
import { spawnSync } from "node:child_process";
import { cleanEnvironment, directory, file, logwarden, program } from "./command.ts";

const verbs = ["explain", "check-config", "queue", "version", "help"];

test("help names every verb, and every verb has its own help", async () => {
  const overview = await logwarden(["help"]);
  expect(overview).toMatchObject({ code: 0, stderr: "" });
  for (const verb of verbs) {
    expect(overview.stdout).toContain(`  ${verb} `);
    const own = await logwarden([verb, "--help"]);
    expect(own).toMatchObject({ code: 0, stderr: "", stdout: expect.stringMatching(new RegExp(`^logwarden ${verb}`)) });
    if (verb !== "help") expect(await logwarden(["help", verb])).toEqual(own);
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
  ["frobnicate", "verbs are explain, check-config, queue, haproxy, keepalived, nodes, version, help"],
])("an unknown verb (%s) exits 2 with a suggestion", async (verb, words) => {
  expect(await logwarden([verb])).toMatchObject({ code: 2, stdout: "", stderr: expect.stringContaining(words) });
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
    expect(await logwarden(args)).toMatchObject({ code: 2, stdout: "", stderr: expect.stringContaining(words) });
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
