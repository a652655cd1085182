/** One command line → its verb, and the exit code of how it ended. */

import { ConfigurationError } from "@logwarden/shared/environment";
import { helpOf } from "./help.ts";
import { CommandError, type Context, UsageError, type Verb } from "./verb.ts";
import { verbNamed } from "./verbs.ts";

/** @returns 0: done; 1: failed or not as asked; 2: the command line or a configuration is wrong */
export async function runCommand([name, ...args]: readonly string[], context: Context): Promise<number> {
  const { output } = context;
  let verb: Verb | undefined;
  try {
    if (name === undefined) throw new UsageError("expected a verb");
    verb = verbNamed(name);
    const asksForHelp = args.slice(0, endOfOptions(args)).some((word) => word === "--help" || word === "-h");
    if (!asksForHelp) return await verb.run(args, context);
    await output.block(helpOf(verb));
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

function endOfOptions(args: readonly string[]): number {
  const at = args.indexOf("--");
  return at === -1 ? args.length : at;
}
