// What holds for every stream, whoever wrote it: one thing is made of it, however it is cut, and every byte is accounted for.

import { describe, expect, test } from "@jest/globals";
import { parseTask, encodeTask, type Task } from "@logwarden/shared/task";
import fc from "fast-check";
import { carryBytesMax } from "../src/receive/framing.ts";
import type { Recognition } from "../src/recognize/recognize.ts";
import { anyLine, anyStream, attacker, corpusLines, cutsOf, header, port } from "./properties-lines.ts";
import {
  frameBytesMax,
  freshRecognizer,
  outcomesOf,
  ParserInProcess,
  pushAll,
  pushReads,
} from "./properties-parser.ts";

const recognizer = freshRecognizer();

/** Every field as short as it may be, so that what stands behind the line is near. */
const shortHeaders = [
  "<38>1 T h sshd - - - ",
  '<38>1 T h sshd - - [a b="\\]"]',
  "<13>1 T h sshd - - - ",
  "<38>abc - h- sshd: x",
  "<38>2026-11-2T h sshd: ",
  "<38>Nov 21 04:44:40 h sshd: message repeated 2 times: []",
  "<38>Nov 21 04:44:40 h sshd[]",
  "<13>Nov 21 04:44:40 h x: Nov 21 04:44:40 h sshd[1]: ",
  "<4>Nov 21 04:44:40 h kernel: [ 1.2] ",
];

const streamAndCuts = anyStream.chain((bytes) => fc.tuple(fc.constant(bytes), cutsOf(bytes.length)));

test("the corpus is found", () => {
  expect(corpusLines.length).toBeGreaterThan(100);
});

describe("any stream", () => {
  test("gives the same lines, faults and tasks wherever its reads end, and the same byte account", () => {
    fc.assert(
      fc.property(streamAndCuts, ([bytes, cuts]) => {
        const whole = outcomesOf(bytes, [], recognizer);
        const cut = outcomesOf(bytes, cuts, recognizer);
        expect(cut.outcomes).toEqual(whole.outcomes);
        expect(cut.stream.bytes.line).toEqual(whole.stream.bytes.line);
        expect(cut.stream.bytes.framing).toEqual(whole.stream.bytes.framing);
        // Of a stream that is lost, the rest of the read is refused, and nothing more is read.
        if (!whole.stream.isLost) expect(cut.stream.bytes.refused).toEqual(whole.stream.bytes.refused);
        expect(cut.stream.isLost).toBe(whole.stream.isLost);
      }),
      { numRuns: 600 },
    );
  });

  test("has every byte in one of line, framing and refused; between reads no more than one frame is kept", () => {
    fc.assert(
      fc.property(streamAndCuts, ([bytes, cuts]) => {
        const parser = new ParserInProcess({ recognizer });
        const stream = parser.open();
        pushReads(stream, bytes, cuts, () => {
          const kept = stream.pushed - stream.accounted;
          expect(kept).toBeGreaterThanOrEqual(0);
          expect(kept).toBeLessThanOrEqual(stream.isLost ? 0 : frameBytesMax + carryBytesMax - 65_536);
        });
        stream.end();
        expect(stream.accounted).toBe(stream.pushed);
        expect(stream.lineBytes).toBe(stream.bytes.line.count);
      }),
      { numRuns: 400 },
    );
  });

  test("has every line counted once: malformed, unrecognized, or an event that is a task or refused", () => {
    fc.assert(
      fc.property(streamAndCuts, ([bytes, cuts]) => {
        const { outcomes, parser } = outcomesOf(bytes, cuts, recognizer);
        const lines = outcomes.filter((one) => "line" in one).length;
        const tasks = outcomes.filter((one) => "task" in one).length;
        const events = parser.counted("event.recognized");
        expect(parser.counted("line.received")).toBe(lines);
        expect(parser.counted("line.unrecognized") + parser.counted("line.refused") + events).toBe(lines);
        expect(tasks + parser.counted("event.refused")).toBe(events);
      }),
      { numRuns: 300 },
    );
  });

  test("leads only to tasks that a responder can read", () => {
    fc.assert(
      fc.property(anyStream, (bytes) => {
        const tasks: Task[] = [];
        pushAll(new ParserInProcess({ recognizer, onTask: (task) => tasks.push(task) }).open(), bytes, []);
        for (const task of tasks) expect(parseTask(Buffer.from(encodeTask(task)))).toEqual(task);
      }),
      { numRuns: 1500 },
    );
  });

  test("leads only to such tasks however long any part of a line is", () => {
    let tasks = 0;
    const onTask = (task: Task): void => {
      tasks++;
      expect(parseTask(Buffer.from(encodeTask(task)))).toEqual(task);
    };
    const stream = new ParserInProcess({ recognizer, onTask }).open();
    for (const line of corpusLines) {
      for (let at = 0; at < line.length; at++) {
        const long = Buffer.alloc(at % 2 === 0 ? 100 : 1100, line[at] as number);
        stream.push(Buffer.concat([line.subarray(0, at), long, line.subarray(at), Buffer.from("\n")]));
      }
    }
    expect(tasks).toBeGreaterThan(2000);
  });

  test("leads to the same counts with and without folding, wherever reads end", () => {
    fc.assert(
      fc.property(repetitive, fc.infiniteStream(fc.nat()), (lines, places) => {
        const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(""), "latin1");
        const cuts = Array.from({ length: 6 }, () => (places.next().value ?? 0) % (bytes.length + 1)).sort(
          (a, b) => a - b,
        );
        expect(countsOf(bytes, cuts, true)).toEqual(countsOf(bytes, cuts, false));
      }),
      { numRuns: 300 },
    );
  });
});

/** Few lines, often: names that differ in a space, and what is counted apart by one field only. */
const repetitive = fc
  .uniqueArray(
    fc.oneof(
      fc
        .tuple(
          fc.constantFrom("root", "root ", "a b", "", "root 1", "r\u00fct"),
          fc.constantFrom("100.64.0.1", "100.64.0.2"),
        )
        .map(([user, from]) => `${header}Failed password for ${user} from ${from} port 1 ssh2`),
      fc.constantFrom(...corpusLines).map((line) => line.toString("latin1")),
      fc
        .nat(99)
        .map(
          (times) =>
            `${header}message repeated ${times} times: [ Failed password for root from 100.64.0.1 port 1 ssh2]`,
        ),
    ),
    { minLength: 1, maxLength: 5 },
  )
  .chain((lines) => fc.array(fc.constantFrom(...lines), { maxLength: 40 }));

/** Of everything that tasks say, how often they say it. */
function countsOf(bytes: Uint8Array, cuts: readonly number[], foldRepeats: boolean): Map<string, number> {
  const counts = new Map<string, number>();
  const onTask = ({ id: _id, at: _at, count = 1, ...said }: Task): void => {
    const key = JSON.stringify(said);
    counts.set(key, (counts.get(key) ?? 0) + count);
  };
  pushAll(new ParserInProcess({ recognizer, foldRepeats, onTask }).open(), bytes, cuts);
  return counts;
}

describe("what a line says", () => {
  test("depends on nothing that stood before it in the stream", () => {
    fc.assert(
      fc.property(fc.array(anyLine, { minLength: 1, maxLength: 6 }), anyLine, (before, line) => {
        const used = freshRecognizer();
        for (const one of before) recognizeAlone(used, one);
        expect(recognizeAlone(used, line)).toEqual(recognizeAlone(freshRecognizer(), line));
      }),
      { numRuns: 100 },
    );
  });

  test("depends on nothing that stands around it in the read", () => {
    fc.assert(
      fc.property(anyLine, anyLine, anyLine, (before, line, after) => {
        expect(recognizeInside(before, line, after)).toEqual(recognizeAlone(recognizer, line));
      }),
      { numRuns: 2000 },
    );
  });

  test("depends on nothing behind it, wherever the line is cut: not on its own rest, not on what would complete it", () => {
    const behind = ["- ", "- \u00ef\u00bb\u00bf", "]", "[1]: ", ": ", "T ", "-", "8>", " ", '"', "\\", "x"];
    // A name that ends the line, of characters that can be cut.
    const cuttable = `${header}pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=100.64.0.1  user=`;
    const names = ["j\u00f6rg", "\u65e5\u{1f600}"].map((name) => Buffer.from(name).toString("latin1"));
    const lines = [
      ...corpusLines.map((line) => line.toString("latin1")),
      ...shortHeaders,
      ...names.map((name) => cuttable + name),
    ];
    const wrong = lines.flatMap((line) =>
      Array.from({ length: line.length }, (_, cut) => cut).flatMap((cut) => {
        const begin = line.slice(0, cut);
        const alone = JSON.stringify(recognizeAlone(recognizer, begin));
        return [line.slice(cut), ...behind]
          .filter((rest) => JSON.stringify(recognizeInside("\n", begin, rest)) !== alone)
          .map((rest) => ({ begin, rest, alone }));
      }),
    );
    expect(wrong).toEqual([]);
  });

  test("does not depend on its host's name, and both are read in UTF-8 without loss", () => {
    const word = fc.string({ unit: "grapheme", minLength: 1, maxLength: 20 });
    const host = word.filter((text) => !/[ \n\0]/.test(text));
    // Control characters are mended, and that is counted (lines.test.ts); a task holds 256 characters of a name.
    const user = fc.string({ unit: "binary", maxLength: 200 }).filter((text) => !/\p{Cc}/u.test(text));
    const heads = (name: string): string[] => [
      `<38>Nov 21 04:44:40 ${name} sshd[2319]: `,
      `<38>2026-11-21T04:44:36.689151+00:00 ${name} sshd[2319]: `,
      `<38>1 2026-11-21T04:44:36Z ${name} sshd 2317 - -  `,
      `<38>1 2026-11-21T04:44:36Z ${name} sshd 2317 - [x y="${name.replaceAll(/[\\"\]]/g, "\\$&")}"] \ufeff`,
      `<13>Nov 21 04:44:40 ${name} root: Nov 21 04:44:40 ${name} sshd[1]: `,
    ];
    fc.assert(
      fc.property(host, user, attacker, port, (name, account, from, at) => {
        for (const head of heads(name)) {
          const line = Buffer.from(`${head}Failed password for invalid user ${account} from ${from} port ${at} ssh2`);
          const event = recognizeAlone(recognizer, line.toString("latin1"));
          expect(event).toEqual({
            ...{ rule: "sshd-failed-password", count: 1, type: "password_failed", user: account },
            from: expect.objectContaining({ text: from }),
          });
        }
      }),
      { numRuns: 500, examples: [["\ufffd", "\ufffd", "100.64.0.0", 0]] },
    );
  });
});

function recognizeInside(before: string, line: string, after: string): Recognition {
  const text = before + line + after;
  return recognizer.recognize({ text, bytes: Buffer.from(text, "latin1") }, before.length, before.length + line.length);
}

function recognizeAlone(by: typeof recognizer, line: string): Recognition {
  return by.recognize({ text: line, bytes: Buffer.from(line, "latin1") }, 0, line.length);
}
