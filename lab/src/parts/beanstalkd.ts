/**
 * A real beanstalkd. With a directory it keeps a binlog, fsynced before every answer (-f0): beanstalkd's own default of
 * 50 ms has no timer, so the last jobs before a quiet spell would never reach the disk.
 */

import { freePort, ownHost } from "./loopback.ts";
import { Program, type ProgramOptions } from "./program.ts";

export interface BeanstalkdOptions {
  name?: string;
  /** An address of this process alone when absent. */
  host?: string;
  /** A free port when absent. */
  port?: number;
  /** Where the binlog lives; without it jobs live in memory only. */
  binlogDirectory?: string;
  /** Further flags, for example ["-z", "1000"]. */
  flags?: readonly string[];
  onLine?: ProgramOptions["onLine"];
}

export interface Beanstalkd {
  program: Program;
  host: string;
  port: number;
  /** `host:port`, as the queue's configuration writes it. */
  address: string;
}

/** Starts a beanstalkd and waits until it accepts connections. */
export async function startBeanstalkd(options: BeanstalkdOptions = {}): Promise<Beanstalkd> {
  const host = options.host ?? ownHost;
  const port = options.port ?? (await freePort(host));
  const program = await Program.start({
    name: options.name ?? "beanstalkd",
    command: "beanstalkd",
    args: [
      ...["-l", host, "-p", String(port)],
      ...(options.binlogDirectory === undefined ? [] : ["-b", options.binlogDirectory, "-f0"]),
      ...(options.flags ?? []),
    ],
    ...(options.onLine === undefined ? {} : { onLine: options.onLine }),
  });
  await program.listening(host, port);
  return { program, host, port, address: `${host}:${port}` };
}
