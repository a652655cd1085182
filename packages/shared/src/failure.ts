/**
 * Everything that can go wrong with a task in production, by name.
 *
 * A failure is expected: devices go away, people lock configurations, disks fill. It is not a bug; a bug throws, ends
 * the process, and the supervisor starts a clean one.
 *
 * The code is a metric label and the word an operator searches for, so it is never built from data. `waiting` is the
 * only question the queue asks of a failure: what good would it do to wait?
 *
 *   never    a person must look: the task is buried with the code as its reason
 *   later    the same task may succeed in a while: it is released with a growing delay
 *   device   nothing can be done on this device until it is back: its tube is paused and the device is probed
 *
 * `number` travels with a buried job as part of its priority (buryPriority), because beanstalkd's bury has no field for
 * a reason. Numbers are never reused or changed: they are on disk in somebody's binlog.
 */

const catalogue = {
  "task-not-json": { number: 1, waiting: "never", advice: "Whoever put it wrote no JSON object; read the body." },
  "task-malformed": {
    number: 2,
    waiting: "never",
    advice: "A field is missing or of the wrong form; the log names it.",
  },
  "task-type-unknown": { number: 3, waiting: "never", advice: "A newer parser beside an older responder, or a typo." },
  "task-address-invalid": { number: 4, waiting: "never", advice: "`from` is no IPv4 or IPv6 address." },
  "task-device-unknown": { number: 5, waiting: "never", advice: "Add `host` to devices in logwarden.yaml, then kick." },
  "device-without-api": {
    number: 6,
    waiting: "never",
    advice: "The device only sends logs; give it `api`, then kick.",
  },
  "interface-invalid": { number: 7, waiting: "never", advice: "VyOS has no configuration path for this name." },
  "interface-absent": { number: 8, waiting: "never", advice: "The router has no such interface in its configuration." },
  "change-rejected": {
    number: 9,
    waiting: "never",
    advice: "VyOS named the path or value it dislikes; read `detail`.",
  },
  "change-failed-commit": {
    number: 10,
    waiting: "never",
    advice: "VyOS commits its neighbours but not this one; read `detail`, mend the router, then kick.",
  },
  "device-refuses-commits": {
    number: 11,
    waiting: "later",
    advice: "VyOS fails every commit: something else in its configuration is wrong; read `detail`.",
  },
  "device-busy": { number: 12, waiting: "later", advice: "Another commit is running; it clears when that ends." },
  "device-unreachable": { number: 13, waiting: "device", advice: "Check the route and the HTTPS API of the device." },
  "device-certificate": {
    number: 14,
    waiting: "device",
    advice: "The certificate is not the pinned one: it was renewed (pin the new one), or somebody is in between.",
  },
  "device-refused-key": { number: 15, waiting: "device", advice: "The API key was rotated on one side only." },
  "device-api-off": { number: 16, waiting: "device", advice: "Enable the HTTP API (1.5: also `api rest`) for us." },
  "change-unknown": { number: 17, waiting: "later", advice: "The answer was lost; the router is read before a retry." },
  "change-not-verified": { number: 18, waiting: "later", advice: "The router said yes, but does not show the change." },
  "device-key-unreadable": {
    number: 20,
    waiting: "device",
    advice: "The key's file is missing, empty or not ours to read.",
  },
  "ledger-away": { number: 21, waiting: "later", advice: "The ledger's database does not answer: see its own log." },
  "lease-lost": {
    number: 22,
    waiting: "later",
    advice: "Another responder has this device now, or the ledger was away: nothing to do.",
  },
  "queue-away": {
    number: 23,
    waiting: "later",
    advice: "No queue node takes the orders for other routers; see theirs.",
  },
  "save-failed": { number: 19, waiting: "later", advice: "Applied but not saved: a reboot would undo it. Disk full?" },
} as const satisfies Record<string, { number: number; waiting: "never" | "later" | "device"; advice: string }>;

export type FailureCode = keyof typeof catalogue;

export class Failure extends Error {
  override readonly name = "Failure";
  readonly code: FailureCode;
  /** What was expected, what came, and where. */
  readonly detail: string;

  constructor(code: FailureCode, detail: string, options?: ErrorOptions) {
    super(`${code}: ${detail}`, options);
    this.code = code;
    this.detail = detail;
  }

  get waiting(): "never" | "later" | "device" {
    return waitingFor(this.code);
  }
}

/** Every code, with what it means for a task: for the reference. */
export const failureCodes = Object.keys(catalogue) as readonly FailureCode[];

/** The ledger keeps codes as text. */
export function isFailureCode(text: string): text is FailureCode {
  return Object.hasOwn(catalogue, text);
}

/** What good it would do to wait. */
export function waitingFor(code: FailureCode): "never" | "later" | "device" {
  return catalogue[code].waiting;
}

/** What a person should do about it, in one sentence. */
export function adviceFor(code: FailureCode): string {
  return catalogue[code].advice;
}

/** Above every priority in normal use, so that a kicked job waits behind the living ones. */
const buryPriorityBase = 4_000_000_000;

/** The priority that a buried job carries: it says why it was buried. */
export function buryPriority(code: FailureCode): number {
  return buryPriorityBase + catalogue[code].number;
}

/** Why a buried job was buried, read from its priority; undefined when somebody else buried it. */
export function buriedBecause(priority: number): FailureCode | undefined {
  return failureCodes.find((code) => buryPriority(code) === priority);
}
