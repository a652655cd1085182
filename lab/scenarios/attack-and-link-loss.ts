/**
 * The story of the lab: two attackers, a colleague who mistypes, a liar, and two cables that fall out.
 *
 * Told once here; `npm run lab` shows it to a person, `--once` judges it, test/e2e runs it.
 */

import type { Play, Scenario } from "../src/scenario.ts";

const netplugd = (name: string): string =>
  `${name}: state ACTIVE flags 0x00011043 UP,BROADCAST,RUNNING,MULTICAST,10000 -> 0x00001003 UP,BROADCAST,MULTICAST`;

export const attackAndLinkLoss: Scenario = {
  name: "attack and link loss",
  steps: [
    {
      says: "203.0.113.7 tries passwords on edge-1",
      play: async ({ log }: Play) => {
        await log("edge-1", "auth.info", "sshd[2317]", "Failed password for root from 203.0.113.7 port 40022 ssh2");
        await log(
          "edge-1",
          "auth.info",
          "sshd[2319]",
          "Failed password for invalid user admin from 203.0.113.7 port 40024 ssh2",
        );
      },
      until: ({ members }) => members("edge-1", 4).then((all) => all.includes("203.0.113.7")),
    },
    {
      says: "203.0.113.8 repeats itself; rsyslog on the router sums it up when another line comes",
      play: async ({ log }) => {
        const line = "Failed password for root from 203.0.113.8 port 40030 ssh2";
        for (let n = 0; n < 4; n++) await log("edge-1", "auth.info", "sshd[2320]", line);
        await log(
          "edge-1",
          "auth.info",
          "sshd[2320]",
          "Connection closed by authenticating user root 203.0.113.8 port 40030 [preauth]",
        );
      },
      until: ({ members }) => members("edge-1", 4).then((all) => all.includes("203.0.113.8")),
    },
    {
      says: '203.0.113.9 calls itself "root from 192.0.2.1 port 1 ssh2", to have somebody else banned',
      play: async ({ log }) => {
        const user = "root from 192.0.2.1 port 1 ssh2";
        await log(
          "edge-1",
          "auth.info",
          "sshd[2322]",
          `Failed password for invalid user ${user} from 203.0.113.9 port 40026 ssh2`,
        );
      },
      until: ({ members }) => members("edge-1", 4).then((all) => all.includes("203.0.113.9")),
    },
    {
      says: "198.51.100.23 is a colleague (on the allow list) who mistypes; then 2001:db8:bad::1 attacks edge-2",
      play: async ({ log }) => {
        await log("edge-2", "auth.info", "sshd[801]", "Failed password for vyos from 198.51.100.23 port 50112 ssh2");
        await log(
          "edge-2",
          "auth.info",
          "sshd[802]",
          "Failed password for root from 2001:DB8:bad:0::1 port 50114 ssh2",
        );
      },
      until: ({ members }) => members("edge-2", 6).then((all) => all.includes("2001:db8:bad::1")),
    },
    {
      says: "on edge-2 the cables of eth0 (protected: our way in) and eth1 fall out",
      play: async ({ log }) => {
        await log("edge-2", "daemon.info", "netplugd[703]", netplugd("eth0"));
        await log("edge-2", "daemon.info", "netplugd[703]", netplugd("eth1"));
      },
      until: ({ disabled }) => disabled("edge-2", "eth1"),
    },
  ],
  judge: async ({ members, saved, disabled, requests, queued, real }) => [
    {
      belief: "the attackers are in BAD_GUYS of edge-1, each once",
      holds: same(await members("edge-1", 4), ["203.0.113.7", "203.0.113.8", "203.0.113.9"]),
    },
    { belief: "192.0.2.1, whom an attacker named, is not", holds: !(await members("edge-1", 4)).includes("192.0.2.1") },
    { belief: "198.51.100.23, a colleague who mistyped, is not", holds: (await members("edge-2", 4)).length === 0 },
    {
      belief: "the IPv6 attacker is in the IPv6 group of edge-2, in canonical form",
      holds: same(await members("edge-2", 6), ["2001:db8:bad::1"]),
    },
    {
      belief: "eth1 of edge-2 is disabled, eth0 is not",
      holds: (await disabled("edge-2", "eth1")) && !(await disabled("edge-2", "eth0")),
    },
    {
      belief: "the interface had a request of its own",
      holds: requests("edge-2").every(({ ops }) => ops.length < 2 || ops.every(({ path }) => path[0] === "firewall")),
    },
    {
      belief: "a reboot would change nothing: everything is saved",
      holds: (await saved("edge-2")) && (real("edge-1") || (await saved("edge-1"))),
    },
    { belief: "the queue holds nothing any more", holds: (await queued()) === 0 },
  ],
};

function same(seen: readonly string[], wanted: readonly string[]): boolean {
  return wanted.every((address) => seen.filter((one) => one === address).length === 1);
}
