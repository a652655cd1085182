/**
 * A run: systems one after the other, in each of them faults one after the other, each drawn from the seed.
 *
 *   stream ──fault──▶ healed ──▶ every part well ──▶ one more line of each edge on its router ──▶ stream paused ──▶ nothing under
 *     ▲                                                                                          way ──▶ judged ─┐
 *     └──────────────────────────────────────────────────────────────────────────────────────────────────────────┘
 *
 * A system is new after some faults, so that its ledger and groups stay of a size that routers have.
 */

import { mkdirSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Program } from "@logwarden/lab/parts/program";
import { until } from "@logwarden/lab/parts/until";
import { type FaultKind, faultKinds } from "./faults.ts";
import { Judge } from "./judge.ts";
import { Random } from "../random.ts";
import { Stream } from "./stream.ts";
import { type Edge, startSystem, type System } from "./system.ts";

export interface RunOptions {
  seed: number;
  faults: number;
  /** Names of kinds; all that are not rare when empty. */
  only: readonly string[];
  pair: boolean;
  directory: string;
  /** Instead of what the seed says. */
  holdMs: number | undefined;
  say: (text: string) => void;
}

export interface FaultRecord {
  number: number;
  kind: string;
  /** What it was done to. */
  what: string;
  holdMs: number;
  sent: number;
  arrived: number;
  lost: number;
  /** Lines that came twice: a sender repeats what it is not sure of. */
  twice: number;
  /** The longest time without an answer at the virtual address, and how long of it the knocker itself stood still. */
  awayMs: number;
  stallMs: number;
  /** From the act until a line that was written after it changed its router, at the edge that waited longest. */
  nextMs: number;
  tookMs: number;
}

export interface RunResult {
  seed: number;
  pair: boolean;
  faults: FaultRecord[];
  /** Kinds that need what this machine does not allow. */
  skipped: string[];
  askedAgain: number;
  broken: { number: number; kind: string; missing: string[] } | undefined;
}

const faultsPerSystem = 40;
const holdMsMin = 200;
const holdMsMax = 2500;
/** Three parsers may go to the oldest connection of three edges; the age is short, so that connections end all the time. */
const connectionAgeMs = 6000;

export async function run(options: RunOptions): Promise<RunResult> {
  const random = new Random(options.seed);
  const named = options.only.length > 0 ? options.only : faultKinds.filter(({ rare }) => !rare).map(({ name }) => name);
  const chosen = faultKinds.filter(({ name, pair }) => named.includes(name) && (options.pair || !pair));
  const skipped = faultKinds.filter(({ name, pair }) => named.includes(name) && !options.pair && pair);
  const result: RunResult = {
    ...{ seed: options.seed, pair: options.pair, faults: [], skipped: skipped.map(({ name }) => name) },
    ...{ askedAgain: 0, broken: undefined },
  };
  if (chosen.length === 0) return result;
  let deck: FaultKind[] = [];
  let firstLine = 1;
  while (result.faults.length < options.faults && result.broken === undefined) {
    const kinds = Array.from({ length: Math.min(faultsPerSystem, options.faults - result.faults.length) }, () => {
      // Each kind once before any comes again.
      if (deck.length === 0) deck = random.shuffle(chosen);
      return deck.pop() as FaultKind;
    });
    firstLine = await oneSystem(options, kinds, firstLine, random, result);
  }
  return result;
}

/** @returns the number of the next line */
async function oneSystem(
  { pair, directory: parent, holdMs: held, say }: RunOptions,
  kinds: readonly FaultKind[],
  firstLine: number,
  random: Random,
  result: RunResult,
): Promise<number> {
  const directory = `${parent}/${result.faults.length + 1}`;
  mkdirSync(directory);
  const stream = new Stream(firstLine);
  const onRequest: System["options"]["onRequest"] = (router, request) => stream.noteRequest(router, request);
  const system = await startSystem({ ...{ directory, pair, edges: 3, parsers: 2, connectionAgeMs, onRequest } });
  const absences: { fromMs: number; toMs: number; stallMs: number }[] = [];
  const knocker = await Program.start({
    name: "knocker",
    command: process.execPath,
    args: [fileURLToPath(new URL("knocker.ts", import.meta.url)), `${system.host(10)}:${system.ports.syslog}`],
    onLine: (line) => absences.push(JSON.parse(line) as (typeof absences)[number]),
  });
  const judge = new Judge(system, stream);
  const ranges: Range[] = [];
  const note = (text: string): void => {
    system.note("faults", `${new Date().toISOString()} ${text}`);
    say(text);
  };

  const oneFault = async (kind: FaultKind, number: number): Promise<void> => {
    const first = stream.next;
    const startedAtMs = Date.now();
    const holdMs = held ?? random.between(holdMsMin, holdMsMax);
    const missing: string[] = [];
    let what = "";
    stream.start(system.edges);
    await sleep(200);
    const beganAtMs = Date.now();
    note(`fault ${number}: ${kind.name}, ${holdMs} ms`);
    try {
      const scene = { system, stream, judge, random, holdMs, complain: (word: string) => missing.push(word) };
      what = await kind.act(scene);
      note(`fault ${number}: healed, ${what}`);
      await system.healthy();
      // Any of them: the first ones after a path has moved may be among those that are lost.
      const wellAtMs = Date.now();
      const isBack = (edge: string): boolean =>
        stream.since(wellAtMs).some((line) => line.edge === edge && line.askedAtMs.has(edge));
      await until(
        "a line of each edge that was written when all were well, on its router",
        () => system.edges.every(({ name }) => isBack(name)),
        60_000,
      );
      stream.pause();
      await judge.quiet();
      // Alone, with nothing behind it: a router that was not told would see it with the next task, and look well again.
      const alone = stream.send(system.edges[number % system.edges.length] as Edge, "peer");
      await until(
        `line ${alone.n} of ${alone.edge}, which a peer banned, on every router`,
        () => system.edges.every(({ name }) => alone.askedAtMs.has(name)),
        20_000,
      );
      await judge.quiet();
      missing.push(...(await judge.verdict()));
    } catch (error) {
      missing.push(error instanceof Error ? error.message : String(error));
    }
    stream.pause();
    const last = stream.next - 1;
    const mine = absences.filter(({ toMs }) => toMs > beganAtMs);
    const longest = mine.toSorted((a, b) => b.toMs - b.fromMs - (a.toMs - a.fromMs))[0];
    const record: FaultRecord = {
      ...{ number, kind: kind.name, what, holdMs, sent: 0, arrived: 0, lost: 0, twice: 0 },
      awayMs: longest === undefined ? 0 : longest.toMs - longest.fromMs,
      stallMs: longest?.stallMs ?? 0,
      nextMs: Math.round(nextChangeMs(system, stream, beganAtMs)),
      tookMs: Date.now() - startedAtMs,
    };
    result.faults.push(record);
    ranges.push({ record, kind, first, last, beganAtMs });
    note(`fault ${number}: ${missing.length === 0 ? "all is kept" : "BROKEN"} after ${record.tookMs} ms`);
    if (missing.length > 0) result.broken = { number, kind: kind.name, missing };
  };

  try {
    for (const kind of kinds) {
      await oneFault(kind, result.faults.length + 1);
      if (result.broken !== undefined) break;
    }
    // A line that a hung part had kept may come much later than its fault: what is lost is counted when all is over.
    for (const text of count(ranges, stream, judge)) note(text);
    // On loopback the edges' cables take lines while HAProxy is away, and lose them: that is the cables' and not the system's.
    const isJudged = (kind: FaultKind): boolean => pair || !kind.name.startsWith("haproxy.");
    const tooMuch = ranges.find(({ record, kind }) => isJudged(kind) && record.lost > kind.lostMax);
    if (tooMuch !== undefined) {
      const { record, kind } = tooMuch;
      const missing = [`${record.lost} lines lost on the way in, at most ${kind.lostMax} of ${record.sent} may be`];
      result.broken ??= { number: record.number, kind: kind.name, missing };
    }
  } finally {
    result.askedAgain += stream.askedAgain;
    stream.close();
    await knocker.kill();
    await system.close();
  }
  return stream.next;
}

function nextChangeMs(system: System, stream: Stream, beganAtMs: number): number {
  const firstOf = new Map<string, number>();
  for (const { edge, sentAtMs, askedAtMs } of stream.lines.values()) {
    const at = askedAtMs.get(edge);
    if (sentAtMs < beganAtMs || at === undefined) continue;
    firstOf.set(edge, Math.min(firstOf.get(edge) ?? Number.POSITIVE_INFINITY, at));
  }
  return Math.max(...system.edges.map(({ name }) => (firstOf.get(name) ?? Number.POSITIVE_INFINITY) - beganAtMs));
}

interface Range {
  record: FaultRecord;
  kind: FaultKind;
  first: number;
  last: number;
  beganAtMs: number;
}

/** Fills in what became of the lines. @returns which were lost, in words, and when they were written */
function count(ranges: readonly Range[], stream: Stream, judge: Judge): string[] {
  const { counts } = judge.sightings();
  const found = [...stream.lines].map(([attacker, line]) => ({ ...line, attacker, times: counts.get(attacker) ?? 0 }));
  return ranges.flatMap(({ record, first, last, beganAtMs }) => {
    const mine = found.filter(({ n }) => n >= first && n <= last);
    const lost = mine.filter(({ times }) => times === 0);
    record.sent = mine.length;
    record.lost = lost.length;
    record.arrived = record.sent - record.lost;
    record.twice = mine.filter(({ times }) => times > 1).length;
    return lost.map(
      ({ attacker, n, edge, sentAtMs }) =>
        `fault ${record.number}: lost line ${n} of ${edge}, ${attacker}, written ${sentAtMs - beganAtMs} ms after its act`,
    );
  });
}
