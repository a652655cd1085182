/**
 * One buffer for everything that is received, and how a socket is read into it.
 *
 *   [headroom: what a reader puts in front of a read][size: what one read delivers][what the journal puts behind it]
 *
 * Its bytes are valid for the time of one call: callbacks are synchronous, so one buffer serves all sockets, and a
 * connection keeps only what it has not finished with, as a copy of its own. Nothing may keep a reference into it.
 *
 * Two ways lead here, and what comes after them cannot tell which it was:
 *
 *   direct   Node reads into the buffer (`onread`): no allocation and no copy for each read. net.Server does not pass
 *            `onread` on, so the accepted socket's handle moves into a new socket. The handle (`_handle`) is not
 *            documented
 *   copied   ordinary 'data' events: for TLS, and for a Node without that handle. Costs a tenth more CPU
 */

import { Socket, type SocketConstructorOpts } from "node:net";
import { carryBytesMax } from "./framing.ts";

/** 256 KiB reads were slower: they leave the processor's cache (measured with a prototype of this parser). */
const size = 65_536;
/** What keep/journal.ts writes around a read and its carry, so that it need not copy them. */
const journalHead = 64;
const journalTail = 8;
/** A framer's carry is the most that anybody puts in front; a part of a PROXY header is shorter. */
const headroom = journalHead + carryBytesMax;

const bytes = Buffer.alloc(headroom + size + journalTail);
export const readBuffer = { bytes, headroom, size, journalHead, journalTail } as const;

/** What is called with each read: readBuffer.bytes[from..to), from >= headroom. */
export type TakeBytes = (from: number, to: number) => void;

export type Reading = "direct" | "copied";

const target = readBuffer.bytes.subarray(headroom, headroom + size);

/**
 * Reads the socket into the buffer. The socket is paused, as the server's `pauseOnConnect` leaves it, and so is the result:
 * `resumeReading` begins.
 * @returns the socket to use from here on; the one given is empty when its handle has moved
 */
export function readSocket(socket: Socket, take: TakeBytes, reading: Reading): Socket {
  const direct = reading === "direct" ? moveHandle(socket, take) : undefined;
  if (direct !== undefined) return direct;
  socket.on("data", (chunk: Buffer) => {
    // A chunk is what Node read at once, 64 KiB or less; how much that is, is not promised.
    for (let at = 0; at < chunk.length; at += size) {
      take(headroom, headroom + chunk.copy(target, 0, at, at + size));
    }
  });
  return socket;
}

/**
 * Stops reading at once. With 'data' events `pause` alone reads on until Node's own buffers are full: 64 KiB of each
 * connection, and over TLS 160 (measured); with thousands of connections that is what a pause would cost.
 */
export function pauseReading(socket: Socket): void {
  socket.pause();
  const handle = handleOf(socket);
  if (handle?.reading !== true) return;
  handle.reading = false;
  handle.readStop?.();
}

export function resumeReading(socket: Socket): void {
  const handle = handleOf(socket);
  if (handle?.reading === false) handle.reading = handle.readStart?.() === 0;
  socket.resume();
}

/** What net.Socket has inside; every part of it may be missing in another Node. */
interface Handle {
  useUserBuffer?: unknown;
  reading?: boolean;
  readStop?: () => number;
  readStart?: () => number;
}

interface HandleHolder {
  _handle?: Handle | null;
}

/** What can be handed to another process; undefined where `direct` is not possible either. */
export function handleOf(socket: Socket): Handle | undefined {
  const handle = (socket as unknown as HandleHolder)._handle;
  return typeof handle?.useUserBuffer === "function" ? handle : undefined;
}

function moveHandle(socket: Socket, take: TakeBytes): Socket | undefined {
  const handle = handleOf(socket);
  if (handle === undefined) return undefined;
  const direct = readHandle(handle, take);
  // One owner: what the old socket does from here on does not reach the connection.
  (socket as unknown as HandleHolder)._handle = null;
  return direct;
}

/** A socket of its own for a handle, read directly, and paused. @param handle as handleOf gives it, here or in another process */
export function readHandle(handle: unknown, take: TakeBytes): Socket {
  const options: SocketConstructorOpts = {
    handle: handle as never,
    onread: {
      buffer: target,
      callback: (bytes) => {
        take(headroom, headroom + bytes);
        return true;
      },
    },
  };
  const direct = new Socket(options);
  // A new socket with a handle reads at once.
  direct.pause();
  return direct;
}
