/**
 * The routers that the contract is held against: the simulator as three releases always, and a real router when the environment
 * names one:
 *
 *   VYOS_URL=https://192.0.2.1 VYOS_KEY=… [VYOS_FINGERPRINT=sha256:…] [VYOS_INTERFACE=eth1] [VYOS_RELEASE=1.4]
 *
 * Without VYOS_FINGERPRINT the certificate is read first and pinned for the rest of the run, and the run says so.
 */

import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, type TLSSocket } from "node:tls";
import { fileURLToPath } from "node:url";
import { Program } from "@logwarden/lab/parts/program";

const releases = ["1.3", "1.4", "current"] as const;
export type Release = (typeof releases)[number];

/** How to come by a router. What is known before it runs decides which cases are skipped. */
export interface Candidate {
  name: string;
  /** undefined: texts that differ by release are not compared. */
  release: Release | undefined;
  /** An interface that may be taken down for a moment; undefined: the cases that would are skipped. */
  interface: string | undefined;
  /** Whether faults can be asked for; else the cases about them are skipped. */
  breakable: boolean;
  start(): Promise<Router>;
}

export interface Router {
  url: string;
  key: string;
  fingerprint: string;
  /** Asks for a fault by its name in the simulator; undefined takes all faults away. */
  fault(fault: Record<string, unknown> | undefined): Promise<void>;
  stop(): Promise<void>;
}

export function candidates(environment: NodeJS.ProcessEnv): Candidate[] {
  const simulated = releases.map((release) => ({
    name: `the simulator as ${release}`,
    release,
    interface: "eth1",
    breakable: true,
    start: () => startSimulator(release),
  }));
  const real = realRouter(environment);
  return real === undefined ? simulated : [...simulated, real];
}

async function startSimulator(release: Release): Promise<Router> {
  const directory = await mkdtemp(join(tmpdir(), "router-contract-"));
  const key = randomBytes(16).toString("hex");
  await writeFile(join(directory, "key"), `${key}\n`, { mode: 0o600 });
  const program = await Program.start({
    name: `router-${release}`,
    command: process.execPath,
    args: [
      fileURLToPath(new URL("../../packages/vyos-sim/src/main.ts", import.meta.url)),
      "--listen=127.0.0.1:0",
      `--release=${release}`,
      `--key-file=${join(directory, "key")}`,
      `--state=${join(directory, "state")}`,
      "--commit-scale=0",
      "--interfaces=eth0,eth1",
      "--control=127.0.0.1:0",
    ],
    // Jest's own options (--experimental-vm-modules) are not meant for it.
    env: { NODE_OPTIONS: "" },
  });
  const started = JSON.parse(await program.line((line) => line.includes('"router.started"'))) as {
    url: string;
    fingerprint: string;
    control: string;
  };
  return {
    url: started.url,
    key,
    fingerprint: started.fingerprint,
    async fault(fault) {
      const asked = fault === undefined ? { method: "DELETE" } : { method: "POST", body: JSON.stringify(fault) };
      const answer = await fetch(`${started.control}/faults`, asked);
      if (!answer.ok) throw new Error(`the simulator refused ${JSON.stringify(fault)}: ${await answer.text()}`);
    },
    async stop() {
      await program.stop();
      await rm(directory, { recursive: true });
    },
  };
}

function realRouter(environment: NodeJS.ProcessEnv): Candidate | undefined {
  const { VYOS_URL: url, VYOS_KEY: key, VYOS_FINGERPRINT: given, VYOS_INTERFACE: name, VYOS_RELEASE } = environment;
  if (url === undefined || key === undefined) return undefined;
  const release = releases.find((known) => known === VYOS_RELEASE);
  return {
    name: `the router ${url}`,
    release,
    interface: name,
    breakable: false,
    async start() {
      const fingerprint = given ?? (await readFingerprint(url));
      if (given === undefined)
        process.stderr.write(`VYOS_FINGERPRINT is not set: trusting what is there now, ${fingerprint}\n`);
      const fault = () => Promise.reject(new Error("a real router has no faults on request"));
      return { url, key, fingerprint, fault, stop: async () => {} };
    },
  };
}

async function readFingerprint(url: string): Promise<string> {
  const socket = await connected(url);
  // A destroyed socket has forgotten its peer.
  const seen = socket.getPeerX509Certificate()?.fingerprint256;
  socket.destroy();
  if (seen === undefined) throw new Error(`${url} shows no certificate`);
  return `sha256:${seen}`;
}

function connected(url: string): Promise<TLSSocket> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const to = { host: hostname.replaceAll(/^\[|\]$/g, ""), port: port === "" ? 443 : Number(port) };
    const socket = connect({ ...to, rejectUnauthorized: false }, () => resolve(socket));
    socket.once("error", reject);
  });
}

export interface RawAnswer {
  status: number;
  contentType: string;
  body: string;
}

/** One request as it is written here, without the client: for answers whose bytes matter, and requests the client cannot make. */
export async function raw(
  router: Router,
  path: string,
  { method = "POST", type, body = "" }: { method?: string; type?: string; body?: string },
): Promise<RawAnswer> {
  const socket = await connected(router.url);
  const seen = socket.getPeerX509Certificate()?.fingerprint256.toLowerCase().replaceAll(":", "");
  if (
    seen !==
    router.fingerprint
      .toLowerCase()
      .replace(/^sha256:/, "")
      .replaceAll(":", "")
  ) {
    socket.destroy();
    throw new Error(`the certificate of ${router.url} is not the pinned one`);
  }
  try {
    return await new Promise<RawAnswer>((resolve, reject) => {
      const headers = {
        "content-length": Buffer.byteLength(body),
        connection: "close",
        ...(type === undefined ? {} : { "content-type": type }),
      };
      const sent = request(
        new URL(path, router.url),
        { method, headers, createConnection: () => socket },
        (response) => {
          let text = "";
          response.setEncoding("utf8");
          response.on("data", (chunk: string) => {
            text += chunk;
          });
          response.once("error", reject);
          response.once("end", () =>
            resolve({
              status: response.statusCode ?? 0,
              contentType: response.headers["content-type"] ?? "",
              body: text,
            }),
          );
        },
      );
      // A server may answer 413 and close before it has read everything.
      sent.once("error", reject);
      sent.end(body);
    });
  } finally {
    socket.destroy();
  }
}
