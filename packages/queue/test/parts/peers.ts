/** Hostile neighbours: a proxy that splits or cuts what a real beanstalkd answers, and a server that says what it is told to. */

import { connect, createServer, type Server, type Socket } from "node:net";
import { atEnd } from "./rig.ts";

/**
 * A proxy in front of a beanstalkd.
 * `split`: the answers' bytes up to `offset` and the rest arrive as two chunks. `cut`: the connection ends after `offset` bytes.
 */
export async function proxy(
  target: { host: string; port: number },
  manner: "split" | "cut",
  offset: number,
  onBytes?: (seen: number) => void,
): Promise<string> {
  return serve((client) => {
    const server = connect({ ...target, noDelay: true });
    let seen = 0;
    let chain = Promise.resolve();
    client.on("data", (chunk) => server.write(chunk));
    client.on("close", () => server.destroy());
    server.on("error", () => client.destroy());
    server.on("close", () => void chain.then(() => client.end()));
    server.on("data", (chunk: Buffer) => {
      const at = offset - seen;
      seen += chunk.length;
      onBytes?.(seen);
      if (at < 0 || at >= chunk.length) {
        chain = chain.then(() => write(client, chunk));
        return;
      }
      chain = chain.then(() => write(client, chunk.subarray(0, at)));
      if (manner === "cut") chain = chain.then(() => void client.end());
      // Another turn of the event loop, another packet on loopback: the client reads the halves one after the other.
      else chain = chain.then(turns).then(() => write(client, chunk.subarray(at)));
    });
  });
}

/** A server that answers every chunk it receives with the next text of the list; the last is repeated. */
export async function liar(answers: readonly string[]): Promise<string> {
  return serve((socket) => {
    let next = 0;
    socket.on("data", () => {
      socket.write(answers[Math.min(next, answers.length - 1)] ?? "");
      next += 1;
    });
  });
}

export async function serve(onSocket: (socket: Socket) => void): Promise<string> {
  const sockets = new Set<Socket>();
  const server: Server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => undefined);
    onSocket(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  atEnd(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  const address = server.address();
  return `127.0.0.1:${address !== null && typeof address === "object" ? address.port : 0}`;
}

function write(socket: Socket, bytes: Buffer): Promise<void> {
  if (bytes.length === 0 || socket.destroyed) return Promise.resolve();
  return new Promise((resolve) => socket.write(bytes, () => resolve()));
}

async function turns(): Promise<void> {
  for (let turn = 0; turn < 3; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}
