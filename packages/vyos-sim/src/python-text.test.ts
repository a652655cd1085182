/** Python's way of writing, checked against what Python 3.11 prints. */
import { expect, test } from "@jest/globals";
import { commitMs } from "./commit.ts";
import { jsonDumps, jsonErrorText, pythonRepr } from "./python-text.ts";

test.each([
  [null, "None"],
  [true, "True"],
  [["a", 1, {}], "['a', 1, {}]"],
  ["it's", `"it's"`],
  [`it's "so"`, `'it\\'s "so"'`],
  ["a\nb\\\u0001", "'a\\nb\\\\\\x01'"],
  [{ a: { b: "é" } }, "{'a': {'b': 'é'}}"],
])("the repr of %j", (value, text) => {
  expect(pythonRepr(value)).toBe(text);
});

test("dumps puts spaces after commas and colons, and leaves nothing but ASCII", () => {
  expect(jsonDumps({ a: [1, "é😀"], b: null })).toBe('{"a": [1, "\\u00e9\\ud83d\\ude00"], "b": null}');
});

test.each([
  ["", "Expecting value: line 1 column 1 (char 0)"],
  ["[1,\n x]", "Expecting value: line 2 column 2 (char 5)"],
  ["{a: 1}", "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"],
  ['{"a" 1}', "Expecting ':' delimiter: line 1 column 6 (char 5)"],
  ['{"a": 1 "b": 2}', "Expecting ',' delimiter: line 1 column 9 (char 8)"],
  ['{"a": 1} x', "Extra data: line 1 column 10 (char 9)"],
  ['["a', "Unterminated string starting at: line 1 column 2 (char 1)"],
  ['["\\q"]', "Invalid \\escape: line 1 column 3 (char 2)"],
  ['["\\u12"]', "Invalid \\uXXXX escape: line 1 column 4 (char 3)"],
  ['["a\tb"]', "Invalid control character at: line 1 column 4 (char 3)"],
])("the complaint about %j", (text, complaint) => {
  expect(jsonErrorText(text)).toBe(complaint);
});

test("a commit takes what the real engine took, and more than its share beyond", () => {
  expect([1, 100, 500].map((operations) => commitMs(operations, 1))).toEqual([130, 3300, 22_800]);
  expect(commitMs(1000, 1)).toBeGreaterThan(2 * 22_800);
  expect(commitMs(500, 0)).toBe(0);
});
