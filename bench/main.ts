/**
 * `npm run bench`: asks the questions of this folder on this machine and prints the answers.
 *
 * Progress on stderr, answers on stdout; with --write they become RESULTS.md. Whatever was started is ended, also after
 * a failure or Ctrl-C (a second Ctrl-C does not wait).
 */

import { readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { ensureSystemPackages } from "@logwarden/lab/system-packages";
import { measureFleet, routersMax } from "./fleet.ts";
import { measureFlood } from "./flood.ts";
import { aim as latencyAim, measureLatency } from "./latency.ts";
import { readMachine } from "./machine.ts";
import { aim as parserAim, measureParser, type PartName, partNames, peerKeys } from "./parser.ts";
import { asMarkdown, asText, describe, type Report } from "./report.ts";
import { measureThroughput, tasksMax } from "./throughput.ts";

const usage = `npm run bench -- [latency|throughput|fleet|flood|parser] [OPTIONS]

  latency      How long from the line's last byte sent to the router's /configure request received?
  throughput   How many tasks a second does one responder take from the queue to the router?
  fleet        One ban for a thousand routers: how long until all have it, with how much memory? And: a responder's start
               with 10 000 active bans, requests counted.
  flood        10 000 attackers at one router within ten seconds: how many commits, how long, who is first? (six minutes)
  parser       How much processor time does a line cost, in our parser and in its peers? And: with puts, with many
               rules, while the queue is away, with lines that are built to hurt.
               Without a name: all of them.

  --n N             lines of a latency round (300), tasks of a throughput row (20000), routers of a fleet (1000),
                    attackers of a flood (10000), or lines of a parser corpus (2000000)
  --rounds N        rounds of each measure; shown are their median, minimum and maximum (3). A fleet and a flood have one
  --quiet-lines N   latency: lines in a round that come after 16 s of quiet (3)
  --rsyslog         latency: a row with logger and rsyslogd in front
  --only PARTS      parser: ${partNames.join(", ")}; several with commas (all of them)
  --peers PEERS     parser: ${peerKeys.join(", ")}; several with commas, or none (all of them)
  --seed N          parser: another corpus (1)
  --soak-seconds N  parser: how long the queue is away in the soak (30)
  --json            everything that was measured, as JSON
  --write           rewrites the chapters of bench/RESULTS.md that are measured
  --help            this text
`;

const names = ["latency", "throughput", "fleet", "flood", "parser"] as const;
type Name = (typeof names)[number];

/** A corpus of this many lines is 3 GB, three times. */
const linesMax = 20_000_000;
/** What --n counts, and how much of it this machine holds. */
const nMax: Record<Name, number> = {
  latency: tasksMax,
  throughput: tasksMax,
  fleet: routersMax,
  flood: tasksMax,
  parser: linesMax,
};

interface Wanted {
  benches: readonly Name[];
  n: number | undefined;
  rounds: number;
  quietLines: number;
  rsyslog: boolean;
  parts: readonly PartName[];
  /** All of them when absent. */
  chosenPeers: readonly string[] | undefined;
  seed: number;
  soakSeconds: number;
  json: boolean;
  write: boolean;
}

/** @returns undefined when only the usage is asked for. @throws an Error that says what was expected */
function readArguments(args: readonly string[]): Wanted | undefined {
  const text = { type: "string" } as const;
  const flag = { type: "boolean", default: false } as const;
  const flags = { rsyslog: flag, json: flag, write: flag, help: flag };
  const numbers = { n: text, rounds: text, "quiet-lines": text, seed: text, "soak-seconds": text };
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: { ...flags, ...numbers, only: text, peers: text },
  });
  if (values.help) return undefined;
  const [first, ...others] = positionals;
  const name = names.find((one) => one === first);
  if (others.length > 0 || (first !== undefined && name === undefined)) {
    throw new Error(`expected ${names.join(", ")}, got ${JSON.stringify(positionals.join(" "))}`);
  }
  if (values.write && values.peers !== undefined) {
    throw new Error("expected --write without --peers: a chapter of it is the answer for all of them");
  }
  if (values.n !== undefined && name === undefined) throw new Error(`expected --n with ${names.join(", ")}`);
  return {
    benches: name === undefined ? names : [name],
    n: values.n === undefined ? undefined : whole("--n", values.n, 1, name === undefined ? 1 : nMax[name]),
    rounds: whole("--rounds", values.rounds ?? "3", 1, 1000),
    quietLines: whole("--quiet-lines", values["quiet-lines"] ?? "3", 0, 1000),
    parts: some("--only", values.only, partNames) ?? partNames,
    chosenPeers: values.peers === "none" ? [] : some("--peers", values.peers, peerKeys),
    seed: whole("--seed", values.seed ?? "1", 0, 2 ** 32 - 1),
    soakSeconds: whole("--soak-seconds", values["soak-seconds"] ?? "30", 1, 86_400),
    ...{ rsyslog: values.rsyslog, json: values.json, write: values.write },
  };
}

function whole(name: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= min && value <= max) return value;
  throw new Error(`expected a whole number from ${min} to ${max} as ${name}, got ${JSON.stringify(text)}`);
}

/** Words set apart by commas, each of them known. @returns undefined when nothing was said */
function some<T extends string>(name: string, text: string | undefined, known: readonly T[]): T[] | undefined {
  return text?.split(",").map((word) => {
    const found = known.find((one) => one === word);
    if (found === undefined) throw new Error(`expected ${known.join(", ")} as ${name}, got ${JSON.stringify(word)}`);
    return found;
  });
}

async function run(wanted: Wanted, signal: AbortSignal): Promise<void> {
  const say = (line: string): void => void process.stderr.write(`${line}\n`);
  ensureSystemPackages(say);
  const machine = readMachine(process.argv.slice(2));
  const { n, rounds, quietLines, rsyslog, parts, chosenPeers, seed, soakSeconds } = wanted;
  const measure: Record<Name, () => Promise<Report[]>> = {
    latency: async () => [await measureLatency({ lines: n ?? 300, rounds, quietLines, rsyslog, say, signal })],
    throughput: async () => [await measureThroughput({ tasks: n ?? 20_000, rounds, say, signal })],
    fleet: () => measureFleet({ routers: n ?? 1000, say, signal }),
    flood: async () => [await measureFlood({ attackers: n ?? 10_000, say, signal })],
    parser: () => measureParser(parts, { lines: n ?? 2_000_000, rounds, seed, chosenPeers, soakSeconds, say, signal }),
  };
  const reports: Report[] = [];
  for (const name of wanted.benches) reports.push(...(await measure[name]()));
  if (wanted.json) process.stdout.write(`${JSON.stringify({ machine, reports }, undefined, 2)}\n`);
  else process.stdout.write(`\n${[...reports.map(asText), `${describe(machine).join("\n")}\n`].join("\n")}`);
  if (!wanted.write) return;
  const results = new URL("RESULTS.md", import.meta.url);
  writeFileSync(results, asMarkdown(readFileSync(results, "utf8"), reports, machine, [latencyAim, parserAim]));
  say("bench/RESULTS.md is written");
}

/** Kept connections of fetch end by themselves after four seconds. */
const leftoverMs = 6000;

const interrupted = new AbortController();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => {
    if (interrupted.signal.aborted) process.exit(130);
    process.stderr.write("ending what was started ...\n");
    interrupted.abort(new Error(`ended by ${signal}`));
  });
}
try {
  const wanted = readArguments(process.argv.slice(2));
  if (wanted === undefined) process.stdout.write(usage);
  else await run(wanted, interrupted.signal);
} catch (error) {
  const told = error instanceof Error ? error.message : String(error);
  process.stderr.write(`${told}\n`);
  process.exitCode = interrupted.signal.aborted ? 130 : 1;
}
// By now nothing should be left. What is left dies with us (lab/src/parts/program.ts), and must not pass unseen.
setTimeout(() => {
  process.stderr.write(`not ended in order: ${process.getActiveResourcesInfo().join(", ")}\n`);
  process.exit(process.exitCode === undefined || process.exitCode === 0 ? 1 : process.exitCode);
}, leftoverMs).unref();
