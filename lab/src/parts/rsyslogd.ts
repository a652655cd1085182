/**
 * A real rsyslogd, configured as VyOS renders it; programs log to its socket, it forwards to the collector.
 *
 * The remote line is byte for byte VyOS's own:
 *   1.3   `*.* @@(o)HOST:PORT;RSYSLOG_SyslogProtocol23Format`   octet-counted RFC 5424 (TCP with a port, always)
 *   1.4   `*.* @@HOST:PORT`                                     LF, RFC 3164
 * Source: vyos-1x, data/templates/rsyslog (1.3: equuleus; 1.4.0: sagitta).
 */

import { execFile } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { promisify } from "node:util";
import { Program } from "./program.ts";

export interface RsyslogdOptions {
  name: string;
  release: "1.3" | "1.4";
  /** Where it forwards to. */
  collector: { host: string; port: number };
  /** Lines that forward in another way than VyOS does: over UDP, over TLS. */
  forwarding?: readonly string[];
  directory: string;
  /** Before its command, to run it on a machine of namespaces: Namespaces.on(). Its socket is a file, and so everybody's. */
  on?: readonly string[];
}

export interface RsyslogdPart {
  program: Program;
  /** The socket that programs log to, as /dev/log is on a router. */
  socket: string;
  /** Logs one line as a program of the router would. @param priority as logger takes it: "auth.info" */
  log(priority: string, tag: string, text: string): Promise<void>;
}

const remoteLine = {
  "1.3": (target: string) => `*.* @@(o)${target};RSYSLOG_SyslogProtocol23Format`,
  "1.4": (target: string) => `*.* @@${target}`,
} as const;

/** Starts rsyslogd and waits until its socket takes messages. */
export async function startRsyslogd(options: RsyslogdOptions): Promise<RsyslogdPart> {
  mkdirSync(options.directory, { recursive: true });
  const socket = `${options.directory}/log.sock`;
  const configuration = `${options.directory}/rsyslog.conf`;
  const target = `${options.collector.host}:${options.collector.port}`;
  writeFileSync(
    configuration,
    [
      `global(workDirectory="${options.directory}" localHostname="${options.name}")`,
      'module(load="imuxsock" SysSock.Use="off")',
      `input(type="imuxsock" Socket="${socket}")`,
      "$RepeatedMsgReduction on",
      ...(options.forwarding ?? [remoteLine[options.release](target)]),
      "",
    ].join("\n"),
  );
  const [command = "rsyslogd", ...args] = [
    ...(options.on === undefined ? [] : ["ip", ...options.on]),
    ...["rsyslogd", "-n", "-f", configuration, "-i", `${options.directory}/rsyslogd.pid`],
  ];
  const program = await Program.start({ name: `${options.name} rsyslogd`, command, args });
  const log = async (priority: string, tag: string, text: string): Promise<void> => {
    // Without a shell: the text is somebody's log line. --socket-errors: a line that nobody took must not be silent.
    const args = ["--socket", socket, "--socket-errors=on", "--priority", priority, "--tag", tag, "--", text];
    await promisify(execFile)("logger", args);
  };
  // rsyslogd says nothing when its socket is there; a message that is taken is the fact. It asks for nothing.
  for (;;) {
    if (!program.running) throw new Error(`${options.name} rsyslogd ended:\n${program.lastWords}`);
    try {
      await log("syslog.debug", "lab", "the router is up");
      return { program, socket, log };
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}
