/**
 * npm test: everything that needs no container engine, with real beanstalkd, HAProxy, keepalived, rsyslogd and PostgreSQL.
 * npm run test:compose: the containers, on a real Docker engine.
 *
 *   npm test                        all
 *   npm test -- services/parser     what lies under a path, or any other argument that Jest takes
 *
 * Installs what is missing of the system's programs where it may. The last line is `N passed, N failed, N skipped`.
 */

import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";
import { ensureSystemPackages } from "@logwarden/lab/system-packages";

const root = fileURLToPath(new URL("..", import.meta.url));
const compose = process.argv.includes("--compose");
const jestArguments = process.argv.slice(2).filter((argument) => argument !== "--compose");

if (jestArguments.includes("--help")) {
  process.stdout.write("npm test [-- PATH…]           the tests under these paths, or all; any argument of Jest\n");
  process.stdout.write("npm run test:compose          the containers, on a Docker engine with Compose v2\n");
  process.exit(0);
}

try {
  // The containers bring their own programs.
  if (!compose) ensureSystemPackages((line) => process.stderr.write(`${line}\n`), { tests: true });
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(2);
}

const directory = mkdtempSync(`${tmpdir()}/logwarden-test-`);
const resultFile = `${directory}/result.json`;
const jest = spawn(
  process.execPath,
  [
    ...["--experimental-vm-modules", "--disable-warning=ExperimentalWarning", `${root}node_modules/jest/bin/jest.js`],
    ...["--config", `${root}jest.config.mjs`, "--json", "--outputFile", resultFile, "--colors"],
    // One file is one story of many parts; the machine's cores are theirs.
    ...(compose ? ["--runInBand"] : ["--maxWorkers", "2"]),
    ...jestArguments,
  ],
  {
    cwd: root,
    // The JSON goes to its file; Jest's report for people is on stderr.
    stdio: ["ignore", "ignore", "inherit"],
    env: {
      ...process.env,
      TEST_COMPOSE: compose ? "yes" : "",
      // testcontainers' reaper is an image of its own that would have to be pulled; the tests end what they start.
      TESTCONTAINERS_RYUK_DISABLED: "true",
    },
  },
);
jest.on("exit", (code) => {
  process.stdout.write(`${closingLine()}\n`);
  rmSync(directory, { recursive: true, force: true });
  process.exit(code ?? 1);
});

function closingLine(): string {
  try {
    const { numPassedTests, numFailedTests, numPendingTests, numRuntimeErrorTestSuites } = JSON.parse(
      readFileSync(resultFile, "utf8"),
    ) as Record<string, number>;
    // A file that cannot even be loaded has no tests that could fail; it counts as one.
    const failed = (numFailedTests ?? 0) + (numRuntimeErrorTestSuites ?? 0);
    return `${numPassedTests} passed, ${failed} failed, ${numPendingTests} skipped`;
  } catch {
    return "0 passed, 1 failed";
  }
}
