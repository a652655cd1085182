/**
 * The logger: JSON lines on stdout, and the counters of the same events.
 *
 * A flood of one warning must not become a flood of output: of each event above debug, a bounded number a second is
 * written, the rest is counted and summed up in `log.suppressed`. The counters are always exact.
 */

import pino from "pino";
import { Counter, Gauge, Histogram, type Registry } from "prom-client";
import { type EventName, type Measure, type Vocabulary, vocabulary } from "./vocabulary.ts";

export interface Log {
  /** Says an event: counts it, and writes it when the level is on. */
  say<E extends EventName>(event: E, fields: Vocabulary[E]): void;
  /**
   * The counter of an event, for places where there are millions a second: add to its `count`, it is read when somebody asks
   * for the metrics. Such an event is written, where it is worth it, by a `teller`.
   */
  tally<E extends EventName>(event: E, labels: Partial<Vocabulary[E]>): Tally;
  /**
   * Gives the function that writes an event that a tally counts. Called with what `fields` needs, which makes them only when they
   * will be written: a closure for each of millions would cost more than not writing.
   */
  teller<E extends EventName, From extends unknown[]>(
    event: E,
    fields: (...from: From) => Vocabulary[E],
  ): (...from: From) => void;
  /** A metric that is read when somebody asks for it: `logwarden_<name>`. */
  watch(name: string, help: string, read: () => number): void;
  /** Whether events of debug level are written: saves building their fields. */
  readonly debug: boolean;
}

/** One value of a metric with labels. */
export interface Sample<Label extends string> {
  labels: Record<Label, string>;
  value: number;
}

/** What a service says and shows. */
export interface ServiceLog extends Log {
  /** As `watch`, with labels: exactly these samples are shown, so that what is gone (a lease, a node) shows no last value. */
  watchEach<Label extends string>(
    name: string,
    help: string,
    labels: readonly Label[],
    read: () => Iterable<Sample<Label>>,
  ): void;
}

export interface Tally {
  /** How often, since the metrics were read last. */
  count: number;
}

/** One second of one event. */
interface Window {
  startedAtMs: number;
  written: number;
}

export interface LogOptions {
  service: string;
  level: "debug" | "info" | "warn" | "error";
  registry: Registry;
  /** Where lines go; stdout when absent. */
  destination?: { write(line: string): void };
  /** Milliseconds, for the limit of repeated events. */
  now?: () => number;
}

/** Written lines per event and second. A person reads the first ones; the sum says how many there were. */
const writtenPerSecondMax = 50;

const allEvents = Object.keys(vocabulary) as EventName[];

export function createLog(options: LogOptions): ServiceLog {
  const readClock = options.now ?? Date.now;
  /** The clock is read once for everything that is said in one turn: in a flood it is most of the price. */
  let nowMs: number | undefined;
  function now(): number {
    if (nowMs === undefined) {
      nowMs = readClock();
      queueMicrotask(() => {
        nowMs = undefined;
      });
    }
    return nowMs;
  }
  const writer = pino(
    {
      level: options.level,
      base: { service: options.service },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      messageKey: "message",
    },
    options.destination ?? pino.destination({ fd: 1, sync: true }),
  );
  const tallies = new Map<string, { event: EventName; labels: Record<string, string>; tally: Tally }>();
  for (const event of allEvents) openCounter(event);
  const observers = new Map<EventName, (fields: object) => void>();
  for (const event of allEvents) {
    const { measure } = vocabulary[event];
    if (measure !== undefined) observers.set(event, openHistogram(measure));
  }
  const windows = Object.fromEntries(
    allEvents.map((event) => [event, { startedAtMs: Number.NEGATIVE_INFINITY, written: 0 }]),
  ) as Record<EventName, Window>;

  const log: ServiceLog = {
    debug: writer.isLevelEnabled("debug"),
    watch(name, help, read) {
      const registers = [options.registry];
      new Gauge({
        name: `logwarden_${name}`,
        help,
        registers,
        collect() {
          this.set(read());
        },
      });
    },
    watchEach(name, help, labels, read) {
      const registers = [options.registry];
      new Gauge({
        name: `logwarden_${name}`,
        help,
        labelNames: [...labels],
        registers,
        collect() {
          this.reset();
          for (const sample of read()) this.set(sample.labels, sample.value);
        },
      });
    },
    tally(event, labels) {
      const values = vocabulary[event].labels.map((label) => String(labels[label] ?? ""));
      const key = [event, ...values].join("\0");
      let known = tallies.get(key);
      if (known === undefined) {
        const named = Object.fromEntries(vocabulary[event].labels.map((label, index) => [label, values[index] ?? ""]));
        known = { event, labels: named, tally: { count: 0 } };
        tallies.set(key, known);
      }
      return known.tally;
    },
    teller(event, fields) {
      const { level } = vocabulary[event];
      if (!writer.isLevelEnabled(level)) return () => undefined;
      if (level === "debug") return (...from) => write(event, fields(...from));
      const window = windows[event];
      return (...from) => {
        if (mayWrite(event, window)) write(event, fields(...from));
      };
    },
    say(event, fields) {
      log.tally(event, fields).count++;
      observers.get(event)?.(fields);
      const { level } = vocabulary[event];
      if (!writer.isLevelEnabled(level)) return;
      const isUnlimited = level === "debug" || event === "log.suppressed";
      if (isUnlimited || mayWrite(event, windows[event])) write(event, fields);
    },
  };

  function write<E extends EventName>(event: E, fields: Vocabulary[E]): void {
    const { level, says } = vocabulary[event];
    const line: object = { event, ...fields };
    writer[level](line, says);
  }

  /** A counter adds up what its tallies have counted whenever it is asked. */
  function openCounter(event: EventName): void {
    new Counter({
      name: `logwarden_${event.replace(".", "_")}_total`,
      help: vocabulary[event].says,
      labelNames: [...vocabulary[event].labels],
      registers: [options.registry],
      collect() {
        for (const { event: of, labels, tally } of tallies.values()) {
          if (of !== event) continue;
          this.inc(labels, tally.count);
          tally.count = 0;
        }
      },
    });
  }

  /** @returns takes the measured field and the labels out of an event */
  function openHistogram({ name, of, help, labels, buckets }: Measure<string>): (fields: object) => void {
    const histogram = new Histogram({
      ...{ name: `logwarden_${name}`, help, labelNames: [...labels] },
      ...{ buckets: [...buckets], registers: [options.registry] },
    });
    return (fields) => {
      const said = fields as Record<string, string | number | undefined>;
      const ms = said[of];
      if (typeof ms !== "number") return;
      histogram.observe(Object.fromEntries(labels.map((label) => [label, String(said[label] ?? "")])), ms / 1000);
    };
  }

  function mayWrite(event: EventName, window: Window): boolean {
    const at = now();
    if (at - window.startedAtMs >= 1000) {
      const suppressed = window.written - writtenPerSecondMax;
      window.startedAtMs = at;
      window.written = 0;
      if (suppressed > 0) log.say("log.suppressed", { of: event, suppressed });
    }
    window.written++;
    return window.written <= writtenPerSecondMax;
  }

  return log;
}
