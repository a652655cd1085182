/**
 * The requests whose answers are in testdata/answers-*.txt, in the same order and under the same names. They build on each
 * other: an early one bans what a later one lifts.
 */
import {
  configure,
  form,
  groupPath,
  memberPath,
  multipart,
  remove,
  returnValues,
  save,
  type Sent,
  set,
  testKey,
} from "./test-client.ts";

const key = testKey;
const single = (address: string): object => ({ op: "set", path: memberPath(address) });
const json = (value: unknown, contentType: string): Sent => ({
  path: "/configure",
  contentType,
  body: JSON.stringify(value),
});
const command = (data: unknown): Sent => form("/configure", data);
const retrieve = (op: string, path: string[], more: object = {}): Sent => form("/retrieve", { op, path, ...more });
const members = [...groupPath, "address"];
const eth1Disable = ["interfaces", "ethernet", "eth1", "disable"];
const urlencoded = "application/x-www-form-urlencoded";
const encoded = (address: string): string =>
  new URLSearchParams({ data: JSON.stringify(single(address)), key }).toString();

export const transcript: [name: string, sent: Sent][] = [
  ["urlencoded form", { path: "/configure", contentType: `${urlencoded}; charset=utf-8`, body: encoded("192.0.2.1") }],
  [
    "urlencoded, but no charset / curl -d raw",
    { path: "/configure", contentType: urlencoded, body: encoded("192.0.2.5") },
  ],
  ["application/json single", json({ key, ...single("192.0.2.6") }, "application/json")],
  ["json, curl -d default content type (urlencoded)", json({ key, ...single("192.0.2.11") }, urlencoded)],
  ["application/json commands list", json({ key, commands: [single("192.0.2.12")] }, "application/json")],
  ["text/plain JSON", json({ key, ...single("192.0.2.13") }, "text/plain")],
  ["value field", command({ op: "set", path: members, value: "192.0.2.14" })],
  ["key inside data, form key right too", command({ key, ...single("192.0.2.1") })],
  ["key only inside data", multipart("/configure", { data: JSON.stringify({ key, ...single("192.0.2.1") }) })],
  [
    "list with key inside element only",
    multipart("/configure", { data: JSON.stringify([{ key, ...single("192.0.2.13") }]) }),
  ],
  ["commands wrapper in data", command({ commands: [single("192.0.2.15")] })],
  ["wrong key", form("/configure", single("192.0.2.13"), "not-the-key")],
  ["no key", multipart("/configure", { data: JSON.stringify(single("192.0.2.13")) })],
  ["empty key", form("/configure", single("192.0.2.13"), "")],
  ["no data", multipart("/configure", { key })],
  ["empty data", multipart("/configure", { data: "", key })],
  ["malformed json", multipart("/configure", { data: '{"op":', key })],
  ["malformed json + wrong key", multipart("/configure", { data: '{"op":', key: "not-the-key" })],
  ["json scalar string", multipart("/configure", { data: "x", key })],
  ["json number", command(5)],
  ["empty list", command([])],
  ["empty object", multipart("/configure", { data: "{}", key })],
  ["list of non-dict", command(["x"])],
  ["missing op", command({ path: ["a"] })],
  ["missing path", command({ op: "set" })],
  ["path not list", command({ op: "set", path: "a b" })],
  ["path not strings", command({ op: "set", path: [1, 2] })],
  ["empty path", command({ op: "set", path: [] })],
  ["value not string", command({ op: "set", path: ["a"], value: 1 })],
  ["unknown op", command({ op: "frobnicate", path: ["a"] })],
  ["op save", command({ op: "save", path: ["a"] })],
  ["invalid path", configure(set("firewall", "group", "nonsense", "x"))],
  ["invalid value", configure(set(...memberPath("999.1.1.1")))],
  ["v4 in v6 group", configure(set("firewall", "group", "ipv6-address-group", "BAD6", "address", "192.0.2.1"))],
  ["requires value", configure(set(...members))],
  ["set existing", configure(set(...memberPath("192.0.2.1")))],
  ["delete existing", configure(remove(...memberPath("192.0.2.14")), remove(...memberPath("192.0.2.15")))],
  ["delete absent value", configure(remove(...memberPath("192.0.2.250")))],
  ["delete absent group", configure(remove("firewall", "group", "address-group", "NOPE"))],
  ["delete garbage value", configure(remove(...memberPath("not-an-ip")))],
  ["delete invalid path", configure(remove("firewall", "nope"))],
  [
    "dup in same batch",
    configure(
      set(...memberPath("192.0.2.20")),
      set(...memberPath("192.0.2.20")),
      remove(...memberPath("192.0.2.20")),
      remove(...memberPath("192.0.2.20")),
    ),
  ],
  [
    "op 3 of 5 fails",
    configure(
      ...["192.0.2.31", "192.0.2.32", "bogus", "192.0.2.33", "192.0.2.34"].map((each) => set(...memberPath(each))),
    ),
  ],
  ["after failed batch", returnValues()],
  ["set disable", configure(set(...eth1Disable))],
  [
    "set disable existing + delete absent",
    configure(set(...eth1Disable), remove(...eth1Disable), remove(...eth1Disable)),
  ],
  ["comment", command({ op: "comment", path: groupPath, value: "kept by a program" })],
  ["comment absent", command({ op: "comment", path: ["firewall", "group", "address-group", "NOPE"], value: "text" })],
  ["showConfig many", retrieve("showConfig", groupPath)],
  ["showConfig group tag node", retrieve("showConfig", groupPath.slice(0, 3))],
  ["showConfig leaf many", retrieve("showConfig", members)],
  ["showConfig value", retrieve("showConfig", memberPath("192.0.2.1"))],
  ["showConfig absent", retrieve("showConfig", ["firewall", "group", "address-group", "NOPE"])],
  ["showConfig invalid", retrieve("showConfig", ["firewall", "nope"])],
  ["returnValues absent", retrieve("returnValues", ["firewall", "group", "address-group", "NOPE", "address"])],
  ["returnValues invalid", retrieve("returnValues", ["firewall", "nope"])],
  ["returnValue of multi", retrieve("returnValue", members)],
  ["returnValue absent", retrieve("returnValue", ["firewall", "group", "address-group", "NOPE", "address"])],
  ["exists value", retrieve("exists", memberPath("192.0.2.1"))],
  ["exists absent value", retrieve("exists", memberPath("192.0.2.250"))],
  ["exists group", retrieve("exists", groupPath)],
  ["exists invalid path", retrieve("exists", ["firewall", "nope"])],
  ["raw", retrieve("showConfig", groupPath, { configFormat: "raw" })],
  ["bad op", retrieve("nope", groupPath)],
  ["bad format", retrieve("showConfig", groupPath, { configFormat: "xml" })],
  ["missing path", form("/retrieve", { op: "showConfig" })],
  ["empty the group", configure(...[1, 5, 6, 11, 12, 13].map((each) => remove(...memberPath(`192.0.2.${each}`))))],
  ["showConfig 0", retrieve("showConfig", groupPath)],
  ["showConfig firewall 0", retrieve("showConfig", ["firewall"])],
  ["returnValues 0", returnValues()],
  ["exists 0", retrieve("exists", groupPath)],
  ["one", configure(set(...memberPath("192.0.2.1")))],
  ["showConfig 1", retrieve("showConfig", groupPath)],
  ["returnValues 1", returnValues()],
  ["delete last member", configure(remove(...memberPath("192.0.2.1")))],
  ["showConfig after last deleted", retrieve("showConfig", groupPath)],
  ["exists after last deleted", retrieve("exists", groupPath)],
  ["save", save()],
  ["save to path", form("/config-file", { op: "save", file: "/tmp/config.copy" })],
  ["save bad dir", form("/config-file", { op: "save", file: "/nonexistent/x" })],
  ["save bad url", form("/config-file", { op: "save", file: "foo://192.0.2.1/x" })],
  ["bad op", form("/config-file", { op: "nope" })],
  ["missing op", multipart("/config-file", { data: "{}", key })],
  ["load missing file", form("/config-file", { op: "load" })],
  ["GET", { method: "GET", path: "/configure" }],
  ["unknown endpoint", form("/configure-nothing", [])],
];
