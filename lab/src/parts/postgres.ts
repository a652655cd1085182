/**
 * A real PostgreSQL of our own, in a directory that goes with it. It refuses to run as root, so root starts it as the user
 * that Debian's package made, else as nobody.
 */

import { execFileSync } from "node:child_process";
import { chownSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { freePort, ownHost } from "./loopback.ts";
import { Program, type ProgramOptions } from "./program.ts";

export interface PostgresOptions {
  name?: string;
  /** An address of this process alone when absent. */
  host?: string;
  /** A free port when absent. */
  port?: number;
  /** Further settings, for example { max_connections: "20" }. */
  settings?: Record<string, string>;
  onLine?: ProgramOptions["onLine"];
}

export interface Postgres {
  program: Program;
  host: string;
  port: number;
  /** The server's own user may do everything in it. */
  user: string;
  password: string;
  /** postgres://user:password@host:port/database, of a database that is there: "postgres", or one that you made. */
  url(database?: string): string;
  /** Starts it again on its data, after its program has ended. */
  restart(): Promise<void>;
  /** Ends it as it is, and its data with it. */
  remove(): Promise<void>;
}

/** Debian keeps the server's programs off the PATH, each release in a directory of its own. */
function binary(name: string): string {
  const [newest] = globSync(`/usr/lib/postgresql/*/bin/${name}`).sort((a, b) => releaseOf(b) - releaseOf(a));
  return newest ?? name;
}

const releaseOf = (path: string): number => Number(path.split("/")[4]);

const user = "logwarden";
const password = "password-of-logwarden";

/** Makes a cluster, starts its server and waits until it accepts connections. */
export async function startPostgres(options: PostgresOptions = {}): Promise<Postgres> {
  const host = options.host ?? ownHost;
  const port = options.port ?? (await freePort(host));
  const name = options.name ?? "postgres";
  const directory = mkdtempSync(join(tmpdir(), "logwarden-postgres-"));
  const owner = ownerOf();
  if (owner !== undefined) chownSync(directory, owner.uid, owner.gid);
  const data = join(directory, "data");
  try {
    initialize(data, owner);
  } catch (error) {
    rmSync(directory, { recursive: true, force: true });
    throw error;
  }

  // What it holds is gone after the test anyhow: it need not wait for the disk.
  const settings = {
    ...{ listen_addresses: host, port: String(port), unix_socket_directories: directory },
    ...{ fsync: "off", synchronous_commit: "off", full_page_writes: "off", ...options.settings },
  };
  const start = async (): Promise<Program> => {
    const program = await Program.start({
      ...{ name, command: binary("postgres"), cwd: directory, ...owner },
      args: ["-D", data, ...Object.entries(settings).flatMap(([key, value]) => ["-c", `${key}=${value}`])],
      ...(options.onLine === undefined ? {} : { onLine: options.onLine }),
    });
    await program.line((line) => line.includes("database system is ready to accept connections"));
    return program;
  };
  const postgres: Postgres = {
    ...{ program: await start(), host, port, user, password },
    url: (database = "postgres") => `postgres://${user}:${password}@${host}:${port}/${database}`,
    restart: async () => {
      postgres.program = await start();
    },
    remove: async () => {
      // At once, without waiting for whoever is connected.
      postgres.program.signal("SIGQUIT");
      await postgres.program.stop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
  return postgres;
}

/** The files of an empty server. */
function initialize(data: string, owner: Owner | undefined): void {
  const passwordFile = `${data}-password`;
  writeFileSync(passwordFile, `${password}\n`);
  execFileSync(
    binary("initdb"),
    [
      ...["--pgdata", data, "--username", user, "--encoding", "UTF8", "--locale", "C.UTF-8", "--no-sync"],
      ...["--auth", "scram-sha-256", "--pwfile", passwordFile],
    ],
    { stdio: ["ignore", "ignore", "inherit"], cwd: dirname(data), ...owner },
  );
}

interface Owner {
  uid: number;
  gid: number;
}

/** Who PostgreSQL runs as when we are root. */
function ownerOf(): Owner | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const users = readFileSync("/etc/passwd", "utf8")
    .split("\n")
    .map((line) => line.split(":"));
  const [, , uid, gid] = users.find(([one]) => one === "postgres") ?? users.find(([one]) => one === "nobody") ?? [];
  return { uid: Number(uid ?? 65_534), gid: Number(gid ?? 65_534) };
}
