// Every way into one parser, with real senders: an attack becomes the task of the device that sent it.

import { createSocket } from "node:dgram";
import { writeFileSync } from "node:fs";
import { connect as connectTcp } from "node:net";
import { connect as connectTls } from "node:tls";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "@jest/globals";
import { freePort, ownHost } from "@logwarden/lab/parts/loopback";
import { Program } from "@logwarden/lab/parts/program";
import { type RsyslogdPart, startRsyslogd } from "@logwarden/lab/parts/rsyslogd";
import { attack, Balancer, frames } from "./balancer.ts";
import { type Certificate, makeCertificate } from "./certificates.ts";
import { scratch } from "./doors.ts";
import { type Rig, startRig, until } from "./rig.ts";

const { path: directory, remove } = scratch();
let authority: Certificate;
let server: Certificate;
let client: Certificate;
let rig: Rig;
let rsyslogd: RsyslogdPart | undefined;
const at = { host: ownHost, plain: 0, tls: 0, udp: 0 };
/** Known by its certificate: it may come from anywhere. */
const roaming = { key: "roaming-1", address: "192.0.2.77", certificate: "roaming-1.example.net" };
/** Known by its address, which is also where a real program on this machine comes from. */
const host = { key: "host-1", address: "127.0.0.1" };
/** Known by the address that HAProxy names. */
const remote = { key: "remote-1", address: "127.9.9.9" };

beforeAll(async () => {
  authority = await makeCertificate(directory, "authority");
  const signedBy = authority;
  server = await makeCertificate(directory, "parser", { names: "DNS:parser.example.net", signedBy });
  client = await makeCertificate(directory, "client", { names: `DNS:${roaming.certificate}`, signedBy });
});
afterAll(remove);
afterEach(async () => {
  await rsyslogd?.program.kill();
  rsyslogd = undefined;
  await rig.close();
});

async function start(env: Record<string, string> = {}): Promise<void> {
  [at.plain, at.tls, at.udp] = [await freePort(), await freePort(), await freePort()];
  rig = await startRig({
    inventory: {
      devices: {
        "edge-1": { address: "10.10.10.201" },
        [host.key]: { address: host.address },
        [remote.key]: { address: remote.address },
        [roaming.key]: { address: roaming.address, certificate: roaming.certificate },
      },
    },
    env: {
      LOGWARDEN_PLAIN_LISTEN: `${at.host}:${at.plain}`,
      LOGWARDEN_TLS_LISTEN: `${at.host}:${at.tls}`,
      LOGWARDEN_TLS_CERTIFICATE_FILE: server.certFile,
      LOGWARDEN_TLS_KEY_FILE: server.keyFile,
      LOGWARDEN_TLS_CLIENT_CA_FILE: authority.certFile,
      LOGWARDEN_UDP_LISTEN: `${at.host}:${at.udp}`,
      ...env,
    },
  });
}

test("one parser serves all of them at the same time, and stops in order", async () => {
  await start();
  const proxied = await rig.dial();
  await proxied.send(frames([attack("203.0.113.1")]));
  const plain = await Balancer.open({ host: at.host, port: at.plain }, { silent: true });
  await plain.send(frames([attack("203.0.113.2")], "octet-counted"));
  const tls = connectTls({
    ...{ host: at.host, port: at.tls, servername: "parser.example.net" },
    ...{ ca: authority.cert, cert: client.cert, key: client.key },
  });
  tls.on("error", () => undefined).resume();
  tls.write(frames([attack("203.0.113.3")], "octet-counted"));
  const udp = createSocket("udp4");
  udp.send(attack("203.0.113.4"), at.udp, at.host);

  expect(await rig.take(1)).toMatchObject([{ host: "10.10.10.201", from: "203.0.113.1" }]);
  expect(await rig.take(2, host.key)).toEqual(
    expect.arrayContaining([
      expect.objectContaining({ host: host.address, from: "203.0.113.2" }),
      expect.objectContaining({ host: host.address, from: "203.0.113.4" }),
    ]),
  );
  expect(await rig.take(1, roaming.key)).toMatchObject([{ host: roaming.address, from: "203.0.113.3" }]);
  expect(await rig.metric("memory_bytes_max")).toBeGreaterThan(0);

  rig.parser.program.signal("SIGTERM");
  udp.close();
  expect(await rig.parser.program.ended).toEqual({ code: 0, signal: null });
  for (const socket of [tls, plain.socket]) socket.destroy();
  expect(rig.warnings()).toEqual([]);
});

describe("a real rsyslogd", () => {
  /** Adds the parser's own words where rsyslogd must be told whom to trust. */
  const overTls = (): string[] => [
    `global(DefaultNetstreamDriver="ossl" DefaultNetstreamDriverCAFile="${authority.certFile}"`,
    `  DefaultNetstreamDriverCertFile="${client.certFile}" DefaultNetstreamDriverKeyFile="${client.keyFile}")`,
    `*.* action(type="omfwd" target="${at.host}" port="${at.tls}" protocol="tcp" TCP_Framing="octet-counted"`,
    '  StreamDriver="ossl" StreamDriverMode="1" StreamDriverAuthMode="x509/name"',
    '  StreamDriverPermittedPeers="parser.example.net" action.resumeRetryCount="-1" action.resumeInterval="1")',
  ];
  const ways: [name: string, key: string, forwarding: () => string[]][] = [
    ["over TLS, known by its certificate", roaming.key, overTls],
    ["over UDP", host.key, () => [`*.* @${at.host}:${at.udp}`]],
    ["over TCP without a balancer", host.key, () => [`*.* @@(o)${at.host}:${at.plain}`]],
  ];
  const startSender = async (forwarding: string[]): Promise<RsyslogdPart> =>
    (rsyslogd = await startRsyslogd({
      ...{ name: "sender", release: "1.4", collector: { host: at.host, port: 0 }, forwarding },
      directory: `${directory}/rsyslogd`,
    }));

  test.each(ways)("is read %s", async (_, key, forwarding) => {
    await start();
    const sender = await startSender(forwarding());
    await sender.log("auth.info", "sshd[1]", "Failed password for root from 203.0.113.9 port 40024 ssh2");
    expect(await rig.take(1, key)).toMatchObject([{ from: "203.0.113.9" }]);
    expect(rig.warnings()).toEqual([]);
  });

  test.each(ways.filter(([name]) => !name.includes("UDP")))(
    "%s, loses nothing when its connections reach their age again and again",
    async (_, key, forwarding) => {
      await start({ LOGWARDEN_CONNECTION_AGE_MAX_MS: "100" });
      const sender = await startSender(forwarding());
      const count = 150;
      for (let n = 0; n < count; n++) {
        await sender.log("auth.info", "sshd[1]", `Failed password for root from 198.18.0.${n} port 40024 ssh2`);
      }
      const tasks = await rig.take(count, key);
      expect(tasks.map(({ from }) => from)).toEqual(Array.from({ length: count }, (_, n) => `198.18.0.${n}`));
      // Over TLS rsyslog 8.2302 does not look for our goodbye: it goes on with the one connection, and we go on reading.
      expect(await rig.metric("connection_aged_total")).toBeGreaterThan(key === host.key ? 1 : 0);
      await until("nothing is left over", async () => (await rig.ready(key)) === 0);
    },
  );
});

test("a real HAProxy that passes TLS through says who sends, and its checks are no warnings", async () => {
  await start({ LOGWARDEN_TLS_PROXIED: "yes" });
  const port = await freePort();
  const file = `${directory}/haproxy.cfg`;
  writeFileSync(
    file,
    [
      "defaults",
      "  mode tcp\n  timeout connect 3s\n  timeout client 1m\n  timeout server 1m",
      "listen syslog",
      `  bind ${at.host}:${port}`,
      `  server parser-1 ${at.host}:${at.tls} send-proxy-v2 check inter 20ms`,
      "",
    ].join("\n"),
  );
  const haproxy = await Program.start({ name: "HAProxy", command: "haproxy", args: ["-db", "-f", file] });
  try {
    await haproxy.listening(at.host, port);
    const raw = connectTcp({ host: at.host, port, localAddress: remote.address });
    const socket = connectTls({ socket: raw, servername: "parser.example.net", ca: authority.cert });
    socket.on("error", () => undefined).resume();
    socket.write(frames([attack("203.0.113.5")], "octet-counted"));
    expect(await rig.take(1, remote.key)).toMatchObject([{ host: remote.address, from: "203.0.113.5" }]);
    await until("several checks have been made", async () => (await rig.metric("connection_closed_total")) > 5);
    expect(rig.warnings()).toEqual([]);
    socket.destroy();
  } finally {
    await haproxy.kill();
  }
});

describe.each(["plain", "tls"] as const)("while beanstalkd does not answer (%s)", (door) => {
  test("the sender's writes stall, and when it answers again no line is lost", async () => {
    await start({ LOGWARDEN_UNANSWERED_PUTS_MAX: "20" });
    rig.queues[0]?.program.signal("SIGSTOP");
    const socket =
      door === "tls"
        ? connectTls({ host: at.host, port: at.tls, servername: "parser.example.net", ca: authority.cert })
        : (await Balancer.open({ host: at.host, port: at.plain }, { silent: true })).socket;
    socket.on("error", () => undefined).resume();
    const filler = `<30>Nov 21 04:44:40 gw1 webapp[77]: ${"x".repeat(8000)}`;
    const count = 2500;
    const addressOf = (n: number): string => `198.18.${n >> 8}.${n & 255}`;
    // 60 MB: more than the kernel's buffers of one connection hold (tcp_rmem and tcp_wmem end at 38 MB).
    const stream = Buffer.concat(
      Array.from({ length: count }, (_, n) => frames([attack(addressOf(n)), filler, filler, filler])),
    );
    const sent = new Promise<void>((resolve) => socket.write(stream, () => resolve()));
    await rig.parser.said("intake.paused");
    let finished = false;
    void sent.then(() => (finished = true));
    const received = await rig.metric("line_received_total");
    await rig.settled();
    expect([await rig.metric("line_received_total"), finished]).toEqual([received, false]);
    rig.queues[0]?.program.signal("SIGCONT");
    await sent;
    const tasks = await rig.take(count, host.key);
    expect(new Set(tasks.map(({ from }) => from)).size).toBe(count);
    expect(await rig.metric("line_received_total")).toBe(4 * count);
    socket.destroy();
  });
});
