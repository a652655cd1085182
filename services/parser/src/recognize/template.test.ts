import { describe, expect, test } from "@jest/globals";
import { compileTemplate, TemplateError } from "./template.ts";

const match = (template: string, line: string) => compileTemplate(template)(line, 0, line.length);

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
    expect(compileTemplate(sshd)(text, 1, 1 + line.length)).toMatchObject({ address: "192.0.2.7" });
    expect(compileTemplate(sshd)(text, 1, line.length)).toBeUndefined();
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
  ])("%s: %s", (template, message) => {
    expect(() => compileTemplate(template)).toThrow(TemplateError);
    expect(() => compileTemplate(template)).toThrow(message);
  });
});
