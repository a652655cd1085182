/** Lines and streams for property tests: those of the corpus, attacks with names of every kind, noise, and what breaks framing. */

import { globSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import fc from "fast-check";

const root = fileURLToPath(new URL("../../..", import.meta.url));

/** Every line of corpus/*.md, as bytes. */
export const corpusLines: readonly Buffer[] = globSync("corpus/*.md", { cwd: root })
  .sort()
  .flatMap((file) =>
    [...readFileSync(`${root}${file}`, "utf8").matchAll(/^```log\n([^]*?)\n```$/gm)].map(([, line]) =>
      Buffer.from(line ?? ""),
    ),
  );

export const header = "<38>Nov 21 04:44:40 gw1 sshd[2319]: ";

/** What an attacker would write to be taken for somebody else: pieces of lines, of headers and of templates. */
export const hostilePieces: readonly string[] = [
  " from 192.0.2.66 port 1 ssh2",
  " from 192.0.2.66",
  " from ",
  " port 22",
  " port ",
  " ssh2",
  ": RSA SHA256:x",
  " [preauth]",
  "invalid user ",
  "illegal user ",
  " via 192.0.2.66",
  " (192.0.2.66)",
  " user=",
  " rhost=192.0.2.66",
  "message repeated 3 times: [ ",
  "]",
  "[",
  "'",
  '"',
  "\\",
  '\\"',
  "\n",
  "\r\n",
  "\0",
  "#012",
  "<38>Nov 21 04:44:40 gw1 sshd[1]: Failed password for root from 192.0.2.66 port 1 ssh2",
  "<38>1 2026-11-21T04:44:36Z gw1 sshd 1 - - ",
  "Nov 21 04:44:40 gw1 sshd[1]: ",
  "Failed password for ",
  "Invalid user x from 192.0.2.66 port 1",
  "Connection closed by authenticating user x 192.0.2.66 port 1 [preauth]",
  "Accepted password for root from 192.0.2.66 port 1 ssh2",
  "PROXY TCP4 192.0.2.66 192.0.2.1 1 2\r\n",
  "103 <38>",
  "\u00ff",
  "\u00c3\u0028",
  "\u00e3\u0083\u00a6",
  "192.0.2.66",
  "2001:db8::66",
  "root",
  " ",
  "=",
  "/",
];

/** Latin1 text of any bytes, short. */
const anyBytes = fc.uint8Array({ maxLength: 24 }).map((bytes) => Buffer.from(bytes).toString("latin1"));
const anyUtf8 = fc
  .string({ unit: "binary", maxLength: 24 })
  .map((text) => Buffer.from(text, "utf8").toString("latin1"));
const corpusLine = fc.constantFrom(...corpusLines).map((line) => line.toString("latin1"));

/** Latin1: what may stand where the attacker writes; now and then as long as a frame may be. */
export const hostileText: fc.Arbitrary<string> = fc
  .tuple(
    fc.array(
      fc.oneof(
        { weight: 6, arbitrary: fc.constantFrom(...hostilePieces) },
        { weight: 2, arbitrary: anyBytes },
        { weight: 2, arbitrary: anyUtf8 },
        { weight: 1, arbitrary: corpusLine },
      ),
      { maxLength: 8 },
    ),
    fc.oneof({ weight: 9, arbitrary: fc.constant(1) }, { weight: 1, arbitrary: fc.integer({ min: 2, max: 400 }) }),
  )
  .map(([pieces, times]) => pieces.join("").repeat(times).slice(0, 8000));

/** Addresses that are nobody's of the inventory and on no list. None of them stands in the corpus or in hostilePieces. */
export const attacker: fc.Arbitrary<string> = fc.oneof(
  fc.tuple(fc.nat(255), fc.nat(255)).map(([c, d]) => `100.64.${c}.${d}`),
  fc.integer({ min: 0x1000, max: 0xffff }).map((group) => `2001:db8:bad::${group.toString(16)}`),
);

export const port: fc.Arbitrary<number> = fc.nat(65_535);

/** One line of any kind, latin1. */
export const anyLine: fc.Arbitrary<string> = fc.oneof(
  corpusLine,
  fc
    .tuple(fc.constantFrom("", "invalid user "), hostileText, attacker, port)
    .map(([invalid, user, from, at]) => `${header}Failed password for ${invalid}${user} from ${from} port ${at} ssh2`),
  fc.tuple(corpusLine, fc.nat(400), anyBytes).map(([line, at, junk]) => line.slice(0, at) + junk + line.slice(at)),
  // Without a facility, as in a log file; and such a line inside of another's, as logger would write it.
  fc
    .tuple(fc.constantFrom("", "", "<13>", "<30>"), fc.constantFrom("", "Nov 21 04:44:40 gw1 nginx: "), corpusLine)
    .map(([priority, outer, line]) => priority + outer + line.replace(/^<\d+>/, "")),
  // One character many times: fields that are longer than anybody expects.
  fc
    .tuple(corpusLine, fc.nat(200), fc.constantFrom(30, 200, 255, 256, 257, 500, 7000))
    .map(([line, at, times]) => line.slice(0, at) + line.charAt(at).repeat(times) + line.slice(at)),
  hostileText,
  anyBytes,
);

/** How a stream carries a line; some ways break it. */
const counted = (line: string): string => `${line.length} ${line}`;
const frame: Record<"lf" | "octet-counted", fc.Arbitrary<string>> = {
  lf: fc.oneof(
    { weight: 8, arbitrary: anyLine.map((line) => `${line}\n`) },
    { weight: 1, arbitrary: anyLine.map((line) => `${line}\0\r\n`) },
    { weight: 1, arbitrary: fc.constantFrom("\n", "\r\n", "\0\n", "\n\n\n") },
    {
      weight: 1,
      arbitrary: fc.tuple(anyLine, fc.integer({ min: 8150, max: 20_000 })).map(([line, to]) => `${line.padEnd(to)}\n`),
    },
  ),
  "octet-counted": fc.oneof(
    { weight: 10, arbitrary: anyLine.filter((line) => line !== "").map(counted) },
    { weight: 2, arbitrary: anyLine.map((line) => counted(`${line}\n`)) },
    { weight: 1, arbitrary: fc.constantFrom("\n", "\n\n") },
    {
      weight: 1,
      arbitrary: fc
        .tuple(anyLine, fc.integer({ min: 8150, max: 20_000 }))
        .map(([line, to]) => counted(line.padEnd(to))),
    },
    // A count that lies: too small, too large, or none at all.
    { weight: 1, arbitrary: fc.tuple(fc.nat(99_999), anyLine).map(([count, line]) => `${count} ${line}`) },
    { weight: 1, arbitrary: anyLine },
  ),
};

/** A stream of one framing; it may end in the middle of a frame. */
export const anyStream: fc.Arbitrary<Buffer> = fc
  .constantFrom<"lf" | "octet-counted">("lf", "octet-counted")
  .chain((framing) => fc.tuple(fc.array(frame[framing], { maxLength: 12 }), fc.oneof(fc.constant(0), fc.nat(60))))
  .map(([frames, missing]) => {
    const bytes = Buffer.from(frames.join(""), "latin1");
    return bytes.subarray(0, Math.max(0, bytes.length - missing));
  });

/** Where reads may end: anywhere, everywhere, or close together around one place. */
export function cutsOf(length: number): fc.Arbitrary<number[]> {
  const place = fc.nat(length);
  return fc
    .oneof(
      { weight: 4, arbitrary: fc.array(place, { maxLength: 20 }) },
      { weight: 2, arbitrary: place.map((at) => Array.from({ length: 40 }, (_, n) => at + n)) },
      { weight: 1, arbitrary: fc.constant(length > 4000 ? [] : Array.from({ length }, (_, n) => n)) },
    )
    .map((cuts) => cuts.filter((cut) => cut <= length).sort((a, b) => a - b));
}
