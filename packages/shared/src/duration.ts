/**
 * Durations as people write them: `90`, `90s`, `30m`, `4h`, `7d`, `2w`, `1h30m`; `-1` or `permanent` for one without an end.
 *
 * The words of fail2ban and cscli, and no others: a month is no unit, since nobody agrees on its length.
 */

/** A number of seconds, or no end. */
export type Duration = number | "permanent";

const unitSeconds: Record<string, number> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 };
const unitsByLength = Object.entries(unitSeconds).toReversed();

/** A hundred years: more is `permanent`, and a typo. */
const secondsMax = 100 * 365 * 86_400;

/** What is expected, for messages. */
export const durationForm = "a duration such as 90s, 30m, 4h, 7d or 1h30m";

/** @returns undefined when the text is no duration, is zero, or is longer than a hundred years */
export function parseDuration(text: string): Duration | undefined {
  if (text === "-1" || text === "permanent") return "permanent";
  const seconds = /^\d{1,10}$/.test(text) ? Number(text) : sumUnits(text);
  return seconds !== undefined && seconds >= 1 && seconds <= secondsMax ? seconds : undefined;
}

function sumUnits(text: string): number | undefined {
  if (!/^(\d{1,10}[smhdw])+$/.test(text)) return undefined;
  let sum = 0;
  for (const [, number, unit] of text.matchAll(/(\d+)([smhdw])/g))
    sum += Number(number) * (unitSeconds[unit ?? ""] ?? 0);
  return sum;
}

/** The shortest exact form that parseDuration reads: 5400 → "1h30m". */
export function formatDuration(duration: Duration): string {
  if (duration === "permanent") return duration;
  let rest = Math.round(duration);
  if (rest === 0) return "0s";
  let text = "";
  for (const [unit, size] of unitsByLength) {
    const number = Math.floor(rest / size);
    if (number > 0) text += `${number}${unit}`;
    rest -= number * size;
  }
  return text;
}
