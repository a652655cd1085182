/**
 * A side door for the laboratory: plain HTTP, off unless asked for, to look at the router and to break it.
 *
 *   GET /healthz    GET /state    POST /faults (a fault in JSON)    DELETE /faults
 *
 * It asks for no key. Whoever opens it decides who can reach it.
 */
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { parseFault, type Router } from "./index.ts";

export interface Control {
  url: string;
  close(): Promise<void>;
}

/** A fault is a line of JSON; anything longer is a mistake. */
const bodyBytesMax = 64 * 1024;

export async function startControl(router: Router, host: string, port: number): Promise<Control> {
  const server = createServer((request, response) => {
    void answer(router, request).then(({ status, value }) => {
      response.writeHead(status, { "content-type": "application/json" });
      response.end(`${JSON.stringify(value)}\n`);
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, resolve);
  });
  const { port: taken } = server.address() as AddressInfo;
  return {
    url: `http://${host.includes(":") ? `[${host}]` : host}:${taken}`,
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

async function answer(router: Router, request: IncomingMessage): Promise<{ status: number; value: unknown }> {
  switch (`${request.method} ${request.url}`) {
    case "GET /healthz":
      return { status: 200, value: { ok: true } };
    case "GET /state": {
      const [active, saved] = [router.active(), router.saved()];
      return { status: 200, value: { active, saved, requests: router.requests, faults: router.faults() } };
    }
    case "POST /faults":
      try {
        router.inject(parseFault(JSON.parse(await readText(request))));
      } catch (error) {
        return { status: 400, value: { error: error instanceof Error ? error.message : String(error) } };
      }
      return { status: 200, value: { faults: router.faults() } };
    case "DELETE /faults":
      router.clearFaults();
      return { status: 200, value: { faults: [] } };
    default:
      return { status: 404, value: { error: "expected GET /healthz, GET /state, POST /faults or DELETE /faults" } };
  }
}

async function readText(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > bodyBytesMax) throw new Error(`expected at most ${bodyBytesMax} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}
