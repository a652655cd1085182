/**
 * The parser without its sockets: bytes in, tasks and counts out, through the framer, the rules and the pipeline that ship.
 * For tests that feed it thousands of streams: properties*.test.ts and the fuzzer.
 */

import type { Device, Inventory } from "@logwarden/shared/inventory";
import { parseInventory } from "@logwarden/shared/inventory";
import type { Log, Tally } from "@logwarden/shared/log";
import type { Task } from "@logwarden/shared/task";
import { stringify } from "yaml";
import type { Latin1 } from "../src/latin1.ts";
import { createPipeline, type Pipeline } from "../src/pipeline.ts";
import { type ByteAccount, Framer } from "../src/receive/framing.ts";
import { readBuffer } from "../src/receive/read-buffer.ts";
import type { Recognizer } from "../src/recognize/recognize.ts";
import { createRuleSet } from "../src/recognize/rule-set.ts";

export const frameBytesMax = 8192;

type EventName = Parameters<Log["say"]>[0];

/** What became of a piece of a stream. Ids and times are left out: they are never the same. */
export type Outcome = { line: string } | { fault: string } | { task: Record<string, unknown> };

export const inventory: Inventory = parseInventory(
  stringify({
    devices: {
      "edge-1": { address: "10.10.10.201", protect: ["eth0"] },
      "branch-1": { address: "2001:db8::201" },
    },
    allow: ["198.51.100.0/24", "2001:db8:a::/48"],
  }),
  "logwarden.yaml",
);

const device = inventory.devices[0] as Device;

/** The rules that ship, compiled anew. */
export function freshRecognizer(): Recognizer {
  return createRuleSet("logwarden.yaml", inventory).recognizer;
}

export interface ParserOptions {
  recognizer: Recognizer;
  foldRepeats?: boolean;
  onTask?: (task: Task) => void;
  /** Called with each line, before it is recognized. */
  onLine?: (read: Latin1, from: number, to: number) => void;
  onFault?: (fault: string) => void;
}

/** One pipeline, and any number of streams that lead into it. */
export class ParserInProcess {
  readonly #pipeline: Pipeline;
  readonly #options: ParserOptions;
  readonly #log = new CountingLog();

  constructor(options: ParserOptions) {
    this.#options = options;
    this.#pipeline = createPipeline({
      inventory,
      recognizer: options.recognizer,
      log: this.#log,
      foldRepeats: options.foldRepeats === true,
      submit: (_, task) => options.onTask?.(task),
    });
  }

  /** How often an event was counted; with all its labels, or over all of them. */
  counted(event: EventName, label?: string): number {
    return this.#log.counted(event, label);
  }

  open(of: Device = device): Stream {
    const { onLine, onFault } = this.#options;
    return new Stream(
      (read, from, to) => {
        onLine?.(read, from, to);
        this.#pipeline.line(of, read, from, to);
      },
      (fault) => onFault?.(fault),
      () => this.#pipeline.readEnd(),
    );
  }
}

/** One connection behind its header. */
export class Stream {
  readonly bytes: ByteAccount = { line: { count: 0 }, framing: { count: 0 }, refused: { count: 0 } };
  /** Lengths of the lines handed out, added up here and not by the framer. */
  lineBytes = 0;
  pushed = 0;
  isLost = false;
  readonly #framer: Framer;
  readonly #onReadEnd: () => void;

  constructor(
    onLine: (read: Latin1, from: number, to: number) => void,
    onFault: (fault: string) => void,
    onReadEnd: () => void,
  ) {
    this.#onReadEnd = onReadEnd;
    this.#framer = new Framer(frameBytesMax, {
      frame: (read, from, to) => {
        this.lineBytes += to - from;
        onLine(read, from, to);
      },
      fault: onFault,
      bytes: this.bytes,
    });
  }

  get accounted(): number {
    const { line, framing, refused } = this.bytes;
    return line.count + framing.count + refused.count;
  }

  /** One read, through the one buffer that serves all sockets. Nothing more is read of a stream that is lost. */
  push(bytes: Uint8Array): void {
    if (this.isLost) return;
    readBuffer.bytes.set(bytes, readBuffer.headroom);
    this.pushed += bytes.length;
    const goesOn = this.#framer.push(readBuffer.bytes, readBuffer.headroom, readBuffer.headroom + bytes.length);
    this.isLost = !goesOn;
    this.#onReadEnd();
  }

  end(): void {
    this.#framer.end();
    this.#onReadEnd();
  }
}

/**
 * Pushes bytes as reads deliver them: 64 KiB at most.
 * @param cuts where reads end, in order
 * @param onRead called behind each read
 */
export function pushReads(stream: Stream, bytes: Uint8Array, cuts: readonly number[], onRead?: () => void): void {
  let from = 0;
  for (const cut of [...cuts, bytes.length]) {
    while (from < cut) {
      const to = Math.min(cut, from + readBuffer.size);
      stream.push(bytes.subarray(from, to));
      onRead?.();
      from = to;
    }
  }
}

/** Pushes a whole stream, and ends it. */
export function pushAll(stream: Stream, bytes: Uint8Array, cuts: readonly number[]): void {
  pushReads(stream, bytes, cuts);
  stream.end();
}

/** What the parser makes of one stream. */
export function outcomesOf(
  bytes: Uint8Array,
  cuts: readonly number[],
  recognizer: Recognizer,
): { outcomes: Outcome[]; stream: Stream; parser: ParserInProcess } {
  const outcomes: Outcome[] = [];
  const tasks: Outcome[] = [];
  const parser = new ParserInProcess({
    recognizer,
    onLine: (read, from, to) => void outcomes.push({ line: read.text.slice(from, to) }),
    onFault: (fault) => void outcomes.push({ fault }),
    onTask: ({ id: _id, at: _at, ...task }) => void tasks.push({ task }),
  });
  const stream = parser.open();
  pushAll(stream, bytes, cuts);
  return { outcomes: [...outcomes, ...tasks], stream, parser };
}

export class CountingLog implements Log {
  readonly debug = false;
  readonly #tallies = new Map<string, { event: EventName; labels: string[]; tally: Tally }>();

  say: Log["say"] = (event, fields) => {
    this.tally(event, fields).count++;
  };

  teller: Log["teller"] = () => () => undefined;
  watch: Log["watch"] = () => undefined;

  tally: Log["tally"] = (event, fields) => {
    const { rule, type, reason } = fields as { rule?: string; type?: string; reason?: string };
    const labels = [rule, type, reason].filter((label) => label !== undefined);
    const key = [event, ...labels].join("\0");
    let known = this.#tallies.get(key);
    if (known === undefined) this.#tallies.set(key, (known = { event, labels, tally: { count: 0 } }));
    return known.tally;
  };

  counted(event: EventName, label?: string): number {
    let sum = 0;
    for (const one of this.#tallies.values()) {
      if (one.event === event && (label === undefined || one.labels.includes(label))) sum += one.tally.count;
    }
    return sum;
  }
}
