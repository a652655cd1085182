/**
 * The test as HAProxy: connections that begin with a PROXY header and carry syslog.
 */

import { isIPv6, connect, type Socket } from "node:net";

export type Version = "v1" | "v2";
export type Framing = "lf" | "octet-counted";

export interface Dial {
  /** Whom the header names as the sender; the router of the original design unless given. */
  source?: string;
  version?: Version;
  /** Our own address, as the parser sees it. */
  from?: string;
  /** Nothing is sent: the test writes the header itself, or none. */
  silent?: boolean;
  /** We keep our side open when the parser half-closes; otherwise we close as soon as we see it. */
  stubborn?: boolean;
}

export class Balancer {
  readonly socket: Socket;
  /** Resolves when the parser has half-closed. */
  readonly halfClosed: Promise<void>;
  /** Resolves when nothing is left of the connection, however it ended. */
  readonly closed: Promise<void>;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on("error", () => undefined);
    this.halfClosed = new Promise((resolve) => socket.once("end", resolve));
    this.closed = new Promise((resolve) => socket.once("close", () => resolve()));
    socket.resume();
  }

  static async open(to: { host: string; port: number }, dial: Dial = {}): Promise<Balancer> {
    const local = dial.from === undefined ? {} : { localAddress: dial.from };
    const socket = connect({ ...to, ...local, allowHalfOpen: dial.stubborn ?? false, noDelay: true });
    await new Promise<void>((resolve, reject) => {
      socket.once("connect", resolve);
      socket.once("error", reject);
    });
    const balancer = new Balancer(socket);
    if (dial.silent !== true) socket.write(proxyHeader(dial));
    return balancer;
  }

  /** Writes; resolves when the kernel has taken it. */
  send(bytes: Buffer | string): Promise<void> {
    return new Promise((resolve) => this.socket.write(bytes, () => resolve()));
  }

  /** Says that no more will come. */
  finish(): void {
    this.socket.end();
  }

  /** Ends with a reset, as HAProxy's health checks do. */
  reset(): void {
    this.socket.resetAndDestroy();
  }

  async destroy(): Promise<void> {
    this.socket.destroy();
    await this.closed;
  }
}

/** The header of HAProxy's send-proxy and send-proxy-v2 for a connection from `source`. */
export function proxyHeader({ source = "10.10.10.201", version = "v2" }: Dial = {}): Buffer {
  const family = isIPv6(source) ? 6 : 4;
  if (version === "v1") {
    const destination = family === 6 ? "2001:db8::10" : "10.10.10.10";
    return Buffer.from(`PROXY TCP${family} ${source} ${destination} 45288 10514\r\n`);
  }
  const addresses =
    family === 6 ? [ipv6Bytes(source), ipv6Bytes("2001:db8::10")] : [ipv4Bytes(source), ipv4Bytes("10.10.10.10")];
  const block = Buffer.concat([...addresses, Buffer.from([0xb0, 0xe8, 0x29, 0x12])]);
  const fixed = Buffer.from([0x21, family === 6 ? 0x21 : 0x11, 0, block.length]);
  return Buffer.concat([v2Signature, fixed, block]);
}

const v2Signature = Buffer.from("\r\n\r\n\0\r\nQUIT\n", "latin1");

/** What a send-proxy-v2 server's check begins with: LOCAL, no addresses. */
export const localHeader = Buffer.concat([v2Signature, Buffer.from([0x20, 0, 0, 0])]);

/** Lines as a sender writes them on the wire. */
export function frames(lines: readonly (string | Buffer)[], framing: Framing = "lf"): Buffer {
  return Buffer.concat(
    lines.flatMap((line) => {
      const bytes = Buffer.from(line);
      return framing === "lf" ? [bytes, Buffer.from("\n")] : [Buffer.from(`${bytes.length} `), bytes];
    }),
  );
}

/** A line that becomes a task. */
export function attack(from: string, user = "root"): string {
  return `<38>Nov 21 04:44:40 gw1 sshd[2319]: Failed password for ${user} from ${from} port 40024 ssh2`;
}

function ipv4Bytes(address: string): Buffer {
  return Buffer.from(address.split(".").map(Number));
}

/** Full groups and one "::" are all that the tests write. */
function ipv6Bytes(address: string): Buffer {
  const [head = "", tail = ""] = address.split("::");
  const groups = (text: string): string[] => (text === "" ? [] : text.split(":"));
  const zeros = Array.from({ length: 8 - groups(head).length - groups(tail).length }, () => "0");
  const all = [...groups(head), ...(address.includes("::") ? zeros : []), ...groups(tail)];
  return Buffer.from(all.map((group) => group.padStart(4, "0")).join(""), "hex");
}
