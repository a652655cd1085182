/**
 * fail2ban's sshd filter, in a process with nothing else (fail2ban-filter.py): the price of the words alone.
 *
 * A slow one: it gets the first lines of the corpus, and the cost is per line anyway.
 */

import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { count, type Counts, corpusLines } from "../corpus.ts";
import { type Peer, runToEnd } from "./peer.ts";
import { python3 } from "./python.ts";

const linesMax = 100_000;

export const fail2ban: Peer = {
  key: "fail2ban",
  name: "fail2ban, sshd filter",
  packages: { files: [python3, "/usr/bin/fail2ban-server"], names: ["python3", "fail2ban"] },
  version: ["/usr/bin/fail2ban-server", "--version"],
  framings: ["file"],
  run: async (corpus, _, directory, signal) => {
    const file = `${directory}/fail2ban.log`;
    const counts = writeStart(file, corpus.seed, Math.min(corpus.lines, linesMax), corpus.share);
    const script = fileURLToPath(new URL("fail2ban-filter.py", import.meta.url));
    const last = await runToEnd({ name: "fail2ban's filter", command: python3, args: [script, file] }, signal);
    const { lines, matches, cpuSeconds } = JSON.parse(last) as { lines: number; matches: number; cpuSeconds: number };
    return { cpuSeconds, lines, matches, expected: counts.sshd };
  },
};

/** The corpus begins the same, however long it is. */
function writeStart(file: string, seed: number, lines: number, share: number): Counts {
  const counts: Counts = { lines: 0, bytes: 0, matches: 0, sshd: 0, decoys: 0, plainHost: 0 };
  const texts: string[] = [];
  for (const line of corpusLines(seed, lines, share)) {
    texts.push(line.text, "\n");
    count(counts, line, Buffer.byteLength(line.text) + 1);
  }
  writeFileSync(file, texts.join(""));
  return counts;
}
