/** What the command's tests stand on: the command as a process, files of the test's own, a real beanstalkd. */

import { afterEach } from "@jest/globals";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { type Beanstalkd, startBeanstalkd } from "@logwarden/lab/parts/beanstalkd";
import { root } from "@logwarden/lab/parts/service";
import { Connection, parseNodeAddress } from "@logwarden/queue";
import { Readable, Writable } from "node:stream";
import { runCommand } from "../src/command.ts";
import { openOutput } from "../src/output.ts";

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** For what a test opened itself. */
export function end(what: () => unknown): void {
  ends.push(what);
}

export interface Run {
  code: number | null;
  stdout: string;
  stderr: string;
}

export const program = `${root}cli/src/main.ts`;

/** The environment without anything that would speak to the command. */
export function cleanEnvironment(more: Record<string, string> = {}): Record<string, string | undefined> {
  const kept = Object.entries(process.env).filter(([name]) => !/^(LOGWARDEN_|npm_|INIT_CWD)/.test(name));
  return { ...Object.fromEntries(kept), NODE_OPTIONS: "", ...more };
}

export function logwarden(
  args: readonly string[],
  { stdin = "", env = {} }: { stdin?: string | Buffer; env?: Record<string, string> } = {},
): Promise<Run> {
  const child = spawn(process.execPath, [program, ...args], { env: cleanEnvironment(env) });
  const said = { stdout: "", stderr: "" };
  for (const stream of ["stdout", "stderr"] as const) {
    child[stream].setEncoding("utf8").on("data", (text: string) => {
      said[stream] += text;
    });
  }
  // A command that does not read its input ends before we have written it.
  child.stdin.on("error", () => undefined);
  child.stdin.end(stdin);
  ends.push(() => child.kill("SIGKILL"));
  return new Promise((resolve) => child.once("close", (code) => resolve({ code, ...said })));
}

/** As `logwarden`, in this process: at a hundredth of the price, for what needs no process of its own. */
export async function here(
  args: readonly string[],
  env: Record<string, string> = {},
  stdin: string | Buffer = "",
): Promise<Run> {
  const said = { stdout: "", stderr: "" };
  const sink = (name: keyof typeof said): Writable =>
    new Writable({
      write: (chunk: Buffer, _, done) => {
        said[name] += chunk.toString("utf8");
        done();
      },
    });
  const output = openOutput(sink("stdout"), sink("stderr"), () => undefined);
  const code = await runCommand(args, { output, stdin: Readable.from([Buffer.from(stdin)]), environment: env });
  return { code, ...said };
}

/** Every line of stdout as JSON. */
export function jsonLines(run: Run): Record<string, unknown>[] {
  return run.stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

/** For a whole file of tests, which share what they start: gone when the process ends. */
export function ownDirectory(): string {
  const path = mkdtempSync(`${tmpdir()}/logwarden-cli-`);
  process.once("exit", () => rmSync(path, { recursive: true, force: true }));
  return path;
}

export function directory(): string {
  const path = mkdtempSync(`${tmpdir()}/logwarden-cli-`);
  ends.push(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** @returns the path of a new file */
export function file(name: string, content: string | Buffer): string {
  const path = `${directory()}/${name}`;
  writeFileSync(path, content);
  return path;
}

export async function beanstalkd(): Promise<Beanstalkd> {
  const server = await startBeanstalkd();
  ends.push(() => server.program.kill());
  return server;
}

export async function connect(server: Beanstalkd): Promise<Connection> {
  const connection = await Connection.open(parseNodeAddress(server.address));
  ends.push(() => connection.destroy());
  return connection;
}
