/** The smallest judge that decides as a responder does: so many sightings within a time lead to one ban. */

import type { Deciding, Ledger } from "../../src/index.ts";
import { minute, newBan, newSighting, noon } from "./values.ts";

export type Verdict = "counted" | "banned" | "hit" | "seen before";

export function judge(ledger: Ledger, taskId: string, subject: string, maxRetry: number): Promise<Verdict> {
  return ledger.decide((deciding) => decide(deciding, taskId, subject, maxRetry));
}

async function decide(deciding: Deciding, taskId: string, subject: string, maxRetry: number): Promise<Verdict> {
  const facts = (await deciding.lock([subject], noon)).get(subject);
  if (facts === undefined) throw new Error("expected facts of every subject that was locked");
  if ((await deciding.sightingsOfTasks([taskId])).has(taskId)) return "seen before";
  await deciding.addSightings([newSighting({ subject, taskId })], noon);
  const [active] = facts.activeBans;
  if (active !== undefined) {
    await deciding.addHits(new Map([[active.id, 1]]));
    return "hit";
  }
  const counted = (await deciding.sightingsOf([subject], noon - 10 * minute)).get(subject) ?? [];
  if (counted.reduce((sum, { count }) => sum + count, 0) < maxRetry) return "counted";
  await deciding.addBans([newBan({ subject, taskId, id: `ban-of-${taskId}` })]);
  await deciding.update(subject, { offences: facts.offences + 1 });
  return "banned";
}
