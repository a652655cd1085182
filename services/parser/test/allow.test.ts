// What of logwarden.yaml is followed while the parser runs: the never-ban list. And whose lines belong to no device's tube.

import { readFileSync, writeFileSync } from "node:fs";
import { parseNodeAddress, Connection } from "@logwarden/queue";
import { afterEach, expect, test } from "@jest/globals";
import { parse, stringify } from "yaml";
import { attack, frames } from "./balancer.ts";
import { type Rig, startRig, until } from "./rig.ts";

let rig: Rig;
afterEach(() => rig.close());

test("an address that is allowed becomes no task from then on, and one that is allowed no longer does", async () => {
  rig = await startRig();
  const path = String(((await rig.parser.said("service.started"))["config"] as { config: string }).config);
  const file = parse(readFileSync(path, "utf8")) as object;
  const balancer = await rig.dial();
  await balancer.send(frames([attack("203.0.113.7", "before")]));
  expect(await rig.take(1)).toMatchObject([{ user: "before" }]);

  const allow = async (...list: string[]): Promise<void> => {
    const changed = await rig.metric("allow_changed_total");
    writeFileSync(path, stringify({ ...file, allow: list }));
    await until("the list is in force", async () => (await rig.metric("allow_changed_total")) === changed + 1);
  };
  await allow("203.0.113.0/24");
  await balancer.send(frames([attack("203.0.113.7", "allowed"), attack("198.51.100.9", "another")]));
  expect(await rig.take(1)).toMatchObject([{ user: "another" }]);
  await allow();
  await balancer.send(frames([attack("203.0.113.7", "after")]));
  expect(await rig.take(1)).toMatchObject([{ user: "after" }]);
});

test("tasks of an accepted host that is in no inventory wait where every responder looks", async () => {
  rig = await startRig({ inventory: { unknownDevices: "accept" } });
  const balancer = await rig.dial({ source: "10.10.10.99" });
  await balancer.send(frames([attack("203.0.113.7")]));
  const worker = await Connection.open(parseNodeAddress(rig.queues[0]?.address ?? ""));
  await worker.watchOnly(["logwarden.intake"]);
  const found = await worker.reserve(20);
  expect(found.kind === "job" && JSON.parse(found.body.toString())).toMatchObject({
    host: "10.10.10.99",
    from: "203.0.113.7",
  });
  await worker.close();
});
