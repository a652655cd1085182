/**
 * From bytes to commands, or to the refusal: what MultipartRequest, auth_required and the pydantic models of
 * src/services/vyos-http-api-server do before any handler runs.
 *
 *   form ──▶ merged object ──▶ key ──▶ model ──▶ commands
 *     └ remembers its first complaint; it is told only if a later step fails
 *
 * That order is visible: broken JSON is named before a wrong key, a wrong key before a bad command. And since the server
 * writes `endpoint in ('/configure-section')`, a substring test, every /configure form remembers at least the complaint
 * about 'section'; it surfaces whenever the key is missing.
 */
import { type Answer, failure, frameworkDetail, type Release } from "./answer.ts";
import { type Form, FormUnreadable, readForm } from "./form.ts";
import { isObject, parseJson } from "./json.ts";
import { admitIn13 } from "./admit-1.3.ts";
import { firstModelError } from "./model.ts";
import { jsonErrorText, pythonRepr, pythonStr } from "./python-text.ts";

export type Endpoint = "/configure" | "/retrieve" | "/config-file";

/** One command, its fields checked. /retrieve and /config-file always have exactly one. */
export type Command = Record<string, unknown>;

export type Admission = { kind: "refused"; answer: Answer } | { kind: "admitted"; commands: Command[] };

export const keyRefusedText = "Valid API key is required";

export interface Incoming {
  release: Release;
  endpoint: Endpoint;
  contentType: string | undefined;
  body: Buffer;
  key: string;
}

export async function admit(incoming: Incoming): Promise<Admission> {
  const { release, endpoint } = incoming;
  let form: Form | undefined;
  try {
    form = await readForm(incoming.contentType, incoming.body);
  } catch (error) {
    if (!(error instanceof FormUnreadable)) throw error;
    return { kind: "refused", answer: frameworkDetail(400, unreadable) };
  }
  const text = incoming.body.toString("utf8");
  if (release === "1.3") return admitIn13(incoming, form, text);

  const complaint = form === undefined ? undefined : complain(form, endpoint);
  if (complaint !== undefined && complaint.ends) {
    const { status, text: reason } = complaint;
    return {
      kind: "refused",
      answer: reason === undefined ? frameworkDetail(400, unreadable) : failure(release, status, reason),
    };
  }
  const merged = form === undefined ? parseJson(text) : merge(form);
  const refuse = (status: number, reason: string): Admission => ({
    kind: "refused",
    answer:
      complaint?.text === undefined
        ? failure(release, status, reason)
        : failure(release, complaint.status, complaint.text),
  });
  if (merged === undefined) return refuse(400, `{'loc': ('body', 0), 'msg': ${pythonRepr(jsonErrorText(text))}}`);
  if (isObject(merged) && typeof merged["key"] === "string" && merged["key"] !== incoming.key) {
    return { kind: "refused", answer: failure(release, 401, keyRefusedText) };
  }
  const modelError = firstModelError(release, endpoint, merged);
  if (modelError !== undefined) return refuse(400, modelError);
  return { kind: "admitted", commands: commandsOf(merged) };
}

const unreadable = "There was an error parsing the body";

export function merge(form: Form): Record<string, unknown> {
  const data = parseJson(form.get("data") ?? "");
  const merged: Record<string, unknown> = Array.isArray(data) ? { commands: data } : { ...(data as object) };
  const key = form.get("key");
  if (key !== undefined && !Object.hasOwn(merged, "key")) merged["key"] = key;
  return merged;
}

export function commandsOf(merged: unknown): Command[] {
  if (!isObject(merged)) return [];
  const commands = Array.isArray(merged["commands"]) ? (merged["commands"] as unknown[]) : [merged];
  return commands.filter(isObject).map(({ key: _key, ...rest }) => rest);
}

/** `ends` means that the server stops there; without a text it crashed while reading and the framework answers. */
interface Complaint {
  status: number;
  text: string | undefined;
  ends: boolean;
}

function complain(form: Form, endpoint: Endpoint): Complaint | undefined {
  let first: { status: number; text: string } | undefined;
  const note = (status: number, text: string): void => {
    first ??= { status, text };
  };
  const stop = (): Complaint => ({ status: first?.status ?? 400, text: first?.text, ends: true });

  const raw = form.get("data");
  if (raw === undefined) {
    note(422, "Non-empty data field is required");
    return stop();
  }
  const data = parseJson(raw);
  if (data === undefined) {
    note(400, `Failed to parse JSON: ${jsonErrorText(raw)}`);
    return stop();
  }
  if (data === null || typeof data === "number" || typeof data === "boolean") return stop();
  const listed = Array.isArray(data)
    ? data
    : isObject(data) && Object.hasOwn(data, "commands")
      ? data["commands"]
      : [data];
  if (listed === null || typeof listed === "number" || typeof listed === "boolean") return stop();
  const commands: unknown[] = Array.isArray(listed)
    ? listed
    : typeof listed === "string"
      ? [...listed]
      : Object.keys(listed as object);

  for (const command of commands) {
    if (!isObject(command)) {
      note(400, `Malformed command '${pythonStr(command)}': any command must be JSON of dict`);
      return stop();
    }
    const shown = `Malformed command '${pythonRepr(command)}'`;
    const has = (name: string): boolean => Object.hasOwn(command, name);
    if (!has("op")) note(400, `${shown}: missing 'op' field`);
    if (endpoint === "/config-file") continue;
    const path = command["path"];
    if (!has("path")) note(400, `${shown}: missing 'path' field`);
    else if (!Array.isArray(path)) note(400, `${shown}: 'path' field must be a list`);
    else if (!path.every((item) => typeof item === "string"))
      note(400, "Malformed command '0': 'path' field must be a list of strings"); // The 0 is a slip in the server.
    if (endpoint === "/retrieve") continue;
    if (!has("path")) return stop(); // A KeyError in the server.
    if (Array.isArray(path) ? path.length === 0 : !path) note(400, `${shown}: 'path' list must be non-empty`);
    if (has("value") && typeof command["value"] !== "string") note(400, `${shown}: 'value' field must be a string`);
    if (!has("section") && !has("config")) note(400, `${shown}: missing 'section' or 'config' field`);
  }
  const keyed = form.has("key") || (isObject(data) && Object.hasOwn(data, "key"));
  if (!keyed) note(401, keyRefusedText);
  return first === undefined ? undefined : { ...first, ends: false };
}
