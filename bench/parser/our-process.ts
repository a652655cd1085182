/** Starts the receiving process of our rows (ours.ts) as a keeper starts its worker, and asks it what it counted. */

import { mkdirSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { freePort, ownHost } from "@logwarden/lab/parts/loopback";
import { Program } from "@logwarden/lab/parts/program";
import { workerOptions } from "@logwarden/parser/keeper";
import { deviceAt } from "./device.ts";
import { type Rules, shipped } from "./our-parser.ts";
import type { Work } from "./ours.ts";
import type { Listening } from "./peers/peer.ts";

/** As many as the row with many connections has. */
export const devicesMax = 100;

/** Starts it with those rules and waits until it is ready. @param directory for its inventory */
export async function startOurs(rules: Rules, work: Work, directory: string): Promise<Listening> {
  const port = await freePort();
  const script = fileURLToPath(new URL("ours.ts", import.meta.url));
  const program = await Program.start({
    name: "our parser",
    command: process.execPath,
    args: [...workerOptions, script],
    env: {
      ...parserEnvironment(directory, port, { rules, devicesCount: devicesMax }),
      LOGWARDEN_QUEUES: `${ownHost}:1`,
      BENCH_WORK: JSON.stringify(work),
    },
  });
  const started = await program.line((line) => line.includes('"service.started"'));
  const { statusPort } = JSON.parse(started) as { statusPort: number };
  return {
    ...{ program, port, proxied: true },
    finish: async () => {
      const tasks = await readMetric(statusPort, "logwarden_bench_tasks");
      await program.stop();
      return tasks;
    },
  };
}

/** What a parser of the bench is told: its devices, its rules, and this process as its load balancer. */
export function parserEnvironment(
  directory: string,
  port: number,
  { rules = shipped, devicesCount = 1 }: { rules?: Rules; devicesCount?: number } = {},
): Record<string, string> {
  mkdirSync(directory, { recursive: true });
  const config = `${directory}/logwarden.yaml`;
  const all = Array.from({ length: devicesCount }, (_, number) => deviceAt(number));
  const devices = Object.fromEntries(all.map(({ key, address }) => [key, { address }]));
  // JSON is YAML.
  writeFileSync(config, JSON.stringify({ devices, rules, allow: [] }));
  return {
    LOGWARDEN_CONFIG: config,
    LOGWARDEN_LISTEN: `${ownHost}:${port}`,
    LOGWARDEN_STATUS_LISTEN: "127.0.0.1:0",
    LOGWARDEN_TRUSTED_PROXIES: "127.0.0.0/8",
    LOGWARDEN_DRAIN_DELAY_MS: "0",
  };
}

/** A metric of a service, summed over its labels. */
export async function readMetric(statusPort: number, name: string): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${statusPort}/metrics`)).text();
  return text
    .split("\n")
    .filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" ") + 1)), 0);
}
