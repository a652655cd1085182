/** What a figure is worth depends on where it was measured: the machine, the versions, the commit, the disk. */

import { execFileSync } from "node:child_process";
import { closeSync, fsyncSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { cpus, loadavg, release, tmpdir, totalmem } from "node:os";
import { fileURLToPath } from "node:url";
import { programPath } from "@logwarden/lab/system-packages";
import { quantiles, showNumber } from "./statistics.ts";

/** What → its value, in the order in which it is shown. */
export type Machine = Readonly<Record<string, string>>;

const root = fileURLToPath(new URL("..", import.meta.url));

/** Looks at the machine as it is before the bench adds its own load. */
export function readMachine(commandArguments: readonly string[]): Machine {
  const processors = cpus();
  return {
    command: ["npm run bench", ...(commandArguments.length === 0 ? [] : ["--", ...commandArguments])].join(" "),
    date: `${new Date().toISOString().slice(0, 16).replace("T", " ")} UTC`,
    commit: commit(),
    processor: `${processors[0]?.model.trim() ?? "unknown"}, ${processors.length} cores`,
    memory: `${showNumber(totalmem() / 2 ** 30, 1)} GiB`,
    kernel: release(),
    node: process.version,
    beanstalkd: run("beanstalkd", "-v"),
    haproxy: run("haproxy", "-v").split("\n")[0] ?? "",
    disk: `one fsync in ${tmpdir()}: ${fsyncTimes()}`,
    "load before": loadavg()
      .map((load) => load.toFixed(2))
      .join(" "),
  };
}

function commit(): string {
  try {
    const changed = run("git", "-C", root, "status", "--porcelain", "--untracked-files=no") !== "";
    return `${run("git", "-C", root, "rev-parse", "HEAD")}${changed ? ", with changes that are not committed" : ""}`;
  } catch {
    // A tarball has no history.
    return "unknown";
  }
}

function run(command: string, ...args: string[]): string {
  const env = { ...process.env, PATH: programPath() };
  return execFileSync(command, args, { encoding: "utf8", env, stdio: ["ignore", "pipe", "ignore"] }).trim();
}

/** beanstalkd waits for one before every answer (-f0), so it is part of every figure here. */
function fsyncTimes(): string {
  const directory = mkdtempSync(`${tmpdir()}/logwarden-bench-fsync-`);
  const file = openSync(`${directory}/file`, "w");
  try {
    const times = Array.from({ length: 200 }, () => {
      const startedAtMs = performance.now();
      writeSync(file, Buffer.alloc(300));
      fsyncSync(file);
      return performance.now() - startedAtMs;
    });
    const { p50, p99 } = quantiles(times);
    return `${showNumber(p50, 2)} ms (p99 ${showNumber(p99, 2)} ms)`;
  } finally {
    closeSync(file);
    rmSync(directory, { recursive: true });
  }
}
