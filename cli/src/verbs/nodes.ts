/**
 * `logwarden nodes`: which parsers and queue nodes HAProxy uses now, and taking them out and back without a reload.
 *
 *   in service ──drain──▶ gets no new connections, keeps those it has ──(--shutdown-sessions)──▶ has none: the senders
 *       ▲                                                                                        come again, elsewhere
 *       └───────────────────────────── enable ─────────────────────────────────────────────────────┘
 *
 * It speaks to one HAProxy: on a pair, say it on both, or it is forgotten when the addresses move. A reload forgets it too.
 */

import { columns, type Output } from "../output.ts";
import { z } from "zod";
import { configOption } from "../given/inventory.ts";
import { readTopology } from "../topology/read.ts";
import {
  orderHaproxy,
  parseRuntimeAddress,
  readServers,
  type RuntimeAddress,
  type Server,
} from "../topology/runtime.ts";
import { CommandError, jsonOption, knownWord, readArguments, suggestion, UsageError, type Verb } from "../verb.ts";

const words = {
  list: "every parser and queue node, as this HAProxy sees it; this unless told",
  drain: "no new connections; those it has stay, for months if nothing happens",
  enable: "in service again, if its check says so",
  weight: "its share of new connections, 0 to 256; 100 is usual, 0 gets none",
};

const options = {
  socket: {
    type: "string",
    value: "SOCKET",
    about: "HAProxy's runtime socket, a path or ADDRESS:PORT; haproxy.socket of the topology unless given",
  },
  "shutdown-sessions": {
    type: "boolean",
    about:
      "with drain: also ends the connections it has; their senders come again and find another parser. A line that is on its way at that moment may be lost: stopping the parser itself loses none",
  },
  ...configOption,
  ...jsonOption,
} as const;

const nodeShape = {
  ...{ name: z.string(), kind: z.enum(["parser", "queue"]), address: z.string(), state: z.string(), check: z.string() },
  ...{ weight: z.number(), connections: z.number(), set: z.string().nullable() },
};

export const nodes: Verb = {
  name: "nodes",
  about: "the parsers and queue nodes behind HAProxy: list, drain, enable, weight",
  usage: [
    "nodes [list] [OPTIONS]",
    "nodes drain NODE... [OPTIONS]",
    "nodes enable NODE... [OPTIONS]",
    "nodes weight WEIGHT NODE... [OPTIONS]",
  ],
  words,
  text: `Speaks to one running HAProxy over its runtime socket. The states of a node:

  UP     in service
  DOWN   its check fails
  NOLB   it says itself that it is leaving (a parser's 404, a queue node's DRAINING): no new connections
  DRAIN  drained by a person: no new connections
  MAINT  taken out by a person

Exit code 1 when a node is not known or HAProxy did not do it. All this is forgotten by a reload, and the other balancer
does not know of it: run it on both. What is to last is weight: in logwarden.yaml.`,
  options,
  examples: [
    "logwarden nodes",
    "logwarden nodes drain parser-1 parser-2 --shutdown-sessions",
    "logwarden nodes weight 50 parser-3 --socket /run/haproxy/admin.sock",
  ],
  json: {
    shape: z.union([
      z.strictObject({ socket: z.string(), nodes: z.array(z.strictObject(nodeShape)) }),
      z.strictObject({
        socket: z.string(),
        nodes: z.array(z.strictObject({ ...nodeShape, error: z.string().nullable() })),
      }),
    ]),
  },
  run: async (args, context) => {
    const { output } = context;
    const { values, positionals } = readArguments(args, options, wordsMax);
    const [word = "list", ...rest] = positionals;
    const asked = readOrder(word, rest, values["shutdown-sessions"] === true);
    const socket = values.socket ?? readTopology(values, context).topology.haproxy.socket;
    const address = parseRuntimeAddress(socket);
    const before = nodesOf(await readServers(address));
    if (before.length === 0)
      throw new CommandError(`HAProxy behind ${socket} has no backend of ours: parsers, beanstalkd`);
    if (asked.kind === "list") return list(socket, before, values.json === true, output);

    const known = before.map(({ name }) => name);
    for (const name of asked.names) {
      if (known.includes(name)) continue;
      // Nothing is done before every name is known.
      throw new CommandError(`no node "${name}"${suggestion(name, known) || `; nodes are ${known.join(", ")}`}`);
    }
    const errors = new Map<string, string>();
    for (const node of before.filter(({ name }) => asked.names.includes(name))) {
      const error = await obey(address, node, asked);
      if (error !== undefined) errors.set(node.name, error);
    }
    // Not what we ordered but what is.
    const after = nodesOf(await readServers(address));
    const answers = after
      .filter(({ name }) => asked.names.includes(name))
      .map((node) => ({ ...shown(node), error: errors.get(node.name) ?? unmet(node, asked) ?? null }));
    if (values.json) await output.json({ socket, nodes: answers });
    for (const answer of answers) {
      if (answer.error !== null) output.complain(`${answer.name}: ${answer.error}`);
      else if (!values.json) await output.line(`${answer.name}: ${done(asked, answer)}`);
    }
    if (asked.kind !== "enable" && !after.some((node) => node.kind === "parser" && isInService(node))) {
      output.complain("no parser is in service now: HAProxy holds connections, their lines wait in the senders");
    }
    return answers.every(({ error }) => error === null) ? 0 : 1;
  },
};

/** More than a topology may have. */
const wordsMax = 500;

type Order =
  | { kind: "list" }
  | { kind: "drain"; names: readonly string[]; shutdownSessions: boolean }
  | { kind: "enable"; names: readonly string[] }
  | { kind: "weight"; names: readonly string[]; weight: number };

function readOrder(first: string, rest: readonly string[], shutdownSessions: boolean): Order {
  const named = (names: readonly string[]): readonly string[] => {
    if (names.length === 0) throw new UsageError(`expected the nodes to ${first}, for example parser-1`);
    return [...new Set(names)];
  };
  const word = knownWord("nodes", first, words);
  if (shutdownSessions && word !== "drain") throw new UsageError("--shutdown-sessions is for drain");
  switch (word) {
    case "list":
      if (rest[0] !== undefined) throw new UsageError(`"${rest[0]}" is one word too many`);
      return { kind: "list" };
    case "drain":
      return { kind: "drain", names: named(rest), shutdownSessions };
    case "enable":
      return { kind: "enable", names: named(rest) };
    case "weight": {
      const [weight = "", ...names] = rest;
      if (!/^(0|[1-9]\d{0,2})$/.test(weight) || Number(weight) > 256) {
        throw new UsageError(`expected a weight from 0 to 256, then nodes, got "${weight}"`);
      }
      return { kind: "weight", names: named(names), weight: Number(weight) };
    }
  }
}

/** A node, and the servers of HAProxy that are it: a parser is one in several backends, which follow the first. */
interface Node extends Server {
  kind: "parser" | "queue";
  others: readonly Server[];
}

const backends = { parsers: "parser", beanstalkd: "queue" } as const;

function nodesOf(servers: readonly Server[]): Node[] {
  return servers.flatMap((server): Node[] => {
    const kind = backends[server.backend as keyof typeof backends];
    // The hold server is no node: it takes connections while there is no parser.
    if (kind === undefined || server.name === "hold") return [];
    const others = kind === "queue" ? [] : servers.filter((other) => other !== server && isSameParser(other, server));
    return [{ ...server, kind, others }];
  });
}

function isSameParser({ backend, name }: Server, parser: Server): boolean {
  return name === parser.name && ["parsers_tls", "parsers_state"].includes(backend);
}

/** @returns what HAProxy said when it did not obey */
async function obey(
  address: RuntimeAddress,
  node: Node,
  order: Exclude<Order, { kind: "list" }>,
): Promise<string | undefined> {
  const first = `${node.backend}/${node.name}`;
  const all = [first, ...node.others.map(({ backend, name }) => `${backend}/${name}`)];
  const commands = {
    // The others track the first one: they follow by themselves.
    drain: () => [
      `set server ${first} state drain`,
      ...("shutdownSessions" in order && order.shutdownSessions
        ? all.map((one) => `shutdown sessions server ${one}`)
        : []),
    ],
    enable: () => [`set server ${first} state ready`],
    weight: () => all.map((one) => `set server ${one} weight ${"weight" in order ? order.weight : 0}`),
  }[order.kind]();
  try {
    for (const command of commands) await orderHaproxy(address, command);
    return undefined;
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    return error.message;
  }
}

/** @returns what is not as ordered, although HAProxy did not refuse */
function unmet(node: Node, order: Exclude<Order, { kind: "list" }>): string | undefined {
  switch (order.kind) {
    case "drain":
      return node.set === "drain" ? undefined : `expected it to be drained, found ${node.set ?? node.state}`;
    case "enable":
      return node.set === null ? undefined : `expected it to be enabled, found ${node.set}`;
    case "weight":
      return node.weight === order.weight ? undefined : `expected the weight ${order.weight}, found ${node.weight}`;
  }
}

function isInService({ state, set, weight }: Node): boolean {
  return state.startsWith("UP") && set === null && weight > 0;
}

type Shown = Omit<Node, "backend" | "others">;

function shown({ name, kind, address, state, check, weight, connections, set, others }: Node): Shown {
  const all = connections + others.reduce((sum, other) => sum + other.connections, 0);
  return { name, kind, address, state, check, weight, connections: all, set };
}

function done(order: Exclude<Order, { kind: "list" }>, { state, connections, weight }: Shown): string {
  switch (order.kind) {
    case "drain":
      if (order.shutdownSessions) return "drained, its connections were ended";
      return `drained${connections > 0 ? `, ${connections} connections stay; --shutdown-sessions ends them` : ""}`;
    case "enable":
      return state.startsWith("UP") ? "in service" : `enabled, and ${state} until its check says otherwise`;
    case "weight":
      return `weight ${weight}`;
  }
}

async function list(socket: string, all: readonly Node[], asJson: boolean, output: Output): Promise<number> {
  const rows = all.map(shown);
  if (asJson) await output.json({ socket, nodes: rows });
  else {
    const head = ["node", "kind", "address", "state", "weight", "connections", "set", "check"];
    const cells = rows.map(({ name, kind, address, state, weight, connections, set, check }) => [
      ...[name, kind, address, state, weight, connections, set ?? "-", check],
    ]);
    for (const line of columns([head, ...cells], "")) await output.line(line);
  }
  return 0;
}
