// How far into a big file we are: for a person at a terminal, and for nobody else.

import { describe, expect, test } from "@jest/globals";
import { spawn } from "node:child_process";
import { openSync, writeSync, closeSync } from "node:fs";
import { Writable } from "node:stream";
import { progressLine } from "../src/explain/progress.ts";
import { openOutput } from "../src/output.ts";
import { cleanEnvironment, directory, logwarden, program } from "./command.ts";

/** Runs a command with a pseudo-terminal of so many columns as its stderr; prints what it was sent. */
const onTerminal = `
import fcntl, os, pty, struct, subprocess, sys, termios
columns, results, stdin = int(sys.argv[1]), sys.argv[2], sys.argv[3]
ours, theirs = pty.openpty()
fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
stdout = {"nobody": subprocess.DEVNULL, "terminal": theirs, "left": subprocess.PIPE}[results]
child = subprocess.Popen(sys.argv[4:], stdin=open(stdin), stdout=stdout, stderr=theirs)
os.close(theirs)
if results == "left":
    child.stdout.read(60_000_000)
    child.stdout.close()
while True:
    try: said = os.read(ours, 65536)
    except OSError: break
    if not said: break
    sys.stdout.buffer.write(said)
sys.exit(child.wait())
`;

interface TerminalOptions {
  columns?: number;
  /** Where the results go: to nobody, to the same terminal, or to a reader that leaves after a while. */
  results?: "nobody" | "terminal" | "left";
  stdin?: string;
  env?: Record<string, string>;
}

/** @returns what the terminal was sent */
function terminal(args: readonly string[], options: TerminalOptions = {}): Promise<string> {
  const { columns = 100, results = "nobody", stdin = "/dev/null", env = {} } = options;
  const command = [process.execPath, program, ...args];
  const child = spawn("python3", ["-c", onTerminal, String(columns), results, stdin, ...command], {
    env: cleanEnvironment({ TERM: "xterm", ...env }),
  });
  let said = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    said += text;
  });
  return new Promise((resolve, reject) =>
    child.once("close", (code) => (code === 0 ? resolve(said) : reject(new Error(`exit code ${code}: ${said}`)))),
  );
}

const line = "Nov 21 04:44:40 gw1 sshd[1]: Failed password for root from 203.0.113.7 port 40024 ssh2\n";

/** Takes a second or so to read. */
function bigFile(mebibytes = 60): string {
  const path = `${directory()}/big.log`;
  const piece = Buffer.from(line.repeat(12_000));
  const file = openSync(path, "w");
  for (let bytes = 0; bytes < mebibytes * 1024 * 1024; bytes += piece.length) writeSync(file, piece);
  closeSync(file);
  return path;
}

const erase = "\r\u001b[K";
/** Each text that stood on the last line for a while, and at the end what was written for good. */
const shownOn = (said: string): string[] => said.split(erase).slice(1);
const bar = /^ {0,2}\d+ % {2}\[#*-*\] {2}\d+ of 6\d MiB {2}[\d,]+ lines {2}[\d,]+ lines\/s {2}\d+:\d\d left$/;

test("a big file shows its progress on one line of the terminal, and takes it away at the end", async () => {
  const shown = shownOn(await terminal(["explain", bigFile()]));
  expect(shown.length).toBeGreaterThan(2);
  expect(shown.slice(0, -1).filter((text) => !bar.test(text))).toEqual([]);
  expect(shown.at(-1)).toBe("");
  const shares = shown.slice(0, -1).map((text) => Number.parseInt(text, 10));
  expect(shares).toEqual([...shares].sort((a, b) => a - b));
});

test("it is taken away before the report is written to the same terminal", async () => {
  const shown = shownOn(await terminal(["explain", bigFile()], { results: "terminal" }));
  expect(shown.slice(0, -1).filter((text) => !bar.test(text))).toEqual([]);
  expect(shown.at(-1)).toMatch(/^\S+big\.log, as sent by any device\r\n/);
  expect(shown.at(-1)).not.toContain(" left");
});

test("it is shown while JSON goes elsewhere, and for a file that a shell opened for us", async () => {
  const big = bigFile();
  expect(shownOn(await terminal(["explain", "--json", big])).filter((text) => bar.test(text))).not.toEqual([]);
  expect(shownOn(await terminal(["explain"], { stdin: big })).filter((text) => bar.test(text))).not.toEqual([]);
});

describe("there is none", () => {
  test("where results scroll over the same terminal", async () => {
    const said = await terminal(["explain", "--json", bigFile(6)], { results: "terminal" });
    expect(said).toMatch(/^\{"line":1,/);
    expect(said).not.toContain("\u001b");
  });

  test("for a small file, or on a terminal that cannot erase", async () => {
    expect(await terminal(["explain", bigFile(1)])).toBe("");
    expect(await terminal(["explain", bigFile()], { env: { TERM: "dumb" } })).toBe("");
  });

  test("when nobody looks on", async () => {
    const run = await logwarden(["explain", bigFile()]);
    expect({ code: run.code, stderr: run.stderr }).toEqual({ code: 0, stderr: "" });
    expect(run.stdout).not.toContain("\u001b");
  });
});

test("it is taken away when the reader of the results has enough", async () => {
  const shown = shownOn(await terminal(["explain", "--json", bigFile()], { results: "left" }));
  expect(shown.filter((text) => bar.test(text))).not.toEqual([]);
  expect(shown.at(-1)).toBe("");
});

test("whatever is written to its terminal, it is taken away first, and control characters in it are shown", async () => {
  let said = "";
  const screen = Object.assign(new Writable({ write: (text, _, done) => done(void (said += String(text))) }), {
    ...{ isTTY: true, columns: 30 },
  });
  const output = openOutput(screen, screen, () => undefined);
  output.progress("1 %");
  await output.line("result");
  output.progress("2 %");
  output.complain("complaint");
  output.progress("3 %\u001b[2J");
  await output.json({ a: 1 });
  expect(said.split(erase)).toEqual(["", "1 %", "result\n", "2 %", "complaint\n", "3 %\\u{1b}[2J", '{"a":1}\n']);
});

describe("a narrow terminal is shown less of it, and never more than fits", () => {
  const read = { read: 126 * 1024 * 1024, all: 300 * 1024 * 1024 };
  test.each([
    [
      200,
      " 42 %  [#################-----------------------]  126 of 300 MiB  1,318,800 lines  439,600 lines/s  0:05 left",
    ],
    [80, " 42 %  [####------]  126 of 300 MiB  1,318,800 lines  439,600 lines/s  0:05 left"],
    [70, " 42 %  126 of 300 MiB  1,318,800 lines  439,600 lines/s  0:05 left"],
    [60, " 42 %  126 of 300 MiB  439,600 lines/s  0:05 left"],
    [40, " 42 %  126 of 300 MiB  0:05 left"],
    [6, " 42 %"],
    [3, " 42"],
  ])("%i columns", (columns, text) => {
    expect(progressLine(read, 1_318_800, 3, columns)).toBe(text);
  });

  test("a file that grew while it was read is not more than read", () => {
    expect(progressLine({ read: 20, all: 10 }, 1, 1, 80)).toMatch(/^100 % .* 0:00 left$/);
  });

  test("hours are told as such", () => {
    expect(progressLine({ read: 1, all: 10_000 }, 1, 1, 80)).toMatch(/2:46:39 left$/);
  });
});
