/**
 * vyos-network-event-logger (VyOS 2025 and later, opt-in; LinkFormatter in src/services/vyos-network-event-logger):
 * what `ip monitor link` prints, each part with a space before and behind, hence the runs of two and three:
 *
 *   [LINK]   3: eth1:  <NO-CARRIER,BROADCAST,MULTICAST,UP>  mtu 1500  qdisc fq_codel  state DOWN  group 0  link/ether …
 *
 * A fall is a port that is wanted (UP) and has no carrier. NO-CARRIER is printed when RUNNING is missing, LOWER_UP when the
 * carrier is there: with both the port is only just coming up (a veth or virtio port prints that line when it is enabled),
 * so LOWER_UP must be missing too. An administrator's down, and our own, takes UP away.
 */

import type { Rule } from "../rule.ts";

export const vyosNetworkEventLoggerRules: readonly Rule[] = [
  {
    name: "vyos-network-event-logger-no-carrier",
    programs: ["vyos-network-event-logger"],
    // A VLAN is called NAME@DEVICE.
    match:
      "\\[LINK\\]   {index:int}: {interface:word}[@{lower:word}]:  <{flags:word}>  mtu {mtu:int}  qdisc {qdisc:word}  state DOWN {rest}",
    type: "interface_down",
    where: (fields) => {
      const flags = (fields["flags"] ?? "").split(",");
      return flags.includes("UP") && flags.includes("NO-CARRIER") && !flags.includes("LOWER_UP");
    },
  },
];
