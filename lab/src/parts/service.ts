/**
 * One of our own services as a part: a process of its own, told everything by its environment, heard by its log.
 */

import { fileURLToPath } from "node:url";
import { Program } from "./program.ts";

/** A line of a service's log. */
export type LogLine = Record<string, unknown> & { event: string; time: string };

export interface ServiceOptions {
  name: string;
  kind: "parser" | "responder";
  /** LOGWARDEN_… variables. */
  env: Record<string, string>;
  onLog?: (line: LogLine) => void;
}

export interface ServicePart {
  program: Program;
  /** Resolves with the first log line, past or to come, that is the event and passes the test. Rejects when the service ends. */
  said(event: string, test?: (line: LogLine) => boolean): Promise<LogLine>;
  /** Every line so far. */
  log: readonly LogLine[];
}

/** The repository: services are run from their source. */
export const root = fileURLToPath(new URL("../../..", import.meta.url));

/** Starts a service and waits until it says that it is ready. */
export async function startService(options: ServiceOptions): Promise<ServicePart> {
  const log: LogLine[] = [];
  const waiting = new Set<(line: LogLine) => void>();
  const program = await Program.start({
    name: options.name,
    command: process.execPath,
    args: [`${root}services/${options.kind}/src/main.ts`],
    env: options.env,
    onLine: (text) => {
      const line = parseLogLine(text);
      if (line === undefined) return;
      log.push(line);
      options.onLog?.(line);
      for (const listener of waiting) listener(line);
    },
  });
  const part: ServicePart = {
    program,
    log,
    said: (event, test = () => true) => {
      const wanted = (line: LogLine): boolean => line.event === event && test(line);
      const found = log.find(wanted);
      if (found !== undefined) return Promise.resolve(found);
      return new Promise((resolve, reject) => {
        const listener = (line: LogLine): void => {
          if (!wanted(line)) return;
          waiting.delete(listener);
          resolve(line);
        };
        waiting.add(listener);
        void program.ended.then(() =>
          reject(new Error(`${options.name} ended before ${event}:\n${program.lastWords}`)),
        );
      });
    },
  };
  await part.said("service.started");
  return part;
}

function parseLogLine(text: string): LogLine | undefined {
  if (!text.startsWith("{")) return undefined;
  try {
    const value = JSON.parse(text) as LogLine;
    return typeof value.event === "string" ? value : undefined;
  } catch {
    return undefined;
  }
}
