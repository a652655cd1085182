/**
 * A thousand senders in one process: every connection sends a burst of attacks at once and then some more every second,
 * cut anywhere, so that most of the time most connections have a line half sent.
 *
 *   node soak-sender.ts '{"host":"…","port":1,"connections":1000,"burst":300,"perSecond":5,"seconds":30}'
 *
 * Every line has a user of its own, so that each can be found again. Half of the connections count octets. Ends
 * when every byte was taken and every connection is closed.
 */

import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { attacker } from "../addresses.ts";
import { deviceAt } from "./device.ts";

export interface Soaking {
  host: string;
  port: number;
  connections: number;
  /** Attacks of each connection at its start, and then each second. */
  burst: number;
  perSecond: number;
  seconds: number;
}

const soaking = JSON.parse(process.argv[2] ?? "") as Soaking;
const { host, port, connections, burst, perSecond, seconds } = soaking;
/** Every tenth connection ends in the middle of a line. */
const brokenEvery = 10;

class Sender {
  readonly #number: number;
  readonly #socket: Socket;
  /** However it ended, and whenever. */
  readonly #closed: Promise<void>;
  #sent = 0;
  /** The part of the last line that is not sent yet. */
  #rest = "";

  private constructor(number: number, socket: Socket) {
    this.#number = number;
    this.#socket = socket;
    // What is lost shows in the count.
    socket.on("error", () => undefined);
    this.#closed = new Promise((resolve) => socket.once("close", () => resolve()));
    socket.resume();
    socket.write(`PROXY TCP4 ${deviceAt(number).address} 10.10.10.10 45288 10514\r\n`);
  }

  static async open(number: number): Promise<Sender> {
    const socket = connect({ host, port, noDelay: true });
    await new Promise<void>((resolve, reject) => {
      socket.once("connect", resolve);
      socket.once("error", reject);
    });
    return new Sender(number, socket);
  }

  send(lines: number): void {
    const text = this.#rest + Array.from({ length: lines }, () => this.#frame()).join("");
    // Somewhere in the last line.
    const cut = text.length - 1 - (this.#sent % 90);
    this.#rest = text.slice(cut);
    this.#socket.write(text.slice(0, cut), "latin1");
  }

  async finish(): Promise<void> {
    const broken = this.#number % brokenEvery === 0 ? "<38>Nov 21 04:44:40 gw1 sshd[2319]: Failed password for ro" : "";
    // Half a line behind an octet count is half a frame.
    this.#socket.end(this.#rest + (this.#counted && broken !== "" ? `500 ${broken}` : broken), "latin1");
    await this.#closed;
  }

  get #counted(): boolean {
    return this.#number % 2 === 1;
  }

  #frame(): string {
    const user = `c${this.#number}n${this.#sent++}`;
    const line = `<38>Nov 21 04:44:40 gw1 sshd[2319]: Failed password for invalid user ${user} from ${attacker(this.#number)} port 40024 ssh2`;
    return this.#counted ? `${line.length} ${line}` : `${line}\n`;
  }
}

const senders = await Promise.all(Array.from({ length: connections }, (_, number) => Sender.open(number)));
for (const sender of senders) sender.send(burst);
for (let second = 0; second < seconds; second++) {
  await sleep(1000);
  for (const sender of senders) sender.send(perSecond);
}
await Promise.all(senders.map((sender) => sender.finish()));
