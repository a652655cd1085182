import { expect, test } from "@jest/globals";
import fc from "fast-check";
import { formatDuration, parseDuration } from "./duration.ts";

test.each([
  ["90", 90],
  ["90s", 90],
  ["30m", 1800],
  ["4h", 14_400],
  ["7d", 604_800],
  ["2w", 1_209_600],
  ["1h30m", 5400],
  ["-1", "permanent"],
  ["permanent", "permanent"],
])("%s is a duration", (text, wanted) => expect(parseDuration(text)).toBe(wanted));

test.each([
  [""],
  ["0"],
  ["0s"],
  ["-2"],
  ["1.5h"],
  ["1 h"],
  ["h"],
  ["10x"],
  ["1y"],
  ["99999999999"],
  ["1e3"],
  ["forever"],
])("%j is none", (text) => expect(parseDuration(text)).toBeUndefined());

test("what is written is read back the same", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 3_000_000_000 }), (seconds) => {
      expect(parseDuration(formatDuration(seconds))).toBe(seconds);
    }),
  );
  expect(formatDuration(604_800)).toBe("1w");
  expect(formatDuration(0)).toBe("0s");
});
