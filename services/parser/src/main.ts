/**
 * The parser: line → event → task. Holds no state; any number of replicas run side by side.
 *
 *   receive ──▶ recognize ──▶ decide ──▶ submit
 */

import { randomUUID } from "node:crypto";
import { parseNodeAddress, Producer } from "@logwarden/queue";
import { readPart, readTogether } from "@logwarden/shared/environment";
import { type Device, type Inventory, readInventory } from "@logwarden/shared/inventory";
import type { Log } from "@logwarden/shared/log";
import { runService } from "@logwarden/shared/process";
import { sayQueueEvent } from "@logwarden/shared/queue-events";
import { deviceTube } from "@logwarden/shared/tubes";
import { parserVariables } from "./config.ts";
import { decide } from "./decide/decide.ts";
import { openReceiver } from "./receive/tcp.ts";
import { createRecognizer, type Recognizer, shippedRules } from "./recognize/recognize.ts";
import { createSubmitter, type Submitter } from "./submit/submit.ts";

await runService({
  name: "parser",
  about: "The parser: receives syslog through HAProxy, recognizes the lines that matter, puts tasks into beanstalkd.",
  variables: parserVariables,

  prepare: ({ config, queues }) => {
    const { inventory, nodes } = readTogether({
      inventory: () => readInventory(config),
      nodes: () => readPart("LOGWARDEN_QUEUES", () => queues.map(parseNodeAddress)),
    });
    const recognizer = readPart(`${config}: rules`, () => createRecognizer(shippedRules, inventory.rulesDisabled));
    return { inventory, nodes, recognizer };
  },

  start: async (environment, { inventory, recognizer, nodes }, log) => {
    const producer = new Producer({
      nodes,
      unansweredMax: environment.unansweredPutsMax,
      onEvent: (event) => sayQueueEvent(log, event),
    });
    const submitter: Submitter = createSubmitter(producer, log, {
      pause: () => receiver.pause(),
      resume: () => receiver.resume(),
    });
    const receiver = await openReceiver(environment.listen, {
      ...environment,
      devices: inventory.byAddress,
      log,
      onLine: pipeline(inventory, recognizer, submitter, log),
    });
    log.watch("connections", "Connections that are open now.", () => receiver.connections);
    log.watch("puts_unanswered", "Puts sent and not yet answered.", () => producer.unanswered);
    log.watch("queue_nodes_connected", "Queue nodes that are connected now.", () => producer.connected);

    return {
      drain: async () => {
        await new Promise((resolve) => setTimeout(resolve, environment.drainDelayMs));
        const cut = await receiver.drain(environment.drainDeadlineMs);
        const unanswered = await submitter.close(environment.drainDeadlineMs);
        return cut === 0 && unanswered === 0;
      },
    };
  },
});

/** One line through every stage. */
function pipeline(inventory: Inventory, recognizer: Recognizer, submitter: Submitter, log: Log) {
  return (device: Device, text: string, from: number, to: number): void => {
    if (log.debug) log.say("line.received", { device: device.key, bytes: to - from });
    else log.count("line.received", 1);
    const recognition = recognizer.recognize(text, from, to);
    if (recognition.kind === "malformed") {
      return log.say("line.refused", { device: device.key, reason: "no-syslog-header", detail: "" });
    }
    if (recognition.kind === "unrecognized") return log.say("line.unrecognized", { device: device.key });
    const { event, mended } = recognition;
    const { rule, type, count } = event;
    const decision = decide(event, device, inventory, new Date().toISOString(), randomUUID());
    // On its way first, written about second: the log is written synchronously.
    if (decision.kind === "task") submitter.submit(deviceTube(device.key), decision.task);
    if (mended !== undefined) log.say("line.mended", { device: device.key, reason: mended });
    log.say("event.recognized", { device: device.key, rule, type, count });
    if (decision.kind === "task") return;
    log.say("event.refused", { device: device.key, rule, reason: decision.reason, detail: decision.detail });
  };
}
