/**
 * `topology:` of logwarden.yaml → which machines stand where between the routers and us. HAProxy's and keepalived's files are
 * made from it (cli/src/topology), so that a node is written down once.
 *
 *   routers ──▶ virtual.syslog ─┐               ┌─▶ parsers
 *                               ├─ balancers[0] ┤
 *   parsers ──▶ virtual.queue ──┘  balancers[1] └─▶ queues
 *
 * Every text in a topology has a narrow form (a name, an address in canonical form, a path without spaces): what is made
 * from it is a configuration file of another program, where a space or a line end would be an order.
 *
 * A new key: here, in its example below, in deploy/topology.example.yaml, and in the file that says it to the program.
 */

import { z } from "zod";
import { type Address, contains, type Prefix, parseAddress, parsePrefix } from "../ip/address.ts";

/** No machine has one of these as its own; a link-local one would need the name of an interface beside it. */
const nobodys = ["0.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3", "::", "fe80::/10", "ff00::/8"].map(toPrefix);

const addressForm = z.string("expected an IPv4 or IPv6 address").transform((text, context): Address => {
  const address = parseAddress(text);
  const complaint =
    address === undefined
      ? "expected an IPv4 or IPv6 address"
      : nobodys.some((prefix) => contains(prefix, address))
        ? "expected an address that one machine can have"
        : undefined;
  if (address !== undefined && complaint === undefined) return address;
  context.addIssue({ code: "custom", message: complaint ?? "" });
  return z.NEVER;
});

const prefixForm = z.string("expected an address or a prefix").transform((text, context): Prefix => {
  const prefix = parsePrefix(text);
  if (prefix !== undefined) return prefix;
  context.addIssue({ code: "custom", message: "expected an address or a prefix" });
  return z.NEVER;
});

/** Begins with a letter: JavaScript would sort names of digits, and the order of the balancers means something. */
const nameForm = z.string().regex(/^[a-z][a-z0-9-]{0,62}$/);

/** What a record of machines complains of: a name, or that it is none. */
const named = (kind: string) => ({
  error: ({ code }: { code?: string | undefined }) =>
    code === "invalid_key" ? "expected a name of a-z, 0-9 and -, a letter first" : `expected ${kind} by name`,
});

const whole = (min: number, max: number) => {
  const message = `expected a whole number from ${min} to ${max}`;
  return z.int(message).min(min, message).max(max, message);
};
const port = (usual: number) => whole(1, 65_535).default(usual);

const NodeForm = z.strictObject({
  address: addressForm,
  /** Its share of new connections beside the others'; 0: it gets none, and keeps those it has. HAProxy takes up to 256. */
  weight: whole(0, 256).default(100),
});

/** Each is two servers of HAProxy and a check every second; nobody has as many. */
const nodesMax = 200;

const nodes = (kind: string) =>
  z
    .record(nameForm, NodeForm, named(kind))
    .refine((all) => Object.keys(all).length > 0, `expected at least one of the ${kind}`)
    .refine((all) => Object.keys(all).length <= nodesMax, `expected at most ${nodesMax} ${kind}`);

/** Linux: IFNAMSIZ is 16 with the zero at its end. */
const interfaceForm = z
  .string("expected the name of a network interface")
  .regex(/^[a-zA-Z][\w.-]{0,14}$/, "expected the name of a network interface");

/** With more, the last one's share of VRRP's patience (its skew) would make a move of the addresses longer than a second. */
const balancersMax = 8;

const Shape = z.strictObject({
  /** The first one that comes up has the virtual addresses, and keeps them; the first of the list when all come up at once. */
  balancers: z
    .record(nameForm, z.strictObject({ address: addressForm, interface: interfaceForm }), named("balancers"))
    .refine((all) => Object.keys(all).length >= 2, "expected at least two balancers: one alone cannot be replaced")
    .refine((all) => Object.keys(all).length <= balancersMax, `expected at most ${balancersMax} balancers`),
  virtual: z.strictObject({ syslog: addressForm, queue: addressForm }),
  parsers: nodes("parsers"),
  queues: nodes("queues"),
  ports: z
    .strictObject({
      /** Not 514: VyOS and rsyslog take any, and this one is the parsers' own, so there is one number to remember. */
      syslog: port(10_514),
      /** Off as in the parsers: TLS needs a certificate there. */
      syslogTls: z
        .union([z.literal("off"), whole(1, 65_535)], "expected a port from 1 to 65535, or off")
        .default("off"),
      queue: port(11_300),
      parser: port(10_514),
      parserTls: port(6514),
      parserStatus: port(8080),
      queueNode: port(11_300),
      admin: port(8404),
    })
    .prefault({}),
  sources: z
    .strictObject({
      /** Not a firewall: it keeps strangers from using up connections. Private networks (RFC 1918, RFC 4193). */
      syslog: z
        .array(prefixForm)
        .min(1, "expected at least one source")
        .prefault(["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"]),
      /** Beside the parsers, which may always put tasks. */
      queue: z.array(prefixForm).default([]),
      /** Who may read /metrics from a balancer's own address; nobody unless told. */
      metrics: z.array(prefixForm).default([]),
    })
    .prefault({}),
  limits: z
    .strictObject({
      /** Of all senders, for each of the two doors (plain, TLS). Two file descriptors each. */
      connections: whole(1, 1_000_000).default(4000),
      /** rsyslog opens one for each forwarding rule, and a second one while an old one ends. */
      sourceConnections: whole(1, 1_000_000).default(50),
      /** In 10 s. rsyslog tries again every second at most: more is somebody's loop and not a router. */
      sourceConnectionsPer10s: whole(1, 1_000_000).default(100),
      /** A few for each parser. */
      queueConnections: whole(1, 1_000_000).default(500),
      /** Below the parsers' LOGWARDEN_DRAIN_DEADLINE_MS (10 s), or a parser that stops has to cut silent connections. */
      lameDuckSeconds: whole(1, 3600).default(8),
    })
    .prefault({}),
  /** v2 has a checksum and the connection's id; v1 is for a receiver that knows no other. */
  proxy: z.enum(["v2", "v1"], "expected v2 or v1").default("v2"),
  vrrp: z
    .strictObject({
      /** Of all pairs in one network segment, each has another one. */
      id: whole(1, 255).default(51),
      /** A balancer that is silent for three of these is gone. 0.1 flaps on a busy virtual machine. VRRPv3 counts hundredths. */
      advertSeconds: z
        .number("expected seconds, from 0.1 to 40")
        .min(0.1, "expected seconds, from 0.1 to 40")
        .max(40, "expected seconds, from 0.1 to 40")
        .refine((seconds) => Math.abs(seconds * 100 - Math.round(seconds * 100)) < 1e-6, "expected whole hundredths")
        .default(0.25),
    })
    .prefault({}),
  haproxy: z
    .strictObject({
      /** The runtime API. A Unix socket's name has 108 bytes, of which HAProxy takes some while it binds. */
      socket: z
        .string("expected a path")
        .regex(/^\/[\w./-]{1,80}$/, "expected a path from /, of letters, digits and ._-, at most 81 long")
        .default("/run/haproxy/admin.sock"),
      /** User and group to become when started as root, as Debian does; off: stay who started it. */
      user: z
        .string("expected a user's name, or off")
        .regex(/^[a-z_][a-z0-9_-]{0,31}$/, "expected a user's name, or off")
        .default("haproxy"),
    })
    .prefault({}),
});

export type Topology = z.output<typeof Shape>;

/** What HAProxy calls the server that holds connections while no parser is there. */
const reservedNames = ["hold"];

export const TopologyForm = Shape.superRefine((topology, context) => {
  const complain = (path: string[], message: string): void => context.addIssue({ code: "custom", path, message });
  const placed = [
    ...addressesOf("balancers", topology.balancers),
    { path: ["virtual", "syslog"], address: topology.virtual.syslog },
    // One address with two ports is an address that moves, once.
    ...(hasOneVirtualAddress(topology) ? [] : [{ path: ["virtual", "queue"], address: topology.virtual.queue }]),
  ];
  const parsers = addressesOf("parsers", topology.parsers);
  const queues = addressesOf("queues", topology.queues);

  // A parser and a queue node may share a machine; two of a kind, or a node and an address that moves, may not.
  for (const group of [placed, parsers, queues]) {
    for (const [at, { path, address }] of group.entries()) {
      const other = group.slice(0, at).find((one) => one.address.text === address.text);
      if (other !== undefined) complain([...path], `${address.text} is already ${other.path.slice(0, 2).join(".")}'s`);
    }
  }
  for (const name of ["syslog", "queue"] as const) {
    const node = [...parsers, ...queues].find(({ address }) => address.text === topology.virtual[name].text);
    if (node === undefined) continue;
    const of = node.path.slice(0, 2).join(".");
    complain(["virtual", name], `expected an address that moves between the balancers, and this is ${of}'s own`);
  }
  // One VRRP instance speaks one family, and moves addresses of that family.
  const family = placed[0]?.address.family;
  for (const { path, address } of placed) {
    if (address.family === family) continue;
    complain([...path], `expected IPv${family}, as the first balancer has: one VRRP instance moves one family`);
  }

  const names = new Set<string>();
  for (const [group, all] of Object.entries({ parsers: topology.parsers, queues: topology.queues })) {
    for (const name of Object.keys(all)) {
      if (reservedNames.includes(name))
        complain([group, name], `expected another name: ${name} has a meaning in HAProxy`);
      if (names.has(name)) complain([group, name], `expected a name that no other node has, so that it says which one`);
      names.add(name);
    }
  }

  const { ports, limits } = topology;
  if (ports.syslogTls === ports.syslog) {
    complain(["ports", "syslogTls"], "expected another port than syslog: both are on one address");
  }
  if (hasOneVirtualAddress(topology)) {
    for (const name of ["syslog", "syslogTls"] as const) {
      if (ports[name] === ports.queue)
        complain(["ports", "queue"], `expected another port than ${name}: both are on one address`);
    }
  }
  const ofParser = ["parser", "parserStatus", ...(ports.syslogTls === "off" ? [] : (["parserTls"] as const))] as const;
  for (const [at, name] of ofParser.entries()) {
    const other = ofParser.slice(0, at).find((one) => ports[one] === ports[name]);
    if (other !== undefined) complain(["ports", name], `expected another port than ${other}: both are on one machine`);
  }
  if (limits.sourceConnections > limits.connections) {
    complain(["limits", "sourceConnections"], `expected at most limits.connections (${limits.connections})`);
  }
});

function addressesOf(group: string, all: Record<string, { address: Address }>): { path: string[]; address: Address }[] {
  return Object.entries(all).map(([name, { address }]) => ({ path: [group, name, "address"], address }));
}

/** Syslog and the queue may share the address that moves; then their ports differ. */
function hasOneVirtualAddress({ virtual }: Pick<Topology, "virtual">): boolean {
  return virtual.syslog.text === virtual.queue.text;
}

/** Every address of it, with how it is called: none of them is ever banned. */
export function topologyAddresses(topology: Topology): { name: string; address: Address }[] {
  const { balancers, virtual, parsers, queues } = topology;
  return [
    ...Object.entries({ ...balancers }).map(([name, { address }]) => ({ name, address })),
    { name: "virtual.syslog", address: virtual.syslog },
    ...(hasOneVirtualAddress(topology) ? [] : [{ name: "virtual.queue", address: virtual.queue }]),
    ...Object.entries(parsers).map(([name, { address }]) => ({ name, address })),
    ...Object.entries(queues).map(([name, { address }]) => ({ name, address })),
  ];
}

/** What would pass, by the end of a path below `topology`. */
const examples: Record<string, string> = {
  topology: "topology: { balancers: …, virtual: …, parsers: …, queues: … }; see deploy/topology.example.yaml",
  balancers:
    "balancers: { lb-1: { address: 10.10.10.11, interface: eth0 }, lb-2: { address: 10.10.10.12, interface: eth0 } }",
  interface: "interface: eth0",
  virtual: "virtual: { syslog: 10.10.10.10, queue: 10.10.10.20 }",
  "virtual.syslog": "syslog: 10.10.10.10",
  "virtual.queue": "queue: 10.10.10.20",
  parsers: "parsers: { parser-1: { address: 10.10.10.111 } }",
  queues: "queues: { queue-1: { address: 10.10.10.121 } }",
  address: "address: 10.10.10.111",
  weight: "weight: 100",
  ports: "ports: { syslog: 10514 }",
  "ports.syslog": "syslog: 10514",
  "ports.syslogTls": "syslogTls: 6514",
  "ports.queue": "queue: 11300",
  "ports.parser": "parser: 10514",
  "ports.parserTls": "parserTls: 6514",
  "ports.parserStatus": "parserStatus: 8080",
  "ports.queueNode": "queueNode: 11300",
  "ports.admin": "admin: 8404",
  sources: "sources: { syslog: [10.0.0.0/8] }",
  "sources.syslog": "syslog: [10.0.0.0/8]",
  "sources.queue": "queue: [10.10.10.9]",
  "sources.metrics": "metrics: [10.10.10.5]",
  limits: "limits: { connections: 4000 }",
  connections: "connections: 4000",
  sourceConnections: "sourceConnections: 50",
  sourceConnectionsPer10s: "sourceConnectionsPer10s: 100",
  queueConnections: "queueConnections: 500",
  lameDuckSeconds: "lameDuckSeconds: 8",
  proxy: "proxy: v2",
  vrrp: "vrrp: { id: 51, advertSeconds: 0.25 }",
  id: "id: 51",
  advertSeconds: "advertSeconds: 0.25",
  haproxy: "haproxy: { socket: /run/haproxy/admin.sock }",
  socket: "socket: /run/haproxy/admin.sock",
  user: "user: haproxy",
};

/** @param path of a complaint, from `topology` on */
export function topologyExample(path: readonly string[]): string | undefined {
  const at = path.findLastIndex((word, index) => `${path[index - 1]}.${word}` in examples || word in examples);
  return examples[`${path[at - 1]}.${path[at]}`] ?? examples[path[at] ?? ""];
}

function toPrefix(text: string): Prefix {
  const prefix = parsePrefix(text);
  if (prefix === undefined) throw new Error(`not a prefix: ${text}`);
  return prefix;
}
