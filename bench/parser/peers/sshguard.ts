/**
 * sshguard's parser: one state machine for all of its signatures, from a log file on its standard input.
 *
 * It knows sshd (and much else), but not netplugd, and does not ask which program logged a line, so it counts decoys too.
 */

import { type Peer, runToEnd } from "./peer.ts";
import { countLines } from "./count-lines.ts";

const parser = "/usr/libexec/sshguard/sshg-parser";

export const sshguard: Peer = {
  key: "sshguard",
  name: "sshguard, sshg-parser",
  packages: { files: [parser], names: ["sshguard"] },
  version: ["/usr/sbin/sshguard", "-v"],
  framings: ["file"],
  run: async (corpus, _, directory, signal) => {
    const output = `${directory}/sshguard.out`;
    // It ends with its input, and only its parent can say what it used: the shell, whose `times` counts what it waited for.
    // The shell does not pass on how it is ended: the kernel ends sshg-parser with it.
    const script = 'setpriv --pdeathsig KILL -- "$0" <"$1" >"$2" && times';
    const args = ["-c", script, parser, corpus.plain, output];
    const times = await runToEnd({ name: "sshg-parser", command: "/bin/sh", args }, signal);
    return {
      cpuSeconds: readTimes(times),
      lines: corpus.lines,
      matches: await countLines(output),
      expected: corpus.sshd,
    };
  },
};

/** `0m1.230000s 0m0.040000s`: user and system of the children. */
function readTimes(line: string): number {
  const found = [...line.matchAll(/(\d+)m([\d.]+)s/g)];
  if (found.length !== 2) throw new Error(`expected two times from the shell, got ${JSON.stringify(line)}`);
  return found.reduce((sum, [, minutes, seconds]) => sum + Number(minutes) * 60 + Number(seconds), 0);
}
