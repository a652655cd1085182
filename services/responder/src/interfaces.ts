/**
 * Interfaces that fell, and those that shall come up again → changes, or why nothing is done.
 *
 * A line about an interface is not always a fall: our own `disable` makes netplugd write the same line, and so does an
 * operator's `delete … disable` (netplugd names the state before the event). So what we did is in the ledger, and the router is
 * looked at before it is done again.
 *
 * Never disabled: what `protect` names, and the interface that carries the address of the router's API, where the router's
 * configuration tells (a static address; one from DHCP does not show).
 */

import type { InterfaceState, Ledger, RouterWriter } from "@logwarden/ledger";
import type { Clock } from "@logwarden/shared/clock";
import { Failure } from "@logwarden/shared/failure";
import type { Device } from "@logwarden/shared/inventory";
import { contains, parseAddress, parsePrefix } from "@logwarden/shared/ip";
import { disableOp, interfacePath, type VyosClient } from "@logwarden/vyos";
import { failureOf } from "./apply/failure-of.ts";
import { readBack, shows } from "./apply/read-back.ts";
import type { Decision } from "./decide/decide.ts";
import type { Change, Proof } from "./plan/plan.ts";
import type { Result } from "./router.ts";

export type InterfaceWish = Extract<Decision, { kind: "disable" | "enable" }>;

/** A change, and what the ledger is told once it is on the router. */
export interface InterfaceChange {
  change: Change;
  after: Omit<InterfaceState, "router">;
}

/** Lines that an interface which comes up makes its daemons write arrive within this time. */
const settlingMs = 30_000;

export interface InterfaceOptions {
  device: Device;
  client: VyosClient;
  ledger: Ledger;
  writer: RouterWriter;
  clock: Clock;
  group: string;
  /** How long an open commit may take to end. */
  configureTimeoutMs: number;
}

/** @returns the change, or what became of the wish without one. @throws LedgerError */
export async function planInterface(options: InterfaceOptions, wish: InterfaceWish): Promise<InterfaceChange | Result> {
  const { device, ledger, writer, clock } = options;
  const { name } = wish;
  const path = interfacePath(name);
  const op = disableOp(wish.kind === "disable" ? "set" : "delete", name);
  if (path === undefined || op === undefined) {
    const detail = `expected the name of a VyOS interface, got ${JSON.stringify(name)}`;
    return { kind: "failed", failure: new Failure("interface-invalid", detail) };
  }
  const proof: Proof = { kind: "disabled", path: op.path, interfacePath: path, present: wish.kind === "disable" };
  const change: Change = { key: `interface ${name}`, op, proof };
  const nowMs = clock.nowMs();
  const common = { name, changedAtMs: nowMs };
  if (wish.kind === "enable") {
    return { change, after: { ...common, state: "enabled", by: wish.by, reason: wish.reason, enableAtMs: null } };
  }
  if (device.protect.includes(name)) return nothing("protected", `${name} of ${device.key}`);
  if (wish.policy.dryRun) return nothing("dry-run", `${name} of ${device.key} would be disabled`);
  const known = (await ledger.interfacesOn(device.key)).find((one) => one.name === name);
  if (known?.state === "enabled" && wish.atMs <= known.changedAtMs + settlingMs) {
    return nothing("re-enabled", `${name} was enabled by ${known.by} when this line was written`);
  }
  if (known?.state === "disabled") {
    const read = await readBack(options.client, {
      ...options,
      patienceMs: options.configureTimeoutMs,
      changes: [change],
    });
    if (read.kind === "failed") return read;
    if (shows(read.state, proof)) return nothing("already-disabled", `${name} of ${device.key}`);
    await writer.setInterface({
      ...common,
      state: "enabled",
      by: "somebody",
      reason: "on the router",
      enableAtMs: null,
    });
    return nothing("re-enabled", `${name} was enabled on the router, by somebody`);
  }
  const carrier = await carriesApi(options);
  if (typeof carrier !== "string") return carrier;
  if (carrier === name || carrier.startsWith(`${name}.`)) {
    return nothing("carries-api", `${carrier} of ${device.key} is how the router is reached`);
  }
  const { enableAfterMs } = wish.policy;
  const enableAtMs = enableAfterMs === null ? null : nowMs + enableAfterMs;
  return { change, after: { ...common, state: "disabled", by: "policy", reason: wish.reason, enableAtMs } };
}

function nothing(reason: string, detail: string): Result {
  return { kind: "nothing", reason, detail };
}

/** @returns the name of the interface whose network holds the API's address; empty when the configuration does not tell */
async function carriesApi({ device, client }: InterfaceOptions): Promise<string | Result> {
  const host = device.api === undefined ? "" : new URL(device.api.url).hostname.replaceAll(/^\[|\]$/g, "");
  const address = parseAddress(host) ?? device.address;
  const answer = await client.showConfig(["interfaces"]);
  if (answer.kind !== "done") return { kind: "failed", failure: failureOf(answer) };
  return (
    addressesOf(answer.data).find(
      ([, prefix]) => prefix.address.text === address.text && contains(prefix, address),
    )?.[0] ?? ""
  );
}

type Tree = Record<string, unknown>;

/** Every static address with its interface's name, `eth1.10` for a VLAN. */
function addressesOf(interfaces: Tree): [string, NonNullable<ReturnType<typeof parsePrefix>>][] {
  const found: [string, NonNullable<ReturnType<typeof parsePrefix>>][] = [];
  const walk = (name: string, node: unknown): void => {
    if (!isTree(node)) return;
    for (const text of [node["address"]].flat()) {
      const prefix = typeof text === "string" ? parsePrefix(text) : undefined;
      if (prefix !== undefined) found.push([name, prefix]);
    }
    for (const tag of ["vif", "vif-s", "vif-c"]) {
      const inner = node[tag];
      if (isTree(inner)) for (const [id, vlan] of Object.entries(inner)) walk(`${name}.${id}`, vlan);
    }
  };
  // showConfig gives the node with or without its own name around it.
  const types = isTree(interfaces["interfaces"]) ? interfaces["interfaces"] : interfaces;
  for (const type of Object.values(types)) {
    if (isTree(type)) for (const [name, node] of Object.entries(type)) walk(name, node);
  }
  return found;
}

function isTree(value: unknown): value is Tree {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
