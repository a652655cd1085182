/**
 * What must be done now and then, whoever does it: bans of addresses that are allowed by now are lifted, what is old is forgotten.
 *
 * Every responder does it. Each step is one that finds nothing to do where another was faster.
 */

import { type Ledger, LedgerError } from "@logwarden/ledger";
import type { Clock } from "@logwarden/shared/clock";
import { Failure } from "@logwarden/shared/failure";
import type { Log } from "@logwarden/shared/log";
import type { NeverBan } from "@logwarden/shared/never-ban";
import { parseSubject } from "@logwarden/shared/subject";
import { holdersOf } from "./decide/unban.ts";
import type { Orders } from "./orders.ts";

export interface HouseOptions {
  ledger: Ledger;
  clock: Clock;
  neverBan: () => NeverBan;
  orders: Orders;
  log: Log;
}

/** An edited list that could not be followed at once (the ledger was away) is followed so much later; and so much later at most a ban that is over is marked as such. */
const liftMs = 15_000;
const pruneMs = 3_600_000;
/** A sighting that is forgotten must be too old to count, by the clock of whoever recorded it. */
const sightingsMarginMs = 3_600_000;
/** As far back as a person asks "why was this address banned?", and as far as growth remembers. */
const historyMs = 90 * 86_400_000;

/** @param sightingsMs how old an event may be and still count */
export async function keepHouse(options: HouseOptions & { sightingsMs: number }, signal: AbortSignal): Promise<void> {
  const { clock, ledger, log } = options;
  let pruneAtMs = clock.monotonicMs() + pruneMs;
  while (!signal.aborted) {
    try {
      await expire(options);
      await liftAllowed(options);
      if (clock.monotonicMs() >= pruneAtMs) {
        pruneAtMs = clock.monotonicMs() + pruneMs;
        const nowMs = clock.nowMs();
        const sightingsMs = nowMs - options.sightingsMs - sightingsMarginMs;
        const rows = await ledger.prune({ sightingsMs, bansMs: nowMs - historyMs, auditMs: nowMs - historyMs });
        if (rows > 0) log.say("ledger.pruned", { rows });
      }
    } catch (error) {
      // Both are said where they matter more: by the leases, and by the producer.
      if (!(error instanceof LedgerError || error instanceof Failure)) throw error;
    }
    await clock.sleep(liftMs, signal);
  }
}

/** Marks bans that are over, and says so: routers follow by themselves. @throws LedgerError */
export async function expire({ ledger, clock, log }: Pick<HouseOptions, "ledger" | "clock" | "log">): Promise<void> {
  for (const { id, subject } of await ledger.expire(clock.nowMs())) {
    log.say("ban.ended", { ban: id, address: subject, by: "responder", reason: "expired" });
  }
}

/** Ends every ban that holds somebody who is never banned, and tells the routers. @throws LedgerError, Failure queue-away */
export async function liftAllowed({ ledger, clock, neverBan, orders, log }: HouseOptions): Promise<void> {
  const nowMs = clock.nowMs();
  const list = neverBan();
  for (const subject of await ledger.bannedSubjects(nowMs)) {
    const parsed = parseSubject(subject);
    const why = parsed === undefined ? undefined : list.reasonForAnyOf(parsed.prefix);
    if (why === undefined) continue;
    const ended = await ledger.decide(async (transaction) => {
      await transaction.lock([subject], nowMs);
      // Edited while we waited: whoever edits it has everything looked at anew.
      if (neverBan() !== list) return undefined;
      const because = { because: "allow-list", by: "responder", reason: why } as const;
      return transaction.endBans({ subjects: [subject], ...because, atMs: nowMs });
    });
    if (ended === undefined) return;
    for (const { id } of ended) {
      log.say("ban.ended", { ban: id, address: subject, by: "responder", reason: "allow-list" });
    }
    const targets = await holdersOf(ledger, [subject]);
    await orders.give([subject], targets, { taskId: `allow-${ended[0]?.id ?? nowMs}`, by: "responder" }, "");
  }
}
