/**
 * How many tasks a second does one responder take from the queue to the router?
 *
 *   two beanstalkd nodes (-f0), one device's tube, full ──▶ one responder, the real program ──HTTPS──▶ router, in the bench
 *
 * Beside it, in the same rounds, the floor: the same jobs reserved and deleted through packages/queue and nothing else;
 * and the same responder with a router that takes as long for a commit as a real one.
 */

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { Consumer } from "@logwarden/queue";
import { deviceTube } from "@logwarden/shared/tubes";
import { attackersMax } from "./addresses.ts";
import { QueueLoad } from "./queue-load.ts";
import type { Report } from "./report.ts";
import { startBenchResponder } from "./responder.ts";
import { routerMs, startBenchRouter } from "./router.ts";
import { mean, showNumber, showSpread, spread } from "./statistics.ts";
import { pause } from "./wait.ts";

export interface ThroughputOptions {
  tasks: number;
  rounds: number;
  say: (line: string) => void;
  signal: AbortSignal;
}

/** Each task has an address of its own, so that every task is a change. */
export const tasksMax = attackersMax;
const tube = deviceTube("edge-1");
/** An attack: few addresses, each of them many times. */
const floodAddresses = 50;
/** As the responder takes them (batchTasksMax in services/responder/src/config.ts), so that the floor is of the same kind. */
const batchTasks = 2000;
const connection = { windowMax: 4096 };
/** With a router's own time 500 changes take 17 s, in commits of some 4 s each. */
const slowTasks = { distinct: 500, flood: 5000 };

interface Trial {
  name: string;
  tasks: number;
  addresses: number;
  /** 1: a commit takes as long as on a real router. Without it: no responder at all. */
  commitScale: number | undefined;
}

/** What one trial showed. The floor has no responder, and only the first. */
interface Figures {
  tasksPerSecond: number;
  responder?: {
    configures: number;
    opsPerConfigure: number;
    cpuSecondsPer1000Tasks: number;
    /** The mean time the router had a /configure, and a /configure that was the slowest. */
    configureMs: number;
    configureMsMax: number;
    /** The part of the time in which the router had a request of any kind. */
    routerShare: number;
  };
}

export async function measureThroughput({ tasks, rounds, say, signal }: ThroughputOptions): Promise<Report> {
  const slow = { distinct: Math.min(tasks, slowTasks.distinct), flood: Math.min(tasks, slowTasks.flood) };
  const flood = Math.min(tasks, floodAddresses);
  const trials: Trial[] = [
    { name: "floor: reserve and delete only", tasks, addresses: tasks, commitScale: undefined },
    { name: "each task another address", tasks, addresses: tasks, commitScale: 0 },
    { name: `a flood from ${flood} addresses`, tasks, addresses: flood, commitScale: 0 },
    { name: "another address, real commit times", tasks: slow.distinct, addresses: slow.distinct, commitScale: 1 },
    { name: "a flood, real commit times", tasks: slow.flood, addresses: Math.min(flood, slow.flood), commitScale: 1 },
  ];
  const results = trials.map((trial) => ({ trial, rounds: [] as Figures[] }));
  await using stack = new AsyncDisposableStack();
  const directory = mkdtempSync(`${tmpdir()}/logwarden-bench-`);
  stack.defer(() => rmSync(directory, { recursive: true, force: true }));
  const load = stack.use(await QueueLoad.start(directory));
  for (let round = 1; round <= rounds; round++) {
    for (const { trial, rounds: figures } of results) {
      say(`throughput: round ${round} of ${rounds}: ${trial.name}, ${showNumber(trial.tasks)} tasks`);
      await load.fill(tube, trial.tasks, trial.addresses);
      const routerDirectory = `${directory}/${round}-${results.findIndex((one) => one.trial === trial)}`;
      const seen =
        trial.commitScale === undefined
          ? await measureFloor(load, trial, signal)
          : await measureTrial(load, trial, trial.commitScale, routerDirectory, signal);
      figures.push(seen);
      say(`            ${showNumber(seen.tasksPerSecond)} tasks/s`);
    }
  }
  return report(results, rounds);
}

async function measureFloor(load: QueueLoad, trial: Trial, signal: AbortSignal): Promise<Figures> {
  await using stack = new AsyncDisposableStack();
  const consumer = stack.adopt(new Consumer({ nodes: load.nodes, tubes: [tube], connection }), (one) => one.close());
  while (consumer.connected < load.nodes.length) await pause(5, signal);
  let left = trial.tasks;
  let next = consumer.next(signal);
  next.catch(() => undefined);
  await load.awaited(tube, signal);
  const startedAtMs = performance.now();
  await load.open(tube);
  while (left > 0) {
    const jobs = [await next, ...(await consumer.drain(batchTasks - 1))];
    await Promise.all(jobs.map((job) => job.delete()));
    left -= jobs.length;
    if (left > 0) next = consumer.next(signal);
  }
  return { tasksPerSecond: trial.tasks / ((performance.now() - startedAtMs) / 1000) };
}

async function measureTrial(
  load: QueueLoad,
  trial: Trial,
  commitScale: number,
  directory: string,
  signal: AbortSignal,
): Promise<Figures> {
  await using stack = new AsyncDisposableStack();
  const bench = stack.use(await startBenchRouter(directory, commitScale));
  const responder = stack.use(await startBenchResponder(load.nodes, bench.api, directory));
  await load.awaited(tube, signal);
  const cpuBefore = await responder.cpuSeconds();
  const startedAtMs = performance.now();
  await load.open(tube);
  await load.empty(tube, signal);
  const durationMs = performance.now() - startedAtMs;
  const cpuSeconds = (await responder.cpuSeconds()) - cpuBefore;
  // A figure for work that was not done would be worse than none.
  assert.equal(bench.router.members("BAD_GUYS").length, trial.addresses, "members of the group after all tasks");
  const configures = bench.answered.filter(({ endpoint }) => endpoint === "/configure");
  const configureMs = configures.map(routerMs);
  return {
    tasksPerSecond: trial.tasks / (durationMs / 1000),
    responder: {
      configures: configures.length,
      opsPerConfigure: mean(configures.map(({ ops }) => ops.length)),
      cpuSecondsPer1000Tasks: (cpuSeconds / trial.tasks) * 1000,
      configureMs: mean(configureMs),
      configureMsMax: Math.max(...configureMs),
      routerShare: bench.answered.reduce((sum, record) => sum + routerMs(record), 0) / durationMs,
    },
  };
}

function report(results: readonly { trial: Trial; rounds: Figures[] }[], rounds: number): Report {
  const rate = (index: number): string => {
    const figures = results[index]?.rounds ?? [];
    return showSpread(spread(figures.map(({ tasksPerSecond }) => tasksPerSecond)), 0);
  };
  return {
    name: "throughput",
    question: "How many tasks a second does one responder take from the queue to the router?",
    answer:
      `${rate(1)} when each task is another address, ${rate(2)} in a flood; the queue alone allows ${rate(0)}. ` +
      `With a router's own commit times: ${rate(3)} and ${rate(4)}.`,
    columns: [
      "tasks",
      "number",
      "tasks/s",
      "/configure",
      "changes in one",
      "responder CPU s per 1000",
      "router ms per /configure",
      "router's part of the time",
    ],
    rows: results.map(({ trial, rounds: figures }) => {
      const all = figures.flatMap(({ responder }) => (responder === undefined ? [] : [responder]));
      const cell = (key: keyof NonNullable<Figures["responder"]>, digits: number): string =>
        all.length === 0 ? "" : showSpread(spread(all.map((one) => one[key])), digits);
      const share = all.length === 0 ? "" : `${showNumber(spread(all.map((one) => one.routerShare)).median * 100)} %`;
      return [
        trial.name,
        showNumber(trial.tasks),
        showSpread(spread(figures.map((one) => one.tasksPerSecond)), 0),
        cell("configures", 0),
        cell("opsPerConfigure", 1),
        cell("cpuSecondsPer1000Tasks", 3),
        cell("configureMs", 1),
        share,
      ];
    }),
    more: [],
    notes: [
      `Median of ${rounds} rounds (min–max); each round makes every row once, with a new responder and a new router.`,
      "From the moment the full tube is opened to a responder that waits in its reserves, until every job is deleted: committed, saved, read back.",
      "Two beanstalkd nodes with an fsync before every answer hold half of the tasks each. The floor takes and deletes them in batches of the same size.",
      "Each batch is decided in one transaction of the ledger, a file of SQLite, with one fsync. The built-in policies act on the first event, so each address is a ban.",
      "The simulated router copies its whole configuration for each commit, so its own time grows with the group; its part of the time is not the responder's.",
    ],
    figures: results,
  };
}
