/**
 * The `logwarden` command: finds the verb, runs it, and makes an exit code of how it ended.
 *
 *   0  done      1  something could not be done (the message says what)      2  the command line or a configuration is wrong
 *
 * The only file of the command that reads the environment.
 */

import { ConfigurationError } from "@logwarden/shared/environment";
import { openOutput } from "./output.ts";
import { CommandError, type Context, suggestion, UsageError, type Verb } from "./verb.ts";
import { checkConfig } from "./verbs/check-config.ts";
import { explain } from "./verbs/explain.ts";
import { haproxy } from "./verbs/haproxy.ts";
import { keepalived } from "./verbs/keepalived.ts";
import { nodes } from "./verbs/nodes.ts";
import { queue } from "./verbs/queue.ts";
import { version } from "./verbs/version.ts";

const help: Verb = {
  name: "help",
  about: "this text, or a verb's own: logwarden help VERB",
  help: "logwarden help [VERB]\n\nWhat the command can do, or what one verb can do.",
  run: async ([name], { output }) => {
    await output.block(name === undefined ? overview() : verbNamed(name).help);
    return 0;
  },
};

const verbs: readonly Verb[] = [explain, checkConfig, queue, haproxy, keepalived, nodes, version, help];

// npm runs a script in the root of the repository; the files that a person names are where the person is.
if (process.env["npm_lifecycle_event"] === "logwarden" && process.env["INIT_CWD"] !== undefined) {
  process.chdir(process.env["INIT_CWD"]);
}
const context: Context = {
  // Whoever closed the pipe has read enough: that is no failure.
  output: openOutput(process.stdout, process.stderr, () => process.exit(0)),
  stdin: process.stdin,
  environment: process.env,
};
process.exitCode = await main(process.argv.slice(2));

async function main([name, ...args]: readonly string[]): Promise<number> {
  const { output } = context;
  let verb: Verb | undefined;
  try {
    if (name === undefined) throw new UsageError("expected a verb");
    verb = verbNamed(name);
    const asksForHelp = args.slice(0, endOfOptions(args)).some((word) => word === "--help" || word === "-h");
    if (!asksForHelp) return await verb.run(args, context);
    await output.block(verb.help);
    return 0;
  } catch (error) {
    if (error instanceof UsageError) {
      output.complain(`logwarden${verb === undefined ? "" : ` ${verb.name}`}: ${error.message}`);
      output.complain(`See: logwarden ${verb === undefined ? "help" : `${verb.name} --help`}`);
      return 2;
    }
    if (error instanceof ConfigurationError) {
      output.complain("The configuration cannot be used:");
      // What is wrong with a template is shown under it, on lines of its own.
      for (const line of error.complaints.flatMap((complaint) => complaint.split("\n"))) output.complain(`  ${line}`);
      return 2;
    }
    if (!(error instanceof CommandError)) throw error;
    output.complain(`logwarden ${verb?.name}: ${error.message}`);
    return 1;
  }
}

function verbNamed(name: string): Verb {
  const known = { "--help": "help", "-h": "help", "--version": "version" }[name] ?? name;
  const verb = verbs.find((one) => one.name === known);
  if (verb !== undefined) return verb;
  const names = verbs.map((one) => one.name);
  throw new UsageError(`no verb "${name}"${suggestion(name, names) || `; verbs are ${names.join(", ")}`}`);
}

function endOfOptions(args: readonly string[]): number {
  const at = args.indexOf("--");
  return at === -1 ? args.length : at;
}

function overview(): string {
  const width = Math.max(...verbs.map(({ name }) => name.length));
  return [
    "logwarden VERB [OPTIONS]",
    "",
    ...verbs.map(({ name, about }) => `  ${name.padEnd(width)}  ${about}`),
    "",
    "Every verb has --help, and --json where it prints results.",
    "Exit code: 0 done, 1 something could not be done, 2 the command line or a configuration is wrong.",
  ].join("\n");
}
