/**
 * Addresses and ports on loopback for the parts of a lab or a test.
 *
 * Linux answers on the whole of 127.0.0.0/8, so that every "host" of a small network can have an address of its own.
 */

import { createServer } from "node:net";

/**
 * An address of this process alone (as good as: one of four million), so that a port that is free on it stays free until
 * our own program takes it, however many tests run side by side.
 */
export const ownHost = `127.${64 + below(64)}.${below(256)}.${1 + below(254)}`;

function below(limit: number): number {
  return Math.floor(Math.random() * limit);
}

/** Below Linux's ephemeral range (32768–60999): no outgoing connection can sit on a port that we hand out. */
const portMin = 20_000;
const portMax = 32_000;

/** Two parts that are told their ports before either of them listens must not be told the same. */
const given = new Set<number>();

/** A port nobody listens on at `host` now, and that this process has not been given before. */
export async function freePort(host = ownHost): Promise<number> {
  for (;;) {
    const port = portMin + below(portMax - portMin);
    if (given.has(port)) continue;
    given.add(port);
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

/** The port that people expect at `host`, or a free one when somebody has it, perhaps on every address at once. */
export async function portNear(host: string, expected: number): Promise<number> {
  return (await bindable(host, expected)) ? expected : freePort(host);
}

/** "127.0.N" for a network of our own. Another network may have chosen the same: portNear keeps them apart. */
export function chooseSubnet(): string {
  return `127.0.${10 + below(240)}`;
}
