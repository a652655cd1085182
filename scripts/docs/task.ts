/** The types of tasks → docs/reference/task.md. */

import { schemaOf } from "@logwarden/cli/shape";
import { Task } from "@logwarden/shared/task";
import { personPriority } from "@logwarden/shared/tubes";
import { code, commentOn, page, source, table } from "./page.ts";

const file = "packages/shared/src/flow/task.ts";

interface Field {
  type?: string;
  enum?: readonly string[];
  const?: unknown;
  anyOf?: readonly Field[];
  items?: Field;
  pattern?: string;
}

interface Type {
  properties: Record<string, Field>;
  required?: readonly string[];
}

export function taskPage(): string {
  const text = source(file);
  const { oneOf = [] } = schemaOf(Task, "input") as { oneOf?: readonly Type[] };
  if (oneOf.length === 0) throw new Error("expected the types of tasks as oneOf");
  const everywhere = Object.keys(oneOf[0]?.properties ?? {}).filter((name) =>
    oneOf.every((type) => name in type.properties && name !== "type" && name !== "host"),
  );
  return page("Tasks", file, [
    "A task is a JSON object in a tube. These two, the original ones, are whole:",
    '```json\n{"host":"10.10.10.201","type":"password_failed","from":"10.10.10.132"}\n{"host":"10.10.10.201","type":"interface_down","interface":"eth1"}\n```',
    `Tasks wait in the tube of their device, \`logwarden.device.NAME\`, or in \`logwarden.intake\` when whoever puts them knows no devices. What a\nperson asks for has priority ${personPriority}. Fields that a version does not know are kept; a type that it does not know is buried.`,
    "## Fields of every task\n\n" +
      table(
        ["field", "form", ""],
        everywhere.map((name) => [code(name), formOf(oneOf[0]?.properties[name] ?? {}), commentOn(text, name)]),
      ),
    ...oneOf.map((type) => section(type, everywhere, text)),
  ]);
}

function section({ properties, required = [] }: Type, everywhere: readonly string[], text: string): string {
  const name = String(properties["type"]?.const);
  const own = Object.entries(properties).filter(([field]) => !everywhere.includes(field) && field !== "type");
  const rows = own.map(([field, form]) => [code(field), required.includes(field) ? "must" : "may", formOf(form)]);
  return [`## ${name}`, commentOn(text, name), table(["field", "", "form"], rows)]
    .filter((part) => part !== "")
    .join("\n\n");
}

function formOf({ type, enum: words, const: only, anyOf, items, pattern }: Field): string {
  if (only !== undefined) return code(JSON.stringify(only));
  if (words !== undefined) return words.map(code).join(", ");
  if (anyOf !== undefined) return anyOf.map(formOf).join(" or ");
  if (items !== undefined) return `list of ${formOf(items)}`;
  return pattern === undefined ? (type ?? "anything") : `${type} ${code(pattern)}`;
}
