import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { type Address, parseAddress, parsePrefix, type Prefix } from "./address.ts";
import { network, overlaps, parseSubject, showSubject, subjectOf } from "./subject.ts";

const address = (text: string): Address => parseAddress(text) as Address;
const prefix = (text: string): Prefix => parsePrefix(text) as Prefix;

describe("who is counted and banned", () => {
  test.each([
    ["192.0.2.1", 64, "192.0.2.1"],
    ["2001:db8:1:2:3:4:5:6", 64, "2001:db8:1:2::-2001:db8:1:2:ffff:ffff:ffff:ffff"],
    ["2001:db8::1", 56, "2001:db8::-2001:db8:0:ff:ffff:ffff:ffff:ffff"],
    ["2001:db8::1", 128, "2001:db8::1"],
  ])("for %s with IPv6 by /%d is %s", (text, length, wanted) =>
    expect(subjectOf(address(text), length).text).toBe(wanted),
  );

  test("is the same for every address of the network", () => {
    const one = subjectOf(address("2001:db8:1:2::1"), 64);
    expect(subjectOf(address("2001:db8:1:2:ffff::"), 64).text).toBe(one.text);
    expect(subjectOf(address("2001:db8:1:3::1"), 64).text).not.toBe(one.text);
  });
});

test.each([
  ["192.0.2.7/24", "192.0.2.0-192.0.2.255"],
  ["192.0.2.7/32", "192.0.2.7"],
  ["0.0.0.0/0", "0.0.0.0-255.255.255.255"],
  ["192.0.2.0-192.0.2.255", "192.0.2.0-192.0.2.255"],
  ["2001:DB8::1", "2001:db8::1"],
])("%s is read as %s", (text, wanted) => expect(parseSubject(text)?.text).toBe(wanted));

test.each([
  ["192.0.2.1-192.0.2.9"],
  ["192.0.2.9-192.0.2.1"],
  ["192.0.2.1-192.0.2.1"],
  ["a-b"],
  ["1-2-3"],
  ["x"],
  ["192.0.2.0/33"],
])("%s is no subject", (text) => expect(parseSubject(text)).toBeUndefined());

test("a subject's text is read back as the same subject, and shown as people write it", () => {
  const v6 = fc.array(fc.integer({ min: 0, max: 0xffff }), { minLength: 8, maxLength: 8 });
  fc.assert(
    fc.property(v6, fc.integer({ min: 1, max: 128 }), (groups, length) => {
      const text = groups.map((group) => group.toString(16)).join(":");
      const parsed = address(text);
      if (parsed.family === 4) return;
      const subject = network(parsed, length);
      expect(parseSubject(subject.text)).toEqual(subject);
      if (length < 128) expect(showSubject(subject.text)).toBe(subject.prefix.text);
    }),
  );
});

test.each([
  ["2001:db8::/64", "2001:db8::5", true],
  ["2001:db8::5", "2001:db8::/64", true],
  ["192.0.2.0/24", "192.0.2.128/25", true],
  ["192.0.2.0/25", "192.0.2.128/25", false],
  ["192.0.2.0/24", "2001:db8::/32", false],
  ["0.0.0.0/0", "203.0.113.1", true],
])("%s and %s have an address in common: %s", (a, b, wanted) => expect(overlaps(prefix(a), prefix(b))).toBe(wanted));
