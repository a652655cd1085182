/**
 * What the responder's tests stand on: real beanstalkds, routers on the wire, and the responder as a process of its own.
 * Everything a rig started is ended by `close`, in reverse order.
 */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { type Beanstalkd, startBeanstalkd } from "@logwarden/lab/parts/beanstalkd";
import { freePort, ownHost } from "@logwarden/lab/parts/loopback";
import { type ServicePart, startService } from "@logwarden/lab/parts/service";
import { until } from "@logwarden/lab/parts/until";
import { type Ledger, openLedger } from "@logwarden/ledger";
import { Connection, parseNodeAddress, type TubeStats } from "@logwarden/queue";
import { deviceTube, taskTtrSeconds } from "@logwarden/shared/tubes";
import { type Release, type Router, startRouter } from "@logwarden/vyos-sim";
import { stringify } from "yaml";

export { until };

export interface Rig {
  directory: string;
  queues: Beanstalkd[];
  /** edge-1, edge-2, … at 10.10.10.201, .202, …: their tasks' `host`. */
  routers: Router[];
  startResponder(env?: Record<string, string>): Promise<ServicePart>;
  /** The ledger that the responders share. */
  ledger: Ledger;
  /** Puts a body as any beanstalkd client would. @returns the job's id */
  put(tube: string, body: unknown, node?: number): Promise<string>;
  stats(tube: string, node?: number): Promise<TubeStats>;
  connection(node?: number): Promise<Connection>;
  /** Resolves when the tube holds nothing, on every node: not ready, reserved, delayed or buried. */
  empty(tube: string): Promise<void>;
  /** The same router again after it was closed: what it saved is what it runs. */
  restartRouter(index: number): Promise<Router>;
  keyFile(index: number): string;
  /** For somebody who changes a router by hand. */
  access(index: number): { url: string; key: string; fingerprint: string };
  close(): Promise<void>;
}

export interface RigOptions {
  queues?: number;
  routers?: Release[];
  commitScale?: number;
  /** Added to logwarden.yaml. */
  inventory?: Record<string, unknown>;
  /** Added to the API of a device in logwarden.yaml. */
  api?: (index: number, router: Router) => Record<string, unknown>;
}

export const tube = (device: number): string => deviceTube(`edge-${device}`);
const host = (device: number): string => `10.10.10.${200 + device}`;
export const ban = (from: string, device = 1) => ({ host: host(device), type: "password_failed", from });
export const linkDown = (name: string, device = 1) => ({ host: host(device), type: "interface_down", interface: name });

export async function startRig(options: RigOptions = {}): Promise<Rig> {
  const directory = mkdtempSync(`${tmpdir()}/logwarden-responder-`);
  const stops: (() => Promise<unknown>)[] = [];
  const queues = await Promise.all(
    Array.from({ length: options.queues ?? 1 }, (_, index) => {
      const binlogDirectory = `${directory}/queue-${index + 1}`;
      mkdirSync(binlogDirectory);
      return startBeanstalkd({ name: `queue-${index + 1}`, binlogDirectory });
    }),
  );
  stops.push(() => Promise.all(queues.map(({ program }) => program.kill())));

  const releases = options.routers ?? ["1.4"];
  const ports = await Promise.all(releases.map(() => freePort()));
  const keyFile = (index: number): string => `${directory}/edge-${index + 1}.key`;
  const routers: Router[] = [];
  const openRouter = (index: number): Promise<Router> =>
    startRouter({
      release: releases[index] ?? "1.4",
      host: ownHost,
      port: ports[index] ?? 0,
      key: `key-of-edge-${index + 1}`,
      stateDirectory: `${directory}/edge-${index + 1}`,
      interfaces: ["eth0", "eth1", "eth2"],
      commitScale: options.commitScale ?? 0,
    });
  for (const index of releases.keys()) {
    mkdirSync(`${directory}/edge-${index + 1}`);
    writeFileSync(keyFile(index), `key-of-edge-${index + 1}\n`);
    routers.push(await openRouter(index));
  }
  stops.push(() => Promise.all(routers.map((router) => router.close())));

  const devices = routers.map((router, index) => {
    const api = { url: router.url, keyFile: keyFile(index), fingerprint: router.fingerprint };
    return [
      `edge-${index + 1}`,
      { address: host(index + 1), api: { ...api, ...options.api?.(index, router) }, protect: ["eth0"] },
    ];
  });
  const config = `${directory}/logwarden.yaml`;
  const { devices: more, ...inventory } = options.inventory ?? {};
  writeFileSync(
    config,
    stringify({
      allow: ["192.0.2.0/24"],
      ...inventory,
      devices: { ...Object.fromEntries(devices), ...(more as object) },
    }),
  );

  const ledgerFile = `${directory}/ledger.db`;
  const ledger = await openLedger({ file: ledgerFile });
  stops.push(() => ledger.close());
  const connections = new Map<number, Connection>();
  const connection = async (node = 0): Promise<Connection> => {
    const known = connections.get(node);
    if (known?.alive) return known;
    const fresh = await Connection.open(parseNodeAddress(queues[node]?.address ?? ""));
    connections.set(node, fresh);
    return fresh;
  };
  stops.push(() => Promise.all([...connections.values()].map((one) => one.close())));

  const rig: Rig = {
    ...{ directory, queues, routers, connection, keyFile, ledger },
    startResponder: async (env = {}) => {
      const responder = await startService({
        name: "responder",
        kind: "responder",
        env: {
          LOGWARDEN_CONFIG: config,
          LOGWARDEN_QUEUES: queues.map(({ address }) => address).join(","),
          LOGWARDEN_STATUS_LISTEN: "127.0.0.1:0",
          LOGWARDEN_LEDGER: ledgerFile,
          // The routers of a responder that was killed go to the next one within seconds.
          LOGWARDEN_LEASE_MS: "3000",
          ...env,
        },
      });
      stops.push(() => responder.program.kill());
      return responder;
    },
    put: async (name, body, node) => {
      const bytes = Buffer.isBuffer(body) ? body : Buffer.from(typeof body === "string" ? body : JSON.stringify(body));
      return (await connection(node)).put(name, bytes, { ttrSeconds: taskTtrSeconds });
    },
    stats: async (name, node) => (await connection(node)).statsTube(name),
    empty: async (name) => {
      for (const node of queues.keys()) {
        await until(`${name} is empty on queue-${node + 1}`, async () => {
          const stats = await statsOrNothing(await connection(node), name);
          return stats === undefined || jobsIn(stats) === 0;
        });
      }
    },
    restartRouter: async (index) => {
      await routers[index]?.close();
      routers[index] = await openRouter(index);
      return routers[index];
    },
    access: (index) => {
      const { url, fingerprint } = routers[index] as Router;
      return { url, key: `key-of-edge-${index + 1}`, fingerprint };
    },
    close: async () => {
      for (const stop of stops.splice(0).reverse()) await stop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
  return rig;
}

function jobsIn(stats: TubeStats): number {
  const { currentJobsReady, currentJobsReserved, currentJobsDelayed, currentJobsBuried } = stats;
  return currentJobsReady + currentJobsReserved + currentJobsDelayed + currentJobsBuried;
}

/** A tube that nobody uses or watches and that holds nothing does not exist. */
export async function statsOrNothing(connection: Connection, name: string): Promise<TubeStats | undefined> {
  try {
    return await connection.statsTube(name);
  } catch (error) {
    if ((error as { code?: string }).code === "not-found") return undefined;
    throw error;
  }
}

/** Resolves when a responder has read the router's groups: what it is asked from then on is for tasks. */
export async function hasRead(router: Router | undefined): Promise<void> {
  const isLast = (text: string): boolean => text.includes("returnValues") && text.includes("ipv6-address-group");
  await until("the router has been read", () => router !== undefined && requestsOf(router).some(isLast));
}

/** The requests a router received, as `endpoint op path`. */
export function requestsOf(router: Router): string[] {
  return router.requests.map(({ endpoint, ops }) => {
    const words = (ops as { op: string; path?: string[] }[]).map(({ op, path }) => [op, ...(path ?? [])].join(" "));
    return `${endpoint} ${words.join(", ")}`;
  });
}
