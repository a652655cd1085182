/**
 * The syslog listener: connections from trusted load balancers → lines with the device that sent them.
 *
 *   accepted ──▶ header ──▶ lines ──────────────────────────▶ closed
 *      │            │          └─ lame duck: we half-close and read on until the peer closes, or the deadline
 *      │            └─ refused: no header in time, a broken one, an unknown device
 *      └─ refused: not a trusted balancer (before a byte is read), or one connection too many
 *
 * PROXY protocol is required, never guessed: whoever could speak without it could claim to be any device, and whoever
 * can reach the port with it can as well; so only configured balancers may connect.
 *
 * Backpressure: while paused, no socket is read; the kernel's window closes and the sender's own queue holds the lines.
 */

import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { contains, type Prefix, parseAddress } from "@logwarden/shared/ip";
import type { Device } from "@logwarden/shared/inventory";
import type { Log } from "@logwarden/shared/log";
import { Framer } from "./framing.ts";
import { parseProxyHeader } from "./proxy-protocol.ts";

export interface ReceiverOptions {
  trustedProxies: readonly Prefix[];
  /** Canonical address → device. */
  devices: ReadonlyMap<string, Device>;
  frameBytesMax: number;
  headerTimeoutMs: number;
  connectionsMax: number;
  log: Log;
  /** One line of a known device: text[from..to), latin1. */
  onLine: (device: Device, text: string, from: number, to: number) => void;
}

export interface Receiver {
  readonly port: number;
  readonly connections: number;
  /** Stops reading every connection, present and future, until resume. */
  pause(): void;
  resume(): void;
  /** Accepts no more, half-closes every connection, reads on until the peers have closed. @returns connections cut at the deadline */
  drain(deadlineMs: number): Promise<number>;
}

/** A balancer that lost its power says nothing: found out after this and the kernel's nine probes, not after two hours. */
const keepAliveMs = 60_000;

interface Connection {
  socket: Socket;
  peer: string;
  device: Device | undefined;
  framer: Framer | undefined;
  /** Bytes of a header that is not complete. */
  head: Buffer;
  headerTimer: NodeJS.Timeout | undefined;
}

/** Opens the listener. @throws when the address cannot be bound */
export async function openReceiver(
  listen: { host: string; port: number },
  options: ReceiverOptions,
): Promise<Receiver> {
  const connections = new Set<Connection>();
  let paused = false;
  let onEmpty: (() => void) | undefined;

  // allowHalfOpen: a lame duck says that it will not answer (it never does) and still reads what is on its way.
  const server = createServer(
    { allowHalfOpen: true, noDelay: true, keepAlive: true, keepAliveInitialDelay: keepAliveMs },
    (socket) => {
      const { remoteAddress } = socket;
      if (remoteAddress === undefined) return leave(socket);
      const peer = parseAddress(remoteAddress);
      if (peer === undefined || !options.trustedProxies.some((prefix) => contains(prefix, peer))) {
        return refuse(socket, remoteAddress, "untrusted-peer", "not in LOGWARDEN_TRUSTED_PROXIES");
      }
      if (connections.size >= options.connectionsMax) {
        return refuse(socket, peer.text, "too-many-connections", `${options.connectionsMax} are open`);
      }
      accept(socket, peer.text);
    },
  );

  function accept(socket: Socket, peer: string): void {
    const connection: Connection = {
      socket,
      peer,
      device: undefined,
      framer: undefined,
      head: Buffer.alloc(0),
      headerTimer: undefined,
    };
    connections.add(connection);
    startHeaderTimer(connection);
    socket.on("data", (chunk: Buffer) => receive(connection, chunk));
    socket.on("end", () => {
      connection.framer?.end();
      socket.end();
    });
    // A balancer's health check ends with a reset right after the header: normal, and 'close' follows.
    socket.on("error", () => undefined);
    socket.on("close", (hadError) => {
      // After a reset there was no end; what was begun is counted all the same.
      connection.framer?.end();
      clearTimeout(connection.headerTimer);
      connections.delete(connection);
      const device = connection.device?.key ?? "";
      options.log.say("connection.closed", { peer, device, reason: hadError ? "reset" : "ended" });
      if (connections.size === 0) onEmpty?.();
    });
    if (paused) socket.pause();
  }

  /** A paused socket cannot show its header, so the time only counts while we read. */
  function startHeaderTimer(connection: Connection): void {
    connection.headerTimer = setTimeout(() => {
      if (connection.socket.isPaused()) return startHeaderTimer(connection);
      refuse(connection.socket, connection.peer, "header-timeout", `none within ${options.headerTimeoutMs} ms`);
    }, options.headerTimeoutMs);
  }

  function receive(connection: Connection, chunk: Buffer): void {
    if (connection.framer !== undefined) return readLines(connection, chunk);
    connection.head = connection.head.length === 0 ? chunk : Buffer.concat([connection.head, chunk]);
    const header = parseProxyHeader(connection.head);
    if (header.kind === "more") return;
    clearTimeout(connection.headerTimer);
    if (header.kind === "refused") {
      const start = JSON.stringify(connection.head.toString("latin1", 0, 40));
      return refuse(connection.socket, connection.peer, header.fault, `expected a PROXY header, got ${start}`);
    }
    if (header.kind === "proxied") {
      connection.device = options.devices.get(header.ends.source);
      // With `send-proxy check` (v1) HAProxy's health check names itself as the sender: LOCAL in all but name.
      if (connection.device === undefined && header.ends.source !== connection.peer) {
        return refuse(
          connection.socket,
          connection.peer,
          "unknown-device",
          `${header.ends.source} is no device's address`,
        );
      }
    }
    options.log.say("connection.opened", { peer: connection.peer, device: connection.device?.key ?? "" });
    connection.framer = framerFor(connection);
    const payload = connection.head.subarray(header.consumed);
    connection.head = Buffer.alloc(0);
    if (payload.length > 0) readLines(connection, payload);
  }

  function framerFor(connection: Connection): Framer {
    const { log } = options;
    const { device } = connection;
    return new Framer(options.frameBytesMax, {
      frame: (text, from, to) => {
        // The balancer speaks for itself: there is no device whose line this could be.
        if (device === undefined) log.say("line.refused", { device: "", reason: "no-device", detail: connection.peer });
        else options.onLine(device, text, from, to);
      },
      fault: (reason, detail) => log.say("line.refused", { device: device?.key ?? "", reason, detail }),
    });
  }

  function readLines(connection: Connection, chunk: Buffer): void {
    if (connection.framer?.push(chunk.toString("latin1")) === false) connection.socket.destroy();
  }

  /** Reset before we came to accept it, as health checks are: nobody is there any more, and nobody was refused. */
  function leave(socket: Socket): void {
    options.log.say("connection.closed", { peer: "unknown", device: "", reason: "reset" });
    socket.on("error", () => undefined);
    socket.destroy();
  }

  function refuse(socket: Socket, peer: string, reason: string, detail: string): void {
    options.log.say("connection.refused", { peer, reason, detail });
    socket.on("error", () => undefined);
    socket.destroy();
  }

  server.listen({ ...listen, backlog: 1024 });
  await once(server, "listening");
  const bound = server.address();

  return {
    port: typeof bound === "object" && bound !== null ? bound.port : listen.port,
    get connections() {
      return connections.size;
    },
    pause() {
      paused = true;
      for (const { socket } of connections) socket.pause();
    },
    resume() {
      paused = false;
      for (const { socket } of connections) socket.resume();
    },
    async drain(deadlineMs) {
      server.close();
      for (const { socket } of connections) socket.end();
      const empty = new Promise<void>((resolve) => {
        onEmpty = resolve;
        if (connections.size === 0) resolve();
      });
      const deadline = new Promise<void>((resolve) => setTimeout(resolve, deadlineMs).unref());
      await Promise.race([empty, deadline]);
      const cut = connections.size;
      for (const { socket } of connections) socket.destroy();
      return cut;
    },
  };
}
