// Syslog over TLS (RFC 5425): whom a certificate names, who is refused and why, and what changes while we run.

import { copyFileSync, renameSync } from "node:fs";
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from "node:tls";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "@jest/globals";
import { frames, localHeader, proxyHeader } from "./balancer.ts";
import { type Certificate, type CertificateRequest, makeCertificate } from "./certificates.ts";
import { balancer, type Doors, edge, openDoors, scratch, stranger, web } from "./doors.ts";
import { until } from "./rig.ts";

const { path: directory, remove } = scratch();
let authority: Certificate;
let elsewhere: Certificate;
let server: Certificate;
const clients = new Map<string, Certificate>();
let doors: Doors;

/** Senders by what their certificate says. */
const kinds: Record<string, () => CertificateRequest> = {
  edge: () => ({ names: `DNS:${edge.certificate}`, signedBy: authority }),
  "edge in capitals": () => ({ names: "DNS:EDGE-1.Example.NET", signedBy: authority }),
  "edge by its common name": () => ({ commonName: edge.certificate, signedBy: authority }),
  "another name, edge as common name": () => ({
    commonName: edge.certificate,
    names: "DNS:other.example.net",
    signedBy: authority,
  }),
  "an address, edge as common name": () => ({
    commonName: edge.certificate,
    names: "IP:127.1.0.1",
    signedBy: authority,
  }),
  "a wildcard": () => ({ names: "DNS:*.example.net", signedBy: authority }),
  "edge inside another name": () => ({ names: `URI:http://x/a DNS:${edge.certificate}`, signedBy: authority }),
  "edge inside another name and as common name": () => ({
    commonName: edge.certificate,
    names: `URI:http://x/a DNS:${edge.certificate}`,
    signedBy: authority,
  }),
  "edge and web": () => ({ names: `DNS:${edge.certificate},DNS:${web.certificate}`, signedBy: authority }),
  nobody: () => ({ names: "DNS:nobody.example.net", signedBy: authority }),
  "edge, signed elsewhere": () => ({ names: `DNS:${edge.certificate}`, signedBy: elsewhere }),
  "edge, signed by itself": () => ({ names: `DNS:${edge.certificate}` }),
};

beforeAll(async () => {
  [authority, elsewhere] = await Promise.all([
    makeCertificate(directory, "authority"),
    makeCertificate(directory, "elsewhere"),
  ]);
  server = await makeCertificate(directory, "parser", { names: "DNS:parser.example.net", signedBy: authority });
  for (const [kind, request] of Object.entries(kinds)) {
    clients.set(kind, await makeCertificate(directory, kind.replaceAll(" ", "-"), request()));
  }
});
afterAll(remove);
afterEach(() => doors.close());

const open = async (env: Record<string, string> = {}): Promise<void> => {
  doors = await openDoors({
    open: ["tls"],
    env: { LOGWARDEN_TLS_CERTIFICATE_FILE: server.certFile, LOGWARDEN_TLS_KEY_FILE: server.keyFile, ...env },
  });
};
const asking = (): Record<string, string> => ({ LOGWARDEN_TLS_CLIENT_CA_FILE: authority.certFile });
const required = (): Record<string, string> => ({ ...asking(), LOGWARDEN_TLS_CLIENTS: "required" });

const line = (n: number): string => `<38>Nov 21 04:44:40 gw1 app[1]: line ${n}`;

/** A sender that trusts our authority, with the certificate of its kind, if any. */
function sender(kind?: string, from = edge.address, options: ConnectionOptions & { stubborn?: true } = {}): TLSSocket {
  const own = kind === undefined ? undefined : clients.get(kind);
  const shown = own === undefined ? {} : { cert: own.cert, key: own.key };
  const { stubborn = false, ...rest } = options;
  return doors.tls({ ca: authority.cert, ...shown, ...rest }, { from, stubborn }).resume();
}
const send = (socket: TLSSocket, ...lines: string[]): Promise<void> =>
  new Promise((resolve) => socket.write(frames(lines, "octet-counted"), () => resolve()));
const closed = (socket: TLSSocket): Promise<void> => new Promise((resolve) => socket.once("close", () => resolve()));
const lineOf = async (device: string): Promise<void> => {
  await until("a line has come", () => doors.lines.length > 0);
  expect(doors.lines).toEqual([{ device, text: line(1) }]);
};

describe("without certificates of senders", () => {
  test.each(["TLSv1.2", "TLSv1.3"] as const)("the device is the peer's address (%s)", async (version) => {
    await open();
    await send(sender(undefined, web.address, { minVersion: version, maxVersion: version }), line(1));
    await lineOf(web.key);
  });

  test("a stranger is refused before the handshake", async () => {
    await open();
    const socket = sender(undefined, stranger.address);
    let secured = false;
    socket.once("secureConnect", () => (secured = true));
    await closed(socket);
    expect(secured).toBe(false);
    expect(await doors.refused("unknown-device")).toBe(1);
  });

  test("who speaks no TLS, or an old one, is refused and counted", async () => {
    await open();
    const plain = await doors.tcp("tls", { from: edge.address, silent: true });
    void plain.send(frames([line(1)]));
    await plain.closed;
    const old = sender(undefined, edge.address, {
      minVersion: "TLSv1.1",
      maxVersion: "TLSv1.1",
      ciphers: "DEFAULT@SECLEVEL=0",
    });
    await closed(old);
    await until("both are counted", async () => (await doors.refused("tls-failed")) === 2);
    expect(doors.lines).toEqual([]);
    expect(doors.said.find(({ event }) => event === "connection.refused")).toMatchObject({
      peer: edge.address,
      detail: "ERR_SSL_WRONG_VERSION_NUMBER",
    });
  });

  test("a handshake that never finishes ends after its time; one that ends by itself is no refusal", async () => {
    await open({ LOGWARDEN_HEADER_TIMEOUT_MS: "200" });
    const gone = await doors.tcp("tls", { from: edge.address, silent: true });
    gone.finish();
    await gone.closed;
    const silent = await doors.tcp("tls", { from: edge.address, silent: true });
    await silent.closed;
    const slow = await doors.tcp("tls", { from: edge.address, silent: true });
    await slow.send(Buffer.from("1603010200010001fc0303", "hex"));
    await slow.closed;
    expect(await doors.refused("handshake-timeout")).toBe(2);
    expect(await doors.metric("connection_refused_total")).toBe(2);
    await until("none is open", () => doors.receiver.connections === 0);
  });
});

describe("with certificates of senders", () => {
  test.each([
    ["edge", web.address],
    ["edge in capitals", web.address],
    ["edge by its common name", web.address],
    ["edge", stranger.address],
    ["edge", balancer.address],
  ])("a verified name is the device, wherever it comes from: %s from %s", async (kind, from) => {
    await open(asking());
    await send(sender(kind, from), line(1));
    await lineOf(edge.key);
  });

  test.each([
    ["nobody"],
    ["another name, edge as common name"],
    ["an address, edge as common name"],
    ["a wildcard"],
    ["edge inside another name"],
    ["edge inside another name and as common name"],
  ])("a verified name that is no device's leaves the address to tell: %s", async (kind) => {
    await open(asking());
    await send(sender(kind, web.address), line(1));
    await lineOf(web.key);
    await closed(sender(kind, stranger.address));
    expect(await doors.refused("unknown-device")).toBe(1);
  });

  test("no certificate, where it is optional, leaves the address to tell", async () => {
    await open(asking());
    await send(sender(undefined, web.address), line(1));
    await lineOf(web.key);
  });

  test("no certificate, where it is required, is refused, and nothing of it is read", async () => {
    await open(required());
    const socket = sender(undefined, edge.address);
    void send(socket, line(1));
    await closed(socket);
    expect(await doors.refused("certificate-missing")).toBe(1);
    expect(doors.lines).toEqual([]);
    await send(sender("edge", stranger.address), line(1));
    await lineOf(edge.key);
  });

  test.each([
    ["edge, signed elsewhere", asking],
    ["edge, signed by itself", asking],
    ["edge, signed elsewhere", required],
  ])("a certificate that nobody of ours signed is refused, also where none would do: %s", async (kind, env) => {
    await open(env());
    const socket = sender(kind, edge.address);
    void send(socket, line(1));
    await closed(socket);
    expect(await doors.refused("certificate-unverified")).toBe(1);
    expect(doors.lines).toEqual([]);
  });

  test("a certificate that is two devices is none", async () => {
    await open(asking());
    await closed(sender("edge and web", edge.address));
    expect(await doors.refused("certificate-ambiguous")).toBe(1);
  });

  test("a session is never taken up again without its certificate", async () => {
    await open(required());
    const first = sender("edge", edge.address, { maxVersion: "TLSv1.2" });
    const session = await new Promise<Buffer>((resolve) =>
      first.once("secureConnect", () => resolve(first.getSession() ?? Buffer.alloc(0))),
    );
    const second = sender("edge", edge.address, { maxVersion: "TLSv1.2", session });
    await send(second, line(1));
    expect(second.isSessionReused()).toBe(false);
    await lineOf(edge.key);
  });
});

describe("behind a PROXY header (LOGWARDEN_TLS_PROXIED)", () => {
  const proxied = (): Record<string, string> => ({ ...asking(), LOGWARDEN_TLS_PROXIED: "yes" });

  /** HAProxy passing a sender's TLS through: the header, then whatever the sender says. */
  async function through(source: string, kind?: string, header = proxyHeader({ source })): Promise<TLSSocket> {
    const { socket: raw } = await doors.tcp("tls", { from: balancer.address, silent: true, stubborn: true });
    const own = kind === undefined ? undefined : clients.get(kind);
    const shown = own === undefined ? {} : { cert: own.cert, key: own.key };
    raw.write(header);
    const socket = connectTls({ socket: raw, ca: authority.cert, servername: "parser.example.net", ...shown });
    socket.on("error", () => undefined).resume();
    return socket;
  }

  test("the header's address is the device, and a certificate's name comes before it", async () => {
    await open(proxied());
    await send(await through(web.address), line(1));
    await lineOf(web.key);
    await send(await through(web.address, "edge"), line(2));
    await until("the second has come", () => doors.lines.length === 2);
    expect(doors.lines[1]).toEqual({ device: edge.key, text: line(2) });
  });

  test("header and handshake may come in one segment, or byte by byte", async () => {
    await open(proxied());
    const sockets = await Promise.all(
      [false, true].map(async (slowly) => {
        const { socket: raw } = await doors.tcp("tls", { from: balancer.address, silent: true, stubborn: true });
        const header = proxyHeader({ source: edge.address });
        // The first thing that TLS writes is its greeting: it goes out behind the header.
        raw.cork();
        if (!slowly) raw.write(header);
        else {
          for (const byte of header) {
            raw.write(Buffer.from([byte]));
            raw.uncork();
            await new Promise((resolve) => setImmediate(resolve));
          }
        }
        const socket = connectTls({ socket: raw, ca: authority.cert, servername: "parser.example.net" });
        raw.uncork();
        return socket.on("error", () => undefined).resume();
      }),
    );
    for (const socket of sockets) await send(socket, line(1));
    await until("both lines have come", () => doors.lines.length === 2);
  });

  test("TLS without the header, and the header from anybody else, are refused", async () => {
    await open(proxied());
    await closed(sender(undefined, balancer.address));
    expect(await doors.refused("bad-signature")).toBe(1);
    const impostor = await doors.tcp("tls", { from: edge.address, source: web.address });
    await impostor.closed;
    expect(await doors.refused("untrusted-peer")).toBe(1);
    expect(doors.lines).toEqual([]);
  });

  test("without LOGWARDEN_TLS_PROXIED a header is no TLS: never guessed", async () => {
    await open(asking());
    const pretender = await doors.tcp("tls", { from: balancer.address, source: web.address });
    await pretender.closed;
    expect(await doors.refused("tls-failed")).toBe(1);
  });

  test("a health check is no refusal and no device", async () => {
    await open(proxied());
    const check = await doors.tcp("tls", { from: balancer.address, silent: true });
    await check.send(localHeader);
    await until("it is open", () => doors.receiver.connections === 1);
    check.reset();
    await until("it is closed", () => doors.receiver.connections === 0);
    await send(await through("", undefined, localHeader), line(1));
    await until(
      "its line is counted",
      async () => (await doors.metric('line_refused_total{reason="no-device"}')) === 1,
    );
    expect(await doors.metric("connection_refused_total")).toBe(0);
    expect(doors.lines).toEqual([]);
  });
});

describe("while it runs", () => {
  test("new connections get the new certificate; an unusable one leaves the old in use, with a warning", async () => {
    const [cert, key] = [`${directory}/served.crt`, `${directory}/served.key`];
    const serve = (one: Certificate): void => {
      // As certbot and Kubernetes do it: a new file takes the old one's name.
      copyFileSync(one.certFile, `${cert}.new`);
      copyFileSync(one.keyFile, `${key}.new`);
      renameSync(`${cert}.new`, cert);
      renameSync(`${key}.new`, key);
    };
    serve(server);
    await open({
      LOGWARDEN_TLS_CERTIFICATE_FILE: cert,
      LOGWARDEN_TLS_KEY_FILE: key,
      LOGWARDEN_TLS_FILES_CHECK_MS: "0",
    });
    const served = async (): Promise<string | undefined> => {
      const socket = sender();
      await new Promise((resolve) => socket.once("secureConnect", resolve));
      return socket.getPeerX509Certificate()?.fingerprint256;
    };
    const [old, again] = [await served(), await served()];
    expect(again).toBe(old);
    const renewed = await makeCertificate(directory, "renewed", {
      names: "DNS:parser.example.net",
      signedBy: authority,
    });
    // Half of a renewal: a certificate whose key is not there yet.
    copyFileSync(renewed.certFile, cert);
    expect(await served()).toBe(old);
    const warning = doors.said.find(({ event }) => event === "certificate.unusable");
    expect(warning).toMatchObject({ detail: expect.stringContaining("LOGWARDEN_TLS_KEY_FILE") });
    serve(renewed);
    const fresh = await served();
    expect(fresh).not.toBe(old);
    expect(await served()).toBe(fresh);
    expect(await doors.metric("certificate_renewed_total")).toBe(1);
    expect(JSON.stringify(doors.said)).not.toContain("PRIVATE KEY");
  });

  test("paused, TLS senders stall as well, handshakes among them; read again, nothing is lost", async () => {
    await open();
    const before = sender();
    await send(before, line(0));
    await until("one line has come", () => doors.lines.length === 1);
    doors.receiver.pause();
    const during = sender();
    let secured = false;
    during.once("secureConnect", () => (secured = true));
    const count = 4000;
    const filler = "x".repeat(8000);
    const sent = send(
      before,
      ...Array.from({ length: count }, (_, n) => `<38>Nov 21 04:44:40 gw1 app[1]: ${n} ${filler}`),
    );
    let looks = 0;
    let last = -1;
    await until("the sender's socket takes no more", () => {
      looks = before.bytesWritten === last ? looks + 1 : 0;
      last = before.bytesWritten;
      return looks >= 20;
    });
    expect([doors.lines.length, secured]).toEqual([1, false]);
    doors.receiver.resume();
    await sent;
    await send(during, line(1));
    await until("every line has come", () => doors.lines.length === count + 2);
    expect(await doors.metric("connection_refused_total")).toBe(0);
  });

  test.each(["TLSv1.2", "TLSv1.3"] as const)(
    "half-closed by us, a TLS connection is read until the peer closes (%s)",
    async (version) => {
      await open();
      const socket = sender(undefined, edge.address, { minVersion: version, maxVersion: version, stubborn: true });
      await send(socket, line(1));
      await until("the first line has come", () => doors.lines.length === 1);
      const goodbye = new Promise((resolve) => socket.once("end", resolve));
      const drained = doors.receiver.drain(10_000);
      await goodbye;
      await send(socket, line(2));
      await until("the line behind it has come", () => doors.lines.length === 2);
      socket.end();
      expect(await drained).toBe(0);
    },
  );

  test("frames arrive whole over TLS, split at every byte", async () => {
    await open({ LOGWARDEN_ADDRESS_CONNECTIONS_MAX: "500", LOGWARDEN_DEVICE_CONNECTIONS_MAX: "500" });
    const stream = frames([line(1), line(2)], "octet-counted");
    const senders = Array.from(stream, () => sender());
    await Promise.all(
      senders.map((socket, at) => new Promise((resolve) => socket.write(stream.subarray(0, at), resolve))),
    );
    await Promise.all(
      senders.map((socket, at) => new Promise((resolve) => socket.write(stream.subarray(at), resolve))),
    );
    await until("every line has come", () => doors.lines.length === 2 * senders.length);
    expect(new Set(doors.lines.map(({ text }) => text))).toEqual(new Set([line(1), line(2)]));
  });
});
