/**
 * Is what our parser reads out of the lines what they say? Asked before anything is measured: a fast wrong answer is none.
 */

import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { type Corpus, corpusLines, writeCorpus } from "./corpus.ts";
import { device } from "./device.ts";
import { compared } from "./our-parser.ts";
import { startOurs } from "./our-process.ts";
import { runOverTcp } from "./peers/peer.ts";

/** Lines whose tasks are compared field by field; a sample, as keeping them is slow. */
const verifiedLines = 20_000;

/**
 * Reads the first lines of the corpus with our parser, in both framings, and compares every task with what the line says.
 * @returns how many tasks were compared @throws when one differs: a fast wrong answer is no answer
 */
export async function verify({ seed, share, lines }: Corpus, directory: string, signal: AbortSignal): Promise<number> {
  const sample = `${directory}/sample`;
  const count = Math.min(lines, verifiedLines);
  mkdirSync(sample, { recursive: true });
  const small = await writeCorpus({ seed, lines: count, share, directory: sample }, signal);
  const expected = [...corpusLines(seed, count, share)].flatMap(({ match }) =>
    match === undefined ? [] : [JSON.stringify({ host: device.address, ...match })],
  );
  for (const framing of ["lf", "octets"] as const) {
    const keep = `${sample}/${framing}.tasks`;
    const start = () => startOurs(compared, { keep }, sample);
    await runOverTcp(start, small, { framing, expected: small.matches }, signal);
    const got = readFileSync(keep, "utf8").trimEnd().split("\n").map(readBody);
    const at = expected.findIndex((body, index) => body !== got[index]);
    if (at !== -1 || got.length !== expected.length) {
      throw new Error(`wrong answer (${framing}): expected ${expected[at]}, got ${got[at]} of ${got.length} tasks`);
    }
  }
  rmSync(sample, { recursive: true });
  return expected.length * 2;
}

/** The fields that a line itself decides. */
function readBody(body: string): string {
  const task = JSON.parse(body) as Record<string, string>;
  const { host, type, from, user, interface: name } = task;
  return JSON.stringify(type === "interface_down" ? { host, type, interface: name } : { host, type, from, user });
}
