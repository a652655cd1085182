import { expect, test } from "@jest/globals";
import { CommitSize } from "./commit-size.ts";

const sizes = (max: number, commitMs: (ops: number) => number, commits: number): number[] => {
  const size = new CommitSize(max);
  return Array.from({ length: commits }, () => {
    const ops = size.size;
    size.learn(ops, commitMs(ops));
    return ops;
  });
};

test("a router whose commits take a second however large they are soon gets the largest", () => {
  expect(sizes(2000, () => 1000, 5)).toEqual([100, 400, 1600, 2000, 2000]);
});

test("the router that was measured settles near a hundred, whatever it starts from", () => {
  const measured = (ops: number): number => 100 + 30 * ops + 0.032 * ops * ops;
  expect(sizes(2000, measured, 20).at(-1)).toBeGreaterThan(80);
  expect(sizes(2000, measured, 20).at(-1)).toBeLessThan(140);
});

test("one that needs a second for each change gets few, and never none", () => {
  expect(sizes(2000, (ops) => 1000 * ops, 3)).toEqual([100, 10, 10]);
  expect(sizes(3, (ops) => 60_000 * ops, 3)).toEqual([3, 3, 3]);
});

test("a small commit teaches nothing: there was no more to do", () => {
  const size = new CommitSize(2000);
  size.learn(1, 3000);
  expect(size.size).toBe(100);
});
