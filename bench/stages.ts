/**
 * Where the time of a line goes, from the times in the services' own log lines.
 *
 * Those are cut to whole milliseconds, which is too coarse for one line; but each is cut the same way, so the error of
 * a difference is zero on average, and the mean over hundreds of lines is good to a few hundredths of a millisecond.
 */

import type { LogLine } from "@logwarden/lab/parts/service";
import type { Table } from "./report.ts";
import { mean, showNumber } from "./statistics.ts";

/** What is said on the way, in order. `sent` and `received` are the bench's and the router's own. */
const stations = ["sent", "event.recognized", "task.submitted", "task.reserved", "plan.made", "received"] as const;
type Station = (typeof stations)[number];

/** When a line was at each station, in whole milliseconds of the wall clock. */
export type Passage = Partial<Record<Station, number>>;

/** From, to, and who is at work between. `task.submitted` is said beside the way: its answer and the reserve race. */
const stages: readonly (readonly [from: Station, to: Station, who: string])[] = [
  ["sent", "event.recognized", "HAProxy, parser: the line is recognized"],
  ["event.recognized", "task.submitted", "(beanstalkd: the put is on the disk and answered)"],
  ["event.recognized", "task.reserved", "beanstalkd, responder: put, reserved, the tube looked through for more"],
  ["task.reserved", "plan.made", "responder: planned"],
  ["plan.made", "received", "responder, router: HTTPS request sent and received"],
];

/** The passage of the only line that was under way while these were said. */
export function passageOf(sentWallMs: number, receivedWallMs: number, said: readonly LogLine[]): Passage {
  const passage: Passage = { sent: sentWallMs, received: receivedWallMs };
  for (const { event, time } of said) {
    const station = stations.find((one) => one === event);
    if (station !== undefined) passage[station] = Date.parse(time);
  }
  return passage;
}

/** A line that was measured. */
export interface Measured {
  ms: number;
  passage: Passage;
}

/** The slowest lines: enough of them for a mean, few enough to show what makes a line slow. */
const slowestShare = 0.05;

/** Mean milliseconds of each stage, over all lines and over the slowest: where the time goes, and where p99 comes from. */
export function stageTable(lines: readonly Measured[]): Table {
  const slowest = lines
    .toSorted((left, right) => right.ms - left.ms)
    .slice(0, Math.max(1, Math.round(lines.length * slowestShare)));
  return {
    columns: ["where the time goes, mean ms", "all lines", `slowest ${showNumber(slowestShare * 100)} %`],
    rows: [
      ...stages.map(([from, to, who]) => [who, ...[lines, slowest].map((some) => meanBetween(some, from, to))]),
      ["in all", ...[lines, slowest].map((some) => showNumber(mean(some.map(({ ms }) => ms)), 2))],
    ],
  };
}

function meanBetween(lines: readonly Measured[], from: Station, to: Station): string {
  const times = lines.flatMap(({ passage }) => {
    const [start, end] = [passage[from], passage[to]];
    return start === undefined || end === undefined ? [] : [end - start];
  });
  return times.length === 0 ? "–" : showNumber(mean(times), 2);
}
