/**
 * Addresses and ports on loopback for the parts of a lab or a test.
 *
 * Linux answers on the whole of 127.0.0.0/8, so that every "host" of a small network can have an address of its own.
 */

import { createServer } from "node:net";

/** Below Linux's ephemeral range (32768–60999): no outgoing connection can sit on a port that we hand out. */
const portMin = 20_000;
const portMax = 32_000;

/** A port nobody listens on at `host` now. Random, so that tests that run side by side rarely ask for the same one. */
export async function freePort(host = "127.0.0.1"): Promise<number> {
  for (;;) {
    const port = portMin + Math.floor(Math.random() * (portMax - portMin));
    if (await bindable(host, port)) return port;
  }
}

function bindable(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}
