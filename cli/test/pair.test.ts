/**
 * A real HAProxy with a file that the command rendered, as production runs it (a master and a worker), on loopback; behind it
 * pretended parsers, a real one where TLS is ended, and real beanstalkds.
 */

import { execFile } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { promisify } from "node:util";
import { afterEach, describe, expect, test } from "@jest/globals";
import { FakeParser } from "@logwarden/lab/parts/fake-parser";
import { type HaproxyPart, startHaproxy } from "@logwarden/lab/parts/haproxy";
import { chooseSubnet, freePort } from "@logwarden/lab/parts/loopback";
import { type Beanstalkd, startBeanstalkd } from "@logwarden/lab/parts/beanstalkd";
import { startService } from "@logwarden/lab/parts/service";
import { until } from "@logwarden/lab/parts/until";
import { readServers, type Server } from "../src/topology/runtime.ts";
import { directory, jsonLines, logwarden } from "./command.ts";
import { inventory, type TopologyText } from "./topologies.ts";

/** Ended after each test, the last first. */
const stops: (() => unknown)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

interface Node {
  name: string;
  kind: string;
  state: string;
  weight: number;
  connections: number;
  set: string | null;
  error?: string | null;
}

class Pair {
  readonly subnet = chooseSubnet();
  readonly path = directory();
  readonly parsers: FakeParser[] = [];
  haproxy!: HaproxyPart;
  #ports!: Record<
    "syslog" | "syslogTls" | "queue" | "parser" | "parserTls" | "parserStatus" | "queueNode" | "admin",
    number
  >;
  #topology: TopologyText = {};

  static async start(parsers: number, more: TopologyText = {}, { pretended = true } = {}): Promise<Pair> {
    const pair = new Pair();
    const port = (): Promise<number> => freePort("0.0.0.0");
    pair.#ports = {
      ...{ syslog: await port(), syslogTls: await port(), queue: await port(), admin: await port() },
      ...{ parser: await port(), parserTls: await port(), parserStatus: await port(), queueNode: await port() },
    };
    pair.#topology = more;
    await pair.render(parsers);
    stops.push(() => Promise.all(pair.parsers.map((parser) => parser.close())));
    for (let at = 0; pretended && at < parsers; at++) await pair.openParser();
    // Only the one that runs has an admin page; both balancers are in the file.
    pair.haproxy = await startHaproxy({
      made: { file: `${pair.path}/haproxy.cfg`, admin: `127.0.0.1:${pair.#ports.admin}` },
    });
    stops.push(() => pair.haproxy.program.stop());
    return pair;
  }

  get ports() {
    return this.#ports;
  }

  host(last: number): string {
    return `${this.subnet}.${last}`;
  }

  /** Where the virtual syslog address is. */
  get door(): { host: string; port: number } {
    return { host: this.host(10), port: this.#ports.syslog };
  }

  /** Writes haproxy.cfg as an operator does. */
  async render(parsers: number): Promise<void> {
    const config = `${this.path}/logwarden.yaml`;
    const named = Array.from({ length: parsers }, (_, at) => [`parser-${at + 1}`, { address: this.host(111 + at) }]);
    const topology = {
      balancers: {
        "lb-1": { address: this.host(11), interface: "eth0" },
        "lb-2": { address: this.host(12), interface: "eth0" },
      },
      virtual: { syslog: this.host(10), queue: this.host(20) },
      parsers: Object.fromEntries(named),
      queues: { "queue-1": { address: this.host(121) }, "queue-2": { address: this.host(122) } },
      ports: this.#ports,
      sources: { syslog: ["127.0.0.0/24"], queue: ["127.0.0.1"], metrics: ["127.0.0.1"] },
      haproxy: { user: "off", socket: `${this.path}/admin.sock` },
      ...this.#topology,
    };
    writeFileSync(config, inventory(topology, "127.0.0.201"));
    const output = `${this.path}/haproxy.cfg`;
    expect(await logwarden(["haproxy", "render", "--config", config, "--output", output])).toMatchObject({ code: 0 });
  }

  async openParser(): Promise<FakeParser> {
    const { parser, parserStatus } = this.#ports;
    const fake = new FakeParser(this.host(111 + this.parsers.length), parser, parserStatus);
    this.parsers.push(fake);
    await fake.open();
    return fake;
  }

  /** A connection to the syslog address from this source. */
  sender(source = "127.0.0.201"): Socket {
    const socket = connect({ ...this.door, localAddress: source, allowHalfOpen: true });
    socket.resume().on("error", () => undefined);
    stops.push(() => socket.destroy());
    return socket;
  }

  nodes(...args: string[]) {
    return logwarden(["nodes", ...args, "--config", `${this.path}/logwarden.yaml`]);
  }

  async list(): Promise<Record<string, Node>> {
    const [answer] = jsonLines(await this.nodes("list", "--json"));
    const nodes = (answer?.["nodes"] ?? []) as Node[];
    return Object.fromEntries(nodes.map((node) => [node.name, node]));
  }

  async state(name: string, state: string): Promise<void> {
    // Asked here and not by the command, which takes its time to start.
    const isNode = (server: Server): boolean => server.name === name && /^(parsers|beanstalkd)$/.test(server.backend);
    const now = async (): Promise<Server | undefined> =>
      (await readServers({ path: `${this.path}/admin.sock` })).find(isNode);
    await until(`${name} ${state}`, async () => (await now())?.state === state);
  }
}

describe("a line", () => {
  test("arrives with the sender's own address in front, in PROXY v2, with checksum and id", async () => {
    const pair = await Pair.start(1);
    const router = pair.sender();
    router.write("one\n");
    const received = await pair.parsers[0]?.connection(0);
    await until("the line", () => received?.payload === "one\n");
    // PP2_TYPE_CRC32C and PP2_TYPE_UNIQUE_ID of the PROXY protocol.
    expect(received?.header).toEqual({ source: `127.0.0.201:${router.localPort}`, tlvs: [0x03, 0x05] });
  });

  test("over TLS reaches the parser still sealed, where the certificate names the device", async () => {
    const pair = await Pair.start(1, {}, { pretended: false });
    const queue = await startBeanstalkd();
    stops.push(() => queue.program.kill());
    const { parser, parserTls, parserStatus, syslogTls } = pair.ports;
    const authority = await certificate(pair.path, "authority");
    const own = await certificate(pair.path, "parser.example.net", authority);
    const client = await certificate(pair.path, "edge-1.example.net", authority);
    const part = await startService({
      name: "parser-1",
      kind: "parser",
      env: {
        LOGWARDEN_CONFIG: `${pair.path}/logwarden.yaml`,
        LOGWARDEN_QUEUES: queue.address,
        // Where HAProxy on loopback comes from.
        LOGWARDEN_TRUSTED_PROXIES: "127.0.0.1",
        LOGWARDEN_LISTEN: `${pair.host(111)}:${parser}`,
        LOGWARDEN_STATUS_LISTEN: `${pair.host(111)}:${parserStatus}`,
        LOGWARDEN_TLS_LISTEN: `${pair.host(111)}:${parserTls}`,
        LOGWARDEN_TLS_CERTIFICATE_FILE: own.certFile,
        LOGWARDEN_TLS_KEY_FILE: own.keyFile,
        LOGWARDEN_TLS_CLIENT_CA_FILE: authority.certFile,
        LOGWARDEN_TLS_CLIENTS: "required",
        LOGWARDEN_TLS_PROXIED: "yes",
      },
    });
    stops.push(() => part.program.kill());
    await pair.state("parser-1", "UP");

    // Not the device's address: only the certificate says who it is.
    const wire = connect({ host: pair.host(10), port: syslogTls, localAddress: "127.0.0.209" });
    const sealed = connectTls({
      ...{ socket: wire, servername: "parser.example.net", ca: readFileSync(authority.certFile) },
      ...{ cert: readFileSync(client.certFile), key: readFileSync(client.keyFile) },
    });
    stops.push(() => sealed.destroy());
    await once(sealed, "secureConnect");
    sealed.write("<38>Nov 21 04:44:40 gw1 sshd[1]: Failed password for root from 203.0.113.7 port 40024 ssh2\n");
    const tubes = async (): Promise<string[]> => {
      const [answer] = jsonLines(await logwarden(["queue", "--queues", queue.address, "--json"]));
      const [node] = (answer?.["nodes"] ?? []) as { tubes: { name: string }[] }[];
      return node?.tubes.map(({ name }) => name) ?? [];
    };
    await until("its task in the device's tube", async () => (await tubes()).includes("logwarden.device.edge-1"));
  });

  test("of a stranger is refused, and of a sender with too many connections", async () => {
    const pair = await Pair.start(1, { limits: { sourceConnections: 1 } });
    const stranger = pair.sender("127.0.9.66");
    await until("the stranger's connection closed", () => stranger.closed);
    pair.sender().write("one\n");
    await pair.parsers[0]?.connection(0);
    const second = pair.sender();
    await until("the second connection closed", () => second.closed);
    expect(pair.parsers[0]?.connections).toMatchObject([{ payload: "one\n", ended: false }]);
  });
});

describe("a parser more", () => {
  test("is one line and a reload, which loses no connection and no line", async () => {
    const pair = await Pair.start(1, { limits: { sourceConnections: 4000, sourceConnectionsPer10s: 1_000_000 } });
    const failures: string[] = [];
    const watch = (socket: Socket, name: string, mayEnd: () => boolean): void => {
      socket.on("error", (error) => failures.push(`${name}: ${error.message}`));
      socket.on("end", () => mayEnd() || failures.push(`${name}: ended`));
    };

    // Ten routers that go on writing, whatever happens.
    let writing = true;
    const routers = await Promise.all(
      Array.from({ length: 10 }, async (_, at) => {
        const socket = pair.sender();
        watch(socket, `router ${at}`, () => !writing);
        await once(socket, "connect");
        return { socket, source: `127.0.0.201:${socket.localPort}`, lines: 0 };
      }),
    );
    const write = setInterval(() => {
      for (const router of routers) router.socket.write(`${router.lines++}\n`);
    }, 2);
    // And some that come anew all the time, say one line and go.
    const visitors: { source: string; done: boolean }[] = [];
    const visit = setInterval(() => {
      const socket = pair.sender("127.0.0.202");
      socket.once("connect", () => {
        const visitor = { source: `127.0.0.202:${socket.localPort}`, done: false };
        visitors.push(visitor);
        watch(socket, visitor.source, () => true);
        socket.once("end", () => (visitor.done = true));
        socket.end("hello\n");
      });
      socket.once("error", (error) => failures.push(`a visitor: ${error.message}`));
    }, 2);

    await until("some visitors", () => visitors.length > 50);
    const added = await pair.openParser();
    await pair.render(2);
    pair.haproxy.program.signal("SIGUSR2");
    await pair.state("parser-2", "UP");
    const reloadedAt = routers[0]?.lines ?? 0;
    // Long enough that an old process which were not to keep its connections would have ended them.
    await until("visitors at the new parser", () => added.connections.length > 300);
    await until("many lines more", () => (routers[0]?.lines ?? 0) > reloadedAt + 1000);

    clearInterval(visit);
    clearInterval(write);
    writing = false;
    await until("every visitor served", () => visitors.every(({ done }) => done));
    const all = (): FakeParser["connections"] => pair.parsers.flatMap(({ connections }) => connections);
    const from = (source: string): string | undefined => all().find(({ header }) => header.source === source)?.payload;
    for (const { source, lines } of routers) {
      const wanted = Array.from({ length: lines }, (_, at) => `${at}\n`).join("");
      await until(`all ${lines} lines of ${source}`, () => from(source) === wanted);
    }
    expect(visitors.filter(({ source }) => from(source) !== "hello\n")).toEqual([]);
    expect(failures).toEqual([]);
    // Nobody was moved: the old process still serves whom it had.
    expect(
      routers.every(({ source }) => pair.parsers[0]?.connections.some(({ header }) => header.source === source)),
    ).toBe(true);
  });
});

describe("logwarden nodes", () => {
  test("lists parsers and queue nodes, and none of HAProxy's own servers", async () => {
    const pair = await Pair.start(2);
    await pair.state("parser-2", "UP");
    const { code, stdout, stderr } = await pair.nodes();
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const { parser, queueNode } = pair.ports;
    expect(stdout.split("\n").map((line) => line.trim().replaceAll(/ +/g, " "))).toEqual([
      "node kind address state weight connections set check",
      `parser-1 parser ${pair.host(111)}:${parser} UP 100 0 - Layer7 check passed`,
      `parser-2 parser ${pair.host(112)}:${parser} UP 100 0 - Layer7 check passed`,
      expect.stringMatching(`^queue-1 queue ${pair.host(121)}:${queueNode} DOWN 100 0 - .*Connection refused`),
      expect.stringMatching(`^queue-2 queue ${pair.host(122)}:${queueNode} DOWN 100 0 - .*Connection refused`),
      "",
    ]);
  });

  test("shows a parser that says 404 as leaving: it keeps its connections, and gets no new ones", async () => {
    const pair = await Pair.start(2);
    const [leaving, staying] = pair.parsers as [FakeParser, FakeParser];
    await pair.state("parser-2", "UP");
    for (let index = 0; index < 2; index++) pair.sender().write("old\n");
    await leaving.connection(0);
    await staying.connection(0);
    leaving.ready = false;
    await pair.state("parser-1", "NOLB");
    for (let index = 0; index < 4; index++) pair.sender("127.0.0.202").write("new\n");
    await staying.connection(4);
    expect(leaving.connections).toMatchObject([{ payload: "old\n", ended: false }]);
    expect((await pair.list())["parser-1"]).toMatchObject({ state: "NOLB", connections: 1, set: null });
  });

  test("drains, and takes back: new connections go elsewhere, old ones stay", async () => {
    const pair = await Pair.start(2);
    const [drained, other] = pair.parsers as [FakeParser, FakeParser];
    await pair.state("parser-2", "UP");
    for (let index = 0; index < 2; index++) pair.sender().write("old\n");
    await drained.connection(0);
    await other.connection(0);

    expect(await pair.nodes("drain", "parser-1")).toEqual({
      ...{ code: 0, stderr: "" },
      stdout: "parser-1: drained, 1 connections stay; --shutdown-sessions ends them\n",
    });
    expect((await pair.list())["parser-1"]).toMatchObject({ state: "DRAIN", set: "drain", connections: 1 });
    for (let index = 0; index < 4; index++) pair.sender("127.0.0.202").write("new\n");
    await other.connection(4);
    expect(drained.connections).toMatchObject([{ ended: false }]);

    expect(await pair.nodes("enable", "parser-1")).toEqual({ code: 0, stdout: "parser-1: in service\n", stderr: "" });
    pair.sender("127.0.0.203").write("back\n");
    await drained.connection(1);
  });

  test("drains with the connections: the senders are told at once", async () => {
    const pair = await Pair.start(2);
    await pair.state("parser-2", "UP");
    const senders = [pair.sender(), pair.sender()];
    for (const sender of senders) sender.write("old\n");
    await Promise.all(pair.parsers.map((parser) => parser.connection(0)));
    const { code, stdout } = await pair.nodes("drain", "parser-1", "--shutdown-sessions");
    expect({ code, stdout }).toEqual({ code: 0, stdout: "parser-1: drained, its connections were ended\n" });
    await until(
      "one sender told",
      () => senders.filter(({ readableEnded, closed }) => readableEnded || closed).length === 1,
    );
    expect(pair.parsers[1]?.connections).toMatchObject([{ ended: false }]);
    await until("none left", async () => (await pair.list())["parser-1"]?.connections === 0);
  });

  test("does several at once, and says when no parser is left", async () => {
    const pair = await Pair.start(2);
    await pair.state("parser-2", "UP");
    const run = await pair.nodes("drain", "parser-2", "parser-1", "queue-1", "--json");
    expect(run).toMatchObject({ code: 0, stderr: expect.stringContaining("no parser is in service now") });
    expect(jsonLines(run)[0]).toMatchObject({
      socket: `${pair.path}/admin.sock`,
      nodes: [
        { name: "parser-1", set: "drain", error: null },
        { name: "parser-2", set: "drain", error: null },
        { name: "queue-1", kind: "queue", set: "drain", error: null },
      ],
    });
    // The page that others ask agrees.
    await until("not ready", async () => (await fetch(`${pair.haproxy.adminUrl}/readyz`)).status === 503);
    expect((await fetch(`${pair.haproxy.adminUrl}/healthz`)).status).toBe(200);
  });

  test("gives weights: with 0 there are no new connections", async () => {
    const pair = await Pair.start(2);
    await pair.state("parser-2", "UP");
    expect(await pair.nodes("weight", "0", "parser-1")).toMatchObject({ code: 0, stdout: "parser-1: weight 0\n" });
    expect((await pair.list())["parser-1"]).toMatchObject({ weight: 0, set: null });
    for (let index = 0; index < 4; index++) pair.sender().write("new\n");
    await pair.parsers[1]?.connection(3);
    expect(pair.parsers[0]?.connections).toEqual([]);
    expect(await pair.nodes("weight", "256", "parser-1", "queue-2")).toMatchObject({ code: 0 });
    expect(await pair.list()).toMatchObject({ "parser-1": { weight: 256 }, "queue-2": { weight: 256 } });
  });

  test("does nothing at all when one of the nodes is not known", async () => {
    const pair = await Pair.start(1);
    expect(await pair.nodes("drain", "parser-1", "parser-9")).toMatchObject({
      ...{ code: 1, stdout: "" },
      stderr: 'logwarden nodes: no node "parser-9", did you mean "parser-1"?\n',
    });
    expect((await pair.list())["parser-1"]).toMatchObject({ set: null });
    // Nor is HAProxy's own server one.
    expect(await pair.nodes("drain", "hold")).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('no node "hold"'),
    });
  });

  test("speaks over TCP as well", async () => {
    const pair = await Pair.start(1);
    const relay = createServer((socket) => {
      const inner = connect(`${pair.path}/admin.sock`);
      socket.pipe(inner).pipe(socket);
      for (const one of [socket, inner]) one.on("error", () => undefined);
    });
    const port = await freePort();
    relay.listen(port, "127.0.0.1");
    await once(relay, "listening");
    stops.push(() => relay.close());
    // No configuration is needed then.
    const run = await logwarden(["nodes", "--socket", `127.0.0.1:${port}`, "--json"]);
    expect(jsonLines(run)[0]).toMatchObject({ socket: `127.0.0.1:${port}`, nodes: [{ name: "parser-1" }, {}, {}] });
  });

  test("says so when HAProxy is not there", async () => {
    const socket = `${directory()}/admin.sock`;
    const { code, stderr } = await logwarden(["nodes", "--socket", socket]);
    expect({ code, stderr }).toMatchObject({ code: 1, stderr: expect.stringContaining("is HAProxy running here?") });
  });

  test.each([
    [["drain"], "expected the nodes to drain"],
    [["weight", "257", "parser-1"], "expected a weight from 0 to 256"],
    [["weight", "parser-1"], 'expected a weight from 0 to 256, then nodes, got "parser-1"'],
    [["dran", "parser-1"], 'no "nodes dran", did you mean "drain"?'],
    [["list", "parser-1"], "one word too many"],
    [["enable", "parser-1", "--shutdown-sessions"], "--shutdown-sessions is for drain"],
    [["--socket", "localhost"], "expected a path from / or ADDRESS:PORT"],
  ])("%p is exit code 2", async (args, wanted) => {
    const { code, stderr } = await logwarden(["nodes", ...args]);
    expect({ code, stderr }).toMatchObject({ code: 2, stderr: expect.stringContaining(wanted) });
  });
});

describe("the queue address", () => {
  test("gives a producer a node that takes tasks, never one that drains; the list shows which", async () => {
    const pair = await Pair.start(1);
    const queues: Beanstalkd[] = [];
    for (const last of [121, 122]) {
      queues.push(await startBeanstalkd({ host: pair.host(last), port: pair.ports.queueNode }));
    }
    stops.push(() => Promise.all(queues.map(({ program }) => program.kill())));
    await pair.state("queue-1", "UP");
    await pair.state("queue-2", "UP");
    queues[0]?.program.signal("SIGUSR1");
    await pair.state("queue-1", "NOLB");
    for (let index = 0; index < 4; index++) {
      // From an address that may: the parsers', and the one that the topology adds.
      const producer = connect({ host: pair.host(20), port: pair.ports.queue });
      producer.write("put 0 0 60 2\r\n{}\r\n");
      const [answer] = (await once(producer, "data")) as [Buffer];
      producer.destroy();
      expect(answer.toString()).toMatch(/^INSERTED /);
    }
    const stranger = connect({ host: pair.host(20), port: pair.ports.queue, localAddress: "127.0.9.66" });
    stranger.resume().on("error", () => undefined);
    await until("the stranger's connection closed", () => stranger.closed);
  });
});

describe("metrics", () => {
  test("are on the balancer's own address, for those who may, and the page of people is not", async () => {
    const pair = await Pair.start(1);
    const url = `http://${pair.host(11)}:${pair.ports.admin}`;
    expect(await (await fetch(`${url}/metrics`)).text()).toMatch(
      /haproxy_server_status\{proxy="parsers",server="parser-1"/,
    );
    expect((await fetch(`${url}/stats`)).status).toBe(404);
    const stranger = connect({ host: pair.host(11), port: pair.ports.admin, localAddress: "127.0.9.66" });
    stranger.resume().on("error", () => undefined);
    await until("the stranger's connection closed", () => stranger.closed);
  });
});

interface Certificate {
  certFile: string;
  keyFile: string;
}

/** Self-signed, or by an authority. */
async function certificate(path: string, name: string, signedBy?: Certificate): Promise<Certificate> {
  const made = { certFile: `${path}/${name}.crt`, keyFile: `${path}/${name}.key` };
  const issuer = signedBy === undefined ? [] : ["-CA", signedBy.certFile, "-CAkey", signedBy.keyFile];
  const names = signedBy === undefined ? [] : ["-addext", `subjectAltName=DNS:${name}`];
  const kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
  const args = ["req", "-x509", ...kind, "-subj", `/CN=${name}`, ...names, ...issuer];
  await promisify(execFile)("openssl", [...args, "-keyout", made.keyFile, "-out", made.certFile]);
  return made;
}
