/**
 * What producers and consumers tell the service that owns them, for its counters and its log. This package prints nothing.
 */

import type { QueueErrorCode } from "./errors.ts";

export type NodeEvent =
  | { kind: "node.connected"; node: string }
  /** A connection that had been in use ended. */
  | { kind: "node.lost"; node: string; reason: QueueErrorCode; message: string }
  /** A dial failed; the next follows by itself. */
  | { kind: "node.unreachable"; node: string; reason: QueueErrorCode; message: string };

export type ProducerEvent =
  | NodeEvent
  /** The node stays connected, but takes no puts (DRAINING, OUT_OF_MEMORY, INTERNAL_ERROR); it is asked again after a while. */
  | { kind: "node.refusing"; node: string; reason: QueueErrorCode }
  /** One body goes to the next node. Unless the reason is a refusal, this one may have stored it as well. */
  | { kind: "put.retried"; node: string; tube: string; reason: QueueErrorCode }
  /** Stored, but nobody gets it until it is kicked. */
  | { kind: "put.buried"; node: string; tube: string; id: string };

export type ConsumerEvent =
  | NodeEvent
  /** The time to run of a held job ends within a second: its worker is too slow or forgot to touch it. */
  | { kind: "job.deadline-soon"; node: string }
  /** A job ran out of its time while it lay in our buffer; somebody else gets it. */
  | { kind: "job.expired"; node: string; id: string };

/** Wraps a listener so that its fault surfaces as an uncaught exception, and not in the middle of our own state. */
export function safely<E>(listener: ((event: E) => void) | undefined): (event: E) => void {
  return (event) => {
    try {
      listener?.(event);
    } catch (error) {
      throwLater(error);
    }
  };
}

/** Makes an uncaught exception of a fault in somebody else's code, once we are done. */
export function throwLater(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}
