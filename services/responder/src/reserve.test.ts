import { afterEach, beforeEach, expect, jest, test } from "@jest/globals";
import { type Job, QueueError } from "@logwarden/queue";
import { taskTtrSeconds } from "@logwarden/shared/tubes";
import { idOf, keepReserved } from "./reserve.ts";

// The clock is the test's: a commit that takes longer than a job's time to run takes two minutes in life.
beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

const job = (touch: () => Promise<void>): Job =>
  ({ id: "7", node: "q:1", body: Buffer.from("{}"), touch }) as unknown as Job;

test("a job is touched three times in each time-to-run, as long as the work goes on", () => {
  let touched = 0;
  const stop = keepReserved([job(async () => void touched++)]);
  jest.advanceTimersByTime(2 * taskTtrSeconds * 1000);
  expect(touched).toBe(6);
  stop();
  jest.advanceTimersByTime(taskTtrSeconds * 1000);
  expect(touched).toBe(6);
});

test("a job that is no longer ours does not disturb the touching of the others", async () => {
  let touched = 0;
  const lost = job(() => Promise.reject(new QueueError("connection-lost", "gone")));
  const stop = keepReserved([lost, job(async () => void touched++)]);
  await jest.advanceTimersByTimeAsync(taskTtrSeconds * 1000);
  stop();
  expect(touched).toBe(3);
});

test("the same job has the same id each time it is delivered, and another job another one", () => {
  const first = job(async () => undefined);
  expect(idOf(first)).toBe(idOf({ ...first }));
  expect(idOf(first)).not.toBe(idOf({ ...first, id: "8" }));
});
