/**
 * A small network on one machine, of real parts: the flow from the routers' rsyslogd to the routers' API.
 *
 *   edge-1 .201 ─rsyslogd─▶┐                    ┌▶ parser-1 .111 ┐      ┌▶ queue-1 .121 ┐
 *   edge-2 .202 ─rsyslogd─▶┴▶ HAProxy .10:10514 ┴▶ parser-2 .112 ┴─put─▶┴▶ queue-2 .122 ┴─▶ responder-1, -2
 *        ▲                                                                                     │ HTTPS API
 *        └─────────────────────────────────────────────────────────────────────────────────────┘
 *
 * The responders share one ledger, a file of SQLite in the lab's directory.
 *
 * Every host has an address of its own in 127.0.N.0/24, and the ports that people expect unless somebody has them, so
 * that several networks can run side by side.
 * Parts start in an order in which nobody meets a closed door (rsyslog would sleep for 30 s), and end in the reverse.
 */

import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { stringify } from "yaml";
import { type Beanstalkd, startBeanstalkd } from "./parts/beanstalkd.ts";
import { type Cable, layCable } from "./parts/cable.ts";
import { startHaproxy } from "./parts/haproxy.ts";
import { chooseSubnet, portNear } from "./parts/loopback.ts";
import type { Program } from "./parts/program.ts";
import { type RouterPart, type RouterRequest, startRouterPart } from "./parts/router.ts";
import { type RsyslogdPart, startRsyslogd } from "./parts/rsyslogd.ts";
import { type LogLine, type ServicePart, startService } from "./parts/service.ts";

/** A router that is not ours: reached over its own API, its log lines still played by the lab. */
export interface RealRouter {
  url: string;
  keyFile: string;
  fingerprint: string;
  /** Its address as the source of its own syslog; lines of its own reach the lab with --syslog. */
  address: string | undefined;
}

export interface NetworkOptions {
  /** 1: commits take as long as on a real router; 0: none. */
  commitScale: number;
  parsers?: number;
  responders?: number;
  /** The inventory's policies; the lab's own unless told. "built-in": the first event acts, as in the original design. */
  policies?: "built-in";
  /** Stands in for edge-1's API. */
  realRouter?: RealRouter;
  /** Where HAProxy also listens for syslog, for devices outside the lab: ADDRESS:PORT. */
  syslogListen?: string;
  onLog?: (part: string, line: LogLine) => void;
  onRequest?: (router: string, request: RouterRequest) => void;
  /** Progress while parts start. */
  onPart?: (name: string, where: string) => void;
}

export interface Network {
  directory: string;
  /** The syslog VIP. */
  vip: { host: string; port: number };
  /** Pages for people: HAProxy's own, and a parser's metrics. */
  pages: { haproxy: string; metrics: string };
  queues: Beanstalkd[];
  routers: RouterPart[];
  rsyslogds: RsyslogdPart[];
  parsers: ServicePart[];
  responders: ServicePart[];
  haproxy: Program;
  /** Source addresses of edge-1 and edge-2. */
  devices: { name: string; address: string }[];
  /** How each router's API is reached, simulated or real. */
  apis: { name: string; url: string; keyFile: string; fingerprint: string }[];
  /** Ends every part, in reverse order, and removes the directory. Never throws. */
  close(): Promise<void>;
}

/** The operators' network: whoever mistypes a password there is not banned (RFC 5737). */
const allowed = "198.51.100.0/24";
/**
 * As an operator has them, but for the number, which is smaller so that the story is shorter: three failed logins within ten
 * minutes are a ban, of all the routers at the edge.
 */
const policies = {
  password_failed: { maxRetry: 3, findTime: "10m", banTime: "1h", growth: 2, banTimeMax: "7d", targets: ["edge"] },
  interface_down: {},
};
/** A responder that dies is replaced while somebody watches. */
const leaseMs = 3000;
const releases = ["1.3", "1.4"] as const;
/** What a router of the lab has; eth0 is the way to it and protected. */
const interfaces = ["eth0", "eth1", "eth2"];

/** Starts the whole network; when a part fails to start, what was started is ended and the failure thrown. */
export async function startNetwork(options: NetworkOptions): Promise<Network> {
  const subnet = chooseSubnet();
  const host = (last: number): string => `${subnet}.${last}`;
  const ports = {
    syslog: await portNear(host(10), 10_514),
    queue: await portNear(host(121), 11_300),
    status: await portNear(host(111), 8080),
    admin: await portNear(host(10), 8404),
    https: await portNear(host(201), 8443),
  };
  const directory = mkdtempSync(`${tmpdir()}/logwarden-lab-`);
  // Parts of one kind end together, the kinds one after the other.
  const stops = new Map<string, (() => Promise<unknown>)[]>();
  const onClose = (kind: string, stop: () => Promise<unknown>): void => {
    stops.set(kind, [...(stops.get(kind) ?? []), stop]);
  };
  const close = async (): Promise<void> => {
    for (const group of [...stops.values()].reverse()) await Promise.allSettled(group.map((stop) => stop()));
    stops.clear();
    rmSync(directory, { recursive: true, force: true });
  };
  const started =
    (kind: string) =>
    <P extends { program: Program }>(part: P): P => {
      onClose(kind, () => part.program.stop());
      return part;
    };
  const progress = options.onPart ?? (() => undefined);

  try {
    const queues = await Promise.all(
      [121, 122].map((last, index) =>
        startQueue(`queue-${index + 1}`, host(last), ports.queue, directory).then(started("queue")),
      ),
    );
    for (const queue of queues) progress(queue.program.name, queue.address);

    const devices = releases.map((_, index) => ({ name: `edge-${index + 1}`, address: host(201 + index) }));
    const simulated = devices.filter((_, index) => !(index === 0 && options.realRouter !== undefined));
    const routers = await Promise.all(
      simulated.map(({ name, address }) =>
        startSimulatedRouter(options, name, { host: address, port: ports.https }, `${directory}/${name}`).then(
          started("router"),
        ),
      ),
    );
    for (const router of routers) progress(router.name, `${router.url} (simulated VyOS)`);

    const apis: Network["apis"] = [
      ...(options.realRouter === undefined ? [] : [{ name: "edge-1", ...options.realRouter }]),
      ...routers,
    ];
    const config = `${directory}/logwarden.yaml`;
    const ledger = `${directory}/ledger.db`;
    writeFileSync(config, inventoryYaml(devices, apis, options));
    const common = (address: string): Record<string, string> => ({
      LOGWARDEN_CONFIG: config,
      LOGWARDEN_QUEUES: queues.map(({ address: queue }) => queue).join(","),
      LOGWARDEN_STATUS_LISTEN: `${address}:${ports.status}`,
    });
    const startOne = async (kind: "parser" | "responder", index: number, env: Record<string, string>) => {
      const name = `${kind}-${index + 1}`;
      const service = await startService({ name, kind, env, onLog: (line) => options.onLog?.(name, line) });
      progress(name, `pid ${service.program.pid}`);
      return started(kind)(service);
    };
    const parserEnvironment = (address: string): Record<string, string> => ({
      ...common(address),
      LOGWARDEN_LISTEN: `${address}:${ports.syslog}`,
      LOGWARDEN_TRUSTED_PROXIES: "127.0.0.1",
      // HAProxy's checks run once a second here as well, but a lab need not wait for three of them.
      LOGWARDEN_DRAIN_DELAY_MS: "1000",
      LOGWARDEN_DRAIN_DEADLINE_MS: "3000",
    });
    const responderEnvironment = (address: string): Record<string, string> => ({
      ...common(address),
      LOGWARDEN_LEDGER: ledger,
      LOGWARDEN_LEASE_MS: String(leaseMs),
    });
    const count = (wanted: number | undefined): number[] => Array.from({ length: wanted ?? 2 }, (_, index) => index);
    const parsers = await Promise.all(
      count(options.parsers).map((index) => startOne("parser", index, parserEnvironment(host(111 + index)))),
    );
    const responders = await Promise.all(
      count(options.responders).map((index) => startOne("responder", index, responderEnvironment(host(131 + index)))),
    );

    const vip = { host: host(10), port: ports.syslog };
    const haproxy = await startHaproxy({
      env: {
        LOGWARDEN_SYSLOG_BIND: [
          `${vip.host}:${vip.port}`,
          ...(options.syslogListen ?? "").split(",").filter(Boolean),
        ].join(","),
        LOGWARDEN_QUEUE_BIND: `${vip.host}:${ports.queue}`,
        LOGWARDEN_ADMIN_BIND: `${vip.host}:${ports.admin}`,
        LOGWARDEN_SYSLOG_SOURCES: options.syslogListen === undefined ? "127.0.0.0/8" : "0.0.0.0/0 ::/0",
        // Below the parsers' drain deadline, as in production.
        LOGWARDEN_LAME_DUCK: "1s",
        LOGWARDEN_PARSER_1: `${host(111)}:${ports.syslog}`,
        LOGWARDEN_PARSER_2: `${host(112)}:${ports.syslog}`,
        LOGWARDEN_PARSER_STATUS_PORT: String(ports.status),
        LOGWARDEN_QUEUE_1: queues[0]?.address ?? "",
        LOGWARDEN_QUEUE_2: queues[1]?.address ?? "",
      },
    });
    started("haproxy")(haproxy);
    progress("haproxy", `${vip.host}:${vip.port} → parsers`);

    const rsyslogds: RsyslogdPart[] = [];
    for (const [index, { name, address }] of devices.entries()) {
      const near = { host: address, port: ports.syslog };
      const cable: Cable = await layCable(near, vip, address);
      onClose("cable", async () => cable.close());
      const release = releases[index] ?? "1.4";
      rsyslogds.push(
        started("rsyslogd")(await startRsyslogd({ name, release, collector: near, directory: `${directory}/${name}` })),
      );
      progress(`${name} rsyslogd`, `as VyOS ${release} configures it`);
    }
    return {
      ...{ directory, vip, queues, routers, rsyslogds, parsers, responders, devices, apis, close },
      pages: {
        haproxy: `${haproxy.adminUrl}/stats`,
        metrics: `http://${host(111)}:${ports.status}/metrics`,
      },
      haproxy: haproxy.program,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

function startQueue(name: string, host: string, port: number, directory: string): Promise<Beanstalkd> {
  const binlogDirectory = `${directory}/${name}`;
  mkdirSync(binlogDirectory);
  return startBeanstalkd({ name, host, port, binlogDirectory });
}

function startSimulatedRouter(
  { commitScale, onRequest }: NetworkOptions,
  name: string,
  at: { host: string; port: number },
  directory: string,
): Promise<RouterPart> {
  return startRouterPart({
    ...{ name, ...at, directory, commitScale, interfaces },
    release: name === "edge-1" ? "1.3" : "1.4",
    key: randomBytes(24).toString("base64url"),
    onRequest: (request) => onRequest?.(name, request),
  });
}

function inventoryYaml(
  devices: Network["devices"],
  apis: Network["apis"],
  { realRouter, policies: chosen }: NetworkOptions,
): string {
  const entry = (name: string, address: string) => {
    const api = apis.find((one) => one.name === name);
    if (api === undefined) throw new Error(`no API of ${name}`);
    const { url, keyFile, fingerprint } = api;
    return { address, api: { url, keyFile, fingerprint }, protect: ["eth0"] };
  };
  const inventory = Object.fromEntries(
    devices.map(({ name, address }) => [name, { ...entry(name, address), tags: ["edge"] }]),
  );
  // The real router's own lines come from its own address. Bans reach it as edge-1: it has no tag, so that it is written to once.
  const real = realRouter?.address === undefined ? {} : { "real-router": entry("edge-1", realRouter.address) };
  return stringify({
    devices: { ...inventory, ...real },
    ...(chosen === "built-in" ? {} : { policies }),
    allow: [allowed],
  });
}
