/** `logwarden explain`: what would this log file do? Nothing is sent anywhere. */

import { createReadStream } from "node:fs";
import { readPart } from "@logwarden/shared/environment";
import { type Device, type Inventory, parseInventory, readInventory } from "@logwarden/shared/inventory";
import { parseAddress } from "@logwarden/shared/ip";
import { createJudge, type Judge, readable } from "../explain/judge.ts";
import { readLines } from "../explain/lines.ts";
import { Report } from "../explain/report.ts";
import { CommandError, type Context, readArguments, UsageError, type Verb } from "../verb.ts";

/** The parser's default for LOGWARDEN_FRAME_BYTES_MAX. */
const lineBytesMax = 8192;
/** Stands for "some device": it can be nobody's, and as an attacker's address it is refused with or without us. */
const anyDevice = "0.0.0.0";

export const explain: Verb = {
  name: "explain",
  about: "what would this log file do? The parser's own rules, nothing is sent",
  help: `logwarden explain [--config FILE] [--device DEVICE] [--json] [--print-missed] [FILE|-]

What the parser would make of each line of FILE, or of standard input. Nothing is sent anywhere.

  --config FILE    the inventory: its devices, allow and rules count. Without it: one device, nothing allowed, all rules on
  --device DEVICE  who sent the lines: an address, or a name of the inventory; its only device unless given
  --print-missed   every line that no rule claims, with the reason (with --json: its text beside the reason)
  --json           one object for each line, in order: line, outcome (task, refused, unmatched, malformed), rule, task,
                   reason, detail

Lines are read with or without <PRI>. A file that holds none does not say what came through logger; such a line inside
a line is only unwrapped behind a <PRI> of facility user, as in the parser. Lines over ${lineBytesMax} bytes are malformed.

  logwarden explain --config logwarden.yaml --device edge-1 /var/log/auth.log
  zcat auth.log.2.gz | logwarden explain --print-missed
  logwarden explain --json auth.log | jq 'select(.outcome == "refused")'
`,
  run: async (args, context) => {
    const options = {
      config: { type: "string" },
      device: { type: "string" },
      json: { type: "boolean" },
      "print-missed": { type: "boolean" },
    } as const;
    const { values, positionals } = readArguments(args, options, 1);
    const file = positionals[0] ?? "-";
    const { inventory, device } =
      values.config === undefined ? loneDevice(values.device) : fromInventory(values.config, values.device);
    const judge = readPart(`${values.config}: rules`, () => createJudge(inventory, device));
    const printMissed = values["print-missed"] === true;
    try {
      if (values.json) await writeJson(file, judge, printMissed, context);
      else await writeReport(file, device, judge, printMissed, context);
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code === undefined || !(code in readFailures)) throw error;
      throw new CommandError(`cannot read ${file}: ${readFailures[code] ?? message}`, { cause: error });
    }
    return 0;
  },
};

const readFailures: Record<string, string> = {
  ENOENT: "there is no such file",
  EISDIR: "it is a directory",
  EACCES: "permission denied",
  ENOTDIR: "there is no such file",
  EIO: "the disk or terminal failed",
};

async function writeJson(file: string, judge: Judge, printMissed: boolean, context: Context): Promise<void> {
  for await (const lines of linesOf(file, context)) {
    for (const line of lines) {
      const verdict = judge(line);
      const isMissed = verdict.outcome === "unmatched" || verdict.outcome === "malformed";
      const text = printMissed && isMissed ? { text: readable(line.text) } : {};
      await context.output.json({ line: line.number, ...verdict, ...text });
    }
  }
}

async function writeReport(
  file: string,
  device: Device,
  judge: Judge,
  printMissed: boolean,
  context: Context,
): Promise<void> {
  const { output } = context;
  const report = new Report();
  let missed = 0;
  for await (const lines of linesOf(file, context)) {
    for (const line of lines) {
      const verdict = judge(line);
      report.add(verdict);
      if (!printMissed || verdict.reason === null || verdict.outcome === "refused") continue;
      // As they come: a file that matches nothing must not be kept in memory.
      if (missed++ === 0) await output.line("Missed lines");
      await output.line(`  ${line.number} ${verdict.reason}: ${readable(line.text)}`);
    }
  }
  if (missed > 0) await output.line();
  const source = file === "-" ? "Standard input" : file;
  const sender = device.address.text === anyDevice ? "any device" : `${device.key} (${device.address.text})`;
  for (const line of report.print(`${source}, as sent by ${sender}`)) await output.line(line);
}

function linesOf(file: string, { stdin, output }: Context): ReturnType<typeof readLines> {
  if (file === "-" && stdin.isTTY) output.complain("reading standard input; end it with Ctrl-D");
  const stream = file === "-" ? stdin.setEncoding("latin1") : createReadStream(file, { encoding: "latin1" });
  return readLines(stream as AsyncIterable<string>, lineBytesMax);
}

function loneDevice(device = anyDevice): { inventory: Inventory; device: Device } {
  if (parseAddress(device) === undefined) {
    throw new UsageError(`expected an address as --device (names need --config), got "${device}"`);
  }
  const inventory = parseInventory(JSON.stringify({ devices: { device: { address: device } }, allow: [] }), "--device");
  return { inventory, device: inventory.devices[0] as Device };
}

function fromInventory(config: string, wanted: string | undefined): { inventory: Inventory; device: Device } {
  const inventory = readInventory(config);
  const names = inventory.devices.map(({ key }) => key).join(", ");
  if (wanted === undefined) {
    const [device, ...others] = inventory.devices;
    if (device === undefined || others.length > 0) throw new UsageError(`expected --device, one of ${names}`);
    return { inventory, device };
  }
  const address = parseAddress(wanted)?.text;
  const device = inventory.devices.find((one) => one.key === wanted || one.address.text === address);
  if (device === undefined) throw new UsageError(`${config} has no device "${wanted}"; devices are ${names}`);
  return { inventory, device };
}
