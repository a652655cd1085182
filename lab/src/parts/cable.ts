/**
 * The cable between a router and the network: gives a rsyslogd on loopback the source address of its router.
 *
 * rsyslog cannot choose the source address of a TCP connection, and on loopback the kernel always picks 127.0.0.1; but the
 * source address is what tells the devices apart. So rsyslogd speaks to its end of the cable, and the cable connects on,
 * from the router's address. It carries bytes and half-closes, and nothing else.
 */

import { createServer, connect, type Socket } from "node:net";

export interface Cable {
  /** Pulls the plug: every connection is cut, new ones are refused. */
  close(): void;
}

export interface Endpoint {
  host: string;
  port: number;
}

/** Lays a cable. @param source the address that the far side sees */
export async function layCable(near: Endpoint, far: Endpoint, source: string): Promise<Cable> {
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (from) => {
    const to = connect({ ...far, localAddress: source, allowHalfOpen: true });
    for (const socket of [from, to]) {
      sockets.add(socket);
      socket.on("close", () => sockets.delete(socket));
      // A cut at one end is a cut at the other.
      socket.on("error", () => {
        from.destroy();
        to.destroy();
      });
    }
    from.pipe(to);
    to.pipe(from);
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(near, resolve);
  });
  return {
    close: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
