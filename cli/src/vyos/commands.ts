/**
 * What a VyOS router must be told so that Logwarden can hear and change it, for each release. Pure.
 *
 * Paths as lists of words, so that a test can send each to a simulated router. What differs between releases is here and
 * nowhere else:
 *
 *              API                           syslog                            rules
 *   1.3        no allow-client               host, protocol per facility       named sets, bound to an interface
 *   1.4, 1.5   listen-address, allow-client  host, protocol and format         ipv4/ipv6 input and forward filter
 *   rolling    and a node for REST           remote instead of host            as 1.4
 */

export const releases = ["1.3", "1.4", "1.5", "rolling"] as const;
export type Release = (typeof releases)[number];

export interface Wanted {
  release: Release;
  group: string;
  /** Where lines go: HAProxy's address, and its port. */
  collector: string;
  port: number;
  /** The router's own address for its API; undefined: every address. */
  listen: string | undefined;
  /** Who may use the API: the responders. */
  clients: readonly string[];
  /** The API key, or what stands for it. */
  key: string;
  /** The interface that attackers come through; undefined (1.4 and newer): all. */
  outside: string | undefined;
}

export interface Block {
  name: "api" | "syslog" | "groups" | "rules";
  /** What a person must know before pasting it. */
  notes: string[];
  paths: string[][];
}

export function blocksFor(wanted: Wanted): Block[] {
  return [apiOf(wanted), syslogOf(wanted), groupsOf(wanted), rulesOf(wanted)];
}

function apiOf({ release, listen, clients, key }: Wanted): Block {
  const https = ["service", "https"];
  const paths = [[...https, "api", "keys", "id", "logwarden", "key", key]];
  const notes = ["Whoever has the key can change everything on the router: a key for Logwarden alone."];
  if (release === "1.3") {
    notes.push("1.3 cannot restrict who uses the API: let it be reached from the management network alone.");
    return { name: "api", notes, paths };
  }
  if (listen !== undefined) paths.push([...https, "listen-address", listen]);
  paths.push(...clients.map((client) => [...https, "allow-client", "address", client]));
  if (clients.length === 0)
    notes.push("Add each responder: set service https allow-client address ADDRESS (--client).");
  if (release === "rolling") paths.push([...https, "api", "rest"]);
  if (release === "1.5") notes.push("Newer builds, where /retrieve answers 404, also need: set service https api rest");
  return { name: "api", notes, paths };
}

/** sshd writes to auth, PAM to authpriv; netplugd and vyos-netlinkd to daemon; drivers to kern. */
const facilities = ["auth", "authpriv", "daemon", "kern"];

function syslogOf({ release, collector, port }: Wanted): Block {
  const to = ["system", "syslog", release === "rolling" ? "remote" : "host", collector];
  const levels = facilities.map((facility) => [...to, "facility", facility, "level", "info"]);
  if (release === "1.3") {
    return {
      name: "syslog",
      notes: [
        "1.3 takes the protocol of the last facility for the whole host, so each says it. With a port it always counts",
        "octets; 1.3 also calls auth `security`.",
      ],
      paths: [
        ...levels.flatMap((level, at) => [level, [...to, "facility", facilities[at] as string, "protocol", "tcp"]]),
        [...to, "port", String(port)],
      ],
    };
  }
  const ends = [
    ["protocol", "tcp"],
    ["port", String(port)],
    ["format", "octet-counted"],
  ];
  return {
    name: "syslog",
    notes: ["octet-counted is no decoration: builds of September to November 2024 send nothing over TCP without it."],
    paths: [...levels, ...ends.map((words) => [...to, ...words])],
  };
}

/** Documentation addresses (RFC 5737, RFC 3849): a rule needs its group to exist, and they attack nobody. */
function groupsOf({ group }: Wanted): Block {
  const to = ["firewall", "group"];
  return {
    name: "groups",
    notes: ["A rule needs its group to exist: an address of the documentation stands in until the first ban."],
    paths: [
      [...to, "address-group", group, "address", "192.0.2.1"],
      [...to, "ipv6-address-group", group, "address", "2001:db8::1"],
    ],
  };
}

/** 1.3 binds sets of rules to interfaces: one must be named. */
const outsideDefault = "eth0";

function rulesOf({ release, group, outside }: Wanted): Block {
  const notes = [
    "The rule must come before the one that accepts established connections, or an attacker who is connected stays so:",
    "if rule 1 is taken, choose a number below that one. A global state policy (1.3: firewall state-policy; newer: firewall",
    "global-options state-policy) that accepts them comes before every rule.",
  ];
  const rule = (to: string[]): string[][] => [
    [...to, "rule", "1", "action", "drop"],
    // In IPv6 the leaf is called the same; it means an ipv6-address-group.
    [...to, "rule", "1", "source", "group", "address-group", group],
  ];
  if (release === "1.3") {
    const bound = outside ?? outsideDefault;
    notes.push(
      `If ${bound} has sets of rules already, add rule 1 to those, and leave their default-action and these names away.`,
    );
    const sets = [
      { kind: "name", name: "WAN_LOCAL", way: "local" },
      { kind: "name", name: "WAN_IN", way: "in" },
      { kind: "ipv6-name", name: "WAN6_LOCAL", way: "local" },
      { kind: "ipv6-name", name: "WAN6_IN", way: "in" },
    ];
    return {
      name: "rules",
      notes,
      paths: sets.flatMap(({ kind, name, way }) => [
        ["firewall", kind, name, "default-action", "accept"],
        ...rule(["firewall", kind, name]),
        ["interfaces", "ethernet", bound, "firewall", way, kind, name],
      ]),
    };
  }
  const chains = ["ipv4", "ipv6"].flatMap((family) =>
    ["input", "forward"].map((way) => ["firewall", family, way, "filter"]),
  );
  return {
    name: "rules",
    notes,
    paths: chains.flatMap((to) => [
      ...rule(to),
      ...(outside === undefined ? [] : [[...to, "rule", "1", "inbound-interface", "name", outside]]),
    ]),
  };
}

/** As a person types it: what is no plain word is quoted. */
export function setCommand(path: readonly string[]): string {
  return ["set", ...path.map((word) => (/^[\w.:+-]+$/.test(word) ? word : `'${word}'`))].join(" ");
}
