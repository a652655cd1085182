import { afterEach, beforeEach, expect, jest, test } from "@jest/globals";
import { QueueError } from "@logwarden/queue";
import { systemClock } from "@logwarden/shared/clock";
import { taskTtrSeconds } from "@logwarden/shared/tubes";
import { JobsInHand } from "./jobs-in-hand.ts";
import type { Reserved } from "./reserve.ts";

// The clock is the test's: a commit that takes longer than a job's time to run takes two minutes in life.
beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());
const clock = {
  ...systemClock,
  sleep: (ms: number, signal?: AbortSignal): Promise<void> =>
    new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      signal?.addEventListener("abort", () => {
        clearTimeout(timer);
        resolve();
      });
    }),
};

const item = (touch: () => Promise<void>): Reserved => ({ job: { touch } }) as unknown as Reserved;

test("a job is touched three times in each time-to-run, as long as it is in hand", async () => {
  let touched = 0;
  const inHand = new JobsInHand(clock);
  const one = item(async () => void touched++);
  inHand.add([one]);
  await jest.advanceTimersByTimeAsync(2 * taskTtrSeconds * 1000);
  expect(touched).toBe(6);
  inHand.remove(one);
  await jest.advanceTimersByTimeAsync(taskTtrSeconds * 1000);
  expect(touched).toBe(6);
});

test("a job that is no longer ours does not disturb the touching of the others, and new ones are touched too", async () => {
  let touched = 0;
  const inHand = new JobsInHand(clock);
  inHand.add([item(() => Promise.reject(new QueueError("connection-lost", "gone")))]);
  inHand.add([item(async () => void touched++)]);
  await jest.advanceTimersByTimeAsync(taskTtrSeconds * 1000);
  expect([touched, inHand.size]).toEqual([3, 2]);
});
