// The lab as a person runs it: a program that plays the story on real parts, judges it, and leaves nothing behind.

import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { afterEach, describe, expect, test } from "@jest/globals";
import { ownHost } from "@logwarden/lab/parts/loopback";
import { Program } from "@logwarden/lab/parts/program";
import { programPath } from "@logwarden/lab/system-packages";
import { addressOp, createClient } from "@logwarden/vyos";
import { startRouter } from "@logwarden/vyos-sim";

const started: Program[] = [];
afterEach(async () => {
  for (const program of started.splice(0)) await program.kill();
});

function lab(...args: string[]): Promise<{ program: Program; lines: string[] }> {
  return labWith({}, ...args);
}

async function labWith(env: Record<string, string>, ...args: string[]): Promise<{ program: Program; lines: string[] }> {
  const lines: string[] = [];
  const program = await Program.start({
    name: "lab",
    command: process.execPath,
    args: ["lab/src/main.ts", ...args],
    env,
    onLine: (line) => lines.push(line),
  });
  started.push(program);
  return { program, lines };
}

interface Verdict {
  passed: boolean;
  findings: { belief: string; holds: boolean }[];
}

function verdictOf(lines: readonly string[]): Verdict | undefined {
  const line = lines.find((one) => one.startsWith('{"what":"verdict"'));
  return line === undefined ? undefined : (JSON.parse(line) as Verdict);
}

/** The lab's own directory is in the arguments or the environment of every part that it starts. */
function partsOf(lines: readonly string[]): string[] {
  const address = lines.map((line) => /"where":"(127\.0\.\d+)\./.exec(line)?.[1]).find((one) => one !== undefined);
  if (address === undefined) throw new Error("the lab named no address");
  return readdirSync("/proc")
    .filter((pid) => /^\d+$/.test(pid))
    .filter((pid) => {
      try {
        const about = readFileSync(`/proc/${pid}/cmdline`, "latin1") + readFileSync(`/proc/${pid}/environ`, "latin1");
        return about.includes(`${address}.`);
      } catch {
        // It ended while we looked.
        return false;
      }
    });
}

async function untilGone(lines: readonly string[]): Promise<void> {
  while (partsOf(lines).length > 0) await new Promise((resolve) => setTimeout(resolve, 20));
}

test("--once plays both stories, every belief holds, the exit code is 0, and nothing is left running", async () => {
  const { program, lines } = await lab("--once", "--json");
  expect(await program.ended).toEqual({ code: 0, signal: null });
  const verdict = verdictOf(lines);
  expect(verdict?.findings.filter(({ holds }) => !holds)).toEqual([]);
  expect(verdict).toMatchObject({ passed: true });
  expect(verdict?.findings.length).toBeGreaterThan(15);
  expect(partsOf(lines)).toEqual([]);
});

test("--once says FAILED and exits 1 when something does not hold", async () => {
  const directory = mkdtempSync(`${tmpdir()}/logwarden-e2e-`);
  const router = await startRouter({ key: "key", host: ownHost, interfaces: ["eth0"] });
  writeFileSync(`${directory}/key`, "key\n");
  // Somebody has banned the bystander by hand, so that one belief of the story is wrong.
  const client = createClient({ url: router.url, key: "key", trust: { fingerprint: router.fingerprint } });
  await client.configure([addressOp("set", 4, "BAD_GUYS", "192.0.2.1")]);
  client.close();
  try {
    const { program, lines } = await lab("--once", "--json", "--router", router.url, "--key-file", `${directory}/key`);
    expect(await program.ended).toEqual({ code: 1, signal: null });
    const failures = verdictOf(lines)?.findings.filter(({ holds }) => !holds);
    expect(failures).toEqual([{ belief: "192.0.2.1, whom an attacker named, is not", holds: false }]);
    // What was there before the lab is there after it.
    expect(router.members("BAD_GUYS")).toEqual(["192.0.2.1"]);
  } finally {
    await router.close();
    rmSync(directory, { recursive: true });
  }
});

test("Ctrl-C in the middle of the story ends it, exits 1, and says what could not be put back", async () => {
  const directory = mkdtempSync(`${tmpdir()}/logwarden-e2e-`);
  const router = await startRouter({ key: "key", host: ownHost, interfaces: ["eth0"] });
  writeFileSync(`${directory}/key`, "key\n");
  // A router that takes the ban, and nothing after it.
  router.onRequest(({ endpoint }) => {
    if (endpoint === "/config-file") router.inject({ kind: "commit-fails" });
  });
  try {
    const { program, lines } = await lab("--once", "--json", "--router", router.url, "--key-file", `${directory}/key`);
    while (router.members("BAD_GUYS").length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
    program.signal("SIGINT");
    expect(await program.ended).toEqual({ code: 1, signal: null });
    expect(partsOf(lines)).toEqual([]);
    expect(lines.join("\n")).toContain("take out by hand: 203.0.113.");
  } finally {
    await router.close();
    rmSync(directory, { recursive: true });
  }
});

describe("the lab that stays ends everything it started", () => {
  test("on Ctrl-C", async () => {
    const { program, lines } = await lab("--json");
    await program.line((line) => line.startsWith('{"what":"verdict"'));
    expect(partsOf(lines).length).toBeGreaterThan(8);
    program.signal("SIGINT");
    expect(await program.ended).toEqual({ code: 0, signal: null });
    expect(partsOf(lines)).toEqual([]);
  });

  test("even when it is killed: the kernel ends its parts", async () => {
    const { program, lines } = await lab("--json");
    await program.line((line) => line.includes('"part":"edge-2 rsyslogd"'));
    expect(partsOf(lines).length).toBeGreaterThan(8);
    await program.kill();
    await untilGone(lines);
  });
});

test("a real router in the place of edge-1 is used through its API alone, and put back as it was", async () => {
  const directory = mkdtempSync(`${tmpdir()}/logwarden-e2e-`);
  const router = await startRouter({
    key: "a-key-of-its-own",
    host: ownHost,
    release: "current",
    interfaces: ["eth0"],
  });
  writeFileSync(`${directory}/key`, "a-key-of-its-own\n");
  const seen = new Set<string>();
  router.onRequest(() => {
    for (const family of [4, 6] as const) for (const member of router.members("BAD_GUYS", family)) seen.add(member);
  });
  try {
    const { program, lines } = await lab("--once", "--json", "--router", router.url, "--key-file", `${directory}/key`);
    expect(await program.ended).toEqual({ code: 0, signal: null });
    expect(verdictOf(lines)).toMatchObject({ passed: true });
    expect([...seen].sort()).toEqual([
      "2001:db8:bad::-2001:db8:bad:0:ffff:ffff:ffff:ffff",
      ...["203.0.113.20", "203.0.113.21", "203.0.113.22", "203.0.113.7", "203.0.113.8", "203.0.113.9"],
    ]);
    for (const family of [4, 6] as const) {
      expect(router.members("BAD_GUYS", family)).toEqual([]);
      expect(router.savedMembers("BAD_GUYS", family)).toEqual([]);
    }
    expect(lines.join("\n")).not.toContain("a-key-of-its-own");
  } finally {
    await router.close();
    rmSync(directory, { recursive: true });
  }
});

test("a part that cannot start ends the lab with its last words, exit code 2, and nothing left running", async () => {
  const directory = mkdtempSync(`${tmpdir()}/logwarden-e2e-`);
  writeFileSync(`${directory}/haproxy`, "#!/bin/sh\necho no licence today\nexit 1\n", { mode: 0o755 });
  try {
    const { program, lines } = await labWith({ PATH: `${directory}:${programPath()}` }, "--once", "--json");
    expect(await program.ended).toEqual({ code: 2, signal: null });
    expect(lines.join("\n")).toContain("no licence today");
    expect(partsOf(lines)).toEqual([]);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

describe("what cannot begin is said in one message, with exit code 2:", () => {
  test.each([
    ["an unknown option", ["--twice"], "--twice"],
    ["a router without its key", ["--router", "https://192.0.2.1"], "--key-file"],
    [
      "a router without TLS",
      ["--router", "http://192.0.2.1", "--key-file", "package.json"],
      "expected a URL like https://",
    ],
  ])("%s", async (_, args, message) => {
    const { program, lines } = await lab(...args);
    expect(await program.ended).toEqual({ code: 2, signal: null });
    expect(lines.join("\n")).toContain(message);
  });
});
