/**
 * One line through every stage: recognize ──▶ decide ──▶ submit.
 *
 * Called for each line of every device, so it counts by tallies and makes nothing for a line that no rule claims. What one
 * read held belongs together: its tasks have one time, and with folding its repeats become one task.
 */

import type { Device, Inventory } from "@logwarden/shared/inventory";
import type { Log, Tally } from "@logwarden/shared/log";
import type { EventTask } from "@logwarden/shared/task";
import { deviceTube, intakeTubes } from "@logwarden/shared/tubes";
import type { Latin1 } from "./latin1.ts";
import { decide } from "./decide/decide.ts";
import { Fold, type Gathering, Sequence } from "./decide/gather.ts";
import { createTaskIds, type TaskIds } from "./decide/task-id.ts";
import type { LogEvent, Recognizer } from "./recognize/recognize.ts";

export interface Pipeline {
  /** One line of a device: read[from..to). */
  line(device: Device, read: Latin1, from: number, to: number): void;
  /** Everything that one read of a socket held has been given to `line`. */
  readEnd(): void;
}

export interface PipelineOptions {
  /** Its never-ban list may be replaced by an edited one: it is looked at anew for each event. */
  inventory: Pick<Inventory, "neverBan" | "byAddress">;
  recognizer: Recognizer;
  log: Log;
  /** Whether repeats of one event inside one read become one task that counts them. */
  foldRepeats: boolean;
  submit: (tube: string, task: EventTask) => void;
  /** Of a parser whose keeper calls a read by the name that it had before. */
  ids?: TaskIds;
}

const noHeader = "no-syslog-header";

export function createPipeline(options: PipelineOptions): Pipeline {
  const { inventory, recognizer, log, foldRepeats, submit, ids = createTaskIds() } = options;
  const received = log.tally("line.received", {});
  const unrecognized = log.tally("line.unrecognized", {});
  const malformed = log.tally("line.refused", { reason: noHeader });
  const tell = {
    received: log.teller("line.received", ({ key }: Device, bytes: number) => ({ device: key, bytes })),
    unrecognized: log.teller("line.unrecognized", ({ key }: Device) => ({ device: key })),
    refused: log.teller("line.refused", ({ key }: Device) => ({ device: key, reason: noHeader, detail: "" })),
    recognized: log.teller("event.recognized", ({ key }: Device, { rule, type, count }: LogEvent) => ({
      ...{ device: key, rule, type, count },
    })),
  };
  const recognized = new Map<string, Tally>();
  /** Of the rule that the last event was of: an attack makes many of one. */
  let lastRule = "";
  let lastTally: Tally = { count: 0 };
  const gathered: Gathering = foldRepeats ? new Fold() : new Sequence();
  /** When the lines of this read were received; one moment for all of them. */
  let at = "";
  /** A read is of one device. */
  let lastDevice: Device | undefined;
  let tube = "";

  function count({ rule, type }: LogEvent): void {
    if (rule !== lastRule) {
      lastRule = rule;
      lastTally = recognized.get(rule) ?? log.tally("event.recognized", { rule, type });
      recognized.set(rule, lastTally);
    }
    lastTally.count++;
  }

  function take(device: Device, event: LogEvent): void {
    count(event);
    if (event.mended !== undefined) log.say("line.mended", { device: device.key, reason: event.mended });
    gathered.add(device, event);
  }

  function ask(device: Device, event: LogEvent): void {
    if (at === "") at = new Date().toISOString();
    if (device !== lastDevice) {
      lastDevice = device;
      // A host that is in no inventory has no tube that anybody watches.
      tube = inventory.byAddress.get(device.address.text) === device ? deviceTube(device.key) : intakeTubes[0];
    }
    const decision = decide(event, device, inventory, at, ids.next());
    // On its way first, written about second: the log is written synchronously.
    if (decision.kind === "task") submit(tube, decision.task);
    tell.recognized(device, event);
    if (decision.kind === "task") return;
    log.say("event.refused", {
      device: device.key,
      rule: event.rule,
      reason: decision.reason,
      detail: decision.detail,
    });
  }

  return {
    line(device, read, from, to) {
      received.count++;
      if (log.debug) tell.received(device, to - from);
      const recognition = recognizer.recognize(read, from, to);
      if (typeof recognition === "object") take(device, recognition);
      else if (recognition === "unrecognized") {
        unrecognized.count++;
        if (log.debug) tell.unrecognized(device);
      } else {
        malformed.count++;
        if (log.debug) tell.refused(device);
      }
    },
    readEnd() {
      gathered.drain(ask);
      at = "";
      ids.nextRead();
    },
  };
}
