/** strace as a killer that hits an exact point: a process dies as it is about to make its n-th call of one kind. */

import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { Program } from "@logwarden/lab/parts/program";

/** Whether a process may be traced that is not a child of the tracer. Asked by doing it. */
export async function mayTrace(): Promise<boolean> {
  const traced = spawn("sleep", ["0.2"]);
  await once(traced, "spawn");
  const { status } = spawnSync("strace", ["-qq", "-e", "trace=none", "-p", String(traced.pid)]);
  return status === 0;
}

/**
 * The process's main thread is killed when it enters the system call for the n-th time from now on: the call is not carried out.
 * Resolves when the tracer is in place; it ends with the process.
 */
export async function killAtCall(pid: number, call: string, nth: number): Promise<void> {
  const tracer = await Program.start({
    name: "strace",
    command: "strace",
    args: ["-e", `trace=${call}`, "-e", `inject=${call}:signal=SIGKILL:when=${nth}`, "-p", String(pid)],
  });
  await tracer.line((line) => line.includes("attached"));
}
