/** A zod shape → a notation that a person reads at a glance: `{ "address": string, "until": time | null, … }`. */

import { z } from "zod";

/** A moment, in every answer: ISO 8601, UTC. */
export const time = z.iso.datetime().describe("time");
export const timeOrNull = time.nullable();

interface JsonSchema {
  type?: string | readonly string[];
  description?: string;
  enum?: readonly unknown[];
  const?: unknown;
  anyOf?: readonly JsonSchema[];
  properties?: Readonly<Record<string, JsonSchema>>;
  additionalProperties?: JsonSchema | boolean;
  items?: JsonSchema | boolean;
}

const widthMax = 116;

/** Lines, each behind the indent. */
export function notation(shape: z.ZodType, indent = ""): string[] {
  return spread(schemaOf(shape) as JsonSchema, indent, "", "");
}

/** JSON Schema, for programs. Open: a later release may add fields, and a program that checks must not refuse them. */
export function schemaOf(shape: z.ZodType, io: "input" | "output" = "output"): unknown {
  return z.toJSONSchema(shape, {
    ...{ io, unrepresentable: "any" },
    override: ({ jsonSchema }) => {
      if (jsonSchema.additionalProperties === false) delete jsonSchema.additionalProperties;
    },
  });
}

/** On one line where it fits; otherwise its fields one below the other. */
function spread(schema: JsonSchema, indent: string, before: string, after: string): string[] {
  const whole = `${indent}${before}${inOne(schema)}${after}`;
  if (whole.length <= widthMax) return [whole];
  const { properties, items } = schema;
  if (properties !== undefined) {
    const fields = Object.entries(properties);
    return [
      `${indent}${before}{`,
      ...fields.flatMap(([name, field], at) =>
        spread(field, `${indent}  `, `"${name}": `, at === fields.length - 1 ? "" : ","),
      ),
      `${indent}}${after}`,
    ];
  }
  if (typeof items === "object") return spread(items, indent, `${before}[`, `, …]${after}`);
  const { anyOf } = schema;
  if (anyOf === undefined) return [whole];
  return anyOf.flatMap((one, at) =>
    spread(one, indent, at === 0 ? before : "| ", at === anyOf.length - 1 ? after : ""),
  );
}

function inOne({
  type,
  description,
  enum: words,
  const: only,
  anyOf,
  properties,
  additionalProperties,
  items,
}: JsonSchema): string {
  if (description !== undefined) return description;
  if (words !== undefined) return words.map((word) => JSON.stringify(word)).join(" | ");
  if (only !== undefined) return JSON.stringify(only);
  if (anyOf !== undefined) return anyOf.map(inOne).join(" | ");
  if (properties !== undefined) {
    const fields = Object.entries(properties).map(([name, field]) => `"${name}": ${inOne(field)}`);
    return `{ ${fields.join(", ")} }`;
  }
  if (typeof additionalProperties === "object") return `{ "…": ${inOne(additionalProperties)} }`;
  if (typeof items === "object") return `[${inOne(items)}, …]`;
  return type === undefined ? "anything" : [type].flat().join(" | ");
}
