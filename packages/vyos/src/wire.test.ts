import { readFileSync } from "node:fs";
import { describe, expect, test } from "@jest/globals";
import { type Answer, configureOutcome, existsOutcome, saveOutcome, treeOutcome, valuesOutcome } from "./wire.ts";

/** As the server writes it: Python's json.dumps with its spaces. */
function failure(error: string): string {
  return `{"success": false, "error": ${JSON.stringify(error)}, "data": null}`;
}
function success(data: unknown): string {
  return `{"success": true, "data": ${JSON.stringify(data)}, "error": null}`;
}
function nginx(title: string): string {
  return `<html>\r\n<head><title>${title}</title></head>\r\n<body>\r\n<center><h1>${title}</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n`;
}

const lock = "Configuration system temporarily locked due to another commit in progress\n";
const commitFailed = "[ firewall ]\nFirewall said no\n\n[[firewall]] failed\nCommit failed\n";
const invalid =
  "Error: 999.1.1.1 is not a valid IPv4 address range\n\nError: 999.1.1.1 is not a valid IPv4 address\n\n\n\nInvalid value\nValue validation failed\nSet failed\n";
const dict = "{'op': 'set', 'path': ['firewall', 'group', 'address-group', 'BAD_GUYS', 'address', '192.0.2.13']}";

describe("an error of /configure", () => {
  test.each<[kind: string, status: number, text: string]>([
    ["refused-key", 401, "Valid API key is required"],
    ["refused-key", 422, "Valid API key is required"],
    ["refused-key", 400, `Malformed command '${dict}': missing 'section' or 'config' field`],
    ["rejected", 422, "Non-empty data field is required"],
    ["rejected", 400, "Failed to parse JSON: Expecting value: line 1 column 7 (char 6)"],
    ["rejected", 400, "Malformed command 'x': any command must be JSON of dict"],
    ["rejected", 400, "Malformed command '{'path': ['a']}': missing 'op' field"],
    ["rejected", 400, "Malformed command '{'op': 'set'}': missing 'path' field"],
    ["rejected", 400, "Malformed command \"{'path': ['a']}\": missing \"op\" field"],
    ["rejected", 400, "Malformed command '{'op': 'set', 'path': 'a b'}': 'path' field must be a list"],
    ["rejected", 400, "Malformed command '0': 'path' field must be a list of strings"],
    ["rejected", 400, "Malformed command '{'op': 'set', 'path': []}': 'path' list must be non-empty"],
    ["rejected", 400, "Malformed command '{'op': 'set', 'path': ['a'], 'value': 1}': 'value' field must be a string"],
    ["rejected", 400, "'frobnicate' is not a valid operation"],
    ["rejected", 400, '"frobnicate" is not a valid operation'],
    ["rejected", 400, "empty path"],
    ["rejected", 400, "Configuration path: [firewall group nonsense x] is not valid\n\nSet failed\n"],
    ["rejected", 400, "Configuration path: [firewall nope] is not valid\n\nDelete failed\n"],
    ["rejected", 400, "Configuration path: [... address] requires a value\nSet failed\n"],
    ["rejected", 400, invalid],
    ["rejected", 400, `Malformed range 999.1.1.1: must be a pair of hyphen-separated IPv4 addresses\n${invalid}`],
    ["rejected", 400, "The specified config node does not exist\nComment failed\n"],
    [
      "rejected",
      400,
      "Cannot delete [firewall group address-group BAD_GUYS address 192.0.2.250]: path/value does not exist",
    ],
    ["rejected", 400, "Useless set, path: firewall group address-group BAD_GUYS address 192.0.2.1"],
    ["rejected", 400, "Non-existent path"],
    // A value that quotes other verdicts: only whole lines count.
    ["rejected", 400, "Configuration path: [firewall Commit failed [[x]] failed] is not valid\n\nSet failed\n"],
    [
      "rejected",
      400,
      "Traceback (most recent call last):\n  validator\n\n\nInvalid value\nValue validation failed\nSet failed\n",
    ],
    ["failed-commit", 400, commitFailed],
    ["failed-commit", 400, "delete [ firewall group address-group BAD_GUYS ] failed\nCommit failed\n"],
    ["failed-commit", 400, "delete [ firewall ] failed\n"],
    ["failed-commit", 400, "[[interfaces ethernet eth1]] failed\n"],
    ["failed-commit", 400, '[ firewall ]\nInvalid address-group "X" on firewall rule\n\n'],
    // A script that fell over, and one that met a lock of its own: parts may be applied all the same.
    ["failed-commit", 400, `[ firewall ]\nTraceback (most recent call last):\n${commitFailed}`],
    ["failed-commit", 400, `[ firewall ]\n${lock}\n[[firewall]] failed\nCommit failed\n`],
    ["busy", 400, lock],
    ["unknown", 400, "Traceback (most recent call last):\n  File x\nFileNotFoundError: y\n"],
    ["unknown", 400, "config session unavailable; retry"],
    ["unknown", 500, "An internal error occured. Check the logs for details."],
  ])("is %s: %i %j", (kind, status, text) => {
    const outcome = configureOutcome({ status, body: failure(text) });
    expect(outcome).toMatchObject({ kind, text });
    if (kind === "rejected") expect(outcome).toMatchObject({ status });
    if (kind === "unknown") expect(outcome).toMatchObject({ reason: "server-error" });
  });

  test("is unescaped, because rolling releases escape it", () => {
    const body = failure("Error: &lt;b&gt; &amp;lt; is not valid\nSet failed\n");
    expect(configureOutcome({ status: 400, body })).toEqual({
      kind: "rejected",
      status: 400,
      text: "Error: <b> &lt; is not valid\nSet failed\n",
    });
  });
});

describe("an answer that is not of the API itself", () => {
  test.each<[status: number, body: string, outcome: object]>([
    [
      400,
      '{"detail":"There was an error parsing the body"}',
      { kind: "rejected", status: 400, text: "There was an error parsing the body" },
    ],
    [400, nginx("400 Bad Request"), { kind: "rejected", status: 400 }],
    [
      403,
      nginx("403 Forbidden"),
      { kind: "unreachable", reason: "client-refused", text: "403 Forbidden 403 Forbidden nginx" },
    ],
    [404, '{"detail":"Not Found"}', { kind: "unreachable", reason: "api-absent", text: "Not Found" }],
    [404, nginx("404 Not Found"), { kind: "unreachable", reason: "api-absent" }],
    [405, '{"detail":"Method Not Allowed"}', { kind: "rejected", status: 405, text: "Method Not Allowed" }],
    [413, nginx("413 Request Entity Too Large"), { kind: "rejected", status: 413 }],
    [502, nginx("502 Bad Gateway"), { kind: "unknown", reason: "gateway" }],
    [504, nginx("504 Gateway Time-out"), { kind: "unknown", reason: "gateway" }],
    [503, nginx("503 Service Temporarily Unavailable"), { kind: "unreachable", reason: "api-off" }],
    [
      200,
      '{"error": "Start service in configuration mode: set service https api"}',
      { kind: "unreachable", reason: "api-off" },
    ],
    [
      200,
      '{"error": "service https api unavailable at this proxy address: set service https api-restrict virtual-host"}',
      { kind: "unreachable", reason: "api-off" },
    ],
    [500, "Internal Server Error", { kind: "unknown", reason: "server-error", text: "Internal Server Error" }],
    [500, "", { kind: "unknown", reason: "server-error", text: "status 500, empty body" }],
    [501, nginx("501 Not Implemented"), { kind: "unknown", reason: "server-error" }],
    [301, nginx("301 Moved Permanently"), { kind: "unknown", reason: "odd-answer" }],
    [204, "", { kind: "unknown", reason: "odd-answer" }],
    [429, "slow down", { kind: "unknown", reason: "odd-answer" }],
    [
      200,
      "<html><body>Sign in to the network</body></html>",
      { kind: "unknown", reason: "not-json", text: "Sign in to the network" },
    ],
    [200, "", { kind: "unknown", reason: "not-json" }],
    [200, '{"success": true, "data": nul', { kind: "unknown", reason: "not-json" }],
    [200, "null", { kind: "unknown", reason: "odd-answer" }],
    [200, "[]", { kind: "unknown", reason: "odd-answer" }],
    [200, '"success"', { kind: "unknown", reason: "odd-answer" }],
    [200, "{}", { kind: "unknown", reason: "odd-answer" }],
    [200, '{"error": "something else"}', { kind: "unknown", reason: "odd-answer" }],
    [200, '{"success": "true", "data": null, "error": null}', { kind: "unknown", reason: "odd-answer" }],
    [200, '{"success": false, "error": "no", "data": null}', { kind: "unknown", reason: "odd-answer" }],
    [
      200,
      '{"success": false, "error": "Start service in configuration mode"}',
      { kind: "unknown", reason: "odd-answer" },
    ],
    [200, '{"operation": {"op_id": "1", "status": "queued"}}', { kind: "unknown", reason: "odd-answer" }],
  ])("%i %s", (status, body, expected) => {
    for (const outcome of [configureOutcome, saveOutcome, valuesOutcome, existsOutcome, treeOutcome]) {
      expect(outcome({ status, body })).toMatchObject(expected);
    }
  });
});

describe("a success", () => {
  test("of /configure says nothing, or the warnings of the commit", () => {
    expect(configureOutcome({ status: 200, body: success(null) })).toEqual({ kind: "done", data: null });
    expect(configureOutcome({ status: 200, body: success("[ firewall ]\nWARNING: something non fatal\n\n") })).toEqual({
      kind: "done",
      data: "[ firewall ]\nWARNING: something non fatal\n\n",
    });
  });

  test("of /configure is none while the commit is still to come", () => {
    const text = "Requested HTTP API server configuration change; commit will be called in the background";
    expect(configureOutcome({ status: 200, body: success(text) })).toEqual({
      kind: "unknown",
      reason: "background",
      text,
    });
  });

  test("of save says nothing (1.4 and later) or what the program printed (1.3)", () => {
    expect(saveOutcome({ status: 200, body: success("") })).toEqual({ kind: "done", data: null });
    expect(
      saveOutcome({ status: 200, body: success("Saving configuration to '/config/config.boot'...\nDone\n") }),
    ).toEqual({
      kind: "done",
      data: "Saving configuration to '/config/config.boot'...\nDone\n",
    });
  });

  test("of a read carries the data", () => {
    expect(valuesOutcome({ status: 200, body: success([]) })).toEqual({ kind: "done", data: [] });
    expect(valuesOutcome({ status: 200, body: success(["192.0.2.1"]) })).toEqual({ kind: "done", data: ["192.0.2.1"] });
    expect(existsOutcome({ status: 200, body: success(false) })).toEqual({ kind: "done", data: false });
    expect(treeOutcome({ status: 200, body: success({ address: "192.0.2.1" }) })).toEqual({
      kind: "done",
      data: { address: "192.0.2.1" },
    });
  });

  test("has data of its type, or we do not know what we asked", () => {
    const odd: [(answer: Answer) => object, unknown][] = [
      [configureOutcome, []],
      [configureOutcome, { op_id: 1 }],
      [saveOutcome, true],
      [valuesOutcome, null],
      [valuesOutcome, "192.0.2.1"],
      [valuesOutcome, ["192.0.2.1", 2]],
      [existsOutcome, null],
      [existsOutcome, "true"],
      [treeOutcome, []],
      [treeOutcome, null],
      [treeOutcome, "address 192.0.2.1"],
    ];
    for (const [outcome, data] of odd) {
      expect(outcome({ status: 200, body: success(data) })).toMatchObject({ kind: "unknown", reason: "odd-answer" });
    }
    expect(configureOutcome({ status: 200, body: '{"success": true}' })).toMatchObject({ reason: "odd-answer" });
  });
});

describe("/retrieve showConfig", () => {
  test("an empty or absent node is an empty tree", () => {
    const body = failure("Configuration under specified path is empty\n");
    expect(treeOutcome({ status: 400, body })).toEqual({ kind: "done", data: {} });
    expect(valuesOutcome({ status: 400, body })).toMatchObject({ kind: "rejected" });
  });

  test("a path that the schema does not know is rejected", () => {
    const body = failure("Specified configuration path is not valid\n");
    expect(treeOutcome({ status: 400, body })).toMatchObject({ kind: "rejected", status: 400 });
  });
});

test("what save could not write may be half written", () => {
  const text =
    "Traceback (most recent call last):\n  File \"/usr/libexec/vyos/vyos-save-config.py\", line 54, in <module>\n    with open(write_file, 'w') as f:\nFileNotFoundError: [Errno 2] No such file or directory: '/nonexistent/x'\n";
  expect(saveOutcome({ status: 400, body: failure(text) })).toMatchObject({
    kind: "unknown",
    reason: "server-error",
    text,
  });
  for (const refusal of [
    'Unsupported URL scheme: "foo"\n',
    "'nope' is not a valid operation",
    'Missing required field "file"',
  ]) {
    expect(saveOutcome({ status: 400, body: failure(refusal) })).toMatchObject({ kind: "rejected", text: refusal });
  }
});

// Each answer that was recorded from VyOS's own API server, by its headline: the transcript decides the status and the body,
// the table below decides what we make of it.
describe.each(["1.4", "current"])("recorded answers of %s", (release) => {
  const file = new URL(`../testdata/api-${release}.txt`, import.meta.url);
  const recorded = [...readFileSync(file, "utf8").matchAll(/^### (.*)\n(\d{3}) .*\n(.*)$/gm)].map(
    ([, name = "", status, body = ""]) => ({ name, status: Number(status), body }),
  );

  test("are all there", () => {
    expect(recorded.length).toBeGreaterThan(95);
  });

  test.each(recorded)("$name ($status)", ({ name, status, body }) => {
    const outcome = judge(name)({ status, body });
    expect(outcome.kind).toBe(kindOf(name, status, body));
  });
});

function judge(name: string): (answer: Answer) => { kind: string } {
  if (name.startsWith("save")) return saveOutcome;
  if (name.startsWith("showConfig")) return treeOutcome;
  if (name.startsWith("returnValues")) return valuesOutcome;
  if (name.startsWith("exists")) return existsOutcome;
  return configureOutcome;
}

/** Judged by headline and status alone where that is enough, so that this is not the code under test once more. */
function kindOf(name: string, status: number, body: string): string {
  if (name === "no key" && body.includes("section")) return "refused-key";
  if (name === "list with key inside element only") return "refused-key";
  if (/^showConfig (?:absent|0|after last deleted)$/.test(name)) return "done";
  if (/commit fail|partial commit|only failing subtree|failing delete|failing commit/.test(name)) {
    return body.includes("Traceback") ? "unknown" : "failed-commit";
  }
  if (/human commit runs/.test(name) && status === 400) return "busy";
  if (name === "save bad dir" && status === 400) return "unknown";
  if (name === "service https change") return "unknown";
  if (status === 401) return "refused-key";
  if (status === 404) return "unreachable";
  if (status !== 200) return "rejected";
  // Reads which no client of ours asks for, judged as a /configure: only a text or nothing would be a success there.
  const { data } = JSON.parse(body) as { data: unknown };
  return judge(name) === configureOutcome && data !== null && typeof data !== "string" ? "unknown" : "done";
}
