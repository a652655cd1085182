/**
 * The YAML that beanstalkd sends for stats and lists, read as what it is: lines of `key: value` or `- item` behind `---`.
 *
 * A YAML library would read the tube name `1e3` as a number, round a uint64 id and take `os: #1 SMP` for a comment. Whatever does not
 * look like beanstalkd's own output is refused as `protocol`.
 */

import { QueueError } from "./errors.ts";

export interface JobStats {
  id: string;
  tube: string;
  state: string;
  pri: number;
  /** Seconds since the put that created the job. */
  age: number;
  delay: number;
  ttr: number;
  /** Seconds until the time to run, or the delay, ends. */
  timeLeft: number;
  /** The counters are the server's own and start again when it restarts. */
  reserves: number;
  timeouts: number;
  releases: number;
  buries: number;
  kicks: number;
}

export interface TubeStats {
  name: string;
  currentJobsUrgent: number;
  currentJobsReady: number;
  currentJobsReserved: number;
  currentJobsDelayed: number;
  currentJobsBuried: number;
  totalJobs: number;
  currentUsing: number;
  /** Connections that wait in a reserve for this tube. */
  currentWaiting: number;
  currentWatching: number;
  /** Seconds the tube was paused for; 0 when it is not. */
  pause: number;
  pauseTimeLeft: number;
}

export interface NodeStats {
  /** Random and new at every start of the process: a change means a restart. */
  id: string;
  version: string;
  draining: boolean;
  uptime: number;
  maxJobSize: number;
  currentJobsReady: number;
  currentJobsReserved: number;
  currentJobsDelayed: number;
  currentJobsBuried: number;
  currentTubes: number;
  currentConnections: number;
  totalJobs: number;
  /** Everything the server said, under its own names. */
  all: ReadonlyMap<string, string>;
}

/** @throws QueueError `protocol` */
export function parseJobStats(body: Buffer): JobStats {
  const fields = parseMap(body);
  return {
    id: text(fields, "id"),
    tube: text(fields, "tube"),
    state: text(fields, "state"),
    pri: count(fields, "pri"),
    age: count(fields, "age"),
    delay: count(fields, "delay"),
    ttr: count(fields, "ttr"),
    timeLeft: count(fields, "time-left"),
    reserves: count(fields, "reserves"),
    timeouts: count(fields, "timeouts"),
    releases: count(fields, "releases"),
    buries: count(fields, "buries"),
    kicks: count(fields, "kicks"),
  };
}

/** @throws QueueError `protocol` */
export function parseTubeStats(body: Buffer): TubeStats {
  const fields = parseMap(body);
  return {
    name: text(fields, "name"),
    currentJobsUrgent: count(fields, "current-jobs-urgent"),
    currentJobsReady: count(fields, "current-jobs-ready"),
    currentJobsReserved: count(fields, "current-jobs-reserved"),
    currentJobsDelayed: count(fields, "current-jobs-delayed"),
    currentJobsBuried: count(fields, "current-jobs-buried"),
    totalJobs: count(fields, "total-jobs"),
    currentUsing: count(fields, "current-using"),
    currentWaiting: count(fields, "current-waiting"),
    currentWatching: count(fields, "current-watching"),
    pause: count(fields, "pause"),
    pauseTimeLeft: count(fields, "pause-time-left"),
  };
}

/** @throws QueueError `protocol` */
export function parseNodeStats(body: Buffer): NodeStats {
  const fields = parseMap(body);
  return {
    id: text(fields, "id"),
    version: text(fields, "version"),
    // Servers before 1.10 cannot drain visibly and do not say so.
    draining: fields.get("draining") === "true",
    uptime: count(fields, "uptime"),
    maxJobSize: count(fields, "max-job-size"),
    currentJobsReady: count(fields, "current-jobs-ready"),
    currentJobsReserved: count(fields, "current-jobs-reserved"),
    currentJobsDelayed: count(fields, "current-jobs-delayed"),
    currentJobsBuried: count(fields, "current-jobs-buried"),
    currentTubes: count(fields, "current-tubes"),
    currentConnections: count(fields, "current-connections"),
    totalJobs: count(fields, "total-jobs"),
    all: fields,
  };
}

/** @throws QueueError `protocol` */
export function parseList(body: Buffer): string[] {
  return lines(body).map((line) => {
    if (!line.startsWith("- ")) throw new QueueError("protocol", `expected a YAML list item, got ${shown(line)}`);
    return unquoted(line.slice(2));
  });
}

function parseMap(body: Buffer): Map<string, string> {
  const fields = new Map<string, string>();
  for (const line of lines(body)) {
    const colon = line.indexOf(": ");
    // Line breaks other than \n inside a value cannot come from beanstalkd.
    if (!/^[a-z][a-z0-9-]*: [^\r]*$/.test(line))
      throw new QueueError("protocol", `expected "key: value", got ${shown(line)}`);
    fields.set(line.slice(0, colon), unquoted(line.slice(colon + 2)));
  }
  return fields;
}

function lines(body: Buffer): string[] {
  const [first, ...rest] = body.toString("utf8").split("\n");
  if (first !== "---") throw new QueueError("protocol", `expected a YAML document, got ${shown(first ?? "")}`);
  return rest.filter((line) => line !== "");
}

function unquoted(value: string): string {
  return value.length >= 2 && value.startsWith('"') && value.endsWith('"') ? value.slice(1, -1) : value;
}

function text(fields: ReadonlyMap<string, string>, name: string): string {
  const value = fields.get(name);
  if (value === undefined) throw new QueueError("protocol", `expected ${name} in the stats`);
  return value;
}

function count(fields: ReadonlyMap<string, string>, name: string): number {
  const value = text(fields, name);
  // time-left is negative for a moment when the server is late with its own timers.
  if (!/^-?\d{1,20}$/.test(value))
    throw new QueueError("protocol", `expected a number as ${name}, got ${shown(value)}`);
  return Number(value);
}

function shown(line: string): string {
  return JSON.stringify(line.slice(0, 80));
}
