import { describe, expect, test } from "@jest/globals";
import { checkTube, formatNodeAddress, parseNodeAddress, QueueError } from "./index.ts";

describe("the address of a node", () => {
  test.each([
    ["10.0.0.1:11300", "10.0.0.1", 11_300, "10.0.0.1:11300"],
    ["[::1]:11301", "::1", 11_301, "[::1]:11301"],
    ["[2001:db8::5]", "2001:db8::5", 11_300, "[2001:db8::5]:11300"],
    ["q1", "q1", 11_300, "q1:11300"],
    ["q1.example.net:1", "q1.example.net", 1, "q1.example.net:1"],
  ])("%s", (text, host, port, name) => {
    expect(parseNodeAddress(text)).toEqual({ host, port });
    expect(formatNodeAddress({ host, port })).toBe(name);
  });

  test.each([
    "",
    ":11300",
    "q1:",
    "q1:0",
    "q1:65536",
    "q1:x",
    "::1",
    "[::1",
    "[q1]:1",
    "q1:1:2",
    "a b",
    "q1\r\n",
    "q1/x",
    "-q",
  ])("is not %j", (text) => {
    expect(() => parseNodeAddress(text)).toThrow(QueueError);
  });
});

describe("the name of a tube", () => {
  test.each([
    "logwarden.device.r1",
    "logwarden.device.2001_db8__1",
    "10.0.0.1",
    "a",
    "A+/;.$_()-",
    "e3",
    "a".repeat(200),
  ])("may be %s", (tube) => {
    expect(checkTube(tube)).toBe(tube);
  });

  test.each([
    "",
    "-a",
    "a:b",
    "a b",
    "a\n",
    "a\r\nb",
    "ü",
    "a".repeat(201),
    "1",
    "007",
    "+1",
    "1.5",
    ".5",
    "1_000",
    "0x1F",
    "1e3",
    "1.0E+3",
    ".inf",
    ".NaN",
  ])("is not %j", (tube) => {
    expect(() => checkTube(tube)).toThrow(QueueError);
  });

  test.each(["2026-11-21", "2026-1-2T10", "true", "Off", "null", "y"])(
    "is not %j, which YAML reads as something else",
    (tube) => {
      expect(() => checkTube(tube)).toThrow(QueueError);
    },
  );
});
