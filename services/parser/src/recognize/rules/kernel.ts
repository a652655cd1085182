/**
 * Network drivers (facility kern): each says in its own words that its link is gone. Linux prints the driver, the bus address
 * and the interface before the text (netdev_info: `e1000e 0000:00:19.0 eth1: `); e1000 and old e1000e do not (pr_info).
 *
 * Some print the same line when the port is disabled (e1000e_close, phylib's phy_stop, mlx5e): nothing in the line tells
 * that apart. virtio-net, veth and hv_netvsc print nothing at all.
 */

import type { Rule } from "../rule.ts";
import type { Fields } from "../template.ts";

/** Intel, vmxnet3, bnxt; phylib (r8169, ports of switches and SoCs), be2net; tg3; mlx5; r8169 of old, sfc. */
const words = ["NIC Link is Down", "Link is Down", "Link is down", "Link down", "link down"];

/** IFNAMSIZ is 16, and no interface has brackets: `pciehp 0000:00:1c.0:pcie004: Slot(0): Link down` is a slot. */
function namesInterface(fields: Fields): boolean {
  const name = fields["interface"] ?? "";
  const again = fields["again"] ?? name;
  return /^[A-Za-z][\w.-]{0,14}$/.test(name) && again === name;
}

export const kernelRules: readonly Rule[] = [
  {
    name: "kernel-link-down",
    programs: ["kernel"],
    match: [
      ...words.map((text) => `{driver:word} {bus:word} {interface:word}: ${text}`),
      // igb says it twice.
      "{driver:word} {bus:word} {interface:word}: {prefix:word}: {again:word} NIC Link is Down",
      "{driver:word}: {interface:word} NIC Link is Down",
    ],
    type: "interface_down",
    where: namesInterface,
  },
  {
    // bond_miimon_commit (bonding/bond_main.c), since 5.3 and before. `link status down … in 200 ms` is not yet final.
    name: "kernel-bond-slave-down",
    programs: ["kernel"],
    match: [
      "{bond:word}: (slave {interface:word}): link status definitely down, disabling slave",
      "{bond:word}: link status definitely down for interface {interface:word}, disabling it",
    ],
    type: "interface_down",
  },
];
