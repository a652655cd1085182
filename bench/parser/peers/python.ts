/** A Python program of the original design's form: socket, lines, `in`, a regular expression, JSON (original-form.py). */

import { fileURLToPath } from "node:url";
import { freePort, ownHost } from "@logwarden/lab/parts/loopback";
import { Program } from "@logwarden/lab/parts/program";
import { type Listening, type Peer, runOverTcp } from "./peer.ts";

/** Debian's own, whatever else is on the PATH. */
export const python3 = "/usr/bin/python3";

export const python: Peer = {
  key: "python",
  name: "Python, original form",
  packages: { files: [python3], names: ["python3"] },
  version: [python3, "--version"],
  framings: ["lf"],
  run: (corpus, framing, _, signal) => runOverTcp(start, corpus, { framing, expected: corpus.matches }, signal),
};

async function start(): Promise<Listening> {
  const port = await freePort();
  const script = fileURLToPath(new URL("original-form.py", import.meta.url));
  const program = await Program.start({
    name: "the original form",
    command: python3,
    args: ["-u", script, ownHost, String(port)],
  });
  await program.listening(ownHost, port);
  return {
    ...{ program, port, proxied: true },
    finish: async () => {
      const last = program.line((line) => line.startsWith('{"lines"'));
      await program.stop();
      return (JSON.parse(await last) as { matches: number }).matches;
    },
  };
}
