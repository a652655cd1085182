import { describe, expect, test } from "@jest/globals";
import { literalBytes } from "../latin1.ts";
import { compileTemplate, type Fields, FieldView, fieldsMax, TemplateError } from "./template.ts";

/** The fields of the first form that text[from..to) has. */
function match(template: string, text: string, from = 0, to = text.length): Fields | undefined {
  const compiled = compileTemplate(template);
  const places = new Int32Array(2 * fieldsMax);
  const bytes = literalBytes(text);
  const form = compiled.forms.find((one) => one.match(bytes, from, to, places));
  if (form === undefined) return undefined;
  const shown = new FieldView(compiled.fields, places).show(text);
  return Object.fromEntries(
    compiled.fields.flatMap((name) => (shown[name] === undefined ? [] : [[name, shown[name]]])),
  );
}

const sshd = "Failed password for [invalid user ]{user} from {address:ip} port {port:int} ssh2";

describe("a template", () => {
  test("reads its fields", () => {
    expect(match(sshd, "Failed password for root from 192.0.2.7 port 22 ssh2")).toEqual({
      user: "root",
      address: "192.0.2.7",
      port: "22",
    });
  });

  test("is anchored at both ends", () => {
    expect(match(sshd, " Failed password for root from 192.0.2.7 port 22 ssh2")).toBeUndefined();
    expect(match(sshd, "Failed password for root from 192.0.2.7 port 22 ssh2 ")).toBeUndefined();
  });

  test("stays inside its line, though the text goes on", () => {
    const line = "Failed password for root from 192.0.2.7 port 22 ssh2";
    const text = `x${line} from 192.0.2.9 port 1 ssh2`;
    expect(match(sshd, text, 1, 1 + line.length)).toMatchObject({ address: "192.0.2.7" });
    expect(match(sshd, text, 1, line.length)).toBeUndefined();
  });

  test("whatever is in the free text, the fields right of it are the last ones of the line", () => {
    const names = [" from 192.0.2.1 port 1 ssh2", "a from 192.0.2.1", "from", " ", "port 1 ssh2", "invalid user x"];
    for (const user of names) {
      const line = `Failed password for invalid user ${user} from 203.0.113.7 port 40024 ssh2`;
      expect(match(sshd, line)).toEqual({ user, address: "203.0.113.7", port: "40024" });
    }
  });

  test("fields without free text are read from the left, up to the text behind them", () => {
    const template = "{name:word}: flags {flags:hex} -> {rest:word}";
    expect(match(template, "eth1: flags 0x1f -> UP")).toEqual({ name: "eth1", flags: "0x1f", rest: "UP" });
    expect(match(template, "eth1: flags 0x1g -> UP")).toBeUndefined();
    expect(match(template, ": flags 0x1f -> UP")).toBeUndefined();
  });

  test("a field longer than anything real is no field", () => {
    expect(match("name {name:word} end", `name ${"x".repeat(257)} end`)).toBeUndefined();
  });

  test("brackets and braces of the line itself are written with a backslash", () => {
    expect(match("\\[LINK\\] {name:word} down", "[LINK] eth1 down")).toEqual({ name: "eth1" });
  });
});

describe("what a program put between quotes", () => {
  const access = '{address:ip} - {user} [{time:word} {zone:word}] "{request:quoted}" {status:int} "{agent:quoted}"'
    .replaceAll("[", "\\[")
    .replaceAll("]", "\\]");
  const line = (user: string, request: string, agent: string): string =>
    `203.0.113.7 - ${user} [21/Nov/2026:04:44:40 +0000] "${request}" 404 "${agent}"`;

  test("is one field, with its escaped quotes and backslashes", () => {
    for (const text of ["GET / HTTP/1.1", "", '\\"', 'a\\" 200 \\"b', "\\\\", '\\\\\\"', "x".repeat(5000)]) {
      expect(match(access, line("-", text, text))).toMatchObject({ request: text, status: "404", agent: text });
    }
  });

  test("cannot move what stands around it, whatever the user's name is", () => {
    const user = 'x [21/Nov/2026:04:44:40 +0000] \\"GET / HTTP/1.1\\" 200 \\"-\\"';
    expect(match(access, line(user, "GET /x", "curl"))).toMatchObject({ user, request: "GET /x", status: "404" });
  });

  test("is no field when a quote is left open", () => {
    expect(match(access, line("-", "GET /", "curl\\"))).toBeUndefined();
    expect(match(access, line("-", 'GET / "x', "curl"))).toBeUndefined();
  });

  test("is read from the left as well", () => {
    const template = 'user "{user:quoted}" was not found in "{file:quoted}"';
    expect(match(template, 'user "a\\"b" was not found in "/f"')).toEqual({ user: 'a\\"b', file: "/f" });
    expect(match(template, 'user "a" was not found in "/f"x')).toBeUndefined();
  });
});

describe("a template is refused", () => {
  test.each([
    ["{a} from {b} to here", "two free-text fields"],
    ["from {a:int}{b:int} to here", "no text between"],
    ["{a}", "less than 4 characters"],
    ["[optional text]{a}", "less than 4 characters"],
    ["text {a:float} more", "expected {name}"],
    ["text [more", "not closed"],
    ["text ] more", "without its ["],
    ["text [a[b]] more", "inside an optional"],
    ["[a]x[b]x[c]x[d]x[e]xxx", "at most 4 optional"],
    ["user {a:quoted} logged in", "without its quotes"],
    ["from {a:int} to {a:int}", "the field a twice"],
    [" begins with {a}", "begins with a space"],
    ["two\nlines of {a}", "control character"],
    ["ends with \\", "expected a character behind"],
  ])("%s: %s", (template, message) => {
    expect(() => compileTemplate(template)).toThrow(TemplateError);
    expect(() => compileTemplate(template)).toThrow(message);
  });

  test("with a mark under the place", () => {
    expect(() => compileTemplate("from {a} to {b}")).toThrow(
      "two free-text fields: where one ends would be the attacker's choice\n    from {a} to {b}\n                ^",
    );
  });
});
