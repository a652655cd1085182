/**
 * What may be written into a command. Nothing is sent that did not pass here.
 *
 * fivebeans joins its arguments with spaces and sends them: a CRLF in a tube name is a second command, NaN as a number makes the
 * server answer BAD_FORMAT and take the body for commands, a body that is a number is stored as zero bytes.
 */

import { isIP, isIPv6 } from "node:net";
import { QueueError } from "./errors.ts";

export interface NodeAddress {
  host: string;
  port: number;
}

/** The port registered for beanstalkd. */
const portDefault = 11_300;
/** doc/protocol.txt: "at most 200 bytes". */
const tubeBytesMax = 200;
const uint32Max = 2 ** 32 - 1;
const uint64Max = 2n ** 64n - 1n;
/** Every number of so many digits is one of 64 bits. */
const uint64DigitsSafe = 19;
/** Names that passed checkTube: the five patterns would cost a put more than all the rest. One per device, so it stays small. */
const goodTubes = new Set<string>();
const goodTubesMax = 10_000;

/**
 * Reads `10.0.0.1:11300`, `[::1]:11300` or `q1` (port 11300).
 * @throws QueueError `bad-argument`
 */
export function parseNodeAddress(text: string): NodeAddress {
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/.exec(text);
  const [bracketed, plain, digits] = [match?.[1], match?.[2], match?.[3]];
  const port = digits === undefined ? portDefault : Number(digits);
  const host = bracketed ?? plain ?? "";
  const hostIsGood = bracketed === undefined ? isHost(host) : isIPv6(bracketed);
  if (!hostIsGood || port < 1 || port > 65_535) {
    throw new QueueError(
      "bad-argument",
      `expected a queue node like "10.0.0.1:11300", "[::1]:11300" or "q1", got ${JSON.stringify(text)}`,
    );
  }
  return { host, port };
}

/** `host:port`, as parseNodeAddress reads it: the name of a node in events and errors. */
export function formatNodeAddress({ host, port }: NodeAddress): string {
  return isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;
}

/**
 * @throws QueueError `bad-argument` unless the name is one that the protocol allows and that stays text in the YAML of stats
 * answers, for every client that reads them
 */
export function checkTube(tube: string): string {
  if (goodTubes.has(tube)) return tube;
  if (
    typeof tube !== "string" ||
    !/^[A-Za-z0-9+/;.$_()][A-Za-z0-9+/;.$_()-]*$/.test(tube) ||
    tube.length > tubeBytesMax
  ) {
    throw refusal("a tube name of 1–200 characters out of A-Z a-z 0-9 - + / ; . $ _ ( ), not starting with -", tube);
  }
  if (looksLikeOtherYaml(tube))
    throw refusal("a tube name that YAML does not read as a number, date, boolean or null", tube);
  if (goodTubes.size >= goodTubesMax) goodTubes.clear();
  goodTubes.add(tube);
  return tube;
}

/** @throws QueueError `bad-argument` unless it is a whole number from 0 to 2^32-1 */
export function checkUint32(value: number, what: string): number {
  if (Number.isInteger(value) && value >= 0 && value <= uint32Max) return value;
  throw refusal(`${what} from 0 to ${uint32Max}`, value);
}

export function isJobId(text: string | undefined): text is string {
  if (text === undefined || !/^(?:0|[1-9]\d{0,19})$/.test(text)) return false;
  return text.length <= uint64DigitsSafe || BigInt(text) <= uint64Max;
}

/** @throws QueueError `bad-argument` unless it is a job id: a decimal uint64, as text, since a number would lose digits */
export function checkJobId(id: string): string {
  if (typeof id === "string" && isJobId(id)) return id;
  throw refusal("a job id, a decimal number below 2^64 as text", id);
}

/** @throws QueueError `bad-argument` unless it is a Buffer; how large it may be is for the server to say */
export function checkBody(body: Buffer): Buffer {
  if (Buffer.isBuffer(body)) return body;
  throw refusal("a Buffer as body", typeof body);
}

function isHost(text: string): boolean {
  return isIP(text) !== 0 || /^[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,252})$/.test(text);
}

/** Numbers of YAML 1.1 and 1.2 (1, 0x1f, 1_000, .5, 1e3, .inf, .nan), dates, and the words for booleans and null. */
function looksLikeOtherYaml(text: string): boolean {
  return (
    /^\+?(?:(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:e[+-]?\d+)?|0[xob][\da-f_]+|\.(?:inf|nan))$/i.test(text) ||
    /^\d{4}-\d{1,2}-\d{1,2}(?:t.*)?$/i.test(text) ||
    /^(?:true|false|yes|no|on|off|y|n|null)$/i.test(text)
  );
}

function refusal(expected: string, got: unknown): QueueError {
  const shown = typeof got === "string" ? JSON.stringify(got.slice(0, 220)) : String(got);
  return new QueueError("bad-argument", `expected ${expected}, got ${shown}`);
}
