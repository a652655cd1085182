/**
 * The bare pipelined client as a process of its own: bodies from a file, a line each.
 *
 *   node bare-putter.ts '{"bodies":"FILE","host":"…","port":1,"tube":"…","count":1,"window":1024}'
 *
 * Says "ready", begins at SIGUSR2 and ends with the last answer.
 */

import { once } from "node:events";
import { readFileSync } from "node:fs";
import { type BarePuts, putMany } from "./bare-queue.ts";

export type BarePutting = Omit<BarePuts, "bodies"> & { bodies: string };

const { bodies, ...puts } = JSON.parse(process.argv[2] ?? "") as BarePutting;
const lines = readFileSync(bodies, "latin1").trimEnd().split("\n");
// A signal alone keeps no process alive.
const alive = setInterval(() => undefined, 1000);
const begin = once(process, "SIGUSR2");
process.stdout.write("ready\n");
await begin;
await putMany({ ...puts, bodies: lines });
// Its processor time is read before it is gone.
process.stdout.write("done\n");
await once(process, "SIGTERM");
clearInterval(alive);
