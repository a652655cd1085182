/**
 * ISO 8601 → the canonical time of a task (UTC, milliseconds), or what is wrong with it.
 *
 * Strict, because what is guessed here would stand in a task: `Date` takes "2026" and "Nov 21", reads a time without an offset
 * as local, and makes a 2nd of March of the 30th of February.
 */

export type Clock = { at: string } | { wrong: string };

const form = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)?$/;

export function parseClock(text: string): Clock {
  const match = form.exec(text);
  if (match === null) return { wrong: "expected ISO 8601: a date, T, a time with seconds, and an offset" };
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number) as Six;
  const [, , , , , , , fraction = "", offset] = match;
  if (offset === undefined) return { wrong: "expected an offset from UTC behind the time: Z, or such as +09:00" };
  const offsetMinutes = minutesOf(offset);
  if (offsetMinutes === undefined) return { wrong: `there is no offset ${offset}` };
  if (hour > 23 || minute > 59 || second > 59) return { wrong: "there is no such time of day" };
  const local = new Date(0);
  // Date.UTC would take the years 0 to 99 for those of the 20th century.
  local.setUTCFullYear(year, month - 1, day);
  if (local.getUTCMonth() !== month - 1 || local.getUTCDate() !== day) return { wrong: "there is no such day" };
  local.setUTCHours(hour, minute - offsetMinutes, second, Number(fraction.padEnd(3, "0").slice(0, 3)));
  return { at: local.toISOString() };
}

type Six = [number, number, number, number, number, number];

/** @returns undefined when nobody's clock is that far from UTC (RFC 3339 §5.6) */
function minutesOf(offset: string): number | undefined {
  if (offset === "Z") return 0;
  const hours = Number(offset.slice(1, 3));
  const minutes = Number(offset.slice(4));
  if (hours > 23 || minutes > 59) return undefined;
  return (offset.startsWith("-") ? -1 : 1) * (hours * 60 + minutes);
}
