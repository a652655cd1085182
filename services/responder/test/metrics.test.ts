// What a responder shows of itself, its routers and the queue: read from the status port of a real process.

import type { ServicePart } from "@logwarden/lab/parts/service";
import { afterEach, expect, test } from "@jest/globals";
import { ban, type Rig, startRig, tube, until } from "./rig.ts";

let rig: Rig;
afterEach(() => rig.close());

/** Value by name and labels, as Prometheus writes them. */
async function metricsOf(responder: ServicePart): Promise<Map<string, number>> {
  const { statusPort } = await responder.said("service.started");
  const text = await (await fetch(`http://127.0.0.1:${String(statusPort)}/metrics`)).text();
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.split(" ").at(-1))]));
}

const shows = (responder: ServicePart, name: string, value: number): Promise<void> =>
  until(`${name} is ${value}`, async () => (await metricsOf(responder)).get(`logwarden_${name}`) === value);

test("from the line to the saved change is measured for the router itself and for those that follow it", async () => {
  rig = await startRig({
    routers: ["1.4", "1.4"],
    inventory: { policies: { password_failed: { targets: ["all"] } } },
  });
  const responder = await rig.startResponder();
  const at = new Date(Date.now() - 20_000).toISOString();
  await rig.put(tube(1), { ...ban("203.0.113.7"), at });
  for (const n of [1, 2]) await shows(responder, `lag_seconds_count{device="edge-${n}"}`, 1);
  const metrics = await metricsOf(responder);
  for (const device of ["edge-1", "edge-2"]) {
    // Twenty seconds ago, by the task.
    expect(metrics.get(`logwarden_lag_seconds_bucket{le="10",device="${device}"}`)).toBe(0);
    expect(metrics.get(`logwarden_lag_seconds_bucket{le="60",device="${device}"}`)).toBe(1);
    expect(metrics.get(`logwarden_commit_seconds_count{device="${device}"}`)).toBe(1);
    expect(metrics.get(`logwarden_save_seconds_count{device="${device}"}`)).toBe(1);
    expect(metrics.get(`logwarden_lease_held{device="${device}"}`)).toBe(1);
    expect(metrics.get(`logwarden_router_held{device="${device}"}`)).toBe(0);
    expect(metrics.get(`logwarden_tasks_in_hand{device="${device}"}`)).toBe(0);
    expect(metrics.get(`logwarden_group_members{device="${device}",family="4"}`)).toBe(1);
  }
  expect(metrics.get("logwarden_order_put_seconds_count")).toBe(1);
  expect(metrics.get("logwarden_ledger_away")).toBe(0);
  await shows(responder, 'placements{device="edge-2",state="verified"}', 1);
  // What somebody may have written into a line is in no label.
  expect([...metrics.keys()].filter((name) => name.includes("203.0.113.7"))).toEqual([]);
});

test("a router that is away shows as held, and its backlog and the age of it by queue node", async () => {
  rig = await startRig({ routers: ["1.4"], queues: 2 });
  await rig.routers[0]?.close();
  for (const node of [0, 1]) await rig.put(tube(1), ban(`203.0.113.${node + 1}`), node);
  const responder = await rig.startResponder();
  await shows(responder, 'router_held{device="edge-1"}', 1);
  for (const { address } of rig.queues) {
    const labels = `tube="${tube(1)}",node="${address}"`;
    await shows(responder, `tube_jobs{${labels},state="ready"}`, 1);
    await until("the waiting task has an age", async () => {
      const metrics = await metricsOf(responder);
      return (metrics.get(`logwarden_tube_oldest_seconds{${labels}}`) ?? 0) > 0;
    });
    await shows(responder, `queue_node_jobs{node="${address}",state="ready"}`, 1);
  }
  await rig.restartRouter(0);
  await shows(responder, 'router_held{device="edge-1"}', 0);
});

test("a queue node that dies shows as away, and nothing that was true of it before", async () => {
  rig = await startRig({ queues: 2 });
  const responder = await rig.startResponder();
  const [first, second] = rig.queues;
  const up = (address: string | undefined, value: number): Promise<void> =>
    shows(responder, `queue_node_up{node="${address}"}`, value);
  await up(first?.address, 1);
  await second?.program.kill();
  await up(second?.address, 0);
  const gone = [...(await metricsOf(responder)).keys()].filter(
    (name) => name.includes(`node="${second?.address}"`) && !name.startsWith("logwarden_queue_node_up"),
  );
  expect(gone).toEqual([]);
});
