// What a person or a script sees of the parser's configuration: --help, --check, and every complaint at once.

import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { Program } from "@logwarden/lab/parts/program";
import { root } from "@logwarden/lab/parts/service";
import { writeInventory } from "./rig.ts";

let directory: string;
let program: Program | undefined;
beforeEach(() => {
  directory = mkdtempSync(`${tmpdir()}/logwarden-parser-`);
});
afterEach(async () => {
  // A configuration that should have been refused may have started a service.
  await program?.kill();
  rmSync(directory, { recursive: true, force: true });
});

interface Run {
  code: number | null;
  stdout: string;
  stderr: string;
}

async function run(args: string[], env: Record<string, string> = {}): Promise<Run> {
  const said = { stdout: "", stderr: "" };
  program = await Program.start({
    name: "parser",
    command: process.execPath,
    args: [`${root}services/parser/src/main.ts`, ...args],
    env,
    onLine: (line, stream) => (said[stream] += `${line}\n`),
  });
  const { code } = await program.ended;
  return { code, ...said };
}

const good = (): Record<string, string> => ({
  LOGWARDEN_CONFIG: writeInventory(directory),
  LOGWARDEN_QUEUES: "127.0.0.1:11300",
  LOGWARDEN_TRUSTED_PROXIES: "127.0.0.1",
});

test("--help names every variable with its default and asks for nothing", async () => {
  const { code, stdout, stderr } = await run(["--help"]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  for (const name of ["CONFIG", "QUEUES", "LISTEN", "TRUSTED_PROXIES", "UNANSWERED_PUTS_MAX", "DRAIN_DEADLINE_MS"]) {
    expect(stdout).toContain(`LOGWARDEN_${name}  `);
  }
});

test("--check prints the configuration that would be used, opens nothing, and exits 0", async () => {
  const { code, stdout } = await run(["--check"], good());
  expect(code).toBe(0);
  const end = stdout.lastIndexOf("}") + 1;
  expect(JSON.parse(stdout.slice(0, end))).toMatchObject({ queues: ["127.0.0.1:11300"], headerTimeoutMs: 5000 });
  expect(stdout.slice(end)).toContain("The configuration can be used.");
});

test("an unknown argument is refused", async () => {
  const { code, stderr } = await run(["--chekc"], good());
  expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining("--chekc: no such argument") });
});

describe.each([
  ["with --check", ["--check"]],
  ["at a start", []],
])("a configuration that cannot be used exits 2 with every complaint, %s", (_, args) => {
  test("of the environment: typos, forms, what is missing", async () => {
    const { code, stdout, stderr } = await run(args, {
      LOGWARDEN_TRUSTED_PROXYS: "127.0.0.1",
      LOGWARDEN_LISTEN: "localhost:10514",
      LOGWARDEN_FRAME_BYTES_MAX: "12",
      LOGWARDEN_TRUSTED_PROXIES: "10.0.0.0/33",
    });
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    for (const complaint of [
      "LOGWARDEN_TRUSTED_PROXYS: no such variable",
      'LOGWARDEN_LISTEN: expected ADDRESS:PORT or off, got "localhost:10514"',
      'LOGWARDEN_FRAME_BYTES_MAX: expected a whole number from 480 to 65536, got "12"',
      'LOGWARDEN_TRUSTED_PROXIES: expected addresses or prefixes with commas between, got "10.0.0.0/33"',
      "LOGWARDEN_QUEUES: must be set, for example",
    ]) {
      expect(stderr).toContain(complaint);
    }
  });

  test("of the inventory", async () => {
    const config = `${directory}/bad.yaml`;
    writeFileSync(config, "devices: { edge-1: { address: 10.0.0 }, Edge: { address: 10.0.0.1 } }\nalow: []\n");
    const { code, stderr } = await run(args, { ...good(), LOGWARDEN_CONFIG: config });
    expect(code).toBe(2);
    for (const words of ["devices.edge-1.address", "devices.Edge", '"alow"', "allow: must be written out"]) {
      expect(stderr).toContain(words);
    }
  });

  test("of the rules: a disabled rule that does not exist", async () => {
    const env = good();
    writeInventory(directory, { rules: { disabled: ["netplugd-state-dwn"] } });
    const { code, stderr } = await run(args, env);
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining("no such rule: netplugd-state-dwn") });
  });

  test("of the queue's addresses", async () => {
    const { code, stderr } = await run(args, { ...good(), LOGWARDEN_QUEUES: "127.0.0.1:99999" });
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining("LOGWARDEN_QUEUES") });
  });
});
