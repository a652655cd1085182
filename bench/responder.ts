/** Responders of a bench: the real program, with an inventory and a ledger of the bench's own. */

import { readFileSync, writeFileSync } from "node:fs";
import { freePort, ownHost } from "@logwarden/lab/parts/loopback";
import { type ServicePart, startService } from "@logwarden/lab/parts/service";
import type { NodeAddress } from "@logwarden/queue";
import type { BenchRouter } from "./router.ts";

export interface BenchResponder extends AsyncDisposable {
  service: ServicePart;
  /** Processor time since its start, user and system. */
  cpuSeconds(): Promise<number>;
  /** Devices that it works for now. */
  held(): Promise<number>;
  memory(): { nowBytes: number; peakBytes: number };
}

/** A file of SQLite in the bench's directory: one fsync for every batch that is decided. */
export function ledgerFile(directory: string): string {
  return `${directory}/ledger.db`;
}

/** Writes the inventory. @param devices by name; their addresses are never banned, and mean nothing else here */
export function writeInventory(
  directory: string,
  devices: Record<string, { address: string; api: BenchRouter["api"] }>,
): string {
  const config = `${directory}/logwarden.yaml`;
  // JSON is YAML. The attackers of a bench are not in 127.0.0.0/8, and everything else is. A bench fills a group as it likes.
  writeFileSync(config, JSON.stringify({ devices, groupMax: 100_000, allow: ["127.0.0.0/8"] }));
  return config;
}

/** Starts it and waits until it is ready; its device is edge-1. @param directory for its inventory and its ledger */
export function startBenchResponder(
  nodes: readonly NodeAddress[],
  api: BenchRouter["api"],
  directory: string,
  env: Record<string, string> = {},
): Promise<BenchResponder> {
  const config = writeInventory(directory, { "edge-1": { address: "127.0.0.1", api } });
  return startReplica("responder", nodes, config, ledgerFile(directory), env);
}

/** One of several responders that share an inventory and a ledger. */
export async function startReplica(
  name: string,
  nodes: readonly NodeAddress[],
  config: string,
  ledger: string,
  env: Record<string, string> = {},
): Promise<BenchResponder> {
  const statusListen = `${ownHost}:${await freePort()}`;
  const service = await startService({
    name,
    kind: "responder",
    env: {
      LOGWARDEN_CONFIG: config,
      LOGWARDEN_QUEUES: nodes.map(({ host, port }) => `${host}:${port}`).join(","),
      LOGWARDEN_STATUS_LISTEN: statusListen,
      LOGWARDEN_LEDGER: ledger,
      ...env,
    },
  });
  const metric = async (metricName: string): Promise<number> => {
    const response = await fetch(`http://${statusListen}/metrics`).catch((cause: unknown) => {
      throw new Error(`${name} does not say its ${metricName}; its last words:\n${service.program.lastWords}`, {
        cause,
      });
    });
    const metrics = await response.text();
    const value = new RegExp(`^${metricName} (\\S+)`, "m").exec(metrics)?.[1];
    if (value === undefined) throw new Error(`expected ${metricName} in the responder's metrics`);
    return Number(value);
  };
  return {
    service,
    cpuSeconds: () => metric("process_cpu_seconds_total"),
    held: () => metric("logwarden_leases_held"),
    memory: () => memoryOf(service.program.pid),
    [Symbol.asyncDispose]: async () => void (await service.program.stop()),
  };
}

/** What the kernel says of a process that lives. */
export function memoryOf(pid: number): { nowBytes: number; peakBytes: number } {
  const status = readFileSync(`/proc/${pid}/status`, "latin1");
  const bytes = (name: string): number => 1024 * Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(status)?.[1]);
  return { nowBytes: bytes("VmRSS"), peakBytes: bytes("VmHWM") };
}
