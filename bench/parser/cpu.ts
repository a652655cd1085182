/**
 * How much processor time has a process used, user and system, all of its threads? Read from outside, so that programs
 * of every kind are measured by the same clock.
 */

import { readdirSync, readFileSync } from "node:fs";
import { pause } from "../wait.ts";

/** USER_HZ: fixed at 100 on every Linux that Node runs on (proc(5), /proc/pid/stat). */
const ticksPerSecond = 100;

/**
 * Processor seconds so far.
 *
 * schedstat counts nanoseconds, but forgets threads that have ended; stat remembers them and children that were waited
 * for, but in ticks of 10 ms, rounded down. Neither is ever too large, so the larger one is the better one.
 * @throws when there is no such process
 */
export function cpuSeconds(pid: number): number {
  const fields = statFields(`/proc/${pid}/stat`);
  const [utime, stime, childUtime, childStime] = [11, 12, 13, 14].map((index) => Number(fields[index]));
  const children = ((childUtime ?? 0) + (childStime ?? 0)) / ticksPerSecond;
  const byTicks = ((utime ?? 0) + (stime ?? 0)) / ticksPerSecond;
  const byThreads = threads(pid).reduce((sum, directory) => sum + onProcessorSeconds(directory), 0);
  return Math.max(byTicks, byThreads) + children;
}

/** How long a process must have done nothing to have finished, and how often we look. */
const quietMs = 250;
const lookEveryMs = 25;
/** Timers go on in a process that has nothing to do; who works uses a processor whole. */
const quietShareMax = 0.05;

/** Resolves when the process has nothing more to do: it sleeps, and its processor time stands (nearly) still. */
export async function quiet(pid: number, signal: AbortSignal): Promise<void> {
  let since = { atMs: performance.now(), seconds: cpuSeconds(pid) };
  while (performance.now() - since.atMs < quietMs) {
    await pause(lookEveryMs, signal);
    const seconds = cpuSeconds(pid);
    // On a busy machine it may want to work and not be let.
    const busy = seconds - since.seconds > (quietMs / 1000) * quietShareMax || runnable(pid);
    if (busy) since = { atMs: performance.now(), seconds };
  }
}

export interface Memory {
  /** Resident now, and the most it ever was. */
  residentBytes: number;
  residentBytesMax: number;
}

/** @throws when there is no such process */
export function memory(pid: number): Memory {
  const status = readFileSync(`/proc/${pid}/status`, "latin1");
  const kibibytes = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(status)?.[1]);
  return { residentBytes: kibibytes("VmRSS") * 1024, residentBytesMax: kibibytes("VmHWM") * 1024 };
}

function runnable(pid: number): boolean {
  return threads(pid).some((directory) => {
    try {
      return statFields(`${directory}/stat`)[0] === "R";
    } catch {
      return false;
    }
  });
}

function threads(pid: number): string[] {
  return readdirSync(`/proc/${pid}/task`).map((thread) => `/proc/${pid}/task/${thread}`);
}

function onProcessorSeconds(directory: string): number {
  try {
    return Number(readFileSync(`${directory}/schedstat`, "latin1").split(" ")[0]) / 1e9;
  } catch {
    // A kernel without schedstat, or a thread that has just ended: stat knows.
    return 0;
  }
}

/** The fields of proc(5) from `state` on: the name before it may hold spaces and parentheses. */
function statFields(path: string): string[] {
  const text = readFileSync(path, "latin1");
  return text.slice(text.lastIndexOf(")") + 2).split(" ");
}
