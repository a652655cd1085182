/**
 * The client of one router: typed calls in, one `Outcome` per call out. Calls never reject for what a router or a network does.
 *
 * It states facts and holds no policy: nothing is repeated, queued, delayed or logged, and nothing is remembered between calls
 * but open connections. One call is one request. What the caller must know: the router takes one writer at a time (others wait
 * inside it), and a read during an own write sees half of it.
 */

import fetch, { FetchError, type RequestInit } from "node-fetch";
import { RouterAgent, UnreachableError } from "./agent.ts";
import type { Op } from "./path.ts";
import { type Trust, verifierFor } from "./trust.ts";
import {
  type Answer,
  configureOutcome,
  existsOutcome,
  type Outcome,
  saveOutcome,
  treeOutcome,
  valuesOutcome,
} from "./wire.ts";

/** Time limits in milliseconds. All but the first count from the moment when the request gets its connection. */
export interface Timeouts {
  connectMs: number;
  readMs: number;
  configureMs: number;
  saveMs: number;
}

const timeoutsDefault: Timeouts = {
  // TCP and TLS together; leaves room for three lost SYN packets (sent again after 1, 3 and 7 s).
  connectMs: 10_000,
  // A read takes 20 to 40 ms, but the API answers one at a time and stands still during the staging of a long list.
  readMs: 30_000,
  // 500 operations took 23 s on two cores, and other writers may be in front. nginx would wait 600 s. There must be a limit:
  // the API server (1.4+) can lose its lock for good, and then every /configure hangs until the service restarts.
  configureMs: 120_000,
  // A save takes a quarter of a second; flash memory and a big configuration take longer.
  saveMs: 60_000,
};

/** Room for a group of more than 100 000 members; VyOS itself suffers at 15 000. */
const answerBytesMax = 8 * 1024 * 1024;

/** The longest text passed on: a script's whole output fits, a hostile page does not fill somebody's log. */
const textCharactersMax = 8_192;

export interface ClientOptions {
  /** `https://router.example.net` or `https://192.0.2.1:8443`; nothing after the port. */
  url: string;
  /** One of the router's API keys. It appears in no text and on no object that leaves this file. */
  key: string;
  trust: Trust;
  timeouts?: Partial<Timeouts>;
}

export interface VyosClient {
  /** Stages and commits all operations, in order, as one commit. An empty list commits nothing and is `done`. */
  configure(ops: readonly Op[]): Promise<Outcome<string | null>>;
  /** Writes the active configuration to the router's disk. */
  save(): Promise<Outcome<string | null>>;
  /** The values of a leaf in the order of their insertion; `[]` also for a path that cannot exist. */
  returnValues(path: readonly string[]): Promise<Outcome<string[]>>;
  exists(path: readonly string[]): Promise<Outcome<boolean>>;
  /** One value is a string and several are a list. `{}` for an empty or absent node. See `stagedMarks`. */
  showConfig(path: readonly string[]): Promise<Outcome<Record<string, unknown>>>;
  /** Ends all connections; calls under way end as `unknown`, or as `unreachable` when nothing was sent yet. */
  close(): void;
}

/** @throws TypeError when an option cannot be right; the key is in no message */
export function createClient(options: ClientOptions): VyosClient {
  const base = baseUrl(options.url);
  if (options.key === "") throw new TypeError("expected an API key, got an empty text");
  const { key } = options;
  const timeouts: Timeouts = { ...timeoutsDefault, ...options.timeouts };
  for (const [name, ms] of Object.entries(timeouts)) {
    // setTimeout takes a longer time for 1 ms.
    if (!(ms > 0 && ms <= 0x7fff_ffff)) throw new TypeError(`expected ${name} between 1 and ${0x7fff_ffff}, got ${ms}`);
  }
  const agent = new RouterAgent({
    host: base.hostname.replaceAll(/^\[|\]$/g, ""),
    port: base.port === "" ? 443 : Number(base.port),
    verifier: verifierFor(options.trust),
    connectMs: timeouts.connectMs,
  });

  /** One request. `read` judges the answer; when there is none, the error and how far we came are judged here. */
  async function call<T>(
    route: string,
    data: unknown,
    timeoutMs: number,
    read: (answer: Answer) => Outcome<T>,
  ): Promise<Outcome<T>> {
    const limit = new AbortController();
    let timer: NodeJS.Timeout | undefined;
    let handedOver = false;
    let broken: Error | undefined;
    const watched = agent.watched({
      onSocket() {
        handedOver = true;
        timer = setTimeout(() => limit.abort(), timeoutMs);
      },
      onError(error) {
        broken ??= error;
      },
    });
    try {
      const answer = await exchange(new URL(route, base), form(data, key), watched, limit.signal);
      return judged(answer, read, key);
    } catch (error) {
      if (limit.signal.aborted) {
        return { kind: "unknown", reason: "timeout", text: `no complete answer to ${route} within ${timeoutMs} ms` };
      }
      const outcome = handedOver ? lost(error) : unsent(broken ?? error);
      return { ...outcome, text: presentable(outcome.text, key) };
    } finally {
      clearTimeout(timer);
    }
  }

  return Object.freeze({
    configure: (ops: readonly Op[]) =>
      call(
        "/configure",
        ops.map(({ op, path }) => ({ op, path })),
        timeouts.configureMs,
        configureOutcome,
      ),
    save: () => call("/config-file", { op: "save" }, timeouts.saveMs, saveOutcome),
    returnValues: async (path: readonly string[]) =>
      call("/retrieve", { op: "returnValues", path: words(path) }, timeouts.readMs, valuesOutcome),
    exists: async (path: readonly string[]) =>
      call("/retrieve", { op: "exists", path: words(path) }, timeouts.readMs, existsOutcome),
    showConfig: async (path: readonly string[]) =>
      call("/retrieve", { op: "showConfig", path: words(path) }, timeouts.readMs, treeOutcome),
    close: () => agent.close(),
  });
}

/** Sends one request and reads its answer to the end. */
async function exchange(url: URL, body: string, agent: RequestInit["agent"], signal: AbortSignal): Promise<Answer> {
  const response = await fetch(url.href, {
    method: "POST",
    headers: { "content-type": "application/x-www-form-urlencoded", "user-agent": "logwarden" },
    body,
    ...(agent === undefined ? {} : { agent }),
    signal,
    // A redirect would carry the key to a place that nobody chose.
    redirect: "manual",
    // Nothing to unpack, so the limit on size is a limit on memory.
    compress: false,
    size: answerBytesMax,
  });
  return { status: response.status, body: await response.text() };
}

/** A form with `data` and `key` is the one shape that all releases take; the key never stands inside the data, which errors quote. */
function form(data: unknown, key: string): string {
  return new URLSearchParams({ data: JSON.stringify(data), key }).toString();
}

type Broken = Extract<Outcome<never>, { kind: "unreachable" | "unknown" }>;

/** The request got no connection: certainly nothing was executed. */
function unsent(error: unknown): Broken {
  const reason = error instanceof UnreachableError ? error.reason : "connect";
  return { kind: "unreachable", reason, text: messageOf(error) };
}

/** The request had its connection, so any part of it may have arrived; also on a kept connection that the router was just leaving. */
function lost(error: unknown): Broken {
  const text = messageOf(error);
  const { type, code } = error instanceof FetchError ? error : {};
  if (type === "max-size") return { kind: "unknown", reason: "odd-answer", text: `answer too long: ${text}` };
  // Node's parser of HTTP names its complaints so: HPE_INVALID_CONSTANT, HPE_HEADER_OVERFLOW and others.
  const reason = code?.startsWith("HPE_") === true ? "odd-answer" : "reset";
  return { kind: "unknown", reason, text };
}

/** Core errors come from another realm under some test runners, so the shape is asked and not the class. */
function messageOf(error: unknown): string {
  return Error.isError(error) ? error.message : String(error);
}

/** What the answer means, without the key: taken out of the body first, because a page loses its tags and a key may look like one. */
function judged<T>(answer: Answer, read: (answer: Answer) => Outcome<T>, key: string): Outcome<T> {
  const outcome = read(answer);
  if (outcome.kind === "done") return outcome;
  const shown = read({ ...answer, body: withoutKey(answer.body, key) });
  return { ...outcome, text: shown.kind === "done" ? "" : presentable(shown.text, key) };
}

function presentable(text: string, key: string): string {
  const clean = withoutKey(text, key);
  const more = clean.length - textCharactersMax;
  return more > 0 ? `${clean.slice(0, textCharactersMax)} … and ${more} more characters` : clean;
}

/** Takes the key out of a text, in every spelling in which a server or a library could have echoed it. */
function withoutKey(text: string, key: string): string {
  const escaped = key.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  const form = new URLSearchParams({ key }).toString().slice("key=".length);
  const spellings = new Set([key, escaped, JSON.stringify(key).slice(1, -1), form, encodeURIComponent(key)]);
  let clean = text;
  for (const spelling of spellings) clean = clean.replaceAll(spelling, "[key]");
  return clean;
}

/** The API joins the words of a question with spaces: a word that holds one would be answered as another question. */
function words(path: readonly string[]): readonly string[] {
  for (const word of path) {
    if (/^$|\s/.test(word)) throw new TypeError(`expected words without spaces as path, got ${JSON.stringify(path)}`);
  }
  return path;
}

function baseUrl(text: string): URL {
  const url = URL.parse(text);
  if (url === null || url.protocol !== "https:") {
    // The text may be anything, even the key in the wrong place: it is not repeated.
    const got = url === null ? "no URL" : url.protocol === "http:" ? "http:" : "something else";
    throw new TypeError(`expected a URL that begins with https:, got ${got}`);
  }
  if (url.username !== "" || url.password !== "" || url.pathname !== "/" || url.search !== "" || url.hash !== "") {
    throw new TypeError('expected a URL of host and port only, like "https://192.0.2.1:8443"');
  }
  return url;
}
