/**
 * The `logwarden` command: finds the verb, runs it, and makes an exit code of how it ended.
 *
 *   0  done      1  something could not be done (the message says what)      2  the command line or a configuration is wrong
 *
 * The only file of the command that reads the environment.
 */

import { runCommand } from "./command.ts";
import { openOutput } from "./output.ts";

// npm runs a script in the root of the repository; the files that a person names are where the person is.
if (process.env["npm_lifecycle_event"] === "logwarden" && process.env["INIT_CWD"] !== undefined) {
  process.chdir(process.env["INIT_CWD"]);
}
process.exitCode = await runCommand(process.argv.slice(2), {
  // Whoever closed the pipe has read enough: that is no failure.
  output: openOutput(process.stdout, process.stderr, () => process.exit(0)),
  stdin: process.stdin,
  environment: process.env,
});
