/** What the table's runs mean: cost per line, times ours, matches found, and which aims are reached. Pure. */

import type { Report, Table } from "../report.ts";
import { showNumber, showSpread, spread } from "../statistics.ts";
import { warmUpLines } from "./corpus.ts";
import type { Framing, Peer, Run } from "./peers/peer.ts";

/** Parts of the lines that match, one corpus each. */
export const shares = [0.001, 0.05, 0.5] as const;

/** How many times our processor time a line of theirs should cost at least, by share. */
const aims: Readonly<Record<string, readonly [number, number, number]>> = {
  rsyslog: [7, 5, 2.3],
  "syslog-ng": [8, 6, 3.4],
  python: [3, 3, 3.3],
  sshguard: [12, 9, 3.5],
  fail2ban: [80, 70, 40],
};

export interface Result {
  row: { key: string; name: string; framing: Framing; peer: Peer | undefined };
  /** By share, then by round. */
  runs: Run[][];
}

export interface Conditions {
  lines: number;
  rounds: number;
  seed: number;
  /** Tasks that were compared with their lines. */
  verified: number;
  /** Of the peers, with their names. */
  versions: readonly string[];
}

const framingNames = { lf: "LF", octets: "octets", file: "file" } as const;

/** Microseconds. */
export function perLine({ cpuSeconds, lines }: Run): number {
  return (cpuSeconds / lines) * 1e6;
}

/** Theirs over ours, round by round. */
function ratios(results: readonly Result[], theirs: Result, index: number): number[] {
  const ours = results.find(({ row }) => row.key === (theirs.row.framing === "octets" ? "ours-octets" : "ours-lf"));
  return (theirs.runs[index] ?? []).map((run, round) => {
    const mine = ours?.runs[index]?.[round];
    if (mine === undefined) throw new Error("expected a round of ours for each of theirs");
    return perLine(run) / perLine(mine);
  });
}

export function tableReport(
  results: readonly Result[],
  wanted: readonly Peer[],
  { lines, rounds, seed, verified, versions }: Conditions,
): Report {
  const theirs = results.filter(({ row }) => row.peer !== undefined);
  const absent = wanted.filter((peer) => !theirs.some(({ row }) => row.peer === peer));
  const columns = shares.map((share) => `${showNumber(share * 100, share < 0.01 ? 1 : 0)} %`);
  const compared: Table = {
    columns: ["times our CPU per line", "read from", ...columns.flatMap((column) => [column, "aim"])],
    rows: theirs.map((result) => [
      result.row.name,
      framingNames[result.row.framing],
      ...shares.flatMap((_, index) => [
        `${showSpread(spread(ratios(results, result, index)), 1)}`,
        `≥ ${aims[result.row.peer?.key ?? ""]?.[index]}`,
      ]),
    ]),
  };
  const found: Table = {
    columns: ["matches found, of those there are", "read from", ...columns],
    rows: results.map(({ row, runs }) => [
      row.name,
      framingNames[row.framing],
      ...runs.map((all) => [...new Set(all.map(showFound))].join("; ")),
    ]),
  };
  return {
    name: "parser: side by side",
    question: "How much processor time does a line cost, in our parser and in its peers?",
    answer: answer(results, theirs, absent),
    columns: ["CPU per line, µs", "read from", ...columns],
    rows: [
      ...results.map(({ row, runs }) => [
        row.name,
        framingNames[row.framing],
        ...runs.map((all) => showSpread(spread(all.map(perLine)), 3)),
      ]),
      ...absent.map(({ name }) => [name, "not installed"]),
    ],
    more: [compared, found],
    notes: [
      `${showNumber(lines)} lines in each corpus, seed ${seed} (fail2ban: the first 100 000, a cost per line all the same). ` +
        `Median of ${rounds} interleaved rounds (min–max); ratios are taken within a round.`,
      `User and system time of the receiving process with all its threads; sender and start-up are left out, and so are ${showNumber(warmUpLines)} lines that every system on TCP reads before: ours is compiled while it runs. One TCP connection on loopback, where nothing else is said; PROXY header version 1 for ours, syslog-ng (LF) and Python. Ours is started as its keeper starts it.`,
      ...(versions.length === 0 ? [] : [`Peers from Debian's packages: ${versions.join("; ")}.`]),
      `${showNumber(verified)} tasks of ours were compared with their lines, field by field, before anything was measured.`,
      "Not equal work. rsyslog and syslog-ng parse the whole header of every line, queue and write a file; rsyslog reads no PROXY header and uses several threads. Ours and Python make the JSON of a task and count it; neither puts it (see puts). sshguard and fail2ban read a file, try more signatures than the three that are compared, and know no netplugd; fail2ban parses dates.",
      "A peer that read a file has no network in its figures; it is compared with ours over TCP (LF).",
      "rsyslog finds only the matches of hosts whose name is ASCII: its parser takes no other, and the program's name is lost with it. sshguard asks for the words and not for the program: it counts decoys, and passes over hosts whose name is not ASCII.",
      "Frames only: our receiver as it is, but nothing looks into the lines. Every shipped rule: no noise of the corpus is meant to match one, so the count stays.",
    ],
    figures: { lines, seed, shares, results: results.map(({ row, runs }) => ({ system: row.key, runs })) },
  };
}

function showFound({ matches, expected }: Run): string {
  if (expected === undefined) return "";
  return matches === expected ? `all ${showNumber(expected)}` : `${showNumber(matches)} of ${showNumber(expected)}`;
}

function answer(results: readonly Result[], theirs: readonly Result[], absent: readonly Peer[]): string {
  const missed: string[] = [];
  const sentences = theirs
    .filter(({ row }) => row.framing !== "octets")
    .map((result) => {
      const { peer } = result.row;
      const reached = shares.map((_, index) => spread(ratios(results, result, index)).median);
      for (const [index, ratio] of reached.entries()) {
        const aim = aims[peer?.key ?? ""]?.[index] ?? 0;
        if (ratio < aim)
          missed.push(`${peer?.name} at ${(shares[index] ?? 0) * 100} %: ${showNumber(ratio, 1)} of ${aim}`);
      }
      return `${peer?.name} ${reached.map((ratio) => `${showNumber(ratio, 1)}×`).join(" / ")}`;
    });
  const wrong = results
    .filter(
      ({ row, runs }) =>
        row.peer === undefined &&
        runs.flat().some(({ matches, expected }) => expected !== undefined && matches !== expected),
    )
    .map(({ row }) => `${row.name} (${framingNames[row.framing]})`);
  return [
    theirs.length === 0
      ? "No peer was measured."
      : `CPU per line, times ours, at 0.1 / 5 / 50 % matches: ${sentences.join("; ")}.`,
    ...(theirs.length === 0
      ? []
      : [missed.length === 0 ? "Every aim is reached." : `Aims missed: ${missed.join("; ")}.`]),
    wrong.length === 0 ? "Our counts are exact in every row." : `WRONG COUNTS of ours: ${wrong.join(", ")}.`,
    ...(absent.length === 0 ? [] : [`Not measured, as not installed: ${absent.map(({ name }) => name).join(", ")}.`]),
  ].join(" ");
}
