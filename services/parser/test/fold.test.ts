// What an operator gets who folds repeats: fewer jobs in a flood, and the same sums.

import { expect, test } from "@jest/globals";
import { attack, frames } from "./balancer.ts";
import { startRig, type TaskSeen } from "./rig.ts";

const flood = [
  ...["203.0.113.1", "203.0.113.2", "203.0.113.1"].map((from) => attack(from)),
  ...["root", "admin", "root"].map((user) => attack("203.0.113.3", user)),
  attack("203.0.113.1").replace("]: ", "]: message repeated 4 times: [ ").concat("]"),
];

const sums = (tasks: readonly TaskSeen[]): Record<string, number> =>
  tasks.reduce<Record<string, number>>((all, { from, user, count }) => {
    const key = `${String(from)} ${String(user)}`;
    return { ...all, [key]: (all[key] ?? 0) + Number(count) };
  }, {});

const expected = { "203.0.113.1 root": 6, "203.0.113.2 root": 1, "203.0.113.3 root": 2, "203.0.113.3 admin": 1 };

test("repeats inside one read are one task with their count; without folding each is a task", async () => {
  const folding = await startRig({ env: { LOGWARDEN_FOLD_REPEATS: "yes" } });
  const plain = await startRig();
  try {
    for (const [rig, jobs] of [
      [folding, 4],
      [plain, flood.length],
    ] as const) {
      const balancer = await rig.dial();
      // Loopback delivers what one write held in one read.
      await balancer.send(frames(flood));
      const tasks = await rig.take(jobs);
      expect(sums(tasks)).toEqual(expected);
      expect(new Set(tasks.map(({ id }) => id)).size).toBe(jobs);
      expect(await rig.ready()).toBe(0);
      expect(await rig.metric("event_recognized_total")).toBe(flood.length);
    }
  } finally {
    await Promise.all([folding.close(), plain.close()]);
  }
});
