// What would this log file do? Exactly what the parser would: the same rules and the same refusals, line by line.

import { describe, expect, test } from "@jest/globals";
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { cleanEnvironment, directory, file, jsonLines, logwarden, program } from "./command.ts";

const failed = (from: string, user = "root"): string =>
  `Nov 21 04:44:40 gw1 sshd[2319]: Failed password for ${user} from ${from} port 40024 ssh2`;
const stateDown =
  "<30>Aug 26 16:07:59 vyos netplugd[703]: eth1: state DOWN flags 0x00001002 BROADCAST,MULTICAST -> 0x00011043 UP,BROADCAST,RUNNING,MULTICAST,10000";
const linkLost =
  "<30>Aug 26 16:07:59 vyos netplugd[703]: eth0: state ACTIVE flags 0x00011043 UP,BROADCAST,RUNNING,MULTICAST,10000 -> 0x00001003 UP,BROADCAST,MULTICAST";

const inventory = `
devices:
  edge-1: { address: 10.10.10.201, protect: [eth0] }
  edge-2: { address: "2001:db8::202" }
rules: { disabled: [netplugd-state-down] }
allow: [198.51.100.0/24]
`;

async function explained(lines: readonly string[], ...args: string[]): Promise<Record<string, unknown>[]> {
  const run = await logwarden(["explain", "--json", ...args], { stdin: lines.map((line) => `${line}\n`).join("") });
  expect(run).toMatchObject({ code: 0, stderr: "" });
  return jsonLines(run);
}

test("each line is one object, in order, with what the parser would make of it", async () => {
  const lines = [
    `<38>${failed("203.0.113.7")}`,
    "Nov 21 04:44:40 gw1 sshd[2319]: Accepted password for vyos from 203.0.113.8 port 51244 ssh2",
    failed("127.0.0.1"),
    "hello",
    stateDown,
  ];
  const host = "10.0.0.1";
  const none = { rule: null, task: null };
  expect(await explained(lines, "--device", host)).toEqual([
    {
      ...{ line: 1, outcome: "task", rule: "sshd-failed-password", reason: null, detail: null },
      task: {
        host,
        type: "password_failed",
        from: "203.0.113.7",
        v: 1,
        rule: "sshd-failed-password",
        count: 1,
        user: "root",
      },
    },
    { line: 2, outcome: "unmatched", ...none, reason: "no-rule-fits", detail: "sshd" },
    {
      ...{ line: 3, outcome: "refused", rule: "sshd-failed-password", task: null, reason: "never-ban" },
      detail: "127.0.0.1: loopback (RFC 1122 §3.2.1.3)",
    },
    { line: 4, outcome: "malformed", ...none, reason: "no-syslog-header", detail: null },
    {
      ...{ line: 5, outcome: "task", rule: "netplugd-state-down", reason: null, detail: null },
      task: { host, type: "interface_down", interface: "eth1", v: 1, rule: "netplugd-state-down", count: 1 },
    },
  ]);
});

test("with or without <PRI>, a line means the same", async () => {
  const [plain, framed] = await explained([failed("203.0.113.7"), `<38>${failed("203.0.113.7")}`]);
  expect({ ...plain, line: 0 }).toEqual({ ...framed, line: 0 });
});

test("every case of the corpus is explained as the corpus says", async () => {
  const sections = ["sshd", "link-state", "hostile", "not-events"].flatMap((name) =>
    readFileSync(`corpus/${name}.md`, "utf8")
      .split(/^(?=### )/m)
      .slice(1),
  );
  const cases = sections.map((section) => ({
    line: /```log\n(.*)\n```/.exec(section)?.[1] ?? "",
    wanted: JSON.parse(/```json\n([^]*?)```/.exec(section)?.[1] ?? "") as { rule: string } | null,
  }));
  expect(cases.length).toBeGreaterThan(20);
  const verdicts = await explained(cases.map(({ line }) => line));
  // What an allow list makes of an event is not the corpus's matter: an event may be refused, but never missed.
  expect(verdicts.map(({ rule }) => rule)).toEqual(cases.map(({ wanted }) => wanted?.rule ?? null));
});

describe("with an inventory", () => {
  test("its allow list, its own addresses, its protected interfaces and its switched-off rules count", async () => {
    const config = file("logwarden.yaml", inventory);
    const lines = [failed("198.51.100.7"), failed("2001:DB8:0::202"), linkLost, stateDown, failed("203.0.113.7")];
    const verdicts = await explained(lines, "--config", config, "--device", "edge-1");
    expect(verdicts).toMatchObject([
      { outcome: "refused", reason: "never-ban", detail: "198.51.100.7: allow 198.51.100.0/24" },
      { outcome: "refused", reason: "never-ban", detail: "2001:db8::202: address of edge-2" },
      { outcome: "refused", reason: "protected", detail: "eth0 of edge-1" },
      { outcome: "unmatched", reason: "rule-off", rule: "netplugd-state-down" },
      { outcome: "task", task: { host: "10.10.10.201" } },
    ]);
    const other = await explained([linkLost], "--config", config, "--device", "2001:DB8::0:202");
    expect(other).toMatchObject([{ outcome: "task", task: { host: "2001:db8::202", interface: "eth0" } }]);
  });

  test("who sent the lines must be said when there are several devices, and be one of them", async () => {
    const config = file("logwarden.yaml", inventory);
    expect(await logwarden(["explain", "--config", config])).toMatchObject({
      ...{ code: 2, stdout: "", stderr: expect.stringContaining("expected --device, one of edge-1, edge-2") },
    });
    expect(await logwarden(["explain", "--config", config, "--device", "edge-3"])).toMatchObject({
      ...{ code: 2, stdout: "", stderr: expect.stringContaining('has no device "edge-3"; devices are edge-1, edge-2') },
    });
  });

  test("one that cannot be used exits 2 with every complaint", async () => {
    const config = file("logwarden.yaml", "devices: { edge-1: { address: x } }\nalow: []\n");
    const { code, stderr } = await logwarden(["explain", "--config", config]);
    expect(code).toBe(2);
    for (const words of ["devices.edge-1.address", '"alow"', "allow: must be written out"]) {
      expect(stderr).toContain(words);
    }
  });
});

describe("hostile files", () => {
  test("a line over 8192 bytes is malformed, however long it is, and its neighbours are read", async () => {
    const lines = [
      failed("203.0.113.1"),
      "x".repeat(3_000_000),
      failed("203.0.113.2"),
      failed("203.0.113.3", "y".repeat(8192)),
    ];
    expect(await explained(lines)).toMatchObject([
      { line: 1, outcome: "task" },
      { line: 2, outcome: "malformed", reason: "frame-too-long" },
      { line: 3, outcome: "task", task: { from: "203.0.113.2" } },
      { line: 4, outcome: "malformed", reason: "frame-too-long" },
    ]);
  });

  test("a line of exactly 8192 bytes is read", async () => {
    const room = 8192 - failed("203.0.113.3", "").length;
    expect(await explained([failed("203.0.113.3", "y".repeat(room))])).toMatchObject([{ outcome: "task" }]);
  });

  test("only LF ends a line: a CR in a name begins no second one", async () => {
    const lines = [failed("203.0.113.1", `x\r${failed("192.0.2.1")}`)];
    expect(await explained(lines)).toMatchObject([{ line: 1, outcome: "task", task: { from: "203.0.113.1" } }]);
  });

  test("CRLF files, empty lines and a last line without an end are what they look like", async () => {
    const stdin = `${failed("203.0.113.1")}\r\n\r\n\n${failed("203.0.113.2")}`;
    const run = await logwarden(["explain", "--json", "-"], { stdin });
    expect(jsonLines(run)).toMatchObject([
      { line: 1, outcome: "task" },
      { line: 2, outcome: "malformed", reason: "empty" },
      { line: 3, outcome: "malformed", reason: "empty" },
      { line: 4, outcome: "task", task: { from: "203.0.113.2" } },
    ]);
  });

  test("nothing that a log holds reaches the terminal as a control character", async () => {
    const line = "Nov 21 04:44:40 gw1 cr\u001b]0;x\u0007on[1]: \u009b31m \u202e red";
    for (const args of [
      ["explain", "--print-missed"],
      ["explain", "--json", "--print-missed"],
    ]) {
      const { stdout } = await logwarden(args, { stdin: `${line}\n` });
      expect(stdout).toContain("red");
      expect(stdout.replaceAll("\n", "")).not.toMatch(/[\p{Cc}\p{Cf}]/u);
    }
  });

  test("names are text, whatever their encoding", async () => {
    const stdin = Buffer.from(`${failed("203.0.113.1", "Jörg")}\n${failed("203.0.113.2", "J\xf6rg")}\n`, "utf8");
    const broken = Buffer.concat([stdin, Buffer.from(`${failed("203.0.113.3", "J\xf6rg")}\n`, "latin1")]);
    expect(jsonLines(await logwarden(["explain", "--json"], { stdin: broken }))).toMatchObject([
      { task: { user: "Jörg" } },
      { task: { user: "Jörg" } },
      { task: { user: "J\ufffdrg" } },
    ]);
  });
});

test("an empty file has no lines", async () => {
  expect(await logwarden(["explain", "--json", file("empty.log", "")])).toEqual({ code: 0, stdout: "", stderr: "" });
  const { stdout } = await logwarden(["explain", file("empty.log", "")]);
  expect(stdout).toContain("Lines: 0; matched 0 (task 0, refused 0); missed 0 (unmatched 0, malformed 0)");
});

test("the report says how many lines matched and were missed, by rule and by reason", async () => {
  const repeated = `<38>Nov 21 04:44:40 gw1 sshd[1]: message repeated 3 times: [ Failed password for root from 203.0.113.7 port 40024 ssh2]`;
  const log = file(
    "auth.log",
    `${[failed("203.0.113.7"), repeated, failed("127.0.0.1"), "hello", stateDown].join("\n")}\n`,
  );
  const { code, stdout } = await logwarden(["explain", "--device", "10.0.0.1", log]);
  expect(code).toBe(0);
  const words = stdout.split("\n").map((line) => line.trim().replaceAll(/ +/g, " "));
  expect(words[0]).toBe(`${log}, as sent by device (10.0.0.1)`);
  expect(words).toEqual(
    expect.arrayContaining([
      "3 sshd-failed-password task 2, refused 1",
      "1 netplugd-state-down task 1, refused 0",
      "4 password_failed 203.0.113.7",
      "1 interface_down eth1",
      "1 never-ban the address is never banned: allowed, our own, or no host's",
      "Lines: 5; matched 4 (task 3, refused 1); missed 1 (unmatched 0, malformed 1)",
    ]),
  );
  expect(stdout).not.toContain("hello");
});

test("--print-missed prints the lines that no rule claims, with their numbers and reasons", async () => {
  const stdin = `${failed("203.0.113.7")}\nhello\nNov 21 04:44:40 gw1 ntpd[1]: tick\n${failed("127.0.0.1")}\n`;
  const { stdout } = await logwarden(["explain", "--print-missed"], { stdin });
  expect(stdout.split("\n\n")[0]).toBe(
    "Missed lines\n  2 no-syslog-header: hello\n  3 no-rule-for-program: Nov 21 04:44:40 gw1 ntpd[1]: tick",
  );
  expect(await explained(["hello"], "--print-missed")).toMatchObject([{ text: "hello" }]);
});

test("a file that cannot be read exits 1 and says why", async () => {
  const where = directory();
  expect(await logwarden(["explain", `${where}/none.log`])).toEqual({
    ...{ code: 1, stdout: "", stderr: `logwarden explain: cannot read ${where}/none.log: there is no such file\n` },
  });
  expect(await logwarden(["explain", where])).toMatchObject({
    ...{ code: 1, stderr: expect.stringContaining("it is a directory") },
  });
});

test("an answer comes before the file has ended: a stream is read as it grows", async () => {
  const child = spawn(process.execPath, [program, "explain", "--json"], { env: cleanEnvironment() });
  try {
    const first = new Promise<string>((resolve) => child.stdout.setEncoding("utf8").once("data", resolve));
    child.stdin.write(`${failed("203.0.113.1")}\n`);
    expect(JSON.parse(await first)).toMatchObject({ line: 1, outcome: "task" });
  } finally {
    child.kill("SIGKILL");
  }
});

test("a line without an end is not kept, however long it grows", async () => {
  const stdin = Buffer.concat([Buffer.alloc(100_000_000, "x"), Buffer.from(`\n${failed("203.0.113.7")}`)]);
  const run = await logwarden(["explain", "--json"], { stdin, env: { NODE_OPTIONS: "--max-old-space-size=32" } });
  expect(jsonLines(run)).toMatchObject([{ outcome: "malformed", reason: "frame-too-long" }, { outcome: "task" }]);
});

test("a file larger than the memory it is given is explained to its end", async () => {
  // A million lines, 42 MB as they stand and twice that when kept, through a heap of 32 MB.
  const log = file("big.log", `${failed("203.0.113.7")}\n${"Nov 21 04:44:40 gw1 ntpd[1]: x\n".repeat(4)}`.repeat(8000));
  const stdin = Buffer.concat(Array.from({ length: 25 }, () => readFileSync(log)));
  const { code, stdout } = await logwarden(["explain"], { stdin, env: { NODE_OPTIONS: "--max-old-space-size=32" } });
  expect(code).toBe(0);
  expect(stdout).toContain("Lines: 1000000; matched 200000");
});
