/** Topologies of tests: one that uses as little as it can, and ways to differ from it. */

export interface TopologyText {
  balancers?: Record<string, { address: string; interface: string }>;
  virtual?: { syslog: string; queue: string };
  parsers?: Record<string, { address: string; weight?: number }>;
  queues?: Record<string, { address: string; weight?: number }>;
  [more: string]: unknown;
}

const least: TopologyText = {
  balancers: {
    "lb-1": { address: "192.0.2.11", interface: "eth0" },
    "lb-2": { address: "192.0.2.12", interface: "eth0" },
  },
  virtual: { syslog: "192.0.2.10", queue: "192.0.2.20" },
  parsers: { "parser-1": { address: "192.0.2.111" } },
  queues: { "queue-1": { address: "192.0.2.121" } },
};

/** A whole logwarden.yaml: JSON is YAML. */
export function inventory(topology: TopologyText = {}, device = "192.0.2.201"): string {
  return JSON.stringify({
    devices: { "edge-1": { address: device, certificate: "edge-1.example.net" } },
    allow: [],
    topology: { ...least, ...topology },
  });
}

const many = (name: string, network: string, count: number): Record<string, { address: string }> =>
  Object.fromEntries(
    Array.from({ length: count }, (_, at) => [`${name}-${at + 1}`, { address: `${network}.${at + 1}` }]),
  );

/** What a render must be right for, whatever else: each is judged by the real programs. */
export const topologies: Record<string, TopologyText> = {
  "as little as there can be": {},
  "TLS, and metrics for somebody": {
    ports: { syslogTls: 6514 },
    sources: { metrics: ["192.0.2.5", "2001:db8:5::/64"] },
  },
  "PROXY v1, with TLS": { proxy: "v1", ports: { syslogTls: 6514 } },
  "one virtual address for both": { virtual: { syslog: "192.0.2.10", queue: "192.0.2.10" } },
  "IPv6 everywhere": {
    balancers: {
      "lb-1": { address: "2001:db8::11", interface: "eth0" },
      "lb-2": { address: "2001:db8::12", interface: "eth0" },
    },
    virtual: { syslog: "2001:db8::10", queue: "2001:db8::20" },
    parsers: { "parser-1": { address: "2001:db8::111" } },
    queues: { "queue-1": { address: "2001:db8::121" } },
    ports: { syslogTls: 6514 },
    sources: { syslog: ["2001:db8::/32"], metrics: ["2001:db8::5"] },
  },
  "two hundred parsers and as many queue nodes, more than a line of HAProxy has words": {
    parsers: many("parser", "198.51.100", 200),
    queues: many("queue", "203.0.113", 200),
    ports: { syslogTls: 6514 },
    sources: { syslog: Array.from({ length: 100 }, (_, at) => `192.0.${at}.0/24`) },
  },
  "eight balancers, other numbers": {
    balancers: Object.fromEntries(
      Object.entries(many("lb", "198.51.100", 8)).map(([name, { address }]) => [
        name,
        { address, interface: "ens3.20" },
      ]),
    ),
    ports: { syslog: 601, queue: 11400, parser: 10601, parserStatus: 8081, queueNode: 11301, admin: 8405 },
    limits: {
      connections: 9,
      sourceConnections: 2,
      sourceConnectionsPer10s: 7,
      queueConnections: 3,
      lameDuckSeconds: 1,
    },
    vrrp: { id: 255, advertSeconds: 1.25 },
    haproxy: { socket: "/run/x.sock", user: "off" },
    parsers: { "parser-1": { address: "192.0.2.111", weight: 0 }, "parser-2": { address: "192.0.2.112", weight: 256 } },
  },
};
