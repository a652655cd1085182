/**
 * The receiving process of our rows: the parser as a service, which counts tasks where the real one puts them.
 *
 *   BENCH_WORK='{"reading":"direct"}' LOGWARDEN_… node ours.ts
 *
 * Log, metrics and signals are a service's own (runService), so that what they cost is in the figures.
 */

import { appendFileSync } from "node:fs";
import { readInventory } from "@logwarden/shared/inventory";
import { runService } from "@logwarden/shared/process";
import { openOurParser, type OurParserOptions, parserVariables } from "./our-parser.ts";

export interface Work {
  /** How sockets are read; the parser's own way unless given. */
  reading?: OurParserOptions["reading"];
  discard?: boolean;
  /** A file that takes every body, a line each, for a look at what is in them. */
  keep?: string;
  /** The file that becomes a keeper's journal. */
  journal?: string;
}

const { reading = "direct", discard = false, keep, journal } = JSON.parse(process.env["BENCH_WORK"] ?? "") as Work;
let tasks = 0;
let bytes = 0;
const onBodies = (count: number, bodies: Buffer): void => {
  tasks += count;
  bytes += bodies.length;
  if (keep !== undefined) appendFileSync(keep, bodies);
};

await runService({
  name: "parser",
  about: "The parser of the bench: counts tasks instead of putting them.",
  variables: parserVariables,
  prepare: ({ config }) => readInventory(config),
  start: async (environment, inventory, log) => {
    await openOurParser({ environment, inventory, log, reading, discard, journal, onBodies });
    log.watch("bench_tasks", "Tasks that were made and encoded.", () => tasks);
    log.watch("bench_task_bytes", "Bytes of their bodies.", () => bytes);
    return { drain: () => Promise.resolve(true) };
  },
});
