import { expect, test } from "@jest/globals";
import { stagedMarks } from "./staged.ts";

test.each([
  ["a value being added", { "+address": "192.0.2.61", address: ["192.0.2.1"] }],
  ["a value being deleted", { "-address": "192.0.2.1" }],
  ["deep in the tree", { group: { "address-group": { BAD_GUYS: { "+address": "192.0.2.61" } } } }],
  ["a whole group being added", { group: { "+address-group": { NEW: { address: "192.0.2.1" } } } }],
  ["a whole group being deleted", { group: { "-address-group": { OLD: { address: "192.0.2.1" } } } }],
  ["an interface being enabled", { ethernet: { eth1: { "-disable": {} } } }],
  ["inside a group with a hyphen", { "address-group": { "-odd": { "-address": "192.0.2.1" } } }],
  ["a plus in a place of names", { "address-group": { "+odd": {} } }],
])("marks of an open commit are seen: %s", (_, tree) => {
  expect(stagedMarks(tree)).toBe(true);
});

test.each([
  ["empty", {}],
  ["members", { address: ["192.0.2.1", "192.0.2.5"] }],
  ["a group whose name begins with a hyphen", { "address-group": { "-odd": { address: "192.0.2.1" } } }],
  ["the same, empty, under firewall", { group: { "ipv6-address-group": { "-odd": {} } } }],
  ["hyphens inside names", { "address-group": { "a-b+c": {} } }],
  ["values that begin with a mark", { description: "+ours", address: ["-x"] }],
])("and nothing else is taken for one: %s", (_, tree) => {
  expect(stagedMarks(tree)).toBe(false);
});
