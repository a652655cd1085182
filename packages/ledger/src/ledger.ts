/**
 * The ledger: who is banned, since when, why, until when, and how far each router has followed.
 *
 * One SQL code path for SQLite (a file, shared by the processes of one host) and PostgreSQL (a cluster); `openLedger` chooses
 * by the address. Every method is one transaction, safe beside other processes. No clock in here: the caller says what time it is.
 */

import type {
  AuditAction,
  AuditEntry,
  Ban,
  EndReason,
  InterfaceState,
  Lease,
  NewBan,
  NewSighting,
  Pending,
  Place,
  Placement,
  ResponderState,
  RouterState,
  Sighting,
  SubjectFacts,
  Wanted,
} from "./types.ts";

/** What may be read and written while events are decided: all of it happens, or nothing. */
export interface Deciding {
  /**
   * Locks the subjects until the transaction ends (in one order, so that two responders never wait for each other) and reads
   * what is known of them. What has never been seen has zeros.
   *
   * There is no clock here: with `nowMs`, bans whose end is over then are left out of `activeBans`; without it they are in
   * it until somebody has marked them, and the caller looks at `endsAtMs`.
   */
  lock(subjects: readonly string[], nowMs?: number): Promise<Map<string, SubjectFacts>>;
  /** Sightings of these tasks that are recorded already, by task id. */
  sightingsOfTasks(taskIds: readonly string[]): Promise<Map<string, Sighting>>;
  /** Bans that these tasks led to, by task id. */
  bansOfTasks(taskIds: readonly string[]): Promise<Map<string, Ban>>;
  /** Counted sightings of the subjects from `sinceMs` on that completed no ban, oldest first. */
  sightingsOf(subjects: readonly string[], sinceMs: number): Promise<Map<string, Sighting[]>>;
  /** A task id that is recorded already is passed over. */
  addSightings(sightings: readonly NewSighting[], recordedAtMs: number): Promise<void>;
  /** The bans, and each of these sightings is marked as the one that completed its ban. Audited as "ban". */
  addBans(bans: readonly NewBan[]): Promise<void>;
  /** Ends all that are active at `atMs`, of these subjects and, where given, of this type and device. Audited. @returns what ended */
  endBans(end: {
    subjects: readonly string[];
    because: EndReason;
    by: string;
    reason: string;
    atMs: number;
    only?: { type: string; device: string };
  }): Promise<Ban[]>;
  /** Writes what is given, leaves the rest. */
  update(subject: string, facts: Partial<Pick<SubjectFacts, "pardonedUntilMs" | "offences">>): Promise<void>;
  /** These sightings led to this ban: those of the subject and counter that led to none yet count no more. */
  consume(used: readonly { subject: string; counter: string; banId: string }[]): Promise<void>;
  /**
   * Sightings of the subject up to `atMs` count no more: of this user only, where one is given, and of these counters, where
   * there are any. They stay recorded, so that their tasks are still known. @returns how many
   */
  forget(what: { subject: string; atMs: number; user: string | null; counters: readonly string[] }): Promise<number>;
  addHits(hits: ReadonlyMap<string, number>): Promise<void>;
  audit(entries: readonly AuditEntry[]): Promise<void>;
}

export interface BanQuery {
  /** Of this subject. */
  subject?: string;
  /** Only those that nothing has ended yet and whose own end is after this moment. */
  activeAtMs?: number;
  sinceMs?: number;
  /** Newest first; at most so many (100). */
  limit?: number;
}

/**
 * What the one responder that has a router's lease tells of the router.
 *
 * Each call is refused with LedgerError `lease-lost`, and writes nothing, once the lease was claimed by anybody or given back: a
 * process that was stopped for a while must not write down what was so before.
 */
export interface RouterWriter {
  /** Before the router is asked to take them. Placements that exist keep what they say. */
  intend(subjects: readonly { subject: string; family: 4 | 6 }[], atMs: number): Promise<void>;
  /** After the router showed them, saved. Clears errors. Audited as "place" where they were not verified before. */
  placed(subjects: readonly string[], atMs: number): Promise<void>;
  /** They are not there, and nobody knows when they will be. Makes placements that do not exist only for "group-full". */
  misplaced(
    errors: readonly { subject: string; family: 4 | 6; error: string; detail: string }[],
    atMs: number,
  ): Promise<void>;
  /** The router no longer holds them, saved. They stay known as ours once (`formerOn`). Audited as "remove". */
  removed(subjects: readonly string[], atMs: number): Promise<void>;
  /** The router shows again what was taken out: it is ours again. Audited as "mend". */
  revive(subjects: readonly string[], atMs: number): Promise<void>;
  /** What the router was read to hold differs from what we thought: these are no longer applied or verified. */
  missing(subjects: readonly string[]): Promise<void>;
  /** Replaces what is known of the interface. Audited as "disable" or "enable". */
  setInterface(state: Omit<InterfaceState, "router">): Promise<void>;
  /** Replaces what people are shown of the router. */
  setRouter(state: Omit<RouterState, "router">): Promise<void>;
}

export interface Ledger {
  /** Runs the work in one transaction. It must do nothing but use `deciding`. Repeated as a whole when the database asks for that. */
  decide<T>(work: (deciding: Deciding) => Promise<T>): Promise<T>;

  // What routers should hold, and hold.

  /** Everything that the router should hold at this moment. Dry-run bans are never in it. */
  wantedOn(place: Place, nowMs: number): Promise<Wanted[]>;
  /** The difference between wanted and placed, without a look at the router. */
  pendingOn(place: Place, nowMs: number): Promise<Pending>;
  /** When what the router should hold next changes by itself: the earliest end of a subject's last ban there; undefined: never. */
  nextEndOn(place: Place, nowMs: number): Promise<number | undefined>;
  placementsOn(router: string): Promise<Placement[]>;
  /** Where this subject is placed. */
  placementsOf(subject: string): Promise<Placement[]>;
  /** What was ours there and was taken out, as far back as `prune` leaves it. */
  formerOn(router: string): Promise<{ subject: string; family: 4 | 6 }[]>;

  /** Marks bans whose end is over. Audited as "expire". @returns those that nobody had marked before */
  expire(nowMs: number): Promise<{ id: string; subject: string }[]>;
  /** Every subject with a ban in force, for a check against an allow list that was edited. */
  bannedSubjects(nowMs: number): Promise<string[]>;

  // Interfaces.

  interfacesOn(router: string): Promise<InterfaceState[]>;

  // Leases.

  /** Shows that the responder lives: makes or renews its entry and all leases it owns. @returns all leases and responders afterwards */
  beat(responder: { id: string; name: string; startedAtMs: number; seenAtMs: number }): Promise<{
    leases: Lease[];
    responders: ResponderState[];
  }>;
  /** Makes leases of devices that have none yet, owned by nobody. */
  addLeases(devices: readonly string[]): Promise<void>;
  /** Takes each lease that still stands exactly as the caller saw it. @returns those that are ours now, as they stand */
  claim(id: string, seen: readonly Lease[]): Promise<Lease[]>;
  /** For whoever holds the lease. */
  writerOf(lease: Lease): RouterWriter;
  /** Gives leases back that are ours. */
  release(id: string, devices: readonly string[]): Promise<void>;
  /** The responder ends: its entry and its leases are free. */
  leave(id: string): Promise<void>;
  /** Entries of responders that others saw die. */
  bury(ids: readonly string[]): Promise<void>;

  // For people.

  bans(query: BanQuery): Promise<Ban[]>;
  /** How many subjects have a ban in force. */
  countBanned(nowMs: number): Promise<number>;
  sightings(query: { subject?: string; sinceMs?: number; limit?: number }): Promise<Sighting[]>;
  auditTrail(query: {
    subject?: string;
    router?: string;
    action?: AuditAction;
    sinceMs?: number;
    limit?: number;
  }): Promise<AuditEntry[]>;
  routers(): Promise<RouterState[]>;
  /** How many placements of each router are verified, not yet, and in error. */
  countPlacements(): Promise<{ router: string; verified: number; pending: number; failing: number }[]>;
  leases(): Promise<Lease[]>;
  responders(): Promise<ResponderState[]>;

  /** Deletes sightings recorded before, ended bans that ended before, audit written before. @returns rows */
  prune(before: { sightingsMs: number; bansMs: number; auditMs: number }): Promise<number>;

  close(): Promise<void>;
}
