import { expect, test } from "@jest/globals";
import { parseFingerprint, type Trust, verifierFor } from "./trust.ts";

const hex = "0123456789abcdef".repeat(4);
const node = (hex.toUpperCase().match(/../g) ?? []).join(":");

test.each([
  `sha256:${hex}`,
  `SHA256:${hex.toUpperCase()}`,
  `sha256:${node}`,
  `Sha256:${node.toLowerCase()}`,
  ` sha256:${hex}\n`,
])("%j is a fingerprint", (text) => {
  expect(parseFingerprint(text)).toBe(node);
});

test.each(["", "sha256:", hex, `sha1:${hex}`, `sha256:${hex}00`, `sha256:${hex.slice(2)}`, `sha256:g${hex.slice(1)}`])(
  "%j is none, and the message shows what one looks like",
  (text) => {
    expect(() => parseFingerprint(text)).toThrow(/expected a fingerprint like "sha256:"/);
  },
);

test.each<[string, unknown]>([
  ["nothing chosen", {}],
  ["two chosen", { fingerprint: `sha256:${hex}`, verify: "off" }],
  ["verify something else", { verify: "on" }],
  ["no PEM", { ca: "router.crt" }],
  ["no certificate in the PEM", { ca: "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n" }],
  ["unknown", { trust: "me" }],
])("a trust that is not exactly one of the three is refused: %s", (_, trust) => {
  expect(() => verifierFor(trust as Trust)).toThrow(/expected/);
});
