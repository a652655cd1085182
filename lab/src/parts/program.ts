/**
 * A real program as a part of the lab or of a test: started, watched until it is ready, ended with everything it started.
 *
 *   start ──▶ running ──(ready fact)──▶ ready ──stop──▶ ended
 *                 └──────exits by itself──────────────▶ ended, and whoever waits for readiness hears of it at once
 *
 * Programs die with us, however we die: setpriv asks the kernel to kill the child when its parent thread ends.
 */

import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { connect } from "node:net";
import { createInterface } from "node:readline";
import { programPath } from "../system-packages.ts";

/** util-linux has it on every Debian; without it (macOS, busybox) a kill -9 of the lab would leave its parts behind. */
const setpriv = existsSync("/usr/bin/setpriv") ? ["/usr/bin/setpriv", "--pdeathsig", "KILL", "--"] : [];

/** The last lines of a program's output kept for the message when it fails: enough for its last words. */
const outputLinesMax = 200;

export interface ProgramOptions {
  /** How people call it: "parser-1". */
  name: string;
  command: string;
  args: readonly string[];
  /** Added to our own environment, of which LOGWARDEN_… variables are left out. */
  env?: Record<string, string>;
  cwd?: string;
  /** Whom it runs as, where we may choose (root); ourselves when absent. */
  uid?: number;
  gid?: number;
  /** Receives each line of stdout and stderr. */
  onLine?: (line: string, stream: "stdout" | "stderr") => void;
}

export class Program {
  readonly name: string;
  readonly pid: number;
  /** Resolves when the program has ended, with what it ended with. */
  readonly ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  readonly #child: ChildProcess;
  readonly #lines: string[] = [];
  #exit: { code: number | null; signal: NodeJS.Signals | null } | undefined;
  readonly #listeners = new Set<(line: string) => void>();

  private constructor(child: ChildProcess, options: ProgramOptions) {
    this.name = options.name;
    this.#child = child;
    this.pid = child.pid ?? -1;
    this.ended = new Promise((resolve) => {
      child.once("close", (code, signal) => {
        this.#exit = { code, signal };
        resolve(this.#exit);
      });
    });
    for (const stream of ["stdout", "stderr"] as const) {
      const readable = child[stream];
      if (readable === null) continue;
      createInterface({ input: readable }).on("line", (line) => {
        this.#lines.push(line);
        if (this.#lines.length > outputLinesMax) this.#lines.shift();
        options.onLine?.(line, stream);
        for (const listener of this.#listeners) listener(line);
      });
    }
  }

  /** Starts the program. Rejects when it cannot be executed at all. */
  static async start(options: ProgramOptions): Promise<Program> {
    const [command, ...args] = [...setpriv, options.command, ...options.args];
    const child = spawn(command as string, args, {
      // A process group of its own: Ctrl-C in the terminal reaches the lab alone, which ends the parts in order.
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...ownEnvironment(), PATH: programPath(), ...options.env },
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      ...(options.uid === undefined ? {} : { uid: options.uid }),
      ...(options.gid === undefined ? {} : { gid: options.gid }),
    });
    const program = new Program(child, options);
    await new Promise<void>((resolve, reject) => {
      child.once("spawn", resolve);
      child.once("error", (cause) => reject(new Error(`${options.name} could not be started`, { cause })));
    });
    return program;
  }

  get running(): boolean {
    return this.#exit === undefined;
  }

  /** What the program said last, for messages. */
  get lastWords(): string {
    return this.#lines.slice(-20).join("\n");
  }

  /** Waits for a line of output. Rejects when the program ends before it says it. */
  line(predicate: (line: string) => boolean): Promise<string> {
    const found = this.#lines.find(predicate);
    if (found !== undefined) return Promise.resolve(found);
    return new Promise((resolve, reject) => {
      const listener = (line: string): void => {
        if (!predicate(line)) return;
        this.#listeners.delete(listener);
        resolve(line);
      };
      this.#listeners.add(listener);
      void this.ended.then(() => reject(new Error(`${this.name} ended: ${this.lastWords}`)));
    });
  }

  /** Waits until the port accepts a connection. Rejects when the program ends first, with its last words. */
  async listening(host: string, port: number): Promise<void> {
    while (this.running) {
      if (await accepts(host, port)) return;
      await Promise.race([this.ended, new Promise((resolve) => setTimeout(resolve, 10))]);
    }
    throw new Error(`${this.name} ended before ${host}:${port} accepted connections:\n${this.lastWords}`);
  }

  /** The process that it started first. @throws when there is none: 0 and -1 are pids that mean many */
  get childPid(): number {
    const [first = ""] = readFileSync(`/proc/${this.pid}/task/${this.pid}/children`, "utf8").split(" ");
    if (first === "") throw new Error(`${this.name} has started no process that still runs`);
    return Number(first);
  }

  signal(signal: NodeJS.Signals): void {
    if (this.running) this.#child.kill(signal);
  }

  /**
   * Ends the program: SIGTERM first, SIGKILL when it has not ended after `graceMs`.
   * @returns whether it ended by itself within the grace
   */
  async stop(graceMs = 15_000): Promise<boolean> {
    // A stopped program (SIGSTOP) cannot hear SIGTERM.
    this.signal("SIGCONT");
    this.signal("SIGTERM");
    const timer = setTimeout(() => this.signal("SIGKILL"), graceMs);
    const { signal } = await this.ended;
    clearTimeout(timer);
    return signal !== "SIGKILL";
  }

  /** Ends the program and everything that it started, at once. */
  async kill(): Promise<void> {
    if (this.running) process.kill(-this.pid, "SIGKILL");
    await this.ended;
  }
}

/** Our own environment without what is set for a Logwarden of this machine: a part is told everything, and nothing else. */
function ownEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("LOGWARDEN_")));
}

function accepts(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
