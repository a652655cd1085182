/**
 * How Python writes values, because the real API server is Python and its error texts show it.
 *
 * In: JSON values and JSON text. Out: `repr()`, `json.dumps()` and the message of `json.JSONDecodeError`, to the byte.
 */

/** `repr()` of a value that came out of JSON: what an f-string prints for a dict, a list or None. */
export function pythonRepr(value: unknown): string {
  if (value === null || value === undefined) return "None";
  if (value === true) return "True";
  if (value === false) return "False";
  if (typeof value === "string") return reprString(value);
  if (Array.isArray(value)) return `[${value.map(pythonRepr).join(", ")}]`;
  if (typeof value === "object") {
    const entries = Object.entries(value).map(([key, item]) => `${reprString(key)}: ${pythonRepr(item)}`);
    return `{${entries.join(", ")}}`;
  }
  // JSON has no other values but numbers.
  return typeof value === "number" ? String(value) : "";
}

/** `str()` in an f-string: like `repr()`, but a string stands bare. */
export function pythonStr(value: unknown): string {
  return typeof value === "string" ? value : pythonRepr(value);
}

/** Python prefers single quotes and changes to double ones only when that saves an escape. */
function reprString(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  let out = quote;
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    if (character === quote || character === "\\") out += `\\${character}`;
    else if (character === "\n") out += "\\n";
    else if (character === "\r") out += "\\r";
    else if (character === "\t") out += "\\t";
    else if (code < 0x20 || (code >= 0x7f && code <= 0xa0) || code === 0xad)
      out += `\\x${code.toString(16).padStart(2, "0")}`;
    else out += character;
  }
  return out + quote;
}

/** `json.dumps()` with its defaults: a space after every comma and colon, and ASCII only. */
export function jsonDumps(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(jsonDumps).join(", ")}]`;
  if (value !== null && typeof value === "object") {
    const entries = Object.entries(value).map(([key, item]) => `${asciiString(key)}: ${jsonDumps(item)}`);
    return `{${entries.join(", ")}}`;
  }
  if (typeof value === "string") return asciiString(value);
  return JSON.stringify(value ?? null);
}

function asciiString(text: string): string {
  return JSON.stringify(text).replaceAll(
    /[\u0080-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** The message of the JSONDecodeError that `json.loads(text)` raises; only for text that is not JSON. */
export function jsonErrorText(text: string): string {
  const scanner = new Scanner(text);
  const fault = scanner.findFault();
  const before = text.slice(0, fault.at);
  const line = before.split("\n").length;
  const column = fault.at - before.lastIndexOf("\n");
  return `${fault.message}: line ${line} column ${column} (char ${fault.at})`;
}

class JsonFault extends Error {
  readonly at: number;
  constructor(message: string, at: number) {
    super(message);
    this.at = at;
  }
}

/** Walks as CPython's decoder does, so that it stops at the same character with the same words. */
class Scanner {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  findFault(): JsonFault {
    try {
      const end = this.#space(this.#value(this.#space(0)));
      return new JsonFault(
        end < this.#text.length ? "Extra data" : "Expecting value",
        end < this.#text.length ? end : 0,
      );
    } catch (error) {
      if (error instanceof JsonFault) return error;
      throw error;
    }
  }

  #space(at: number): number {
    while (at < this.#text.length && " \t\n\r".includes(this.#text[at] ?? "")) at += 1;
    return at;
  }

  #value(at: number): number {
    const first = this.#text[at];
    if (first === '"') return this.#string(at);
    if (first === "{") return this.#object(at + 1);
    if (first === "[") return this.#list(at + 1);
    const word = /(?:null|true|false|NaN|-?Infinity|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?)/y;
    word.lastIndex = at;
    const match = word.exec(this.#text);
    if (match === null) throw new JsonFault("Expecting value", at);
    return at + match[0].length;
  }

  #string(start: number): number {
    let at = start + 1;
    for (;;) {
      const character = this.#text[at];
      if (character === undefined) throw new JsonFault("Unterminated string starting at", start);
      if (character === '"') return at + 1;
      if (character < " ") throw new JsonFault("Invalid control character at", at);
      if (character !== "\\") {
        at += 1;
        continue;
      }
      const escaped = this.#text[at + 1];
      if (escaped === undefined) throw new JsonFault("Unterminated string starting at", start);
      if (escaped === "u") {
        if (!/^[0-9a-fA-F]{4}$/.test(this.#text.slice(at + 2, at + 6)))
          throw new JsonFault("Invalid \\uXXXX escape", at + 1);
        at += 6;
      } else if ('"\\/bfnrt'.includes(escaped)) {
        at += 2;
      } else {
        throw new JsonFault("Invalid \\escape", at);
      }
    }
  }

  #object(from: number): number {
    let at = this.#space(from);
    if (this.#text[at] === "}") return at + 1;
    for (;;) {
      if (this.#text[at] !== '"') throw new JsonFault("Expecting property name enclosed in double quotes", at);
      at = this.#space(this.#string(at));
      if (this.#text[at] !== ":") throw new JsonFault("Expecting ':' delimiter", at);
      at = this.#space(this.#value(this.#space(at + 1)));
      if (this.#text[at] === "}") return at + 1;
      if (this.#text[at] !== ",") throw new JsonFault("Expecting ',' delimiter", at);
      at = this.#space(at + 1);
    }
  }

  #list(from: number): number {
    let at = this.#space(from);
    if (this.#text[at] === "]") return at + 1;
    for (;;) {
      at = this.#space(this.#value(at));
      if (this.#text[at] === "]") return at + 1;
      if (this.#text[at] !== ",") throw new JsonFault("Expecting ',' delimiter", at);
      at = this.#space(at + 1);
    }
  }
}
