// Who works for which router: real responder processes that come, go and die.

import type { ServicePart } from "@logwarden/lab/parts/service";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { ban, type Rig, startRig, tube, until } from "./rig.ts";

const routers = 6;
let rig: Rig;
beforeEach(async () => {
  rig = await startRig({ routers: Array.from({ length: routers }, () => "1.4" as const) });
});
afterEach(() => rig.close());

/** How many routers each living responder has, largest first. */
async function shares(): Promise<number[]> {
  const owners = (await rig.ledger.leases()).map(({ owner }) => owner);
  if (owners.length < routers || owners.includes(null)) return [];
  const counts = Map.groupBy(owners, (owner) => owner);
  return [...counts.values()].map((all) => all.length).toSorted((a, b) => b - a);
}

const shared = (wanted: readonly number[]): Promise<void> =>
  until(`the routers are shared as ${wanted.join(", ")}`, async () => (await shares()).join() === wanted.join());

const takenBy = ({ log }: ServicePart): unknown[] =>
  log.flatMap(({ event, device }) => (event === "lease.taken" ? [device] : []));

/**
 * SQLite is locked by whoever writes: a process that is stopped in the middle of that stops everybody, and that is another story.
 * So it is stopped, and let go again, until somebody else can write.
 */
async function stopBetweenTransactions({ program }: ServicePart): Promise<void> {
  for (;;) {
    program.signal("SIGSTOP");
    const free = rig.ledger.release("nobody", ["edge-1"]).then(() => true);
    if (await Promise.race([free, new Promise((resolve) => setTimeout(resolve, 1000, false))])) return;
    program.signal("SIGCONT");
    await free;
  }
}

test("a single responder has them all; a second and a third take their shares, and who stops gives his back", async () => {
  await rig.startResponder();
  await shared([6]);
  const second = await rig.startResponder();
  await shared([3, 3]);
  const third = await rig.startResponder();
  await shared([2, 2, 2]);
  second.program.signal("SIGTERM");
  expect(await second.program.ended).toEqual({ code: 0, signal: null });
  await shared([3, 3]);
  third.program.signal("SIGTERM");
  await shared([6]);
});

test("of three that are killed one after the other, the last one does the work of all", async () => {
  const all = [await rig.startResponder(), await rig.startResponder(), await rig.startResponder()];
  await shared([2, 2, 2]);
  await all[0]?.program.kill();
  await all[1]?.program.kill();
  for (let n = 1; n <= routers; n++) await rig.put(tube(n), ban(`10.0.${n}.1`, n));
  await shared([6]);
  for (let n = 1; n <= routers; n++) {
    await rig.empty(tube(n));
    expect(rig.routers[n - 1]?.savedMembers("BAD_GUYS")).toEqual([`10.0.${n}.1`]);
  }
});

test("each router has one writer at a time, while responders come and die", async () => {
  for (const router of rig.routers) router.inject({ kind: "slow", ms: 150, endpoint: "/configure" });
  await rig.startResponder();
  await shared([6]);
  let number = 0;
  const attack = async (): Promise<void> => {
    for (let n = 1; n <= routers; n++) await rig.put(tube(n), ban(`10.1.${n}.${++number % 250}`, n));
  };
  for (let turn = 0; turn < 3; turn++) {
    await attack();
    await rig.startResponder();
    await attack();
  }
  await until("four share them", async () => (await shares()).length === 4);
  await attack();
  for (let n = 1; n <= routers; n++) await rig.empty(tube(n));
  for (const { requests } of rig.routers) {
    const writes = requests.filter(({ endpoint }) => endpoint !== "/retrieve");
    expect(writes.length).toBeGreaterThan(5);
    // A writer waits for its answer before it sends the next on the same connection; the router may notice a moment later that the
    // answer is out, but not on another one.
    const overlaps = writes.filter(({ receivedAtMs, peer }, index) => {
      const before = writes[index - 1];
      return before !== undefined && before.peer !== peer && (before.answeredAtMs ?? Infinity) > receivedAtMs;
    });
    expect(overlaps).toEqual([]);
  }
});

test("a responder that was stopped for longer than a lease writes nothing more to what others have by now", async () => {
  const first = await rig.startResponder();
  await shared([6]);
  rig.routers[0]?.inject({ kind: "slow", ms: 500, endpoint: "/configure" });
  await stopBetweenTransactions(first);
  const second = await rig.startResponder();
  await until("the second has them all", () => new Set(takenBy(second)).size === 6);
  await rig.put(tube(1), ban("10.0.0.1"));
  await rig.empty(tube(1));
  const before = rig.routers[0]?.requests.length;
  first.program.signal("SIGCONT");
  await first.said("lease.given");
  await shared([3, 3]);
  const written = rig.routers[0]?.requests.slice(before).filter(({ endpoint }) => endpoint !== "/retrieve");
  expect(written).toEqual([]);
});
