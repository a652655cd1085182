/**
 * How much processor time does a line cost, in our parser and in its peers?
 *
 *   sender (a process of its own) ──TCP, PROXY header──▶ the system that is measured ──▶ tasks, counted
 *
 * One corpus after the other (0.1 %, 5 %, 50 % of the lines match); for each, rounds in which every system reads the
 * whole corpus once, so that what disturbs the machine disturbs all of them. Processor time, never the clock on the wall:
 * user and system of the receiving process, all threads, its start and the lines it warms up on left out.
 */

import { rmSync } from "node:fs";
import type { Report } from "../report.ts";
import { showNumber } from "../statistics.ts";
import { type Corpus, writeWarmCorpus } from "./corpus.ts";
import { compared, type Rules, shipped } from "./our-parser.ts";
import { devicesMax, startOurs } from "./our-process.ts";
import type { Work } from "./ours.ts";
import type { PartOptions } from "./part.ts";
import { fail2ban } from "./peers/fail2ban.ts";
import { ensurePeer, versionOf } from "./peers/packages.ts";
import { type Framing, type Peer, type Run, runOverTcp } from "./peers/peer.ts";
import { python } from "./peers/python.ts";
import { rsyslog } from "./peers/rsyslog.ts";
import { sshguard } from "./peers/sshguard.ts";
import { syslogNg } from "./peers/syslog-ng.ts";
import { perLine, type Result, shares, tableReport } from "./table-report.ts";
import { verify } from "./verify.ts";

export const peers: readonly Peer[] = [rsyslog, syslogNg, python, sshguard, fail2ban];

interface Row extends Pick<Result, "row"> {
  run: (corpus: Corpus, directory: string, signal: AbortSignal) => Promise<Run>;
}

export async function measureTable(options: PartOptions): Promise<Report> {
  const { lines, rounds, seed, chosenPeers, directory, say, signal } = options;
  const wanted = peers.filter(({ key }) => chosenPeers === undefined || chosenPeers.includes(key));
  const present = wanted.filter((peer) => ensurePeer(peer.name, peer.packages, say));
  const rows = [...ourRows, ...present.flatMap(peerRows)];
  const results = rows.map((row) => ({ ...row, runs: shares.map((): Run[] => []) }));
  let verified = 0;
  for (const [index, share] of shares.entries()) {
    say(`parser table: writing ${showNumber(lines)} lines, ${showNumber(share * 100, 1)} % matches`);
    const corpus = await writeWarmCorpus({ seed, lines, share, directory }, signal);
    verified += await verify(corpus, directory, signal);
    for (let round = 1; round <= rounds; round++) {
      for (const { row, run: measure, runs } of results) {
        const run = await measure(corpus, directory, signal);
        runs[index]?.push(run);
        const microseconds = showNumber(perLine(run), 3);
        say(
          `parser table: ${share * 100} %, round ${round} of ${rounds}: ${row.name} ${row.framing}: ${microseconds} µs`,
        );
      }
    }
    for (const file of [corpus.lf, corpus.octets, corpus.plain]) rmSync(file);
  }
  const versions = present.map(({ name, version }) => `${name}: ${versionOf(version)}`);
  return tableReport(results, wanted, { lines, rounds, seed, verified, versions });
}

function ourRow(key: string, name: string, framing: Framing, rules: Rules, work: Work = {}, connections = 1): Row {
  return {
    row: { key, name, framing, peer: undefined },
    run: (corpus, directory, signal) =>
      runOverTcp(
        () => startOurs(rules, work, `${directory}/ours`),
        corpus,
        { framing, connections, expected: work.discard === true ? undefined : corpus.matches },
        signal,
      ),
  };
}

const ourRows: readonly Row[] = [
  ourRow("ours-lf", "ours", "lf", compared),
  ourRow("ours-octets", "ours", "octets", compared),
  ourRow("ours-many", `ours, ${devicesMax} connections`, "lf", compared, {}, devicesMax),
  ourRow("ours-copied", "ours, by 'data' events", "lf", compared, { reading: "copied" }),
  ourRow("ours-kept", "ours, with a keeper's journal", "lf", compared, { journal: "/dev/shm/logwarden-bench-journal" }),
  ourRow("ours-shipped", "ours, every shipped rule", "lf", shipped),
  ourRow("floor-lf", "ours, frames only (floor)", "lf", compared, { discard: true }),
  ourRow("floor-octets", "ours, frames only (floor)", "octets", compared, { discard: true }),
];

function peerRows(peer: Peer): Row[] {
  return peer.framings.map((framing) => ({
    row: { key: `${peer.key}-${framing}`, name: peer.name, framing, peer },
    run: (corpus, directory, signal) => peer.run(corpus, framing, directory, signal),
  }));
}
