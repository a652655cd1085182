import { describe, expect, test } from "@jest/globals";
import { parseAddress, parsePrefix, type Prefix } from "./address.ts";
import { createNeverBan } from "./never-ban.ts";

const prefix = (text: string): Prefix => parsePrefix(text) as Prefix;
const neverBan = createNeverBan([{ name: "edge-1", prefix: prefix("10.10.10.201") }], [prefix("192.0.2.0/24")]);

function reason(text: string): string | undefined {
  const address = parseAddress(text);
  return address && neverBan.reasonFor(address);
}

describe("never banned:", () => {
  test.each([
    ["127.0.0.1", "loopback"],
    ["::1", "loopback"],
    ["::ffff:127.0.0.1", "loopback"],
    ["0.0.0.0", "this network"],
    ["::", "unspecified"],
    ["169.254.1.1", "link-local"],
    ["fe80::1%eth0", "link-local"],
    ["224.0.0.1", "multicast"],
    ["ff02::1", "multicast"],
    ["255.255.255.255", "broadcast"],
    ["10.10.10.201", "edge-1"],
    ["192.0.2.77", "allow 192.0.2.0/24"],
  ])("%s, as %s", (text, why) => expect(reason(text)).toContain(why));
});

test("everybody else may be banned, private addresses among them: attackers sit inside as well", () => {
  for (const text of ["10.10.10.132", "10.0.0.1", "203.0.113.7", "2001:db8::1"]) expect(reason(text)).toBeUndefined();
});
