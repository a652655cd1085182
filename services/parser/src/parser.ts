/**
 * The parser: line → event → task. Holds no state; any number of replicas run side by side.
 *
 *   receive ──▶ recognize ──▶ decide ──▶ submit
 */

import { parseNodeAddress, Producer } from "@logwarden/queue";
import { readPart, readTogether } from "@logwarden/shared/environment";
import { readInventory } from "@logwarden/shared/inventory";
import { runService } from "@logwarden/shared/process";
import { sayQueueEvent } from "@logwarden/shared/queue-events";
import { watchAllow } from "@logwarden/shared/watch-allow";
import { checkListeners, parserVariables } from "./config.ts";
import { createTaskIds } from "./decide/task-id.ts";
import { Keeping } from "./keep/keeping.ts";
import { createPipeline } from "./pipeline.ts";
import { openReceiver } from "./receive/receiver.ts";
import { readTlsFiles } from "./receive/tls-files.ts";
import { createRuleSet } from "./recognize/rule-set.ts";
import { createSubmitter, type Submitter } from "./submit/submit.ts";

await runService({
  name: "parser",
  about: "The parser: receives syslog, recognizes the lines that matter, puts tasks into beanstalkd.",
  variables: parserVariables,

  prepare: (environment) => {
    const { config, queues, tlsListen } = environment;
    return readTogether({
      listeners: () => checkListeners(environment),
      tlsIdentity: () => (tlsListen === undefined ? undefined : readTlsFiles(environment)),
      nodes: () => readPart("LOGWARDEN_QUEUES", () => queues.map(parseNodeAddress)),
      rules: () => {
        const inventory = readInventory(config);
        return { inventory, recognizer: createRuleSet(config, inventory).recognizer };
      },
    });
  },

  start: async (environment, { tlsIdentity, nodes, rules: { inventory, recognizer } }, log) => {
    const producer = new Producer({
      nodes,
      unansweredMax: environment.unansweredPutsMax,
      onEvent: (event) => sayQueueEvent(log, event),
    });
    const ids = createTaskIds();
    const keeping =
      environment.keepConnections === "yes" ? await Keeping.join({ ...environment, ids, log }) : undefined;
    const gate = { pause: () => receiver.pause(), resume: () => receiver.resume() };
    const submitter: Submitter = createSubmitter(producer, log, gate, keeping);
    const living = { ...inventory };
    const stopWatching = watchAllow(environment.config, log, (neverBan) => {
      living.neverBan = neverBan;
      log.say("allow.changed", { entries: neverBan.entries.length });
    });
    const pipeline = createPipeline({
      ...{ inventory: living, recognizer, log, foldRepeats: environment.foldRepeats === "yes" },
      ...{ submit: submitter.submit, ids },
    });
    const receiver = await openReceiver(environment, {
      ...{ inventory, tlsIdentity, keeping, log, onLine: pipeline.line, onReadEnd: pipeline.readEnd },
      bytes: {
        line: log.tally("bytes.read", { as: "line" }),
        framing: log.tally("bytes.read", { as: "framing" }),
        refused: log.tally("bytes.read", { as: "refused" }),
      },
    });
    for (const left of keeping?.unanswered() ?? []) submitter.repeat(left);
    log.watch("puts_unanswered", "Puts sent and not yet answered.", () => producer.unanswered);
    log.watch("queue_nodes_connected", "Queue nodes that are connected now.", () => producer.connected);

    return {
      drain: async () => {
        stopWatching();
        await new Promise((resolve) => setTimeout(resolve, environment.drainDelayMs));
        const cut = await receiver.drain(environment.drainDeadlineMs);
        const unanswered = await submitter.close(environment.drainDeadlineMs);
        return cut === 0 && unanswered === 0;
      },
    };
  },
});
