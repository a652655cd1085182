/** The ledger over SQL: each method is one transaction; prune and expire are several, bounded each. */

import { readAudit } from "./audit.ts";
import { bannedSubjects, countBanned, expireSome, isAnyOver, readBans } from "./bans.ts";
import { decideIn } from "./decide.ts";
import { type Engine, repeat, transact } from "./engine.ts";
import * as leases from "./leases.ts";
import type { Ledger } from "./ledger.ts";
import * as placements from "./placements.ts";
import { pruneSteps } from "./prune.ts";
import * as routers from "./routers.ts";
import { readSightings } from "./sightings.ts";
import { type Work, writeTogether } from "./together.ts";
import { nextEndOn, pendingOn, wantedOn } from "./wanted.ts";

export function ledgerOver(engine: Engine): Ledger {
  const { db, dialect } = engine;
  // One statement sees one moment by itself.
  const read = <T>(work: () => Promise<T>): Promise<T> => repeat(engine, work);
  // PostgreSQL has many writers, and a wait for the disk that they share by itself.
  const together = dialect.locksRows ? undefined : writeTogether(engine);
  const write = <T>(work: Work<T>): Promise<T> => together?.write(work) ?? transact(engine, "write", work);

  return {
    decide: (work) => write((tx) => decideIn(tx, work)),

    wantedOn: (place, nowMs) => read(() => wantedOn(db, place, nowMs)),
    pendingOn: (place, nowMs) => transact(engine, "read", (tx) => pendingOn(tx, place, nowMs)),
    nextEndOn: (place, nowMs) => read(() => nextEndOn(db, place, nowMs)),
    placementsOn: (router) => read(() => placements.placementsOn(db, router)),
    placementsOf: (subject) => read(() => placements.placementsOf(db, subject)),
    formerOn: (router) => read(() => placements.formerOn(db, router)),

    expire: async (nowMs) => {
      const all: { id: string; subject: string }[] = [];
      if (!(await read(() => isAnyOver(db, nowMs)))) return all;
      for (;;) {
        const { expired, more } = await write((tx) => expireSome(tx, nowMs));
        all.push(...expired);
        if (!more) return all;
      }
    },
    bannedSubjects: (nowMs) => read(() => bannedSubjects(db, nowMs)),

    interfacesOn: (router) => read(() => routers.interfacesOn(db, router)),

    beat: (responder) => write((tx) => leases.beat(tx, responder)),
    addLeases: (devices) => write((tx) => leases.addLeases(tx, devices)),
    claim: (id, seen) => write((tx) => leases.claim(tx, dialect, id, seen)),
    writerOf: (lease) => {
      const { device: router } = lease;
      const fenced = <T>(work: Work<T>): Promise<T> =>
        write(async (tx) => {
          await leases.expectHeld(tx, dialect, lease);
          return work(tx);
        });
      return {
        intend: (subjects, atMs) => fenced((tx) => placements.intend(tx, router, subjects, atMs)),
        placed: (subjects, atMs) => fenced((tx) => placements.placed(tx, router, subjects, atMs)),
        misplaced: (errors, atMs) => fenced((tx) => placements.misplaced(tx, router, errors, atMs)),
        removed: (subjects, atMs) => fenced((tx) => placements.removed(tx, router, subjects, atMs)),
        revive: (subjects, atMs) => fenced((tx) => placements.revive(tx, router, subjects, atMs)),
        missing: (subjects) => fenced((tx) => placements.missing(tx, router, subjects)),
        setInterface: (state) => fenced((tx) => routers.setInterface(tx, { router, ...state })),
        setRouter: (state) => fenced((tx) => routers.setRouter(tx, { router, ...state })),
      };
    },
    release: (id, devices) => write((tx) => leases.release(tx, id, devices)),
    leave: (id) => write((tx) => leases.leave(tx, id)),
    bury: (ids) => write((tx) => leases.bury(tx, ids)),

    bans: (query) => transact(engine, "read", (tx) => readBans(tx, query)),
    countBanned: (nowMs) => read(() => countBanned(db, nowMs)),
    sightings: (query) => read(() => readSightings(db, query)),
    auditTrail: (query) => read(() => readAudit(db, query)),
    routers: () => read(() => routers.readRouters(db)),
    countPlacements: () => read(() => placements.countPlacements(db)),
    leases: () => read(() => leases.readLeases(db)),
    responders: () => read(() => leases.readResponders(db)),

    prune: async (before) => {
      let rows = 0;
      for (const step of pruneSteps) {
        for (let after: string | undefined = ""; after !== undefined; ) {
          const from: string = after;
          const done = await write((tx) => step(tx, dialect, before, from));
          rows += done.rows;
          after = done.next;
        }
      }
      return rows;
    },

    close: async () => {
      await together?.idle();
      await engine.close();
    },
  };
}
