/**
 * The first story of the lab: attackers, a colleague who mistypes, a liar, and two cables that fall out.
 *
 * Told once here; `npm run lab` shows it to a person, `--once` judges it, test/e2e runs it. Three failures are a ban, on
 * both routers (policies in src/network.ts).
 */

import type { Play, Scenario } from "../src/scenario.ts";

const netplugd = (name: string): string =>
  `${name}: state ACTIVE flags 0x00011043 UP,BROADCAST,RUNNING,MULTICAST,10000 -> 0x00001003 UP,BROADCAST,MULTICAST`;

/** As the ledger and the routers call the network of the IPv6 attacker: groups take no prefix. */
const ipv6Attacker = "2001:db8:bad::-2001:db8:bad:0:ffff:ffff:ffff:ffff";
const attackers = ["203.0.113.7", "203.0.113.8", "203.0.113.9"];

const banned =
  (router: string, address: string, family: 4 | 6 = 4) =>
  ({ members }: Play): Promise<boolean> =>
    members(router, family).then((all) => all.includes(address));

export const attackAndLinkLoss: Scenario = {
  name: "attack and link loss",
  steps: [
    {
      says: "203.0.113.7 tries three passwords on edge-1",
      play: async ({ log }) => {
        const users = ["root", "invalid user admin", "invalid user oracle"];
        for (const [index, user] of users.entries()) {
          const text = `Failed password for ${user} from 203.0.113.7 port ${40_022 + index} ssh2`;
          await log("edge-1", "auth.info", `sshd[${2317 + index}]`, text);
        }
      },
      until: banned("edge-1", "203.0.113.7"),
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
      until: banned("edge-1", "203.0.113.8"),
    },
    {
      says: '203.0.113.9 calls itself "root from 192.0.2.1 port 1 ssh2", to have somebody else banned',
      play: async ({ log }) => {
        const user = "root from 192.0.2.1 port 1 ssh2";
        for (const port of [40_026, 40_027, 40_028]) {
          const text = `Failed password for invalid user ${user} from 203.0.113.9 port ${port} ssh2`;
          await log("edge-1", "auth.info", "sshd[2322]", text);
        }
      },
      until: banned("edge-1", "203.0.113.9"),
    },
    {
      says: "198.51.100.23 is a colleague (on the allow list) who mistypes; then 2001:db8:bad::/64 attacks edge-2 from three addresses",
      play: async ({ log }) => {
        for (const pid of [801, 802, 803]) {
          const text = `Failed password for vyos from 198.51.100.23 port ${pid + 49_311} ssh2`;
          await log("edge-2", "auth.info", `sshd[${pid}]`, text);
        }
        for (const address of ["2001:DB8:bad:0::1", "2001:db8:bad::2", "2001:db8:bad:0:0:0:0:3"]) {
          const text = `Failed password for root from ${address} port 50114 ssh2`;
          await log("edge-2", "auth.info", "sshd[804]", text);
        }
      },
      until: banned("edge-2", ipv6Attacker, 6),
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
  judge: async ({ members, saved, disabled, requests, queued, real, said }) => {
    const [edge1, edge2] = [await members("edge-1", 4), await members("edge-2", 4)];
    return [
      {
        belief: "the attackers are in BAD_GUYS of both routers, each once",
        holds: same(edge1, attackers) && same(edge2, attackers),
      },
      {
        belief: "each of them was banned by the third failure, and one ban was made of each",
        holds: attackers.every((one) => {
          const bans = said("ban.started", ({ address }) => address === one);
          return bans.length === 1 && /^[34] password_failed/.test(String(bans[0]?.["reason"]));
        }),
      },
      { belief: "192.0.2.1, whom an attacker named, is not", holds: !edge1.includes("192.0.2.1") },
      {
        belief: "198.51.100.23, a colleague who mistyped, is not",
        holds: ![...edge1, ...edge2].includes("198.51.100.23"),
      },
      {
        belief: "the IPv6 attacker is in the IPv6 group of both, as the /64 that it changes its address in",
        holds: same(await members("edge-2", 6), [ipv6Attacker]) && same(await members("edge-1", 6), [ipv6Attacker]),
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
    ];
  },
};

function same(seen: readonly string[], wanted: readonly string[]): boolean {
  return wanted.every((address) => seen.filter((one) => one === address).length === 1);
}
