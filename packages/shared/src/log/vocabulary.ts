/**
 * Every sentence our services can say, in the order of the flow.
 *
 * A name is `noun.verb` in the past tense; its fields say what must be said with it. The counter
 * `logwarden_<noun>_<verb>_total` is counted by the logger, so a log line and a metric can never disagree. Fields named
 * in `labels` have a closed set of values and become the metric's labels; nothing from a log line ever does. A duration that
 * an event carries is measured as well, where the event says so: the histogram `logwarden_<name>`.
 *
 * Levels: debug once per line, info once per decision, warn when a limit or a retry is met, error when a person must act.
 */

/** What must be said with each event. */
export interface Vocabulary {
  "service.started": { config: unknown; statusPort: number };
  "service.draining": { signal: string };
  "service.stopped": { clean: boolean };
  "service.failed": { err: unknown };
  "log.suppressed": { of: string; suppressed: number };

  "worker.replaced": { reason: string; connections: number; tasks: number };
  "journal.failed": { detail: string };
  "connection.opened": { peer: string; device: string };
  "connection.aged": { peer: string; device: string };
  "connection.closed": { peer: string; device: string; reason: string };
  "connection.refused": { peer: string; reason: string; detail: string };
  "device.accepted": { device: string; address: string };
  "certificate.renewed": { expires: string };
  "certificate.unusable": { detail: string };

  "bytes.read": { as: "line" | "framing" | "refused" };
  "line.received": { device: string; bytes: number };
  "line.refused": { device: string; reason: string; detail: string };
  "line.mended": { device: string; reason: string };
  "line.unrecognized": { device: string };
  "event.recognized": { device: string; rule: string; type: string; count: number };
  "event.refused": { device: string; rule: string; reason: string; detail: string };
  "task.submitted": { taskId: string; tube: string; node: string };
  "task.rejected": { taskId: string; tube: string; reason: string; task: unknown };
  "intake.paused": { unanswered: number };
  "intake.resumed": { unanswered: number; durationMs: number };

  "queue.connected": { node: string };
  "queue.lost": { node: string; reason: string };
  "queue.unreachable": { node: string; reason: string };
  "queue.refusing": { node: string; reason: string };
  "put.retried": { node: string; reason: string };
  "put.buried": { node: string; reason: string };
  "job.delayed": { node: string; reason: string };
  "job.expired": { node: string; reason: string };

  "task.reserved": { device: string; taskId: string; type: string };
  "task.forwarded": { device: string; taskId: string; type: string };
  "ban.started": {
    ban: string;
    address: string;
    by: string;
    type: string;
    device: string;
    reason: string;
    until: string;
    targets: readonly string[];
    dryRun: boolean;
  };
  "ban.ended": { ban: string; address: string; by: string; reason: string };
  "order.given": { device: string; taskId: string; orders: number; durationMs: number };
  "plan.made": { device: string; ops: number; requests: number };
  "plan.empty": { device: string; taskId: string; reason: string; detail: string };
  "change.applied": { device: string; ops: number; durationMs: number; detail: string };
  "change.saved": { device: string; durationMs: number };
  "change.verified": { device: string; ops: number };
  "change.failed": { device: string; reason: string; detail: string; advice: string };
  "task.settled": {
    device: string;
    taskId: string;
    verb: string;
    reason: string;
    detail: string;
    /** Since its line was received, by the clocks of two machines; only of what this device was brought to. */
    lagMs?: number;
  };
  "task.lost": { device: string; taskId: string; verb: string; reason: string };
  "router.read": { device: string; members: number; foreign: number };
  "drift.found": { device: string; missing: number; returned: number; foreign: number };
  "group.filling": { device: string; members: number; max: number };
  "group.full": { device: string; evicted: number; max: number };
  "lease.taken": { device: string };
  "lease.given": { device: string; reason: string };
  "ledger.away": { reason: string; detail: string };
  "ledger.back": { durationMs: number };
  "ledger.pruned": { rows: number };
  "allow.changed": { entries: number };
  "allow.unusable": { detail: string };
  "device.held": { device: string; reason: string; detail: string; advice: string };
  "device.resumed": { device: string; durationMs: number };
}

export type EventName = keyof Vocabulary;

/** A duration of an event, in milliseconds, as a histogram in seconds. */
export interface Measure<Field extends string> {
  name: `${string}_seconds`;
  /** Without it in the event nothing is measured. */
  of: Field;
  help: string;
  /** `device` only where it is one of the inventory: each has a histogram of its own. */
  labels: readonly Field[];
  /** Upper bounds, in seconds. */
  buckets: readonly number[];
}

type Manner = {
  [E in EventName]: {
    level: "debug" | "info" | "warn" | "error" | "fatal";
    says: string;
    labels: readonly (keyof Vocabulary[E] & string)[];
    measure?: Measure<keyof Vocabulary[E] & string>;
  };
};

/** How each event is said: level, static text, and which of its fields are metric labels. */
export const vocabulary: Manner = {
  "service.started": { level: "info", says: "The service is ready.", labels: [] },
  "service.draining": { level: "info", says: "Stopping: no new work, finishing what was begun.", labels: [] },
  "service.stopped": { level: "info", says: "The service has stopped.", labels: [] },
  "service.failed": { level: "fatal", says: "A bug ends this process; the supervisor starts a clean one.", labels: [] },
  "log.suppressed": { level: "warn", says: "More of the same were counted, not written.", labels: ["of"] },

  "worker.replaced": {
    level: "warn",
    says: "The parser died: this process goes on with its connections.",
    labels: [],
  },
  "journal.failed": {
    level: "error",
    says: "The journal cannot be written: if this process dies, its connections end, and what it had in hand is lost.",
    labels: [],
  },
  "connection.opened": { level: "debug", says: "A device opened a connection.", labels: [] },
  "connection.aged": {
    level: "debug",
    says: "A connection reached its age: half-closed, and read until the peer closes.",
    labels: [],
  },
  "connection.closed": { level: "debug", says: "A connection ended.", labels: ["reason"] },
  "connection.refused": { level: "warn", says: "A connection was refused before any line.", labels: ["reason"] },
  "device.accepted": { level: "info", says: "An address that is no device's is accepted as one.", labels: [] },
  "certificate.renewed": { level: "info", says: "New connections get the parser's new certificate.", labels: [] },
  "certificate.unusable": {
    level: "warn",
    says: "The files of the parser's certificate changed and cannot be used: the old one stays.",
    labels: [],
  },

  "bytes.read": { level: "debug", says: "Bytes of senders, by what they were: every one is counted.", labels: ["as"] },
  "line.received": { level: "debug", says: "A frame arrived.", labels: [] },
  "line.refused": {
    level: "debug",
    says: "A frame could not be read as a line of a known device.",
    labels: ["reason"],
  },
  "line.mended": {
    level: "debug",
    says: "A line that matters was not clean text and was read all the same.",
    labels: ["reason"],
  },
  "line.unrecognized": { level: "debug", says: "No rule claims the line.", labels: [] },
  "event.recognized": { level: "info", says: "A rule claims the line.", labels: ["rule", "type"] },
  "event.refused": { level: "info", says: "The event asks for nothing that may be done.", labels: ["rule", "reason"] },
  "task.submitted": { level: "info", says: "The task is in the queue.", labels: [] },
  "task.rejected": {
    level: "error",
    says: "The queue will never take this task; it is written here whole.",
    labels: ["reason"],
  },
  "intake.paused": {
    level: "warn",
    says: "The queue is slow or away: reading stops, the senders hold their lines.",
    labels: [],
  },
  "intake.resumed": {
    level: "info",
    says: "The queue takes tasks again: reading goes on.",
    labels: [],
    measure: {
      name: "intake_pause_seconds",
      of: "durationMs",
      help: "How long reading stood still, of every pause that is over.",
      labels: [],
      buckets: [0.01, 0.1, 1, 10, 60, 600],
    },
  },

  "queue.connected": { level: "info", says: "Connected to a queue node.", labels: [] },
  "queue.lost": { level: "warn", says: "The connection to a queue node ended.", labels: ["reason"] },
  "queue.unreachable": {
    level: "warn",
    says: "A queue node could not be reached; the next try follows.",
    labels: ["reason"],
  },
  "queue.refusing": {
    level: "warn",
    says: "A queue node takes no puts (draining, full); others are used.",
    labels: ["reason"],
  },
  "put.buried": {
    level: "error",
    says: "A queue node stored a task as buried: it is out of memory; kick it.",
    labels: [],
  },
  "job.delayed": { level: "warn", says: "A held job is about to run out of its time.", labels: [] },
  "job.expired": { level: "warn", says: "A job ran out of its time before it was given out.", labels: [] },
  "put.retried": {
    level: "warn",
    says: "A put without an answer, or refused by its node, is sent again.",
    labels: ["reason"],
  },

  "task.reserved": { level: "info", says: "A task is being worked on.", labels: ["type"] },
  "task.forwarded": { level: "info", says: "A task of the original form goes to its device's tube.", labels: ["type"] },
  "ban.started": { level: "info", says: "Ban: it is in the ledger, and routers are told.", labels: ["type"] },
  "ban.ended": { level: "info", says: "Unban: routers are told.", labels: ["reason"] },
  "order.given": {
    level: "debug",
    says: "Other routers are told to look into the ledger.",
    labels: [],
    measure: {
      name: "order_put_seconds",
      of: "durationMs",
      help: "From the first put to the last answer of the queue, of all the orders that follow from one task.",
      labels: [],
      // beanstalkd answers a put in 0.8 ms, its fsync included (bench: latency).
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5, 30],
    },
  },
  "plan.made": { level: "info", says: "What the router needs now.", labels: [] },
  "plan.empty": { level: "info", says: "The task asks for nothing that may be done.", labels: ["reason"] },
  "change.applied": {
    level: "info",
    says: "The router committed the change.",
    labels: [],
    measure: {
      name: "commit_seconds",
      of: "durationMs",
      help: "How long the router took for a commit, whatever its size.",
      labels: ["device"],
      // Commits are sized to take some 4 s; LOGWARDEN_CONFIGURE_TIMEOUT_MS ends what takes 120.
      buckets: [0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 120],
    },
  },
  "change.saved": {
    level: "info",
    says: "The router saved its configuration.",
    labels: [],
    measure: {
      name: "save_seconds",
      of: "durationMs",
      help: "How long the router took to save its configuration.",
      labels: ["device"],
      buckets: [0.1, 0.25, 0.5, 1, 2, 5, 15, 60],
    },
  },
  "change.verified": { level: "info", says: "The router shows the change.", labels: [] },
  "change.failed": { level: "warn", says: "The change is not on the router.", labels: ["reason"] },
  "task.settled": {
    level: "info",
    says: "The task's job was given its verb.",
    labels: ["verb", "reason"],
    measure: {
      name: "lag_seconds",
      of: "lagMs",
      help: "From the line, as the parser's clock saw it, to what follows from it on this router, committed and saved.",
      labels: ["device"],
      // From a router that commits at once to one that was away for a night.
      buckets: [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200, 43_200],
    },
  },
  "task.lost": {
    level: "warn",
    says: "The job was no longer ours; another responder has it or will.",
    labels: ["verb", "reason"],
  },
  "router.read": { level: "debug", says: "The router's groups were read and compared with the ledger.", labels: [] },
  "drift.found": {
    level: "warn",
    says: "The router was not as we left it: somebody changed it, or it runs an older configuration. It is put right.",
    labels: [],
  },
  "group.filling": { level: "warn", says: "A group is at 80 % of groupMax.", labels: [] },
  "group.full": { level: "error", says: "A group is full: the bans that end soonest are left out.", labels: [] },
  "lease.taken": { level: "info", says: "This responder works for the device from now on.", labels: [] },
  "lease.given": { level: "info", says: "This responder works for the device no longer.", labels: ["reason"] },
  "ledger.away": {
    level: "error",
    says: "The ledger does not answer: nothing is decided, tasks wait.",
    labels: ["reason"],
  },
  "ledger.back": { level: "info", says: "The ledger answers again.", labels: [] },
  "ledger.pruned": { level: "info", says: "What is old enough was forgotten.", labels: [] },
  "allow.changed": { level: "info", says: "The never-ban list was edited, and is in force.", labels: [] },
  "allow.unusable": {
    level: "error",
    says: "The configuration was edited and cannot be used: the never-ban list stays as it was.",
    labels: [],
  },
  "device.held": { level: "error", says: "Nothing can be done on this device; its tasks wait.", labels: ["reason"] },
  "device.resumed": { level: "info", says: "The device answers again; its tasks go on.", labels: [] },
};
