/**
 * netplugd (netplug 1.2.9, VyOS 1.3 to 1.5): `IF: state OLDSTATE flags 0xOLD NAMES -> 0xNEW NAMES`.
 *
 * The word is the state before the event, so `state DOWN` is an interface that comes UP. The original design triggers on
 * it all the same, and installations rely on that: the rule stays, and can be switched off. Real loss of carrier is a
 * RUNNING that is on the left and not on the right while the interface is still administratively UP; without the last
 * condition our own `disable` (which takes UP away too) would read as a second link loss.
 */

import type { Rule } from "../rule.ts";

/** IFF_UP and IFF_RUNNING of netdevice(7). */
const up = 0x1;
const running = 0x40;

const holds = (flags: string | undefined, flag: number): boolean => (Number(flags) & flag) !== 0;

export const netplugdRules: readonly Rule[] = [
  {
    name: "netplugd-state-down",
    programs: ["netplugd"],
    match: "{interface:word}: state DOWN flags {before:hex} {beforeNames:word} -> {after:hex} {afterNames:word}",
    type: "interface_down",
    where: (fields) => holds(fields["after"], up),
  },
  {
    name: "netplugd-link-lost",
    programs: ["netplugd"],
    match: "{interface:word}: state ACTIVE flags {before:hex} {beforeNames:word} -> {after:hex} {afterNames:word}",
    type: "interface_down",
    where: (fields) =>
      holds(fields["before"], running) && !holds(fields["after"], running) && holds(fields["after"], up),
  },
];
