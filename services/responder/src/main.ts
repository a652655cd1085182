/**
 * The responder: task → plan → change. Any number of replicas run side by side and share the routers among themselves.
 *
 *   reserve ──▶ decide ──▶ plan ──▶ apply ──▶ settle
 */

import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import { openLedger } from "@logwarden/ledger";
import { Consumer, parseNodeAddress, Producer } from "@logwarden/queue";
import { systemClock } from "@logwarden/shared/clock";
import { ledgerAddress, readPart, readTogether } from "@logwarden/shared/environment";
import { type DeviceApi, readInventory } from "@logwarden/shared/inventory";
import { runService } from "@logwarden/shared/process";
import { type QueueEvent, sayQueueEvent } from "@logwarden/shared/queue-events";
import { deviceTube, intakeTubes } from "@logwarden/shared/tubes";
import { watchAllow } from "@logwarden/shared/watch-allow";
import type { VyosClient } from "@logwarden/vyos";
import { connectTo } from "./apply/connect.ts";
import { responderVariables } from "./config.ts";
import { startResponder } from "./responder.ts";
import { showMetrics } from "./watch/metrics.ts";
import { watchLedger } from "./watch/ledger.ts";
import { watchQueue } from "./watch/queue.ts";

/** Unanswered commands on a connection: a touch and a delete of every task in hand, and the reserves of the next. */
const queueWindow = 4096;

await runService({
  name: "responder",
  about:
    "The responder: reserves tasks, decides by policies, applies what follows to VyOS routers over their HTTP API, saves, then deletes the job.",
  variables: responderVariables,
  flags: {
    "--dry-run": {
      about: "as LOGWARDEN_DRY_RUN=yes: decide, write into the ledger, show, and touch no router",
      sets: { LOGWARDEN_DRY_RUN: "yes" },
    },
  },

  prepare: (environment) => {
    const { config, queues, configureTimeoutMs } = environment;
    const { inventory, nodes, address } = readTogether({
      inventory: () => readInventory(config),
      nodes: () => readPart("LOGWARDEN_QUEUES", () => queues.map(parseNodeAddress)),
      address: () => ledgerAddress(environment),
    });
    const connect = (api: DeviceApi): VyosClient => connectTo(api, { configureMs: configureTimeoutMs });
    // Every key, certificate and fingerprint is read once now, so that a mistake stops the start and not the first ban.
    const tries = inventory.devices.flatMap(({ key, api }) =>
      api === undefined ? [] : [[key, () => readPart(`${config}: devices.${key}.api`, () => connect(api).close())]],
    );
    readTogether(Object.fromEntries(tries) as Record<string, () => void>);
    return { inventory, connect, nodes, address };
  },

  start: async (environment, { inventory, connect, nodes, address }, log) => {
    const ledger = await openLedger(address);
    const onEvent = (event: QueueEvent): void => sayQueueEvent(log, event);
    const producer = new Producer({ nodes, onEvent });
    const consumers = new Set<Consumer>();
    const responder = startResponder({
      ...environment,
      ...{ inventory, ledger, producer, log, clock: systemClock },
      id: randomUUID(),
      name: `${hostname()}:${process.pid}`,
      openTube: (tubes) => {
        const consumer = new Consumer({ nodes, tubes, connection: { windowMax: queueWindow } });
        consumers.add(consumer);
        return Object.assign(consumer, {
          close: () => {
            consumers.delete(consumer);
            return Consumer.prototype.close.call(consumer);
          },
        });
      },
      connect: ({ key, api }) => {
        if (api === undefined) throw new Error(`${key} has no API, and nothing may need one`);
        return connect(api);
      },
    });
    const stopWatching = watchAllow(environment.config, log, (neverBan) => void responder.setNeverBan(neverBan));
    log.watch("queue_connections", "Connections to queue nodes, over all devices and the intake.", () =>
      [...consumers].reduce((sum, { connected }) => sum + connected, 0),
    );
    const watching = new AbortController();
    const tubes = (): string[] => [...intakeTubes, ...[...responder.conditions.keys()].map(deviceTube)];
    const queue = watchQueue({ nodes, tubes, clock: systemClock }, watching.signal);
    const counted = watchLedger({ ledger, clock: systemClock }, watching.signal);
    showMetrics(log, { responder, inventory, queue, ledger: counted });

    return {
      drain: async () => {
        stopWatching();
        watching.abort();
        const finished = responder.stop().then(() => true);
        const deadline = systemClock.sleep(environment.drainDeadlineMs).then(() => false);
        const clean = await Promise.race([finished, deadline]);
        await Promise.all([producer.close(0), queue.ended]);
        await Promise.all([...consumers].map((consumer) => consumer.close()));
        await ledger.close();
        return clean;
      },
    };
  },
});
