import { readFileSync } from "node:fs";
import { describe, expect, test } from "@jest/globals";
import { ConfigurationError } from "./environment.ts";
import { parseInventory } from "./inventory.ts";
import type { Topology } from "./topology.ts";

const good = `
devices: { edge-1: { address: 10.10.10.201 } }
allow: []
topology:
  balancers:
    lb-1: { address: 10.10.10.11, interface: eth0 }
    lb-2: { address: 10.10.10.12, interface: ens3.20 }
  virtual: { syslog: 10.10.10.10, queue: 10.10.10.20 }
  parsers:
    parser-1: { address: 10.10.10.111 }
    parser-2: { address: "2001:DB8::112", weight: 50 }
  queues: { queue-1: { address: 10.10.10.121 } }
`;

function topologyOf(text: string): Topology {
  const { topology } = parseInventory(text, "logwarden.yaml");
  if (topology === undefined) throw new Error("no topology");
  return topology;
}

function complaints(text: string): readonly string[] {
  try {
    parseInventory(text, "logwarden.yaml");
  } catch (error) {
    if (error instanceof ConfigurationError) return error.complaints;
  }
  return [];
}

describe("a good topology", () => {
  test("has addresses in canonical form, nodes in the order they are written, and defaults", () => {
    const { balancers, parsers, ports, limits, sources, proxy, vrrp, haproxy } = topologyOf(good);
    expect(Object.keys(balancers)).toEqual(["lb-1", "lb-2"]);
    expect(parsers["parser-1"]).toMatchObject({ address: { text: "10.10.10.111" }, weight: 100 });
    expect(parsers["parser-2"]).toMatchObject({ address: { text: "2001:db8::112" }, weight: 50 });
    expect(ports).toEqual({
      ...{ syslog: 10514, syslogTls: "off", queue: 11300, parser: 10514, parserTls: 6514 },
      ...{ parserStatus: 8080, queueNode: 11300, admin: 8404 },
    });
    expect(sources.syslog.map(({ text }) => text)).toEqual([
      ...["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"],
    ]);
    expect([sources.queue, sources.metrics]).toEqual([[], []]);
    expect(limits).toMatchObject({ connections: 4000, sourceConnections: 50, lameDuckSeconds: 8 });
    expect({ proxy, vrrp, haproxy }).toEqual({
      proxy: "v2",
      vrrp: { id: 51, advertSeconds: 0.25 },
      haproxy: { socket: "/run/haproxy/admin.sock", user: "haproxy" },
    });
  });

  test("is optional, and services that have none are as they were", () => {
    expect(parseInventory(good.slice(0, good.indexOf("topology:")), "logwarden.yaml")).not.toHaveProperty("topology");
  });

  test("makes none of its machines, and neither virtual address, anything that can be banned", () => {
    const { neverBan } = parseInventory(good, "logwarden.yaml");
    const owners = neverBan.entries.filter(({ why }) => why.startsWith("address of")).map(({ prefix }) => prefix.text);
    expect(owners).toEqual([
      ...["10.10.10.201/32", "10.10.10.11/32", "10.10.10.12/32", "10.10.10.10/32", "10.10.10.20/32"],
      ...["10.10.10.111/32", "2001:db8::112/128", "10.10.10.121/32"],
    ]);
  });

  test("may have a parser and a queue node on one machine", () => {
    expect(complaints(good.replace("10.10.10.121", "10.10.10.111"))).toEqual([]);
  });

  test("may have one virtual address for both, which then is one address that can never be banned", () => {
    const text = good.replace("queue: 10.10.10.20", "queue: 10.10.10.10");
    expect(complaints(text)).toEqual([]);
    const owned = parseInventory(text, "logwarden.yaml").neverBan.entries.filter(({ why }) =>
      why.startsWith("address of virtual"),
    );
    expect(owned.map(({ prefix }) => prefix.text)).toEqual(["10.10.10.10/32"]);
  });

  test("is what deploy/topology.example.yaml has, and logwarden.example.yaml still reads", () => {
    const read = (path: string): string => readFileSync(new URL(`../../../../${path}`, import.meta.url), "utf8");
    expect(complaints(read("deploy/topology.example.yaml"))).toEqual([]);
    expect(complaints(read("logwarden.example.yaml"))).toEqual([]);
  });
});

describe("a bad topology is refused, with path, value and an example:", () => {
  const more = (text: string): string => `${good}  ${text}\n`;
  test.each([
    [
      "an address that is none",
      good.replace("10.10.10.111", "10.10.10.1111"),
      'topology.parsers.parser-1.address: expected an IPv4 or IPv6 address, got "10.10.10.1111", for example address: 10.10.10.111',
    ],
    ["an address of everybody", good.replace("10.10.10.111", "0.0.0.0"), "that one machine can have"],
    ["an address of a group", good.replace("10.10.10.121", "224.0.0.18"), "that one machine can have"],
    ["an address without its interface", good.replace("2001:DB8::112", "fe80::1%eth0"), "that one machine can have"],
    ["a name with an order in it", good.replace("parser-1:", '"p check\\n  server q":'), "expected a name of a-z"],
    ["a name of digits, which would lose its place", good.replace("lb-2", "2"), "a letter first"],
    ["an interface with an order in it", good.replace("eth0", '"eth0 }"'), "expected the name of a network interface"],
    ["an interface that Linux cannot have", good.replace("eth0", "a234567890123456"), "network interface"],
    ["a single balancer", good.replace(/ {4}lb-2.*\n/, ""), "expected at least two balancers"],
    ["no parser", good.replace(/parsers:\n.*\n.*\n/, "parsers: {}\n"), "expected at least one of the parsers"],
    [
      "two balancers with one address",
      good.replace("10.10.10.12,", "10.10.10.11,"),
      "topology.balancers.lb-2.address: 10.10.10.11 is already balancers.lb-1's",
    ],
    ["two parsers with one address", good.replace("2001:DB8::112", "10.10.10.111"), "is already parsers.parser-1's"],
    [
      "a balancer's own address as a virtual one",
      good.replace("syslog: 10.10.10.10", "syslog: 10.10.10.12"),
      "topology.virtual.syslog: 10.10.10.12 is already balancers.lb-2's",
    ],
    [
      "a parser's own address as a virtual one",
      good.replace("syslog: 10.10.10.10", "syslog: 10.10.10.111"),
      "topology.virtual.syslog: expected an address that moves between the balancers, and this is parsers.parser-1's own",
    ],
    [
      "one virtual address and one port for both",
      good.replace("queue: 10.10.10.20", "queue: 10.10.10.10").concat("  ports: { queue: 10514 }\n"),
      "topology.ports.queue: expected another port than syslog: both are on one address",
    ],
    [
      "one virtual address, and the queue on the port of TLS",
      good.replace("queue: 10.10.10.20", "queue: 10.10.10.10").concat("  ports: { queue: 6514, syslogTls: 6514 }\n"),
      "topology.ports.queue: expected another port than syslogTls: both are on one address",
    ],
    [
      "a virtual address of another family",
      good.replace("queue: 10.10.10.20", 'queue: "2001:db8::20"'),
      "expected IPv4",
    ],
    [
      "a parser and a queue node with one name",
      good.replace("queue-1:", "parser-1:"),
      "topology.queues.parser-1: expected a name that no other node has",
    ],
    ["a parser that is called as HAProxy's hold", good.replace("parser-1", "hold"), "expected another name"],
    [
      "a port that is none",
      more("ports: { syslog: 65536 }"),
      "topology.ports.syslog: expected a whole number from 1 to 65535, got 65536, for example syslog: 10514",
    ],
    ["two doors on one port", more("ports: { syslogTls: 10514 }"), "expected another port than syslog"],
    ["two of a parser's ports in one", more("ports: { parser: 8080 }"), "expected another port than parser"],
    [
      "a weight that HAProxy has not",
      good.replace("weight: 50", "weight: 257"),
      "expected a whole number from 0 to 256",
    ],
    ["nobody who may send", more("sources: { syslog: [] }"), "expected at least one source"],
    [
      "a source that is none",
      more("sources: { queue: [example.net] }"),
      "topology.sources.queue.0: expected an address",
    ],
    ["an unknown key", more("parser: {}"), 'topology: Unrecognized key: "parser"'],
    ["a header of no version", more("proxy: v3"), "expected v2 or v1"],
    ["adverts that VRRP cannot count", more("vrrp: { advertSeconds: 0.125 }"), "expected whole hundredths"],
    ["a group of VRRP that is none", more("vrrp: { id: 0 }"), "expected a whole number from 1 to 255"],
    ["a socket's path with an order in it", more('haproxy: { socket: "/a level user" }'), "expected a path from /"],
    ["a user's name with an order in it", more('haproxy: { user: "a\\n b" }'), "expected a user's name, or off"],
    ["more of one sender than of all", more("limits: { connections: 10 }"), "expected at most limits.connections (10)"],
    ["nothing in it", good.replace(/topology:[^]*/, "topology: {}"), "topology.balancers: expected balancers by name"],
  ])("%s", (_, text, wanted) => expect(complaints(text).join("\n")).toContain(wanted));

  test("all complaints at once", () => {
    expect(
      complaints(good.replace("eth0", '"-"').replace("10.10.10.111", "x").replace("queue: 10.10.10.20", "queue: y")),
    ).toHaveLength(3);
  });
});
