/**
 * Stands in for the rsyslogd of a device: one TCP connection to the syslog VIP, from the device's address, kept open.
 *
 * The line is the first of corpus/sshd.md, so that a line is measured that exists; only the attacker's address changes.
 */

import { readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { nowMs } from "./router.ts";

export interface Sent {
  /** Just before the write: nothing of the system's work is left out. */
  atMs: number;
  /** The same moment in the services' time, whole milliseconds of the wall clock. */
  atWallMs: number;
}

export class LineSender implements Disposable {
  readonly #socket: Socket;

  private constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** @param source the device's address */
  static async open(vip: { host: string; port: number }, source: string): Promise<LineSender> {
    const socket = connect({ ...vip, localAddress: source, noDelay: true });
    await new Promise<void>((resolve, reject) => {
      socket.once("connect", resolve);
      socket.once("error", reject);
    });
    // A lost connection shows at the next send.
    socket.on("error", () => undefined);
    return new LineSender(socket);
  }

  /** Writes one line in one piece; Node hands it to the kernel before it returns. @throws when the connection is gone */
  send(line: string): Sent {
    if (!this.#socket.writable) throw new Error("the syslog connection was closed by the other side");
    const bytes = Buffer.from(`${line}\n`, "latin1");
    const sent = { atMs: nowMs(), atWallMs: Date.now() };
    this.#socket.write(bytes);
    return sent;
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }
}

/** A failed password from that address, as a device sends it. */
export function failedPassword(address: string): string {
  return line.replace(/ from \S+ port /, ` from ${address} port `);
}

/** What the program itself logs, without header and tag. */
export function failedPasswordText(address: string): string {
  return failedPassword(address).replace(/^.*?: /, "");
}

const line = firstLine(new URL("../corpus/sshd.md", import.meta.url));

function firstLine(file: URL): string {
  const found = /^```log\n(<.*Failed password for .* from \S+ port \d+ ssh2)\n```$/m.exec(readFileSync(file, "utf8"));
  if (found?.[1] === undefined) throw new Error(`expected a failed password in ${file.pathname}`);
  return found[1];
}
