/**
 * The router's TLS identity: a self-signed certificate, made once and kept beside the saved configuration, so that a
 * restart keeps the fingerprint that clients have pinned. Without a directory it lives as long as the process.
 */
import { createHash, X509Certificate } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { isIP } from "node:net";
import { join } from "node:path";
import { generate } from "selfsigned";

export interface Identity {
  certificatePem: string;
  privateKeyPem: string;
}

/** Longer than any laboratory runs: nothing here is about expiry. */
const validYears = 10;

export async function ensureIdentity(directory: string | undefined, host: string): Promise<Identity> {
  if (directory === undefined) return makeIdentity(host);
  const certificatePath = join(directory, "certificate.pem");
  const keyPath = join(directory, "private-key.pem");
  if (existsSync(certificatePath) && existsSync(keyPath))
    return { certificatePem: readFileSync(certificatePath, "utf8"), privateKeyPem: readFileSync(keyPath, "utf8") };
  const identity = await makeIdentity(host);
  mkdirSync(directory, { recursive: true });
  writeFileSync(keyPath, identity.privateKeyPem, { mode: 0o600 });
  writeFileSync(certificatePath, identity.certificatePem);
  return identity;
}

async function makeIdentity(host: string): Promise<Identity> {
  const notBeforeDate = new Date();
  const notAfterDate = new Date(notBeforeDate);
  notAfterDate.setFullYear(notAfterDate.getFullYear() + validYears);
  const made = await generate([{ name: "commonName", value: "vyos" }], {
    keyType: "ec",
    curve: "P-256",
    algorithm: "sha256",
    notBeforeDate,
    notAfterDate,
    extensions: [
      {
        name: "subjectAltName",
        altNames: [
          { type: 2, value: "localhost" },
          { type: 7, ip: isIP(host) === 0 ? "127.0.0.1" : host },
        ],
      },
    ],
  });
  return { certificatePem: made.cert, privateKeyPem: made.private };
}

/** "sha256:" and the hash of the DER bytes in lowercase hex, without colons. */
export function fingerprintOf(certificatePem: string): string {
  const { raw } = new X509Certificate(certificatePem);
  return `sha256:${createHash("sha256").update(raw).digest("hex")}`;
}
