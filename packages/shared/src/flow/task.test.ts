import { describe, expect, test } from "@jest/globals";
import { Failure } from "../failure.ts";
import { createTaskEncoder, encodeTask, parseTask, type EventTask } from "./task.ts";

const parse = (text: string) => parseTask(Buffer.from(text));

function failure(body: string | Buffer): { code: string; detail: string } {
  try {
    parseTask(Buffer.from(body as string));
  } catch (error) {
    if (error instanceof Failure) return { code: error.code, detail: error.detail };
  }
  throw new Error("expected a Failure");
}

describe("a task is accepted", () => {
  test.each([
    ['{"host":"10.10.10.201","type":"password_failed","from":"10.10.10.132"}'],
    ['{"host":"10.10.10.201","type":"interface_down","interface":"eth1"}'],
  ])("in its original form: %s", (text) => expect(parse(text)).toEqual(JSON.parse(text)));

  test("with addresses in canonical form, whatever form they came in", () => {
    expect(parse('{"host":"::ffff:10.10.10.201","type":"password_failed","from":"2001:DB8:0::1"}')).toMatchObject({
      host: "10.10.10.201",
      from: "2001:db8::1",
    });
  });

  test("with fields that this version does not know, which are kept", () => {
    const text = '{"host":"10.10.10.201","type":"interface_down","interface":"eth1","severity":3}';
    expect(parse(text)).toEqual(JSON.parse(text));
  });
});

describe("an order is accepted", () => {
  test.each([
    [
      '{"type":"ban","address":"2001:DB8::/64","for":"4h"}',
      { address: "2001:db8::-2001:db8::ffff:ffff:ffff:ffff", for: 14_400 },
    ],
    ['{"type":"ban","address":"203.0.113.9","for":-1,"targets":["tag:edge"]}', { for: -1 }],
    ['{"type":"unban","address":"::ffff:203.0.113.9","by":"jo"}', { address: "203.0.113.9", by: "jo" }],
    ['{"host":"10.10.10.201","type":"enforce","address":"203.0.113.9"}', { address: "203.0.113.9" }],
  ])("in canonical form: %s", (text, wanted) => expect(parse(text)).toMatchObject(wanted));
});

describe("a task is refused, with its reason:", () => {
  test.each([
    ["hello", "task-not-json"],
    ["", "task-not-json"],
    ["[]", "task-not-json"],
    ["null", "task-not-json"],
    ['"text"', "task-not-json"],
    ['{"host":"10.10.10.201","type":"teleport"}', "task-type-unknown"],
    ['{"host":"10.10.10.201","from":"10.0.0.1"}', "task-malformed"],
    ['{"type":"password_failed","from":"10.0.0.1"}', "task-malformed"],
    ['{"host":"edge-1","type":"password_failed","from":"10.0.0.1"}', "task-malformed"],
    ['{"host":"10.10.10.201","type":"password_failed","from":"999.1.1.1"}', "task-address-invalid"],
    ['{"host":"10.10.10.201","type":"password_failed","from":"10.0.0.0/8"}', "task-address-invalid"],
    ['{"host":"10.10.10.201","type":"password_failed"}', "task-malformed"],
    ['{"host":"10.10.10.201","type":"password_failed","from":"10.0.0.1","count":0}', "task-malformed"],
    ['{"host":"10.10.10.201","type":"interface_down","interface":""}', "task-malformed"],
    ['{"type":"ban","address":"203.0.113.1-203.0.113.9"}', "task-address-invalid"],
    ['{"type":"ban","address":"203.0.113.1","for":0}', "task-malformed"],
    ['{"type":"ban","address":"203.0.113.1","targets":["edge-1"]}', "task-malformed"],
    ['{"type":"enforce","address":"203.0.113.1"}', "task-malformed"],
  ])("%s → %s", (text, code) => expect(failure(text).code).toBe(code));

  test("bytes that are no UTF-8", () => {
    expect(() => parseTask(Buffer.from([0x7b, 0xff, 0x7d]))).toThrow("task-not-json");
  });

  test("saying what was expected and what came", () => {
    const { detail } = failure('{"host":"10.10.10.201","type":"password_failed","from":"999.1.1.1"}');
    expect(detail).toBe('from: expected an IPv4 or IPv6 address, got "\\"999.1.1.1\\""');
  });
});

test("a body is ASCII, whatever the user's name, and reads back the same", () => {
  const task = parse('{"host":"10.10.10.201","type":"password_failed","from":"10.0.0.1"}');
  const named = { ...task, user: 'jörg \u007f 😀 \\ "' };
  const body = encodeTask(named);
  expect(body).toMatch(/^[ -~]*$/);
  expect(parse(body)).toEqual(named);
});

const born = {
  v: 1,
  id: "9b381525-6c9f",
  at: "2026-11-21T04:44:36.689Z",
  rule: "sshd-failed-password",
  count: 3,
} as const;
const host = "10.10.10.201";
const from = "2001:db8::1";
const texts = ["root", "", 'jörg \u007f 😀 \\ " \u0000', 'a"b', "#012", "\ufffd", "x".repeat(256)];

const newTasks: EventTask[] = [
  ...texts.map((user): EventTask => ({ host, type: "password_failed", from, ...born, user })),
  { host, type: "login_succeeded", from, ...born },
  { host, type: "login_succeeded", from, ...born, count: 1 },
  { host: from, type: "login_succeeded", from, ...born },
  { host, type: "interface_down", interface: 'eth1.10"', ...born, rule: "another" },
  { host, type: "http_error", from, ...born, user: "u", reason: "r", status: 404 },
  { host, type: "http_error", from, ...born, reason: "limit_req", at: "2026-11-21T04:44:37.000Z" },
  { host, type: "peer_ban", from, ...born, reason: "sshd", action: "unban" },
];

test("new tasks are written as any task is, in whatever order they come", () => {
  const encode = createTaskEncoder();
  for (const before of newTasks) {
    for (const task of newTasks) {
      encode(before);
      const body = encode(task);
      expect(body).toMatch(/^[ -~]*$/);
      expect(JSON.parse(body)).toEqual(JSON.parse(encodeTask(task)));
    }
  }
});
