import { expect, test } from "@jest/globals";
import fc from "fast-check";
import { type Address, contains, parseAddress, parsePrefix, type Prefix } from "./address.ts";
import { indexPrefixes } from "./prefix-index.ts";

const address = (text: string): Address => parseAddress(text) as Address;

// Few different bytes, so that prefixes cover addresses often.
const byte = fc.constantFrom(0, 1, 10, 127, 128, 192, 255);
const v4 = fc.tuple(byte, byte, byte, byte).map((bytes) => bytes.join("."));
const group = fc.constantFrom("0", "1", "8000", "ffff", "2001", "db8");
const v6 = fc.array(group, { minLength: 8, maxLength: 8 }).map((groups) => groups.join(":"));
const prefixes = fc.array(
  fc
    .oneof(fc.tuple(v4, fc.integer({ min: 0, max: 32 })), fc.tuple(v6, fc.integer({ min: 0, max: 128 })))
    // ::ffff:0:0/96 and what is in it is IPv4, of which no prefix is longer than 32.
    .map(([text, length]) => parsePrefix(`${text}/${length}`))
    .filter((prefix): prefix is Prefix => prefix !== undefined),
);

test("the index names the first prefix that covers an address, as looking at each of them does", () => {
  fc.assert(
    fc.property(prefixes, fc.oneof(v4, v6), (list, text) => {
      const one = address(text);
      expect(indexPrefixes(list)(one)).toBe(list.findIndex((prefix) => contains(prefix, one)));
    }),
    { numRuns: 2000 },
  );
});
