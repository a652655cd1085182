import { describe, expect, test } from "@jest/globals";
import { ConfigurationError } from "./environment.ts";
import { parseInventory } from "./inventory.ts";

const fingerprint = `sha256:${"0f".repeat(32)}`;
const good = `
devices:
  edge-1:
    address: 10.10.10.201
    api: { url: https://10.10.10.201/, keyFile: /run/secrets/edge-1, fingerprint: "${fingerprint}" }
    protect: [eth0]
    certificate: Edge-1.Example.net
  web-1:
    address: 2001:DB8::5
allow: [192.0.2.0/24]
`;

function complaints(text: string): readonly string[] {
  try {
    parseInventory(text, "logwarden.yaml");
  } catch (error) {
    if (error instanceof ConfigurationError) return error.complaints;
  }
  return [];
}

test("a good file gives devices by canonical address, and nobody of them can be banned", () => {
  const inventory = parseInventory(good, "logwarden.yaml");
  expect([...inventory.byAddress.keys()]).toEqual(["10.10.10.201", "2001:db8::5"]);
  expect(inventory.devices[0]?.api).toEqual({
    url: "https://10.10.10.201",
    keyFile: "/run/secrets/edge-1",
    trust: { fingerprint },
  });
  expect(inventory.devices[1]?.api).toBeUndefined();
  expect(inventory.neverBan.reasonFor({ family: 4, text: "10.10.10.201", bits: 0x0a0a0ac9 })).toContain("edge-1");
  expect(inventory.group).toBe("BAD_GUYS");
  expect([...inventory.byCertificate]).toEqual([["edge-1.example.net", inventory.devices[0]]]);
  expect(inventory.unknownDevices).toBe("refuse");
});

describe("a bad file is refused, with path, value and an example:", () => {
  test.each([
    ["allow left out", good.replace("allow: [192.0.2.0/24]", ""), "allow: must be written out"],
    ["an unknown key", `${good}\nalow: []`, 'Unrecognized key: "alow"'],
    [
      "an address that is none",
      good.replace("10.10.10.201\n", "10.10.10.999\n"),
      'devices.edge-1.address: expected an IPv4 or IPv6 address, got "10.10.10.999", for example address: 10.10.10.201',
    ],
    ["a bad prefix", good.replace("192.0.2.0/24", "192.0.2.0/33"), "allow.0: expected an address or a prefix"],
    ["two devices with one address", good.replace("2001:DB8::5", "10.10.10.201"), "is already edge-1's"],
    [
      "two devices with one certificate",
      good.replace("address: 2001:DB8::5", "address: 2001:DB8::5\n    certificate: EDGE-1.example.net"),
      "devices.web-1.certificate: edge-1.example.net is already edge-1's",
    ],
    ["a certificate for many names", good.replace("Edge-1.Example.net", '"*.example.net"'), "expected a host name"],
    ["unknown devices that are neither", `${good}\nunknownDevices: maybe`, "expected refuse or accept"],
    ["no device", "devices: {}\nallow: []", "expected at least one device"],
    ["a name that is no tube", good.replace("edge-1:", "Edge 1:"), "devices.Edge 1"],
    [
      "no pin and no CA",
      good.replace(`, fingerprint: "${fingerprint}"`, ""),
      "exactly one of fingerprint, caFile and verify: off",
    ],
    ["a fingerprint that is none", good.replace(fingerprint, "sha256:abc"), "expected sha256: and 32 bytes"],
    ["an API without TLS", good.replace("https://", "http://"), "expected https://"],
    ["a group that VyOS refuses", `${good}\ngroup: "BAD GUYS"`, "expected a VyOS group name"],
    ["what is no YAML", "devices: [", "Flow sequence"],
    ["nothing at all", "", "devices: "],
  ])("%s", (_, text, wanted) => expect(complaints(text).join("\n")).toContain(wanted));

  test("all complaints at once", () => {
    expect(complaints(good.replace("10.10.10.201\n", "x\n").replace("192.0.2.0/24", "y"))).toHaveLength(2);
  });
});
