import { expect, test } from "@jest/globals";
import { buriedBecause, buryPriority, type FailureCode } from "./failure.ts";

test("a buried job's priority says why, and no other priority does", () => {
  const codes: FailureCode[] = ["task-not-json", "device-without-api", "save-failed"];
  for (const code of codes) expect(buriedBecause(buryPriority(code))).toBe(code);
  expect(buriedBecause(1000)).toBeUndefined();
  expect(buriedBecause(4_000_000_000)).toBeUndefined();
});

test("the numbers on disk never change: a job buried last year still tells its reason", () => {
  expect(buryPriority("task-not-json")).toBe(4_000_000_001);
  expect(buryPriority("task-device-unknown")).toBe(4_000_000_005);
  expect(buryPriority("change-failed-commit")).toBe(4_000_000_010);
  expect(buryPriority("save-failed")).toBe(4_000_000_019);
});
