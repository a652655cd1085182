/**
 * LogEvent → Task, or the reason why nothing may be asked for.
 *
 * The device is the address that HAProxy reports for the connection; the host name in the line is the sender's claim.
 * Whoever must never be banned is refused here, where the task is born, and again by the responder.
 */

import type { Device, Inventory } from "@logwarden/shared/inventory";
import type { EventTask } from "@logwarden/shared/task";
import type { LogEvent } from "../recognize/recognize.ts";

export type Decision =
  | { kind: "task"; task: EventTask }
  | { kind: "refused"; reason: "never-ban" | "protected"; detail: string };

/**
 * @param at when the line was received, ISO 8601
 * @param id of the task; the same id must never be given to two events
 */
export function decide(
  event: LogEvent,
  device: Device,
  inventory: Pick<Inventory, "neverBan">,
  at: string,
  id: string,
): Decision {
  const { rule, count } = event;
  const host = device.address.text;
  if (event.type === "interface_down") {
    if (device.protect.includes(event.interface)) {
      return { kind: "refused", reason: "protected", detail: `${event.interface} of ${device.key}` };
    }
    const task: EventTask = { host, type: event.type, interface: event.interface, v: 1, id, at, rule, count };
    return { kind: "task", task };
  }
  const { type, from, user, reason, status, action } = event;
  const never = inventory.neverBan.reasonFor(from);
  if (never !== undefined) return { kind: "refused", reason: "never-ban", detail: `${from.text}: ${never}` };
  const subject = from.text;
  // Nearly every event names a user: a field that is added later costs more than the others together.
  const task = (
    user === undefined
      ? { host, type, from: subject, v: 1, id, at, rule, count }
      : { host, type, from: subject, v: 1, id, at, rule, count, user }
  ) as EventTask;
  if (reason !== undefined) task.reason = reason;
  if (status !== undefined) task["status"] = status;
  if (action !== undefined) task["action"] = action;
  return { kind: "task", task };
}
