/**
 * The second story of the lab, on what the first left behind: bans begin, spread, end, and a router that was away catches up.
 *
 * edge-2 is where things are done to a router, since it is simulated in any case; edge-1 may be a real one.
 */

import type { Play, Scenario } from "../src/scenario.ts";

const attacker = "203.0.113.20";
const shortly = "203.0.113.21";
const meanwhile = "203.0.113.22";
/** Of the first story; lifted while edge-2 is away. */
const forgiven = "203.0.113.7";
const byHand = "192.0.2.77";
/** Long enough to be seen on both routers, short enough to wait for. */
const shortSeconds = 5;
/** The commit is asked for when the ban ends. More would be somebody's nap. */
const lateMsMax = 1500;

const fail = async ({ log }: Play, address: string, ports: readonly number[]): Promise<void> => {
  for (const port of ports) {
    await log("edge-1", "auth.info", `sshd[${port}]`, `Failed password for root from ${address} port ${port} ssh2`);
  }
};

const onBoth = async ({ members }: Play, address: string): Promise<boolean> =>
  (await members("edge-1", 4)).includes(address) && (await members("edge-2", 4)).includes(address);
const onNone = async ({ members }: Play, address: string): Promise<boolean> =>
  !(await members("edge-1", 4)).includes(address) && !(await members("edge-2", 4)).includes(address);
/** A router that is busy with a commit shows nothing at all: what is gone must be gone while others are there. */
const isGone = async (play: Play, address: string): Promise<boolean> =>
  (await onBoth(play, "203.0.113.8")) && (await onNone(play, address));

/** How many tasks of this step led to nothing, with this reason. */
const nothings = ({ news }: Play, reason: string): number =>
  news("plan.empty", (line) => line["reason"] === reason).length;

export const bans: Scenario = {
  name: "bans begin, spread and end",
  steps: [
    {
      says: `${attacker} fails twice on edge-1: that is counted, and no more`,
      play: (play) => fail(play, attacker, [41_001, 41_002]),
      until: async (play) => nothings(play, "counted") === 2,
    },
    {
      says: "a third time: it is banned, and the fleet follows",
      play: (play) => fail(play, attacker, [41_003]),
      until: (play) => onBoth(play, attacker),
    },
    {
      says: "an operator lifts the ban: it ends on both routers",
      play: ({ ask }) => ask({ type: "unban", address: attacker, reason: "a customer with a new telephone" }),
      until: (play) => isGone(play, attacker),
    },
    {
      says: "three more failures at once are pardoned: whoever was just lifted gets a while to find the right password",
      play: (play) => fail(play, attacker, [41_004, 41_005, 41_006]),
      until: async (play) => nothings(play, "pardoned") === 3,
    },
    {
      says: `an operator bans ${shortly} everywhere, for ${shortSeconds} seconds`,
      play: ({ ask }) => ask({ type: "ban", address: shortly, for: shortSeconds, reason: "to see it end" }),
      until: (play) => onBoth(play, shortly),
    },
    {
      says: "nobody does anything: the ban ends by itself",
      play: async () => undefined,
      until: (play) => isGone(play, shortly),
    },
    {
      says: `somebody bans ${byHand} at edge-2 itself; then edge-2 is switched off, and ${meanwhile} attacks edge-1`,
      play: async (play) => {
        await play.banByHand("edge-2", byHand);
        await play.switchOff("edge-2");
        await fail(play, meanwhile, [41_007, 41_008, 41_009]);
      },
      until: async ({ members, news }) =>
        (await members("edge-1", 4)).includes(meanwhile) && news("device.held").length > 0,
    },
    {
      says: `an operator lifts ${forgiven} while edge-2 is away`,
      play: ({ ask }) => ask({ type: "unban", address: forgiven }),
      until: async ({ members }) => {
        const now = await members("edge-1", 4);
        return now.includes(meanwhile) && !now.includes(forgiven);
      },
    },
    {
      says: "edge-2 is back with the configuration that it had saved, and catches up",
      play: ({ switchOn }) => switchOn("edge-2"),
      until: async ({ members }) => {
        const now = await members("edge-2", 4);
        return now.includes(meanwhile) && !now.includes(forgiven);
      },
    },
  ],
  judge: async (play) => {
    const { members, saved, requests, queued, real, said } = play;
    const [edge1, edge2] = [await members("edge-1", 4), await members("edge-2", 4)];
    const started = said("ban.started", ({ address }) => address === attacker);
    const ends = said("ban.started", ({ address }) => address === shortly).map(({ until }) =>
      Date.parse(String(until)),
    );
    const removals = ["edge-1", "edge-2"].map((router) =>
      requests(router)
        .filter(({ ops }) => ops.some(({ op, path }) => op === "delete" && path.includes(shortly)))
        .map(({ receivedAtMs }) => receivedAtMs - (ends[0] ?? Number.NaN)),
    );
    const ourRemovals = removals.filter((_, index) => index > 0 || !real("edge-1"));
    return [
      {
        belief: "three failures were one ban, and those that came after the unban were none",
        holds: started.length === 1 && String(started[0]?.["reason"]).startsWith("3 password_failed"),
      },
      {
        belief: `${attacker}, whom an operator lifted, and ${shortly}, whose time was over, are on no router`,
        holds: ![...edge1, ...edge2].some((one) => one === attacker || one === shortly),
      },
      {
        belief: "the short ban was taken out once, within a second and a half of its end, and not before it",
        holds: ourRemovals.every(
          ([lateMs, ...more]) => more.length === 0 && lateMs !== undefined && lateMs >= 0 && lateMs <= lateMsMax,
        ),
      },
      {
        belief: "edge-2, which was away, has what was banned meanwhile, and has not what was lifted",
        holds: edge2.includes(meanwhile) && !edge2.includes(forgiven),
      },
      {
        belief: `${byHand}, put there by hand, is still on edge-2, and nowhere else`,
        holds: edge2.includes(byHand) && !edge1.includes(byHand),
      },
      {
        belief: "but for that the two routers hold the same",
        holds:
          JSON.stringify(edge2.filter((one) => one !== byHand).toSorted()) === JSON.stringify(edge1.toSorted()) ||
          real("edge-1"),
      },
      {
        belief: "a reboot would change nothing: everything is saved",
        holds: (await saved("edge-2")) && (real("edge-1") || (await saved("edge-1"))),
      },
      { belief: "the queue holds nothing any more", holds: (await queued()) === 0 },
    ];
  },
};
