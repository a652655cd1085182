/** What the keeper and its worker tell each other, over the channel that Node opens between them. */

import type { DoorName } from "../receive/connection.ts";

/** What is known of a connection when its lines begin. */
export interface KeptConnection {
  /** Its place in the journal; also its name between the two. */
  slot: number;
  door: DoorName;
  /** Who connected, as text. */
  peer: string;
  /** Who speaks, as the PROXY header or the peer's address said; undefined: a balancer for itself. */
  speaker: string | undefined;
}

export type ToWorker =
  /** The first message of all. */
  | { kind: "begin"; kept: readonly KeptConnection[]; predecessor: string | undefined }
  /** A socket comes with it. */
  | { kind: "take"; connection: KeptConnection }
  /** It shall drain; never said before it is ready. packages/shared/src/process.ts hears it. */
  | "stop";

export type ToKeeper =
  /** The worker listens: it may have the connections of the one before it. */
  | { kind: "ready" }
  /** A socket comes with it. */
  | { kind: "hold"; connection: KeptConnection }
  | { kind: "drop"; slot: number };

/** Where a worker finds its journal: the keeper opens it at this place. */
export const journalFd = 3;
