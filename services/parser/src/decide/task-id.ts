/** Names for tasks: never given twice, by no parser on any machine, in any of its lives. */

import { randomBytes } from "node:crypto";

export interface TaskIds {
  /** `2-51-mS4Xl0c9bVZr2Y3t`: the number in its read, the read, the life of the process. */
  next(): string;
  /** The next ids are of another read. */
  nextRead(): void;
}

/**
 * A life of the process draws 96 random bits once and counts from there: two lives among 2^24 share them with a chance of one in
 * 2^49. A random id for each task would cost several times as much.
 */
export function createTaskIds(): TaskIds {
  const life = randomBytes(12).toString("base64url");
  let read = 1;
  let number = 0;
  let rest = `-${read}-${life}`;
  return {
    next: () => `${++number}${rest}`,
    nextRead() {
      if (number === 0) return;
      number = 0;
      rest = `-${++read}-${life}`;
    },
  };
}
