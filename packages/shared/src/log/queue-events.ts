/** What the queue adapter reports → our words. The adapter knows nothing of us, so its events are met by their shape. */

import type { Log } from "./log.ts";

/** The events of a producer or a consumer, as far as we say them. */
export interface QueueEvent {
  kind:
    | "node.connected"
    | "node.lost"
    | "node.unreachable"
    | "node.refusing"
    | "put.retried"
    | "put.buried"
    | "job.deadline-soon"
    | "job.expired";
  node: string;
  reason?: string;
}

const names = {
  "node.lost": "queue.lost",
  "node.unreachable": "queue.unreachable",
  "node.refusing": "queue.refusing",
  "put.retried": "put.retried",
  "put.buried": "put.buried",
  "job.deadline-soon": "job.delayed",
  "job.expired": "job.expired",
} as const;

/** Says and counts one event of the queue adapter. */
export function sayQueueEvent(log: Log, { kind, node, reason = "" }: QueueEvent): void {
  if (kind === "node.connected") log.say("queue.connected", { node });
  else log.say(names[kind], { node, reason });
}
