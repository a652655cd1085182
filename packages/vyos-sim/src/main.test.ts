/** The router as a program, with its control door. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { readProgramConfig } from "./config.ts";
import { ban, type Sent } from "./test-client.ts";

let directory: string;
let keyFile: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "vyos-sim-"));
  keyFile = join(directory, "key");
  writeFileSync(keyFile, "lab-key\n");
});
afterAll(() => rmSync(directory, { recursive: true }));

function run(args: string[]): { child: ChildProcess; lines: AsyncIterator<string>; ended: Promise<number | null> } {
  const child = spawn(process.execPath, [join(import.meta.dirname, "main.ts"), ...args], {
    stdio: ["ignore", "pipe", "ignore"],
    env: { ...process.env, NODE_OPTIONS: "" },
  });
  const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
  return { child, lines: createInterface({ input: child.stdout })[Symbol.asyncIterator](), ended };
}

async function post(url: string, sent: Sent): Promise<number> {
  return new Promise((resolve, reject) => {
    const headers = { "content-type": sent.contentType };
    const outgoing = request(
      url + sent.path,
      { method: "POST", rejectUnauthorized: false, agent: false, headers },
      (incoming) => {
        incoming.resume();
        incoming.on("end", () => resolve(incoming.statusCode ?? 0));
      },
    );
    outgoing.on("error", reject);
    outgoing.end(sent.body);
  });
}

test("it says when it is ready, tells of every request, takes faults, and ends on SIGTERM", async () => {
  const args = ["--listen", "127.0.0.1:0", "--control", "127.0.0.1:0", "--key-file", keyFile, "--state", directory];
  const { child, lines, ended } = run(args);
  const next = async (): Promise<Record<string, unknown>> =>
    JSON.parse((await lines.next()).value as string) as Record<string, unknown>;
  const started = await next();
  expect(started).toMatchObject({
    event: "router.started",
    fingerprint: expect.stringMatching(/^sha256:[0-9a-f]{64}$/),
  });
  const [url, control] = [String(started["url"]), String(started["control"])];

  expect((await fetch(`${control}/healthz`)).status).toBe(200);
  expect((await fetch(`${control}/faults`, { method: "POST", body: '{"kind":"earthquake"}' })).status).toBe(400);
  await fetch(`${control}/faults`, { method: "POST", body: '{"kind":"502"}' });
  expect(await post(url, ban("192.0.2.1"))).toBe(502);
  await fetch(`${control}/faults`, { method: "DELETE" });
  expect(await post(url, ban("192.0.2.1"))).toBe(200);
  expect(await next()).toMatchObject({ event: "request.received", seq: 1, endpoint: "/configure" });
  expect(await next()).toEqual({ event: "request.answered", seq: 1, status: 502 });
  const state = await (await fetch(`${control}/state`)).json();
  expect(state).toMatchObject({
    active: { firewall: { group: { "address-group": { BAD_GUYS: { address: "192.0.2.1" } } } } },
    faults: [],
  });
  expect(state).not.toHaveProperty("saved.firewall");

  child.kill("SIGTERM");
  expect(await ended).toBe(0);
});

test("bad arguments are named together and end it with 2", async () => {
  expect(await run(["--release", "2.0"]).ended).toBe(2);
  expect(readProgramConfig(["--release", "2.0", "--commit-scale", "fast", "--listen", "nowhere"], {})).toEqual({
    kind: "refused",
    complaints: [
      'expected --listen to be ADDRESS:PORT such as 127.0.0.1:8443, got "nowhere"',
      'expected --release to be 1.3, 1.4 or current, got "2.0"',
      'expected --commit-scale from 0 to 1, got "fast"',
      "expected --key-file FILE, a file that holds the API key",
    ],
  });
});

test("the environment stands in for options that are not given", () => {
  const environment = {
    SIM_LISTEN: "127.0.0.1:9443",
    SIM_KEY_FILE: keyFile,
    SIM_RELEASE: "1.3",
    SIM_INTERFACES: "eth0",
  };
  expect(readProgramConfig(["--release", "current"], environment)).toEqual({
    kind: "run",
    control: undefined,
    router: { host: "127.0.0.1", port: 9443, key: "lab-key", release: "current", commitScale: 0, interfaces: ["eth0"] },
  });
});
