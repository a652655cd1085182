/**
 * The client of the VyOS HTTP API, for 1.3, 1.4, 1.5 and rolling releases. It knows VyOS and nothing else.
 *
 *   path.ts    names → paths and operations      pure
 *   wire.ts    an answer → what came of it       pure
 *   staged.ts  a tree → is a commit open?        pure
 *   trust.ts   who is the router                 pure
 *   agent.ts   connections, given out only to the router
 *   client.ts  one call, one request, one outcome
 */

export { type ClientOptions, createClient, type Timeouts, type VyosClient } from "./client.ts";
export { addressOp, disableOp, groupPath, interfacePath, type Op } from "./path.ts";
export { stagedMarks } from "./staged.ts";
export type { Trust } from "./trust.ts";
export type { Outcome, UnknownReason, UnreachableReason } from "./wire.ts";
