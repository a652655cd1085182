/**
 * syslog-ng: a source that reads the PROXY header, a filter, a line of JSON into a file.
 *
 * Debian's package cannot stand beside rsyslog's, so it is unpacked into a directory of ours where it is not installed
 * (packages.ts). Octet-counted lines come without a PROXY header: its transports know one or the other.
 */

import { writeFileSync } from "node:fs";
import { freePort, ownHost } from "@logwarden/lab/parts/loopback";
import { Program } from "@logwarden/lab/parts/program";
import { countLines } from "./count-lines.ts";
import { unpacked } from "./packages.ts";
import { type Framing, type Listening, type Peer, runOverTcp } from "./peer.ts";

export const syslogNg: Peer = {
  key: "syslog-ng",
  name: "syslog-ng, proxied-tcp",
  packages: {
    files: ["/usr/sbin/syslog-ng"],
    names: ["syslog-ng-core", "libivykis0", "libnet1", "libpcre3", "libwrap0", "libnsl2", "libtirpc3"],
    conflicting: true,
  },
  version: ["/usr/sbin/syslog-ng", "-V"],
  framings: ["lf", "octets"],
  run: (corpus, framing, directory, signal) =>
    runOverTcp(() => start(directory, framing), corpus, { framing, expected: corpus.matches }, signal),
};

async function start(directory: string, framing: Framing): Promise<Listening> {
  const port = await freePort();
  const output = `${directory}/syslog-ng.out`;
  const configuration = `${directory}/syslog-ng.conf`;
  writeFileSync(output, "");
  writeFileSync(configuration, configure(port, framing, output));
  const place = unpacked("/usr/sbin/syslog-ng");
  const program = await Program.start({
    name: "syslog-ng",
    command: `${place.root}/usr/sbin/syslog-ng`,
    args: [
      ...["--foreground", "--no-caps", "--cfgfile", configuration, "--module-path", place.modules],
      ...["--persist-file", `${directory}/syslog-ng.persist`, "--control", `${directory}/syslog-ng.ctl`],
      ...["--pidfile", `${directory}/syslog-ng.pid`],
    ],
    env: { LD_LIBRARY_PATH: place.libraries },
  });
  await program.listening(ownHost, port);
  return {
    ...{ program, port, proxied: framing === "lf" },
    finish: async () => {
      await program.stop();
      return countLines(output);
    },
  };
}

/** flow-control: without it a fast sender's lines would be dropped, and the row would be a wrong answer. */
function configure(port: number, framing: Framing, output: string): string {
  return `@version: 3.38
options { use-dns(no); keep-hostname(yes); stats-freq(0); };
source s_bench { network(ip("${ownHost}") port(${port}) transport("${framing === "lf" ? "proxied-tcp" : "framed"}")); };
filter f_bench {
  (program("sshd" type(string)) and message("Failed password" type(string) flags(substring)))
  or (program("netplugd" type(string)) and
    (message("state DOWN" type(string) flags(substring)) or message("state ACTIVE" type(string) flags(substring))));
};
destination d_bench { file("${output}" template("$(format-json host=$HOST text=$MESSAGE)\\n")); };
log { source(s_bench); filter(f_bench); destination(d_bench); flags(flow-control); };
`;
}
