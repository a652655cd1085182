/**
 * The responder: task → plan → change. One worker for each device of the inventory, one forwarder for tasks of the
 * original form; any number of replicas run side by side.
 *
 *   reserve ──▶ plan ──▶ apply ──▶ settle
 */

import { Consumer, parseNodeAddress, Producer } from "@logwarden/queue";
import { readPart, readTogether } from "@logwarden/shared/environment";
import { type DeviceApi, readInventory } from "@logwarden/shared/inventory";
import { runService } from "@logwarden/shared/process";
import { type QueueEvent, sayQueueEvent } from "@logwarden/shared/queue-events";
import { deviceTube, intakeTubes } from "@logwarden/shared/tubes";
import type { VyosClient } from "@logwarden/vyos";
import { connectTo } from "./apply/connect.ts";
import { responderVariables } from "./config.ts";
import { workDevice } from "./device-worker.ts";
import { forwardIntake } from "./intake.ts";

await runService({
  name: "responder",
  about:
    "The responder: reserves tasks, applies them to VyOS routers over their HTTP API, saves, then deletes the job.",
  variables: responderVariables,

  prepare: ({ config, queues, configureTimeoutMs }) => {
    const { inventory, nodes } = readTogether({
      inventory: () => readInventory(config),
      nodes: () => readPart("LOGWARDEN_QUEUES", () => queues.map(parseNodeAddress)),
    });
    const connect = (api: DeviceApi): VyosClient => connectTo(api, { configureMs: configureTimeoutMs });
    // Every key, certificate and fingerprint is read once now, so that a mistake stops the start and not the first ban.
    const tries = inventory.devices.flatMap(({ key, api }) =>
      api === undefined ? [] : [[key, () => readPart(`${config}: devices.${key}.api`, () => connect(api).close())]],
    );
    readTogether(Object.fromEntries(tries) as Record<string, () => void>);
    return { inventory, connect, nodes };
  },

  start: async (environment, { inventory, connect, nodes }, log) => {
    const stopping = new AbortController();
    const onEvent = (event: QueueEvent): void => sayQueueEvent(log, event);
    const producer = new Producer({ nodes, onEvent });
    const intake = new Consumer({ nodes, tubes: intakeTubes, onEvent });
    const consumers = [intake];
    const work = [
      forwardIntake({ ...environment, consumer: intake, producer, devices: inventory.byAddress, log }, stopping.signal),
    ];
    for (const device of inventory.devices) {
      const { api } = device;
      const consumer = new Consumer({ nodes, tubes: [deviceTube(device.key)] });
      consumers.push(consumer);
      const options = {
        ...environment,
        ...inventory,
        device,
        consumer,
        log,
        connect: (): VyosClient => {
          if (api === undefined) throw new Error(`${device.key} has no API, and no plan may need one`);
          return connect(api);
        },
      };
      work.push(workDevice(options, stopping.signal));
    }
    log.watch("queue_connections", "Connections to queue nodes, over all devices and the intake.", () =>
      consumers.reduce((sum, { connected }) => sum + connected, 0),
    );

    return {
      drain: async () => {
        stopping.abort();
        const finished = Promise.all(work).then(() => true);
        const deadline = new Promise<boolean>((resolve) =>
          setTimeout(() => resolve(false), environment.drainDeadlineMs).unref(),
        );
        const clean = await Promise.race([finished, deadline]);
        await producer.close(0);
        await Promise.all(consumers.map((consumer) => consumer.close()));
        return clean;
      },
    };
  },
});
