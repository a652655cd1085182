/**
 * What of a responder is read when somebody asks for its metrics. Labels are devices of the inventory, queue nodes of the
 * configuration, tubes of these devices, and closed lists: nothing from a log line.
 *
 * Of routers each responder shows those it works for, so that a sum over all responders counts nothing twice. Intake tubes are
 * watched by all of them, and shown by all of them: take the largest (deploy/observability/rules.yml does).
 */

import type { Inventory } from "@logwarden/shared/inventory";
import type { Sample, ServiceLog } from "@logwarden/shared/log";
import type { Condition } from "../device-worker.ts";
import type { Responder } from "../responder.ts";
import type { LedgerWatch } from "./ledger.ts";
import type { JobCounts, NodeReading, QueueWatch } from "./queue.ts";

export interface Shown {
  responder: Responder;
  inventory: Pick<Inventory, "devices" | "groupMax">;
  queue: QueueWatch;
  ledger: LedgerWatch;
}

export function showMetrics(log: ServiceLog, { responder, inventory, queue, ledger }: Shown): void {
  log.watch("leases_held", "Devices that this responder works for.", () => responder.held);
  log.watch("ledger_away", "1 while the ledger does not answer this responder.", () => Number(responder.ledgerAway));
  log.watch("group_max", "Addresses that a group may hold: groupMax.", () => inventory.groupMax);

  const ofDevices = (value: (condition: Condition) => number): Sample<"device">[] =>
    [...responder.conditions].map(([device, condition]) => ({ labels: { device }, value: value(condition) }));
  log.watchEach(
    "lease_held",
    "1 for each device that this responder works for, 0 for the others: summed up, each has 1.",
    ["device"],
    () => {
      const { conditions } = responder;
      return inventory.devices.map(({ key }) => ({ labels: { device: key }, value: Number(conditions.has(key)) }));
    },
  );
  log.watchEach("router_held", "1 while nothing can be done on the device and its tasks wait.", ["device"], () =>
    ofDevices(({ held }) => Number(held)),
  );
  log.watchEach("tasks_in_hand", "Tasks that are reserved and not settled.", ["device"], () =>
    ofDevices(({ inHand }) => inHand),
  );
  log.watchEach(
    "group_members",
    "Addresses in a router's group, those that people added among them; absent while nobody knows.",
    ["device", "family"],
    () =>
      [...responder.conditions].flatMap(([device, { sizes }]) =>
        sizes === undefined
          ? []
          : ([4, 6] as const).map((family) => ({ labels: { device, family: String(family) }, value: sizes[family] })),
      ),
  );
  log.watchEach(
    "placements",
    "Addresses that we put into a router's groups, by how far that has come.",
    ["device", "state"],
    () => {
      const { conditions } = responder;
      return ledger.placements
        .filter(({ router }) => conditions.has(router))
        .flatMap(({ router, verified, pending, failing }) =>
          Object.entries({ verified, pending, failing }).map(([state, value]) => ({
            labels: { device: router, state },
            value,
          })),
        );
    },
  );
  showQueue(log, queue);
}

function showQueue(log: ServiceLog, { nodes }: QueueWatch): void {
  const ofNodes = (value: (reading: NodeReading) => number): Sample<"node">[] =>
    [...nodes].flatMap(([node, reading]) => (reading.up ? [{ labels: { node }, value: value(reading) }] : []));
  log.watchEach("queue_node_up", "1 when the queue node answered this responder in the last round.", ["node"], () =>
    [...nodes].map(([node, { up }]) => ({ labels: { node }, value: Number(up) })),
  );
  log.watchEach("queue_node_draining", "1 while the queue node takes no new jobs.", ["node"], () =>
    ofNodes(({ draining }) => Number(draining)),
  );
  log.watchEach("queue_node_answer_seconds", "How long the queue node took to answer.", ["node"], () =>
    ofNodes(({ answerSeconds }) => answerSeconds),
  );
  log.watchEach("queue_node_jobs", "Jobs of all tubes of the queue node, ours or not.", ["node", "state"], () =>
    [...nodes].flatMap(([node, { up, jobs }]) => (up ? ofStates({ node }, jobs) : [])),
  );
  log.watchEach("tube_jobs", "Jobs of a tube that this responder watches.", ["tube", "node", "state"], () =>
    [...nodes].flatMap(([node, { tubes }]) => [...tubes].flatMap(([tube, { jobs }]) => ofStates({ tube, node }, jobs))),
  );
  log.watchEach("tube_watchers", "Connections that take jobs of the tube.", ["tube", "node"], () =>
    [...nodes].flatMap(([node, { tubes }]) =>
      [...tubes].map(([tube, { watchers }]) => ({ labels: { tube, node }, value: watchers })),
    ),
  );
  log.watchEach(
    "tube_oldest_seconds",
    "Age of the job that is next, since it was put; 0 when nothing is ready.",
    ["tube", "node"],
    () =>
      [...nodes].flatMap(([node, { tubes }]) =>
        [...tubes].map(([tube, { oldestSeconds }]) => ({ labels: { tube, node }, value: oldestSeconds })),
      ),
  );
}

function ofStates<L extends string>(labels: Record<L, string>, jobs: JobCounts): Sample<L | "state">[] {
  return Object.entries(jobs).map(([state, value]) => ({
    labels: { ...labels, state } as Record<L | "state", string>,
    value,
  }));
}
