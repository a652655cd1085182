import { describe, expect, test } from "@jest/globals";
import { Failure } from "../failure.ts";
import { encodeTask, parseTask } from "./task.ts";

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
  expect(body.every((byte) => byte >= 0x20 && byte < 0x7f)).toBe(true);
  expect(parseTask(body)).toEqual(named);
});
