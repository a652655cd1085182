/** Sightings of the ledger → what is told of them: which line of which device counted for whom. */

import type { Sighting } from "@logwarden/ledger";
import { showSubject } from "@logwarden/shared/subject";
import { z } from "zod";
import { iso, moment } from "../given/times.ts";
import { time } from "../shape.ts";

export const sightingShape = z.strictObject({
  at: time,
  address: z.string(),
  type: z.string(),
  rule: z.string(),
  device: z.string(),
  user: z.string().nullable(),
  count: z.number(),
  counter: z.string(),
  taskId: z.string(),
  banId: z.string().nullable(),
});
type SightingFacts = z.infer<typeof sightingShape>;

export function factsOfSighting(sighting: Sighting): SightingFacts {
  const { atMs, subject, type, rule, device, user, count, counter, taskId, banId } = sighting;
  return { at: iso(atMs), address: showSubject(subject), type, rule, device, user, count, counter, taskId, banId };
}

export const sightingTitles = ["at", "address", "what", "rule", "device", "user", "times", ""];

export function sightingRow({
  at,
  address,
  type,
  rule,
  device,
  user,
  count,
  banId,
}: SightingFacts): (string | number)[] {
  const when = moment(Date.parse(at));
  return [when, address, type, rule, device, user ?? "", count, banId === null ? "" : "completed a ban"];
}
