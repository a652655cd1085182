/** `logwarden explain`: what would this log file do? Nothing is sent anywhere. */

import { fstatSync } from "node:fs";
import { open } from "node:fs/promises";
import { type Device, type Inventory, parseInventory, readInventory } from "@logwarden/shared/inventory";
import { parseAddress } from "@logwarden/shared/ip";
import { z } from "zod";
import { parseClock } from "../explain/clock.ts";
import { effectOf } from "../explain/effects.ts";
import { createJudge, type Judge, readable, type Rule, type Verdict } from "../explain/judge.ts";
import { type FileLine, readLines } from "../explain/lines.ts";
import { Progress, progressBytesMin } from "../explain/progress.ts";
import { Report } from "../explain/report.ts";
import { triedName, triedOptions, triedRule } from "../explain/tried.ts";
import { CommandError, type Context, jsonOption, readArguments, UsageError, type Verb } from "../verb.ts";

/** The parser's default for LOGWARDEN_FRAME_BYTES_MAX. */
const lineBytesMax = 8192;
/** Stands for "some device": it can be nobody's, and as an attacker's address it is refused with or without us. */
const anyDevice = "0.0.0.0";

const options = {
  config: {
    type: "string",
    value: "FILE",
    about: "the inventory: its devices, allow and rules count. Without it: one device, nothing allowed, all rules on",
    choices: "file",
  },
  device: {
    type: "string",
    value: "DEVICE",
    about: "who sent the lines: an address, or a name of the inventory; its only device unless given",
  },
  clock: {
    type: "string",
    value: "TIME",
    about:
      'when the lines were received, such as 2026-11-21T04:44:40Z: the tasks then carry it as "at", as they will from the parser. What time a line claims is never used',
  },
  "print-missed": {
    type: "boolean",
    about: "every line that no rule claims, with the reason (with --json: its text beside the reason)",
  },
  ...triedOptions,
  ...jsonOption,
} as const;

const lineShape = z.strictObject({
  line: z.number(),
  outcome: z.enum(["task", "refused", "unmatched", "malformed"]),
  rule: z.string().nullable(),
  task: z.looseObject({}).describe("task, see task.md").nullable(),
  reason: z.string().nullable(),
  detail: z.string().nullable(),
  text: z.string().optional(),
});

export const explain: Verb = {
  name: "explain",
  about: "what would this log file do? The parser's own rules, nothing is sent",
  usage: ["explain [OPTIONS] [FILE|-]"],
  text: "What the parser would make of each line of FILE, or of standard input. Nothing is sent anywhere.",
  options,
  notes: `--match tries a rule of your own before it goes into the configuration: it is checked as there, and tried before all
others. {name} is free text, at most one; {name:ip|int|hex|word|quoted} has a kind; [what may be missing] in brackets.
{address:ip} is who did it; an interface_down needs {interface:word} instead.

Free text is what an attacker chose: it may hold an address and all the words of your template. So what stands right of it
is read from the end of the line, which the program wrote, unless it cuts long lines (sshd: 500 characters): then a text
of the right length is the end. Let {address:ip} stand left of free text where you can.

Lines are read with or without <PRI>. A file that holds none does not say what came through logger; such a line inside
a line is only unwrapped behind a <PRI> of facility user, as in the parser. Lines over ${lineBytesMax} bytes are malformed.
Big files show their progress on stderr when that is a terminal. "at" stands in a task with --clock, "text" with --print-missed.`,
  examples: [
    "logwarden explain --config logwarden.yaml --device edge-1 /var/log/auth.log",
    "zcat auth.log.2.gz | logwarden explain --print-missed",
    "logwarden explain --json auth.log | jq 'select(.outcome == \"refused\")'",
    "logwarden explain --match 'AUTH_FAILED for {user} from {address:ip}' --program openvpn --print-missed /var/log/syslog",
  ],
  json: { shape: lineShape, lines: true },
  run: async (args, context) => {
    const { values, positionals } = readArguments(args, options, 1);
    const at = values.clock === undefined ? undefined : readClock(values.clock);
    const tried = triedRule(values);
    const { inventory, device } =
      values.config === undefined ? loneDevice(values.device) : fromInventory(values.config, values.device);
    const judge = createJudge({ name: values.config ?? "--device", inventory, device, at, tried });
    const writer = values.json
      ? new JsonWriter(context, values["print-missed"] === true)
      : new ReportWriter(context, values["print-missed"] === true, reportedRules(judge, inventory));
    const file = positionals[0] ?? "-";
    try {
      await explainLines(file, judge, writer, context);
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code === undefined || !(code in readFailures)) throw error;
      throw new CommandError(`cannot read ${file}: ${readFailures[code] ?? message}`, { cause: error });
    }
    const sender = device.address.text === anyDevice ? "any device" : `${device.key} (${device.address.text})`;
    const when = at === undefined ? "" : `, received ${at}`;
    await writer.end(`${file === "-" ? "Standard input" : file}, as sent by ${sender}${when}`);
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

/** What becomes of the verdicts. */
interface Writer {
  /** Whether results are written while the file is read. */
  readonly whileReading: boolean;
  add(line: FileLine, verdict: Verdict): void;
  /** Writes what was added: called once for each piece of the file, so that a stream is answered as it grows. */
  flush(): Promise<void>;
  end(title: string): Promise<void>;
}

async function explainLines(file: string, { judge }: Judge, writer: Writer, context: Context): Promise<void> {
  const { chunks, bytes } = await openInput(file, context);
  const isShown = bytes >= progressBytesMin && context.environment["TERM"] !== "dumb";
  const progress = isShown
    ? new Progress(context.output, bytes, writer.whileReading, () => performance.now())
    : undefined;
  async function* counted(): AsyncGenerator<string> {
    for await (const chunk of chunks) {
      // latin1: a character is a byte.
      progress?.read(chunk.length);
      yield chunk;
    }
  }
  let last = 0;
  try {
    for await (const lines of readLines(counted(), lineBytesMax)) {
      for (const line of lines) writer.add(line, judge(line));
      await writer.flush();
      last = lines.at(-1)?.number ?? last;
      progress?.draw(last);
    }
  } finally {
    progress?.end();
  }
}

/** @returns latin1, and how many bytes there are: 0 when that is not known before the end */
async function openInput(file: string, context: Context): Promise<{ chunks: AsyncIterable<string>; bytes: number }> {
  const { stdin, output } = context;
  if (file === "-") {
    if (stdin.isTTY) output.complain("reading standard input; end it with Ctrl-D");
    const stats = stdin.fd === undefined ? undefined : fstatSync(stdin.fd);
    return { chunks: stdin.setEncoding("latin1") as AsyncIterable<string>, bytes: stats?.isFile() ? stats.size : 0 };
  }
  const handle = await open(file);
  const stats = await handle.stat();
  const chunks = handle.createReadStream({ encoding: "latin1" }) as AsyncIterable<string>;
  return { chunks, bytes: stats.isFile() ? stats.size : 0 };
}

const isMissed = ({ outcome }: Verdict): boolean => outcome === "unmatched" || outcome === "malformed";

class JsonWriter implements Writer {
  readonly whileReading = true;
  readonly #output: Context["output"];
  readonly #printMissed: boolean;
  #values: unknown[] = [];

  constructor({ output }: Context, printMissed: boolean) {
    this.#output = output;
    this.#printMissed = printMissed;
  }

  add({ number, text }: FileLine, verdict: Verdict): void {
    const { outcome, rule, task, reason, detail } = verdict;
    const value = { line: number, outcome, rule, task, reason, detail };
    this.#values.push(this.#printMissed && isMissed(verdict) ? { ...value, text: readable(text) } : value);
  }

  async flush(): Promise<void> {
    const values = this.#values;
    this.#values = [];
    await this.#output.jsons(values);
  }

  async end(): Promise<void> {
    await this.flush();
  }
}

class ReportWriter implements Writer {
  readonly whileReading: boolean;
  readonly #output: Context["output"];
  readonly #report: Report;
  #missed = 0;
  /** As they come: a file that matches nothing must not be kept in memory. */
  #lines: string[] = [];

  constructor({ output }: Context, printMissed: boolean, rules: ConstructorParameters<typeof Report>[0]) {
    this.#output = output;
    this.whileReading = printMissed;
    this.#report = new Report(rules);
  }

  add({ number, text }: FileLine, verdict: Verdict): void {
    this.#report.add(verdict);
    if (!this.whileReading || !isMissed(verdict)) return;
    if (this.#missed++ === 0) this.#lines.push("Missed lines");
    this.#lines.push(`  ${number} ${verdict.reason}: ${readable(text)}`);
  }

  async flush(): Promise<void> {
    const lines = this.#lines;
    this.#lines = [];
    await this.#output.lines(lines);
  }

  async end(title: string): Promise<void> {
    if (this.#missed > 0) this.#lines.push("");
    this.#lines.push(...this.#report.print(title));
    await this.flush();
  }
}

function reportedRules({ rules }: Judge, inventory: Inventory) {
  const own = new Set<Rule>(inventory.rules.own);
  return rules.map((rule) => {
    const { name, type, programs } = rule;
    const origin: "own" | "tried" | "shipped" = own.has(rule) ? "own" : name === triedName ? "tried" : "shipped";
    return { name, type, programs, origin, effect: effectOf(inventory.policies, type, name) };
  });
}

function readClock(text: string): string {
  const clock = parseClock(text);
  if ("at" in clock) return clock.at;
  throw new UsageError(`--clock "${text}": ${clock.wrong}, for example 2026-11-21T04:44:40Z`);
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
