/**
 * TLS for accepted connections (RFC 5425): a raw socket → a secured one and the verified certificate of its sender.
 *
 *   shake ──▶ secured    with the sender's certificate, when it was asked for one, showed it, and an authority of ours signed it
 *        ├──▶ refused    not TLS, an old version, no certificate where one is required, one that nobody of ours signed
 *        └──▶ (nothing)  the peer has gone; the raw socket's 'close' tells
 *
 * The server's own certificate may change while we run: new connections get the new one.
 */

import { AsyncLocalStorage } from "node:async_hooks";
import { constants, type X509Certificate } from "node:crypto";
import type { Socket } from "node:net";
import { createServer, type Server, type TLSSocket } from "node:tls";
import { ConfigurationError } from "@logwarden/shared/environment";
import type { Log } from "@logwarden/shared/log";
import { fileMarks, readTlsFiles, type TlsFiles, type TlsIdentity } from "./tls-files.ts";

/** Why a handshake is refused: a closed list, because it is a metric label. */
export type TlsFault = "tls-failed" | "certificate-missing" | "certificate-unverified";

export type Handshake =
  | { kind: "secured"; socket: TLSSocket; certificate: X509Certificate | undefined }
  | { kind: "refused"; reason: TlsFault; detail: string };

export interface TlsDoorOptions extends TlsFiles {
  /** What the files held at the start. */
  identity: TlsIdentity;
  tlsClients: "optional" | "required";
  tlsFilesCheckMs: number;
  log: Log;
}

/** Our caller limits the time itself, and not while it does not read; Node's own limit would not know. */
const handshakeTimeout = 2 ** 31 - 1;

export class TlsDoor {
  readonly #options: TlsDoorOptions;
  readonly #server: Server;
  /** Whose handshake an event is about: it is said in the context that the handshake was begun in, and nowhere else. */
  readonly #shaking = new AsyncLocalStorage<(outcome: Handshake) => void>();
  #filesSeen: string;
  #filesSeenAtMs = performance.now();

  constructor(options: TlsDoorOptions) {
    this.#options = options;
    this.#filesSeen = options.identity.marks;
    this.#server = createServer({
      ...this.#context(options.identity),
      requestCert: this.asksForCertificates,
      // Judged here, by name; Node would only close.
      rejectUnauthorized: false,
      handshakeTimeout,
    });
    this.#server.on("secureConnection", (socket) => this.#shaking.getStore()?.(this.#judge(socket)));
    this.#server.on("tlsClientError", (error: NodeJS.ErrnoException) => {
      // The peer went away: a health check, or a sender that changed its mind. Nobody was refused.
      if (error.code === "ECONNRESET" || error.code === "EPIPE") return;
      this.#shaking.getStore()?.({ kind: "refused", reason: "tls-failed", detail: error.code ?? error.message });
    });
  }

  /** Whether a certificate may say who the sender is. */
  get asksForCertificates(): boolean {
    return this.#options.identity.ca !== undefined;
  }

  /** Shakes hands over the socket, which is paused and belongs to TLS from here on. */
  shake(socket: Socket, done: (outcome: Handshake) => void): void {
    this.#renew();
    this.#shaking.run(done, () => this.#server.emit("connection", socket));
  }

  #judge(socket: TLSSocket): Handshake {
    if (!this.asksForCertificates) return { kind: "secured", socket, certificate: undefined };
    const certificate = socket.getPeerX509Certificate();
    if (certificate === undefined) {
      if (this.#options.tlsClients === "optional") return { kind: "secured", socket, certificate };
      return { kind: "refused", reason: "certificate-missing", detail: "LOGWARDEN_TLS_CLIENTS is required" };
    }
    if (socket.authorized) return { kind: "secured", socket, certificate };
    // The text of a stranger's certificate: quoted, and cut.
    const subject = JSON.stringify(certificate.subject.slice(0, 200));
    const detail = `${String(socket.authorizationError)}, ${subject}`;
    return { kind: "refused", reason: "certificate-unverified", detail };
  }

  #context({ cert, key, ca }: TlsIdentity) {
    // No tickets: a session that goes on would carry a certificate past the authority that no longer vouches for it.
    const secureOptions = constants.SSL_OP_NO_TICKET;
    return { cert, key, ...(ca === undefined ? {} : { ca }), minVersion: "TLSv1.2" as const, secureOptions };
  }

  /** Looks whether the files have changed, when somebody connects and not oftener than need be. */
  #renew(): void {
    const { tlsFilesCheckMs, log } = this.#options;
    if (performance.now() - this.#filesSeenAtMs < tlsFilesCheckMs) return;
    this.#filesSeenAtMs = performance.now();
    const seen = fileMarks(this.#options);
    if (seen === this.#filesSeen) return;
    try {
      const identity = readTlsFiles(this.#options);
      this.#server.setSecureContext(this.#context(identity));
      log.say("certificate.renewed", { expires: identity.expires });
    } catch (error) {
      if (!(error instanceof ConfigurationError)) throw error;
      // Perhaps only one of the files is there yet: the next change is looked at again.
      log.say("certificate.unusable", { detail: error.message });
    }
    this.#filesSeen = seen;
  }
}
