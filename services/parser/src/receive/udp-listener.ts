/**
 * The UDP listener (RFC 5426): one datagram is one message, and its sender's address is the device.
 *
 * The weakest of the doors. Whoever can send a packet can write any source address on it, so it belongs inside networks
 * where nobody can forge one. Nothing tells a sender to wait either: while the parser does not read, datagrams are held here,
 * up to a number of bytes, and above that each is refused and counted. What the kernel dropped before us, because we were
 * too slow, it counts itself.
 */

import { createSocket, type RemoteInfo } from "node:dgram";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Device } from "@logwarden/shared/inventory";
import type { Log } from "@logwarden/shared/log";
import type { Devices } from "./devices.ts";
import { trimFrame } from "./framing.ts";
import type { LineSink } from "./line-sink.ts";

export interface UdpOptions extends LineSink {
  frameBytesMax: number;
  udpReceiveBufferBytes: number;
  udpHeldBytesMax: number;
  devices: Devices;
  log: Log;
}

export interface UdpListener {
  pause(): void;
  resume(): void;
  /** Reads what the kernel still has, hands out what was held, and closes. */
  close(): Promise<void>;
}

/** What holding one datagram costs beside its bytes: a buffer with memory of its own, and its place in the list. */
const heldOverheadBytes = 512;

interface Message {
  device: Device;
  datagram: Buffer;
  /** Where the line ends in it. */
  to: number;
}

/** Opens the listener. @throws when the address cannot be bound */
export async function openUdpListener(
  listen: { host: string; port: number },
  options: UdpOptions,
): Promise<UdpListener> {
  const { devices, log, bytes, frameBytesMax, udpHeldBytesMax } = options;
  let paused = false;
  let held: Message[] = [];
  let heldBytes = 0;
  let readEnds = false;

  function receive(datagram: Buffer, { address }: RemoteInfo): void {
    const device = devices.identifyText(address);
    if (typeof device === "string") return refuse("", device, address, datagram.length);
    if (datagram.length > frameBytesMax) {
      const detail = `expected at most ${frameBytesMax} bytes, got ${datagram.length}`;
      return refuse(device.key, "frame-too-long", detail, datagram.length);
    }
    const to = trimFrame(datagram, 0, datagram.length);
    bytes.framing.count += datagram.length - to;
    if (to === 0) return;
    if (!paused) return pass({ device, datagram, to });
    if (heldBytes + to + heldOverheadBytes > udpHeldBytesMax) return refuse(device.key, "queue-full", address, to);
    heldBytes += to + heldOverheadBytes;
    held.push({ device, datagram, to });
  }

  function pass({ device, datagram, to }: Message): void {
    bytes.line.count += to;
    options.onLine(device, { text: datagram.toString("latin1"), bytes: datagram }, 0, to);
    if (readEnds) return;
    // Node hands out the datagrams of one turn of its loop one by one; the read ends behind the last of them.
    readEnds = true;
    setImmediate(() => {
      readEnds = false;
      options.onReadEnd();
    });
  }

  function refuse(device: string, reason: string, detail: string, refused: number): void {
    bytes.refused.count += refused;
    log.say("line.refused", { device, reason, detail });
  }

  /** Held lines may fill the queue's window again: then the rest stays held. */
  function release(whatever: boolean): void {
    const messages = held;
    held = [];
    heldBytes = 0;
    for (const message of messages) {
      if (!paused || whatever) {
        pass(message);
        // What it leads to is put at once: that may fill the window.
        options.onReadEnd();
      } else {
        held.push(message);
        heldBytes += message.to + heldOverheadBytes;
      }
    }
  }

  const socket = createSocket({
    type: listen.host.includes(":") ? "udp6" : "udp4",
    recvBufferSize: options.udpReceiveBufferBytes,
  });
  socket.on("message", receive);
  socket.bind({ address: listen.host, port: listen.port });
  await once(socket, "listening");
  const bound = socket.address();
  let closed = false;
  socket.on("error", (error) => log.say("line.refused", { device: "", reason: "socket-error", detail: error.message }));
  log.watch("udp_dropped_by_kernel", "Datagrams that the kernel dropped before the parser read them.", () =>
    droppedByKernel(bound),
  );
  log.watch("udp_held_bytes", "What is held of datagrams while the queue is slow or away.", () => heldBytes);

  return {
    pause() {
      paused = true;
    },
    resume() {
      paused = false;
      release(false);
    },
    async close() {
      if (closed) return;
      closed = true;
      // Two turns: one that may have looked before the last datagram came, and one that certainly reads it.
      await nextTurn();
      await nextTurn();
      socket.close();
      release(true);
      await nextTurn();
    },
  };
}

/** @returns the column `drops` of /proc/net/udp for the sockets at this port; 0 where there is no such table */
function droppedByKernel({ port, family }: AddressInfo): number {
  let table: string;
  try {
    table = readFileSync(family === "IPv6" ? "/proc/net/udp6" : "/proc/net/udp", "latin1");
  } catch {
    return 0;
  }
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  return table
    .split("\n")
    .map((row) => row.trim().split(/\s+/))
    .filter(([, local]) => local?.endsWith(suffix) === true)
    .reduce((sum, columns) => sum + Number(columns.at(-1)), 0);
}
