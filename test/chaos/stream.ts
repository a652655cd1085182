/**
 * A numbered stream of attacks: each line has an attacker of its own, so that it can be followed to its router.
 *
 *   line n ──logger──▶ rsyslogd of an edge ──▶ … ──▶ /configure of a router: set … address A(n)
 *
 * One in eight is a ban that fail2ban reports, which goes to every router; one in forty names somebody who is never banned.
 */

import { type ChildProcess, spawn } from "node:child_process";
import type { RouterRequest } from "@logwarden/lab/parts/router";
import { programPath } from "@logwarden/lab/system-packages";
import type { Edge } from "./system.ts";

export interface Line {
  n: number;
  edge: string;
  sentAtMs: number;
  /** Somebody who must not be banned: nothing may come of it. */
  never: boolean;
  everywhere: boolean;
  /** When a router was first asked to take its attacker, by router. */
  askedAtMs: Map<string, number>;
}

/** How many lines a second, over all edges. */
export const linesPerSecond = 60;

export class Stream {
  /** By attacker. */
  readonly lines = new Map<string, Line>();
  /** How often a router was asked for an address that it had been asked for before. */
  askedAgain = 0;
  /** When each router was asked to save, by router. */
  readonly saves = new Map<string, number[]>();
  /** Addresses that no router may ever be asked for, and were. */
  readonly forbidden: string[] = [];
  #count: number;
  #turn = 0;
  #timer: NodeJS.Timeout | undefined;
  readonly #mouths = new Map<string, ChildProcess>();

  /** @param first number of the first line: streams of several systems in a row do not repeat each other */
  constructor(first: number) {
    this.#count = first;
  }

  /** The next line's number. */
  get next(): number {
    return this.#count;
  }

  /** Lines that were written after that, the newest first. */
  since(ms: number): Line[] {
    const all = [...this.lines.values()].reverse();
    const before = all.findIndex(({ sentAtMs }) => sentAtMs < ms);
    return before === -1 ? all : all.slice(0, before);
  }

  start(edges: readonly Edge[]): void {
    this.#timer ??= setInterval(() => this.send(edges[this.#turn++ % edges.length] as Edge), 1000 / linesPerSecond);
  }

  pause(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** One line of this edge now: a failed login, what a peer has banned, or what its number says. */
  send(edge: Edge, as?: "login" | "peer"): Line {
    const n = this.#count++;
    const never = as === undefined && n % 40 === 7;
    const everywhere = as === "peer" || (as === undefined && !never && n % 8 === 3);
    const address = never ? `198.51.100.${1 + ((n / 40) & 127)}` : attackerOf(n);
    const line: Line = { n, edge: edge.name, sentAtMs: Date.now(), never, everywhere, askedAtMs: new Map() };
    if (!never) this.lines.set(address, line);
    if (everywhere) this.#say(edge, "fail2ban.actions[77]", `NOTICE [sshd] Ban ${address}`);
    else this.#say(edge, "sshd[4242]", `Failed password for root from ${address} port ${1024 + (n % 60_000)} ssh2`);
    return line;
  }

  /** What routers are asked for, as it arrives. */
  noteRequest(router: string, { endpoint, ops, receivedAtMs }: RouterRequest): void {
    if (endpoint === "/config-file") this.saves.set(router, [...(this.saves.get(router) ?? []), receivedAtMs]);
    if (endpoint !== "/configure") return;
    for (const { op, path } of ops ?? []) {
      const word = path.at(-1) ?? "";
      if (op !== "set" || !path.includes("BAD_GUYS")) continue;
      const line = this.lines.get(word);
      if (line === undefined) this.forbidden.push(`${router} was asked for ${path.join(" ")}`);
      else if (line.askedAtMs.has(router)) this.askedAgain++;
      else line.askedAtMs.set(router, receivedAtMs);
    }
  }

  /** logger sends each line of its input as a message of its own, and waits for a socket that is full. */
  #say(edge: Edge, tag: string, text: string): void {
    const key = `${edge.name} ${tag}`;
    let mouth = this.#mouths.get(key);
    if (mouth === undefined) {
      const { socket } = edge.rsyslogd;
      const args = ["--socket", socket, "--socket-errors=on", "--priority", "auth.info", "--tag", tag];
      const env = { ...process.env, PATH: programPath() };
      mouth = spawn("logger", args, { stdio: ["pipe", "ignore", "inherit"], env });
      mouth.stdin?.on("error", () => undefined);
      this.#mouths.set(key, mouth);
    }
    mouth.stdin?.write(`${text}\n`);
  }

  close(): void {
    this.pause();
    for (const mouth of this.#mouths.values()) mouth.kill();
  }
}

/** RFC 6598: four million addresses of nobody in particular. */
function attackerOf(n: number): string {
  return `100.${64 + ((n >> 16) & 63)}.${(n >> 8) & 255}.${n & 255}`;
}
