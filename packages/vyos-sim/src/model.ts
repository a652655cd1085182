/**
 * The pydantic models of the API server: which merged requests reach a handler.
 *
 * Their texts differ by pydantic version and nobody should match on them; forms mostly show the older, explicit texts.
 */
import type { Release } from "./answer.ts";
import type { Endpoint } from "./admit.ts";
import { isObject } from "./json.ts";

export function firstModelError(release: Release, endpoint: Endpoint, merged: unknown): string | undefined {
  if (!isObject(merged)) return errorText(release, [], "not a dict");
  const key = checkString(release, merged, "key", true);
  if (key !== undefined) return key;
  if (endpoint === "/config-file") {
    return checkString(release, merged, "op", true) ?? checkString(release, merged, "file", false);
  }
  if (endpoint === "/retrieve") {
    return checkCommand(release, merged, [], false) ?? checkString(release, merged, "configFormat", false);
  }
  const commands = merged["commands"];
  if (!Array.isArray(commands)) return checkCommand(release, merged, [], true);
  for (const [index, command] of commands.entries()) {
    const at = ["commands", String(index)];
    if (!isObject(command)) return errorText(release, at, "not a dict");
    const error = checkCommand(release, command, at, true);
    if (error !== undefined) return error;
  }
  return undefined;
}

function checkCommand(
  release: Release,
  command: Record<string, unknown>,
  at: string[],
  writes: boolean,
): string | undefined {
  const op = checkString(release, command, "op", true, at);
  if (op !== undefined) return op;
  const path = command["path"];
  if (path === undefined) return errorText(release, [...at, "path"], "missing");
  if (!Array.isArray(path)) return errorText(release, [...at, "path"], "not a list");
  if (!path.every((item) => typeof item === "string")) return errorText(release, [...at, "path"], "not a string");
  if (writes && path.length === 0) return errorText(release, [...at, "path"], "empty");
  return writes ? checkString(release, command, "value", false, at) : undefined;
}

function checkString(
  release: Release,
  object: Record<string, unknown>,
  name: string,
  required: boolean,
  at: string[] = [],
): string | undefined {
  const value = object[name];
  if (value === undefined) return required ? errorText(release, [...at, name], "missing") : undefined;
  // pydantic 1 lets None stand for an optional string; pydantic 2 does not.
  if (value === null && !required && release !== "current") return undefined;
  return typeof value === "string" ? undefined : errorText(release, [...at, name], "not a string");
}

type Fault = "missing" | "not a string" | "not a list" | "not a dict" | "empty";

const inPydantic1: Record<Fault, [message: string, type: string]> = {
  missing: ["field required", "value_error.missing"],
  "not a string": ["str type expected", "type_error.str"],
  "not a list": ["value is not a valid list", "type_error.list"],
  "not a dict": ["value is not a valid dict", "type_error.dict"],
  empty: ["path must be non-empty", "value_error"],
};

const inPydantic2: Record<Fault, [message: string, type: string]> = {
  missing: ["Field required", "missing"],
  "not a string": ["Input should be a valid string", "string_type"],
  "not a list": ["Input should be a valid list", "list_type"],
  "not a dict": ["Input should be a valid dictionary or object to extract fields from", "model_attributes_type"],
  empty: ["Value error, path must be non-empty", "value_error"],
};

function errorText(release: Release, at: string[], fault: Fault): string {
  const place = at.length === 0 ? "('body',)" : `('body', ${at.map((part) => `'${part}'`).join(", ")})`;
  if (release === "current") {
    const [message, type] = inPydantic2[fault];
    return `{'type': '${type}', 'loc': ${place}, 'msg': '${message}'}`;
  }
  const [message, type] = inPydantic1[fault];
  return `{'loc': ${place}, 'msg': '${message}', 'type': '${type}'}`;
}
