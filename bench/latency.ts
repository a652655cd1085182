/**
 * How long from the line's last byte sent to the router's /configure request received?
 *
 *   bench ─TCP─▶ HAProxy ─▶ parser ─▶ beanstalkd (-f0) ─▶ responder ─HTTPS─▶ router, in the bench: one clock (router.ts)
 *
 * The flow is idle: one line at a time, the next one when the task of the last is settled and a random pause is over.
 * The router commits at once, so that what is measured is ours. Not measured: rsyslog, which has a latency of its own
 * (--rsyslog shows it beside).
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { type Network, startNetwork } from "@logwarden/lab/network";
import type { LogLine } from "@logwarden/lab/parts/service";
import type { RequestRecord } from "@logwarden/vyos-sim";
import { attacker } from "./addresses.ts";
import { failedPassword, failedPasswordText, LineSender, type Sent } from "./line-sender.ts";
import type { Report } from "./report.ts";
import { bans, nowMs, startBenchRouter } from "./router.ts";
import { type Measured, passageOf, stageTable } from "./stages.ts";
import { type Quantiles, quantiles, showSpread, spread } from "./statistics.ts";
import { pause, within } from "./wait.ts";

export interface LatencyOptions {
  /** Measured in each round. */
  lines: number;
  rounds: number;
  /** Lines in each round that come after the responder has dropped its connection to the router; 16 s each. */
  quietLines: number;
  rsyslog: boolean;
  say: (line: string) => void;
  signal: AbortSignal;
}

/** What a person should not notice, and what leaves a router's own commit (0.13 s and more) the only delay that counts. */
const aimMs = 5;
export const aim = `p99 under ${aimMs} ms from a line's last byte to the router's API, when the flow is idle`;

/** For each service to have compiled its hot code once; a parser in life has seen thousands of lines. */
const warmUpLines = 30;
/**
 * Between lines, at random, so that no timer of ours falls into step with one of theirs. With 20 ms at least, the
 * services' log stays below its limit of 50 lines per event and second, which would hide that a task is settled.
 */
const pauseMs = { min: 20, max: 60 };
/** The responder drops a free connection to a router after 15 s (packages/vyos/src/agent.ts). */
const quietMs = 16_000;
/** A line that takes this long is lost. */
const secondsMax = 20;

const series = {
  open: "one line, connections open",
  quiet: "first line after 16 s of quiet (new TLS connection)",
  rsyslog: "through logger and rsyslogd too",
} as const;
type Series = keyof typeof series;

interface Round {
  series: Series;
  lines: Measured[];
}

export async function measureLatency(options: LatencyOptions): Promise<Report> {
  const rounds: Round[] = [];
  for (let round = 1; round <= options.rounds; round++) {
    options.say(`latency: round ${round} of ${options.rounds}: starting the network`);
    rounds.push(...(await measureRound(options)));
  }
  const shown = (Object.keys(series) as Series[]).filter((name) => rounds.some((round) => round.series === name));
  const figures = shown.map((name) => ({
    series: series[name],
    rounds: rounds.filter((round) => round.series === name).map(({ lines }) => quantiles(lines.map(({ ms }) => ms))),
    lines: rounds.filter((round) => round.series === name).map(({ lines }) => lines),
  }));
  const cells = (all: Quantiles[], key: keyof Quantiles): string => showSpread(spread(all.map((one) => one[key])), 2);
  const p99 = spread((figures[0]?.rounds ?? []).map((one) => one.p99));
  const open = rounds.flatMap((round) => (round.series === "open" ? round.lines : []));
  return {
    name: "latency",
    question: "How long from the line's last byte sent to the router's /configure request received?",
    answer: `p99 ${showSpread(p99, 2)} ms: ${p99.median < aimMs ? "under" : "above"} the aim of ${aimMs} ms.`,
    columns: ["ms", "lines per round", "p50", "p90", "p99", "max"],
    rows: figures.map(({ series: name, rounds: all, lines }) => [
      name,
      String(lines[0]?.length ?? 0),
      ...(["p50", "p90", "p99", "max"] as const).map((key) => cells(all, key)),
    ]),
    more: [stageTable(open)],
    notes: [
      `Median of ${options.rounds} rounds (min–max). Each round starts all parts anew and warms up with ${warmUpLines} lines.`,
      "Real parts, two of each: HAProxy, parsers, beanstalkd with an fsync before every answer, responders. The router is simulated and commits at once.",
      "Sender and router are one process, so the ends are read off one clock.",
      ...(options.rsyslog ? ["With rsyslogd, the start of the program `logger` is in the figure as well."] : []),
    ],
    figures: { aimMs, series: figures },
  };
}

async function measureRound({ lines, quietLines, rsyslog, say, signal }: LatencyOptions): Promise<Round[]> {
  await using stack = new AsyncDisposableStack();
  const directory = mkdtempSync(`${tmpdir()}/logwarden-bench-`);
  stack.defer(() => rmSync(directory, { recursive: true, force: true }));
  const bench = stack.use(await startBenchRouter(directory, 0));
  const said: LogLine[] = [];
  let onSettled: () => void = () => undefined;
  const network: Network = await startNetwork({
    commitScale: 0,
    // Every line is a change.
    policies: "built-in",
    realRouter: { ...bench.api, address: undefined },
    onLog: (_, line) => {
      said.push(line);
      if (line.event === "task.settled") onSettled();
    },
  });
  stack.defer(() => network.close());
  signal.throwIfAborted();
  const [device] = network.devices;
  if (device === undefined) throw new Error("expected a device in the lab's network");
  const sender = stack.use(await LineSender.open(network.vip, device.address));

  let attackers = 0;
  /** One line, from sending it until its task is settled. */
  async function once(send: (address: string) => Sent | Promise<Sent>): Promise<Measured> {
    const address = attacker(attackers++);
    const received = Promise.withResolvers<{ record: RequestRecord; wallMs: number }>();
    const settled = Promise.withResolvers<void>();
    onSettled = settled.resolve;
    const stopListening = bench.router.onRequest((record) => {
      if (bans(record, address)) received.resolve({ record, wallMs: Date.now() });
    });
    said.length = 0;
    try {
      const sent = await send(address);
      const { record, wallMs } = await within(secondsMax, `the ban of ${address}`, received.promise, signal);
      await within(secondsMax, `the task for ${address} is settled`, settled.promise, signal);
      return { ms: record.receivedAtMs - sent.atMs, passage: passageOf(sent.atWallMs, wallMs, said) };
    } finally {
      stopListening();
    }
  }
  async function many(
    name: Series,
    count: number,
    send: (address: string) => Sent | Promise<Sent>,
    between = (): number => pauseMs.min + Math.random() * (pauseMs.max - pauseMs.min),
  ): Promise<Round> {
    const round: Round = { series: name, lines: [] };
    for (let number = 0; number < count; number++) {
      await pause(between(), signal);
      round.lines.push(await once(send));
    }
    return round;
  }

  const overTcp = (address: string): Sent => sender.send(failedPassword(address));
  const overRsyslog = async (address: string): Promise<Sent> => {
    const sent = { atMs: nowMs(), atWallMs: Date.now() };
    await network.rsyslogds[0]?.log("auth.info", "sshd[2779]", failedPasswordText(address));
    return sent;
  };
  await many("open", warmUpLines, overTcp);
  say(`latency: ${lines} lines`);
  const rounds = [await many("open", lines, overTcp)];
  if (rsyslog) rounds.push(await many("rsyslog", Math.min(lines, 100), overRsyslog));
  if (quietLines > 0) {
    say(`latency: ${quietLines} lines with ${quietMs / 1000} s of quiet before each`);
    rounds.push(await many("quiet", quietLines, overTcp, () => quietMs));
  }
  return rounds;
}
