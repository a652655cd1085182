/**
 * A file is judged by the program that will run it, from this machine, or from a Docker image where the machine has none.
 *
 *   program on this machine ──▶ its own -c or -t
 *   none, and an image      ──▶ the same, in a container without network, the file mounted for reading
 *   neither                 ──▶ a failure that says both ways
 */

import { execFile } from "node:child_process";
import { accessSync, constants, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { CommandError } from "../verb.ts";

export interface Verdict {
  accepted: boolean;
  /** Who judged: a path on this machine, or "docker image NAME". */
  judge: string;
  /** What it said: why not, or warnings. */
  said: string[];
}

export interface Judge {
  program: string;
  /** Before the file's path. */
  flags: readonly string[];
  /** Debian's package. */
  package: string;
  /** An image that has it, for the message. */
  imageExample: string;
}

export const haproxyJudge: Judge = {
  ...{ program: "haproxy", flags: ["-c", "-f"], package: "haproxy", imageExample: "haproxy:3.0" },
};

export const keepalivedJudge: Judge = {
  ...{ program: "keepalived", flags: ["-t", "-f"], package: "keepalived", imageExample: "IMAGE" },
};

/** Where Debian keeps daemons; a plain user's PATH does not say it. */
const daemonDirectories = ["/usr/local/sbin", "/usr/sbin", "/sbin"];
/** Both read a file in milliseconds; a container takes seconds to start, and an image may have to be pulled. */
const programMsMax = 30_000;
const containerMsMax = 300_000;
const saidBytesMax = 1024 * 1024;
/** In the container. */
const mounted = "/run/logwarden-check";

/** @throws CommandError when there is neither the program nor an image to take it from */
export async function judge(
  { program, flags, package: debianPackage, imageExample }: Judge,
  text: string,
  image: string | undefined,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<Verdict> {
  const path = environment["PATH"] ?? "";
  const found = find(program, path);
  if (found === undefined && image === undefined) {
    throw new CommandError(
      `${program} is not on this machine: install it (Debian: apt-get install ${debianPackage}), ` +
        `or give an image that has it: --image ${imageExample}`,
    );
  }
  const docker = find("docker", path);
  if (found === undefined && docker === undefined) {
    throw new CommandError(`neither ${program} nor docker is on this machine: ${image} cannot be asked`);
  }
  const directory = mkdtempSync(`${tmpdir()}/logwarden-check-`);
  const file = `${directory}/${program}.cfg`;
  try {
    writeFileSync(file, text);
    if (found !== undefined) return await run(found, found, [...flags, file], programMsMax, environment);
    const container = ["run", "--rm", "--network", "none", "--volume", `${file}:${mounted}:ro`];
    const args = [...container, "--entrypoint", program, image ?? "", ...flags, mounted];
    return await run(`docker image ${image}`, docker ?? "docker", args, containerMsMax, environment);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function run(
  judgeName: string,
  command: string,
  args: readonly string[],
  timeout: number,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<Verdict> {
  return new Promise((resolve, reject) => {
    const options = { timeout, maxBuffer: saidBytesMax, env: { ...environment } };
    execFile(command, args, options, (error, stdout, stderr) => {
      const said = `${stdout}${stderr}`.split("\n").filter((line) => line.trim() !== "");
      if (error === null) return resolve({ accepted: true, judge: judgeName, said });
      // A number: the program's own verdict. 125 to 127 are docker's and the shell's own: nobody has judged.
      const isVerdict = typeof error.code === "number" && !(judgeName !== command && error.code >= 125);
      if (isVerdict) return resolve({ accepted: false, judge: judgeName, said });
      const why = error.signal === undefined || error.signal === null ? error.code : `ended by ${error.signal}`;
      return reject(
        new CommandError(`${judgeName} could not judge (${why}): ${said.slice(-3).join(" ") || "it said nothing"}`),
      );
    });
  });
}

function find(program: string, path: string): string | undefined {
  return [...path.split(":"), ...daemonDirectories]
    .filter((directory) => directory.startsWith("/"))
    .map((directory) => `${directory}/${program}`)
    .find((candidate) => {
      try {
        accessSync(candidate, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}
