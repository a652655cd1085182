/**
 * The shell around every service: signals, the status port, and how a process ends.
 *
 *   start ──▶ ready ──SIGTERM or SIGINT──▶ draining ──▶ stopped (exit 0; 1 when the drain was cut short)
 *     └─ bad configuration: every complaint on stderr, exit 2          └─ a second signal ends at once (exit 1)
 *   a service that has a parent (services/parser/src/keep) stops as well when that says so, or dies
 *   anywhere: a bug (uncaught exception or rejection) is logged as fatal, exit 1
 *
 * Status port: GET /healthz (the event loop turns), /readyz (200 ready, 404 draining: what HAProxy's
 * `http-check disable-on-404` expects), /metrics (Prometheus text).
 */

import { once } from "node:events";
import { createServer } from "node:http";
import { collectDefaultMetrics, Registry } from "prom-client";
import {
  commonVariables,
  ConfigurationError,
  describeEnvironment,
  type EnvironmentValues,
  readEnvironment,
  type Variable,
} from "./config/environment.ts";
import { createLog, type Log, type ServiceLog } from "./log/log.ts";

export interface Service {
  /** Ends the work that was begun. Resolves to whether everything could be ended in order. */
  drain(): Promise<boolean>;
}

interface StatusPort {
  readonly port: number;
  setReady(ready: boolean): void;
  close(): void;
}

/** Serves the status port. @throws when the address cannot be bound */
async function openStatusPort(listen: { host: string; port: number }, registry: Registry): Promise<StatusPort> {
  let ready = false;
  const server = createServer((request, response) => {
    const answer = (status: number, text: string, type = "text/plain; charset=utf-8"): void => {
      response.writeHead(status, { "content-type": type }).end(text);
    };
    if (request.method !== "GET") return answer(405, "GET only\n");
    switch (request.url ?? "") {
      case "/healthz":
        return answer(200, "ok\n");
      case "/readyz":
        return ready ? answer(200, "ready\n") : answer(404, "not ready\n");
      case "/metrics":
        registry.metrics().then(
          (text) => answer(200, text, registry.contentType),
          (cause: unknown) => answer(500, `${String(cause)}\n`),
        );
        return;
      default:
        return answer(404, "known paths: /healthz /readyz /metrics\n");
    }
  });
  // A status request is one short line: whoever sends slower than this holds a socket open for nothing.
  server.requestTimeout = 5000;
  server.listen(listen);
  await once(server, "listening");
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : listen.port,
    setReady: (value) => {
      ready = value;
    },
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

/** What a service finds in its environment: its own variables and those that every service has. */
type EnvironmentOf<V> = EnvironmentValues<V> & EnvironmentValues<typeof commonVariables>;

/** What a service is, from its environment to its work. */
export interface ServiceDefinition<V extends Record<string, Variable<unknown>>, P> {
  name: string;
  /** One sentence for --help. */
  about: string;
  variables: V;
  /** Arguments beside --check and --help: each stands for variables of the environment. */
  flags?: Readonly<Record<string, { about: string; sets: Readonly<Record<string, string>> }>>;
  /** Reads the files that the environment names. @throws ConfigurationError with all complaints */
  prepare(environment: EnvironmentOf<V>): P;
  /** Opens sockets and begins the work. */
  start(environment: EnvironmentOf<V>, prepared: P, log: ServiceLog): Promise<Service>;
}

/**
 * Runs a service until a signal ends it; the process exits.
 * `--help` prints what can be turned; `--check` reads the whole configuration, prints it and exits.
 */
export async function runService<V extends Record<string, Variable<unknown>>, P>(
  definition: ServiceDefinition<V, P>,
): Promise<void> {
  const args = process.argv.slice(2);
  if (args.includes("--help")) {
    const own = Object.entries(definition.flags ?? {}).map(([flag, { about }]) => `  ${flag}  ${about}\n`);
    process.stdout.write(
      `${definition.about}\n\n  --check  read the configuration, print it, exit\n  --help   this text\n${own.join("")}\n`,
    );
    process.stdout.write(`Environment:\n${describeEnvironment({ ...commonVariables, ...definition.variables })}\n`);
    return;
  }
  const { environment, prepared } = configure(definition, args);
  if (args.includes("--check")) {
    process.stdout.write(`${JSON.stringify(environment, undefined, 2)}\nThe configuration can be used.\n`);
    return;
  }
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const log = createLog({ service: definition.name, level: environment.logLevel, registry });
  const status = await openStatusPort(environment.statusListen, registry);
  const service = await definition.start(environment, prepared, log);
  endOnSignal(log, status, service);
  status.setReady(true);
  log.say("service.started", { config: environment, statusPort: status.port });
}

function configure<V extends Record<string, Variable<unknown>>, P>(
  definition: ServiceDefinition<V, P>,
  args: readonly string[],
): { environment: EnvironmentOf<V>; prepared: P } {
  try {
    const flags = definition.flags ?? {};
    const known = ["--check", ...Object.keys(flags)];
    const wrong = args.filter((arg) => !known.includes(arg));
    if (wrong.length > 0) {
      throw new ConfigurationError(
        wrong.map((arg) => `${arg}: no such argument; known are --help, ${known.join(", ")}`),
      );
    }
    const said = Object.assign({}, ...args.map((arg) => flags[arg]?.sets)) as Record<string, string>;
    const environment = readEnvironment(
      { ...commonVariables, ...definition.variables },
      { ...process.env, ...said },
    ) as EnvironmentOf<V>;
    return { environment, prepared: definition.prepare(environment) };
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    process.stderr.write(`The configuration cannot be used:\n${error.complaints.map((one) => `  ${one}\n`).join("")}`);
    process.exit(2);
  }
}

function endOnSignal(log: Log, status: StatusPort, service: Service): void {
  let draining = false;
  let signals = 0;
  const stop = (signal: string): void => {
    if (draining) return;
    draining = true;
    status.setReady(false);
    log.say("service.draining", { signal });
    void service.drain().then((clean) => {
      log.say("service.stopped", { clean });
      status.close();
      process.exit(clean ? 0 : 1);
    });
  };
  for (const name of ["SIGTERM", "SIGINT"] as const) {
    process.on(name, () => {
      if (++signals > 1) process.exit(1);
      stop(name);
    });
  }
  endWithParent(stop);
  const die = (err: unknown): void => {
    log.say("service.failed", { err: err instanceof Error ? (err.stack ?? err.message) : String(err) });
    process.exit(1);
  };
  process.on("uncaughtException", die);
  process.on("unhandledRejection", die);
}

/** How often we look whether our parent is still there. */
const parentCheckMs = 1000;

/**
 * Who was started with a channel has a parent: it says "stop", or is gone, and then nobody would ever say it. Looked at, too: Node 24
 * says no "disconnect" when the parent died while a socket was on its way to it.
 */
function endWithParent(stop: (reason: string) => void): void {
  if (process.send === undefined) return;
  const look = (): void => {
    if (!process.connected) stop("parent gone");
  };
  process.on("message", (message) => {
    if (message === "stop") stop("parent");
  });
  process.on("disconnect", look);
  setInterval(look, parentCheckMs).unref();
  look();
}
