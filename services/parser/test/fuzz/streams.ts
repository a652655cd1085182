/** What a hostile sender could write: streams out of the corpus's lines and broken ones, PROXY headers good and bad. Pure. */

import { proxyHeader } from "../balancer.ts";
import { corpusLines, hostilePieces } from "../properties-lines.ts";
import { frameBytesMax } from "../properties-parser.ts";
import type { Random } from "./random.ts";

const pieces = hostilePieces.map((piece) => Buffer.from(piece, "latin1"));
const runs = ["\0", "\n", " ", "[", "]", "\\", '"', "1", "9", "a", "\u00ff", "<", ":", "%"];
const counts = [
  "0 ",
  "00 ",
  "1 ",
  "8191 ",
  "8192 ",
  "8193 ",
  "65535 ",
  "65536 ",
  "99999 ",
  "100000 ",
  "-1 ",
  "1e3 ",
  "7",
  "12345678901234567890 ",
];
const headers = [
  proxyHeader({ version: "v1" }),
  proxyHeader({ version: "v2" }),
  proxyHeader({ source: "2001:db8::201", version: "v2" }),
  Buffer.from("PROXY UNKNOWN\r\n"),
];

/** Bytes behind the header of one connection. */
export function makeStream(random: Random): Buffer {
  const framing = random.below(5);
  const parts: Buffer[] = [];
  for (let left = 1 + random.below(random.oneIn(10) ? 60 : 8); left > 0; left--) {
    const line = makeLine(random);
    // Mostly of one framing; mixed now and then, and with counts that lie.
    const isCounted = framing < 2 || (framing === 4 && random.oneIn(2));
    if (isCounted) {
      parts.push(random.oneIn(25) ? Buffer.from(random.pick(counts)) : Buffer.from(`${line.length} `), line);
      if (random.oneIn(10)) parts.push(Buffer.from("\n"));
    } else parts.push(line, Buffer.from(random.oneIn(20) ? "\0\r\n" : "\n"));
  }
  let bytes: Buffer = Buffer.concat(parts);
  if (random.oneIn(2)) return bytes;
  for (let left = 1 + random.below(4); left > 0; left--) bytes = mutate(random, bytes);
  return bytes;
}

function makeLine(random: Random): Buffer {
  const kind = random.below(20);
  if (kind < 10) return random.pick(corpusLines);
  if (kind < 14) return attack(random);
  if (kind < 16) return Buffer.concat([random.pick(pieces), random.pick(corpusLines)]);
  if (kind < 18) return mutate(random, random.pick(corpusLines));
  if (kind === 18) return Buffer.from(random.pick(runs).repeat(random.below(random.oneIn(8) ? 20_000 : 300)), "latin1");
  return Buffer.from(Array.from({ length: random.below(60) }, () => random.below(256)));
}

function attack(random: Random): Buffer {
  const user = Array.from({ length: random.below(5) }, () => random.pick(pieces));
  const end = ` from 100.64.${random.below(256)}.${random.below(256)} port ${random.below(65_536)} ssh2`;
  return Buffer.concat([
    Buffer.from("<38>Nov 21 04:44:40 gw1 sshd[2319]: Failed password for "),
    ...user,
    Buffer.from(end),
  ]);
}

/** One thing goes wrong. The bytes given are not changed. */
function mutate(random: Random, bytes: Buffer): Buffer {
  const at = random.below(bytes.length + 1);
  const put = (what: Buffer, over = 0): Buffer =>
    Buffer.concat([bytes.subarray(0, at), what, bytes.subarray(at + over)]);
  switch (random.below(10)) {
    case 0: {
      const flipped = Buffer.from(bytes);
      if (at < flipped.length) flipped[at] = (flipped[at] as number) ^ (1 << random.below(8));
      return flipped;
    }
    case 1:
      return put(Buffer.from([random.below(256)]), 1);
    case 2:
      return put(random.pick(pieces));
    case 3:
      return put(random.pick(headers));
    case 4:
      return put(Buffer.from(random.pick(counts)));
    case 5:
      return bytes.subarray(0, at);
    case 6:
      return bytes.subarray(at);
    case 7:
      return put(bytes.subarray(random.below(at + 1), at));
    case 8:
      return put(Buffer.alloc(0), random.below(40));
    default: {
      const length = random.pick([random.below(80), random.below(600), frameBytesMax - 200 + random.below(400)]);
      return put(Buffer.from(random.pick(runs).repeat(length), "latin1"));
    }
  }
}

/** Where the reads of so many bytes end, in order. */
export function makeCuts(random: Random, length: number): number[] {
  const kind = random.below(6);
  if (kind < 2) return [];
  if (kind === 2 && length <= 2000) return Array.from({ length }, (_, at) => at);
  if (kind === 3) {
    const step = 1 + random.below(1500);
    return Array.from({ length: Math.floor(length / step) }, (_, n) => (n + 1) * step);
  }
  return Array.from({ length: random.below(12) }, () => random.below(length + 1)).sort((a, b) => a - b);
}

/** What a connection begins with: mostly a good header. */
export function makeHeader(random: Random): Buffer {
  const version = random.pick(["v1", "v2"] as const);
  const source = random.pick([
    "10.10.10.201",
    "2001:db8::201",
    "10.10.10.201",
    "2001:db8::201",
    "192.0.2.99",
    "127.0.0.1",
    "::ffff:10.10.10.201",
  ]);
  const good = random.oneIn(10)
    ? withTlvs(random, proxyHeader({ version: "v2", source: "10.10.10.201" }))
    : proxyHeader({ version, source });
  const kind = random.below(20);
  if (kind < 14) return good;
  if (kind < 16) return mutate(random, good);
  if (kind === 16) return Buffer.from("PROXY UNKNOWN\r\n");
  if (kind === 17)
    return Buffer.from(random.pick(["", "\r\n", "PROXY ", "GET / HTTP/1.1\r\n\r\n", "\x16\x03\x01", "P"]), "latin1");
  if (kind === 18) return Buffer.concat([proxyHeader({ version: "v2" }).subarray(0, 12), Buffer.from([0x20, 0, 0, 0])]);
  return Buffer.from(Array.from({ length: random.below(120) }, () => random.below(256)));
}

/** A header of version 2 with type-length-values behind the addresses, some of which reach too far. */
function withTlvs(random: Random, header: Buffer): Buffer {
  const tlvs = Array.from({ length: random.below(4) }, () => {
    const value = Buffer.alloc(random.below(20), random.below(256));
    const length = random.oneIn(8) ? random.below(65_536) : value.length;
    return Buffer.concat([Buffer.from([random.below(256), length >> 8, length & 255]), value]);
  });
  const all = Buffer.concat([header, ...tlvs]);
  all.writeUInt16BE(all.length - 16, 14);
  return all;
}
