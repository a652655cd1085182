/**
 * The fuzzer without sockets: each case is one stream, cut anywhere, through the framer, the rules and the pipeline that ship.
 *
 * What must hold: nothing throws; every byte is a line's, framing or refused; no more than one frame is kept; every line is
 * counted once; every task can be read by a responder, and is ASCII; another cut gives the same.
 */

import assert from "node:assert/strict";
import { isDeepStrictEqual } from "node:util";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { Device } from "@logwarden/shared/inventory";
import { createTaskEncoder, encodeTask, parseTask, type EventTask } from "@logwarden/shared/task";
import { carryBytesMax } from "../../src/receive/framing.ts";
import { parseProxyHeader } from "../../src/receive/proxy-protocol.ts";
import {
  frameBytesMax,
  freshRecognizer,
  inventory,
  outcomesOf,
  ParserInProcess,
  pushAll,
  pushReads,
  type Stream,
} from "../properties-parser.ts";
import { Random } from "./random.ts";
import { makeCuts, makeHeader, makeStream } from "./streams.ts";

/** A frame, but for its last byte, and its count. */
const keptBytesMax = frameBytesMax + carryBytesMax - 65_536;

/** Compiled code and caches grow a little; a byte kept for each case would be seen in a million of them. */
const grownBytesMax = 8 * 2 ** 20;

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

function aliveBytes(): number {
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

export interface Tried {
  cases: number;
  bytes: number;
  lines: number;
  tasks: number;
  /** What is alive when a tenth of the cases was through, and at the end. */
  heapBytes: { early: number; late: number };
}

export class CaseFailure extends Error {
  readonly number: number;

  constructor(number: number, cause: unknown) {
    super(`case ${number}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
    this.number = number;
  }
}

/** @param first the number of the first case @throws CaseFailure */
export function fuzzInProcess(seed: number, first: number, cases: number, onProgress?: (done: number) => void): Tried {
  const bench = new Bench();
  let early = 0;
  for (let done = 0; done < cases; done++) {
    const number = first + done;
    try {
      bench.try(new Random(seed, number));
    } catch (cause) {
      throw new CaseFailure(number, cause);
    }
    if (done === Math.floor(cases / 10)) early = aliveBytes();
    if (done % 10_000 === 0) onProgress?.(done);
  }
  const { bytes, lines, tasks } = bench;
  const late = aliveBytes();
  assert(late - early < grownBytesMax, `${late - early} bytes more are alive than after a tenth of the cases`);
  return { cases, bytes, lines, tasks, heapBytes: { early, late } };
}

const recognizer = freshRecognizer();
const isAscii = /^[ -~]*$/;

/** config.ts, memoryBytesMax: what a task comes to at worst. */
const taskBytesMax = 8192;

/** What lives as long as a parser does: a pipeline of each manner, and connections that never end. */
class Bench {
  bytes = 0;
  lines = 0;
  tasks = 0;
  readonly #encode = createTaskEncoder();
  readonly #parsers = [false, true].map(
    (foldRepeats) =>
      new ParserInProcess({
        recognizer,
        foldRepeats,
        onTask: (task) => this.#checkTask(task as EventTask),
        onLine: (read, from, to) => {
          this.lines++;
          assert(
            from >= 0 && from < to && to <= read.bytes.length && to - from <= frameBytesMax,
            "a line outside of its read",
          );
        },
      }),
  );
  /** One for each pipeline. */
  readonly #lasting: (Stream | undefined)[] = [];

  try(random: Random): void {
    if (random.oneIn(8)) return tryHeader(random);
    const bytes = makeStream(random);
    const cuts = makeCuts(random, bytes.length);
    const which = random.below(2);
    const parser = this.#parsers[which] as ParserInProcess;
    const of = random.pick(inventory.devices);
    this.bytes += bytes.length;
    if (random.oneIn(6)) this.#pushToLasting(which, of, bytes, cuts);
    else this.#pushToFresh(parser.open(of), bytes, cuts);
    checkLines(parser, which === 1);
    if (random.oneIn(6)) sameWhereverCut(bytes, cuts);
  }

  #pushToFresh(stream: Stream, bytes: Buffer, cuts: readonly number[]): void {
    pushAll(stream, bytes, cuts);
    assert.equal(stream.accounted, stream.pushed, "bytes in no counter");
    if (!stream.isLost) assert.equal(stream.pushed, bytes.length);
    assert.equal(stream.lineBytes, stream.bytes.line.count, "bytes of lines");
  }

  #pushToLasting(which: number, of: Device, bytes: Buffer, cuts: readonly number[]): void {
    const known = this.#lasting[which];
    const stream = known === undefined || known.isLost ? (this.#parsers[which] as ParserInProcess).open(of) : known;
    this.#lasting[which] = stream;
    pushReads(stream, bytes, cuts, () => {
      const kept = stream.pushed - stream.accounted;
      assert(kept >= 0 && kept <= (stream.isLost ? 0 : keptBytesMax), `${kept} bytes kept`);
    });
    assert.equal(stream.lineBytes, stream.bytes.line.count, "bytes of lines");
  }

  #checkTask(task: EventTask): void {
    this.tasks++;
    const written = encodeTask(task);
    assert.match(written, isAscii);
    assert.deepEqual(parseTask(Buffer.from(written, "latin1")), task);
    const encoded = this.#encode(task);
    assert.match(encoded, isAscii);
    assert(encoded.length <= taskBytesMax, `a task of ${encoded.length} bytes`);
    assert.deepEqual(JSON.parse(encoded), task);
  }
}

function checkLines(parser: ParserInProcess, foldRepeats: boolean): void {
  const events = parser.counted("event.recognized");
  const known = parser.counted("line.unrecognized") + parser.counted("line.refused") + events;
  assert.equal(known, parser.counted("line.received"), "lines in no counter");
  assert(foldRepeats || parser.counted("event.refused") <= events);
}

function sameWhereverCut(bytes: Buffer, cuts: readonly number[]): void {
  const whole = outcomesOf(bytes, [], recognizer);
  const cut = outcomesOf(bytes, cuts, recognizer);
  // Written out only when it fails: assert's own comparison would cost most of the time.
  if (!isDeepStrictEqual(cut.outcomes, whole.outcomes)) assert.deepEqual(cut.outcomes, whole.outcomes, "another cut");
  assert.deepEqual([cut.stream.bytes.line, cut.stream.isLost], [whole.stream.bytes.line, whole.stream.isLost]);
}

/** However much of it has come: what was said once stands, and nothing is read that has not come. */
function tryHeader(random: Random): void {
  const bytes = Buffer.concat([makeHeader(random), random.oneIn(2) ? makeHeader(random) : Buffer.from("<38>x\n")]);
  let said: ReturnType<typeof parseProxyHeader> | undefined;
  for (let length = 0; length <= bytes.length; length++) {
    const header = parseProxyHeader(bytes.subarray(0, length));
    if (said !== undefined) assert.deepEqual(header, said, "more bytes, another header");
    if (header.kind === "more") continue;
    if (header.kind !== "refused") assert(header.consumed <= length, "consumed what had not come");
    said = header;
  }
}
