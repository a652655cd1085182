/**
 * A real HAProxy with the file that production runs, deploy/haproxy/haproxy.cfg; what differs is in its environment.
 */

import { Program, type ProgramOptions } from "./program.ts";
import { root } from "./service.ts";

export interface HaproxyOptions {
  /** LOGWARDEN_… variables of haproxy.cfg: deploy/README.md has the table. What is absent has the default of production. */
  env: Record<string, string>;
  onLine?: ProgramOptions["onLine"];
}

export interface HaproxyPart {
  program: Program;
  /** Where /healthz, /readyz, /metrics and /stats are. */
  adminUrl: string;
}

/** Starts HAProxy and waits until its admin page answers; whether a parser is in service is another question. */
export async function startHaproxy({ env, onLine }: HaproxyOptions): Promise<HaproxyPart> {
  const adminUrl = `http://${env["LOGWARDEN_ADMIN_BIND"] ?? "127.0.0.1:8404"}`;
  const program = await Program.start({
    name: "haproxy",
    command: "haproxy",
    // -db: in the foreground, whatever the file says.
    args: ["-db", "-f", `${root}deploy/haproxy/haproxy.cfg`],
    env,
    ...(onLine === undefined ? {} : { onLine }),
  });
  while (program.running) {
    if (await isHealthy(adminUrl)) return { program, adminUrl };
    await Promise.race([program.ended, new Promise((resolve) => setTimeout(resolve, 10))]);
  }
  throw new Error(`haproxy ended before ${adminUrl}/healthz answered:\n${program.lastWords}`);
}

async function isHealthy(adminUrl: string): Promise<boolean> {
  try {
    return (await fetch(`${adminUrl}/healthz`)).ok;
  } catch {
    return false;
  }
}
