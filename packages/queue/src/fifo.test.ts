import { describe, expect, test } from "@jest/globals";
import { Fifo } from "./fifo.ts";

describe("a queue", () => {
  test("gives back what it was given, in that order, while it grows, goes round and runs empty", () => {
    const queue = new Fifo<number>();
    const expected: number[] = [];
    let next = 0;
    // Each round leaves one more inside, at another place of the ring.
    for (let round = 0; round < 200; round += 1) {
      for (let n = 0; n < 8; n += 1) {
        queue.push(next);
        expected.push(next);
        next += 1;
      }
      for (let n = 0; n < 7; n += 1) expect(queue.shift()).toBe(expected.shift());
      expect([queue.length, queue.first]).toEqual([expected.length, expected[0]]);
    }
    expect(queue.takeAll()).toEqual(expected);
    expect([queue.length, queue.first, queue.shift()]).toEqual([0, undefined, undefined]);
    queue.push(1);
    expect(queue.takeAll()).toEqual([1]);
  });

  test("puts what comes late in its place", () => {
    const queue = new Fifo<number>();
    // So that the ring's end lies in the middle.
    for (let n = 0; n < 12; n += 1) queue.push(n);
    for (let n = 0; n < 12; n += 1) queue.shift();
    for (const number of [5, 7, 9, 6, 1, 8, 2, 10, 3, 4]) queue.insert(number, (other) => other > number);
    expect(queue.takeAll()).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  });
});
