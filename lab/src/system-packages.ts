/**
 * The system's programs that lab, tests and benches run for real: beanstalkd, HAProxy, rsyslogd, logger,
 * PostgreSQL; openssl for the certificates of tests; keepalived for tests.
 *
 * Where we may (root, apt), what is missing is installed; else one message says exactly what to type. The packages'
 * services are not started: the lab starts its own, on loopback, and nothing else on the machine should change.
 */

import { spawnSync } from "node:child_process";
import { accessSync, constants, existsSync, globSync, rmSync, writeFileSync } from "node:fs";

/** Program → the Debian package that has it. */
const packages = {
  beanstalkd: "beanstalkd",
  haproxy: "haproxy",
  rsyslogd: "rsyslog",
  logger: "bsdutils",
  openssl: "openssl",
} as const;

/** Programs that Debian keeps off the PATH, each release in a directory of its own → their package. */
const hidden = {
  "/usr/lib/postgresql/*/bin/postgres": "postgresql",
} as const;

/** What only tests run; the lab has one balancer. curl is what keepalived asks HAProxy with, ip makes namespaces. */
const packagesOfTests = {
  keepalived: "keepalived",
  curl: "curl",
  ip: "iproute2",
  // prometheus itself and promtool: alarms and panels are asked of the real one.
  promtool: "prometheus",
  // A machine with a systemd of its own, for the units.
  "systemd-nspawn": "systemd-container",
  // Kills a process at an exact point.
  strace: "strace",
} as const;

/** What rsyslogd loads → its package. */
const modules = {
  "lmnsd_ossl.so": "rsyslog-openssl",
} as const;

/** Debian keeps daemons here, and a plain user's PATH does not. */
const daemonDirectories = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/** The search path for programs of the system, daemons among them. */
export function programPath(path: string = process.env["PATH"] ?? ""): string {
  return [...path.split(":"), ...daemonDirectories].filter((part, at, all) => all.indexOf(part) === at).join(":");
}

/**
 * Makes sure that every program is there.
 * @param say receives progress, a line each
 * @param tests whether those that only tests run are wanted too
 * @throws an Error whose message tells the person what to type
 */
export function ensureSystemPackages(say: (line: string) => void, { tests = false } = {}): void {
  const wanted = tests ? { ...packages, ...packagesOfTests } : packages;
  const missing = missingPackages(wanted);
  if (missing.length === 0) return;
  const command = `apt-get install --no-install-recommends ${missing.join(" ")}`;
  if (process.getuid?.() !== 0 || !isExecutable("apt-get")) {
    throw new Error(
      `These programs of the system are missing: ${missing.join(", ")}. On Debian or Ubuntu:\n\n  sudo ${command}\n`,
    );
  }
  say(`installing ${missing.join(", ")} from the system's packages (once) ...`);
  withoutStartingServices(() => {
    // A machine whose package lists are fresh enough needs no update, which is the slow part.
    if (apt(["install", "-y", "--no-install-recommends", ...missing])) return;
    apt(["update"]);
    if (!apt(["install", "-y", "--no-install-recommends", ...missing])) {
      throw new Error(`The packages could not be installed; apt-get says why above. By hand:\n\n  ${command}\n`);
    }
  });
  const still = missingPackages(wanted);
  if (still.length > 0)
    throw new Error(`Installed, but still not found: ${still.join(", ")}. PATH is ${programPath()}`);
}

function missingPackages(wanted: Readonly<Record<string, string>>): string[] {
  return [
    ...Object.entries(wanted).flatMap(([program, name]) => (isExecutable(program) ? [] : [name])),
    ...Object.entries(hidden).flatMap(([path, name]) => (globSync(path).length > 0 ? [] : [name])),
    ...Object.entries(modules).flatMap(([file, name]) => (isModule(file) ? [] : [name])),
  ];
}

/** Debian keeps modules under the name of the processor's architecture. */
function isModule(file: string): boolean {
  return globSync(`/usr/lib{,64,/*}/rsyslog/${file}`).length > 0;
}

function isExecutable(program: string): boolean {
  return programPath()
    .split(":")
    .some((directory) => {
      try {
        accessSync(`${directory}/${program}`, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

/** policy-rc.d is how Debian's package scripts are told not to start services; 101: forbidden. */
export function withoutStartingServices(work: () => void): void {
  const policy = "/usr/sbin/policy-rc.d";
  if (existsSync(policy)) return work();
  writeFileSync(policy, "#!/bin/sh\nexit 101\n", { mode: 0o755 });
  try {
    work();
  } finally {
    rmSync(policy);
  }
}

/** Runs apt-get; what it says goes to stderr. @returns whether it did what was asked */
export function apt(args: readonly string[], cwd?: string): boolean {
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const options = { stdio: ["ignore", 2, 2] as ["ignore", 2, 2], env, ...(cwd === undefined ? {} : { cwd }) };
  return spawnSync("apt-get", ["-qq", "-o", "Dpkg::Use-Pty=0", ...args], options).status === 0;
}
