/**
 * The peers come from Debian's packages. Where we may (root, apt), what is missing is installed, without its services; a
 * package that would push out another one's is unpacked beside the system instead.
 */

import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { apt, withoutStartingServices } from "@logwarden/lab/system-packages";

export interface Packages {
  /** What the peer needs; there when all of them are. */
  files: readonly string[];
  /** Where they come from. */
  names: readonly string[];
  /** Installing it would remove a program that others use: unpacked into a directory of our own. */
  conflicting?: true;
}

/** Kept from run to run: packages are fetched once. */
const cache = `${homedir()}/.cache/logwarden-bench`;

/** @returns whether the peer can be started. Says why, when it cannot. */
export function ensurePeer(name: string, packages: Packages, say: (line: string) => void): boolean {
  if (isThere(packages)) return true;
  if (process.getuid?.() !== 0 || !existsSync("/usr/bin/apt-get")) {
    say(`${name}: not installed; ${howToInstall(packages)}`);
    return false;
  }
  say(`${name}: fetching ${packages.names.join(", ")} from the system's packages (once) ...`);
  if (packages.conflicting) unpack(packages.names);
  else withoutStartingServices(() => apt(["install", "-y", "--no-install-recommends", ...packages.names]));
  if (isThere(packages)) return true;
  say(`${name}: could not be installed; apt-get says why above`);
  return false;
}

function howToInstall({ names, conflicting }: Packages): string {
  return conflicting === true
    ? "its package would remove another one's programs; run as root, the bench unpacks it beside the system"
    : `sudo apt-get install --no-install-recommends ${names.join(" ")}`;
}

/** The version that a program says it has. */
export function versionOf([command, argument]: readonly [command: string, argument: string]): string {
  const place = existsSync(command) ? undefined : unpacked(command);
  const env = { ...process.env, ...(place === undefined ? {} : { LD_LIBRARY_PATH: place.libraries }) };
  const { stdout, stderr } = spawnSync(`${place?.root ?? ""}${command}`, [argument], { encoding: "utf8", env });
  return /\d+(?:\.\d+)+/.exec(`${stdout}${stderr}`)?.[0] ?? "version unknown";
}

/** Where a program that may have been unpacked beside the system is: @param file as the system would have it */
export function unpacked(file: string): { root: string; libraries: string; modules: string } {
  const root = existsSync(file) ? "" : cache;
  const machine = readdirSync(`${root}/usr/lib`).find((name) => name.endsWith("-linux-gnu")) ?? "";
  const modules = readdirSync(`${root}/usr/lib/syslog-ng`).find((name) => /^\d/.test(name)) ?? "";
  return {
    root,
    libraries: [`/usr/lib/syslog-ng`, `/usr/lib/${machine}`, `/lib/${machine}`].map((path) => root + path).join(":"),
    modules: `${root}/usr/lib/syslog-ng/${modules}`,
  };
}

function isThere({ files, conflicting }: Packages): boolean {
  return files.every((file) => existsSync(file) || (conflicting === true && existsSync(`${cache}${file}`)));
}

function unpack(names: readonly string[]): void {
  const directory = `${cache}/packages`;
  mkdirSync(directory, { recursive: true });
  try {
    // In a directory of our own, which apt's unprivileged user may not write to.
    apt(["-o", "APT::Sandbox::User=root", "download", ...names], directory);
    for (const file of readdirSync(directory)) spawnSync("/usr/bin/dpkg-deb", ["-x", `${directory}/${file}`, cache]);
  } finally {
    rmSync(directory, { recursive: true });
  }
}
