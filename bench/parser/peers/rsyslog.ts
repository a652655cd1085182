/**
 * rsyslog: imtcp, `contains`, a line of JSON into a file. A process of its own with its own configuration.
 *
 * It reads no PROXY header (its device is the claim in the line), parses the whole header of every line, and works in
 * more than one thread.
 */

import { writeFileSync } from "node:fs";
import { freePort, ownHost } from "@logwarden/lab/parts/loopback";
import { Program } from "@logwarden/lab/parts/program";
import { countLines } from "./count-lines.ts";
import { type Listening, type Peer, runOverTcp } from "./peer.ts";

export const rsyslog: Peer = {
  key: "rsyslog",
  name: "rsyslog, imtcp",
  packages: { files: ["/usr/sbin/rsyslogd"], names: ["rsyslog"] },
  version: ["/usr/sbin/rsyslogd", "-v"],
  framings: ["lf", "octets"],
  run: (corpus, framing, directory, signal) =>
    runOverTcp(() => start(directory), corpus, { framing, expected: corpus.matches }, signal),
};

async function start(directory: string): Promise<Listening> {
  const port = await freePort();
  const output = `${directory}/rsyslog.out`;
  const configuration = `${directory}/rsyslog.conf`;
  writeFileSync(output, "");
  writeFileSync(configuration, configure(directory, port, output));
  const program = await Program.start({
    name: "rsyslogd",
    command: "/usr/sbin/rsyslogd",
    args: ["-n", "-iNONE", "-f", configuration],
  });
  await program.listening(ownHost, port);
  return {
    ...{ program, port, proxied: false },
    finish: async () => {
      await program.stop();
      return countLines(output);
    },
  };
}

function configure(directory: string, port: number, output: string): string {
  return `
global(workDirectory="${directory}" net.enableDNS="off")
module(load="imtcp")
input(type="imtcp" address="${ownHost}" port="${port}" ruleset="bench")
template(name="task" type="list") {
  constant(value="{\\"host\\":\\"") property(name="hostname" format="json")
  constant(value="\\",\\"text\\":\\"") property(name="msg" format="json") constant(value="\\"}\\n")
}
ruleset(name="bench") {
  if ($programname == "sshd" and $msg contains "Failed password")
    or ($programname == "netplugd" and ($msg contains "state DOWN" or $msg contains "state ACTIVE")) then
    action(type="omfile" file="${output}" template="task")
}
`;
}
