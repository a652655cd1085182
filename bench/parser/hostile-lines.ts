/**
 * Template → lines that are built to hurt its matcher: nearly right, long, and full of what the matcher looks for.
 *
 * An attacker knows the rules that ship, chooses user names, and controls some programs' lines whole. Pure.
 */

export interface HostileLine {
  kind: string;
  /** One line, or many with newlines between. */
  text: string;
}

/** The fixed texts of a template in their order, and a line of it with its optional parts and without. */
interface Shape {
  literals: string[];
  /** A line that matches; `free` stands where free text does, `typed` where the first typed field does. */
  line: (free: string, typed?: string) => string;
  short: string;
}

const samples: Record<string, string> = { ip: "198.51.100.7", int: "4242", hex: "0x1f", word: "eth1" };

export function hostileLines(program: string, template: string, bytes: number): HostileLine[] {
  const shape = readShape(template);
  const header = `<38>Nov 21 04:44:40 gw1 ${program}[2319]: `;
  const whole = shape.line("root");
  /** What stands behind the free text, or the last fixed text. */
  const tail = whole.slice(whole.indexOf("root") + 4) || (shape.literals.at(-1) ?? "x");
  const fill = (unit: string): string => repeat(unit, bytes - header.length);
  const around = (free: string): string => header + shape.line(repeat(free, bytes - header.length - whole.length));
  const typed = (value: string): string =>
    header + shape.line("root", repeat(value, bytes - header.length - whole.length));
  return [
    ...[...new Set(shape.literals)].map((literal, number) => ({
      kind: `beginning, then its text ${number + 1} again and again`,
      text: (header + (shape.literals[0] ?? "") + fill(literal)).slice(0, bytes),
    })),
    { kind: "the whole rule again and again", text: header + fill(`${whole} `) },
    { kind: "the whole rule again and again, a wrong end", text: `${header}${fill(`${whole} `)}!` },
    { kind: "the short form again and again", text: header + fill(`${shape.short} `) },
    { kind: "free text full of its own end, matches", text: around(tail) },
    { kind: "free text full of its own end, a wrong end", text: `${around(tail)}!` },
    { kind: "free text full of its beginning", text: around(shape.literals[0] ?? "x") },
    { kind: "free text of spaces", text: around(" ") },
    { kind: "free text of bytes that are no UTF-8", text: around("\u00ff\u0007") },
    ...["1", "9.", "::", "f", "\u00e9", "%"].map((value) => ({
      kind: `a field of ${JSON.stringify(value)}`,
      text: typed(value),
    })),
    { kind: "spaces before the text", text: header + repeat(" ", bytes - header.length - whole.length) + whole },
    { kind: "repeated, wrapped again and again", text: `${header}${fill("message repeated 2 times: [ ")}]` },
    { kind: "brackets", text: header + fill("[") },
    { kind: "closing brackets", text: `${header}message repeated 2 times: [ ${fill("]")}` },
    { kind: "a line inside a line, again and again", text: `<14>${fill(`Nov 21 04:44:40 gw1 ${program}: `)}` },
    {
      kind: "structured data that does not end",
      text: `<38>1 2026-11-21T04:44:36Z gw1 ${program} 1 - [a b="${fill('\\"')}`,
    },
    {
      kind: "structured data, empty, many",
      text: `<38>1 2026-11-21T04:44:36Z gw1 ${program} 1 - ${fill("[a]")} ${whole}`,
    },
    { kind: "a program's name without end", text: `<38>Nov 21 04:44:40 gw1 ${fill(program)}` },
    { kind: "a process id without end", text: `<38>Nov 21 04:44:40 gw1 ${program}[${fill("1")}` },
    { kind: "many short lines: its beginning", text: repeat(`${header}${shape.literals[0] ?? ""}\n`, bytes) },
    { kind: "many short lines: almost all of it", text: repeat(`${header}${whole}!\n`, bytes) },
    { kind: "many short lines: matches", text: repeat(`${header}${whole}\n`, bytes) },
  ];
}

function repeat(unit: string, characters: number): string {
  return unit.repeat(Math.max(1, Math.floor(characters / unit.length)));
}

function readShape(template: string): Shape {
  const tokens = [...template.matchAll(/\{[^}]*\}|\\.|[[\]]|[^[\]{\\]+/g)].map(([token]) => token);
  const literals: string[] = [];
  for (const token of tokens) {
    if (token === "[" || token === "]" || token.startsWith("{")) literals.push("");
    else literals.push((literals.pop() ?? "") + (token.startsWith("\\") ? token.slice(1) : token));
  }
  const build = (free: string, typed: string | undefined, optional: boolean): string => {
    let inside = false;
    let first = true;
    return tokens
      .map((token) => {
        if (token === "[" || token === "]") {
          inside = token === "[";
          return "";
        }
        if (inside && !optional) return "";
        if (!token.startsWith("{")) return token.startsWith("\\") ? token.slice(1) : token;
        const kind = /:(\w+)/.exec(token)?.[1];
        if (kind === undefined || kind === "text") return free;
        const value = first && typed !== undefined ? typed : (samples[kind] ?? "x");
        first = false;
        return value;
      })
      .join("");
  };
  return {
    literals: literals.filter((literal) => literal !== ""),
    line: (free, typed) => build(free, typed, true),
    short: build("root", undefined, false),
  };
}
