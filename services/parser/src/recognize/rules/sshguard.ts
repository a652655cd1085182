/**
 * sshguard (blocker.c, log_block), in the wordings of 2.x, 1.7 and 1.5. An event holds one address, so a block of a whole
 * subnet (IPV4_SUBNET, IPV6_SUBNET) is none. `203.0.113.7: unblocking after 240 secs` does not say whether a subnet was
 * meant, and is not read.
 */

import type { Rule } from "../rule.ts";
import type { Fields } from "../template.ts";

const history = "({attacks:int} attacks in {seconds:int} secs, after {abuses:int} abuses over {all:int} secs";

const isOneAddress = ({ address = "", length }: Fields): boolean =>
  length === undefined || length === (address.includes(":") ? "128" : "32");

export const sshguardRules: readonly Rule[] = [
  {
    name: "sshguard-block",
    programs: ["sshguard"],
    match: [
      `Blocking "{address:ip}/{length:int}" for {block:int} secs ${history}.)`,
      `Blocking "{address:ip}/{length:int}" forever ${history}.)`,
      `Blocking {address:ip} for {block:int} secs ${history})`,
      // The kind (4, 6) is fixed text: an IPv6 address holds colons of its own.
      ...["4", "6"].map(
        (kind) =>
          `Blocking {address:ip}:${kind} for >{block:int}secs: {danger:int} danger in {attacks:int} attacks over {seconds:int} seconds (all: {allDanger:int}d in {abuses:int} abuses over {all:int}s).`,
      ),
    ],
    type: "peer_ban",
    where: isOneAddress,
    set: { action: "ban" },
  },
];
