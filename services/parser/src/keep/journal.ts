/**
 * What a worker has read and not yet brought into the queue, where the next one finds it: a file that outlives both.
 *
 *   [in hand 0]… [in hand 7][connection 0][connection 1]… [put 0][put 1]…
 *
 *   in hand      a read, behind the state that it is read in: written before its first byte is looked at; or the end of a stream, as
 *                a read of nothing. A worker has one of these, and leaves those alone that dead ones left until their connections
 *                have come to it
 *   connection   the state that a read has left its stream in: written when all that came of that read is a put
 *   put          a task: written before it is sent, erased when the queue has answered
 *
 * A worker that died while it parsed leaves a read in hand with a number that its connection does not have: the next one reads it
 * again and calls its tasks by the same names. Puts that were not answered are put again. Either may happen to a task that the queue
 * has already: whoever counts tasks counts them by name, as after any put whose answer was lost.
 *
 * A kill can end a write between two of its pages: each record ends with the number that it begins with, and one that does not is
 * torn. A connection with a torn record cannot be followed: it might go on in the middle of a line, and what a stranger wrote there
 * would look like a line of its own. A put that is torn is of a read that is still in hand.
 *
 * Not seen here: a worker that dies between the kernel's answer and the first of these writes, some microseconds, has lost that read.
 */

import { fstatSync, ftruncateSync, readSync, writeSync } from "node:fs";
import { carryBytesMax, type FramerState, framingMethods, octetCountBytesMax } from "../receive/framing.ts";
import { readBuffer } from "../receive/read-buffer.ts";

export interface JournalLimits {
  frameBytesMax: number;
  connectionsMax: number;
}

/** What a dead worker left of a connection: how to read on, and what to read first. */
export interface Left {
  state: FramerState;
  /** A read that it had not finished: bytes from the kernel, behind the state's carry. */
  inHand: { name: string; bytes: Buffer } | undefined;
  /** The stream had ended, and this is what its last line was called by. The next worker finds the end as well. */
  endName: string | undefined;
}

/** A task that a dead worker may have put. */
export interface UnansweredPut {
  place: number;
  tube: string;
  body: string;
}

/** Every record: a number, its fields, its bytes, the number once more. */
const numberBytes = readBuffer.journalTail;
/** In hand: number 8, slot 4, read 4, carry 4, skip 4, method 1, overlong 1, name 38: `51-mS4Xl0c9bVZr2Y3t`. */
const inHandHeadBytes = readBuffer.journalHead;
const nameAt = 26;
/** Connection: number 8, carry 4, skip 4, method 1, overlong 1. */
const slotHeadBytes = 24;
/** Put: number 8, tube 2, body 2. */
const putHeadBytes = 16;
/** A tube's name has 200 bytes at most (beanstalkd), a task a reason of 1000 and a user of 256 characters of six. Most touch one page. */
const putBytesMax = 12_288;

const inHandBytes = inHandHeadBytes + carryBytesMax + readBuffer.size + numberBytes;
/** One more than there may be workers in a row that die before they have every connection (keeper.ts), and some. */
const inHandCount = 8;
const slotsAt = inHandCount * inHandBytes;

export class Journal {
  /** What the last worker died with. */
  readonly unanswered: readonly UnansweredPut[];
  readonly #fd: number;
  readonly #slotBytes: number;
  readonly #slot: Buffer;
  readonly #put = Buffer.alloc(putBytesMax);
  readonly #putsAt: number;
  /** Places of puts below #places that are empty; the last one is used first, so that few pages are touched. */
  readonly #empty: number[] = [];
  #places = 0;
  readonly #onFailure: (cause: unknown) => void;
  /** Where dead workers had reads in hand that nobody has finished. */
  readonly #abandoned: readonly InHandHead[];
  /** Where ours is. */
  readonly #inHandAt: number;
  #failed = false;
  /** Of the last record. */
  #number: number;

  /**
   * @param fd open for reading and writing
   * @param slots of the connections that a dead worker left
   * @param onFailure called once, when a record could not be written: no space is left, for example
   */
  constructor(
    fd: number,
    { frameBytesMax, connectionsMax }: JournalLimits,
    slots: ReadonlySet<number>,
    onFailure: (cause: unknown) => void,
  ) {
    this.#fd = fd;
    this.#onFailure = onFailure;
    this.#slotBytes = slotHeadBytes + frameBytesMax + octetCountBytesMax + numberBytes;
    this.#slot = Buffer.alloc(this.#slotBytes);
    // As many may be accepted while those of a dead worker are not yet taken.
    this.#putsAt = slotsAt + 2 * connectionsMax * this.#slotBytes;
    this.unanswered = this.#readPuts();
    const heads = Array.from({ length: inHandCount }, (_, index) => this.#readInHandHead(index * inHandBytes));
    this.#abandoned = heads
      .filter(({ slot, number }) => slots.has(slot) && isUnfinished(number, this.#readSlot(slot)))
      .toSorted((a, b) => b.number - a.number);
    const isFree = (head: InHandHead): boolean => !this.#abandoned.includes(head);
    // When none is free, what the oldest one holds is lost, and its connection is not followed.
    this.#inHandAt = (heads.find(isFree) ?? (this.#abandoned.at(-1) as InHandHead)).at;
    // A record of number 0 was never written.
    this.#number = Math.max(1, ...heads.map(({ number }) => number));
  }

  /**
   * The bytes from..to of a connection are about to be read; none: it has ended, and what was carried is its last line.
   * @param name what the read's tasks will be called by, in ASCII
   * @param bytes the read buffer: what stands around from..to in it is written over
   */
  begin(slot: number, name: string, state: FramerState, bytes: Buffer, from: number, to: number): void {
    const { carry } = state;
    const start = from - carry.length - inHandHeadBytes;
    const number = ++this.#number;
    bytes.writeDoubleLE(number, start);
    bytes.writeUInt32LE(slot, start + 8);
    bytes.writeUInt32LE(to - from, start + 12);
    bytes.writeUInt32LE(carry.length, start + 16);
    bytes.writeUInt32LE(state.skip, start + 20);
    bytes[start + 24] = framingMethods.indexOf(state.method);
    bytes[start + 25] = state.overlong ? 1 : 0;
    bytes.write(name.padEnd(inHandHeadBytes - nameAt), start + nameAt, "latin1");
    if (carry !== "") bytes.write(carry, start + inHandHeadBytes, "latin1");
    bytes.writeDoubleLE(number, to);
    this.#write(bytes, start, to + numberBytes - start, this.#inHandAt);
  }

  /** All that comes of the read that was begun last is a put; or a connection begins. */
  end(slot: number, state: FramerState): void {
    const { carry } = state;
    const record = this.#slot;
    record.writeDoubleLE(this.#number, 0);
    record.writeUInt32LE(carry.length, 8);
    record.writeUInt32LE(state.skip, 12);
    record[16] = framingMethods.indexOf(state.method);
    record[17] = state.overlong ? 1 : 0;
    record.write(carry, slotHeadBytes, "latin1");
    const tailAt = slotHeadBytes + carry.length;
    record.writeDoubleLE(this.#number, tailAt);
    this.#write(record, 0, tailAt + numberBytes, this.#slotAt(slot));
  }

  /** What was left of a connection; undefined: its records are torn, or gone. */
  left(slot: number): Left | undefined {
    const own = this.#readSlot(slot);
    if (own.number === 0) return undefined;
    // The newest first: it may be the same read, begun again; one that is torn was not even begun.
    const unfinished = this.#abandoned.filter((one) => one.slot === slot && isUnfinished(one.number, own));
    for (const head of unfinished) {
      const left = this.#readInHand(head);
      if (left !== undefined) return left;
    }
    if (unfinished.length > 0 || own.state === undefined) return undefined;
    return { state: own.state, inHand: undefined, endName: undefined };
  }

  /**
   * A task is about to be sent.
   * @param body ASCII
   * @returns its place, until it is answered
   */
  put(tube: string, body: string): number {
    const place = this.#empty.pop() ?? this.#places++;
    const record = this.#put;
    const tailAt = putHeadBytes + tube.length + body.length;
    // Not zero, which is what an empty place begins with.
    record.writeDoubleLE(place + 1, 0);
    record.writeUInt16LE(tube.length, 8);
    record.writeUInt16LE(body.length, 10);
    record.write(tube, putHeadBytes, "latin1");
    record.write(body, putHeadBytes + tube.length, "latin1");
    record.writeDoubleLE(place + 1, tailAt);
    this.#write(record, 0, tailAt + numberBytes, this.#putAt(place));
    return place;
  }

  answered(place: number): void {
    this.#empty.push(place);
    this.#write(nothing, 0, numberBytes, this.#putAt(place));
  }

  /** A journal that misses something must not be believed: it is emptied, and no longer written. */
  #write(bytes: Buffer, from: number, length: number, at: number): void {
    if (this.#failed) return;
    try {
      const written = writeSync(this.#fd, bytes, from, length, at);
      if (written < length) throw new Error(`only ${written} of ${length} bytes were written`);
    } catch (cause) {
      this.#failed = true;
      this.#onFailure(cause);
      ftruncateSync(this.#fd);
    }
  }

  #slotAt(slot: number): number {
    return slotsAt + slot * this.#slotBytes;
  }

  #putAt(place: number): number {
    return this.#putsAt + place * putBytesMax;
  }

  #readSlot(slot: number): Slot {
    const head = this.#read(this.#slotAt(slot), slotHeadBytes);
    const number = head.readDoubleLE(0);
    const carryBytes = head.readUInt32LE(8);
    const rest = this.#read(this.#slotAt(slot) + slotHeadBytes, carryBytes + numberBytes);
    if (rest.readDoubleLE(carryBytes) !== number) return { number, state: undefined };
    const carry = rest.toString("latin1", 0, carryBytes);
    return {
      number,
      state: { skip: head.readUInt32LE(12), method: methodOf(head[16]), overlong: head[17] === 1, carry },
    };
  }

  #readInHandHead(at: number): InHandHead {
    const head = this.#read(at, inHandHeadBytes);
    return {
      at,
      number: head.readDoubleLE(0),
      slot: head.readUInt32LE(8),
      readBytes: head.readUInt32LE(12),
      carryBytes: head.readUInt32LE(16),
      state: { skip: head.readUInt32LE(20), method: methodOf(head[24]), overlong: head[25] === 1 },
      name: head.toString("latin1", nameAt).trimEnd(),
    };
  }

  /** @returns undefined when it is torn, or when another read stands there by now */
  #readInHand({ at, number, readBytes, carryBytes, state, name }: InHandHead): Left | undefined {
    const length = carryBytes + readBytes;
    const rest = this.#read(at + inHandHeadBytes, length + numberBytes);
    if (rest.readDoubleLE(length) !== number) return undefined;
    const carry = rest.toString("latin1", 0, carryBytes);
    const inHand = { name, bytes: rest.subarray(carryBytes, length) };
    const isEnd = readBytes === 0;
    return {
      state: { ...state, carry },
      inHand: isEnd ? undefined : inHand,
      endName: isEnd ? name : undefined,
    };
  }

  #readPuts(): UnansweredPut[] {
    const puts: UnansweredPut[] = [];
    const { size } = fstatSync(this.#fd);
    for (; this.#putAt(this.#places) < size; this.#places++) {
      const place = this.#places;
      const record = this.#read(this.#putAt(place), putBytesMax);
      const tubeEnd = putHeadBytes + record.readUInt16LE(8);
      const bodyEnd = tubeEnd + record.readUInt16LE(10);
      const number = record.readDoubleLE(0);
      const isWhole =
        number === place + 1 && bodyEnd + numberBytes <= putBytesMax && record.readDoubleLE(bodyEnd) === number;
      if (isWhole) {
        puts.push({
          place,
          tube: record.toString("latin1", putHeadBytes, tubeEnd),
          body: record.toString("latin1", tubeEnd, bodyEnd),
        });
      } else this.#empty.push(place);
    }
    return puts;
  }

  /** What was never written is zero. */
  #read(at: number, length: number): Buffer {
    const bytes = Buffer.alloc(length);
    readSync(this.#fd, bytes, 0, length, at);
    return bytes;
  }
}

const nothing = Buffer.alloc(numberBytes);

interface Slot {
  /** Of the last read that was finished. */
  number: number;
  /** Undefined: torn, while that read was being finished. */
  state: FramerState | undefined;
}

interface InHandHead {
  at: number;
  slot: number;
  number: number;
  readBytes: number;
  carryBytes: number;
  state: Omit<FramerState, "carry">;
  name: string;
}

function isUnfinished(number: number, { number: finished, state }: Slot): boolean {
  return number > finished || (number === finished && state === undefined);
}

function methodOf(index: number | undefined): FramerState["method"] {
  return framingMethods[index ?? 0] ?? "unknown";
}
