/**
 * Where things live in VyOS's configuration tree: names in, paths and operations out. Pure.
 *
 * Always true: what leaves this file is a list of non-empty words without spaces. `src/services/vyos-http-api-server` joins the
 * words of a query with spaces before it looks them up, so a name with a space would silently ask about something else.
 */

/** One change, sent exactly so in the list of a /configure request. */
export interface Op {
  op: "set" | "delete";
  path: string[];
}

/** VyOS's own constraint on names of firewall groups (`interface-definitions/firewall.xml.in`); nothing else can exist. */
const groupName = /^[-_a-zA-Z0-9][\w\-.+]*$/;

/**
 * The members of an address group. Groups of the two families are different nodes and may share a name.
 * @throws RangeError when VyOS could not have a group of this name
 */
export function groupPath(family: 4 | 6, group: string): string[] {
  if (!groupName.test(group)) {
    throw new RangeError(`expected a group name like "BAD_GUYS" (${groupName.source}), got ${JSON.stringify(group)}`);
  }
  return ["firewall", "group", family === 4 ? "address-group" : "ipv6-address-group", group, "address"];
}

/**
 * Puts one address into a group, or takes it out. VyOS compares addresses as strings, so give the canonical form. A group takes
 * single addresses and ranges (`192.0.2.1-192.0.2.9`), never a prefix.
 * @throws RangeError as `groupPath`
 */
export function addressOp(op: Op["op"], family: 4 | 6, group: string, address: string): Op {
  return { op, path: [...groupPath(family, group), address] };
}

/** Which VLANs an interface type can carry: none, plain 802.1Q (`vif`), or also 802.1ad with inner tags (`vif-s`, `vif-c`). */
type Vlans = "none" | "vif" | "vif-s";

/** Interface types that have a `disable` leaf, by the prefix of their names. `lo` is missing because loopback has no such leaf. */
const interfaceTypes: ReadonlyMap<string, { type: string; vlans: Vlans }> = new Map([
  ["eth", { type: "ethernet", vlans: "vif-s" }],
  ["bond", { type: "bonding", vlans: "vif-s" }],
  ["br", { type: "bridge", vlans: "vif" }],
  ["dum", { type: "dummy", vlans: "none" }],
  ["gnv", { type: "geneve", vlans: "none" }],
  ["l2tpeth", { type: "l2tpv3", vlans: "none" }],
  ["macsec", { type: "macsec", vlans: "none" }],
  ["vtun", { type: "openvpn", vlans: "none" }],
  ["pppoe", { type: "pppoe", vlans: "none" }],
  ["peth", { type: "pseudo-ethernet", vlans: "vif-s" }],
  ["tun", { type: "tunnel", vlans: "none" }],
  ["veth", { type: "virtual-ethernet", vlans: "vif-s" }],
  ["vxlan", { type: "vxlan", vlans: "none" }],
  ["wg", { type: "wireguard", vlans: "none" }],
  ["wlan", { type: "wireless", vlans: "vif-s" }],
  ["wwan", { type: "wwan", vlans: "none" }],
  ["vti", { type: "vti", vlans: "none" }],
  ["sstpc", { type: "sstpc", vlans: "none" }],
]);

/** A Linux interface name has at most 15 bytes (IFNAMSIZ less its end). */
const interfaceNameCharactersMax = 15;

/** VLAN ids as VyOS accepts them for vif, vif-s and vif-c. */
const vlanIdMax = 4094;

/** `<prefix><number>`, then an optional VLAN and an optional inner VLAN. A leading zero names no interface that VyOS makes. */
const interfaceName = /^(l2tpeth|[a-z]+)(0|[1-9]\d*)(?:\.(0|[1-9]\d*))?(?:\.(0|[1-9]\d*))?$/;

/**
 * The node of an interface: `eth1.10` is interfaces/ethernet/eth1/vif/10, and `eth1.20.30` is …/vif-s/20/vif-c/30.
 * The kernel gives a bare `vif-s 20` the name `eth1.20` as well; it is read as `vif`, which is by far the commoner, so ask
 * `exists` before writing: a `set` below a missing node creates it.
 * @returns undefined for loopback, for a name of no known type, and for anything that is no interface name at all
 */
export function interfacePath(name: string): string[] | undefined {
  if (name.length > interfaceNameCharactersMax) return undefined;
  const match = interfaceName.exec(name);
  if (match === null) return undefined;
  const [, prefix = "", number = "", outer, inner] = match;
  const known = interfaceTypes.get(prefix);
  if (known === undefined) return undefined;
  const path = ["interfaces", known.type, `${prefix}${number}`];
  if (outer === undefined) return path;
  if (known.vlans === "none" || Number(outer) > vlanIdMax) return undefined;
  if (inner === undefined) return [...path, "vif", outer];
  if (known.vlans !== "vif-s" || Number(inner) > vlanIdMax) return undefined;
  return [...path, "vif-s", outer, "vif-c", inner];
}

/**
 * Takes an interface down (`set`) or lets it come up again (`delete`): its valueless leaf `disable`.
 * @returns undefined exactly when `interfacePath` is
 */
export function disableOp(op: Op["op"], name: string): Op | undefined {
  const path = interfacePath(name);
  return path === undefined ? undefined : { op, path: [...path, "disable"] };
}
