/**
 * What a service says of its variables (`--help`) → its example for /etc/logwarden, every variable in it: those that must be set, and
 * those that every installation sets, ready to be edited; the others as comments with their defaults.
 *
 *   node deploy/systemd/env-example.ts      writes deploy/systemd/env/*.env.example anew
 */

import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));

export const services = ["parser", "responder"] as const;
export type Service = (typeof services)[number];

/**
 * What has a default that suits nobody here: without the balancers a parser refuses every connection, and without a keeper it loses lines
 * when it dies.
 */
const alwaysSet: Record<string, string> = {
  LOGWARDEN_TRUSTED_PROXIES: "10.10.10.11,10.10.10.12",
  LOGWARDEN_KEEP_CONNECTIONS: "yes",
};

export interface Described {
  name: string;
  /** Undefined: it must be set. */
  fallback: string | undefined;
  example: string;
  about: string;
}

/** Reads what describeEnvironment (packages/shared) writes. */
export function readHelp(text: string): Described[] {
  const variables = text.matchAll(/^ {2}(LOGWARDEN_\w+) {2}(.*)\n {6}(.*)$/gm);
  return [...variables].map(([, name = "", value = "", about = ""]) => {
    const example = /^\(must be set, e\.g\. (.*)\)$/.exec(value)?.[1];
    const fallback = example !== undefined ? undefined : value === "(empty)" ? "" : value;
    return { name, fallback, example: example ?? value, about };
  });
}

export function helpOf(service: Service): string {
  return execFileSync(process.execPath, [`${root}services/${service}/src/main.ts`, "--help"], { encoding: "utf8" });
}

export function exampleOf(service: Service, help: string): string {
  const head = [
    `# /etc/logwarden/${service}.env: every variable of the ${service}, for deploy/systemd/logwarden-${service}@.service.`,
    "# What is commented out has this value anyway. Variables that nobody knows are refused at the start.",
    `# Made from the service's own --help by deploy/systemd/env-example.ts; edit your copy, not this file.`,
  ];
  const blocks = readHelp(help).map(({ name, fallback, example, about }) => {
    const value = alwaysSet[name] ?? (fallback === undefined ? example : undefined);
    const line = value === undefined ? `#${name}=${fallback ?? ""}` : `${name}=${value}`;
    return [...wrap(about), line].join("\n");
  });
  return `${head.join("\n")}\n\n${blocks.join("\n\n")}\n`;
}

function wrap(text: string): string[] {
  const lines: string[] = [];
  let line = "#";
  for (const word of text.split(" ")) {
    if (line.length + 1 + word.length > 110) {
      lines.push(line);
      line = "#";
    }
    line += ` ${word}`;
  }
  return [...lines, line];
}

export function pathOf(service: Service): string {
  return `${root}deploy/systemd/env/${service}.env.example`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const service of services) writeFileSync(pathOf(service), exampleOf(service, helpOf(service)));
}
