/**
 * Task: what one event asks for, as a JSON object in a tube.
 *
 * The first three fields are those of the original design, and a task that holds nothing else is accepted:
 *
 *   {"host":"10.10.10.201","type":"password_failed","from":"10.10.10.132"}
 *   {"host":"10.10.10.201","type":"interface_down","interface":"eth1"}
 *
 * Both sides use this file, so that a parser cannot write what a responder cannot read. Unknown extra fields are kept:
 * an older responder must not lose what a newer parser knew.
 */

import { z } from "zod";
import { Failure } from "../failure.ts";
import { parseAddress } from "../ip/address.ts";

/** Names are chosen by whoever attacks: longer than any account, short enough for a log line. */
const userCharactersMax = 256;

const address = z.string().transform((text, context) => {
  const parsed = parseAddress(text);
  if (parsed !== undefined) return parsed.text;
  context.addIssue({ code: "custom", message: "expected an IPv4 or IPv6 address" });
  return z.NEVER;
});

const common = {
  /** The address of the device whose log line it was, in canonical form. */
  host: address,
  v: z.literal(1).optional(),
  /** Made once, where the task is born. The same id delivered twice is the same task. */
  id: z.string().min(1).max(64).optional(),
  /** When the line was received: ISO 8601. Never the time that the line claims. */
  at: z.string().max(40).optional(),
  /** The rule that recognized the line. */
  rule: z.string().max(100).optional(),
  /** How often the line happened (`message repeated N times`). */
  count: z.number().int().min(1).optional(),
  /** The account the line names. An attacker's text. */
  user: z.string().max(userCharactersMax).optional(),
  by: z.string().max(200).optional(),
  reason: z.string().max(1000).optional(),
};

const PasswordFailed = z.looseObject({ ...common, type: z.literal("password_failed"), from: address });
const InterfaceDown = z.looseObject({
  ...common,
  type: z.literal("interface_down"),
  interface: z.string().min(1).max(64),
});

export const Task = z.discriminatedUnion("type", [PasswordFailed, InterfaceDown]);
export type Task = z.infer<typeof Task>;

/** Every type of task there is; the responder has an action for each. */
export const taskTypes: readonly Task["type"][] = ["password_failed", "interface_down"];

/** Cuts a name that an attacker chose to what a task may hold. */
export function clipUser(user: string): string {
  return user.length <= userCharactersMax ? user : user.slice(0, userCharactersMax);
}

/**
 * Reads a task from a job's body.
 * @throws Failure task-not-json, task-type-unknown, task-address-invalid or task-malformed, saying what was expected
 */
export function parseTask(body: Buffer): Task {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
  } catch (cause) {
    throw new Failure("task-not-json", `expected a JSON object, got ${quote(body.toString("latin1"))}`, { cause });
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new Failure("task-not-json", `expected a JSON object, got ${quote(JSON.stringify(value))}`);
  }
  const type = "type" in value ? value.type : undefined;
  if (typeof type === "string" && !(taskTypes as readonly string[]).includes(type)) {
    throw new Failure("task-type-unknown", `expected a type of ${taskTypes.join(", ")}, got ${quote(type)}`);
  }
  const parsed = Task.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const path = issue?.path.join(".") ?? "";
  const seen = quote(JSON.stringify((value as Record<string, unknown>)[path]) ?? "nothing");
  const code = path === "from" && issue?.code === "custom" ? "task-address-invalid" : "task-malformed";
  throw new Failure(code, `${path}: ${issue?.message ?? "invalid"}, got ${seen}`);
}

/**
 * The body of a job: ASCII-only JSON, so that its length in characters is its length in bytes and no reader can
 * stumble over an encoding.
 */
export function encodeTask(task: Task): Buffer {
  const json = JSON.stringify(task).replace(
    /[\u007f-\uffff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  return Buffer.from(json, "latin1");
}

/** A hostile text for a message: printable, short. */
function quote(text: string): string {
  const shown = text.length > 120 ? `${text.slice(0, 120)}… (${text.length} characters)` : text;
  return JSON.stringify(shown);
}
