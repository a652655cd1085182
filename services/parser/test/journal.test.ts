// Whatever moment a parser dies at, the next one makes of its journal what the dead one owed: every line becomes one task.

import { closeSync, fstatSync, ftruncateSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import type { Device } from "@logwarden/shared/inventory";
import fc from "fast-check";
import { createTaskIds } from "../src/decide/task-id.ts";
import type { UnansweredPut } from "../src/keep/journal.ts";
import { type Channel, Keeping } from "../src/keep/keeping.ts";
import type { KeptConnection, ToKeeper } from "../src/keep/messages.ts";
import type { Latin1 } from "../src/latin1.ts";
import { createPipeline, type Pipeline } from "../src/pipeline.ts";
import { Framer, streamStart } from "../src/receive/framing.ts";
import { readBuffer } from "../src/receive/read-buffer.ts";
import { attack, type Framing, frames } from "./balancer.ts";
import { CountingLog, freshRecognizer, inventory } from "./properties-parser.ts";

const recognizer = freshRecognizer();
const device = inventory.devices[0] as Device;
const limits = { frameBytesMax: 480, connectionsMax: 10 };

let directory: string;
let journal: number;
beforeEach(() => {
  directory = mkdtempSync(`${tmpdir()}/logwarden-journal-`);
  journal = openSync(`${directory}/journal`, "w+");
});
afterEach(() => {
  closeSync(journal);
  rmSync(directory, { recursive: true });
});

class Death extends Error {}

type OnPut = (id: string, from: string) => void;
const none: OnPut = () => undefined;

interface Stream {
  framer: Framer;
  slot: number | undefined;
  endName?: string | undefined;
  ended?: boolean;
}

/** One life of a parser with connections, without their sockets. */
class Life {
  readonly told: ToKeeper[] = [];
  readonly log = new CountingLog();
  /** What it put and got no answer for, in its order. */
  readonly unanswered: { place: number; from: string }[] = [];
  readonly #onPut: OnPut;
  readonly #keeping: Keeping;
  readonly #pipeline: Pipeline;
  readonly #streams = new Map<number, Stream>();
  #steps: number;

  /**
   * @param kept of the lives before
   * @param onPut called with the name of each task that is put, and whom it is about
   * @param steps how long it lives: lines that it sees, tasks that it makes, and has written down, reads that it ends, and has ended
   */
  constructor(kept: readonly KeptConnection[], onPut: OnPut, steps = Number.POSITIVE_INFINITY, within = limits) {
    this.#onPut = onPut;
    this.#steps = steps;
    const ids = createTaskIds();
    const channel: Channel = { tell: (message) => this.told.push(message), listen: () => undefined };
    const begin = { kind: "begin", kept, predecessor: undefined } as const;
    this.#keeping = new Keeping(channel, begin, journal, { ...within, ids, log: this.log });
    this.#pipeline = createPipeline({
      ...{ inventory, recognizer, log: this.log, foldRepeats: false, ids },
      submit: (tube, task) => {
        this.step();
        const body = JSON.stringify(task);
        const place = this.#keeping.put(tube, body);
        this.step();
        this.#send({ place, tube, body });
      },
    });
    for (const one of this.#keeping.unanswered()) this.#send(one);
  }

  /** One of the kept connections comes to it. @returns whether it can be followed */
  take(slot: number): boolean {
    const left = this.#keeping.left(slot);
    if (left === undefined) return false;
    this.#streams.set(slot, { framer: this.#framer(left.state), slot, endName: left.endName });
    if (left.inHand !== undefined) this.read(slot, left.inHand.bytes, left.inHand.name);
    return true;
  }

  /** @returns how to call the connection */
  open(): number {
    const framer = this.#framer();
    const slot = this.#keeping.hold({}, { door: "plain", peer: "10.10.10.201", speaker: undefined }, framer);
    this.#streams.set(slot ?? this.#streams.size, { framer, slot });
    return slot ?? this.#streams.size - 1;
  }

  has(connection: number): boolean {
    return this.#streams.has(connection);
  }

  read(connection: number, bytes: Uint8Array, name?: string): void {
    const { framer, slot } = this.#streams.get(connection) as Stream;
    const { headroom } = readBuffer;
    readBuffer.bytes.set(bytes, headroom);
    const to = headroom + bytes.length;
    // The first time it is not yet in hand: whoever dies there has lost it, as journal.ts says.
    let isInHand = slot === undefined;
    const readEnd = (): void => {
      this.#pipeline.readEnd();
      if (isInHand) this.step();
      isInHand = true;
    };
    if (slot === undefined) {
      framer.push(readBuffer.bytes, headroom, to);
      readEnd();
    } else this.#keeping.read(slot, framer, headroom, to, readEnd, name);
  }

  /** Its peer has ended it, or had already when it came to this life. */
  end(connection: number): void {
    const stream = this.#streams.get(connection) as Stream;
    const readEnd = (): void => {
      this.#pipeline.readEnd();
      this.step();
    };
    this.#keeping.end(stream.slot as number, stream.framer, readEnd, stream.endName);
    stream.ended = true;
    this.step();
  }

  /** @returns whether the keeper need not hold it any more: it has ended in this life */
  close(connection: number): boolean {
    const { slot, ended = false } = this.#streams.get(connection) ?? {};
    if (ended) this.#keeping.drop(slot as number);
    return ended;
  }

  /** The queue has answered for so many of what was put. */
  answer(count: number): string[] {
    const answered = this.unanswered.splice(0, count);
    for (const { place } of answered) this.#keeping.answered(place);
    return answered.map(({ from }) => from);
  }

  step(): void {
    if (this.#steps-- <= 0) throw new Death();
  }

  #framer(state = streamStart): Framer {
    const frame = (read: Latin1, from: number, to: number): void => {
      this.step();
      this.#pipeline.line(device, read, from, to);
    };
    const bytes = { line: { count: 0 }, framing: { count: 0 }, refused: { count: 0 } };
    return new Framer(limits.frameBytesMax, { frame, fault: () => undefined, bytes }, state);
  }

  #send({ place, body }: UnansweredPut): void {
    const { id, from } = JSON.parse(body) as { id: string; from: string };
    this.unanswered.push({ place, from });
    this.#onPut(id, from);
  }
}

const noise = "<30>Nov 21 04:44:40 gw1 systemd[1]: Started Session 1 of user root.";
/** Over the limit, and its rest would be a line that matters. */
const overlong = `${"x".repeat(limits.frameBytesMax)}${attack("192.0.2.254")}`;

/** What comes in on one connection. */
const stream = fc.record({
  framing: fc.constantFrom<Framing>("lf", "octet-counted"),
  lines: fc.array(fc.constantFrom("match", "match", "noise", "overlong"), { minLength: 1, maxLength: 20 }),
  readBytes: fc.integer({ min: 1, max: 700 }),
  /** Its last line has no newline. */
  endsOpen: fc.boolean(),
});

describe("a parser that dies", () => {
  const story = fc.record({
    streams: fc.array(stream, { minLength: 1, maxLength: 3 }),
    // How long each life is; the last one is as long as it needs to be.
    lives: fc.array(fc.integer({ min: 0, max: 40 }), { maxLength: 6 }),
    answered: fc.integer({ min: 0, max: 3 }),
  });

  test("at any moment, any number of times: every line is a task under one name, whether the queue had its puts or not", () => {
    fc.assert(
      fc.property(story, ({ streams, lives, answered }) => {
        ftruncateSync(journal);
        const steps = [...lives];
        const sent: string[] = [];
        /** Whatever was put, should the queue have all of it. */
        const put = new Map<string, string>();
        /** What the queue has even if it took nothing that it did not answer for. */
        const certain = new Set<string>();
        let life = new Life([], (id, from) => put.set(id, from));
        const open = streams.map(({ framing, lines, readBytes, endsOpen }, index) => {
          const texts = lines.map((line, n) => {
            if (line !== "match") return line === "noise" ? noise : overlong;
            const from = `192.0.${index}.${n + 1}`;
            sent.push(from);
            return attack(from);
          });
          const whole = frames(texts, framing);
          const bytes = endsOpen && framing === "lf" ? whole.subarray(0, -1) : whole;
          return { bytes, at: 0, readBytes, connection: life.open(), closed: false };
        });
        const held = life.told.flatMap((message) => (message.kind === "hold" ? [message.connection] : []));
        const kept = (): KeptConnection[] =>
          held.filter(({ slot }) => open.some(({ connection, closed }) => connection === slot && !closed));
        const live = (): void => {
          life = new Life(kept(), (id, from) => put.set(id, from), steps.shift());
        };
        /** @returns whether it lived on */
        const survives = (act: () => void): boolean => {
          try {
            act();
            return true;
          } catch (error) {
            if (!(error instanceof Death)) throw error;
            live();
            return false;
          }
        };
        live();
        for (let reading = true; reading; ) {
          reading = false;
          for (const one of open) {
            // Each comes to a new life in its turn, and others are read before it has.
            while (!life.has(one.connection)) survives(() => expect(life.take(one.connection)).toBe(true));
            const read = one.bytes.subarray(one.at, one.at + one.readBytes);
            one.at += read.length;
            if (read.length > 0) reading = true;
            survives(() => {
              if (read.length > 0) life.read(one.connection, read);
              for (const from of life.answer(answered)) certain.add(from);
              life.step();
            });
          }
        }
        while (open.some(({ closed }) => !closed)) {
          const still = open.filter(({ closed }) => !closed);
          // Others end before one that has ended is closed.
          for (const { connection } of still) {
            survives(() => {
              if (!life.has(connection)) expect(life.take(connection)).toBe(true);
              life.end(connection);
            });
          }
          for (const one of still) survives(() => (one.closed = life.close(one.connection)));
        }
        for (const from of life.answer(Number.POSITIVE_INFINITY)) certain.add(from);
        expect([...put.values()].sort()).toEqual([...sent].sort());
        expect([...certain].sort()).toEqual([...sent].sort());
        expect(new Life([], none).unanswered).toEqual([]);
      }),
      { numRuns: 2000 },
    );
  });
});

describe("what cannot be believed is not followed", () => {
  const lines = frames([attack("192.0.2.1"), noise, attack("192.0.2.2")]);

  /** Changes bytes of the journal where they stand. */
  function damage(bytes: Buffer, by: Buffer): void {
    const whole = readFileSync(`${directory}/journal`);
    const at = whole.indexOf(bytes);
    expect(at).toBeGreaterThan(0);
    writeSync(journal, by, 0, by.length, at);
  }

  /** A life that dies at its first line, with the read in hand. */
  function dieWithRead(): KeptConnection[] {
    const life = new Life([], none, 0);
    const connection = life.open();
    expect(() => life.read(connection, lines)).toThrow(Death);
    return life.told.flatMap((message) => (message.kind === "hold" ? [message.connection] : []));
  }

  test("a read of which only a part was written", () => {
    const kept = dieWithRead();
    const [connection] = kept as [KeptConnection];
    expect(new Life(kept, none).take(connection.slot)).toBe(true);
    const again = dieWithRead();
    damage(lines.subarray(-20), Buffer.alloc(40));
    expect(new Life(again, none).take(connection.slot)).toBe(false);
  });

  describe("the end of a read, torn", () => {
    const rest = Buffer.from("<38>Nov 21 04:44:40 gw1 sshd[2319]: Failed");

    /** A life with two connections, which has read on the first, and on the second as well if it is told to. */
    function liveAndTear(readsOther: boolean, onPut: OnPut): { kept: KeptConnection[]; torn: number } {
      const life = new Life([], onPut);
      const [torn, other] = [life.open(), life.open()];
      life.read(torn, Buffer.concat([lines, rest]));
      // Where its last bytes stand once more, it is what the read has left of its stream.
      const at = readFileSync(`${directory}/journal`).lastIndexOf(rest) + rest.length;
      if (readsOther) life.read(other, lines);
      writeSync(journal, Buffer.alloc(8), 0, 8, at);
      return { kept: life.told.flatMap((message) => (message.kind === "hold" ? [message.connection] : [])), torn };
    }

    test("the read is done again", () => {
      const put = new Map<string, string>();
      const onPut: OnPut = (id, from) => put.set(id, from);
      const { kept, torn } = liveAndTear(false, onPut);
      const next = new Life(kept, onPut);
      expect(next.take(torn)).toBe(true);
      next.read(torn, Buffer.from(" password for root from 192.0.2.3 port 22 ssh2\n"));
      expect([...put.values()]).toEqual(["192.0.2.1", "192.0.2.2", "192.0.2.3"]);
    });

    test("and not followed where another read stands in its place", () => {
      const { kept, torn } = liveAndTear(true, none);
      expect(new Life(kept, none).take(torn)).toBe(false);
    });
  });

  test("a journal that was emptied", () => {
    const kept = dieWithRead();
    ftruncateSync(journal);
    const [connection] = kept as [KeptConnection];
    expect(new Life(kept, none).take(connection.slot)).toBe(false);
  });

  test("a journal that cannot be written: the keeper lets go of everything, and the parser goes on without it", () => {
    const put: string[] = [];
    const onPut: OnPut = (_, from) => put.push(from);
    // Behind so many connections a put lies where no file system has bytes.
    const life = new Life([], onPut, undefined, { ...limits, connectionsMax: 1e12 });
    const connection = life.open();
    life.read(connection, lines);
    life.read(connection, lines);
    expect(put).toEqual(["192.0.2.1", "192.0.2.2", "192.0.2.1", "192.0.2.2"]);
    expect(life.log.counted("journal.failed")).toBe(1);
    expect(life.told.map(({ kind }) => kind)).toEqual(["hold", "drop"]);
    expect(fstatSync(journal).size).toBe(0);
    life.open();
    expect(life.told).toHaveLength(2);
  });
});
