/** One responder, the real program, with one device: the bench's router. */

import { writeFileSync } from "node:fs";
import { freePort } from "@logwarden/lab/parts/loopback";
import { startService } from "@logwarden/lab/parts/service";
import type { NodeAddress } from "@logwarden/queue";
import type { BenchRouter } from "./router.ts";

export interface BenchResponder extends AsyncDisposable {
  /** Processor time since its start, user and system. */
  cpuSeconds(): Promise<number>;
}

/** Starts it and waits until it is ready; its device is edge-1. @param directory for its inventory */
export async function startBenchResponder(
  nodes: readonly NodeAddress[],
  api: BenchRouter["api"],
  directory: string,
): Promise<BenchResponder> {
  const config = `${directory}/logwarden.yaml`;
  // JSON is YAML. The attackers of a bench are not in 127.0.0.0/8, and everything else is.
  const inventory = { devices: { "edge-1": { address: "127.0.0.1", api } }, allow: ["127.0.0.0/8"] };
  writeFileSync(config, JSON.stringify(inventory));
  const statusListen = `127.0.0.1:${await freePort()}`;
  const { program } = await startService({
    name: "responder",
    kind: "responder",
    env: {
      LOGWARDEN_CONFIG: config,
      LOGWARDEN_QUEUES: nodes.map(({ host, port }) => `${host}:${port}`).join(","),
      LOGWARDEN_STATUS_LISTEN: statusListen,
    },
  });
  return {
    cpuSeconds: async () => {
      const metrics = await (await fetch(`http://${statusListen}/metrics`)).text();
      const seconds = /^process_cpu_seconds_total (\S+)/m.exec(metrics)?.[1];
      if (seconds === undefined) throw new Error("expected process_cpu_seconds_total in the responder's metrics");
      return Number(seconds);
    },
    [Symbol.asyncDispose]: async () => void (await program.stop()),
  };
}
