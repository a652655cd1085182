// What would this log file do? Exactly what the parser would: the same rules and the same refusals, line by line.

import { describe, expect, test } from "@jest/globals";
import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import {
  cleanEnvironment,
  directory,
  file,
  here,
  jsonLines,
  logwarden as asProcess,
  program,
  type Run,
} from "./command.ts";

const logwarden = (args: readonly string[], { stdin = "" }: { stdin?: string | Buffer } = {}): Promise<Run> =>
  here(args, {}, stdin);

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
    "Nov 21 04:44:40 gw1 sshd[2319]: Server listening on 0.0.0.0 port 22.",
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
  const sections = readdirSync("corpus")
    .filter((name) => name !== "README.md")
    .flatMap((name) =>
      readFileSync(`corpus/${name}`, "utf8")
        .split(/^(?=### )/m)
        .slice(1),
    );
  const cases = sections.map((section) => ({
    line: /```log\n(.*)\n```/.exec(section)?.[1] ?? "",
    wanted: JSON.parse(/```json\n([^]*?)```/.exec(section)?.[1] ?? "") as { rule: string } | null,
  }));
  expect(cases.length).toBeGreaterThan(100);
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

const reportOf = (stdout: string): string[] => stdout.split("\n").map((line) => line.trim().replaceAll(/ +/g, " "));

test("the report says how many lines matched and were missed, by rule and by reason", async () => {
  const repeated = `<38>Nov 21 04:44:40 gw1 sshd[1]: message repeated 3 times: [ Failed password for root from 203.0.113.7 port 40024 ssh2]`;
  const log = file(
    "auth.log",
    `${[stateDown, failed("203.0.113.7"), repeated, failed("127.0.0.1"), "hello"].join("\n")}\n`,
  );
  const { code, stdout } = await logwarden(["explain", "--device", "10.0.0.1", log]);
  expect(code).toBe(0);
  const words = reportOf(stdout);
  expect(words[0]).toBe(`${log}, as sent by device (10.0.0.1)`);
  // The busiest rule first, and those that claimed nothing in one line.
  expect(words.slice(2, 6)).toEqual([
    "Rules",
    "3 sshd-failed-password password_failed task 2, refused 1",
    "1 netplugd-state-down interface_down task 1, refused 0",
    expect.stringMatching(/^and \d\d that claimed no line$/),
  ]);
  expect(words).toEqual(
    expect.arrayContaining([
      "4 password_failed 203.0.113.7",
      "1 interface_down eth1",
      "1 never-ban the address is never banned: allowed, our own, or no host's",
      "Lines: 5; matched 4 (task 3, refused 1); missed 1 (unmatched 0, malformed 1)",
    ]),
  );
  expect(stdout).not.toContain("hello");
  expect(stdout).not.toContain("alone");
});

const inertLines = [
  "Nov 21 04:44:40 gw1 sshd[1]: Accepted password for vyos from 203.0.113.8 port 51244 ssh2",
  'Nov 21 04:44:40 web nginx: 203.0.113.9 - - [21/Nov/2026:04:44:40 +0000] "GET /x HTTP/1.1" 404 12 "-" "curl"',
  "Nov 21 04:44:40 web fail2ban.actions[1]: NOTICE [sshd] Ban 203.0.113.10",
  "Nov 21 04:44:40 web fail2ban.actions[1]: NOTICE [sshd] Unban 203.0.113.10",
];

test("nobody is led to believe that each 404 bans: what nothing is done for alone stands apart", async () => {
  const { stdout } = await logwarden(["explain"], { stdin: [...inertLines, failed("203.0.113.7")].join("\n") });
  const words = reportOf(stdout);
  expect(words).toContain("1 nginx-access http_error task 1, refused 0 no policy: nothing is done");
  const asked = words.slice(words.indexOf("Asked for"));
  expect(asked).toEqual([
    ...["Asked for", "1 password_failed 203.0.113.7", ""],
    "Told, and no policy does anything about it",
    ...["1 login_succeeded 203.0.113.8", "1 http_error 203.0.113.9 404"],
    ...["1 peer_ban 203.0.113.10 ban", "1 peer_ban 203.0.113.10 unban", ""],
    "Lines: 5; matched 5 (task 5, refused 0); missed 0 (unmatched 0, malformed 0)",
    "Tasks: 5; 1 count for a policy, the other 4 lead to nothing",
    "",
  ]);
});

test("what counts is what the policies of the inventory say, of a type or of one rule", async () => {
  const config = file(
    "logwarden.yaml",
    "devices: { web: { address: 10.0.0.1 } }\nallow: []\npolicies: { http_error: { rules: { nginx-limit-req: {} } } }\n",
  );
  const { stdout } = await logwarden(["explain", "--config", config], {
    stdin: [...inertLines, failed("203.0.113.7")].join("\n"),
  });
  const words = reportOf(stdout);
  expect(words).toContain("1 nginx-access http_error task 1, refused 0");
  expect(words).toContain("1 sshd-failed-password password_failed task 1, refused 0 no policy: nothing is done");
  expect(words).toContain("Tasks: 5; 1 count for a policy, the other 4 lead to nothing");
});

describe("--clock", () => {
  test.each([
    ["2026-11-21T04:44:40Z", "2026-11-21T04:44:40.000Z"],
    ["2026-11-21T13:44:40.123456+09:00", "2026-11-21T04:44:40.123Z"],
    ["2026-12-31T23:30:00-01:30", "2027-01-01T01:00:00.000Z"],
    ["2028-02-29T00:00:00.5Z", "2028-02-29T00:00:00.500Z"],
  ])("%s: tasks carry it as their time, %s", async (clock, at) => {
    expect(await explained([failed("203.0.113.7")], "--clock", clock)).toMatchObject([{ task: { at } }]);
  });

  test("without it tasks have no time: when a line was received is not in the file", async () => {
    const [verdict] = await explained([failed("203.0.113.7")]);
    expect(verdict?.["task"]).not.toHaveProperty("at");
  });

  test.each([
    ["2026", "expected ISO 8601"],
    ["Nov 21 04:44:40", "expected ISO 8601"],
    ["2026-11-21", "expected ISO 8601"],
    ["2026-11-21 04:44:40Z", "expected ISO 8601"],
    ["2026-11-21T04:44:40", "expected an offset from UTC"],
    ["2026-02-30T00:00:00Z", "there is no such day"],
    ["2026-13-01T00:00:00Z", "there is no such day"],
    ["2026-11-21T24:00:00Z", "there is no such time of day"],
    ["2026-11-21T23:59:60Z", "there is no such time of day"],
    ["2026-11-21T04:44:40+24:00", "there is no offset +24:00"],
  ])("%s is refused: %s", async (clock, why) => {
    const run = await logwarden(["explain", "--clock", clock]);
    expect(run).toMatchObject({ code: 2, stdout: "", stderr: expect.stringContaining(`--clock "${clock}": ${why}`) });
    expect(run.stderr).toContain("for example 2026-11-21T04:44:40Z");
  });
});

describe("--match tries a rule of one's own", () => {
  const vpn = (text: string): string => `Nov 21 04:44:40 gw1 vpnd[7]: ${text}`;
  const match = "denied {user} from {address:ip}";

  test("on the lines of its program, before all other rules", async () => {
    const sshd = "Failed password for {user} from {address:ip} port {port:int} ssh2";
    const lines = [vpn("denied x from 192.0.2.1 from 203.0.113.7"), failed("203.0.113.8"), "x"];
    expect(await explained(lines, "--match", match, "--program", "vpnd")).toMatchObject([
      {
        rule: "tried",
        task: { type: "password_failed", from: "203.0.113.7", user: "x from 192.0.2.1", rule: "tried" },
      },
      { rule: "sshd-failed-password" },
      { outcome: "malformed" },
    ]);
    const args = ["--match", sshd, "--match", match, "--program", "sshd", "--program", "vpnd", "--type", "http_error"];
    expect(await explained(lines, ...args)).toMatchObject([
      { rule: "tried", task: { type: "http_error" } },
      { rule: "tried", task: { type: "http_error", from: "203.0.113.8" } },
      { outcome: "malformed" },
    ]);
  });

  test("beside those of the configuration, of which one may be nearly the same", async () => {
    const own = `{ name: vpn-denied, program: vpnd, match: "${match}", type: user_invalid }`;
    const config = file("logwarden.yaml", `devices: { a: { address: 10.0.0.1 } }\nallow: []\nrules: { own: [${own}] }`);
    const lines = [vpn("denied x from 203.0.113.7")];
    expect(await explained(lines, "--config", config)).toMatchObject([{ rule: "vpn-denied" }]);
    const tried = ["--match", match, "--program", "vpnd"];
    expect(await explained(lines, "--config", config, ...tried)).toMatchObject([{ rule: "tried" }]);
    const { stdout } = await logwarden(["explain", "--config", config, ...tried], { stdin: lines.join("\n") });
    expect(reportOf(stdout)).toEqual(
      expect.arrayContaining([
        "1 tried password_failed task 1, refused 0",
        "0 vpn-denied user_invalid task 0, refused 0 your own",
      ]),
    );
  });

  test.each([
    [
      "its words",
      vpn("denied: x from 203.0.113.7"),
      "lines of vpnd that no rule claimed: 1, --print-missed shows them",
    ],
    ["its program's name", failed("203.0.113.7"), "no line of vpnd was read: is that how it names itself in the log?"],
  ])("and says why it claims nothing: %s", async (_, line, why) => {
    const { stdout } = await logwarden(["explain", "--match", match, "--program", "vpnd"], { stdin: line });
    expect(reportOf(stdout)).toEqual(expect.arrayContaining(["The tried rule claimed no line", why]));
  });

  test("with all the complaints that it would get in the configuration", async () => {
    const args = ["--match", "{user} and {what} from {address:ip}", "--match", "denied {user}", "--program", "vpnd"];
    expect(await logwarden(["explain", ...args])).toEqual({
      ...{ code: 2, stdout: "" },
      stderr: `The configuration cannot be used:
  the tried rule: two free-text fields: where one ends would be the attacker's choice
      {user} and {what} from {address:ip}
                 ^
      give one of them a kind: {name:word} ends at a space, {name:int} at what is no digit
  the tried rule: password_failed needs {address:ip}, and the template has none: write it where the address stands
      denied {user}
`,
    });
    const badProgram = await logwarden(["explain", "--match", match, "--program", "vpn d"]);
    expect(badProgram).toMatchObject({
      ...{ code: 2, stderr: expect.stringContaining("the tried rule: --program: expected a program's name") },
    });
  });

  test.each([
    [["--match", match], "--match needs --program"],
    [["--program", "vpnd"], "--program says who writes the lines of --match"],
    [["--match", match, "--program", "vpnd", "--type", "pasword_failed"], 'did you mean "password_failed"?'],
    [["--match", match, "--program", "vpnd", "--type", "ban"], "types are password_failed, interface_down"],
  ])("and asks for what is missing: %j", async (args, words) => {
    const { code, stderr } = await logwarden(["explain", ...args]);
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining(words) });
  });
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
  const run = await asProcess(["explain", "--json"], { stdin, env: { NODE_OPTIONS: "--max-old-space-size=48" } });
  expect(jsonLines(run)).toMatchObject([{ outcome: "malformed", reason: "frame-too-long" }, { outcome: "task" }]);
});

test("a file larger than the memory it is given is explained to its end", async () => {
  // 100 000 lines, 81 MB when kept, through a heap of 48 MB, of which the program with its rules takes 21: bytes are what counts here,
  // so the lines are long rather than many.
  const log = file(
    "big.log",
    `${failed("203.0.113.7")}\n${`Nov 21 04:44:40 gw1 ntpd[1]: ${"x".repeat(970)}\n`.repeat(4)}`.repeat(800),
  );
  const stdin = Buffer.concat(Array.from({ length: 25 }, () => readFileSync(log)));
  const { code, stdout } = await asProcess(["explain"], { stdin, env: { NODE_OPTIONS: "--max-old-space-size=48" } });
  expect(code).toBe(0);
  expect(stdout).toContain("Lines: 100000; matched 20000");
});
