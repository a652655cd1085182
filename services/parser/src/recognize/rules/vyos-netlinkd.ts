/**
 * vyos-netlinkd (VyOS rolling of 2026, in netplugd's place; src/services/vyos-netlinkd): one line for each RTM_NEWLINK,
 * `RTM_NEWLINK -> IF, state=OPERSTATE, mac=MAC`, as daemon.debug (`<31>`): it is sent only where level debug is forwarded.
 *
 * It prints the operational state (RFC 2863, `operstate` in sysfs) and no flags. So a port that was disabled, or enabled
 * while its link is not up yet, reads like one that lost its carrier; netplugd's lines say more. LOWERLAYERDOWN is a device
 * whose lower one fell (a VLAN, a macvlan): the lower one has a line of its own.
 */

import type { Rule } from "../rule.ts";

export const vyosNetlinkdRules: readonly Rule[] = [
  {
    name: "vyos-netlinkd-down",
    programs: ["vyos-netlinkd"],
    match: "RTM_NEWLINK -> {interface:word}, state=DOWN, mac={mac:word}",
    type: "interface_down",
    // What Python prints for a message that names no interface.
    where: ({ interface: name }) => name !== "None",
  },
];
