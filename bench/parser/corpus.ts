/**
 * What do routers and servers log all day, and how many lines of it are an attack? A seeded answer whose count is known.
 *
 *   corpusLines(seed, share) ──▶ lines ──▶ lf: each with its newline | octets: each with its length | plain: a log file, no PRI
 *
 * The three files hold the same lines. A match is what all systems of the bench are asked for: sshd's "Failed password …",
 * and netplugd's line of a lost link or of the state DOWN. Everything else (noise.ts) is meant to match no rule of
 * anybody; some of it looks as if it should (decoys).
 */

import { once } from "node:events";
import { closeSync, fsyncSync, openSync, createWriteStream, mkdirSync, type WriteStream } from "node:fs";
import { failedPassword, linkLost, type Match } from "./matches.ts";
import { isDecoy, noise } from "./noise.ts";
import { createRandom, type Random } from "./random.ts";

export interface CorpusLine {
  /** Without PRI, as a log file has it. */
  text: string;
  priority: number;
  /** The host's name has letters beyond ASCII. */
  foreignHost: boolean;
  /** A line that looks guilty and is not. */
  decoy: boolean;
  match: Match | undefined;
}

/** What is in a corpus: numbers that every system is held against. */
export interface Counts {
  lines: number;
  /** Bytes of the LF file. */
  bytes: number;
  matches: number;
  /** Matches of sshd alone: all that fail2ban's sshd filter and sshguard look for. */
  sshd: number;
  decoys: number;
  /** Matches whose host name is plain ASCII. */
  plainHost: number;
}

export interface Corpus extends Counts {
  seed: number;
  /** Part of the lines that match, as asked for. */
  share: number;
  lf: string;
  octets: string;
  plain: string;
  /** Lines of the same kind that a system reads before the clock starts. */
  warmUp?: Corpus;
}

/** Most attacks are on passwords; a link is lost now and then. */
const sshdShare = 0.9;
/** Of the hosts, those that were named in their owner's own letters. */
const foreignHosts = [
  "gw-köln",
  "zürich-edge",
  "łódź-fw1",
  "東京-fw1",
  "são-paulo-2",
  "athína-αθήνα",
  "gw-מרכז",
  "сервер-3",
];
const plainHosts = Array.from(
  { length: 7 * foreignHosts.length },
  (_, number) => `${["gw", "edge", "web", "db"][number % 4]}${number + 1}`,
);
/** Lines between two ticks of the clock in them. */
const linesPerSecond = 400;

export function* corpusLines(seed: number, lines: number, share: number): Generator<CorpusLine> {
  const random = createRandom(seed);
  for (let number = 0; number < lines; number++) {
    const foreignHost = random.chance(1 / 8);
    const host = random.pick(foreignHost ? foreignHosts : plainHosts);
    const isMatch = random.chance(share);
    const made = isMatch ? makeMatch(random) : noise(random);
    const pid = made.program === "kernel" ? "" : `[${300 + random.below(32_000)}]`;
    yield {
      text: `${clock(Math.floor(number / linesPerSecond))} ${host} ${made.program}${pid}: ${made.text}`,
      priority: made.priority,
      foreignHost,
      decoy: !isMatch && isDecoy(made),
      match: isMatch ? (made as ReturnType<typeof makeMatch>).match : undefined,
    };
  }
}

function makeMatch(random: Random) {
  return random.chance(sshdShare) ? failedPassword(random) : linkLost(random);
}

/** Nov 21 from midnight on; a corpus of a day and more begins again. */
function clock(second: number): string {
  const two = (value: number): string => String(value).padStart(2, "0");
  return `Nov 21 ${two(Math.floor(second / 3600) % 24)}:${two(Math.floor(second / 60) % 60)}:${two(second % 60)}`;
}

/** A parser runs for months: what is measured is its second minute, not what its compiler costs in the first. */
export const warmUpLines = 1_000_000;

/** As writeCorpus, with lines to warm up on. */
export async function writeWarmCorpus(
  options: { seed: number; lines: number; share: number; directory: string },
  signal: AbortSignal,
): Promise<Corpus> {
  const directory = `${options.directory}/warm-up`;
  mkdirSync(directory, { recursive: true });
  const { seed, lines } = options;
  const warmUp = await writeCorpus(
    { ...options, seed: seed + 1, lines: Math.min(lines, warmUpLines), directory },
    signal,
  );
  return { ...(await writeCorpus(options, signal)), warmUp };
}

/** A MiB at a time: large enough to be fast, small enough for Ctrl-C. */
const pieceBytes = 2 ** 20;

/** Writes the three files, on the disk before it returns, so that no write-back runs beside what is measured. */
export async function writeCorpus(
  options: { seed: number; lines: number; share: number; directory: string },
  signal: AbortSignal,
): Promise<Corpus> {
  const { seed, lines, share, directory } = options;
  const path = (framing: string): string => `${directory}/${share * 100}-percent.${framing}`;
  const [lf, octets, plain] = [path("lf"), path("octets"), path("plain")];
  const counts: Counts = { lines: 0, bytes: 0, matches: 0, sshd: 0, decoys: 0, plainHost: 0 };
  const files = [lf, octets, plain].map((file) => ({ file, stream: createWriteStream(file), pieces: [] as string[] }));
  let characters = 0;
  for (const line of corpusLines(seed, lines, share)) {
    const frame = `<${line.priority}>${line.text}`;
    const length = Buffer.byteLength(frame);
    files[0]?.pieces.push(frame, "\n");
    files[1]?.pieces.push(String(length), " ", frame);
    files[2]?.pieces.push(line.text, "\n");
    count(counts, line, length + 1);
    characters += frame.length;
    if (characters < pieceBytes) continue;
    characters = 0;
    signal.throwIfAborted();
    await Promise.all(files.map(flush));
  }
  await Promise.all(files.map(flush));
  for (const { file, stream } of files) {
    stream.end();
    await once(stream, "close");
    const descriptor = openSync(file, "r");
    fsyncSync(descriptor);
    closeSync(descriptor);
  }
  return { ...counts, seed, share, lf, octets, plain };
}

async function flush(file: { stream: WriteStream; pieces: string[] }): Promise<void> {
  if (!file.stream.write(file.pieces.join(""))) await once(file.stream, "drain");
  file.pieces.length = 0;
}

/** Counts one line in. */
export function count(counts: Counts, line: CorpusLine, bytes: number): void {
  counts.lines++;
  counts.bytes += bytes;
  if (line.decoy) counts.decoys++;
  if (line.match === undefined) return;
  counts.matches++;
  if (line.match.type === "password_failed") counts.sshd++;
  if (!line.foreignHost) counts.plainHost++;
}
