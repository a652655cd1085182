/**
 * A TLS server of a few lines that answers what a test tells it, byte by byte, and remembers what it was sent. It is no
 * simulator: it knows nothing about VyOS.
 */

import { execFile } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import type { AddressInfo, Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createServer, type TLSSocket } from "node:tls";
import { promisify } from "node:util";

export interface Identity {
  key: string;
  cert: string;
  /** As a user writes it. */
  fingerprint: string;
}

/** A new self-signed certificate for 127.0.0.1 or another name. */
export async function identity(subjectAltName = "IP:127.0.0.1"): Promise<Identity> {
  const directory = await mkdtemp(join(tmpdir(), "small-router-"));
  try {
    const [keyFile, certFile] = [join(directory, "key.pem"), join(directory, "cert.pem")];
    const kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    const names = ["-subj", "/CN=router.example.net", "-addext", `subjectAltName=${subjectAltName}`];
    const args = ["req", "-x509", ...kind, ...names, "-days", "2", "-keyout", keyFile, "-out", certFile];
    await promisify(execFile)("openssl", args);
    const [key, cert] = await Promise.all([readFile(keyFile, "utf8"), readFile(certFile, "utf8")]);
    return { key, cert, fingerprint: `sha256:${new X509Certificate(cert).fingerprint256}` };
  } finally {
    await rm(directory, { recursive: true });
  }
}

export interface ReceivedRequest {
  /** "POST /configure HTTP/1.1" */
  line: string;
  headers: string;
  body: string;
  socket: TLSSocket;
  /** Breaks the connection with a TCP reset; a TLS socket cannot. */
  reset(): void;
}

export class SmallRouter {
  readonly requests: ReceivedRequest[] = [];
  /** Bytes of HTTP that came out of the TLS connections. */
  bytes = 0;
  /** TCP connections that were accepted. */
  connections = 0;
  url = "";
  readonly #server;
  readonly #sockets = new Set<Socket>();

  private constructor(id: Identity, answer: (request: ReceivedRequest) => void) {
    this.#server = createServer({ key: id.key, cert: id.cert }, (socket) => this.#converse(socket, answer));
    this.#server.on("tlsClientError", () => {});
    this.#server.on("connection", (socket: Socket) => {
      this.connections += 1;
      this.#sockets.add(socket);
      socket.on("error", () => {});
      socket.once("close", () => this.#sockets.delete(socket));
    });
  }

  static async start(id: Identity, answer: (request: ReceivedRequest) => void): Promise<SmallRouter> {
    const router = new SmallRouter(id, answer);
    await new Promise<void>((resolve) => router.#server.listen(0, "127.0.0.1", resolve));
    router.url = `https://127.0.0.1:${(router.#server.address() as AddressInfo).port}`;
    return router;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #converse(socket: TLSSocket, answer: (request: ReceivedRequest) => void): void {
    let text = "";
    socket.on("error", () => {});
    socket.on("data", (chunk: Buffer) => {
      this.bytes += chunk.length;
      text += chunk.toString();
      const match = /^(.*?)\r\n(.*?)\r\n\r\n(.*)$/s.exec(text);
      if (match === null) return;
      const [, line = "", headers = "", body = ""] = match;
      if (body.length < Number(/content-length: (\d+)/i.exec(headers)?.[1])) return;
      text = "";
      const raw = [...this.#sockets].find(({ remotePort }) => remotePort === socket.remotePort);
      const request = { line, headers, body, socket, reset: () => void raw?.resetAndDestroy() };
      this.requests.push(request);
      answer(request);
    });
  }
}

/** A complete HTTP answer. VyOS labels its JSON as text/html. */
export function http(status: number, body: string, ...headers: string[]): string {
  const head = [
    `HTTP/1.1 ${status} X`,
    "content-type: text/html; charset=utf-8",
    `content-length: ${Buffer.byteLength(body)}`,
  ];
  return `${[...head, ...headers].join("\r\n")}\r\n\r\n${body}`;
}

export function success(data: unknown): string {
  return http(200, `{"success": true, "data": ${JSON.stringify(data)}, "error": null}`);
}
