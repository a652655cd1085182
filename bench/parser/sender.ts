/**
 * Sends a file over TCP, as fast as the other side takes it: a process of its own, so that its work is not the receiver's.
 *
 *   node sender.ts '{"file":"…","host":"…","port":1,"sources":["10.10.10.201"]}'
 *
 * Writes of 64 KiB. Several connections share an LF file, cut at line ends, each with a part of its own.
 */

import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { connect, type Socket } from "node:net";

export interface Sending {
  file: string;
  host: string;
  port: number;
  /** A connection for each; the device that its PROXY header names, or null for no header. */
  sources: readonly (string | null)[];
}

const writeBytes = 65_536;

const sending = JSON.parse(process.argv[2] ?? "") as Sending;
const file = openSync(sending.file, "r");
const parts = cutAtLines(fstatSync(file).size, sending.sources.length);
// All connected before the first byte, so that none of them is served alone.
const sockets = await Promise.all(parts.map(open));
await Promise.all(
  parts.map(([from, to], index) => send(sockets[index] as Socket, sending.sources[index] ?? null, from, to)),
);
closeSync(file);

async function open(): Promise<Socket> {
  const { host, port } = sending;
  const socket = connect({ host, port, noDelay: true });
  await new Promise<void>((resolve, reject) => {
    socket.once("connect", resolve);
    socket.once("error", reject);
  });
  return socket;
}

async function send(socket: Socket, source: string | null, from: number, to: number): Promise<void> {
  // The header as HAProxy's send-proxy writes it (version 1), in a write of its own.
  if (source !== null) await write(socket, Buffer.from(`PROXY TCP4 ${source} 10.10.10.10 45288 10514\r\n`));
  const buffer = Buffer.allocUnsafe(writeBytes);
  for (let at = from; at < to; ) {
    const bytes = readSync(file, buffer, 0, Math.min(writeBytes, to - at), at);
    await write(socket, buffer.subarray(0, bytes));
    at += bytes;
  }
  const closed = new Promise((resolve) => socket.once("close", resolve));
  socket.resume().end();
  await closed;
}

/** Resolves when the kernel has taken the bytes, so that the buffer can be filled again. */
function write(socket: Socket, bytes: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.write(bytes, (error) => (error == null ? resolve() : reject(error)));
  });
}

/** Parts of the file as [from, to), each beginning with a line. */
function cutAtLines(size: number, count: number): [number, number][] {
  const starts = Array.from({ length: count }, (_, index) => lineStart(Math.floor((size / count) * index)));
  return starts.map((from, index) => [from, starts[index + 1] ?? size]);
}

function lineStart(from: number): number {
  if (from === 0) return 0;
  const buffer = Buffer.alloc(writeBytes);
  const bytes = readSync(file, buffer, 0, writeBytes, from - 1);
  const newline = buffer.subarray(0, bytes).indexOf(10);
  if (newline === -1)
    throw new Error(`expected a newline within ${writeBytes} bytes of byte ${from} of ${sending.file}`);
  return from + newline;
}
