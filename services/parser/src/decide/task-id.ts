/** Names for tasks: never given twice, by no parser on any machine, in any of its lives. */

import { randomBytes } from "node:crypto";

export interface TaskIds {
  /** `2-51-mS4Xl0c9bVZr2Y3t`: the number in its read, the read, the life of the process. */
  next(): string;
  /** What the ids of this read end with. */
  readonly read: string;
  /** The next ids are of another read. */
  nextRead(): void;
  /** The next ids are of a read that another life began, and called by this: the same ones once more. */
  repeat(read: string): void;
}

/**
 * A life of the process draws 96 random bits once and counts from there: two lives among 2^24 share them with a chance of one in
 * 2^49. A random id for each task would cost several times as much.
 */
export function createTaskIds(): TaskIds {
  const life = randomBytes(12).toString("base64url");
  let reads = 1;
  let number = 0;
  let read = `${reads}-${life}`;
  let isOwn = true;
  return {
    next: () => `${++number}-${read}`,
    get read() {
      return read;
    },
    nextRead() {
      // A read that made no task leaves its name to the next.
      if (number === 0 && isOwn) return;
      number = 0;
      isOwn = true;
      read = `${++reads}-${life}`;
    },
    repeat(earlier) {
      isOwn = false;
      read = earlier;
    },
  };
}
