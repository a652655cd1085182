/**
 * What a system of the table is: something that reads a corpus, whose processor time can be read, and that knows how many
 * matches it found. Two kinds: those that listen on TCP, and those that read a file.
 */

import { fileURLToPath } from "node:url";
import { Program } from "@logwarden/lab/parts/program";
import { ownHost } from "@logwarden/lab/parts/loopback";
import { within } from "../../wait.ts";
import type { Corpus } from "../corpus.ts";
import { cpuSeconds, quiet } from "../cpu.ts";
import { deviceAt } from "../device.ts";
import type { Sending } from "../sender.ts";
import type { Packages } from "./packages.ts";

/** On TCP: a newline behind each line, or its length before it. `file`: a log file, without TCP and PRI. */
export type Framing = "lf" | "octets" | "file";

/** One run of one system over one corpus. */
export interface Run {
  /** User and system, of the receiving process; what it used before the first byte is subtracted. */
  cpuSeconds: number;
  /** Lines that it read: fewer than the corpus has, where a system is too slow for all of it. */
  lines: number;
  matches: number;
  /** What it should have found; absent where nothing is looked for. */
  expected?: number;
}

export interface Peer {
  /** On the command line. */
  key: string;
  /** In the table. */
  name: string;
  packages: Packages;
  /** A command that says its version. */
  version: readonly [command: string, argument: string];
  /** What it can read. */
  framings: readonly Framing[];
  /** @param directory for its configuration and its output */
  run(corpus: Corpus, framing: Framing, directory: string, signal: AbortSignal): Promise<Run>;
}

/** A listening system that is ready. */
export interface Listening {
  program: Program;
  port: number;
  /** Whether it wants a PROXY header first. */
  proxied: boolean;
  /** Ends it. @returns how many matches it found */
  finish(): Promise<number>;
}

/** Sends a corpus to a listening system and measures it, once it is warm. */
export async function runOverTcp(
  start: () => Promise<Listening>,
  corpus: Corpus,
  { framing, connections = 1, expected }: { framing: Framing; connections?: number; expected: number | undefined },
  signal: AbortSignal,
): Promise<Run> {
  await using stack = new AsyncDisposableStack();
  const system = await start();
  // Ends it when something fails; after finish() nothing is left to end.
  stack.defer(() => system.program.kill());
  const read = ({ octets, lf }: Corpus): Promise<number> =>
    secondsToRead(system, framing === "octets" ? octets : lf, signal, connections);
  await quiet(system.program.pid, signal);
  if (corpus.warmUp !== undefined) await read(corpus.warmUp);
  const used = await read(corpus);
  return {
    cpuSeconds: used,
    lines: corpus.lines,
    matches: await system.finish(),
    ...(expected === undefined ? {} : { expected: expected + (corpus.warmUp?.matches ?? 0) }),
  };
}

/** Sends a file to a system that is ready, and waits until it has done all it had to do with it. @returns the processor seconds it took */
export async function secondsToRead(
  { program, port, proxied }: Listening,
  file: string,
  signal: AbortSignal,
  connections = 1,
): Promise<number> {
  const sources = Array.from({ length: connections }, (_, number) => (proxied ? deviceAt(number).address : null));
  const before = cpuSeconds(program.pid);
  await send({ file, host: ownHost, port, sources }, signal);
  await quiet(program.pid, signal);
  return cpuSeconds(program.pid) - before;
}

/** Longer than any system here takes for any corpus that fits a bench. */
const secondsMax = 600;

/** Sends a file from a process of its own; resolves when the other side has closed. */
export async function send(sending: Sending, signal: AbortSignal): Promise<void> {
  const args = [fileURLToPath(new URL("../sender.ts", import.meta.url)), JSON.stringify(sending)];
  await runToEnd({ name: "sender", command: process.execPath, args }, signal);
}

/** Runs a program until it ends by itself. @returns its last line of stdout @throws when it fails, or at Ctrl-C */
export async function runToEnd(
  options: { name: string; command: string; args: string[]; env?: Record<string, string> },
  signal: AbortSignal,
): Promise<string> {
  let last = "";
  const onLine = (line: string, stream: string): void => {
    if (stream === "stdout") last = line;
  };
  const program = await Program.start({ ...options, onLine });
  try {
    const { code } = await within(secondsMax, `${options.name} has ended`, program.ended, signal);
    if (code !== 0) throw new Error(`${options.name} ended with ${code}:\n${program.lastWords}`);
    return last;
  } finally {
    await program.kill();
  }
}
