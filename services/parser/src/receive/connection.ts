/**
 * One stream connection: bytes → lines of the device that sent them.
 *
 *   accepted ──▶ header ──▶ handshake ──▶ lines ─────────────────▶ closed
 *      │           │            │           ├─ aged: half-closed, read on until the peer closes
 *      │           │            │           └─ lame duck: the same, until the deadline
 *      │           │            └─ refused: no TLS in time, a certificate that is nobody's
 *      │           └─ refused: no PROXY header in time, a broken one
 *      └─ refused: not a balancer where one is required; one connection too many. Any state: nobody's device
 *
 * Which of header and handshake there are depends on the door alone, never on what the peer sends: whoever could leave the
 * header out, or put one in, could claim to be any device.
 *
 * Who does not read closes the window: while paused nothing is taken from the kernel, and the sender holds its lines. A
 * handshake that was begun goes on, and no other is begun.
 *
 * After we have half-closed a connection we never cut it for its age: what the peer still sends are lines.
 */

import type { X509Certificate } from "node:crypto";
import { Socket } from "node:net";
import { type Address, parseAddress } from "@logwarden/shared/ip";
import type { Device } from "@logwarden/shared/inventory";
import type { Log } from "@logwarden/shared/log";
import type { Inherited, Keeping } from "../keep/keeping.ts";
import type { Left } from "../keep/journal.ts";
import type { Connections, Crowding } from "./connections.ts";
import type { Devices, IdentityFault } from "./devices.ts";
import { Framer, type FrameSink } from "./framing.ts";
import type { LineSink } from "./line-sink.ts";
import { type HeaderFault, parseProxyHeader } from "./proxy-protocol.ts";
import {
  handleOf,
  pauseReading,
  type Reading,
  readBuffer,
  readHandle,
  readSocket,
  resumeReading,
} from "./read-buffer.ts";
import type { Handshake, TlsDoor, TlsFault } from "./tls-door.ts";

/** Why a connection is refused: a closed list, because it is a metric label. */
export type ConnectionFault =
  | "untrusted-peer"
  | "header-timeout"
  | "handshake-timeout"
  | "journal-torn"
  | HeaderFault
  | TlsFault
  | IdentityFault
  | Crowding;

export type DoorName = "proxied" | "plain" | "tls";

/** What stands between a connection and its lines. */
export interface Door {
  name: DoorName;
  /** A PROXY header from a trusted balancer comes first. */
  proxied: boolean;
  tls: TlsDoor | undefined;
}

/** What all connections of a receiver have in common. */
export interface Surroundings extends LineSink {
  frameBytesMax: number;
  headerTimeoutMs: number;
  connectionAgeMaxMs: number;
  reading: Reading;
  devices: Devices;
  connections: Connections;
  /** Undefined when nobody keeps our connections. */
  keeping: Keeping | undefined;
  log: Log;
}

/** Connections that were opened together do not end together: each lives between 80 and 120 % of the age. */
const ageJitter = 0.2;

const nothing = Buffer.alloc(0);

export class Connection {
  readonly #peer: Address;
  readonly #door: Door;
  readonly #surroundings: Surroundings;
  /** Whose connections are counted together; undefined: a balancer's. */
  readonly #countedAddress: Address | undefined;
  #state: "header" | "handshake" | "lines" | "closed" = "header";
  /** What is read: the TLS socket once there is one. */
  #socket: Socket;
  /** Bytes of a header that is not complete. */
  #head = nothing;
  /** Who speaks, as far as addresses tell. Undefined: the balancer itself. */
  #speaker: Address | undefined;
  #device: Device | undefined;
  #framer: Framer | undefined;
  /** Where the keeper has it; undefined while it has not. */
  #slot: number | undefined;
  /** What a worker that died with the end of this stream in hand called its last line. */
  #endName: string | undefined;
  #timer: NodeJS.Timeout | undefined;
  #broken = false;
  #halfClosed = false;
  /** A handshake that waits until we read again. */
  #postponed: (() => void) | undefined;

  /** @param from paused, and admitted: there is room for it, and its peer may use the door; or a dead worker's */
  constructor(from: Socket | Inherited, peer: Address, door: Door, surroundings: Surroundings) {
    this.#peer = peer;
    this.#door = door;
    this.#surroundings = surroundings;
    const { devices, connections, reading } = surroundings;
    this.#countedAddress = devices.isBalancer(peer) ? undefined : peer;
    const take = (from: number, to: number): void => this.#take(from, to);
    // TLS needs the accepted socket itself; in front of it only a header is read.
    if (!(from instanceof Socket)) this.#socket = readHandle(from.handle, take);
    else if (door.tls === undefined) this.#socket = readSocket(from, take, reading);
    else this.#socket = door.proxied ? readSocket(from, take, "copied") : from;
    connections.enter(this, this.#countedAddress);
    this.#watch(this.#socket);
    this.#socket.once("close", (hadError) => this.#close(hadError));
    if (!(from instanceof Socket)) this.#inherit(from);
    else if (door.proxied) this.#awaitHeader();
    else this.#speak(peer, 0, 0);
  }

  get halfClosed(): boolean {
    return this.#halfClosed;
  }

  pause(): void {
    if (this.#state !== "handshake") pauseReading(this.#socket);
  }

  resume(): void {
    const postponed = this.#postponed;
    this.#postponed = undefined;
    if (postponed !== undefined) postponed();
    else if (this.#state !== "handshake") resumeReading(this.#socket);
  }

  leave(): void {
    // In front of lines TLS needs both directions; they are ended when the lines begin.
    if (this.#state === "lines" || this.#door.tls === undefined) this.#halfClose();
  }

  cut(): void {
    this.#socket.destroy();
  }

  #take(from: number, to: number): void {
    switch (this.#state) {
      case "header":
        return this.#takeHeader(from, to);
      case "lines":
        return this.#takeLines(from, to);
      case "handshake":
      case "closed":
        return;
    }
  }

  #awaitHeader(): void {
    const { connections } = this.#surroundings;
    this.#limitTime("header-timeout");
    if (!connections.paused) resumeReading(this.#socket);
    if (connections.leaving) this.leave();
  }

  #takeHeader(from: number, to: number): void {
    const start = from - this.#head.length;
    this.#head.copy(readBuffer.bytes, start);
    const bytes = readBuffer.bytes.subarray(start, to);
    const header = parseProxyHeader(bytes);
    switch (header.kind) {
      case "more":
        this.#head = Buffer.from(bytes);
        return;
      case "refused": {
        const seen = JSON.stringify(bytes.toString("latin1", 0, 40));
        return this.#refuse(header.fault, `expected a PROXY header, got ${seen}`);
      }
      case "local":
      case "proxied":
        this.#head = nothing;
        return this.#speak(header.kind === "local" ? undefined : header.ends.source, start + header.consumed, to);
    }
  }

  /** An address speaks, the balancer's own when it is undefined; bytes from..to of this read came behind the header. */
  #speak(address: Address | undefined, from: number, to: number): void {
    const { devices } = this.#surroundings;
    // With `send-proxy check` (v1) HAProxy's health check names itself as the sender, and at the other doors it comes as
    // itself: LOCAL in all but name, unless it is a device as well.
    const isBalancer = address?.text === this.#peer.text && devices.isBalancer(address);
    this.#speaker = isBalancer && typeof devices.identify(address) === "string" ? undefined : address;
    const { tls } = this.#door;
    // Before the handshake, when it cannot tell anything: it is the dearest thing that a stranger can ask of us.
    if (tls?.asksForCertificates !== true && !this.#identify(undefined)) return;
    if (tls !== undefined) return this.#beginHandshake(tls, readBuffer.bytes.subarray(from, to));
    this.#beginLines();
    if (from < to) this.#takeLines(from, to);
  }

  #beginHandshake(tls: TlsDoor, payload: Buffer): void {
    this.#state = "handshake";
    const socket = this.#socket;
    pauseReading(socket);
    socket.removeAllListeners("data");
    if (payload.length > 0) socket.unshift(Buffer.from(payload));
    const begin = (): void => {
      this.#limitTime("handshake-timeout");
      tls.shake(socket, (outcome) => this.#endHandshake(outcome));
    };
    clearTimeout(this.#timer);
    if (this.#surroundings.connections.paused) this.#postponed = begin;
    else begin();
  }

  #endHandshake(outcome: Handshake): void {
    if (outcome.kind === "refused") return this.#refuse(outcome.reason, outcome.detail);
    const { socket, certificate } = outcome;
    this.#watch(socket);
    this.#socket = readSocket(socket, (from, to) => this.#take(from, to), "copied");
    if (this.#door.tls?.asksForCertificates === true && !this.#identify(certificate)) return;
    this.#beginLines();
  }

  /** Goes on where a worker that died left it. */
  #inherit({ connection: { slot, speaker }, left }: Inherited): void {
    this.#slot = slot;
    this.#speaker = parseAddress(speaker ?? "");
    // Somebody may have edited the inventory since.
    if (!this.#identify(undefined)) return;
    if (left === undefined) return this.#refuse("journal-torn", "a parser died while it wrote down where it was");
    this.#beginLines(left);
  }

  /** Finds whose lines these will be. @returns whether the connection may go on */
  #identify(certificate: X509Certificate | undefined): boolean {
    const { devices, connections } = this.#surroundings;
    const found = devices.identify(this.#speaker, certificate);
    if (typeof found === "string") {
      // The balancer speaks for itself: it may, but there is no device whose lines these could be.
      if (this.#speaker === undefined && found === "unknown-device") return true;
      const shown = certificate === undefined ? "" : `, and its certificate names ${quote(certificate.subject)}`;
      this.#refuse(found, `${this.#speaker?.text ?? this.#peer.text} is no device's address${shown}`);
      return false;
    }
    const crowding = connections.claim(found);
    if (crowding !== undefined) {
      this.#refuse(crowding, found.key);
      return false;
    }
    this.#device = found;
    return true;
  }

  #beginLines(left?: Left): void {
    const { log, bytes, onLine, connections, frameBytesMax, connectionAgeMaxMs } = this.#surroundings;
    this.#state = "lines";
    clearTimeout(this.#timer);
    const device = this.#device;
    log.say("connection.opened", { peer: this.#peer.text, device: device?.key ?? "" });
    const sink: FrameSink = {
      frame:
        device === undefined
          ? () => log.say("line.refused", { device: "", reason: "no-device", detail: this.#peer.text })
          : (read, from, to) => onLine(device, read, from, to),
      fault: (reason, detail) => log.say("line.refused", { device: device?.key ?? "", reason, detail }),
      bytes,
    };
    this.#framer = new Framer(frameBytesMax, sink, left?.state);
    this.#endName = left?.endName;
    if (left === undefined) this.#hold(this.#framer);
    else if (left.inHand !== undefined) this.#repeat(left.inHand);
    if (connectionAgeMaxMs > 0) {
      const ageMs = connectionAgeMaxMs * (1 + ageJitter * (2 * Math.random() - 1));
      this.#timer = setTimeout(() => this.#age(), ageMs).unref();
    }
    if (connections.paused) pauseReading(this.#socket);
    else resumeReading(this.#socket);
    if (connections.leaving) this.#halfClose();
  }

  /** From here on the connection is read on by another worker, if this one dies. */
  #hold(framer: Framer): void {
    const { keeping } = this.#surroundings;
    const handle = handleOf(this.#socket);
    if (keeping === undefined || handle === undefined || this.#door.tls !== undefined) return;
    const connection = { door: this.#door.name, peer: this.#peer.text, speaker: this.#speaker?.text };
    this.#slot = keeping.hold(handle, connection, framer);
  }

  /** A read that the dead worker had in hand: as much as one of ours, and with the names that it gave. */
  #repeat({ name, bytes }: NonNullable<Left["inHand"]>): void {
    const { headroom } = readBuffer;
    this.#takeLines(headroom, headroom + bytes.copy(readBuffer.bytes, headroom), name);
  }

  #takeLines(from: number, to: number, name?: string): void {
    const { keeping, onReadEnd } = this.#surroundings;
    const framer = this.#framer as Framer;
    let goesOn: boolean;
    if (keeping === undefined || this.#slot === undefined) {
      goesOn = framer.push(readBuffer.bytes, from, to);
      onReadEnd();
    } else goesOn = keeping.read(this.#slot, framer, from, to, onReadEnd, name);
    if (!goesOn) this.#socket.destroy();
  }

  #age(): void {
    this.#surroundings.log.say("connection.aged", { peer: this.#peer.text, device: this.#device?.key ?? "" });
    this.#halfClose();
  }

  #halfClose(): void {
    this.#halfClosed = true;
    this.#socket.end();
  }

  /**
   * Time that we do not read does not count: a paused parser refuses nobody for its own pause. And while the queue catches up,
   * reading is on for moments only, so what the peer sent may still lie in the kernel when the time is over: nobody is refused
   * before one whole turn of the loop has read what there was.
   */
  #limitTime(fault: "header-timeout" | "handshake-timeout"): void {
    const { headerTimeoutMs, connections } = this.#surroundings;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      if (connections.paused) return this.#limitTime(fault);
      const { pauses } = connections;
      const awaited = this.#state;
      // Behind the timers of a turn come its reads, behind its reads this.
      setImmediate(() => {
        if (this.#state !== awaited) return;
        if (connections.pauses !== pauses) return this.#limitTime(fault);
        this.#refuse(fault, `not complete within ${headerTimeoutMs} ms`);
      });
    }, headerTimeoutMs);
  }

  #refuse(reason: ConnectionFault, detail: string): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    clearTimeout(this.#timer);
    this.#surroundings.log.say("connection.refused", { peer: this.#peer.text, reason, detail });
    this.#socket.destroy();
  }

  #watch(socket: Socket): void {
    // A balancer's health check ends with a reset right after the header: normal, and 'close' follows.
    socket.on("error", () => {
      this.#broken = true;
    });
    // Node answers the peer's end with ours.
    socket.on("end", () => this.#endLines());
  }

  #endLines(): void {
    const { keeping, onReadEnd } = this.#surroundings;
    const framer = this.#framer;
    if (framer === undefined) return;
    // What it carries is a line now, and so must not be one again for another worker.
    if (keeping !== undefined && this.#slot !== undefined && framer.carry !== "") {
      return keeping.end(this.#slot, framer, onReadEnd, this.#endName);
    }
    framer.end();
    onReadEnd();
  }

  #close(hadError: boolean): void {
    // After a reset there was no end; what was begun is counted all the same.
    this.#endLines();
    this.#state = "closed";
    clearTimeout(this.#timer);
    const { connections, keeping, log } = this.#surroundings;
    if (this.#slot !== undefined) keeping?.drop(this.#slot);
    connections.exit(this, this.#countedAddress, this.#device);
    const device = this.#device?.key ?? "";
    log.say("connection.closed", {
      peer: this.#peer.text,
      device,
      reason: hadError || this.#broken ? "reset" : "ended",
    });
  }
}

/** The text of a stranger: printable, and short. */
function quote(text: string): string {
  return JSON.stringify(text.slice(0, 200));
}
