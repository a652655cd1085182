/**
 * One ban for a whole fleet: how long until every router has it? And what does a start with many bans cost?
 *
 *   a person's ban ──▶ two beanstalkds (-f0) ──▶ three responders, one ledger ──▶ orders ──▶ 1000 routers, in the bench
 *
 * The routers commit as slowly as real ones, each for itself, so the floor is one router's own commit: what is above it is
 * ours. All routers are one process on the same machine as the responders; its processor time is shown, since a fleet
 * brings its own processors.
 *
 * A start: one responder, one router, 10 000 active bans in the ledger; the router has them all, or has lost some.
 */

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { readFileSync } from "node:fs";
import { type Ledger, type NewBan, openLedger } from "@logwarden/ledger";
import { writer } from "@logwarden/ledger/test/writer";
import { Producer } from "@logwarden/queue";
import { intakeTubes, taskTtrSeconds } from "@logwarden/shared/tubes";
import { addressOp, createClient } from "@logwarden/vyos";
import type { RequestRecord } from "@logwarden/vyos-sim";
import { attacker } from "./addresses.ts";
import { QueueLoad } from "./queue-load.ts";
import type { Report } from "./report.ts";
import { ledgerFile, memoryOf, startBenchResponder, startReplica, writeInventory } from "./responder.ts";
import { type BenchRouter, bans, nowMs, routerMs, startBenchRouter, startBenchRouters } from "./router.ts";
import { mean, quantiles, showNumber } from "./statistics.ts";
import { pause, within } from "./wait.ts";

export interface FleetOptions {
  routers: number;
  say: (line: string) => void;
  signal: AbortSignal;
}

export const routersMax = 5000;
const replicas = 3;
/** As people's orders are put. */
const priority = 100;
/** A thousand handshakes of TLS take a while; more than this is no start any more. */
const startSecondsMax = 300;
const spreadSecondsMax = 120;
const group = "BAD_GUYS";

const activeBans = 10_000;
const lostBans = 200;
/** Set in one request while the router is filled: below what the API takes (1 MiB). */
const fillOps = 2000;

export async function measureFleet({ routers, say, signal }: FleetOptions): Promise<Report[]> {
  return [await measureSpread(routers, say, signal), await measureStarts(say, signal)];
}

// ---------------------------------------------------------------- one ban, everywhere

async function measureSpread(count: number, say: FleetOptions["say"], signal: AbortSignal): Promise<Report> {
  await using stack = new AsyncDisposableStack();
  const directory = mkdtempSync(`${tmpdir()}/logwarden-bench-`);
  stack.defer(() => rmSync(directory, { recursive: true, force: true }));
  say(`fleet: starting ${showNumber(count)} routers and ${replicas} responders`);
  const load = stack.use(await QueueLoad.start(directory));
  const routers = await startBenchRouters(`${directory}/routers`, count, 1);
  for (const router of routers) stack.use(router);
  const devices = Object.fromEntries(
    routers.map(({ api }, index) => [`edge-${index + 1}`, { address: addressOf(index), api }]),
  );
  const config = writeInventory(directory, devices);
  const startedAtMs = nowMs();
  const responders = await Promise.all(
    Array.from({ length: replicas }, (_, index) =>
      startReplica(`responder-${index + 1}`, load.nodes, config, ledgerFile(directory)),
    ),
  );
  for (const responder of responders) stack.use(responder);
  const shared = async (): Promise<boolean> => {
    const held = await Promise.all(responders.map((one) => one.held()));
    return held.every((one) => Math.abs(one - count / replicas) < 1);
  };
  const isRead = (): boolean => routers.every(({ answered }) => answered.length > 0);
  await within(
    startSecondsMax,
    "every router has a responder, and was read",
    becomes(async () => isRead() && (await shared()), signal),
    signal,
  );
  await quiet(routers, signal);
  const startSeconds = (nowMs() - startedAtMs) / 1000;
  const idle = responders.map((one) => one.memory().nowBytes);
  const queueIdle = load.pids.map((pid) => memoryOf(pid).nowBytes);
  say(`fleet: every router was read after ${showNumber(startSeconds, 1)} s; now the ban`);

  const cpuBefore = await Promise.all(responders.map((one) => one.cpuSeconds()));
  const ownBefore = process.cpuUsage();
  const address = attacker(0);
  const readsBefore = routers.reduce((sum, { answered }) => sum + answered.length, 0);
  const producer = new Producer({ nodes: load.nodes });
  stack.defer(async () => void (await producer.close(0)));
  const putAtMs = nowMs();
  const task = { type: "ban", v: 1, id: randomUUID(), address, for: 3600, by: "bench" };
  await producer.put(intakeTubes[0], JSON.stringify(task), { priority, ttrSeconds: taskTtrSeconds });
  const everywhere = (): boolean => routers.every(({ router }) => router.members(group).includes(address));
  await within(
    spreadSecondsMax,
    "the ban is on every router",
    becomes(async () => everywhere(), signal),
    signal,
  );
  await load.idle(signal);
  const settledMs = nowMs() - putAtMs;
  const commits = routers.map(({ answered }) => {
    const own = answered.filter((record) => bans(record, address));
    assert.equal(own.length, 1, "commits of the ban on one router");
    return own[0] as RequestRecord;
  });
  const saves = routers.map(({ answered }) => {
    const save = answered.find(({ endpoint, receivedAtMs }) => endpoint === "/config-file" && receivedAtMs >= putAtMs);
    assert(save !== undefined, "a router saved the ban");
    return save;
  });
  const received = quantiles(commits.map(({ receivedAtMs }) => receivedAtMs - putAtMs));
  const committed = quantiles(commits.map(({ answeredAtMs }) => (answeredAtMs ?? Number.NaN) - putAtMs));
  const saved = quantiles(saves.map(({ answeredAtMs }) => (answeredAtMs ?? Number.NaN) - putAtMs));
  const ownCommitMs = mean(commits.map(routerMs));
  const cpu = await Promise.all(
    responders.map(async (one, index) => (await one.cpuSeconds()) - (cpuBefore[index] ?? 0)),
  );
  const own = process.cpuUsage(ownBefore);
  const requests = routers.reduce((sum, { answered }) => sum + answered.length, 0) - readsBefore;
  const memory = responders.map((one) => one.memory());
  const megabytes = (bytes: readonly number[]): string => bytes.map((one) => showNumber(one / 2 ** 20)).join(", ");
  const row = (what: string, { p50, p90, p99, max }: typeof received): string[] => [
    what,
    ...[p50, p90, p99, max].map((one) => showNumber(one)),
  ];
  return {
    name: "fleet",
    question: "One ban for the whole fleet: how long until every router has it?",
    answer:
      `${showNumber(count)} routers have it, committed, ${showNumber(committed.max / 1000, 2)} s after the ban was put ` +
      `(half of them after ${showNumber(committed.p50 / 1000, 2)} s), and saved after ${showNumber(saved.max / 1000, 2)} s; one router's own commit takes ` +
      `${showNumber(ownCommitMs)} ms. The responders need ${megabytes(memory.map(({ nowBytes }) => nowBytes))} MiB.`,
    columns: ["ms since the put, by router", "p50", "p90", "p99", "max"],
    rows: [row("/configure received", received), row("committed", committed), row("saved", saved)],
    more: [
      {
        columns: ["", "value"],
        rows: [
          ["routers", showNumber(count)],
          ["until every job is deleted, s", showNumber(settledMs / 1000, 2)],
          ["requests to routers", showNumber(requests)],
          ["responders' processor time, s", cpu.map((one) => showNumber(one, 2)).join(", ")],
          ["the routers' (the bench's) processor time, s", showNumber((own.user + own.system) / 1e6, 2)],
          ["responders' memory before, MiB", megabytes(idle)],
          ["… after", megabytes(memory.map(({ nowBytes }) => nowBytes))],
          ["… at most", megabytes(memory.map(({ peakBytes }) => peakBytes))],
          ["queue nodes' memory, MiB", megabytes(queueIdle)],
          ["from the start of the responders until every router was read, s", showNumber(startSeconds, 1)],
        ],
      },
    ],
    notes: [
      `${replicas} responders share the routers and one ledger, a file of SQLite. Each router has a commit time of its own (the simulator's curve); all of them are one process beside the responders.`,
      "The ban is a person's, put into logwarden.intake. Each router gets an order in its own tube, one commit, one save, and is read back.",
    ],
    figures: {
      commits: commits.map(({ receivedAtMs, answeredAtMs }) => ({ receivedAtMs, answeredAtMs, putAtMs })),
      cpu,
      memory,
    },
  };
}

/** Never the address of an attacker; each device needs its own. */
function addressOf(index: number): string {
  return `10.${index >> 16}.${(index >> 8) & 0xff}.${index & 0xff}`;
}

async function becomes(fact: () => Promise<boolean>, signal: AbortSignal): Promise<void> {
  while (!(await fact())) await pause(20, signal);
}

/** Until no router is asked anything for a second: the reads of the start are over. */
async function quiet(routers: readonly BenchRouter[], signal: AbortSignal): Promise<void> {
  const count = (): number => routers.reduce((sum, { answered }) => sum + answered.length, 0);
  for (let before = -1; before !== count(); ) {
    before = count();
    await pause(1000, signal);
  }
}

// ---------------------------------------------------------------- a start with many bans

interface Start {
  name: string;
  /** Members that the router has lost. */
  lost: number;
  reads: number;
  configures: number;
  changes: number;
  saves: number;
  /** From the start of the process until the router was read and compared with the ledger. */
  readMs: number;
  /** … until it has everything again, saved and read back. */
  mendedMs: number | undefined;
  /** Requests between SIGTERM and the end. */
  atStop: number;
  stopMs: number;
  peakBytes: number;
}

async function measureStarts(say: FleetOptions["say"], signal: AbortSignal): Promise<Report> {
  const starts: Start[] = [];
  for (const lost of [0, lostBans]) {
    say(
      `start: ${showNumber(activeBans)} active bans, ${lost === 0 ? "all of them on the router" : `${lost} of them lost`}`,
    );
    starts.push(await measureStart(lost, signal));
  }
  const [whole, lossy] = starts as [Start, Start];
  return {
    name: "start",
    question: `What does the start of a responder cost when ${showNumber(activeBans)} bans are active?`,
    answer:
      `${whole.reads} reads and ${whole.configures + whole.saves} writes when the router has them, in ${showNumber(whole.readMs / 1000, 1)} s from the start of the process; ` +
      `${lossy.reads + lossy.configures + lossy.saves} requests when it lost ${lossy.lost}, in ${showNumber((lossy.mendedMs ?? Number.NaN) / 1000, 1)} s. A stop sends ${whole.atStop + lossy.atStop}.`,
    columns: [
      "the router",
      "/retrieve",
      "/configure",
      "changes",
      "save",
      "s until read",
      "s until mended",
      "requests at the stop",
      "stop, ms",
      "responder's peak, MiB",
    ],
    rows: starts.map((one) => [
      one.name,
      ...[one.reads, one.configures, one.changes, one.saves].map((value) => showNumber(value)),
      showNumber(one.readMs / 1000, 2),
      one.mendedMs === undefined ? "" : showNumber(one.mendedMs / 1000, 2),
      showNumber(one.atStop),
      showNumber(one.stopMs),
      showNumber(one.peakBytes / 2 ** 20),
    ]),
    more: [],
    notes: [
      "A reading is two requests for each of the two groups: whether a commit is open, and the members.",
      "The router commits as slowly as a real one. The times begin with the start of the responder's process (Node, the inventory, the ledger, the lease).",
    ],
    figures: starts,
  };
}

async function measureStart(lost: number, signal: AbortSignal): Promise<Start> {
  await using stack = new AsyncDisposableStack();
  const directory = mkdtempSync(`${tmpdir()}/logwarden-bench-`);
  stack.defer(() => rmSync(directory, { recursive: true, force: true }));
  const load = stack.use(await QueueLoad.start(directory));
  const addresses = Array.from({ length: activeBans }, (_, index) => attacker(index));
  const disk = `${directory}/router`;
  mkdirSync(disk);
  {
    // Filled while it commits at once; then it boots again, as slow as a real one.
    await using filling = await startBenchRouter(disk, 0);
    await fill(filling, addresses.slice(lost));
  }
  const bench = stack.use(await startBenchRouter(disk, 1));
  assert.equal(bench.router.members(group).length, activeBans - lost, "members before the start");
  {
    await using ledger = await openBenchLedger(directory);
    await writeBans(ledger.ledger, addresses);
  }
  const startedAtMs = nowMs();
  const responder = await startBenchResponder(load.nodes, bench.api, directory, { LOGWARDEN_LOG_LEVEL: "debug" });
  const read = await within(startSecondsMax, "the router was read", responder.service.said("router.read"), signal);
  const readMs = Date.parse(read.time) - startedAtMs;
  let mendedMs: number | undefined;
  if (lost > 0) {
    const all = async (): Promise<boolean> => bench.router.savedMembers(group).length === activeBans;
    await within(startSecondsMax, "the router has what it lost", becomes(all, signal), signal);
    mendedMs = nowMs() - startedAtMs;
  }
  await quiet([bench], signal);
  const { peakBytes } = responder.memory();
  const before = [...bench.answered];
  const stoppingAtMs = nowMs();
  await responder[Symbol.asyncDispose]();
  const stopMs = nowMs() - stoppingAtMs;
  const of = (endpoint: string): RequestRecord[] => before.filter((record) => record.endpoint === endpoint);
  return {
    name: lost === 0 ? `has all ${showNumber(activeBans)}` : `has lost ${lost}`,
    lost,
    reads: of("/retrieve").length,
    configures: of("/configure").length,
    changes: of("/configure").reduce((sum, { ops }) => sum + ops.length, 0),
    saves: of("/config-file").length,
    readMs,
    mendedMs,
    atStop: bench.answered.length - before.length,
    stopMs,
    peakBytes,
  };
}

async function fill({ router, api }: BenchRouter, addresses: readonly string[]): Promise<void> {
  const { fingerprint } = router;
  const client = createClient({
    url: router.url,
    key: readFileSync(api.keyFile, "utf8").trim(),
    trust: { fingerprint },
  });
  for (let from = 0; from < addresses.length; from += fillOps) {
    const ops = addresses.slice(from, from + fillOps).map((address) => addressOp("set", 4, group, address));
    const outcome = await client.configure(ops);
    assert.equal(outcome.kind, "done", "the router takes its members");
  }
  assert.equal((await client.save()).kind, "done", "the router saves its members");
  client.close();
}

async function openBenchLedger(directory: string): Promise<{ ledger: Ledger } & AsyncDisposable> {
  const ledger = await openLedger({ file: ledgerFile(directory) });
  return { ledger, [Symbol.asyncDispose]: () => ledger.close() };
}

/** As a responder leaves them: decided, placed, verified. */
async function writeBans(ledger: Ledger, addresses: readonly string[]): Promise<void> {
  const atMs = Date.now();
  const made = addresses.map(
    (subject): NewBan => ({
      ...{
        id: randomUUID(),
        subject,
        family: 4,
        origin: "policy",
        type: "password_failed",
        rule: "sshd-failed-password",
      },
      ...{
        reason: "5 password_failed in 10m",
        by: "policy",
        device: "edge-1",
        taskId: randomUUID(),
        startedAtMs: atMs,
      },
      ...{ endsAtMs: atMs + 86_400_000, targets: ["device:edge-1"], dryRun: false },
    }),
  );
  const edge = await writer(ledger, "edge-1");
  for (let from = 0; from < made.length; from += fillOps) {
    const some = made.slice(from, from + fillOps);
    const subjects = some.map(({ subject }) => subject);
    await ledger.decide(async (deciding) => {
      await deciding.lock(subjects, atMs);
      await deciding.addBans(some);
    });
    await edge.intend(
      some.map(({ subject, family }) => ({ subject, family })),
      atMs,
    );
    await edge.placed(subjects, atMs);
  }
  // Free, as after a stop: otherwise the responder that is measured would first wait until nobody shows a sign of life.
  await ledger.release("test", ["edge-1"]);
}
