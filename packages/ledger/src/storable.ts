/**
 * Values as both engines take them, on their way into any statement.
 *
 * Log lines are written by attackers: PostgreSQL refuses a whole statement for one NUL, and half of a surrogate pair would
 * come back as something else. Both become the replacement character. Numbers are whole: SQLite would keep half a
 * millisecond and take NaN for nothing at all, where PostgreSQL refuses both.
 */

import assert from "node:assert/strict";

export function storable(parameter: unknown): unknown {
  if (typeof parameter === "number")
    assert(Number.isSafeInteger(parameter), `expected a whole number, got ${parameter}`);
  if (typeof parameter !== "string") return parameter;
  const text = parameter.isWellFormed() ? parameter : parameter.toWellFormed();
  return text.includes("\0") ? text.replaceAll("\0", "\uFFFD") : text;
}
