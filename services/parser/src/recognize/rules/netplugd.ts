/**
 * netplugd (netplug 1.2.9, VyOS 1.3 to 1.5): `IF: state OLDSTATE flags 0xOLD NAMES -> 0xNEW NAMES`.
 *
 * The word is the state before the event, so `state DOWN` is an interface that comes UP. The original design triggers on
 * it all the same, and installations rely on that: the rule stays, and can be switched off. Real loss of carrier is a
 * RUNNING that is on the left and not on the right while the interface is still administratively UP; without the last
 * condition our own `disable` (which takes UP away too) would read as a second link loss.
 */

import type { Rule } from "../rule.ts";
import type { Fields } from "../template.ts";

/** IFF_UP and IFF_RUNNING of netdevice(7). */
const up = 0x1;
const running = 0x40;

const flags = (fields: Fields, name: string): number => Number(fields[name]);

export const netplugdRules: readonly Rule[] = [
  {
    name: "netplugd-state-down",
    programs: ["netplugd"],
    match: "{interface:word}: state DOWN flags {before:hex} {beforeNames:word} -> {after:hex} {afterNames:word}",
    type: "interface_down",
    where: (fields) => (flags(fields, "after") & up) !== 0,
  },
  {
    name: "netplugd-link-lost",
    programs: ["netplugd"],
    match: "{interface:word}: state ACTIVE flags {before:hex} {beforeNames:word} -> {after:hex} {afterNames:word}",
    type: "interface_down",
    where: (fields) =>
      (flags(fields, "before") & running) !== 0 &&
      (flags(fields, "after") & running) === 0 &&
      (flags(fields, "after") & up) !== 0,
  },
];
