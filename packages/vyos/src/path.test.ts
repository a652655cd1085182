import { describe, expect, test } from "@jest/globals";
import { addressOp, disableOp, groupPath, interfacePath } from "./path.ts";

describe("groups", () => {
  test("each family has its own node, so both may use one name", () => {
    expect(groupPath(4, "BAD_GUYS")).toEqual(["firewall", "group", "address-group", "BAD_GUYS", "address"]);
    expect(groupPath(6, "BAD_GUYS")).toEqual(["firewall", "group", "ipv6-address-group", "BAD_GUYS", "address"]);
  });

  test("an address is the last word of its operation", () => {
    expect(addressOp("set", 4, "BAD_GUYS", "192.0.2.5")).toEqual({
      op: "set",
      path: ["firewall", "group", "address-group", "BAD_GUYS", "address", "192.0.2.5"],
    });
    expect(addressOp("delete", 6, "-odd.name+1", "2001:db8::1").path).toEqual([
      "firewall",
      "group",
      "ipv6-address-group",
      "-odd.name+1",
      "address",
      "2001:db8::1",
    ]);
  });

  test.each(["", "A B", "A\nB", "+A", ".A", "A/B", "Ä", "A\n"])("%j is no name of a group", (name) => {
    expect(() => groupPath(4, name)).toThrow(RangeError);
  });
});

describe("interfaces", () => {
  test.each([
    ["eth0", "ethernet"],
    ["bond0", "bonding"],
    ["br0", "bridge"],
    ["dum0", "dummy"],
    ["gnv0", "geneve"],
    ["l2tpeth0", "l2tpv3"],
    ["macsec0", "macsec"],
    ["vtun0", "openvpn"],
    ["pppoe0", "pppoe"],
    ["peth0", "pseudo-ethernet"],
    ["tun0", "tunnel"],
    ["veth0", "virtual-ethernet"],
    ["vxlan0", "vxlan"],
    ["wg0", "wireguard"],
    ["wlan0", "wireless"],
    ["wwan0", "wwan"],
    ["vti0", "vti"],
    ["sstpc0", "sstpc"],
  ])("%s is of type %s", (name, type) => {
    expect(interfacePath(name)).toEqual(["interfaces", type, name]);
    expect(disableOp("set", name)).toEqual({ op: "set", path: ["interfaces", type, name, "disable"] });
  });

  test("a VLAN is a node below its parent", () => {
    expect(interfacePath("eth1.10")).toEqual(["interfaces", "ethernet", "eth1", "vif", "10"]);
    expect(interfacePath("eth1.20.30")).toEqual(["interfaces", "ethernet", "eth1", "vif-s", "20", "vif-c", "30"]);
    expect(interfacePath("br2.4094")).toEqual(["interfaces", "bridge", "br2", "vif", "4094"]);
    expect(disableOp("delete", "bond0.5")).toEqual({
      op: "delete",
      path: ["interfaces", "bonding", "bond0", "vif", "5", "disable"],
    });
  });

  test.each([
    ["loopback has no disable leaf", "lo"],
    ["unknown type", "ens3"],
    ["no number", "eth"],
    ["leading zero", "eth01"],
    ["no number after the dot", "eth1."],
    ["VLAN out of range", "eth1.4095"],
    ["inner VLAN out of range", "eth1.1.4095"],
    ["three levels", "eth1.1.2.3"],
    ["type without VLANs", "wg0.10"],
    ["bridge has no inner VLANs", "br0.1.2"],
    ["longer than the kernel allows", "eth1234567890123"],
    ["empty", ""],
    ["line break at the end", "eth1\n"],
    ["more words", "eth1 disable"],
    ["path", "../eth1"],
    ["upper case", "ETH1"],
    ["foreign digits", "eth١"],
    ["a member of every object", "constructor0"],
  ])("%s: %j names nothing", (_, name) => {
    expect(interfacePath(name)).toBeUndefined();
    expect(disableOp("set", name)).toBeUndefined();
  });
});
