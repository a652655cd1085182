/**
 * npm run check: the repository's manners, all of them, each with its own word at the end.
 * npm run format: the same, after writing what a machine can mend.
 *
 *   types        tsc, the strictest settings
 *   lint         oxlint with type-aware rules
 *   format       biome, as formatter only
 *   unused       knip: files, exports and dependencies that nobody uses
 *   manners      test/tidy.test.ts: import direction, paths in documents, who may read the environment
 */

import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const fix = process.argv.includes("--fix");
const bin = (name: string): string => `${root}node_modules/.bin/${name}`;

const checks: readonly (readonly [name: string, command: string, ...args: string[]])[] = [
  ["types", bin("tsc"), "--project", "tsconfig.json"],
  ["lint", bin("oxlint"), "--type-aware", "--deny-warnings", ...(fix ? ["--fix"] : [])],
  ["format", bin("biome"), ...(fix ? ["format", "--write"] : ["format"])],
  ["unused", bin("knip"), "--no-progress"],
  ["manners", process.execPath, `${root}scripts/test.ts`, "test/tidy.test.ts", "--silent"],
];

const failed = checks.filter(([name, command, ...args]) => {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd: root, encoding: "utf8" });
  const passed = status === 0;
  process.stdout.write(`${passed ? "ok    " : "FAILED"}  ${name}\n`);
  if (!passed) process.stdout.write(`${stdout ?? ""}${stderr ?? ""}\n`);
  return !passed;
});
process.exit(failed.length === 0 ? 0 : 1);
