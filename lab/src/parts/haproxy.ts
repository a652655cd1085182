/**
 * A real HAProxy, with deploy/haproxy/haproxy.cfg, which is told everything by its environment, or with a file that was made
 * from a topology.
 */

import { Program, type ProgramOptions } from "./program.ts";
import { root } from "./service.ts";

export interface HaproxyOptions {
  name?: string;
  /** LOGWARDEN_… variables of haproxy.cfg: deploy/README.md has the table. What is absent has the default of production. */
  env?: Record<string, string>;
  /** Another file, and where its admin page is. It runs as production runs it: SIGUSR2 to its master is a reload. */
  made?: { file: string; admin: string };
  onLine?: ProgramOptions["onLine"];
}

export interface HaproxyPart {
  program: Program;
  /** Where /healthz, /readyz, /metrics and /stats are. */
  adminUrl: string;
}

/** Starts HAProxy and waits until its admin page answers; whether a parser is in service is another question. */
export async function startHaproxy({ name = "haproxy", env = {}, made, onLine }: HaproxyOptions): Promise<HaproxyPart> {
  const adminUrl = `http://${made?.admin ?? env["LOGWARDEN_ADMIN_BIND"] ?? "127.0.0.1:8404"}`;
  const program = await Program.start({
    name,
    command: "haproxy",
    // -db: in the foreground, whatever the file says. -W: a master, and a worker that a reload replaces.
    args: made === undefined ? ["-db", "-f", `${root}deploy/haproxy/haproxy.cfg`] : ["-W", "-db", "-f", made.file],
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
