/**
 * What the ledger knows, as values. Times are milliseconds since the epoch; a ban without an end has `endsAtMs: null`.
 *
 * The words:
 *
 *   subject    who is counted and banned, written as a member of a firewall group: an address, or a range first-last
 *              (an IPv6 /64: groups take no prefix)
 *   sighting   one event that a policy counts; its task's id makes it count once, however often it is delivered
 *   ban        why a subject is banned, where, from when until when; a subject may have several at once
 *   target     where a ban holds: "all", "tag:edge", "device:edge-1"
 *   placement  a subject in the group of one router, as far as we put it there: what we may take out again
 *   lease      who may work for a device now
 */

/** Where a ban holds. Kept as it was meant, not as a list of routers: a router that gets the tag later is meant too. */
export type Target = "all" | `tag:${string}` | `device:${string}`;

/** A device as targets see it. */
export interface Place {
  /** Its name in the inventory. */
  key: string;
  tags: readonly string[];
}

export type BanOrigin = "policy" | "person";

/** Why a ban is over. A closed list: it is shown, counted and logged. */
export type EndReason = "expired" | "unban" | "allow-list" | "peer-unban";

export interface NewBan {
  /** Made by the caller, unique. */
  id: string;
  subject: string;
  family: 4 | 6;
  origin: BanOrigin;
  /** The type of the task that led to it: password_failed, …, or "ban" of a person. */
  type: string;
  /** The rule that recognized the last line; empty for a person's ban. */
  rule: string;
  /** A person's words, or what the policy counted: "5 password_failed in 10m". */
  reason: string;
  /** Who: "policy", or the person's name. */
  by: string;
  /** The device whose line completed it; empty for a person's ban. */
  device: string;
  /** The task that led to it; a task leads to one ban. */
  taskId: string;
  startedAtMs: number;
  /** null: permanent. */
  endsAtMs: number | null;
  targets: readonly Target[];
  /** Decided and shown, and never enforced. */
  dryRun: boolean;
}

export interface Ban extends NewBan {
  /** Sightings that came while it was active: the attacker goes on. */
  hits: number;
  /** null while nothing has ended it. A ban whose endsAtMs is over but which nobody has marked yet is over all the same. */
  endedAtMs: number | null;
  endedBecause: EndReason | null;
  endedBy: string | null;
}

/** What is known about a subject when an event of it is decided. */
export interface SubjectFacts {
  subject: string;
  /** After an unban: until then nothing is counted and no policy bans. */
  pardonedUntilMs: number;
  /** Bans by policy so far, for growth; an unban sets it to 0. */
  offences: number;
  /** In force now, dry-run ones too. */
  activeBans: readonly Ban[];
}

export interface NewSighting {
  taskId: string;
  subject: string;
  /** What it counts for: the type of the event, or `type/rule` where the rule has a policy of its own. */
  counter: string;
  type: string;
  rule: string;
  device: string;
  user: string | null;
  /** How often the line happened. */
  count: number;
  /** When its line was received, as its task says; never in the future of the recorder. */
  atMs: number;
  /** In force when it came: then it is recorded so that its task is known, and counts for nothing. */
  banId?: string | null;
}

export interface Sighting extends NewSighting {
  recordedAtMs: number;
  /** The ban that it led to, or came during; null when it was only counted. */
  banId: string | null;
}

/** A subject that one router should hold now: the longest of its bans there. */
export interface Wanted {
  subject: string;
  family: 4 | 6;
  /** Of the earliest active ban: who was seen first goes first. */
  sinceMs: number;
  /** The latest end of its active bans; null when one of them has none. */
  untilMs: number | null;
}

/** A subject in the group of one router. */
export interface Placement {
  router: string;
  subject: string;
  family: 4 | 6;
  /**
   * Written before the router is asked, so that nothing that we may have put there is ever taken for a stranger's. 0: it
   * never was asked, its group was full; such a placement is nothing to remove, and goes with the last ban of its subject.
   */
  intendedAtMs: number;
  /** The router committed it. */
  appliedAtMs: number | null;
  /** The router showed it after it was saved. */
  verifiedAtMs: number | null;
  /** Why it is not as it should be: a failure code (shared/failure), or "group-full"; null when nothing is wrong. */
  error: string | null;
  errorDetail: string | null;
  errorAtMs: number | null;
}

/** What one router needs, as the ledger sees it. */
export interface Pending {
  /** Wanted and not verified there, with what is known of it there, if anything; first sighting first. */
  add: readonly (Wanted & { placement: Placement | null })[];
  /** We put it there, or may have, and it is wanted no longer. */
  remove: readonly Placement[];
}

/** An interface that we disabled, or let up again. */
export interface InterfaceState {
  router: string;
  name: string;
  state: "disabled" | "enabled";
  /** When it came to that state. */
  changedAtMs: number;
  /** "policy", a person's name, or "somebody" who did it on the router by hand. */
  by: string;
  reason: string;
  /** When it is to be enabled by itself; null: never. */
  enableAtMs: number | null;
}

/** A router as its worker saw it last. */
export interface RouterState {
  router: string;
  /** held: nothing can be done on it until it is back. */
  state: "ok" | "held";
  /** A failure code while held. */
  error: string | null;
  errorDetail: string | null;
  sinceMs: number;
  reconciledAtMs: number | null;
  /** Of the last reconciliation: members of its groups, of these not ours, and what had to be mended. */
  members: number;
  foreign: number;
  mended: number;
}

/**
 * A lease as it stands in the ledger. `renewals` grows whenever the owner shows that it lives; who watches it judges by a
 * clock of its own whether it still does. No two machines' clocks are ever compared.
 */
export interface Lease {
  device: string;
  /** A responder's id; null when nobody has it. */
  owner: string | null;
  renewals: number;
  /** How often it was claimed. With the owner it names one holding: a fencing token. */
  claims: number;
}

export interface ResponderState {
  id: string;
  /** Host and process, for people. */
  name: string;
  beats: number;
  startedAtMs: number;
  /** By the clock of the responder: for people, never for decisions. */
  seenAtMs: number;
}

/** One line of the audit: who did what to whom, and why. */
export interface AuditEntry {
  atMs: number;
  /** "policy", a person's name, "responder", or "somebody" who edited the router. */
  actor: string;
  action: AuditAction;
  /** Empty for an interface. */
  subject: string;
  /** Empty when it is not about one router. */
  router: string;
  reason: string;
  /** The task or ban it follows from. */
  source: string;
}

export type AuditAction =
  | "ban"
  | "unban"
  | "expire"
  | "allow-list"
  | "clear"
  | "refuse"
  | "place"
  | "remove"
  | "evict"
  | "mend"
  | "disable"
  | "enable";
