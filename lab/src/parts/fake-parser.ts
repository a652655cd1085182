/**
 * As much of a parser as HAProxy can see: a status port that says 200 or 404, and connections that begin with a PROXY header
 * of version 2. For tests of what HAProxy does with a parser that is there, that leaves, and that is not there.
 */

import { once } from "node:events";
import { createServer as createHttpServer, type Server as HttpServer } from "node:http";
import { createServer, type Server, type Socket } from "node:net";
import { until } from "./until.ts";

export interface Received {
  socket: Socket;
  header: { source: string; tlvs: number[] };
  payload: string;
  ended: boolean;
}

export class FakeParser {
  ready = true;
  readonly connections: Received[] = [];
  readonly #host: string;
  readonly #dataPort: number;
  readonly #statusPort: number;
  readonly #data: Server;
  readonly #status: HttpServer;
  readonly #sockets = new Set<Socket>();

  constructor(host: string, dataPort: number, statusPort: number) {
    this.#host = host;
    this.#dataPort = dataPort;
    this.#statusPort = statusPort;
    this.#status = createHttpServer((request, response) => {
      response.writeHead(request.url === "/readyz" && this.ready ? 200 : 404).end();
    });
    this.#data = createServer({ allowHalfOpen: true }, (socket) => this.#accept(socket));
  }

  async open(): Promise<void> {
    this.#data.listen(this.#dataPort, this.#host);
    await once(this.#data, "listening");
    this.#status.listen(this.#statusPort, this.#host);
    await once(this.#status, "listening");
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#status.closeAllConnections();
    await Promise.all([this.#data, this.#status].map((server) => new Promise((done) => server.close(done))));
  }

  /** The connection with this number, past or to come. */
  async connection(index: number): Promise<Received> {
    await until(`connection ${index} at ${this.#host}`, () => this.connections.length > index);
    return this.connections[index] as Received;
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("error", () => undefined);
    let head = Buffer.alloc(0);
    let received: Received | undefined;
    socket.on("data", (chunk: Buffer) => {
      if (received !== undefined) {
        received.payload += chunk.toString("latin1");
        return;
      }
      head = Buffer.concat([head, chunk]);
      const length = head.length < 16 ? 16 : 16 + head.readUInt16BE(14);
      if (head.length < length || head.length < 16) return;
      received = {
        socket,
        header: readHeader(head.subarray(0, length)),
        payload: head.toString("latin1", length),
        ended: false,
      };
      this.connections.push(received);
    });
    socket.on("close", () => this.#sockets.delete(socket));
    for (const event of ["end", "close"]) {
      socket.on(event, () => {
        if (received !== undefined) received.ended = true;
        socket.end();
      });
    }
  }
}

/** Version 2, command PROXY, TCP over IPv4; then the source, and the types of the TLVs (PROXY protocol, section 2.2). */
function readHeader(bytes: Buffer): Received["header"] {
  const fixed = bytes.toString("latin1", 0, 14);
  if (fixed !== "\r\n\r\n\0\r\nQUIT\n\x21\x11")
    throw new Error(`no PROXY header of TCP over IPv4: ${bytes.toString("hex")}`);
  const tlvs: number[] = [];
  for (let at = 28; at < bytes.length; at += 3 + bytes.readUInt16BE(at + 1)) tlvs.push(bytes.readUInt8(at));
  return { source: `${bytes.subarray(16, 20).join(".")}:${bytes.readUInt16BE(24)}`, tlvs };
}
