/**
 * What an answer of a router means: status and body in, one `Outcome` out. Pure; no socket, no waiting, no policy.
 *
 *   answer ──▶ by status ──▶ 200 ──▶ JSON? success === true? data of the expected type? ──▶ done
 *                       └──▶ 400 ──▶ by text: commit failed │ busy │ no key │ crash │ everything else was refused before commit
 *
 * The texts are those of `src/services/vyos-http-api-server` (1.3 to 1.5), `src/services/api/rest` (rolling), the commit engine
 * and VyOS's nginx template. The content-type is never looked at: VyOS labels its JSON as text/html.
 */

/** The request may have been executed; which doubt it is. Closed list: it becomes a metric label. */
export type UnknownReason = "timeout" | "reset" | "gateway" | "server-error" | "not-json" | "background" | "odd-answer";

/** Nothing was executed; why the API was not reached. Closed list: it becomes a metric label. */
export type UnreachableReason =
  | "connect" // refused, no route, no such name, TLS failed, or the connect time limit
  | "certificate" // the router did not show the certificate we trust; not one byte of HTTP was sent
  | "api-off" // nginx answers, the API behind it is not configured
  | "api-absent" // the route does not exist: not a VyOS API, or REST is not enabled on it
  | "client-refused" // nginx: our address is not in `service https allow-client`
  | "closed"; // the client was closed before the request was sent

/** Everything that can come of a request. `text` is for people and never holds the API key. */
export type Outcome<T> =
  | { kind: "done"; data: T }
  /** Another commit is running. Nothing staged was kept. */
  | { kind: "busy"; text: string }
  /** Certainly nothing was executed. */
  | { kind: "unreachable"; reason: UnreachableReason; text: string }
  | { kind: "refused-key"; text: string }
  /** VyOS named an operation, path, value or request it dislikes, before the commit: nothing staged was kept. */
  | { kind: "rejected"; text: string; status: number }
  /** Not atomic: parts of the configuration that were committed before the failing one stay applied. */
  | { kind: "failed-commit"; text: string }
  /** The request may have been executed: read back before deciding. */
  | { kind: "unknown"; reason: UnknownReason; text: string };

/** An HTTP answer, read to its end. */
export interface Answer {
  status: number;
  body: string;
}

/** The engine's words when someone else commits (`cstore-unionfs.cpp`, getCommitLock). */
const commitLock = "Configuration system temporarily locked due to another commit in progress";

/** The whole error text for a wrong key (401) and, at some ends of some releases, for no key (1.3: 422). */
const keyRequired = "Valid API key is required";

/** 1.4+ has no better text for a /configure form without a key: it mistakes the form for one of /configure-section. */
const keyMissing = /^Malformed command .*missing ['"]section['"] or ['"]config['"] field$/s;

/** The lines by which the commit engine reports (`commit-algorithm.cpp`), and the heading of a script's output before them. */
const commitFailed = /^(?:Commit failed|\[\[.*\]\] failed|delete \[.*\] failed)$/m;
const commitHeading = /^\[ .+ \]\n/;

/** The last line of my_set, my_delete and my_comment when they refuse: staging stopped, all of it was discarded. */
const stagingFailed = /^(?:Set|Delete|Comment) failed$/m;

/** Python fell over, or (rolling of 2026, `session_recover.py`) the server lost its session: no statement about what was done. */
const serverFell = /Traceback \(most recent call last\)|config session/;

/** 1.3's nginx says this with status 200 (`data/templates/https/nginx.default.tmpl`). */
const apiOff = /^(?:Start service in configuration mode|service https api unavailable)/;

const background = "Requested HTTP API server configuration change";
const emptyConfig = /^Configuration under specified path is empty$/m;

/** What came of /configure. `data` is what the commit printed (warnings; rolling only) or null. */
export function configureOutcome(answer: Answer): Outcome<string | null> {
  return expecting(answer, "text or null", spoken);
}

/** What came of /config-file save. `data` is what the router said about it (1.3 only) or null. No proof: 1.5 hides a failed write. */
export function saveOutcome(answer: Answer): Outcome<string | null> {
  return expecting(answer, "text or null", spoken);
}

/** What came of /retrieve returnValues: always a list, empty for whatever does not exist. */
export function valuesOutcome(answer: Answer): Outcome<string[]> {
  return expecting(answer, "a list of strings", (data) =>
    Array.isArray(data) && data.every((value) => typeof value === "string") ? data : undefined,
  );
}

/** What came of /retrieve exists. */
export function existsOutcome(answer: Answer): Outcome<boolean> {
  return expecting(answer, "a boolean", (data) => (typeof data === "boolean" ? data : undefined));
}

/** What came of /retrieve showConfig. VyOS calls an empty or absent node an error (400); here it is an empty tree. */
export function treeOutcome(answer: Answer): Outcome<Record<string, unknown>> {
  if (answer.status === 400 && emptyConfig.test(textOf(answer, parse(answer.body)))) return { kind: "done", data: {} };
  return expecting(answer, "an object", (data) => (isObject(data) ? data : undefined));
}

/** Narrows the data of a success; data of another type may come from a release we do not know, so the effect is unknown. */
function expecting<T>(answer: Answer, what: string, narrow: (data: unknown) => T | undefined): Outcome<T> {
  const outcome = outcomeOf(answer);
  if (outcome.kind !== "done") return outcome;
  if (typeof outcome.data === "string" && outcome.data.startsWith(background)) {
    return unknown("background", outcome.data);
  }
  const data = narrow(outcome.data);
  if (data !== undefined) return { kind: "done", data };
  return unknown("odd-answer", `expected ${what} as data of a success, got ${JSON.stringify(outcome.data ?? null)}`);
}

function spoken(data: unknown): string | null | undefined {
  if (data === null || data === "") return null;
  return typeof data === "string" ? data : undefined;
}

function outcomeOf(answer: Answer): Outcome<unknown> {
  const { status } = answer;
  const json = parse(answer.body);
  const text = textOf(answer, json);
  if (status === 200) return outcomeOf200(json, text);
  if (status === 400) return outcomeOf400(text);
  if (status === 401 || (status === 422 && text === keyRequired)) return { kind: "refused-key", text };
  if (status === 403) return { kind: "unreachable", reason: "client-refused", text };
  if (status === 404) return { kind: "unreachable", reason: "api-absent", text };
  if (status === 405 || status === 413 || status === 422) return { kind: "rejected", text, status };
  if (status === 503) return { kind: "unreachable", reason: "api-off", text };
  // nginx gave up on the API (502) or on waiting for it (504, after 600 s): the commit may be running all the same.
  if (status === 502 || status === 504) return unknown("gateway", text);
  if (status >= 500) return unknown("server-error", text);
  return unknown("odd-answer", `expected status 200 or an error of VyOS, got ${status}: ${text}`);
}

function outcomeOf200(json: unknown, text: string): Outcome<unknown> {
  if (json === undefined) return unknown("not-json", text);
  if (!isObject(json)) return unknown("odd-answer", `expected a JSON object, got ${text}`);
  if (json["success"] === true) return { kind: "done", data: json["data"] };
  // 1.3's nginx also says this in place of 501 and 502. The rule is kept simple because a repeated request is harmless.
  if (!("success" in json) && apiOff.test(text)) return { kind: "unreachable", reason: "api-off", text };
  return unknown("odd-answer", `expected success to be true in an answer with status 200, got ${text}`);
}

/** The order matters: a failed commit may quote anything in its scripts' output, and its doubt is the greatest. */
function outcomeOf400(text: string): Outcome<unknown> {
  if (commitFailed.test(text) || commitHeading.test(text)) return { kind: "failed-commit", text };
  if (text.includes(commitLock)) return { kind: "busy", text };
  if (text === keyRequired || keyMissing.test(text)) return { kind: "refused-key", text };
  if (stagingFailed.test(text)) return { kind: "rejected", text, status: 400 };
  if (serverFell.test(text)) return unknown("server-error", text);
  return { kind: "rejected", text, status: 400 };
}

function unknown(reason: UnknownReason, text: string): Outcome<never> {
  return { kind: "unknown", reason, text };
}

/** @returns undefined for what is not JSON (JSON itself knows no undefined) */
function parse(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

/** The words for people: `error` of VyOS, `detail` of its web server, else the body; a page of nginx loses its tags. */
function textOf({ status, body }: Answer, json: unknown): string {
  if (json === undefined) {
    const words = body
      .replaceAll(/<[^>]*>/g, " ")
      .replaceAll(/\s+/g, " ")
      .trim();
    return words === "" ? `status ${status}, empty body` : words;
  }
  if (isObject(json)) {
    for (const field of ["error", "detail"]) {
      const value = json[field];
      if (typeof value === "string") return unescape(value);
    }
  }
  return JSON.stringify(json);
}

/** Rolling escapes `<`, `>` and `&` in error texts (`models.py`, error()), quotes not; older releases escape nothing. */
function unescape(text: string): string {
  return text.replaceAll(/&(lt|gt|amp);/g, (_, name: string) => (name === "lt" ? "<" : name === "gt" ? ">" : "&"));
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
