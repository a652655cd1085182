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
import { parseDuration } from "../duration.ts";
import { parseAddress } from "../ip/address.ts";
import { parseSubject } from "../ip/subject.ts";

/** Names are chosen by whoever attacks: longer than any account, short enough for a log line. */
export const userCharactersMax = 256;
export const reasonCharactersMax = 1000;

/** What another program did about an address. */
export const peerActions = ["ban", "unban", "restore"] as const;
export type PeerAction = (typeof peerActions)[number];

const address = z.string().transform((text, context) => {
  const parsed = parseAddress(text);
  if (parsed !== undefined) return parsed.text;
  context.addIssue({ code: "custom", message: "expected an IPv4 or IPv6 address" });
  return z.NEVER;
});

/** An address, a prefix or a range of one prefix, to a subject's canonical text (ip/subject.ts). */
const subject = z.string().transform((text, context) => {
  const parsed = parseSubject(text);
  if (parsed !== undefined) return parsed.text;
  context.addIssue({ code: "custom", message: "expected an IPv4 or IPv6 address or prefix" });
  return z.NEVER;
});

/** Seconds, or a duration as people write it; -1: permanent. Kept as seconds. */
const banSeconds = z.union([z.number(), z.string().max(32)]).transform((value, context) => {
  const duration = parseDuration(String(value));
  if (duration !== undefined) return duration === "permanent" ? -1 : duration;
  context.addIssue({ code: "custom", message: "expected seconds, a duration such as 4h, or -1 for permanent" });
  return z.NEVER;
});

/** Where a ban holds: every router, those with a tag, or one. */
const target = z.string().regex(/^(all|(tag|device):[a-z0-9-]{1,63})$/, "expected all, tag:NAME or device:NAME");
const targetsMax = 100;

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
  reason: z.string().max(reasonCharactersMax).optional(),
};

/** Who did it. */
const from = { from: address };

/**
 * What each type says. The first two are those of the original design.
 *
 * One failed login is one `password_failed`, whatever else the same attempt makes its daemon write: those lines have types of
 * their own, so that a policy counts an attempt once.
 */
const events = {
  /** One attempt to log in that failed. */
  password_failed: { ...common, ...from },
  /** A link was lost. */
  interface_down: { ...common, interface: z.string().min(1).max(64) },
  /** An account was named that does not exist or may not log in. */
  user_invalid: { ...common, ...from },
  /** A connection used up its attempts. */
  attempts_exceeded: { ...common, ...from },
  /** PAM's line about an attempt that the daemon reports as well. */
  pam_failed: { ...common, ...from },
  /** A connection that ended before it logged in, or spoke another protocol: scanners, and networks that fail. */
  preauth_failed: { ...common, ...from },
  /** A login that worked: policies may forget what failed before. */
  login_succeeded: { ...common, ...from },
  /** A web server refused a request: its status, or the reason where there is none. */
  http_error: { ...common, ...from, status: z.number().int().min(100).max(599).optional() },
  /** Another program's ban (fail2ban, sshguard): what it did, and the jail as the reason. */
  peer_ban: { ...common, ...from, action: z.enum(peerActions) },
} as const;

/** Without `host` it is for every router that `targets` names, and waits in the intake tube. */
const anyHost = { ...common, host: address.optional() };

/** What people ask for, and what responders ask of each other. */
const orders = {
  /** Somebody bans by hand: for how long (4 h unless told), and where (all routers unless told). */
  ban: {
    ...anyHost,
    address: subject,
    for: banSeconds.optional(),
    targets: z.array(target).max(targetsMax).optional(),
  },
  /** Lifts every ban of the address, clears its counters, and pardons it for a while. */
  unban: { ...anyHost, address: subject },
  /** Lets an interface up again. */
  interface_enable: { ...common, interface: z.string().min(1).max(64) },
  /** The ledger wants something else of this router than before: look, and do it. */
  enforce: { ...common, address: subject },
  /** Read the router's groups and mend what differs. `restored`: it runs an older configuration, and what was taken out of it since is ours. */
  reconcile: { ...common, restored: z.boolean().optional() },
} as const;

const types = { ...events, ...orders } as const;

const schema = <K extends keyof typeof types>(type: K) => z.looseObject({ ...types[type], type: z.literal(type) });

export const Task = z.discriminatedUnion("type", [
  schema("password_failed"),
  schema("interface_down"),
  schema("user_invalid"),
  schema("attempts_exceeded"),
  schema("pam_failed"),
  schema("preauth_failed"),
  schema("login_succeeded"),
  schema("http_error"),
  schema("peer_ban"),
  schema("ban"),
  schema("unban"),
  schema("interface_enable"),
  schema("enforce"),
  schema("reconcile"),
]);
export type Task = z.infer<typeof Task>;
type TaskType = Task["type"];
/** Types of tasks that a log line may lead to. */
export type EventType = keyof typeof events;
/** A task that a log line led to. */
export type EventTask = Extract<Task, { type: EventType }>;

/** A task that a person or a responder put. */
export type OrderTask = Exclude<Task, EventTask>;

export const eventTypes = Object.keys(events) as readonly EventType[];
const taskTypes = Object.keys(types) as readonly TaskType[];

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
  const code =
    (path === "from" || path === "address") && issue?.code === "custom" ? "task-address-invalid" : "task-malformed";
  throw new Failure(code, `${path}: ${issue?.message ?? "invalid"}, got ${seen}`);
}

/**
 * The body of a job: ASCII-only JSON, so that its length in characters is its length in bytes and no reader can
 * stumble over an encoding.
 */
export function encodeTask(task: Task): string {
  return onlyAscii(JSON.stringify(task));
}

/** What the tasks of one rule and one read have in common, in one piece each: a string that is joined is read piece by piece. */
interface Frame {
  host: string;
  type: EventType;
  at: string | undefined;
  head: string;
  tail: string;
}

/**
 * As encodeTask, for tasks that are just made: no fields but those of this file; addresses canonical; id, time and rule of
 * characters that need no escape. At a small part of the price, which is most of what an attack costs a parser.
 */
export function createTaskEncoder(): (task: EventTask) => string {
  const frames = new Map<string | undefined, Frame>();
  let rule: string | undefined;
  let frame: Frame | undefined;
  return (task) => {
    if (task.rule !== rule || frame === undefined) {
      rule = task.rule;
      frame = frames.get(rule);
    }
    if (frame === undefined || task.at !== frame.at || task.host !== frame.host || task.type !== frame.type) {
      frame = frameOf(task);
      frames.set(rule, frame);
    }
    const { head, tail } = frame;
    const { id, count, user, reason } = task;
    const subject = task.type === "interface_down" ? escapeAscii(task.interface) : task.from;
    // Nearly all of an attack; the fewer pieces, the cheaper.
    if (task.type === "password_failed" && count === 1 && user !== undefined && reason === undefined) {
      return head + subject + '","user":"' + escapeAscii(user) + tail + id + '","count":1}';
    }
    let json = `${head}${subject}`;
    if (user !== undefined) json += `","user":"${escapeAscii(user)}`;
    if (reason !== undefined) json += `","reason":"${escapeAscii(reason)}`;
    json += `${tail}${id}","count":${count}`;
    if (task.type === "http_error" && task.status !== undefined) json += `,"status":${task.status}`;
    if (task.type === "peer_ban") json += `,"action":"${task.action}"`;
    return `${json}}`;
  };
}

function frameOf({ host, type, at, rule }: EventTask): Frame {
  const head = `{"host":"${host}","type":"${type}","${type === "interface_down" ? "interface" : "from"}":"`;
  const tail = `","v":1,"rule":"${rule}","at":"${at}","id":"`;
  return { host, type, at, head: inOnePiece(head), tail: inOnePiece(tail) };
}

function inOnePiece(ascii: string): string {
  return Buffer.from(ascii, "latin1").toString("latin1");
}

/** No field is longer; each character becomes six at most. */
const escaped = Buffer.alloc(6 * reasonCharactersMax);

/** A text as it stands between the quotes of ASCII-only JSON: what needs an escape as \uXXXX. */
function escapeAscii(text: string): string {
  if (needsNoEscape(text)) return text;
  if (text.length > reasonCharactersMax) {
    return escapeAscii(text.slice(0, reasonCharactersMax)) + escapeAscii(text.slice(reasonCharactersMax));
  }
  let to = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (isPlain(code)) {
      escaped[to++] = code;
      continue;
    }
    escaped[to++] = backslash;
    escaped[to++] = letterU;
    for (let shift = 12; shift >= 0; shift -= 4) escaped[to++] = hexDigits[(code >> shift) & 0xf] as number;
  }
  // One byte a character in memory as well: otherwise everything it is joined to is widened to two.
  return escaped.toString("latin1", 0, to);
}

const quotationMark = 0x22;
const backslash = 0x5c;
const letterU = 0x75;
const hexDigits = Buffer.from("0123456789abcdef", "latin1");

/** Whether the character stands for itself in ASCII-only JSON. */
function isPlain(code: number): boolean {
  return code >= 0x20 && code <= 0x7e && code !== quotationMark && code !== backslash;
}

function needsNoEscape(text: string): boolean {
  for (let at = 0; at < text.length; at++) if (!isPlain(text.charCodeAt(at))) return false;
  return true;
}

function onlyAscii(json: string): string {
  return json.replace(/[\u007f-\uffff]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** A hostile text for a message: printable, short. */
function quote(text: string): string {
  const shown = text.length > 120 ? `${text.slice(0, 120)}… (${text.length} characters)` : text;
  return JSON.stringify(shown);
}
