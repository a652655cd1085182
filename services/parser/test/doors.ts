/**
 * The parser's listeners inside the test, behind them nothing but a list of the lines that came: real sockets, no queue.
 * Everything opened here is closed by `close`.
 */

import { createSocket } from "node:dgram";
import { mkdtempSync, rmSync } from "node:fs";
import { connect as connectTcp } from "node:net";
import { tmpdir } from "node:os";
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from "node:tls";
import { freePort, ownHost } from "@logwarden/lab/parts/loopback";
import { readEnvironment } from "@logwarden/shared/environment";
import { parseInventory } from "@logwarden/shared/inventory";
import type { Log } from "@logwarden/shared/log";
import { stringify } from "yaml";
import { checkListeners, parserVariables } from "../src/config.ts";
import type { Reading } from "../src/receive/read-buffer.ts";
import { openReceiver, type Receiver } from "../src/receive/receiver.ts";
import { readTlsFiles } from "../src/receive/tls-files.ts";
import { Balancer, type Dial } from "./balancer.ts";

export type DoorName = "proxied" | "plain" | "tls" | "udp";

const variableOf: Record<DoorName, string> = {
  proxied: "LOGWARDEN_LISTEN",
  plain: "LOGWARDEN_PLAIN_LISTEN",
  tls: "LOGWARDEN_TLS_LISTEN",
  udp: "LOGWARDEN_UDP_LISTEN",
};

/** Where senders sit: loopback has room for many hosts. */
export const edge = { key: "edge-1", address: "127.1.0.1", certificate: "edge-1.example.net" };
export const web = { key: "web-1", address: "127.1.0.2", certificate: "web-1.example.net" };
export const balancer = { address: "127.1.0.10" };
export const stranger = { address: "127.1.0.99" };

export interface LineSeen {
  device: string;
  text: string;
}

type Said = Record<string, unknown> & { event: string };

export interface DoorsOptions {
  open: DoorName[];
  env?: Record<string, string>;
  /** Added to the inventory. */
  inventory?: Record<string, unknown>;
  reading?: Reading;
  /** Called with each line. */
  onLine?: (line: LineSeen) => void;
  /** What a read led to is put here. */
  onReadEnd?: () => void;
}

export interface Doors {
  receiver: Receiver;
  at: Record<DoorName, { host: string; port: number }>;
  lines: LineSeen[];
  /** How often a read ended. */
  readEnds: () => number;
  /** Everything that was said. */
  said: Said[];
  /** One metric without the prefix, all its label sets added up unless the name has labels. */
  metric(name: string): Promise<number>;
  refused(reason: string): Promise<number>;
  tcp(door: "proxied" | "plain" | "tls", dial: Dial): Promise<Balancer>;
  tls(options: ConnectionOptions, dial?: Pick<Dial, "from" | "stubborn">): TLSSocket;
  datagram(bytes: Buffer | string, from: string): Promise<void>;
  close(): Promise<void>;
}

export async function openDoors(options: DoorsOptions): Promise<Doors> {
  const at = Object.fromEntries(
    await Promise.all(
      Object.keys(variableOf).map(async (name) => [name, { host: ownHost, port: await freePort() }] as const),
    ),
  ) as Doors["at"];
  const off: Record<string, string> = { LOGWARDEN_LISTEN: "off" };
  const environment = readEnvironment(parserVariables, {
    ...off,
    LOGWARDEN_TRUSTED_PROXIES: balancer.address,
    ...Object.fromEntries(options.open.map((name) => [variableOf[name], `${at[name].host}:${at[name].port}`])),
    ...options.env,
  });
  for (const name of options.open) {
    const bound = {
      proxied: environment.listen,
      plain: environment.plainListen,
      tls: environment.tlsListen,
      udp: environment.udpListen,
    }[name];
    if (bound !== undefined) at[name] = bound;
  }
  checkListeners(environment);
  const devices = {
    [edge.key]: { address: edge.address, certificate: edge.certificate },
    [web.key]: { address: web.address, certificate: web.certificate },
  };
  const inventory = parseInventory(stringify({ devices, allow: [], ...options.inventory }), "logwarden.yaml");
  const { log, said, metric } = recordingLog();
  const lines: LineSeen[] = [];
  let readEnds = 0;
  const receiver = await openReceiver(environment, {
    inventory,
    tlsIdentity: environment.tlsListen === undefined ? undefined : readTlsFiles(environment),
    log,
    bytes: { line: { count: 0 }, framing: { count: 0 }, refused: { count: 0 } },
    onLine: (device, read, from, to) => {
      const line = { device: device.key, text: read.text.slice(from, to) };
      lines.push(line);
      options.onLine?.(line);
    },
    onReadEnd: () => {
      readEnds++;
      options.onReadEnd?.();
    },
    ...(options.reading === undefined ? {} : { reading: options.reading }),
  });

  const stops: (() => unknown)[] = [];
  return {
    ...{ receiver, at, lines, said, metric },
    readEnds: () => readEnds,
    refused: (reason) => metric(`connection_refused_total{reason="${reason}"}`),
    tcp: async (door, dial) => {
      const sender = await Balancer.open(at[door], dial);
      stops.push(() => sender.destroy());
      return sender;
    },
    tls: (client, { from = edge.address, stubborn = false } = {}) => {
      const raw = connectTcp({ ...at.tls, localAddress: from, noDelay: true, allowHalfOpen: stubborn });
      raw.on("error", () => undefined);
      const socket = connectTls({ socket: raw, servername: "parser.example.net", ...client });
      socket.on("error", () => undefined);
      stops.push(() => raw.destroy());
      return socket;
    },
    datagram: async (bytes, from) => {
      const socket = createSocket(from.includes(":") ? "udp6" : "udp4");
      await new Promise<void>((resolve) => socket.bind({ address: from }, resolve));
      await new Promise<unknown>((resolve) => socket.send(bytes, at.udp.port, at.udp.host, resolve));
      await new Promise<void>((resolve) => socket.close(resolve));
    },
    close: async () => {
      for (const stop of stops.splice(0)) await stop();
      await receiver.drain(0);
    },
  };
}

/** A log that keeps what is said and counts as the real one does, under the names of the real metrics. */
function recordingLog(): { log: Log; said: Said[]; metric: (name: string) => Promise<number> } {
  const said: Said[] = [];
  const told: { event: string; reason: unknown; tally: { count: number } }[] = [];
  const watched = new Map<string, () => number>();
  const log: Log = {
    debug: false,
    say: (event, fields) => void said.push({ event, ...fields }),
    teller: () => () => undefined,
    tally: (event, labels) => {
      const entry = { event, reason: "reason" in labels ? labels.reason : undefined, tally: { count: 0 } };
      told.push(entry);
      return entry.tally;
    },
    watch: (name, _, read) => void watched.set(name, read),
  };
  const metric = async (name: string): Promise<number> => {
    const read = watched.get(name);
    if (read !== undefined) return read();
    const [, noun, reason] = /^(\w+)_total(?:\{reason="(.*)"\})?$/.exec(name) ?? [];
    const isMeant = (one: { event: string; reason?: unknown }): boolean =>
      one.event.replace(".", "_") === noun && (reason === undefined || one.reason === reason);
    return said.filter(isMeant).length + told.filter(isMeant).reduce((sum, { tally }) => sum + tally.count, 0);
  };
  return { log, said, metric };
}

/** A directory for certificates that is gone when the tests are. */
export function scratch(): { path: string; remove: () => void } {
  const path = mkdtempSync(`${tmpdir()}/logwarden-doors-`);
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}
