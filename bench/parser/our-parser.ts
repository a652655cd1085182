/**
 * The parser's own receiver and pipeline, with the last stage replaced: a task is made and encoded, and then counted
 * instead of put. The only file of the bench that knows how the parser is put together.
 */

import { openSync, unlinkSync } from "node:fs";
import type { ParserEnvironment } from "@logwarden/parser/config";
import { carryBytesMax, Framer } from "@logwarden/parser/framing";
import { type Channel, Keeping } from "@logwarden/parser/keeping";
import { latin1 } from "@logwarden/parser/latin1";
import { createPipeline } from "@logwarden/parser/pipeline";
import { openReceiver, type ReceiverOptions } from "@logwarden/parser/receiver";
import { createRuleSet, shippedRules } from "@logwarden/parser/rule-set";
import { createTaskIds } from "@logwarden/parser/task-id";
import { type Inventory, parseInventory } from "@logwarden/shared/inventory";
import type { Log } from "@logwarden/shared/log";
import { createTaskEncoder } from "@logwarden/shared/task";

export { parserVariables } from "@logwarden/parser/config";

/** A rule of one's own, as logwarden.yaml has it. */
export interface OwnRule {
  name: string;
  program: string | readonly string[];
  match: string;
  type: "password_failed";
}

/** `rules` of logwarden.yaml. */
export interface Rules {
  own?: readonly OwnRule[];
  disabled: readonly string[];
}

/** The rules of which every system of the table looks for the same lines. */
const comparedRules = ["sshd-failed-password", "netplugd-link-lost", "netplugd-state-down"];

/** These of the rules that ship, and no others. */
export function shippedOnly(names: readonly string[]): Rules {
  return { disabled: shippedRules.map(({ name }) => name).filter((name) => !names.includes(name)) };
}

export const compared: Rules = shippedOnly(comparedRules);
export const shipped: Rules = { disabled: [] };

/** What the rules that ship look for. */
export const shippedTemplates: readonly { name: string; program: string; match: string }[] = shippedRules.flatMap(
  ({ name, programs, match }) =>
    (typeof match === "string" ? [match] : match).map((one) => ({ name, program: programs[0] ?? "", match: one })),
);

export interface OurParserOptions {
  environment: ParserEnvironment;
  inventory: Inventory;
  log: Log;
  reading: NonNullable<ReceiverOptions["reading"]>;
  /** Lines are framed, and nothing looks into them. */
  discard: boolean;
  /** The journal of a keeper, a new file; undefined: without one. Of the keeper itself nothing is measured: it does nothing meanwhile. */
  journal: string | undefined;
  /** Takes the bodies that one read led to, as the queue's client would write them: joined, in bytes. */
  onBodies: (count: number, bodies: Buffer) => void;
}

/** Bodies of one read: 64 KiB of the shortest lines that match make less than this. */
const bodiesBytesMax = 1_048_576;

export async function openOurParser(options: OurParserOptions): Promise<void> {
  const { environment, inventory, log, reading, discard, journal, onBodies } = options;
  const ids = createTaskIds();
  const begin = { kind: "begin", kept: [], predecessor: undefined } as const;
  const keeping =
    journal === undefined ? undefined : new Keeping(nobody, begin, openUnnamed(journal), { ...environment, ids, log });
  const places: number[] = [];
  const { recognizer } = createRuleSet("the bench", inventory);
  const encode = createTaskEncoder();
  const written = Buffer.alloc(bodiesBytesMax);
  let count = 0;
  let bodies = "";
  const pipeline = createPipeline({
    ...{ inventory, recognizer, log, foldRepeats: false, ids },
    submit: (tube, task) => {
      count++;
      const body = encode(task);
      bodies += `${body}\n`;
      if (keeping !== undefined) places.push(keeping.put(tube, body));
    },
  });
  function onReadEnd(): void {
    pipeline.readEnd();
    if (count === 0) return;
    onBodies(count, written.subarray(0, written.write(bodies, "latin1")));
    for (const place of places) keeping?.answered(place);
    places.length = 0;
    count = 0;
    bodies = "";
  }
  const received = log.tally("line.received", {});
  await openReceiver(environment, {
    ...{ inventory, log, reading, keeping, tlsIdentity: undefined },
    bytes: { line: { count: 0 }, framing: { count: 0 }, refused: { count: 0 } },
    onLine: discard ? () => void received.count++ : pipeline.line,
    onReadEnd,
  });
}

function openUnnamed(path: string): number {
  const fd = openSync(path, "wx+");
  unlinkSync(path);
  return fd;
}

/** A keeper that is told everything and says nothing. */
const nobody: Channel = { tell: () => undefined, listen: () => undefined };

/** The framer and the recognizer alone, for lines in memory. */
export interface Lines {
  readonly counts: { lines: number; events: number };
  /** Begins a stream. @returns takes its pieces, of 64 KiB at most */
  begin(): (piece: Buffer) => void;
}

export function openLines(rules: Rules): Lines {
  const { recognizer } = createRuleSet("the bench", inventoryWith(rules));
  const counts = { lines: 0, events: 0 };
  const bytes = { line: { count: 0 }, framing: { count: 0 }, refused: { count: 0 } };
  // As the receiver has it: a read behind the room for what was left of the last one.
  const buffer = Buffer.alloc(carryBytesMax + 65_536);
  return {
    counts,
    begin: () => {
      const framer = new Framer(8192, {
        bytes,
        frame: (read, from, to) => {
          counts.lines++;
          if (typeof recognizer.recognize(read, from, to) !== "string") counts.events++;
        },
        fault: (reason) => {
          throw new Error(`expected frames only, got ${reason}`);
        },
      });
      return (piece) => void framer.push(buffer, carryBytesMax, carryBytesMax + piece.copy(buffer, carryBytesMax));
    },
  };
}

/**
 * Recognizes lines with those rules; each line is given as a place in a text.
 * @throws ConfigurationError when a rule is refused
 */
export function recognizeWith(rules: Rules): (text: string, lines: readonly { from: number; to: number }[]) => void {
  const { recognizer } = createRuleSet("the bench", inventoryWith(rules));
  let last = latin1("");
  return (text, lines) => {
    if (last.text !== text) last = latin1(text);
    for (const { from, to } of lines) recognizer.recognize(last, from, to);
  };
}

function inventoryWith(rules: Rules): Inventory {
  const devices = { "edge-1": { address: "10.10.10.201" } };
  return parseInventory(JSON.stringify({ devices, rules, allow: [] }), "the bench");
}
