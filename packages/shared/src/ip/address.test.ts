import { isIPv4 } from "node:net";
import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { contains, parseAddress, parseEndpoint, parsePrefix, readAddress } from "./address.ts";

describe("an address has one form", () => {
  test.each([
    ["192.0.2.1", { family: 4, text: "192.0.2.1", bits: 0xc0000201 }],
    ["2001:DB8:0:0::1", { family: 6, text: "2001:db8::1" }],
    ["2001:db8:0:0:1:0:0:1", { family: 6, text: "2001:db8::1:0:0:1" }],
    ["::ffff:192.0.2.1", { family: 4, text: "192.0.2.1", bits: 0xc0000201 }],
    ["::FFFF:c000:201", { family: 4, text: "192.0.2.1", bits: 0xc0000201 }],
    ["::ffff:0:192.0.2.1", { family: 6, text: "::ffff:0:c000:201" }],
    ["::1.2.3.4", { family: 6, text: "::102:304" }],
    ["0:0:0:0:0:0:1.2.3.4", { family: 6, text: "::102:304" }],
    ["64:ff9b::192.0.2.1%eth0", { family: 6, text: "64:ff9b::c000:201" }],
    ["fe80::1%eth0", { family: 6, text: "fe80::1" }],
    ["::", { family: 6, text: "::" }],
  ])("%s", (text, wanted) => expect(parseAddress(text)).toEqual(wanted));
});

describe("no address:", () => {
  test.each([
    ["192.0.2.010"],
    ["192.0.2"],
    ["192.0.2.256"],
    ["0x7f.1"],
    ["2130706433"],
    [" 192.0.2.1"],
    ["192.0.2.1\n"],
    ["192.0.2.0/24"],
    ["localhost"],
    ["2001:db8::1::2"],
    [""],
    [`::1%${"x".repeat(100)}`],
  ])("%j", (text) => expect(parseAddress(text)).toBeUndefined());
});

describe("a prefix", () => {
  test.each([
    ["192.0.2.0/24", "192.0.2.255", true],
    ["192.0.2.0/24", "192.0.3.0", false],
    ["192.0.2.7", "192.0.2.7", true],
    ["192.0.2.7", "192.0.2.8", false],
    ["0.0.0.0/0", "203.0.113.1", true],
    ["2001:db8::/32", "2001:db8:ffff::1", true],
    ["2001:db8::/32", "2001:db9::1", false],
    ["::/0", "192.0.2.1", false],
  ])("%s covers %s: %s", (prefix, address, wanted) => {
    const [parsedPrefix, parsedAddress] = [parsePrefix(prefix), parseAddress(address)];
    expect(parsedPrefix && parsedAddress && contains(parsedPrefix, parsedAddress)).toBe(wanted);
  });

  test.each([["192.0.2.0/33"], ["2001:db8::/129"], ["192.0.2.0/"], ["192.0.2.0/024"], ["192.0.2.0/-1"], ["/24"]])(
    "is not read from %s",
    (text) => expect(parsePrefix(text)).toBeUndefined(),
  );
});

test("an endpoint is an address and a port", () => {
  expect(parseEndpoint("127.0.0.1:10514")).toEqual({ host: "127.0.0.1", port: 10_514 });
  expect(parseEndpoint("[::1]:80")).toEqual({ host: "::1", port: 80 });
  for (const text of ["127.0.0.1", "localhost:80", "::1:80", "127.0.0.1:65536", "127.0.0.1:x"]) {
    expect(parseEndpoint(text)).toBeUndefined();
  }
});

test("a dotted quad is one exactly when the operating system's rule for Node says so", () => {
  const part = fc.oneof(
    fc.integer({ min: 0, max: 300 }).map(String),
    fc.constantFrom("", "0", "00", "01", "1x", "256", "-1", " 1"),
  );
  const quad = fc.array(part, { minLength: 1, maxLength: 6 }).map((parts) => parts.join("."));
  fc.assert(
    fc.property(fc.oneof(quad, fc.ipV4(), fc.string()), (text) => {
      if (text.includes(":")) return;
      expect(parseAddress(text)?.family === 4).toBe(isIPv4(text));
    }),
    { numRuns: 5000 },
  );
});

test("an address in a read is the address that its text is", () => {
  const characters = fc.string({ unit: fc.constantFrom(..."0123456789.:af%\u00b2"), maxLength: 20 });
  fc.assert(
    fc.property(fc.oneof(fc.ipV4(), fc.ipV6(), characters), characters, characters, (text, before, after) => {
      const read = before + text + after;
      const from = before.length;
      const address = readAddress(read, Buffer.from(read, "latin1"), from, from + text.length);
      expect(address).toEqual(parseAddress(text));
    }),
    { numRuns: 5000 },
  );
});
