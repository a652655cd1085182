/**
 * The part of fivebeans 1.5.0 (lib/client.js) that wire.ts uses. The package has no types of its own, and its version is pinned:
 * `handlers`, `buffer` and `tryHandlingResponse` are internals.
 */
declare module "fivebeans" {
  import type { Socket } from "node:net";

  /** Waits for one answer and takes it apart. */
  export interface ResponseHandler {
    /** Looked up on the prototype unless set here: which answers carry a body, and what becomes of it. */
    RESPONSES_REQUIRING_BODY: Record<string, "passthrough" | "yaml">;
    /** The answer's first line, once complete. */
    header?: string;
    /** The answer's body and the two bytes behind it, once complete. */
    body?: Buffer;
  }

  export type Command = (...args: (string | number | Buffer | (() => void))[]) => void;

  /** `destroy` is the protocol's delete. */
  export type Verb =
    | "use"
    | "put"
    | "watch"
    | "ignore"
    | "reserve_with_timeout"
    | "destroy"
    | "release"
    | "bury"
    | "touch"
    | "kick"
    | "kick_job"
    | "peek_ready"
    | "peek_delayed"
    | "peek_buried"
    | "pause_tube"
    | "list_tubes"
    | "stats_job"
    | "stats_tube"
    | "stats";

  /** Commands of ours that fivebeans does not know. It finds no handler in this entry (`entry[0]`), and stops before it. */
  export interface LineRun {
    /** How many of them are unanswered. */
    lines: number;
  }

  export interface Client extends Record<Verb, Command> {
    /** Where commands are written. */
    stream: Socket;
    /** One entry per command without an answer, oldest first. */
    handlers: ([ResponseHandler, () => void] | LineRun)[];
    /** Bytes received and not yet taken by a handler. */
    buffer: Buffer | undefined;
    /** Gives the handlers what is theirs in `buffer`, which must be set. */
    tryHandlingResponse(): void;
  }

  const fivebeans: { client: new (host: string, port: number) => Client };
  export default fivebeans;
}
