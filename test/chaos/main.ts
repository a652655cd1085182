/**
 * The chaos suite from the command line: the whole system of real parts, faults drawn from a seed, every promise judged after
 * each of them.
 *
 *   npm run test:chaos -- --faults 1000 --seed 7
 *   npm run test:chaos -- --only responder.commit,balancer.cut --faults 20 --trace
 *
 * Where network namespaces may be made, it moves itself into one of its own: nothing that it makes is seen outside, or stays.
 * Progress is on stderr. On stdout the table, or --json, and a last line that says how it ended. Exit code 1: a promise is broken.
 */

import { spawn, spawnSync } from "node:child_process";
import { randomInt } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { namespacesRefused } from "@logwarden/lab/parts/namespaces";
import { ensureSystemPackages, programPath } from "@logwarden/lab/system-packages";
import { faultKinds } from "./faults.ts";
import { asTable } from "./report.ts";
import { run } from "./run.ts";

const { values } = parseArgs({
  options: {
    seed: { type: "string" },
    faults: { type: "string", default: "30" },
    only: { type: "string", default: "" },
    hold: { type: "string" },
    trace: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    loopback: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
    inside: { type: "boolean", default: false },
  },
});

if (values.help) {
  process.stdout.write(`npm run test:chaos -- [OPTIONS]

  --seed N          the same faults in the same order again; random unless given
  --faults K        how many; 30 unless given
  --only KIND,…     of these kinds alone, each once before any comes again
  --hold SECONDS    how long each fault lasts before it is healed; 0.2 to 2.5, drawn from the seed, unless given
  --trace           every step on stderr, and the logs of all parts stay
  --json            figures of each fault instead of the table
  --loopback        one HAProxy on loopback, even where a pair in network namespaces could be made
  --help            this text

Kinds:
${faultKinds.map(({ name, pair, rare }) => `  ${name}${pair ? " (needs the pair)" : ""}${rare ? " (only when named)" : ""}`).join("\n")}
`);
  process.exit(0);
}

const seed = Number(values.seed ?? randomInt(2 ** 32));
const faults = Number(values.faults);
const only = values.only.split(",").filter((word) => word !== "");
const unknown = only.filter((word) => !faultKinds.some(({ name }) => name === word));
const hold = values.hold === undefined ? undefined : Number(values.hold);
const areWhole = [seed, faults].every((value) => Number.isSafeInteger(value) && value >= 0);
if (!areWhole || unknown.length > 0 || (hold !== undefined && !(hold >= 0))) {
  const strange = unknown.length === 0 ? "" : `; no kind is called ${unknown.join(", ")}`;
  process.stderr.write(`expected whole numbers and known kinds, see --help${strange}\n`);
  process.exit(2);
}

if (values.inside) await inside(true);
else {
  ensureSystemPackages((line) => process.stderr.write(`${line}\n`), { tests: true });
  const refused = values.loopback ? "--loopback" : namespacesRefused();
  if (refused === undefined) await moveInside();
  else {
    process.stderr.write(`no pair of balancers, one HAProxy on loopback instead: ${refused}\n`);
    await inside(false);
  }
}

/** The same program again, where the network and the mounts are its own, with that seed. */
async function moveInside(): Promise<void> {
  const own = fileURLToPath(import.meta.url);
  const given = process.argv.slice(2).filter((word, at, all) => word !== "--seed" && all[at - 1] !== "--seed");
  const args = ["--net", "--mount", "--", process.execPath, own, ...given, "--seed", String(seed), "--inside"];
  const child = spawn("unshare", args, { stdio: "inherit", env: { ...process.env, PATH: programPath() } });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => child.kill(signal));
  process.exitCode = await new Promise<number>((resolve) => child.once("exit", (code) => resolve(code ?? 1)));
}

async function inside(pair: boolean): Promise<void> {
  if (pair) {
    // Names of namespaces that nobody else sees, and that are gone with us.
    spawnSync("mkdir", ["-p", "/run/netns"]);
    spawnSync("mount", ["-t", "tmpfs", "tmpfs", "/run/netns"]);
  }
  const directory = mkdtempSync(`${tmpdir()}/logwarden-chaos-`);
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => process.exit(130));
  const startedAtMs = performance.now();
  const say = (text: string): void => {
    const at = ((performance.now() - startedAtMs) / 1000).toFixed(1);
    if (values.trace || text.includes("BROKEN")) process.stderr.write(`${at} s: ${text}\n`);
    else if (/\d+0: all is kept/.test(text)) process.stderr.write(`${at} s: ${text}\n`);
  };
  const holdMs = hold === undefined ? undefined : hold * 1000;
  const result = await run({ seed, faults, only, pair, directory, holdMs, say });
  const { broken, skipped } = result;
  if (values.json) process.stdout.write(`${JSON.stringify(result)}\n`);
  else {
    process.stdout.write(`${asTable(result)}\n\n`);
    process.stdout.write(`asked again for what a router had been asked for before: ${result.askedAgain}\n`);
    if (!pair)
      process.stdout.write(
        `one HAProxy on loopback; left out: ${skipped.join(", ")}; lines lost while HAProxy is away are not judged there\n`,
      );
  }
  if (broken !== undefined) {
    const text = broken.missing.map((word) => `  ${word}\n`).join("");
    process.stderr.write(`broken by fault ${broken.number}, ${broken.kind}:\n${text}logs: ${directory}\n`);
    const narrow = only.length === 0 ? "" : ` --only ${only.join(",")}`;
    process.stderr.write(`again: npm run test:chaos -- --seed ${seed} --faults ${broken.number}${narrow} --trace\n`);
  }
  if (broken === undefined && !values.trace) rmSync(directory, { recursive: true, force: true });
  if (values.trace) process.stderr.write(`logs: ${directory}\n`);
  const took = Math.round((performance.now() - startedAtMs) / 1000);
  const end =
    broken === undefined ? "every promise kept" : `a promise broken by fault ${broken.number}, ${broken.kind}`;
  process.stderr.write(`${result.faults.length} faults in ${took} s, seed ${seed}: ${end}\n`);
  process.exit(broken === undefined ? 0 : 1);
}
