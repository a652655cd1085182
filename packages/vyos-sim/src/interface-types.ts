/** The kinds of interface that VyOS knows, how their names begin, and which of them can be disabled or carry VLANs. */

export const interfaceTypes = {
  bonding: /^bond\d+$/,
  bridge: /^br\d+$/,
  dummy: /^dum\d+$/,
  ethernet: /^((eth|lan)\d+|(eno|ens|enp|enx).+)$/,
  geneve: /^gnv\d+$/,
  input: /^ifb\d+$/,
  l2tpv3: /^l2tpeth\d+$/,
  loopback: /^lo$/,
  macsec: /^macsec\d+$/,
  openvpn: /^vtun\d+$/,
  pppoe: /^pppoe\d+$/,
  "pseudo-ethernet": /^peth\d+$/,
  sstpc: /^sstpc\d+$/,
  tunnel: /^tun\d+$/,
  "virtual-ethernet": /^veth\d+$/,
  vti: /^vti\d+$/,
  vxlan: /^vxlan\d+$/,
  wireguard: /^wg\d+$/,
  wireless: /^wlan\d+$/,
  wwan: /^wwan\d+$/,
} as const;

export type InterfaceType = keyof typeof interfaceTypes;

export const vlanTypes: ReadonlySet<InterfaceType> = new Set([
  "bonding",
  "bridge",
  "ethernet",
  "pseudo-ethernet",
  "virtual-ethernet",
  "wireless",
] as const);

/** Every kind but the loopback has a `disable` leaf. */
export function hasDisable(type: InterfaceType): boolean {
  return type !== "loopback";
}

/** eth1 → interfaces ethernet eth1; eth1.10 → its vif 10; eth1.20.30 → its vif-s 20 vif-c 30. */
export function interfacePath(name: string): string[] | undefined {
  const [parent = "", outer, inner, ...more] = name.split(".");
  const type = (Object.keys(interfaceTypes) as InterfaceType[]).find((each) => interfaceTypes[each].test(parent));
  if (type === undefined || more.length > 0) return undefined;
  const path = ["interfaces", type, parent];
  if (outer === undefined) return path;
  return inner === undefined ? [...path, "vif", outer] : [...path, "vif-s", outer, "vif-c", inner];
}
