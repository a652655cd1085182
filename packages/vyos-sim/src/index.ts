/**
 * A VyOS router that exists only on the wire: HTTPS on one side, a small configuration engine behind it.
 *
 * It knows nothing of our clients and shares no code with them; the two meet on the socket only. What it answers was
 * taken from the unmodified API server of VyOS, to the byte.
 */
import type { IncomingMessage } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import type { Release } from "./answer.ts";
import { ensureIdentity, fingerprintOf, type Identity } from "./certificate.ts";
import { type ConfigNode, emptyConfig, find, type PlainConfig, plainConfig, setPath, valuesAt } from "./config-tree.ts";
import { type Fault, Faults } from "./faults.ts";
import { serve } from "./front.ts";
import { interfacePath } from "./interface-types.ts";
import { RequestLog, type RequestRecord } from "./request-log.ts";
import { SaveFile } from "./save-file.ts";
import { Session } from "./session.ts";
import { createWaiting } from "./wait.ts";

export type { Release } from "./answer.ts";
export { type Fault, type FaultKind, parseFault } from "./faults.ts";
export type { RequestRecord } from "./request-log.ts";

export interface RouterOptions {
  /** Which VyOS to be: "1.3", "1.4" (also for 1.5 of late 2024) or "current". */
  release?: Release;
  key: string;
  host?: string;
  /** 0 takes any free port. */
  port?: number;
  /** Keeps the saved configuration and the certificate; without it a new router starts empty. */
  stateDirectory?: string;
  /** 0 commits at once; 1 takes as long as the real engine did, e.g. 3.3 s for 100 operations. */
  commitScale?: number;
  /** `service https api strict`: deleting what is absent is refused. */
  strict?: boolean;
  /** In the configuration at first start, and the network cards that exist. */
  interfaces?: string[];
  hostname?: string;
  /** A certificate from elsewhere instead of one of its own. */
  identity?: Identity;
}

export interface Router {
  url: string;
  fingerprint: string;
  certificatePem: string;
  requests: readonly RequestRecord[];
  active(): PlainConfig;
  saved(): PlainConfig;
  members(group: string, family?: 4 | 6): string[];
  savedMembers(group: string, family?: 4 | 6): string[];
  disabled(interfaceName: string): boolean;
  savedDisabled(interfaceName: string): boolean;
  inject(fault: Fault): void;
  /** Also starts the API service again if it was wedged: what waited in it gets a 502. */
  clearFaults(): void;
  faults(): Fault[];
  /** Called when a request is fully received. Answers the function that ends it. */
  onRequest(listener: (record: RequestRecord) => void): () => void;
  /** Called when the answer was sent, or will never be. */
  onAnswer(listener: (record: RequestRecord) => void): () => void;
  close(): Promise<void>;
}

export async function startRouter(options: RouterOptions): Promise<Router> {
  const { release = "1.4", key, host = "127.0.0.1", stateDirectory } = options;
  if (key === "") throw new Error("expected a key that is not empty");
  const names = options.interfaces ?? ["eth0", "eth1"];
  const saveFile = new SaveFile(stateDirectory);
  const identity = options.identity ?? (await ensureIdentity(stateDirectory, host));
  let boot = saveFile.read();
  if (boot === undefined) {
    boot = firstConfig(names, options.hostname ?? "vyos", release);
    saveFile.write(boot);
  }

  const faults = new Faults();
  const log = new RequestLog();
  const waiting = createWaiting();
  const session = new Session(boot, {
    release,
    strict: options.strict ?? false,
    commitScale: options.commitScale ?? 0,
    cards: new Set(names.map((name) => name.split(".")[0] ?? name)),
    faults,
    saveFile,
    wait: waiting.wait,
  });

  const server = createServer({ key: identity.privateKeyPem, cert: identity.certificatePem, minVersion: "TLSv1.2" });
  /** nginx's own keep-alive time. */
  server.keepAliveTimeout = 75_000;
  // A reset must happen below TLS, on the raw connection; the two sides are known to each other by the client's port.
  const raw = new Map<string, Socket>();
  server.on("connection", (socket: Socket) => {
    const name = peerOf(socket);
    raw.set(name, socket);
    socket.once("close", () => raw.delete(name));
  });
  const reset = (request: IncomingMessage): void => {
    raw.get(peerOf(request.socket))?.resetAndDestroy();
  };
  server.on("request", (request, response) => {
    void serve({ release, key, session, faults, log, wait: waiting.wait, reset }, request, response);
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port ?? 0, host, resolve);
  });
  const { port } = server.address() as AddressInfo;

  const savedConfig = (): ConfigNode => saveFile.read() ?? emptyConfig();
  return {
    url: `https://${host.includes(":") ? `[${host}]` : host}:${port}`,
    fingerprint: fingerprintOf(identity.certificatePem),
    certificatePem: identity.certificatePem,
    requests: log.records,
    active: () => plainConfig(session.active),
    saved: () => plainConfig(savedConfig()),
    members: (group, family = 4) => membersOf(session.active, group, family),
    savedMembers: (group, family = 4) => membersOf(savedConfig(), group, family),
    disabled: (name) => isDisabled(session.active, name),
    savedDisabled: (name) => isDisabled(savedConfig(), name),
    inject: (fault) => faults.inject(fault),
    clearFaults: () => {
      faults.clear();
      if (session.lock.isWedged) session.restart();
    },
    faults: () => faults.list(),
    onRequest: (listener) => log.onReceived(listener),
    onAnswer: (listener) => log.onAnswered(listener),
    close: async () => {
      waiting.close();
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      for (const socket of raw.values()) socket.destroy();
      await closed;
    },
  };
}

function peerOf(socket: Socket): string {
  return `${socket.remoteAddress} ${socket.remotePort}`;
}

function firstConfig(names: string[], hostname: string, release: Release): ConfigNode {
  const root = emptyConfig();
  for (const name of names) {
    const path = interfacePath(name);
    const refusal = path === undefined ? "unknown kind of interface" : setPath(root, path, release);
    if (refusal !== undefined) throw new Error(`expected the name of an interface such as eth0, got "${name}"`);
  }
  const refusal = setPath(root, ["system", "host-name", hostname], release);
  if (refusal !== undefined) throw new Error(`expected a host name, got "${hostname}"`);
  return root;
}

function membersOf(root: ConfigNode, group: string, family: 4 | 6): string[] {
  return valuesAt(root, ["firewall", "group", family === 4 ? "address-group" : "ipv6-address-group", group, "address"]);
}

function isDisabled(root: ConfigNode, name: string): boolean {
  const path = interfacePath(name);
  return path !== undefined && find(root, [...path, "disable"]) !== undefined;
}
