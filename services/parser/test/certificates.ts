/** Certificates for tests, made by the openssl command line: authorities, and whom they vouch for. */

import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { promisify } from "node:util";

/** A certificate and its key, as files and as text. */
export interface Certificate {
  certFile: string;
  keyFile: string;
  cert: string;
  key: string;
}

export interface CertificateRequest {
  commonName?: string;
  /** As OpenSSL writes it: "DNS:edge-1.example.net,IP:127.0.0.1"; none when absent. */
  names?: string;
  /** Self-signed when absent. */
  signedBy?: Certificate;
}

/** Writes NAME.crt and NAME.key into the directory. */
export async function makeCertificate(
  directory: string,
  name: string,
  { commonName = name, names, signedBy }: CertificateRequest = {},
): Promise<Certificate> {
  const [certFile, keyFile] = [`${directory}/${name}.crt`, `${directory}/${name}.key`];
  const kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
  const alternative = names === undefined ? [] : ["-addext", `subjectAltName=${names}`];
  const issuer = signedBy === undefined ? [] : ["-CA", signedBy.certFile, "-CAkey", signedBy.keyFile];
  const args = ["req", "-x509", ...kind, "-subj", `/CN=${commonName}`, ...alternative, ...issuer];
  await promisify(execFile)("openssl", [...args, "-keyout", keyFile, "-out", certFile]);
  return { certFile, keyFile, cert: readFileSync(certFile, "utf8"), key: readFileSync(keyFile, "utf8") };
}
