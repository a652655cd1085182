/**
 * The whole system of real parts, twice over where production has two, and everything that a fault may do to it.
 *
 *   edge-1 rsyslogd ┐             ┌ lb-1 keepalived, HAProxy ┐     parser-1 … ┐        ┌ queue-1 ┐
 *   edge-2 rsyslogd ├─▶ virtual ──┤                          ├──▶             ├─ put ─▶┤         ├─▶ responder-1, -2 ─▶ routers
 *   edge-3 rsyslogd ┘   addresses └ lb-2 keepalived, HAProxy ┘     parser-4   ┘        └ queue-2 ┘
 *
 * On a pair, this process is a machine of a network of namespaces (main.ts moves it there): balancers and edges are other
 * machines, all that has no need of a machine of its own is here. Where no namespaces may be made, one HAProxy stands on
 * loopback, nothing moves its addresses, and cables give the edges theirs.
 *
 * The balancers' files are made by the command from a topology, as an operator makes them; every second parser puts through
 * the queue's virtual address, the others know every node.
 */

import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { createWriteStream, mkdirSync, readFileSync, writeFileSync, type WriteStream } from "node:fs";
import { connect } from "node:net";
import { startBeanstalkd } from "@logwarden/lab/parts/beanstalkd";
import { layCable } from "@logwarden/lab/parts/cable";
import { startHaproxy } from "@logwarden/lab/parts/haproxy";
import { chooseSubnet, freePort } from "@logwarden/lab/parts/loopback";
import { Namespaces } from "@logwarden/lab/parts/namespaces";
import { Program } from "@logwarden/lab/parts/program";
import { type RouterPart, type RouterRequest, startRouterPart } from "@logwarden/lab/parts/router";
import { type RsyslogdPart, startRsyslogd } from "@logwarden/lab/parts/rsyslogd";
import { type LogLine, root, startService } from "@logwarden/lab/parts/service";
import { until } from "@logwarden/lab/parts/until";
import { stringify } from "yaml";

export type UnitKind = "parser" | "responder" | "queue" | "haproxy" | "keepalived" | "router";

/** A part that a fault may end, stop and start again; each start is another life. */
export class Unit {
  readonly kind: UnitKind;
  readonly name: string;
  readonly #boot: () => Promise<Program>;
  #program: Program | undefined;

  constructor(kind: UnitKind, name: string, boot: () => Promise<Program>) {
    this.kind = kind;
    this.name = name;
    this.#boot = boot;
  }

  get running(): boolean {
    return this.#program?.running === true;
  }

  get pid(): number {
    return this.#program?.pid ?? -1;
  }

  get lastWords(): string {
    return this.#program?.lastWords ?? "";
  }

  async start(): Promise<void> {
    this.#program = await this.#boot();
  }

  /** Resolves when all of its processes have ended. */
  get ended(): Promise<unknown> {
    return this.#program?.ended ?? Promise.resolve();
  }

  /** Of a parser: the process that its keeper has started. */
  get worker(): number {
    if (this.#program === undefined) throw new Error(`${this.name} has not been started`);
    return this.#program.childPid;
  }

  /** To all of its processes: HAProxy's worker would serve on for a moment, keepalived's child would keep the addresses. */
  signal(signal: NodeJS.Signals): void {
    if (this.running) process.kill(-this.pid, signal);
  }

  /** To its first process alone. */
  tell(signal: NodeJS.Signals): void {
    this.#program?.signal(signal);
  }

  async kill(): Promise<void> {
    this.signal("SIGKILL");
    await this.#program?.ended;
  }

  /** @returns the code that it ended with; null when it had to be killed */
  async terminate(graceMs = 30_000): Promise<number | null> {
    this.signal("SIGCONT");
    await this.#program?.stop(graceMs);
    return (await this.#program?.ended)?.code ?? null;
  }
}

export interface Life {
  unit: string;
  pid: number;
  /** How it was made to end; undefined while it runs. */
  ended?: "killed" | "asked";
  /** Its worker was killed, and another one goes on: what that read again is in the log twice. */
  replaced?: true;
  log: LogLine[];
}

export interface Edge {
  name: string;
  address: string;
  rsyslogd: RsyslogdPart;
  router: RouterPart;
}

export interface SystemOptions {
  directory: string;
  /** A pair of balancers in namespaces, or one HAProxy on loopback. */
  pair: boolean;
  edges: number;
  /** How many parsers it begins with. */
  parsers: number;
  connectionAgeMs: number;
  onRequest: (router: string, request: RouterRequest) => void;
}

export type System = Awaited<ReturnType<typeof startSystem>>;

export const parsersMax = 4;
export const leaseMs = 3000;
const releases = ["1.3", "1.4", "current"] as const;
/** Of a commit on a real router's time: long enough that a fault meets one that runs. */
const commitScale = 0.05;
/** 4 MiB: a disk that a fault can fill. */
const queueDisk = "size=4m";
const binlogFileBytes = 65_536;

export async function startSystem(options: SystemOptions) {
  const { directory, pair } = options;
  const subnet = pair ? "10.10.10" : chooseSubnet();
  const host = (last: number): string => `${subnet}.${last}`;
  const ports = await choosePorts();
  const logs = `${directory}/logs`;
  mkdirSync(logs, { recursive: true });
  const network = pair ? new Namespaces("chaos") : undefined;
  const stops: (() => unknown)[] = [() => network?.close()];
  const files = new Map<string, WriteStream>();
  const note = (name: string, text: string): void => {
    const file = files.get(name) ?? createWriteStream(`${logs}/${name}.log`, { flags: "a" });
    files.set(name, file);
    file.write(`${text}\n`);
  };
  stops.push(() => Promise.all([...files.values()].map((file) => once(file.end(), "close"))));
  const close = async (): Promise<void> => {
    for (const stop of stops.splice(0).reverse()) await stop();
  };
  const units: Unit[] = [];
  const lives: Life[] = [];
  const add = async (kind: UnitKind, name: string, boot: () => Promise<Program>): Promise<Unit> => {
    const unit = new Unit(kind, name, async () => {
      const program = await boot();
      note("lives", `${new Date().toISOString()} ${name} pid ${program.pid}`);
      return program;
    });
    units.push(unit);
    stops.push(() => unit.kill());
    await unit.start();
    return unit;
  };
  const of = (kind: UnitKind): Unit[] => units.filter((unit) => unit.kind === kind);

  try {
    const here = [1, ...range(parsersMax, 111), ...range(2, 121), ...range(options.edges, 141)];
    network?.join(here.map((last) => `${host(last)}/24`));

    // ------------------------------------------------------------ routers and queue nodes
    const edges: Edge[] = [];
    const routers: RouterPart[] = [];
    const startRouter = (index: number): Promise<Unit> => {
      const name = `edge-${index + 1}`;
      let part: RouterPart | undefined;
      return add("router", `router-${index + 1}`, async () => {
        if (part !== undefined) await part.start();
        part ??= await startRouterPart({
          ...{ name, release: releases[index % releases.length] ?? "1.4", host: host(141 + index), port: ports.https },
          ...{ key: `key-of-${name}-of-the-suite`, directory: `${directory}/router-${index + 1}`, commitScale },
          ...{ interfaces: ["eth0", "eth1"], onRequest: (request) => options.onRequest(name, request) },
        });
        routers[index] = part;
        return part.program;
      });
    };
    await Promise.all(range(options.edges, 0).map(startRouter));
    const queueAddress = (index: number): string => `${host(121 + index)}:${ports.queueNode}`;
    const queueDirectory = (index: number): string => `${directory}/queue-${index + 1}`;
    for (const index of [0, 1]) {
      mkdirSync(queueDirectory(index));
      if (pair) {
        spawnSync("mount", ["-t", "tmpfs", "-o", queueDisk, "tmpfs", queueDirectory(index)]);
        // Whatever of it is still open: its directory is removed next.
        stops.push(() => spawnSync("umount", ["--lazy", queueDirectory(index)]));
      }
      await add("queue", `queue-${index + 1}`, async () => {
        const at = { host: host(121 + index), port: ports.queueNode };
        const flags = ["-s", String(binlogFileBytes)];
        const name = `queue-${index + 1}`;
        const onLine = (line: string): void => note(name, line);
        return (await startBeanstalkd({ name, ...at, binlogDirectory: queueDirectory(index), flags, onLine })).program;
      });
    }

    // ------------------------------------------------------------ configuration
    const balancers = { "lb-1": host(11), "lb-2": host(12) };
    const names = Object.keys(balancers) as (keyof typeof balancers)[];
    const present = pair ? names : names.slice(0, 1);
    const inTopology = new Set(range(options.parsers, 0));
    const anySocket = `${directory}/lb.sock`;
    const inventory = () => ({
      devices: Object.fromEntries(
        routers.map(({ name, url, keyFile, fingerprint }, index) => [
          name,
          { address: host(201 + index), api: { url, keyFile, fingerprint }, tags: ["edge"], protect: ["eth0"] },
        ]),
      ),
      // One event, one ban: so that each line can be followed to its router. What a peer banned goes to every router.
      policies: {
        password_failed: { maxRetry: 1, banTime: "1d", targets: ["self"] },
        peer_ban: { maxRetry: 1, banTime: "1d", targets: ["all"] },
      },
      allow: [neverBanned],
      topology: {
        balancers: Object.fromEntries(names.map((name) => [name, { address: balancers[name], interface: "eth0" }])),
        virtual: { syslog: host(10), queue: host(20) },
        parsers: Object.fromEntries(
          [...inTopology].sort().map((at) => [`parser-${at + 1}`, { address: host(111 + at) }]),
        ),
        queues: { "queue-1": { address: host(121) }, "queue-2": { address: host(122) } },
        ports: {
          ...{ syslog: ports.syslog, queue: ports.queue, admin: ports.admin },
          ...{ parser: ports.parser, parserStatus: ports.parserStatus, queueNode: ports.queueNode },
        },
        sources: {
          syslog: range(options.edges, 201).map((last) => host(last)),
          queue: pair ? [`${subnet}.0/24`] : ["127.0.0.0/8"],
        },
        // A drain of the suite is short.
        limits: { lameDuckSeconds: 2 },
        haproxy: { user: "off", socket: anySocket },
      },
    });
    const config = `${directory}/logwarden.yaml`;
    const socketOf = (name: string): string => `${directory}/${name}.sock`;
    /** Writes the topology as it is now, and makes the balancers' file from it. */
    const render = async (): Promise<void> => {
      writeFileSync(config, stringify(inventory()));
      const made = `${directory}/haproxy.cfg`;
      await logwarden(["haproxy", "render", "--config", config, "--output", made]);
      // Two HAProxys in one file system: each needs a socket of its own. All else is one file, as in production.
      const text = readFileSync(made, "utf8");
      for (const name of present) writeFileSync(`${directory}/${name}.cfg`, text.replace(anySocket, socketOf(name)));
    };
    const renderKeepalived = (name: string): Promise<void> =>
      logwarden(["keepalived", "render", "--node", name, "--config", config, "--output", `${directory}/${name}.conf`]);
    await render();
    if (pair) await Promise.all(present.map(renderKeepalived));

    // ------------------------------------------------------------ our services
    const service = async (
      kind: "parser" | "responder",
      name: string,
      env: Record<string, string>,
    ): Promise<Program> => {
      const life: Life = { unit: name, pid: -1, log: [] };
      lives.push(life);
      const common = { LOGWARDEN_CONFIG: config, LOGWARDEN_LOG_LEVEL: kind === "parser" ? "debug" : "info" };
      const onLog = (line: LogLine): void => {
        life.log.push(line);
        note(name, JSON.stringify(line));
      };
      const { program } = await startService({ name, kind, env: { ...common, ...env }, onLog });
      life.pid = program.pid;
      return program;
    };
    const everyQueue = [queueAddress(0), queueAddress(1)].join(",");
    const startParser = (at: number): Promise<Unit> =>
      add("parser", `parser-${at + 1}`, () =>
        service("parser", `parser-${at + 1}`, {
          LOGWARDEN_QUEUES: at % 2 === 1 ? `${host(20)}:${ports.queue}` : everyQueue,
          LOGWARDEN_LISTEN: `${host(111 + at)}:${ports.parser}`,
          LOGWARDEN_STATUS_LISTEN: `${host(111 + at)}:${ports.parserStatus}`,
          LOGWARDEN_TRUSTED_PROXIES: pair ? Object.values(balancers).join(",") : "127.0.0.1",
          LOGWARDEN_KEEP_CONNECTIONS: "yes",
          LOGWARDEN_CONNECTION_AGE_MAX_MS: String(options.connectionAgeMs),
          // Two checks of HAProxy and a half: it takes a leaving parser out after two.
          LOGWARDEN_DRAIN_DELAY_MS: "2500",
          LOGWARDEN_DRAIN_DEADLINE_MS: "5000",
        }),
      );
    const ledger = `${directory}/ledger.db`;
    const startResponder = (index: number): Promise<Unit> => {
      const name = `responder-${index + 1}`;
      return add("responder", name, () =>
        service("responder", name, {
          LOGWARDEN_QUEUES: everyQueue,
          LOGWARDEN_LEDGER: ledger,
          LOGWARDEN_LEASE_MS: String(leaseMs),
          LOGWARDEN_STATUS_LISTEN: `${host(1)}:${ports.responderStatus + index}`,
        }),
      );
    };
    await Promise.all([...[...inTopology].map(startParser), ...[0, 1].map(startResponder)]);

    // ------------------------------------------------------------ balancers
    const said = Object.fromEntries(names.map((name) => [name, [] as string[]])) as Record<string, string[]>;
    let starts = 0;
    const onMachine = (machine: string, name: string, command: readonly string[], words: string[] = []) =>
      Program.start({
        name,
        command: "ip",
        args: [...(network?.on(machine) ?? []), ...command],
        onLine: (line) => {
          words.push(line);
          note(name.replaceAll(" ", "-"), `${new Date().toISOString()} ${line}`);
        },
      });
    for (const name of present) {
      network?.addMachine(name, [`${balancers[name]}/24`]);
      await add("haproxy", `haproxy of ${name}`, async () => {
        if (!pair) {
          const made = { file: `${directory}/${name}.cfg`, admin: `127.0.0.1:${ports.admin}` };
          return (await startHaproxy({ made })).program;
        }
        const words: string[] = [];
        return onMachine(name, `haproxy of ${name}`, ["haproxy", "-W", "-db", "-f", `${directory}/${name}.cfg`], words);
      });
      if (!pair) continue;
      await add("keepalived", `keepalived of ${name}`, () => {
        // A new name each time, as after a reboot: /run is empty then.
        const pid = `${directory}/${name}-${++starts}`;
        said[name] = [];
        return onMachine(
          name,
          `keepalived of ${name}`,
          [
            ...["keepalived", "--dont-fork", "--log-console", "--log-detail", "--vrrp"],
            ...["--use-file", `${directory}/${name}.conf`, "--pid", `${pid}.pid`, "--vrrp_pid", `${pid}-vrrp.pid`],
          ],
          said[name],
        );
      });
    }
    const stateOf = (name: string): string | undefined =>
      said[name]?.flatMap((line) => /Entering (\w+) STATE/.exec(line)?.[1] ?? []).at(-1);
    /** Who has both addresses; undefined while nobody does, or more than one. */
    const holder = (): string | undefined => {
      if (network === undefined) return present[0];
      const having = names.filter((name) => {
        const has = network.addressesOf(name);
        return has.includes(host(10)) && has.includes(host(20));
      });
      return having.length === 1 ? having[0] : undefined;
    };

    const system = {
      options,
      directory,
      host,
      ports,
      network,
      balancers: present,
      units,
      of,
      lives,
      note,
      edges,
      ledger,
      queueDirectory,
      queueAddresses: [queueAddress(0), queueAddress(1)],
      holder,
      close,
      plugIn: (name: string) => network?.plugIn(name, [`${balancers[name as "lb-1"]}/24`]),
      unit: (name: string): Unit => {
        const found = units.find((one) => one.name === name);
        if (found === undefined) throw new Error(`no part ${name}`);
        return found;
      },
      lifeOf: (unit: Unit): Life | undefined => lives.findLast((life) => life.unit === unit.name),
      /** A parser more: it runs, is written into the topology, and the balancers read their files again. */
      async scaleUp(): Promise<string> {
        const at = range(parsersMax, 0).find((index) => !inTopology.has(index)) as number;
        const known = units.find(({ name }) => name === `parser-${at + 1}`);
        if (known === undefined) await startParser(at);
        else await known.start();
        inTopology.add(at);
        await render();
        await system.reload(present);
        return `parser-${at + 1}`;
      },
      /** A parser less: taken out of the topology, the balancers read their files again, and it is asked to stop. */
      async scaleDown(): Promise<string> {
        const at = Math.max(...inTopology);
        inTopology.delete(at);
        await render();
        await system.reload(present);
        const unit = system.unit(`parser-${at + 1}`);
        const life = system.lifeOf(unit);
        if (life !== undefined) life.ended = "asked";
        const code = await unit.terminate();
        if (code !== 0) throw new Error(`${unit.name}, asked to stop, ended with ${code}`);
        return unit.name;
      },
      async reload(which: readonly string[]): Promise<void> {
        for (const name of which) {
          const before = (await haproxyPid(socketOf(name))) ?? 0;
          system.unit(`haproxy of ${name}`).tell("SIGUSR2");
          await until(`${name} reloaded`, async () => {
            const pid = await haproxyPid(socketOf(name));
            return pid !== undefined && pid !== before;
          });
        }
      },
      statusOf: (parser: Unit): string => `http://${host(111 + indexOf(parser))}:${ports.parserStatus}`,
      get parsers(): Unit[] {
        return of("parser").filter((unit) => inTopology.has(indexOf(unit)));
      },
      /** What is not as it should be, in words; nothing: no fault is left in any part. */
      async ailing(): Promise<string[]> {
        const inUse = units.filter((unit) => unit.kind !== "parser" || system.parsers.includes(unit));
        const words = inUse.filter(({ running }) => !running).map(({ name }) => `${name} does not run`);
        for (const name of present) {
          const up = await parsersUp(socketOf(name)).catch(() => undefined);
          if (
            up?.join() !==
            system.parsers
              .map((unit) => unit.name)
              .toSorted()
              .join()
          )
            words.push(`${name} sees ${up?.join(", ") ?? "nothing"} in service`);
        }
        if (!pair) return words;
        const has = holder();
        if (has === undefined) words.push("no balancer alone has both addresses");
        for (const name of names) {
          const wanted = name === has ? "MASTER" : "BACKUP";
          if (stateOf(name) !== wanted) words.push(`${name} is ${stateOf(name)}, not ${wanted}`);
        }
        return words;
      },
      async healthy(limitMs = 60_000): Promise<void> {
        let last: string[] = [];
        await until("every part well again", async () => (last = await system.ailing()).length === 0, limitMs).catch(
          (error: Error) => {
            throw new Error(`${error.message}: ${last.join("; ")}`);
          },
        );
      },
    };
    await system.healthy();

    // ------------------------------------------------------------ the senders, when there is somebody to send to
    const vip = { host: host(10), port: ports.syslog };
    for (const index of range(options.edges, 0)) {
      const router = routers[index] as RouterPart;
      const { name } = router;
      const address = host(201 + index);
      network?.addMachine(name, [`${address}/24`]);
      const near = { host: address, port: ports.syslog };
      if (!pair) {
        const cable = await layCable(near, vip, address);
        stops.push(() => cable.close());
      }
      const rsyslogd = await startRsyslogd({
        ...{ name, release: "1.4", collector: vip, directory: `${directory}/${name}` },
        forwarding: [forwarding(pair ? vip : near, index)],
        ...(network === undefined ? {} : { on: network.on(name) }),
      });
      stops.push(() => rsyslogd.program.kill());
      edges.push({ name, address, rsyslogd, router });
    }
    return system;
  } catch (error) {
    await close();
    throw error;
  }
}

/** Whoever is there is never banned (RFC 5737). */
const neverBanned = "198.51.100.0/24";

const range = (count: number, from: number): number[] => Array.from({ length: count }, (_, index) => from + index);

/** As deploy/README.md recommends, but for the queue's file; every second one with LF, as VyOS 1.4 writes it. */
function forwarding({ host, port }: { host: string; port: number }, index: number): string {
  const form =
    index % 2 === 0
      ? 'TCP_Framing="octet-counted" template="RSYSLOG_SyslogProtocol23Format"'
      : 'TCP_Framing="traditional" template="RSYSLOG_TraditionalForwardFormat"';
  return (
    `*.* action(type="omfwd" target="${host}" port="${port}" protocol="tcp" ${form} ` +
    'action.resumeRetryCount="-1" action.resumeInterval="1" queue.type="LinkedList" queue.size="100000" ' +
    'KeepAlive="on" KeepAlive.Time="60" KeepAlive.Interval="10" KeepAlive.Probes="3")'
  );
}

async function choosePorts() {
  const names = [
    "syslog",
    "queue",
    "admin",
    "parser",
    "parserStatus",
    "queueNode",
    "https",
    "responderStatus",
  ] as const;
  const ports = {} as Record<(typeof names)[number], number>;
  for (const name of names) {
    do ports[name] = await freePort("0.0.0.0");
    while (names.some((other) => other !== name && Math.abs((ports[other] ?? 0) - ports[name]) < 3));
  }
  return ports;
}

async function logwarden(args: readonly string[]): Promise<void> {
  const child = spawn(process.execPath, [`${root}cli/src/main.ts`, ...args], { stdio: ["ignore", "ignore", "pipe"] });
  let complaint = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (complaint += text));
  const [code] = (await once(child, "close")) as [number | null];
  if (code !== 0) throw new Error(`logwarden ${args.join(" ")} ended with ${code}: ${complaint}`);
}

/** One command to HAProxy's runtime socket. */
function ask(path: string, command: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path });
    let answer = "";
    socket.setEncoding("utf8").on("data", (text: string) => (answer += text));
    socket.setTimeout(1000, () => socket.destroy(new Error(`no answer from ${path}`)));
    socket.once("error", reject);
    socket.once("end", () => resolve(answer));
    socket.end(`${command}\n`);
  });
}

async function haproxyPid(path: string): Promise<number | undefined> {
  const pid = /^Pid: (\d+)$/m.exec(await ask(path, "show info").catch(() => ""))?.[1];
  return pid === undefined ? undefined : Number(pid);
}

/** parser-1 is 0. */
function indexOf(parser: Unit): number {
  return Number(parser.name.slice("parser-".length)) - 1;
}

/** The parsers that one HAProxy has in service, by name. */
async function parsersUp(path: string): Promise<string[]> {
  const [head = "", ...rows] = (await ask(path, "show stat")).split("\n");
  const columns = head.replace(/^# /, "").split(",");
  const at = (row: string, name: string): string => row.split(",")[columns.indexOf(name)] ?? "";
  return rows
    .filter((row) => at(row, "pxname") === "parsers" && at(row, "svname").startsWith("parser-"))
    .filter((row) => at(row, "status") === "UP")
    .map((row) => at(row, "svname"))
    .toSorted();
}
