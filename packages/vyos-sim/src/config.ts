/** What a person can turn when the router runs as a program: options first, then the environment, then the default. */
import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import { parseArgs } from "node:util";
import type { Release, RouterOptions } from "./index.ts";

export const usage = `A VyOS router that exists only on the wire.

  node packages/vyos-sim/src/main.ts --listen 127.0.0.1:8443 --key-file FILE [options]

  --listen ADDRESS:PORT     SIM_LISTEN        HTTPS API (127.0.0.1:8443)
  --key-file FILE           SIM_KEY_FILE      a file that holds the API key (required)
  --release RELEASE         SIM_RELEASE       1.3, 1.4 or current (1.4)
  --state DIR               SIM_STATE         keeps the saved configuration and the certificate (memory only)
  --commit-scale FACTOR     SIM_COMMIT_SCALE  0 commits at once, 1 as slowly as the real engine (0)
  --interfaces A,B          SIM_INTERFACES    interfaces of the first configuration (eth0,eth1)
  --hostname NAME           SIM_HOSTNAME      host name of the first configuration (vyos)
  --strict                  SIM_STRICT=1      refuse to delete what is absent
  --certificate FILE        SIM_CERTIFICATE   TLS certificate in PEM, with --private-key (its own)
  --private-key FILE        SIM_PRIVATE_KEY
  --control ADDRESS:PORT    SIM_CONTROL       plain HTTP for faults and state; asks for no key (off)
  --help
`;

export interface Listen {
  host: string;
  port: number;
}

export type ProgramConfig =
  | { kind: "help" }
  | { kind: "refused"; complaints: string[] }
  | { kind: "run"; router: RouterOptions; control: Listen | undefined };

export function readProgramConfig(args: string[], environment: NodeJS.ProcessEnv): ProgramConfig {
  const text = { type: "string" } as const;
  const flag = { type: "boolean" } as const;
  let given: Record<string, string | boolean | undefined>;
  try {
    given = parseArgs({
      args,
      options: {
        listen: text,
        "key-file": text,
        release: text,
        state: text,
        "commit-scale": text,
        interfaces: text,
        hostname: text,
        strict: flag,
        certificate: text,
        "private-key": text,
        control: text,
        help: flag,
      },
    }).values;
  } catch (error) {
    return { kind: "refused", complaints: [error instanceof Error ? error.message : String(error)] };
  }
  if (given["help"] === true) return { kind: "help" };
  const complaints: string[] = [];
  const option = (name: string): string | undefined => {
    const value = given[name] ?? environment[`SIM_${name.toUpperCase().replaceAll("-", "_")}`];
    return typeof value === "string" && value !== "" ? value : undefined;
  };
  const listen = (name: string, fallback?: string): Listen | undefined => {
    const value = option(name) ?? fallback;
    if (value === undefined) return undefined;
    const parsed = parseListen(value);
    if (parsed === undefined)
      complaints.push(`expected --${name} to be ADDRESS:PORT such as 127.0.0.1:8443, got "${value}"`);
    return parsed;
  };
  const file = (name: string): string | undefined => {
    const path = option(name);
    if (path === undefined) return undefined;
    try {
      return readFileSync(path, "utf8");
    } catch (error) {
      complaints.push(`could not read --${name}: ${error instanceof Error ? error.message : String(error)}`);
      return undefined;
    }
  };

  const at = listen("listen", "127.0.0.1:8443");
  const control = listen("control");
  const release = option("release") ?? "1.4";
  if (!isRelease(release)) complaints.push(`expected --release to be 1.3, 1.4 or current, got "${release}"`);
  const commitScale = Number(option("commit-scale") ?? 0);
  if (!(commitScale >= 0 && commitScale <= 1))
    complaints.push(`expected --commit-scale from 0 to 1, got "${option("commit-scale")}"`);
  if (option("key-file") === undefined) complaints.push("expected --key-file FILE, a file that holds the API key");
  const key = file("key-file")?.trim();
  if (key === "") complaints.push("expected a key in the file of --key-file, and it is empty");
  const certificatePem = file("certificate");
  const privateKeyPem = file("private-key");
  if ((option("certificate") === undefined) !== (option("private-key") === undefined))
    complaints.push("expected --certificate and --private-key together");
  if (complaints.length > 0 || at === undefined || key === undefined || !isRelease(release))
    return { kind: "refused", complaints };

  const router: RouterOptions = { ...at, key, release, commitScale };
  const stateDirectory = option("state");
  if (stateDirectory !== undefined) router.stateDirectory = stateDirectory;
  const hostname = option("hostname");
  if (hostname !== undefined) router.hostname = hostname;
  const interfaces = option("interfaces");
  if (interfaces !== undefined) router.interfaces = interfaces.split(",").map((name) => name.trim());
  if (given["strict"] === true || environment["SIM_STRICT"] === "1") router.strict = true;
  if (certificatePem !== undefined && privateKeyPem !== undefined) router.identity = { certificatePem, privateKeyPem };
  return { kind: "run", router, control };
}

function isRelease(value: string): value is Release {
  return value === "1.3" || value === "1.4" || value === "current";
}

function parseListen(value: string): Listen | undefined {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(value);
  const host = match?.[1] ?? match?.[2] ?? "";
  const port = Number(match?.[3]);
  return match !== null && (isIP(host) !== 0 || host === "localhost") && port <= 65_535 ? { host, port } : undefined;
}
