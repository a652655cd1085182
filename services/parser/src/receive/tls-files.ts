/**
 * The files of the TLS listener → what OpenSSL needs of them, or every complaint at once. Read at the start and again
 * when they have changed (tls-door.ts); the same complaints stop a start and keep an old certificate in use.
 */

import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { createSecureContext } from "node:tls";
import { ConfigurationError } from "@logwarden/shared/environment";

export interface TlsFiles {
  tlsCertificateFile: string | undefined;
  tlsKeyFile: string | undefined;
  /** Who signs the certificates of senders; without it nobody is asked for one. */
  tlsClientCaFile: string | undefined;
}

export interface TlsIdentity {
  /** With its chain, if it has one. */
  cert: string;
  key: string;
  ca: string | undefined;
  /** ISO 8601, in UTC. */
  expires: string;
  /** What the files looked like from outside before they were read. */
  marks: string;
}

const names = {
  tlsCertificateFile: "LOGWARDEN_TLS_CERTIFICATE_FILE",
  tlsKeyFile: "LOGWARDEN_TLS_KEY_FILE",
  tlsClientCaFile: "LOGWARDEN_TLS_CLIENT_CA_FILE",
} as const;

/** @throws ConfigurationError with all complaints; none of them shows what is in a file */
export function readTlsFiles(files: TlsFiles): TlsIdentity {
  const marks = fileMarks(files);
  const complaints: string[] = [];
  const complain = (field: keyof TlsFiles, expected: string): undefined => {
    complaints.push(`${names[field]}: ${expected}, got ${files[field] ?? "nothing"}`);
    return undefined;
  };
  const read = <T>(field: keyof TlsFiles, expected: string, parse: (text: string) => T): T | undefined => {
    const path = files[field];
    if (path === undefined) return complain(field, expected);
    try {
      return parse(readFileSync(path, "utf8"));
    } catch (cause) {
      return complain(field, `${expected} (${reasonOf(cause)})`);
    }
  };
  const certificate = read(
    "tlsCertificateFile",
    "expected a file with a certificate in PEM, then its chain",
    (cert) => ({
      cert,
      chain: parseCertificates(cert),
    }),
  );
  const key = read("tlsKeyFile", "expected a file with a private key in PEM, without a passphrase", (text) => ({
    text,
    object: createPrivateKey(text),
  }));
  const ca =
    files.tlsClientCaFile === undefined
      ? undefined
      : read("tlsClientCaFile", "expected a file with the certificates of authorities in PEM", (text) => {
          parseCertificates(text);
          return text;
        });
  const leaf = certificate?.chain[0];
  if (leaf !== undefined && key !== undefined && !leaf.checkPrivateKey(key.object)) {
    complain("tlsKeyFile", `expected the key of the certificate in ${files.tlsCertificateFile}`);
  }
  if (complaints.length > 0 || certificate === undefined || key === undefined || leaf === undefined) {
    throw new ConfigurationError(complaints);
  }
  const identity = { cert: certificate.cert, key: key.text, ca, expires: leaf.validToDate.toISOString(), marks };
  try {
    // What is left to go wrong: a key too short for OpenSSL's security level, for one.
    createSecureContext({ cert: identity.cert, key: identity.key, ca });
  } catch (cause) {
    complain("tlsCertificateFile", `expected a certificate that OpenSSL can serve (${reasonOf(cause)})`);
    throw new ConfigurationError(complaints);
  }
  return identity;
}

/** Changes when a file does: a new file behind a link, which is how containers renew secrets, is another inode. */
export function fileMarks({ tlsCertificateFile, tlsKeyFile, tlsClientCaFile }: TlsFiles): string {
  return [tlsCertificateFile, tlsKeyFile, tlsClientCaFile].map(markOf).join(" ");
}

function markOf(path: string | undefined): string {
  if (path === undefined) return "none";
  try {
    const { ino, size, mtimeMs } = statSync(path);
    return `${ino}:${size}:${mtimeMs}`;
  } catch (cause) {
    return reasonOf(cause);
  }
}

/** Node's words name the path, OpenSSL's the part of the form that is missing; neither shows what is in the file. */
function reasonOf(cause: unknown): string {
  return Error.isError(cause) ? cause.message : String(cause);
}

/** @throws when there is none, or one of them is broken: OpenSSL itself would pass over it */
function parseCertificates(pem: string): X509Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^]*?-----END CERTIFICATE-----/g) ?? [];
  if (blocks.length === 0) throw new Error("no certificate in it");
  return blocks.map((block) => new X509Certificate(block));
}
