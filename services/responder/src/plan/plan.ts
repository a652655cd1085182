/**
 * Tasks of one device → Plan: the requests that its router needs now. Pure.
 *
 * - Many tasks that ask for the same thing become one change; each task keeps its place in it.
 * - One request is one kind of change: a failed commit of VyOS is not atomic across its priority subtrees, so firewall
 *   and interface changes are never mixed, and each interface has a request of its own.
 * - Whoever must never be banned, and protected interfaces, are left out here, whoever put the task.
 */

import type { Device } from "@logwarden/shared/inventory";
import { Failure } from "@logwarden/shared/failure";
import { type Address, parseAddress } from "@logwarden/shared/ip";
import type { NeverBan } from "@logwarden/shared/never-ban";
import type { Task } from "@logwarden/shared/task";
import { addressOp, disableOp, interfacePath, type Op } from "@logwarden/vyos";

/** What the router must show once the change is there. */
export type Proof =
  | { kind: "member"; family: 4 | 6; address: string }
  | { kind: "disabled"; path: string[]; interfacePath: string[] };

/** One operation, and everything that asked for it. `T` is the caller's handle of a task: its job. */
export interface Change<T> {
  op: Op;
  proof: Proof;
  askedBy: T[];
}

export interface PlannedRequest<T> {
  kind: "firewall" | "interface";
  changes: Change<T>[];
}

export interface Plan<T> {
  requests: PlannedRequest<T>[];
  /** Tasks that ask for nothing that may be done, with the reason. */
  empty: { askedBy: T; reason: "never-ban" | "protected" | "no-policy"; detail: string }[];
  /** Tasks that can never be done on this device. */
  failed: { askedBy: T; failure: Failure }[];
}

export interface PlanInput<T> {
  device: Device;
  group: string;
  neverBan: NeverBan;
  opsPerRequestMax: number;
  wanted: readonly { task: Task; askedBy: T }[];
}

export function plan<T>({ device, group, neverBan, opsPerRequestMax, wanted }: PlanInput<T>): Plan<T> {
  const result: Plan<T> = { requests: [], empty: [], failed: [] };
  const bans = new Map<string, Change<T>>();
  const disables = new Map<string, Change<T>>();

  for (const { task, askedBy } of wanted) {
    const action = actionFor(task);
    if (action.kind === "none") {
      result.empty.push({ askedBy, reason: "no-policy", detail: `nothing is done for ${task.type} alone` });
      continue;
    }
    if (device.api === undefined) {
      result.failed.push({ askedBy, failure: new Failure("device-without-api", `${device.key} only sends logs`) });
      continue;
    }
    switch (action.kind) {
      case "ban": {
        const address = mustParse(action.address);
        const reason = neverBan.reasonFor(address);
        if (reason !== undefined) {
          result.empty.push({ askedBy, reason: "never-ban", detail: `${address.text}: ${reason}` });
          break;
        }
        add(bans, address.text, askedBy, () => ({
          op: addressOp("set", address.family, group, address.text),
          proof: { kind: "member", family: address.family, address: address.text },
        }));
        break;
      }
      case "disable": {
        const name = action.interface;
        if (device.protect.includes(name)) {
          result.empty.push({ askedBy, reason: "protected", detail: `${name} of ${device.key}` });
          break;
        }
        const op = disableOp("set", name);
        const path = interfacePath(name);
        if (op === undefined || path === undefined) {
          const detail = `expected the name of a VyOS interface, got ${JSON.stringify(name)}`;
          result.failed.push({ askedBy, failure: new Failure("interface-invalid", detail) });
          break;
        }
        add(disables, name, askedBy, () => ({
          op,
          proof: { kind: "disabled", path: op.path, interfacePath: path },
        }));
        break;
      }
    }
  }

  const all = [...bans.values()];
  for (let from = 0; from < all.length; from += opsPerRequestMax) {
    result.requests.push({ kind: "firewall", changes: all.slice(from, from + opsPerRequestMax) });
  }
  for (const change of disables.values()) result.requests.push({ kind: "interface", changes: [change] });
  return result;
}

type Action = { kind: "ban"; address: string } | { kind: "disable"; interface: string } | { kind: "none" };

/** What a task asks for by itself. The last types say too little alone: a page that was not there, a login that worked. */
function actionFor(task: Task): Action {
  switch (task.type) {
    case "password_failed":
    case "user_invalid":
    case "attempts_exceeded":
      return { kind: "ban", address: task.from };
    case "interface_down":
      return { kind: "disable", interface: task.interface };
    case "pam_failed":
    case "preauth_failed":
    case "login_succeeded":
    case "http_error":
    case "peer_ban":
      return { kind: "none" };
  }
}

function add<T>(changes: Map<string, Change<T>>, key: string, askedBy: T, make: () => { op: Op; proof: Proof }): void {
  const known = changes.get(key);
  if (known === undefined) changes.set(key, { ...make(), askedBy: [askedBy] });
  else known.askedBy.push(askedBy);
}

/** The task's schema has brought the address to canonical form. */
function mustParse(text: string): Address {
  const address = parseAddress(text);
  if (address === undefined) throw new Error(`a task let ${JSON.stringify(text)} through as an address`);
  return address;
}
