/**
 * The same door in VyOS 1.3, which asks for the key first and words its complaints with double quotes. It shows commands
 * as JSON, not as Python. Read in the source of the equuleus branch, never seen on a running router.
 */
import { type Admission, commandsOf, type Incoming, keyRefusedText, merge } from "./admit.ts";
import { failure, frameworkDetail } from "./answer.ts";
import { isObject, parseJson } from "./json.ts";
import type { Form } from "./form.ts";
import { jsonDumps, jsonErrorText } from "./python-text.ts";

export function admitIn13(incoming: Incoming, form: Form | undefined, text: string): Admission {
  const { release, endpoint } = incoming;
  const refuse = (status: number, reason: string): Admission => ({
    kind: "refused",
    answer: failure(release, status, reason),
  });
  if (form !== undefined && !form.has("data")) return refuse(422, "Non-empty data field is required");
  const source = form === undefined ? text : (form.get("data") ?? "");
  const parsed = parseJson(source);
  if (parsed === undefined) return refuse(400, `Failed to parse JSON: ${jsonErrorText(source)}`);
  if (parsed === null || typeof parsed !== "object") {
    return { kind: "refused", answer: frameworkDetail(400, "There was an error parsing the body") };
  }
  const merged = form === undefined ? parsed : merge(form);
  if (!isObject(merged) || typeof merged["key"] !== "string") return refuse(422, keyRefusedText);
  if (merged["key"] !== incoming.key) return refuse(401, keyRefusedText);

  if (endpoint === "/retrieve") {
    const complete = typeof merged["op"] === "string" && Array.isArray(merged["path"]);
    if (!complete) return refuse(400, 'Missing required field. "op" and "path" fields are required');
  } else if (endpoint === "/config-file") {
    if (typeof merged["op"] !== "string") return refuse(400, 'Missing required field "op"');
  } else {
    const listed = Array.isArray(merged["commands"]) ? (merged["commands"] as unknown[]) : [withoutKey(merged)];
    for (const command of listed) {
      const reason = complaint(command);
      if (reason !== undefined) return refuse(400, `Malformed command "${jsonDumps(command)}": ${reason}`);
    }
  }
  return { kind: "admitted", commands: commandsOf(merged) };
}

function withoutKey({ key: _key, ...rest }: Record<string, unknown>): Record<string, unknown> {
  return rest;
}

function complaint(command: unknown): string | undefined {
  if (!isObject(command)) return "any command must be a dict";
  if (!Object.hasOwn(command, "op")) return 'missing "op" field';
  if (!Object.hasOwn(command, "path")) return 'missing "path" field';
  const { path, value } = command as { path: unknown; value?: unknown };
  if (Array.isArray(path) ? path.length === 0 : !path) return "empty path";
  if (!Array.isArray(path)) return '"path" field must be a list';
  if (!path.every((item) => typeof item === "string")) return '"path" field must be a list of strings';
  if (value !== undefined && value !== null && typeof value !== "string") return '"value" field must be a string';
  return undefined;
}
