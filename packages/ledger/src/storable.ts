/**
 * Text as both engines take it. Log lines are written by attackers: PostgreSQL refuses a whole statement for one NUL, and
 * half of a surrogate pair would come back as something else. Both become the replacement character, in both engines, on
 * their way into any statement.
 */

export function storable(parameter: unknown): unknown {
  if (typeof parameter !== "string") return parameter;
  const text = parameter.isWellFormed() ? parameter : parameter.toWellFormed();
  return text.includes("\0") ? text.replaceAll("\0", "\uFFFD") : text;
}
