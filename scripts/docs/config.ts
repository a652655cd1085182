/** The inventory's schema and the services' variables → docs/reference/config.md. */

import { schemaOf } from "@logwarden/cli/shape";
import { parserVariables } from "@logwarden/parser/config";
import { responderVariables } from "@logwarden/responder/config";
import { commonVariables, environmentName, ledgerVariables, type Variable } from "@logwarden/shared/environment";
import { inventoryExamples, InventoryForm } from "@logwarden/shared/inventory";
import { abouts } from "./config-keys.ts";
import { code, page, table } from "./page.ts";

interface Field {
  type?: string | readonly string[];
  enum?: readonly string[];
  anyOf?: readonly Field[];
  properties?: Readonly<Record<string, Field>>;
  additionalProperties?: Field | boolean;
  items?: Field;
  default?: unknown;
  required?: readonly string[];
}

export function configPage(): string {
  const schema = schemaOf(InventoryForm, "input") as Field;
  const rows = [...keysOf(schema, "")];
  const known = new Set(rows.map(({ path }) => path));
  const strays = Object.keys(abouts).filter((path) => !known.has(path));
  const silent = [...known].filter((path) => abouts[path] === undefined);
  if (strays.length + silent.length > 0) {
    throw new Error(
      `scripts/docs/config-keys.ts tells of ${strays.join(", ") || "-"}, and not of ${silent.join(", ") || "-"}`,
    );
  }
  return page("Configuration", "packages/shared/src/config", [
    "## logwarden.yaml\n\nOne file for every service: `logwarden.example.yaml` explains it from top to bottom, `logwarden check-config` says what yours means.\nUnknown keys are refused.",
    table(
      ["key", "", "unless given", "for example"],
      rows.map(({ path, field, must }) => [
        ...[code(path), abouts[path] ?? "", must ? "must be given" : defaultOf(field)],
        code(exampleOf(path)),
      ]),
    ),
    "## The environment\n\nWhere things run. Services refuse variables with this prefix that they do not know; `--check` on each prints what it would use.",
    ...[
      ["every service", commonVariables],
      ["the ledger, for responders, the console and the command", ledgerVariables],
      ["parser", parserVariables],
      ["responder", responderVariables],
    ].map(
      ([name, variables]) =>
        `### ${name as string}\n\n${environmentTable(variables as Record<string, Variable<unknown>>)}`,
    ),
  ]);
}

function environmentTable(variables: Record<string, Variable<unknown>>): string {
  return table(
    ["variable", "unless set", "for example", ""],
    Object.entries(variables).map(([field, { about, example, default: fallback }]) => [
      ...[
        code(environmentName(field)),
        fallback === undefined ? "must be set" : fallback === "" ? "(empty)" : code(fallback),
      ],
      ...[code(example), about],
    ]),
  );
}

interface Key {
  path: string;
  field: Field;
  must: boolean;
}

/** NAME stands for what an operator calls something. Policies of all types but one look alike: TYPE. */
function* keysOf(field: Field, path: string): Generator<Key> {
  const one = field.anyOf?.find(({ properties }) => properties !== undefined) ?? field;
  const required = one.required ?? [];
  // What a rule may say differently is what its type says.
  if (/^policies\..*\.rules/.test(path)) return;
  for (const [name, inner] of Object.entries(one.properties ?? {})) {
    if (path === "policies" && name !== "password_failed" && name !== "interface_down") continue;
    const inside = path === "" ? name : `${path}.${name === "password_failed" ? "TYPE" : name}`;
    yield { path: inside, field: inner, must: required.includes(name) };
    yield* keysOf(inner, inside);
  }
  if (typeof one.additionalProperties === "object") yield* keysOf(one.additionalProperties, `${path}.NAME`);
  if (typeof one.items === "object") yield* keysOf(one.items, `${path}[]`);
}

/** Of the same name: those of complaints are by a path's last word, and some say more than what would pass. */
function exampleOf(path: string): string {
  const name = path.split(".").at(-1) ?? "";
  const example = inventoryExamples[name] ?? "";
  return example.startsWith(`${name}:`) && !/^policies\..*\.rules$/.test(path) ? example : "";
}

function defaultOf({ default: fallback, properties }: Field): string {
  if (fallback === undefined || properties !== undefined) return "";
  return code(JSON.stringify(fallback));
}
