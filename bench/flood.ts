/**
 * 10 000 attackers at one router within ten seconds: how many commits, how long, and who is banned first?
 *
 *   bench ─put, paced─▶ two beanstalkds (-f0) ──▶ one responder ──HTTPS──▶ router, in the bench, as slow as a real one
 *
 * A router commits one request at a time, and each costs a fixed part beside what its changes cost. So the aim is that the router is
 * never idle and never asked for small commits: no more commits than the time allows for whole ones (and two), and
 * the queue empties at the router's own speed. Beside it the way of the original design, one commit and one save for each task, on the
 * same simulated router: measured with fewer attackers and scaled, since it takes so long.
 */

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { Producer } from "@logwarden/queue";
import { encodeTask } from "@logwarden/shared/task";
import { deviceTube, taskTtrSeconds } from "@logwarden/shared/tubes";
import { addressOp, createClient } from "@logwarden/vyos";
import { attacker } from "./addresses.ts";
import { QueueLoad } from "./queue-load.ts";
import type { Report } from "./report.ts";
import { startBenchResponder } from "./responder.ts";
import { nowMs, routerMs, startBenchRouter } from "./router.ts";
import { mean, showNumber } from "./statistics.ts";
import { pause } from "./wait.ts";

export interface FloodOptions {
  attackers: number;
  say: (line: string) => void;
  signal: AbortSignal;
}

const tube = deviceTube("edge-1");
const group = "BAD_GUYS";
const floodSeconds = 10;
/** Puts go out in steps of this length. */
const stepMs = 50;
/** As the parser puts the first sighting of an address. */
const priority = 1000;
/** The original design's way is measured with so many. */
const oneByOneMax = 100;

export async function measureFlood({ attackers, say, signal }: FloodOptions): Promise<Report> {
  say(`flood: ${showNumber(attackers)} attackers within ${floodSeconds} s`);
  const flood = await measureResponder(attackers, signal);
  const fewer = Math.min(attackers, oneByOneMax);
  say(`flood: one commit and one save for each of ${fewer}`);
  const single = await measureOneByOne(fewer);
  const scaled = (single.seconds / fewer) * attackers;
  const allowed = floodSeconds / flood.commitSeconds + 2;
  return {
    name: "flood",
    question: `${showNumber(attackers)} attackers at one router within ${floodSeconds} s: how many commits, how long, and who is first?`,
    answer:
      `${flood.begun} commits begin during the flood, where ${showNumber(allowed, 1)} are allowed (its time, divided by a commit's, and two); all of it takes ${flood.commits} commits and ` +
      `${showNumber(flood.seconds)} s, in which the router is at work ${showNumber(100 * flood.routerShare)} % of the time. One commit and save for each task would take ` +
      `${showNumber(scaled)} s: ${showNumber(scaled / flood.seconds, 1)} times as long.`,
    columns: [
      "",
      "attackers",
      "commits",
      "changes in one",
      "s per commit",
      "saves",
      "s in all",
      "changes/s",
      "router's part of the time",
    ],
    rows: [
      [
        "Logwarden",
        showNumber(attackers),
        showNumber(flood.commits),
        showNumber(attackers / flood.commits, 1),
        showNumber(flood.commitSeconds, 2),
        showNumber(flood.saves),
        showNumber(flood.seconds, 1),
        showNumber(attackers / flood.seconds, 1),
        `${showNumber(100 * flood.routerShare)} %`,
      ],
      [
        "one commit and save for each, measured",
        showNumber(fewer),
        showNumber(fewer),
        "1",
        showNumber(single.commitSeconds, 2),
        showNumber(fewer),
        showNumber(single.seconds, 1),
        showNumber(fewer / single.seconds, 1),
        "",
      ],
      [
        "… scaled to as many",
        showNumber(attackers),
        showNumber(attackers),
        "1",
        "",
        showNumber(attackers),
        showNumber(scaled, 1),
        showNumber(attackers / scaled, 1),
        "",
      ],
    ],
    more: [
      {
        columns: ["first sighting first", "value"],
        rows: [
          [
            "commits whose every address was seen before every address of the next",
            `${flood.order.sorted} of ${flood.commits - 1}`,
          ],
          ["the most that somebody was overtaken by, ms of sighting", showNumber(flood.order.overtakenMs)],
          ["seconds from the first sighting to its commit", showNumber(flood.firstSeconds, 2)],
          ["seconds from the last sighting to its commit", showNumber(flood.lastSeconds, 1)],
          ["responder's processor time, s", showNumber(flood.cpuSeconds, 1)],
          ["responder's memory at most, MiB", showNumber(flood.peakBytes / 2 ** 20)],
        ],
      },
    ],
    notes: [
      "Each attacker is one failed password, and the built-in policies ban on the first. Both queue nodes get half of the tasks.",
      "The router is simulated: its commits take as long as those of VyOS's engine on two cores (0.13 s for one change, 3.3 s for 100). Reads and saves take it no time to speak of; on a real router they cost the way of the original design most.",
      `The scaled row is ${fewer} measured commits times ${showNumber(attackers / fewer, 1)}; its commits were of an empty group, which is kind to it.`,
    ],
    figures: { flood, single, scaled },
  };
}

interface Flood {
  /** From the first put until the last job is deleted. */
  seconds: number;
  commits: number;
  /** Commits whose request had arrived when the last task was put. */
  begun: number;
  saves: number;
  commitSeconds: number;
  routerShare: number;
  order: { sorted: number; overtakenMs: number };
  firstSeconds: number;
  lastSeconds: number;
  cpuSeconds: number;
  peakBytes: number;
}

async function measureResponder(attackers: number, signal: AbortSignal): Promise<Flood> {
  await using stack = new AsyncDisposableStack();
  const directory = mkdtempSync(`${tmpdir()}/logwarden-bench-`);
  stack.defer(() => rmSync(directory, { recursive: true, force: true }));
  const load = stack.use(await QueueLoad.start(directory));
  const bench = stack.use(await startBenchRouter(`${directory}/router`, 1));
  const responder = stack.use(await startBenchResponder(load.nodes, bench.api, directory));
  await load.awaited(tube, signal);
  while (bench.answered.length === 0) await pause(10, signal);
  const asked = bench.answered.length;
  const producers = load.nodes.map((node) => new Producer({ nodes: [node], unansweredMax: attackers }));
  stack.defer(async () => void (await Promise.all(producers.map((one) => one.close(0)))));

  const startedAtMs = nowMs();
  const seenAtMs = new Map<string, number>();
  const puts: Promise<unknown>[] = [];
  while (seenAtMs.size < attackers) {
    const due = Math.min(attackers, Math.ceil((attackers * (nowMs() - startedAtMs)) / (floodSeconds * 1000)));
    while (seenAtMs.size < due) {
      const number = seenAtMs.size;
      const address = attacker(number);
      // As its task says it: whole milliseconds, so that two of one moment are of one moment.
      const atMs = Date.now();
      seenAtMs.set(address, atMs);
      const body = encodeTask({
        ...{ host: "127.0.0.1", type: "password_failed", from: address, v: 1, id: randomUUID() },
        ...{ at: new Date(atMs).toISOString(), rule: "sshd-failed-password", count: 1, user: "root" },
      });
      const producer = producers[number % producers.length] as Producer;
      puts.push(producer.put(tube, body, { priority, ttrSeconds: taskTtrSeconds }));
    }
    await pause(stepMs, signal);
  }
  await Promise.all(puts);
  const floodedAtMs = nowMs();
  await load.empty(tube, signal);
  const durationMs = nowMs() - startedAtMs;
  assert.equal(bench.router.members(group).length, attackers, "members of the group after the flood");
  const answered = bench.answered.slice(asked);
  const commits = answered.filter(({ endpoint }) => endpoint === "/configure");
  const addresses = commits.map(({ ops }) => (ops as { path: string[] }[]).map(({ path }) => path.at(-1) ?? ""));
  const committedAtMs = (index: number): number => commits.at(index)?.answeredAtMs ?? Number.NaN;
  return {
    seconds: durationMs / 1000,
    commits: commits.length,
    begun: commits.filter(({ receivedAtMs }) => receivedAtMs <= floodedAtMs).length,
    saves: answered.filter(({ endpoint }) => endpoint === "/config-file").length,
    commitSeconds: mean(commits.map(routerMs)) / 1000,
    routerShare: answered.reduce((sum, record) => sum + routerMs(record), 0) / durationMs,
    order: orderOf(addresses.map((commit) => commit.map((address) => seenAtMs.get(address) ?? Number.NaN))),
    firstSeconds: (committedAtMs(0) - startedAtMs) / 1000,
    lastSeconds: (committedAtMs(-1) - (seenAtMs.get(attacker(attackers - 1)) ?? Number.NaN)) / 1000,
    cpuSeconds: await responder.cpuSeconds(),
    peakBytes: responder.memory().peakBytes,
  };
}

/** @param commits when the addresses of each commit were seen, in the order of the commits */
function orderOf(commits: readonly (readonly number[])[]): Flood["order"] {
  let sorted = 0;
  let overtakenMs = 0;
  let latest = Number.NEGATIVE_INFINITY;
  for (const [index, commit] of commits.entries()) {
    const earliest = Math.min(...commit);
    // Within one commit everybody is banned at the same moment.
    if (index > 0 && earliest >= latest) sorted++;
    if (index > 0) overtakenMs = Math.max(overtakenMs, latest - earliest);
    latest = Math.max(latest, ...commit);
  }
  return { sorted, overtakenMs };
}

/** The way of the original design: the address, the commit, the save, the next. */
async function measureOneByOne(attackers: number): Promise<{ seconds: number; commitSeconds: number }> {
  await using stack = new AsyncDisposableStack();
  const directory = mkdtempSync(`${tmpdir()}/logwarden-bench-`);
  stack.defer(() => rmSync(directory, { recursive: true, force: true }));
  const { router, api, answered } = stack.use(await startBenchRouter(`${directory}/router`, 1));
  const { url, fingerprint } = router;
  const client = createClient({ url, key: readFileSync(api.keyFile, "utf8").trim(), trust: { fingerprint } });
  stack.defer(() => client.close());
  const startedAtMs = nowMs();
  for (let number = 0; number < attackers; number++) {
    assert.equal((await client.configure([addressOp("set", 4, group, attacker(number))])).kind, "done", "committed");
    assert.equal((await client.save()).kind, "done", "saved");
  }
  const commits = answered.filter(({ endpoint }) => endpoint === "/configure");
  return { seconds: (nowMs() - startedAtMs) / 1000, commitSeconds: mean(commits.map(routerMs)) / 1000 };
}
