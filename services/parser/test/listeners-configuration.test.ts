// What the listeners' variables and files may be: every complaint names the variable and says what was expected.

import { writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { ConfigurationError, readEnvironment } from "@logwarden/shared/environment";
import { checkListeners, memoryBytesMax, type ParserEnvironment, parserVariables } from "../src/config.ts";
import { readTlsFiles } from "../src/receive/tls-files.ts";
import { type Certificate, makeCertificate } from "./certificates.ts";
import { scratch } from "./doors.ts";

const { path: directory, remove } = scratch();
let own: Certificate;
let other: Certificate;
const paths = { garbage: `${directory}/garbage.pem`, locked: `${directory}/locked.key` };
beforeAll(async () => {
  [own, other] = await Promise.all([makeCertificate(directory, "own"), makeCertificate(directory, "other")]);
  writeFileSync(paths.garbage, "-----BEGIN CERTIFICATE-----\nbm90aGluZw==\n-----END CERTIFICATE-----\n");
  writeFileSync(
    paths.locked,
    "-----BEGIN ENCRYPTED PRIVATE KEY-----\nbm90aGluZw==\n-----END ENCRYPTED PRIVATE KEY-----\n",
  );
});
afterAll(remove);

const read = (env: Record<string, string>): ParserEnvironment =>
  readEnvironment(
    parserVariables,
    Object.fromEntries(Object.entries(env).map(([name, value]) => [`LOGWARDEN_${name}`, value])),
  );

function complaints(check: () => unknown): string {
  try {
    check();
  } catch (error) {
    if (error instanceof ConfigurationError) return error.complaints.join("\n");
    throw error;
  }
  return "";
}

const tls = { TLS_LISTEN: "0.0.0.0:6514", TLS_CERTIFICATE_FILE: "/c", TLS_KEY_FILE: "/k" };

describe("variables that do not go together are refused:", () => {
  test.each([
    ["no listener", { LISTEN: "off" }, "LOGWARDEN_LISTEN: expected at least one listener"],
    [
      "TLS files without TLS",
      { TLS_KEY_FILE: "/k" },
      "LOGWARDEN_TLS_KEY_FILE: expected LOGWARDEN_TLS_LISTEN beside it",
    ],
    ["an authority without TLS", { TLS_CLIENT_CA_FILE: "/c" }, "LOGWARDEN_TLS_CLIENT_CA_FILE: expected"],
    ["PROXY in front of no TLS", { TLS_PROXIED: "yes" }, "LOGWARDEN_TLS_PROXIED: expected LOGWARDEN_TLS_LISTEN"],
    [
      "required certificates that nobody signs",
      { ...tls, TLS_CLIENTS: "required" },
      "LOGWARDEN_TLS_CLIENTS: expected LOGWARDEN_TLS_CLIENT_CA_FILE",
    ],
  ])("%s", (_, env, wanted) => expect(complaints(() => checkListeners(read(env)))).toContain(wanted));

  test.each([
    ["UDP alone", { LISTEN: "off", UDP_LISTEN: "0.0.0.0:514" }],
    ["all of them", { ...tls, PLAIN_LISTEN: "0.0.0.0:601", UDP_LISTEN: "[::]:514", TLS_PROXIED: "yes" }],
  ])("but not %s", (_, env) => expect(complaints(() => checkListeners(read(env)))).toBe(""));
});

describe("files that TLS cannot use are refused:", () => {
  const cases: [name: string, env: () => Record<string, string>, wanted: string[]][] = [
    [
      "none named",
      () => ({}),
      ["TLS_CERTIFICATE_FILE: expected a file with a certificate", "TLS_KEY_FILE: expected a file"],
    ],
    [
      "a file that is not there",
      () => ({ TLS_CERTIFICATE_FILE: own.certFile, TLS_KEY_FILE: `${directory}/none.key` }),
      ["TLS_KEY_FILE: expected a file with a private key in PEM", "ENOENT"],
    ],
    [
      "a certificate that is none, and a key with a passphrase: both at once",
      () => ({ TLS_CERTIFICATE_FILE: paths.garbage, TLS_KEY_FILE: paths.locked }),
      ["TLS_CERTIFICATE_FILE: expected", "TLS_KEY_FILE: expected"],
    ],
    [
      "another certificate's key",
      () => ({ TLS_CERTIFICATE_FILE: own.certFile, TLS_KEY_FILE: other.keyFile }),
      ["TLS_KEY_FILE: expected the key of the certificate in"],
    ],
    [
      "an authority that is none",
      () => ({ TLS_CERTIFICATE_FILE: own.certFile, TLS_KEY_FILE: own.keyFile, TLS_CLIENT_CA_FILE: paths.garbage }),
      ["TLS_CLIENT_CA_FILE: expected a file with the certificates of authorities"],
    ],
    [
      "an authority that is a key",
      () => ({ TLS_CERTIFICATE_FILE: own.certFile, TLS_KEY_FILE: own.keyFile, TLS_CLIENT_CA_FILE: own.keyFile }),
      ["TLS_CLIENT_CA_FILE: expected a file with the certificates of authorities", "no certificate in it"],
    ],
  ];

  test.each(cases)("%s", (_, env, wanted) => {
    const said = complaints(() => readTlsFiles(read({ ...env(), TLS_LISTEN: "0.0.0.0:6514" })));
    for (const words of wanted) expect(said).toContain(words);
    // What is in a key is nobody's business, also when it is the wrong one.
    for (const secret of [own.key, other.key]) expect(said).not.toContain(secret.split("\n")[1]);
  });

  test("what can be used tells when it ends", () => {
    const identity = readTlsFiles(read({ ...tls, TLS_CERTIFICATE_FILE: own.certFile, TLS_KEY_FILE: own.keyFile }));
    expect(Date.parse(identity.expires)).toBeGreaterThan(Date.now());
  });
});

test("the settings say how much memory they may cost, and TLS and more connections cost more", () => {
  const total = (env: Record<string, string>): number => memoryBytesMax(read(env)).totalBytes;
  expect(total({ CONNECTIONS_MAX: "1000" })).toBeLessThan(512 * 2 ** 20);
  expect(total({ CONNECTIONS_MAX: "2000" })).toBeGreaterThan(total({ CONNECTIONS_MAX: "1000" }));
  expect(total(tls)).toBeGreaterThan(total({}));
  const { totalBytes, ...terms } = memoryBytesMax(read(tls));
  expect(Object.values(terms).reduce((sum, bytes) => sum + bytes, 0)).toBe(totalBytes);
});
