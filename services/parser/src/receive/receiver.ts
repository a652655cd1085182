/**
 * Every way into the parser, opened by the configuration and used as one.
 *
 *   proxied   TCP, a PROXY header from a trusted balancer first: the device is whom the header names
 *   plain     TCP: the device is the peer
 *   tls       TLS (RFC 5425), with or without a PROXY header in front: the device is whom the certificate, the header or
 *             the peer's address names, in this order
 *   udp       the device is the sender's address
 *
 * Backpressure: while paused, no stream is read; the kernel's window closes and the sender's own queue holds the lines.
 */

import assert from "node:assert/strict";
import type { Inventory } from "@logwarden/shared/inventory";
import type { Log } from "@logwarden/shared/log";
import { memoryBytesMax, type ParserEnvironment } from "../config.ts";
import { parseAddress } from "@logwarden/shared/ip";
import type { Keeping } from "../keep/keeping.ts";
import { Connection, type Door, type Surroundings } from "./connection.ts";
import { Connections } from "./connections.ts";
import { Devices } from "./devices.ts";
import type { LineSink } from "./line-sink.ts";
import type { Reading } from "./read-buffer.ts";
import { openStreamListener } from "./stream-listener.ts";
import { TlsDoor } from "./tls-door.ts";
import type { TlsIdentity } from "./tls-files.ts";
import { openUdpListener } from "./udp-listener.ts";

export interface ReceiverOptions extends LineSink {
  inventory: Inventory;
  /** Undefined when TLS is off. */
  tlsIdentity: TlsIdentity | undefined;
  /** Undefined when nobody keeps our connections. */
  keeping?: Keeping | undefined;
  log: Log;
  /** For tests: the slower way, which serves where Node's own is closed. */
  reading?: Reading;
}

export interface Receiver {
  readonly connections: number;
  /** Stops reading, present connections and future ones, until resume. */
  pause(): void;
  resume(): void;
  /** Accepts no more, half-closes every connection, reads on until the peers have closed. @returns connections cut at the deadline */
  drain(deadlineMs: number): Promise<number>;
}

/** Opens the listeners. @throws when an address cannot be bound */
export async function openReceiver(environment: ParserEnvironment, options: ReceiverOptions): Promise<Receiver> {
  const { inventory, tlsIdentity, keeping, log, reading = "direct" } = options;
  const { listen, plainListen, tlsListen, udpListen, tlsProxied } = environment;
  const devices = new Devices({ ...environment, inventory, log });
  const connections = new Connections(environment);
  const surroundings: Surroundings = { ...environment, ...options, keeping, reading, devices, connections };
  const tls = tlsIdentity === undefined ? undefined : new TlsDoor({ ...environment, identity: tlsIdentity, log });

  assert(tlsListen === undefined || tls !== undefined, "a listener for TLS would be a plain one");
  const doors: { at: typeof listen; door: Door }[] = [
    { at: listen, door: { name: "proxied", proxied: true, tls: undefined } },
    { at: plainListen, door: { name: "plain", proxied: false, tls: undefined } },
    { at: tlsListen, door: { name: "tls", proxied: tlsProxied === "yes", tls } },
  ];
  const servers = await Promise.all(
    doors.flatMap(({ at, door }) => (at === undefined ? [] : [openStreamListener(at, door, surroundings)])),
  );
  const udp = udpListen && (await openUdpListener(udpListen, { ...environment, ...options, devices }));

  keeping?.ready((inherited) => {
    const { door: name, peer: text } = inherited.connection;
    const found = doors.find(({ door }) => door.name === name);
    const peer = parseAddress(text);
    assert(found !== undefined && peer !== undefined, "the last worker had the same environment");
    new Connection(inherited, peer, found.door, surroundings);
  });

  log.watch("connections", "Connections that are open now.", () => connections.size);
  log.watch(
    "connections_half_closed",
    "Connections that we have half-closed and read until the peer closes.",
    () => connections.halfClosed,
  );
  if (keeping !== undefined) {
    log.watch(
      "connections_kept",
      "Connections that outlive this process: the keeper holds them too.",
      () => keeping.size,
    );
  }
  const { totalBytes } = memoryBytesMax(environment);
  log.watch("memory_bytes_max", "What the process may grow to, by its settings.", () => totalBytes);
  log.watch("devices_accepted", "Addresses that are accepted without being in the inventory.", () => devices.accepted);

  return {
    get connections() {
      return connections.size;
    },
    pause() {
      connections.pause();
      udp?.pause();
    },
    resume() {
      connections.resume();
      udp?.resume();
    },
    async drain(deadlineMs) {
      for (const server of servers) server.close();
      const cut = await connections.drain(deadlineMs);
      await udp?.close();
      return cut;
    },
  };
}
