/**
 * A TCP listener: who may connect at all. Behind its door each connection is read by itself (connection.ts).
 */

import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { parseAddress } from "@logwarden/shared/ip";
import { Connection, type ConnectionFault, type Door, type Surroundings } from "./connection.ts";

/** A peer that lost its power says nothing: found out after this and the kernel's nine probes, not after two hours. */
const keepAliveMs = 60_000;
/** Senders that come back all at once, after a restart, wait in the kernel instead of being refused by it. */
const backlog = 1024;

/** Opens the listener. @throws when the address cannot be bound */
export async function openStreamListener(
  listen: { host: string; port: number },
  door: Door,
  surroundings: Surroundings,
): Promise<Server> {
  const { log, devices, connections } = surroundings;
  // Paused: nothing is read before it is known how, and whether at all.
  const server = createServer(
    { pauseOnConnect: true, noDelay: true, keepAlive: true, keepAliveInitialDelay: keepAliveMs },
    (socket) => {
      const peer = parseAddress(socket.remoteAddress ?? "");
      if (peer === undefined) return leave(socket);
      const isBalancer = devices.isBalancer(peer);
      if (door.proxied && !isBalancer) {
        return refuse(socket, peer.text, "untrusted-peer", "not in LOGWARDEN_TRUSTED_PROXIES");
      }
      const crowding = connections.crowding(peer);
      if (crowding !== undefined) return refuse(socket, peer.text, crowding, `${connections.size} are open`);
      new Connection(socket, peer, door, surroundings);
    },
  );

  /** Reset before we came to accept it, as health checks are: nobody is there any more, and nobody was refused. */
  function leave(socket: Socket): void {
    log.say("connection.closed", { peer: "unknown", device: "", reason: "reset" });
    socket.on("error", () => undefined);
    socket.destroy();
  }

  function refuse(socket: Socket, peer: string, reason: ConnectionFault, detail: string): void {
    log.say("connection.refused", { peer, reason, detail });
    socket.on("error", () => undefined);
    socket.destroy();
  }

  server.listen({ ...listen, backlog });
  await once(server, "listening");
  return server;
}
