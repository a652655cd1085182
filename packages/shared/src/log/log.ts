/**
 * The logger: JSON lines on stdout, and the counters of the same events.
 *
 * A flood of one warning must not become a flood of output: of each event above debug, a bounded number a second is
 * written, the rest is counted and summed up in `log.suppressed`. The counters are always exact.
 */

import pino from "pino";
import { Counter, Gauge, type Registry } from "prom-client";
import { type EventName, type Vocabulary, vocabulary } from "./vocabulary.ts";

export interface Log {
  /** Says an event: counts it, and writes it when the level is on. */
  say<E extends EventName>(event: E, fields: Vocabulary[E]): void;
  /** Counts events without writing, for places where there are thousands a second. */
  count<E extends EventName>(event: E, times: number, labels?: Partial<Vocabulary[E]>): void;
  /** A metric that is read when somebody asks for it: `logwarden_<name>`. */
  watch(name: string, help: string, read: () => number): void;
  /** Whether events of debug level are written: saves building their fields. */
  readonly debug: boolean;
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

export function createLog(options: LogOptions): Log {
  const now = options.now ?? Date.now;
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
  const counters = new Map(allEvents.map((event) => [event, counterOf(event, options.registry)]));
  const windows = new Map<EventName, { startedAtMs: number; written: number }>();

  const log: Log = {
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
    count(event, times, labels = {}) {
      const known: Record<string, string> = {};
      for (const label of vocabulary[event].labels) known[label] = String(labels[label] ?? "");
      counters.get(event)?.inc(known, times);
    },
    say(event, fields) {
      log.count(event, 1, fields);
      const { level, says } = vocabulary[event];
      if (!writer.isLevelEnabled(level)) return;
      if (level !== "debug" && event !== "log.suppressed" && !mayWrite(event)) return;
      const line: object = { event, ...fields };
      writer[level](line, says);
    },
  };

  function mayWrite(event: EventName): boolean {
    const at = now();
    const window = windows.get(event);
    if (window === undefined || at - window.startedAtMs >= 1000) {
      windows.set(event, { startedAtMs: at, written: 1 });
      const suppressed = (window?.written ?? 0) - writtenPerSecondMax;
      if (suppressed > 0) log.say("log.suppressed", { of: event, suppressed });
      return true;
    }
    window.written++;
    return window.written <= writtenPerSecondMax;
  }

  return log;
}

function counterOf(event: EventName, registry: Registry): Counter {
  return new Counter({
    name: `logwarden_${event.replace(".", "_")}_total`,
    help: vocabulary[event].says,
    labelNames: [...vocabulary[event].labels],
    registers: [registry],
  });
}
