/**
 * LogEvent → Task, or the reason why nothing may be asked for.
 *
 * The device is the address that HAProxy reports for the connection; the host name in the line is the sender's claim.
 * Whoever must never be banned is refused here, where the task is born, and again by the responder.
 */

import type { Device, Inventory } from "@logwarden/shared/inventory";
import { clipUser, type Task } from "@logwarden/shared/task";
import type { LogEvent } from "../recognize/recognize.ts";

export type Decision =
  | { kind: "task"; task: Task }
  | { kind: "refused"; reason: "never-ban" | "protected"; detail: string };

/**
 * @param at when the line was received, ISO 8601
 * @param id of the task; the same id must never be given to two events
 */
export function decide(event: LogEvent, device: Device, inventory: Inventory, at: string, id: string): Decision {
  const host = device.address.text;
  const rest = { v: 1 as const, id, at, rule: event.rule, count: event.count };
  switch (event.type) {
    case "password_failed": {
      const reason = inventory.neverBan.reasonFor(event.from);
      if (reason !== undefined)
        return { kind: "refused", reason: "never-ban", detail: `${event.from.text}: ${reason}` };
      const user = event.user === undefined ? {} : { user: clipUser(event.user) };
      return { kind: "task", task: { host, type: event.type, from: event.from.text, ...rest, ...user } };
    }
    case "interface_down": {
      if (device.protect.includes(event.interface)) {
        return { kind: "refused", reason: "protected", detail: `${event.interface} of ${device.key}` };
      }
      return { kind: "task", task: { host, type: event.type, interface: event.interface, ...rest } };
    }
  }
}
