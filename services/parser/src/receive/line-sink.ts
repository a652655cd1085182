/** Where the lines of every listener go, and how what was read is accounted for. */

import type { Device } from "@logwarden/shared/inventory";
import type { Latin1 } from "../latin1.ts";
import type { ByteAccount } from "./framing.ts";

export interface LineSink {
  /** Where the bytes of all listeners went. */
  bytes: ByteAccount;
  /** One line of a known device: read[from..to). */
  onLine: (device: Device, read: Latin1, from: number, to: number) => void;
  /** Behind the last line of each read: one chunk of one stream, or the datagrams of one turn of the loop. */
  onReadEnd: () => void;
}
