/**
 * The worker's side of the keeper: which connections it holds for us, and what we got from a worker that died.
 *
 * Kept are streams whose lines have begun and that need nothing but their socket and the journal to be read on: no TLS, whose keys are
 * in the memory of whoever shook hands, and no connection before its PROXY header, which its balancer opens again.
 */

import type { SendHandle } from "node:child_process";
import { once } from "node:events";
import type { Log } from "@logwarden/shared/log";
import type { TaskIds } from "../decide/task-id.ts";
import type { Framer, FramerState } from "../receive/framing.ts";
import { readBuffer } from "../receive/read-buffer.ts";
import { Journal, type JournalLimits, type Left, type UnansweredPut } from "./journal.ts";
import { journalFd, type KeptConnection, type ToKeeper, type ToWorker } from "./messages.ts";

/** A connection of a worker that died. */
export interface Inherited {
  connection: KeptConnection;
  handle: unknown;
  /** Undefined: nobody can say where in a line its stream stands. */
  left: Left | undefined;
}

export interface KeepingOptions extends JournalLimits {
  /** What tasks are called by. */
  ids: TaskIds;
  log: Log;
}

/** The way to the keeper. */
export interface Channel {
  /** @param onTold called when the message is on its way: behind a socket others wait until the keeper has it */
  tell(message: ToKeeper, handle?: unknown, onTold?: () => void): void;
  listen(listener: (message: ToWorker, handle: unknown) => void): void;
}

export class Keeping {
  readonly #channel: Channel;
  readonly #journal: Journal;
  readonly #ids: TaskIds;
  readonly #log: Log;
  readonly #first: Begin;
  readonly #used: Set<number>;
  /** Those of them that the keeper has for certain. */
  readonly #held: Set<number>;
  /** From it on no slot was ever used. */
  #fresh: number;
  readonly #returned: number[] = [];
  #failed = false;

  /**
   * @param begin the keeper's first message
   * @param journal the file that it opened, for reading and writing
   */
  constructor(channel: Channel, begin: Begin, journal: number, options: KeepingOptions) {
    const { ids, log } = options;
    this.#channel = channel;
    this.#first = begin;
    this.#ids = ids;
    this.#log = log;
    this.#used = new Set(begin.kept.map(({ slot }) => slot));
    this.#journal = new Journal(journal, options, this.#used, (cause) => this.#fail(cause));
    this.#held = new Set(this.#used);
    this.#fresh = Math.max(-1, ...this.#used) + 1;
    for (let slot = 0; slot < this.#fresh; slot++) if (!this.#used.has(slot)) this.#returned.push(slot);
  }

  /** @returns undefined when nobody keeps us */
  static async join(options: KeepingOptions): Promise<Keeping | undefined> {
    if (process.send === undefined) return undefined;
    const [begin] = (await once(process, "message")) as [Begin];
    return new Keeping(ofProcess, begin, journalFd, options);
  }

  /** How many connections the keeper holds. */
  get size(): number {
    return this.#held.size;
  }

  /** We listen, and hear who asks us to stop: asks for what the last worker left. Each socket is given once, in its time. */
  ready(take: (inherited: Inherited) => void): void {
    this.#channel.listen((message, handle) => {
      if (message === "stop" || message.kind !== "take") return;
      const { connection } = message;
      take({ connection, handle, left: this.left(connection.slot) });
    });
    const { predecessor, kept } = this.#first;
    if (predecessor !== undefined) {
      const left = { connections: kept.length, tasks: this.#journal.unanswered.length };
      this.#log.say("worker.replaced", { reason: predecessor, ...left });
    }
    this.#channel.tell({ kind: "ready" });
  }

  /** Has the socket held from now on. @returns its slot; undefined when nothing can be kept any more */
  hold(handle: unknown, connection: Omit<KeptConnection, "slot">, state: FramerState): number | undefined {
    const slot = this.#returned.pop() ?? this.#fresh++;
    this.#journal.end(slot, state);
    if (this.#failed) return undefined;
    this.#used.add(slot);
    this.#channel.tell({ kind: "hold", connection: { slot, ...connection } }, handle, () => {
      if (this.#used.has(slot)) this.#held.add(slot);
    });
    return slot;
  }

  /** Not ours any more: its socket ends when ours does. */
  drop(slot: number): void {
    if (!this.#used.delete(slot)) return;
    this.#held.delete(slot);
    this.#returned.push(slot);
    this.#channel.tell({ kind: "drop", slot });
  }

  /**
   * Takes a read of a kept connection, readBuffer.bytes[from..to): whatever happens to us in here, its lines become tasks once.
   * @param name what a worker that died with this read in hand called it
   * @returns as Framer.push
   */
  read(slot: number, framer: Framer, from: number, to: number, onReadEnd: () => void, name?: string): boolean {
    this.#begin(slot, framer, from, to, onReadEnd, name);
    const goesOn = framer.push(readBuffer.bytes, from, to);
    onReadEnd();
    // One that cannot be followed any further stays in hand: whoever comes after us shall find out the same.
    if (goesOn) this.#journal.end(slot, framer);
    return goesOn;
  }

  /**
   * A kept connection has ended: whatever happens to us in here, what it carried becomes a task once.
   * @param name what a worker that died with this end in hand called it
   */
  end(slot: number, framer: Framer, onReadEnd: () => void, name?: string): void {
    this.#begin(slot, framer, readBuffer.headroom, readBuffer.headroom, onReadEnd, name);
    framer.end();
    onReadEnd();
    this.#journal.end(slot, framer);
  }

  #begin(slot: number, framer: Framer, from: number, to: number, onReadEnd: () => void, name?: string): void {
    // Datagrams of this turn are no part of this read: repeated, it would give their names to its own tasks.
    onReadEnd();
    if (name !== undefined) this.#ids.repeat(name);
    this.#journal.begin(slot, this.#ids.read, framer, readBuffer.bytes, from, to);
  }

  /** What was left of an inherited connection. */
  left(slot: number): Left | undefined {
    return this.#journal.left(slot);
  }

  /** A task is about to be put. @returns its place */
  put(tube: string, body: string): number {
    return this.#journal.put(tube, body);
  }

  /** The queue has it, or will never have it. */
  answered(place: number): void {
    this.#journal.answered(place);
  }

  /** What the last worker died with: puts that nobody may have taken. */
  unanswered(): readonly UnansweredPut[] {
    return this.#journal.unanswered;
  }

  /** What is not in the journal cannot be read on by anybody: from here on we are a parser without a keeper. */
  #fail(cause: unknown): void {
    this.#failed = true;
    this.#log.say("journal.failed", { detail: String(cause) });
    for (const slot of [...this.#used]) this.drop(slot);
  }
}

type Begin = Extract<ToWorker, { kind: "begin" }>;

/** A keeper that is gone is no error here: process.ts ends us for it. */
const ofProcess: Channel = {
  tell(message, handle, onTold) {
    process.send?.(message, handle as SendHandle, undefined, (cause) => {
      if (cause === null) onTold?.();
    });
  },
  listen: (listener) => process.on("message", listener),
};
