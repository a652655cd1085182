/**
 * Whom we believe to be the router: what the caller chose in, how to make and judge a TLS connection out. Pure.
 *
 * VyOS ships with a self-signed certificate, so there is no choice that is right for everybody and no default: each request
 * carries the key to the router, and who receives it is the caller's decision.
 */

import { X509Certificate } from "node:crypto";
import type { ConnectionOptions, TLSSocket } from "node:tls";

/**
 * - `fingerprint`: exactly this certificate, `sha256:` and 64 hexadecimal digits, in any case, with or without colons, as
 *   `openssl x509 -fingerprint -sha256` prints them. Names and dates in the certificate are not looked at.
 * - `ca`: a certificate for the host of the URL signed by this authority (PEM), or this self-signed certificate itself.
 * - `verify: "off"`: whoever answers gets the key. For a lab.
 */
export type Trust = { fingerprint: string } | { ca: string } | { verify: "off" };

/** A `Trust` made ready for tls.connect. */
export interface Verifier {
  tls: Pick<ConnectionOptions, "ca" | "rejectUnauthorized">;
  /** Called when the handshake is complete and nothing has been sent. @returns the complaint, or undefined to go on */
  complaint(socket: TLSSocket): string | undefined;
}

/** @throws TypeError when the trust is not exactly one of the three, or is unreadable */
export function verifierFor(trust: Trust): Verifier {
  const chosen = Object.keys(trust);
  if (chosen.length !== 1) {
    throw new TypeError(
      `expected exactly one of fingerprint, ca, verify as trust, got ${chosen.join(" and ") || "none"}`,
    );
  }
  if ("fingerprint" in trust) return pin(parseFingerprint(trust.fingerprint));
  if ("ca" in trust) return authority(trust.ca);
  if (trust.verify !== "off") throw new TypeError(`expected "off" as verify, got ${JSON.stringify(trust.verify)}`);
  return { tls: { rejectUnauthorized: false }, complaint: () => undefined };
}

/**
 * @returns the form in which Node gives fingerprints, upper case with colons
 * @throws TypeError when it is not `sha256:` and 64 hexadecimal digits
 */
export function parseFingerprint(text: string): string {
  const digits = /^sha256:([0-9a-f:]+)$/i.exec(text.trim())?.[1]?.replaceAll(":", "") ?? "";
  if (digits.length !== 64) {
    throw new TypeError(`expected a fingerprint like "sha256:" and 64 hexadecimal digits, got ${JSON.stringify(text)}`);
  }
  return (digits.toUpperCase().match(/../g) ?? []).join(":");
}

function pin(expected: string): Verifier {
  return {
    // A pinned certificate needs no authority, no name and no date; the comparison below takes the place of all three.
    tls: { rejectUnauthorized: false },
    complaint(socket) {
      const seen = socket.getPeerX509Certificate()?.fingerprint256;
      if (seen === expected) return undefined;
      return `expected the certificate sha256:${expected}, got ${seen === undefined ? "none" : `sha256:${seen}`}`;
    },
  };
}

function authority(ca: string): Verifier {
  try {
    new X509Certificate(ca);
  } catch (cause) {
    throw new TypeError("expected a certificate in PEM form as ca", { cause });
  }
  return {
    // Said explicitly, so that NODE_TLS_REJECT_UNAUTHORIZED=0 in somebody's environment does not undo it.
    tls: { ca, rejectUnauthorized: true },
    complaint: (socket) =>
      socket.authorized ? undefined : `certificate refused: ${String(socket.authorizationError)}`,
  };
}
