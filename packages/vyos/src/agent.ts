/**
 * Connections to one router: kept alive, and given out only after the certificate was believed.
 *
 *   createConnection ──▶ TCP ──▶ TLS ──▶ certificate judged ──▶ handed to the agent ──▶ request written
 *                          └───────┴─ time limit, error, close ─┴──▶ UnreachableError; no byte of HTTP has left
 *
 * Node's own order is the wrong one for us: it gives the socket to the request first, and the request (which holds the router's
 * API key) is already on its way when a listener could compare a fingerprint.
 */

import type { ClientRequest } from "node:http";
import { Agent, type AgentOptions } from "node:https";
import { isIP } from "node:net";
import type { Duplex } from "node:stream";
import { connect, type TLSSocket } from "node:tls";
import type { Verifier } from "./trust.ts";

/**
 * A free connection is dropped after this time. A writer asks in bursts (read, configure, save); between bursts nginx would drop
 * the connection itself, after 65 to 75 s, and a request sent at that moment ends as `unknown`.
 */
const idleMsMax = 15_000;

/** Free connections that are kept: a caller has one request under way at a time, or a read beside it. */
const idleSocketsMax = 2;

/** Why no connection could be given out. Nothing was sent. */
export class UnreachableError extends Error {
  readonly reason: "connect" | "certificate" | "closed";

  constructor(reason: UnreachableError["reason"], message: string) {
    super(message);
    this.reason = reason;
  }
}

/** Where the router is, whom we believe it to be, and how long TCP and TLS together may take. */
export interface Place {
  host: string;
  port: number;
  verifier: Verifier;
  connectMs: number;
}

export interface Progress {
  /** The request has its socket: from now on its bytes may be on the way. */
  onSocket(): void;
  /** What went wrong, before node-fetch wraps it and loses the cause. */
  onError(error: Error): void;
}

type OnCreate = (error: Error | null, socket: Duplex) => void;

export class RouterAgent extends Agent {
  readonly #place: Place;
  readonly #connecting = new Map<TLSSocket, (error: UnreachableError) => void>();
  #closed = false;

  constructor(place: Place) {
    // No limit on sockets: a queue in here would let one request's waiting eat another's time limit, unseen. Reads and writes
    // are serial on the router anyway, and how many requests are under way is the caller's decision.
    super({ keepAlive: true, maxFreeSockets: idleSocketsMax });
    this.#place = place;
  }

  /** Answers through the callback only. It must not return the socket, or the agent would use it at once. */
  override createConnection(_: AgentOptions, created?: OnCreate): undefined {
    const finish = created as (error: Error | null, socket?: Duplex) => void;
    if (this.#closed) {
      finish(new UnreachableError("closed", "the client is closed"));
      return;
    }
    const { host, port, verifier, connectMs } = this.#place;
    const socket = connect({
      host,
      port,
      // An address is no server name (RFC 6066); Node then compares the certificate with the address itself.
      ...(isIP(host) === 0 ? { servername: host } : {}),
      ALPNProtocols: ["http/1.1"],
      minVersion: "TLSv1.2",
      ...verifier.tls,
    });
    socket.setNoDelay(true);
    // Whoever holds the socket hears of its errors too; this listener is for the moments between two holders.
    socket.on("error", () => {});

    let settled = false;
    const settle = (error: UnreachableError | null): void => {
      if (settled) return;
      settled = true;
      clearTimeout(timer);
      this.#connecting.delete(socket);
      if (error === null) return finish(null, socket);
      socket.destroy();
      finish(error);
    };
    const timer = setTimeout(
      () => settle(new UnreachableError("connect", `no TLS connection to ${host}:${port} within ${connectMs} ms`)),
      connectMs,
    );
    this.#connecting.set(socket, settle);
    socket.once("error", (error) => {
      const refused = socket.authorizationError !== undefined && socket.authorizationError !== null;
      settle(new UnreachableError(refused ? "certificate" : "connect", describe(error)));
    });
    socket.once("close", () => settle(new UnreachableError("connect", `${host}:${port} closed the connection`)));
    socket.once("secureConnect", () => {
      const complaint = verifier.complaint(socket);
      settle(complaint === undefined ? null : new UnreachableError("certificate", complaint));
    });
  }

  /** This agent for one request whose progress is told; node-fetch passes neither on. */
  watched(progress: Progress): Agent {
    const add = (this as unknown as { addRequest: AddRequest }).addRequest.bind(this);
    const addRequest: AddRequest = (request, options) => {
      request.once("socket", progress.onSocket);
      request.on("error", progress.onError);
      add(request, options);
    };
    return Object.create(this, { addRequest: { value: addRequest } }) as Agent;
  }

  override keepSocketAlive(socket: Duplex): boolean {
    // Both are documented extension points, but the type of the socket is the general one.
    const kept = (super.keepSocketAlive as (socket: Duplex) => boolean | undefined)(socket) ?? true;
    // The agent heeds this timeout on free sockets only: a slow answer on a reused one is not disturbed.
    (socket as TLSSocket).setTimeout(idleMsMax);
    return kept;
  }

  /** Ends every connection, also those that are only being made. Requests under way end as a reset. */
  close(): void {
    this.#closed = true;
    for (const settle of this.#connecting.values()) {
      settle(new UnreachableError("closed", "the client was closed while it was connecting"));
    }
    this.destroy();
  }
}

type AddRequest = (request: ClientRequest, options: unknown) => void;

/** A name with several addresses fails with an AggregateError, whose own message is empty. */
function describe(error: Error): string {
  if (error.message !== "" || !("errors" in error)) return error.message;
  return (error.errors as Error[]).map(({ message }) => message).join("; ");
}
