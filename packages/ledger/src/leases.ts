/**
 * Leases: who may work for a device. The ledger keeps no time for them: an owner shows that it lives by making `renewals`
 * grow, others watch by clocks of their own, and whoever takes a lease says what it saw. Of two that saw the same, one
 * gets it: the row is locked, and looks different afterwards.
 *
 * A process may be stopped at any moment and go on much later. So whatever it writes about a router is fenced: written in one
 * transaction with a look at the lease, and only if it is held as it was when the work began.
 */

import type { Kysely } from "kysely";
import { chunksOf } from "./chunks.ts";
import { type Dialect, locked } from "./dialect.ts";
import { LedgerError } from "./errors.ts";
import { leaseColumns, responderColumns, type Schema } from "./schema.ts";
import type { Lease, ResponderState } from "./types.ts";

export interface Beat {
  id: string;
  name: string;
  startedAtMs: number;
  seenAtMs: number;
}

export async function beat(
  db: Kysely<Schema>,
  { id, name, startedAtMs, seenAtMs }: Beat,
): Promise<{ leases: Lease[]; responders: ResponderState[] }> {
  await db
    .insertInto("responders")
    .values({ id, name, beats: 1, started_at_ms: startedAtMs, seen_at_ms: seenAtMs })
    .onConflict((conflict) =>
      conflict.column("id").doUpdateSet((eb) => ({
        name: eb.ref("excluded.name"),
        beats: eb("responders.beats", "+", 1),
        started_at_ms: eb.ref("excluded.started_at_ms"),
        seen_at_ms: eb.ref("excluded.seen_at_ms"),
      })),
    )
    .execute();
  await db
    .updateTable("leases")
    .set((eb) => ({ renewals: eb("renewals", "+", 1) }))
    .where("owner", "=", id)
    .execute();
  return { leases: await readLeases(db), responders: await readResponders(db) };
}

export async function addLeases(db: Kysely<Schema>, devices: readonly string[]): Promise<void> {
  for (const chunk of chunksOf([...devices].sort(), 3)) {
    await db
      .insertInto("leases")
      .values(chunk.map((device) => ({ device, owner: null, renewals: 0, claims: 0 })))
      .onConflict((conflict) => conflict.column("device").doNothing())
      .execute();
  }
}

export async function claim(
  db: Kysely<Schema>,
  dialect: Dialect,
  id: string,
  seen: readonly Lease[],
): Promise<Lease[]> {
  const seenOf = new Map(seen.map((lease) => [lease.device, lease]));
  const claimed: Lease[] = [];
  for (const chunk of chunksOf([...seenOf.keys()].sort())) {
    const standing = db.selectFrom("leases").select(leaseColumns).where("device", "in", chunk).orderBy("device");
    const free = (await locked(dialect, standing).execute()).filter(({ device, owner, renewals }) => {
      const saw = seenOf.get(device);
      return saw !== undefined && saw.owner === owner && saw.renewals === renewals;
    });
    if (free.length === 0) continue;
    await db
      .updateTable("leases")
      .set((eb) => ({ owner: id, renewals: eb("renewals", "+", 1), claims: eb("claims", "+", 1) }))
      .where(
        "device",
        "in",
        free.map(({ device }) => device),
      )
      .execute();
    const ours = free.map((lease) => ({ ...lease, owner: id, renewals: lease.renewals + 1, claims: lease.claims + 1 }));
    claimed.push(...ours);
  }
  return claimed;
}

/** Nobody can claim it before the transaction ends. @throws LedgerError lease-lost */
export async function expectHeld(
  db: Kysely<Schema>,
  dialect: Dialect,
  { device, owner, claims }: Lease,
): Promise<void> {
  const standing = db.selectFrom("leases").select(leaseColumns).where("device", "=", device);
  const lease = await locked(dialect, standing).executeTakeFirst();
  if (lease?.owner === owner && lease.claims === claims) return;
  const now = lease?.owner ?? "nobody";
  throw new LedgerError(
    "lease-lost",
    `expected the lease of ${device} with ${owner ?? "nobody"}, it was given to ${now}`,
  );
}

export async function release(db: Kysely<Schema>, id: string, devices: readonly string[]): Promise<void> {
  for (const chunk of chunksOf(devices)) {
    await db.updateTable("leases").set(free).where("owner", "=", id).where("device", "in", chunk).execute();
  }
}

export async function leave(db: Kysely<Schema>, id: string): Promise<void> {
  await db.updateTable("leases").set(free).where("owner", "=", id).execute();
  await db.deleteFrom("responders").where("id", "=", id).execute();
}

const free = { owner: null };

export async function bury(db: Kysely<Schema>, ids: readonly string[]): Promise<void> {
  for (const chunk of chunksOf(ids)) await db.deleteFrom("responders").where("id", "in", chunk).execute();
}

/** One for each device of the inventory, and one for each process: as many as people wrote down or started. */
export function readLeases(db: Kysely<Schema>): Promise<Lease[]> {
  return db.selectFrom("leases").select(leaseColumns).orderBy("device").execute();
}

export function readResponders(db: Kysely<Schema>): Promise<ResponderState[]> {
  return db.selectFrom("responders").select(responderColumns).orderBy("id").execute();
}
