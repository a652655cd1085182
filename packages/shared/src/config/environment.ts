/**
 * The environment → a frozen object, or all complaints at once.
 *
 * Environment variables say where things run (addresses, ports, files). Unknown variables with our prefix are refused:
 * a typo is not a default. Read once, in main.ts of a service; nothing else looks there.
 */

import { readFileSync } from "node:fs";
import { z } from "zod";
import { parseEndpoint, parsePrefix } from "../ip/address.ts";

export const environmentPrefix = "LOGWARDEN_";

/**
 * Runs a reader of somebody else's (a rule compiler, an address parser) on a part of the configuration.
 * @throws ConfigurationError that names the part, for whatever the reader throws
 */
export function readPart<T>(name: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw new ConfigurationError([`${name}: ${cause instanceof Error ? cause.message : String(cause)}`]);
  }
}

/**
 * Reads independent parts, and complains about all of them together.
 * @throws ConfigurationError with the complaints of every part
 */
export function readTogether<P extends Record<string, unknown>>(readers: { [K in keyof P]: () => P[K] }): P {
  const complaints: string[] = [];
  const parts: Partial<P> = {};
  for (const name of Object.keys(readers) as (keyof P)[]) {
    try {
      parts[name] = readers[name]();
    } catch (error) {
      if (!(error instanceof ConfigurationError)) throw error;
      complaints.push(...error.complaints);
    }
  }
  if (complaints.length > 0) throw new ConfigurationError(complaints);
  return parts as P;
}

/** One variable: how it is read, what it is for, and a value that would pass. */
export interface Variable<T> {
  schema: z.ZodType<T, string | undefined>;
  /** A sentence for --help: what it turns, and why the default is what it is. */
  about: string;
  example: string;
  /** As written in the environment; absent: the variable must be set. */
  default?: string;
}

/** Keeps the type of the schema while the literal is checked. */
export function variable<T>(definition: Variable<T>): Variable<T> {
  return definition;
}

export type EnvironmentValues<V> = { readonly [K in keyof V]: V[K] extends Variable<infer T> ? T : never };

/** A configuration that cannot be used: every complaint, one a line. Printed as it is; the program exits with 2. */
export class ConfigurationError extends Error {
  override readonly name = "ConfigurationError";
  readonly complaints: readonly string[];

  constructor(complaints: readonly string[]) {
    super(complaints.join("\n"));
    this.complaints = complaints;
  }
}

/**
 * @param variables by field name; the environment's name is LOGWARDEN_ and the field's in capitals: queueNodes → LOGWARDEN_QUEUE_NODES
 * @throws ConfigurationError with all complaints: each names the variable, the value seen and an example that passes
 */
export function readEnvironment<V extends Record<string, Variable<unknown>>>(
  variables: V,
  environment: Readonly<Record<string, string | undefined>>,
): EnvironmentValues<V> {
  const known = new Set(Object.keys(variables).map(environmentName));
  const strangers = Object.keys(environment)
    .filter((name) => name.startsWith(environmentPrefix) && !known.has(name))
    .sort()
    .map((name) => `${name}: no such variable; known are ${[...known].join(", ")}`);
  return readValues(variables, environment, strangers);
}

/**
 * As readEnvironment, for a program that a person runs in a shell: variables with our prefix that it does not know are a service's.
 * @throws ConfigurationError with all complaints
 */
export function readOwnVariables<V extends Record<string, Variable<unknown>>>(
  variables: V,
  environment: Readonly<Record<string, string | undefined>>,
): EnvironmentValues<V> {
  return readValues(variables, environment, []);
}

function readValues<V extends Record<string, Variable<unknown>>>(
  variables: V,
  environment: Readonly<Record<string, string | undefined>>,
  complaints: string[],
): EnvironmentValues<V> {
  const values: Record<string, unknown> = {};
  for (const [field, { schema, example, default: fallback }] of Object.entries(variables)) {
    const name = environmentName(field);
    const seen = environment[name] === "" ? undefined : environment[name];
    const text = seen ?? fallback;
    if (text === undefined) {
      complaints.push(`${name}: must be set, for example ${name}=${example}`);
      continue;
    }
    const parsed = schema.safeParse(text);
    if (parsed.success) values[field] = parsed.data;
    else complaints.push(`${name}: ${parsed.error.issues[0]?.message}, got "${text}", for example ${name}=${example}`);
  }
  if (complaints.length > 0) throw new ConfigurationError(complaints);
  return Object.freeze(values) as EnvironmentValues<V>;
}

/** For --help: every variable with its default and what it is for. */
export function describeEnvironment(variables: Record<string, Variable<unknown>>): string {
  return Object.entries(variables)
    .map(([field, { about, example, default: fallback }]) => {
      const value = fallback === undefined ? `(must be set, e.g. ${example})` : fallback === "" ? "(empty)" : fallback;
      return `  ${environmentName(field)}  ${value}\n      ${about}`;
    })
    .join("\n");
}

export function environmentName(field: string): string {
  return environmentPrefix + field.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase();
}

/** Text forms that several services read. */
export const forms = {
  text: z.string().min(1),
  endpoint: z.string().transform((text, context) => {
    const endpoint = parseEndpoint(text);
    if (endpoint !== undefined) return endpoint;
    context.addIssue({ code: "custom", message: "expected ADDRESS:PORT" });
    return z.NEVER;
  }),
  /** A door that may stay closed. Not the empty text: an empty variable is one that is not set. */
  endpointOrOff: z.string().transform((text, context) => {
    if (text === "off") return undefined;
    const endpoint = parseEndpoint(text);
    if (endpoint !== undefined) return endpoint;
    context.addIssue({ code: "custom", message: "expected ADDRESS:PORT or off" });
    return z.NEVER;
  }),
  /** A path, or empty for none. */
  pathOrNone: z.string().transform((text) => (text === "" ? undefined : text)),
  oneOf: <const W extends readonly [string, ...string[]]>(...words: W) =>
    z.enum(words, `expected ${words.join(" or ")}`),
  prefixes: z.string().transform((text, context) => {
    const words = splitList(text);
    const prefixes = words.flatMap((word) => parsePrefix(word) ?? []);
    if (prefixes.length === words.length) return prefixes;
    context.addIssue({ code: "custom", message: "expected addresses or prefixes with commas between" });
    return z.NEVER;
  }),
  list: z
    .string()
    .transform(splitList)
    .refine((words) => words.length > 0, "expected at least one entry"),
  whole: (min: number, max: number) =>
    z
      .string()
      .regex(/^\d{1,10}$/, `expected a whole number from ${min} to ${max}`)
      .transform(Number)
      .refine((n) => n >= min && n <= max, `expected a whole number from ${min} to ${max}`),
  logLevel: z.enum(["debug", "info", "warn", "error"]),
};

function splitList(text: string): string[] {
  return text
    .split(",")
    .map((word) => word.trim())
    .filter((word) => word !== "");
}

/** What every service can be told. */
export const commonVariables = {
  config: variable({
    schema: forms.text,
    about: "The inventory: devices, rules, allow. The same file for every service.",
    example: "/etc/logwarden/logwarden.yaml",
    default: "/etc/logwarden/logwarden.yaml",
  }),
  queues: variable({
    schema: forms.list,
    about: "The beanstalkd nodes, HOST:PORT with commas between. Responders need every node, never a virtual address.",
    example: "10.10.10.121:11300,10.10.10.122:11300",
  }),
  statusListen: variable({
    schema: forms.endpoint,
    about: "/healthz, /readyz (HAProxy's check) and /metrics.",
    example: "0.0.0.0:8080",
    default: "0.0.0.0:8080",
  }),
  logLevel: variable({
    schema: forms.logLevel,
    about: "debug also writes one line for each line received.",
    example: "info",
    default: "info",
  }),
};

/** Where the ledger is: for every program that reads or writes it. `ledgerAddress` makes one text of the two. */
export const ledgerVariables = {
  ledger: variable({
    schema: forms.text,
    about:
      "Who is banned: a file of SQLite that the services of one host share, or postgres://USER@HOST/DATABASE for a cluster. A URL with a password belongs into ledgerUrlFile.",
    example: "postgres://logwarden@db.example.net/logwarden",
    default: "/var/lib/logwarden/ledger.db",
  }),
  ledgerUrlFile: variable({
    schema: forms.pathOrNone,
    about: "A file that holds the URL of the ledger, with its password; it comes before ledger.",
    example: "/run/secrets/ledger-url",
    default: "",
  }),
};

/** As openLedger takes it. The URL is a secret if it holds a password. */
export type LedgerAddress = { file: string } | { url: string };

/** @throws ConfigurationError when the file cannot be read or holds no URL, and for a password where every log would show it */
export function ledgerAddress({ ledger, ledgerUrlFile }: EnvironmentValues<typeof ledgerVariables>): LedgerAddress {
  if (ledgerUrlFile === undefined) {
    if (!databaseUrl.test(ledger)) return { file: ledger };
    if (URL.parse(ledger)?.password === "") return { url: ledger };
    const wrong = URL.parse(ledger) === null ? "is no URL that can be read" : "holds a password";
    throw new ConfigurationError([
      `${environmentName("ledger")}: ${wrong}; write the whole URL into a file and name it in ${environmentName("ledgerUrlFile")}`,
    ]);
  }
  const name = environmentName("ledgerUrlFile");
  const url = readPart(name, () => readFileSync(ledgerUrlFile, "utf8")).trim();
  if (databaseUrl.test(url) && URL.parse(url) !== null) return { url };
  // It may be a password: it is not repeated.
  throw new ConfigurationError([
    `${name}: ${ledgerUrlFile} holds no URL such as ${ledgerVariables.ledger.example}, alone on a line`,
  ]);
}

const databaseUrl = /^postgres(ql)?:\/\//;
