/** Durations, moments and numbers on a command line; and how moments are told. */

import { type Duration, durationForm, formatDuration, parseDuration } from "@logwarden/shared/duration";
import { UsageError } from "../verb.ts";

export const sinceOption = {
  since: { type: "string", value: "AGE", about: "what is not older: a duration back from now such as 24h, or a time" },
} as const;

export function limitOption(fallback: number) {
  return {
    limit: { type: "string", short: "l", value: "N", about: `at most so many, newest first; ${fallback} unless given` },
  } as const;
}

/** One answer must fit in memory, and on nobody's screen. */
const limitMax = 10_000;

export function givenLimit(text: string | undefined, fallback: number): number {
  return text === undefined ? fallback : givenWhole("--limit", text, 1, limitMax);
}

/** @throws UsageError */
export function givenWhole(name: string, text: string, min: number, max: number): number {
  const number = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (number >= min && number <= max) return number;
  throw new UsageError(`${name}: expected a whole number from ${min} to ${max}, got "${text}"`);
}

/** @throws UsageError */
export function givenDuration(name: string, text: string): Duration {
  const duration = parseDuration(text);
  if (duration !== undefined) return duration;
  throw new UsageError(`${name}: expected ${durationForm}, or -1 for no end, got "${text}"`);
}

/** `24h` is 24 hours before `nowMs`. @throws UsageError */
export function givenSince(text: string | undefined, nowMs: number): number | undefined {
  if (text === undefined) return undefined;
  const duration = parseDuration(text);
  if (typeof duration === "number") return nowMs - 1000 * duration;
  const atMs = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN;
  if (!Number.isNaN(atMs)) return atMs;
  throw new UsageError(`--since: expected ${durationForm}, or a time such as 2026-11-21T04:44:40Z, got "${text}"`);
}

/** For programs. */
export function iso(ms: number): string;
export function iso(ms: number | null): string | null;
export function iso(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString();
}

/** For people: to the second, in UTC, as logs have it. */
export function moment(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19).replace("T", " ")}Z`;
}

/** "3h59m", "12s": what matters of a span. */
export function roughly(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  const unit = seconds >= 2 * 86_400 ? 3600 : seconds >= 3600 ? 60 : 1;
  return formatDuration(Math.floor(seconds / unit) * unit);
}
