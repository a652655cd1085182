/**
 * What the parser's tests stand on: real beanstalkds, the parser as a process of its own, and what it says of itself.
 * The tests play HAProxy (balancer.ts). Everything a rig started is ended by `close`, in reverse order.
 */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { Agent, request } from "node:http";
import { tmpdir } from "node:os";
import { type Beanstalkd, startBeanstalkd } from "@logwarden/lab/parts/beanstalkd";
import { freePort, ownHost } from "@logwarden/lab/parts/loopback";
import { type LogLine, type ServicePart, startService } from "@logwarden/lab/parts/service";
import { until } from "@logwarden/lab/parts/until";
import { Connection, parseNodeAddress } from "@logwarden/queue";
import { deviceTube } from "@logwarden/shared/tubes";
import { stringify } from "yaml";
import { Balancer, type Dial } from "./balancer.ts";

/** The router of the original design. */
export { until };

export const edge = { key: "edge-1", address: "10.10.10.201" };
/** A second device, known by an IPv6 address. */
export const branch = { key: "branch-1", address: "2001:db8::201" };

export type TaskSeen = Record<string, unknown>;

export interface RigOptions {
  queues?: number;
  /** Further flags of every beanstalkd. */
  queueFlags?: readonly string[];
  /** Added to logwarden.yaml. */
  inventory?: Record<string, unknown>;
  /** Added to the parser's environment. */
  env?: Record<string, string>;
}

export interface Rig {
  parser: ServicePart;
  queues: Beanstalkd[];
  /** A connection as HAProxy makes one. */
  dial(dial?: Dial): Promise<Balancer>;
  /** Takes exactly so many tasks of a device out of the queue, in their order; waits until they are there. */
  take(count: number, key?: string, node?: number): Promise<TaskSeen[]>;
  /** Takes tasks until those seen satisfy the test. */
  takeUntil(fact: string, seen: (tasks: readonly TaskSeen[]) => boolean, node?: number): Promise<TaskSeen[]>;
  /** Ready jobs of a device. */
  ready(key?: string, node?: number): Promise<number>;
  /** Whether a queue node takes no new jobs. */
  draining(node: number): Promise<boolean>;
  binlogDirectory(node: number): string;
  /** The status of GET on the status port. */
  status(path: string): Promise<number>;
  /** One metric without the prefix logwarden_, with labels as Prometheus writes them; 0 when it never counted. */
  metric(name: string): Promise<number>;
  /** Resolves when the parser has read every byte that was sent before. */
  settled(): Promise<void>;
  /** What was said at warn or above since the start. */
  warnings(): LogLine[];
  close(): Promise<void>;
}

export async function startRig(options: RigOptions = {}): Promise<Rig> {
  const directory = mkdtempSync(`${tmpdir()}/logwarden-parser-`);
  const stops: (() => Promise<unknown> | void)[] = [];
  const binlogDirectory = (node: number): string => `${directory}/queue-${node + 1}`;
  const queues = await Promise.all(
    Array.from({ length: options.queues ?? 1 }, (_, index) => startQueue(binlogDirectory(index), index, options)),
  );
  stops.push(() => Promise.all(queues.map(({ program }) => program.kill())));

  const listen = { host: ownHost, port: await freePort() };
  const parser = await startService({
    name: "parser",
    kind: "parser",
    env: {
      LOGWARDEN_CONFIG: writeInventory(directory, options.inventory),
      LOGWARDEN_QUEUES: queues.map(({ address }) => address).join(","),
      LOGWARDEN_LISTEN: `${listen.host}:${listen.port}`,
      LOGWARDEN_STATUS_LISTEN: `${ownHost}:0`,
      LOGWARDEN_TRUSTED_PROXIES: "127.0.0.1",
      LOGWARDEN_DRAIN_DELAY_MS: "0",
      ...options.env,
    },
  });
  stops.push(() => parser.program.kill());
  const { statusPort } = await parser.said("service.started");
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  stops.push(() => agent.destroy());
  const get = (path: string): Promise<{ status: number; text: string }> => ask(agent, Number(statusPort), path);

  const open = new Set<Balancer>();
  stops.push(() => Promise.all([...open].map((balancer) => balancer.destroy())));
  const connections = new Map<number, Connection>();
  stops.push(() => Promise.all([...connections.values()].map((connection) => connection.close())));
  const connection = async (node: number): Promise<Connection> => {
    const known = connections.get(node);
    if (known?.alive) return known;
    const fresh = await Connection.open(parseNodeAddress(queues[node]?.address ?? ""));
    connections.set(node, fresh);
    return fresh;
  };
  const takeOne = async (key: string, node: number): Promise<TaskSeen> => {
    const worker = await connection(node);
    await worker.watchOnly([deviceTube(key)]);
    const found = await worker.reserve(20);
    if (found.kind !== "job") throw new Error(`no task of ${key} within 20 s; the parser said:\n${lastWords(parser)}`);
    await worker.delete(found.id);
    return JSON.parse(found.body.toString("utf8")) as TaskSeen;
  };

  return {
    ...{ parser, queues, binlogDirectory },
    dial: async (dial = {}) => {
      const balancer = await Balancer.open(listen, dial);
      open.add(balancer);
      return balancer;
    },
    take: async (count, key = edge.key, node = 0) => {
      const tasks: TaskSeen[] = [];
      while (tasks.length < count) tasks.push(await takeOne(key, node));
      return tasks;
    },
    takeUntil: async (fact, seen, node = 0) => {
      const tasks: TaskSeen[] = [];
      const giveUpAtMs = performance.now() + 30_000;
      while (!seen(tasks)) {
        if (performance.now() > giveUpAtMs) throw new Error(`waited 30 s for: ${fact}; ${tasks.length} tasks came`);
        tasks.push(await takeOne(edge.key, node));
      }
      return tasks;
    },
    ready: async (key = edge.key, node = 0) => {
      const worker = await connection(node);
      if (!(await worker.listTubes()).includes(deviceTube(key))) return 0;
      return (await worker.statsTube(deviceTube(key))).currentJobsReady;
    },
    draining: async (node) => (await (await connection(node)).stats()).draining,
    status: async (path) => (await get(path)).status,
    metric: async (name) => readMetric((await get("/metrics")).text, name),
    settled: async () => {
      // The first round lets the parser accept what came before it, the second lets it read: one loop serves both ports.
      await get("/healthz");
      await get("/healthz");
    },
    warnings: () => parser.log.filter(({ level }) => level !== "debug" && level !== "info"),
    close: async () => {
      for (const stop of stops.splice(0).reverse()) await stop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

function startQueue(binlogDirectory: string, index: number, { queueFlags }: RigOptions): Promise<Beanstalkd> {
  mkdirSync(binlogDirectory);
  return startBeanstalkd({ name: `queue-${index + 1}`, binlogDirectory, flags: queueFlags ?? [] });
}

/** The inventory of every rig: @returns its path */
export function writeInventory(directory: string, inventory: Record<string, unknown> = {}): string {
  const path = `${directory}/logwarden.yaml`;
  const devices = {
    [edge.key]: { address: edge.address, protect: ["eth0"] },
    [branch.key]: { address: branch.address },
  };
  writeFileSync(path, stringify({ devices, allow: ["198.51.100.0/24"], ...inventory }));
  return path;
}

function lastWords(parser: ServicePart): string {
  return parser.log
    .slice(-10)
    .map((line) => JSON.stringify(line))
    .join("\n");
}

function readMetric(text: string, name: string): number {
  // Several label sets of one name are summed when the caller names no labels.
  return text
    .split("\n")
    .filter((line) => line.startsWith(`logwarden_${name} `) || line.startsWith(`logwarden_${name}{`))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" ") + 1)), 0);
}

function ask(agent: Agent, port: number, path: string): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    request({ agent, host: ownHost, port, path }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("end", () =>
        resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString("utf8") }),
      );
    })
      .on("error", reject)
      .end();
  });
}
