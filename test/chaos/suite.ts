/** The suite as a test runs it: a process of its own, which moves into a network of its own. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { namespacesRefused } from "@logwarden/lab/parts/namespaces";
import type { RunResult } from "./run.ts";

/** Why no pair of balancers can be made here; undefined: one can. */
export const refused = namespacesRefused();
if (refused !== undefined) process.stderr.write(`skipped, no network namespaces here: ${refused}\n`);

export interface SuiteRun {
  code: number | null;
  result: RunResult;
  /** What it said beside the figures; where the logs are, when a promise is broken. */
  said: string;
}

export async function chaos(...args: string[]): Promise<SuiteRun> {
  const program = fileURLToPath(new URL("main.ts", import.meta.url));
  const child = spawn(process.execPath, [program, ...args, "--json"], { stdio: ["ignore", "pipe", "pipe"] });
  const text = { stdout: "", stderr: "" };
  for (const stream of ["stdout", "stderr"] as const) {
    child[stream].setEncoding("utf8").on("data", (chunk: string) => (text[stream] += chunk));
  }
  const [code] = (await once(child, "close")) as [number | null];
  if (text.stdout === "") throw new Error(`the suite ended with ${code} and no figures:\n${text.stderr}`);
  return { code, result: JSON.parse(text.stdout) as RunResult, said: text.stderr };
}
