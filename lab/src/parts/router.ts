/**
 * A simulated VyOS router as a part: a process of its own that exists only on the wire.
 *
 *   start ──▶ answers ──stop──▶ gone ──start──▶ answers again, with what it had saved
 */

import { mkdirSync, writeFileSync } from "node:fs";
import { Program } from "./program.ts";
import { root } from "./service.ts";

export interface RouterOptions {
  name: string;
  release: "1.3" | "1.4" | "current";
  host: string;
  port: number;
  key: string;
  /** Its disk: certificate, saved configuration, and the file with its key. */
  directory: string;
  /** 1: commits take as long as on a real router; 0: none. */
  commitScale: number;
  interfaces: readonly string[];
  /** Each request, when it has arrived in whole. */
  onRequest?: (request: RouterRequest) => void;
}

export interface RouterRequest {
  seq: number;
  /** Milliseconds since the epoch, with fractions. */
  receivedAtMs: number;
  endpoint: string;
  ops: { op: string; path: string[] }[];
}

export interface RouterPart {
  /** Of its present life. */
  readonly program: Program;
  name: string;
  url: string;
  fingerprint: string;
  keyFile: string;
  requests: readonly RouterRequest[];
  /** What the router runs and what it has saved. */
  state(): Promise<{ active: unknown; saved: unknown }>;
  /** Makes the router misbehave; see packages/vyos-sim/README.md. */
  inject(fault: Record<string, unknown>): Promise<void>;
  clearFaults(): Promise<void>;
  /** Switches it off, or waits until it is off. */
  stop(): Promise<void>;
  /** Switches it on again, at the same address: it boots from what it had saved. */
  start(): Promise<void>;
}

/** Starts a simulated router and waits until it listens. */
export async function startRouterPart(options: RouterOptions): Promise<RouterPart> {
  mkdirSync(options.directory, { recursive: true });
  const keyFile = `${options.directory}/api-key`;
  writeFileSync(keyFile, `${options.key}\n`, { mode: 0o600 });
  const requests: RouterRequest[] = [];
  const boot = async (port: number) => {
    const program = await Program.start({
      name: options.name,
      command: process.execPath,
      args: [
        `${root}packages/vyos-sim/src/main.ts`,
        ...["--listen", `${options.host}:${port}`],
        ...["--release", options.release],
        ...["--key-file", keyFile],
        ...["--state", options.directory],
        ...["--commit-scale", String(options.commitScale)],
        ...["--interfaces", options.interfaces.join(",")],
        ...["--control", `${options.host}:0`],
      ],
      onLine: (text) => {
        if (!text.startsWith('{"event":"request.received"')) return;
        const request = JSON.parse(text) as RouterRequest;
        requests.push(request);
        options.onRequest?.(request);
      },
    });
    const line = await program.line((text) => text.includes('"router.started"'));
    const { url, fingerprint, control } = JSON.parse(line) as { url: string; fingerprint: string; control: string };
    return { program, url, fingerprint, control };
  };
  let life = await boot(options.port);
  const { url, fingerprint } = life;
  const call = async (method: string, path: string, body?: unknown): Promise<unknown> => {
    const response = await fetch(`${life.control}${path}`, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { "content-type": "application/json" } }),
    });
    if (!response.ok)
      throw new Error(`${options.name}: ${method} ${path}: ${response.status} ${await response.text()}`);
    return response.json();
  };
  return {
    get program() {
      return life.program;
    },
    name: options.name,
    url,
    fingerprint,
    keyFile,
    requests,
    state: () => call("GET", "/state") as Promise<{ active: unknown; saved: unknown }>,
    inject: async (fault) => void (await call("POST", "/faults", fault)),
    clearFaults: async () => void (await call("DELETE", "/faults")),
    stop: async () => void (await life.program.stop()),
    start: async () => {
      life = await boot(Number(new URL(url).port));
    },
  };
}
