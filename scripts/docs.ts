/**
 * npm run docs: writes docs/reference from the source. npm run docs -- --check: compares instead, and fails when a page is old.
 *
 *   cli.md       the table of verbs                      cli/src/verbs.ts
 *   config.md    the inventory, and each environment     packages/shared/src/config, services/*\/src/config.ts
 *   failures.md  the catalogue of failures               packages/shared/src/failure.ts
 *   log.md       the vocabulary                          packages/shared/src/log/vocabulary.ts
 *   task.md      the types of tasks                      packages/shared/src/flow/task.ts
 */

import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { cliPage } from "./docs/cli.ts";
import { configPage } from "./docs/config.ts";
import { failuresPage } from "./docs/failures.ts";
import { logPage } from "./docs/log.ts";
import { taskPage } from "./docs/task.ts";

const directory = fileURLToPath(new URL("../docs/reference/", import.meta.url));
const pages: Readonly<Record<string, string>> = {
  "cli.md": cliPage(),
  "config.md": configPage(),
  "failures.md": failuresPage(),
  "log.md": logPage(),
  "task.md": taskPage(),
};

if (process.argv.includes("--check")) {
  const old = Object.entries(pages).filter(([name, text]) => readPage(name) !== text);
  for (const [name] of old) process.stdout.write(`docs/reference/${name} is not what the source says: npm run docs\n`);
  process.exit(old.length === 0 ? 0 : 1);
}
mkdirSync(directory, { recursive: true });
for (const [name, text] of Object.entries(pages)) writeFileSync(`${directory}${name}`, text);

function readPage(name: string): string {
  return existsSync(`${directory}${name}`) ? readFileSync(`${directory}${name}`, "utf8") : "";
}
