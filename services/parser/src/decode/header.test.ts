import { describe, expect, test } from "@jest/globals";
import { Header } from "./header.ts";

function decode(line: string, to = line.length) {
  const header = new Header();
  const bytes = Buffer.from(line, "latin1");
  if (!header.read(bytes, 0, to) || !header.readText(bytes, to)) return undefined;
  const { facility, programFrom, programTo, textFrom } = header;
  return { facility, program: line.slice(programFrom, programTo), text: line.slice(textFrom, to) };
}

describe("a header is read", () => {
  test.each([
    ["<38>Nov 21 04:44:40 gw1 sshd[2319]: hello", { facility: 4, program: "sshd", text: "hello" }],
    ["<38>Nov  1 04:44:40 gw1 sshd: hello", { facility: 4, program: "sshd", text: "hello" }],
    ["<6>Nov 21 04:44:40 gw1 kernel: [ 12.3] eth1: up", { facility: 0, program: "kernel", text: "[ 12.3] eth1: up" }],
    ["<30>Nov 21 04:44:40 gw1 netplugd[812]: ", { facility: 3, program: "netplugd", text: "" }],
    ["Nov 21 04:44:40 gw1 sshd[2319]: hello", { facility: -1, program: "sshd", text: "hello" }],
    ["<38>2026-11-21T04:44:36.689151+00:00 gw1 sshd[7]: hello", { facility: 4, program: "sshd", text: "hello" }],
    ["2026-11-21T04:44:36+01:00 gw1 sshd[7]: hello", { facility: -1, program: "sshd", text: "hello" }],
    ["<13>Nov 21 04:44:40 gw1 last message repeated", { facility: 1, program: "last", text: "message repeated" }],
    ["<38>1 2026-11-21T04:44:36Z gw1 sshd 2317 - -  hello", { facility: 4, program: "sshd", text: "hello" }],
    ["<38>1 - - sshd - - - \u00ef\u00bb\u00bfhello", { facility: 4, program: "sshd", text: "hello" }],
    ['<38>1 - - sshd - - [a b="\\]"][c] hello', { facility: 4, program: "sshd", text: "hello" }],
    ["<38>1 - - sshd - - -", { facility: 4, program: "sshd", text: "" }],
  ])("%s", (line, wanted) => expect(decode(line)).toEqual(wanted));
});

describe("no header is read", () => {
  test.each([
    [""],
    ["hello"],
    ["<>Nov 21 04:44:40 gw1 sshd: x"],
    ["<192>Nov 21 04:44:40 gw1 sshd: x"],
    ["<3x>Nov 21 04:44:40 gw1 sshd: x"],
    ["<38"],
    ["<38>Nov 21 04:44:40"],
    ["<38>2026-11-21T04:44:36Z"],
    ["<38>Nov 21 04:44:40 gw1"],
    ["<38>1 2026-11-21T04:44:36Z gw1 sshd"],
    ['<38>1 - - sshd - - [a b="c'],
    ["<38>1 - - sshd - - nonsense hello"],
    [`<38>Nov 21 04:44:40 gw1 ${"x".repeat(100)}: hello`],
    [`<38>Nov 21 04:44:40 ${"h".repeat(300)} sshd: hello`],
  ])("%j", (line) => expect(decode(line)).toBeUndefined());
});

test("nothing outside the line is looked at", () => {
  const text = "<38>Nov 21 04:44:40 gw1 sshd[2319]: hello";
  for (let to = 0; to <= text.length; to++) {
    expect(decode(text, to)).toEqual(decode(text.slice(0, to)));
  }
});
