/**
 * haproxy.cfg, from a topology, or with variables in the places of its values.
 *
 *   topology (logwarden.yaml)  ──▶ a pair of balancers    deploy/haproxy/pair.cfg      the same file on each of them
 *   nothing                    ──▶ one balancer           deploy/haproxy/haproxy.cfg   the lab, docker compose
 *
 * One text for both, so that what the lab and its tests show is what production does. The values are words of a narrow
 * form (packages/shared/src/config/topology.ts): none of them can hold a space or a line end.
 *
 * What is always true: a line that HAProxy has accepted is never thrown away because no parser is there.
 */

import type { Address, Prefix } from "@logwarden/shared/ip";
import type { Topology } from "@logwarden/shared/topology";

/** What differs between the two. A text of several lines has no line end at its last. */
interface Words {
  /** The first lines: what this file is, and how it is made. */
  head: string;
  global: string;
  resolvers: string;
  lameDuck: string;
  syslogBind: string;
  sourceConnectionsMax: string;
  sourceRateMax: string;
  connectionsMax: number;
  queueConnectionsMax: number;
  isSender: string;
  isProducer: string;
  serverDefaults: string;
  /** The end of a comment: why the header that names the sender is of this version. */
  proxyWhy: string;
  parserServers: string;
  parserStates: string;
  tls: string;
  queueBind: string;
  queueServers: string;
  adminBind: string;
  metrics: string;
}

/** A pair's file. It says nothing of the node it is on, so that the same file is right on both. */
export function renderHaproxy(topology: Topology): string {
  return render(wordsOf(topology));
}

/** The lab's file: values from the environment, defaults of the original design. */
export function renderHaproxyWithVariables(): string {
  return render(variables);
}

/** A frontend has this much of `maxconn` for the page of people and Prometheus, and some are left over. */
const adminConnectionsMax = 100;
const connectionsSpare = 400;

/** HAProxy takes 64 words on a line and complains about more. */
const wordsPerLine = 16;

function wordsOf(topology: Topology): Words {
  const { balancers, virtual, parsers, queues, ports, sources, limits, haproxy } = topology;
  const doors = ports.syslogTls === "off" ? 1 : 2;
  const connections = doors * limits.connections + limits.queueConnections + adminConnectionsMax + connectionsSpare;
  const producers = Object.values(parsers).map(({ address }) => address.text);
  const proxied = topology.proxy === "v2" ? proxyV2 : "send-proxy";
  const parserList = Object.entries(parsers);
  return {
    head: `# The pair of balancers in front of Logwarden: syslog from the network to the parsers, tasks to the queue.
#
#   routers ──▶ ${endpoint(virtual.syslog, ports.syslog)} ──PROXY ${topology.proxy}──▶ parsers     in service: /readyz says 200; leaving: 404; hold: none is there
#   parsers ──▶ ${endpoint(virtual.queue, ports.queue)} ────────────▶ beanstalkd  producers only; workers connect to every node directly
#   people  ──▶ ${endpoint(loopback, ports.admin)}                         /healthz  /readyz  /metrics  /stats
#
# Made from \`topology:\` of logwarden.yaml by \`logwarden haproxy render\`: change it there, not here. The same file is for
# every balancer; keepalived decides which one has the virtual addresses now. For HAProxy 2.6 (Debian 12) and newer.`,
    global: `  log stdout format raw local0 info
  # ${connections} connections of two file descriptors each, and a few: HAProxy does not start when it cannot have them
  # (LimitNOFILE of its unit).
  maxconn ${connections}
  # Syslog connections live for months. After a reload the old process keeps them, and ends what is left after this. Parsers
  # end each connection after 15 minutes, 20 % more or less (LOGWARDEN_CONNECTION_AGE_MAX_MS): nothing is left by then.
  hard-stop-after 30m
${haproxy.user === "off" ? "" : `  user  ${haproxy.user}\n  group ${haproxy.user}\n`}  # For \`logwarden nodes\`: who reaches it can take every node out of service, so it is a file and no port.
  stats socket ${haproxy.socket} mode 660 level admin
  stats timeout 30s`,
    resolvers: "",
    lameDuck: `${limits.lameDuckSeconds}s`,
    syslogBind: endpoint(virtual.syslog, ports.syslog),
    sourceConnectionsMax: String(limits.sourceConnections),
    sourceRateMax: String(limits.sourceConnectionsPer10s),
    connectionsMax: limits.connections,
    queueConnectionsMax: limits.queueConnections,
    isSender: aclOfSources("is_sender", sources.syslog.map(canonical)),
    isProducer: aclOfSources("is_producer", [...producers, ...sources.queue.map(canonical)]),
    serverDefaults: `${serverChecks} weight 100`,
    proxyWhy: topology.proxy === "v2" ? v2Why : v1Why,
    parserServers: parserList
      .map(([name, { address, weight }]) => {
        const check = `check port ${ports.parserStatus} ${proxied}`;
        return `  server ${name} ${endpoint(address, ports.parser)} ${check}${weighing(weight)}`;
      })
      .join("\n"),
    parserStates: trackers(topology, ports.parser, ""),
    tls: ports.syslogTls === "off" ? "" : tlsDoor(topology, ports.syslogTls, proxied),
    queueBind: endpoint(virtual.queue, ports.queue),
    queueServers: Object.entries(queues)
      .map(
        ([name, { address, weight }]) =>
          `  server ${name} ${endpoint(address, ports.queueNode)} check${weighing(weight)}`,
      )
      .join("\n"),
    adminBind: endpoint(loopback, ports.admin),
    metrics:
      sources.metrics.length === 0
        ? ""
        : metricsDoor(
            Object.values(balancers).map(({ address }) => endpoint(address, ports.admin)),
            sources.metrics.map(canonical),
          ),
  };
}

/** keepalived asks here, whatever family the virtual addresses have. */
const loopback: Address = { family: 4, text: "127.0.0.1", bits: 0x7f000001 };

/**
 * A parser that hangs keeps its connections, and what is written to it is lost: it is down after two checks of a second,
 * and its connections are shut so that the senders come again.
 */
const serverChecks = "inter 1s fastinter 300ms downinter 1s fall 2 rise 2 on-marked-down shutdown-sessions";

const v2Why = `PROXY v2 names the sender; its checksum
  # guards the name.`;
const v1Why = `PROXY v1 names the sender, by
  # choice: it is text that people can read on the wire, without checksum and unique id.`;

/** The port that refuses: see the comment in the file itself. */
const hold = "server hold 127.0.0.1:1 backup no-check";

function tlsDoor(topology: Topology, port: number, proxied: string): string {
  const { virtual, ports, limits } = topology;
  return `
# ---------------------------------------------------------------- syslog over TLS (RFC 5425)
#
# Passed through: the parser ends TLS. What names a device there is the client's certificate, and a balancer that ended
# TLS would only pass on its word for it; keys and certificates are in one kind of place, and renewed without a reload here.
# The PROXY header stands in front of the handshake, so the parser still knows the sender's address
# (LOGWARDEN_TLS_PROXIED=yes). The price: a stranger's handshake costs the parser its work, hence the same limits.

frontend syslog_tls
  bind ${endpoint(virtual.syslog, port)} tcp-ut 30s
  maxconn ${limits.connections}
  option clitcpka
  clitcpka-idle  60s
  clitcpka-intvl 10s
  clitcpka-cnt   3
${aclOfSources("is_sender", topology.sources.syslog.map(canonical))}
  tcp-request connection reject if !is_sender
  # Counted together with the plain door.
  tcp-request connection track-sc0 src table syslog
  tcp-request connection reject if { sc0_conn_cur(syslog) gt ${limits.sourceConnections} } || { sc0_conn_rate(syslog) gt ${limits.sourceConnectionsPer10s} }
  unique-id-format %{+X}o%ci:%cp_%fi:%fp_%Ts_%rt:%pid
  log-format "%ci:%cp [%t] %ft %b/%s %Tw/%Tc/%Tt %U+%B %ts retries=%rc id=%ID"
  default_backend parsers_tls

backend parsers_tls
  balance leastconn
  option srvtcpka
  # The health of the same parsers, asked once: \`track\` wants the same word about 404 on both sides.
  option httpchk GET /readyz
  http-check disable-on-404
  default-server on-marked-down shutdown-sessions weight 100
  retries 3600
${trackers(topology, ports.parserTls, ` ${proxied}`)}
  ${hold}
`;
}

/** Servers that take the health of those in `parsers`, a runtime drain included, but not their weight. */
function trackers({ parsers }: Topology, port: number, proxied: string): string {
  return Object.entries(parsers)
    .map(([name, { address, weight }]) => {
      return `  server ${name} ${endpoint(address, port)} track parsers/${name}${proxied}${weighing(weight)}`;
    })
    .join("\n");
}

function metricsDoor(binds: readonly string[], sources: readonly string[]): string {
  return `
# For Prometheus, on each balancer's own address; the other one's is bound too and never reached (ip_nonlocal_bind), so that
# the file is the same on both. The page of people stays on loopback.
frontend metrics
  bind ${binds.join(",")}
  mode http
  maxconn ${adminConnectionsMax}
  timeout client 10s
  timeout http-request 5s
  option httplog
  option dontlog-normal
${aclOfSources("is_watcher", sources)}
  tcp-request connection reject if !is_watcher
${readyz}
  http-request use-service prometheus-exporter if { path /metrics }
  http-request return status 404 content-type text/plain string "there are /metrics and /readyz"
`;
}

function weighing(weight: number): string {
  return weight === 100 ? "" : ` weight ${weight}`;
}

/** Several lines of one name mean "one of them". */
function aclOfSources(name: string, sources: readonly string[]): string {
  const lines: string[] = [];
  for (let at = 0; at < sources.length; at += wordsPerLine) {
    lines.push(`  acl ${name} src ${sources.slice(at, at + wordsPerLine).join(" ")}`);
  }
  return lines.join("\n");
}

function canonical({ text }: Prefix): string {
  return text;
}

/** As HAProxy writes it: an IPv6 address in brackets. */
function endpoint({ family, text }: Address, port: number): string {
  return family === 6 ? `[${text}]:${port}` : `${text}:${port}`;
}

const readyz = `  acl is_readyz path /readyz
  http-request return status 503 content-type text/plain string "no parser is in service" if is_readyz { nbsrv(parsers_state) lt 1 }
  http-request return status 200 content-type text/plain string "ready" if is_readyz`;

/** A variable of the environment, as HAProxy's file writes it. */
function variable(name: string): string {
  return `"$\{LOGWARDEN_${name}}"`;
}

const templateOptions = "resolvers parsers resolve-prefer ipv4 init-addr none";
const proxyV2 = "send-proxy-v2 proxy-v2-options unique-id,crc32c";

const variables: Words = {
  head: `# The door of Logwarden: syslog from the network to the parsers, and, for those who want it, tasks to the queue.
#
#   routers ──▶ syslog :10514 ──PROXY v2──▶ parsers     in service: /readyz says 200; leaving: 404; hold: none is there
#   parsers ──▶ queue  :11300 ────────────▶ beanstalkd  producers only; workers connect to every node directly
#   people  ──▶ admin  :8404                            /healthz  /readyz  /metrics  /stats
#
# One file for production, for docker compose and for the lab on loopback; \`haproxy -c -f deploy/haproxy/haproxy.cfg\`
# accepts it as it is, with HAProxy 2.6 (Debian 12) and newer. What differs between those places is in the environment;
# the defaults below are the addresses of the original design. deploy/README.md lists the variables in a table.
#
# What is always true: a line that HAProxy has accepted is never thrown away because no parser is there. HAProxy accepts
# a connection before it knows a server for it, so "no server" must mean "wait" (the hold server) and not "close".`,
  global: `  # A reload keeps the environment of the master process, and with it the values below: after a change of a default in
  # this file, restart instead.
  presetenv LOGWARDEN_SYSLOG_BIND        10.10.10.10:10514
  presetenv LOGWARDEN_QUEUE_BIND         10.10.10.10:11300
  presetenv LOGWARDEN_ADMIN_BIND         127.0.0.1:8404
  # Who may send syslog at all. Not a firewall: it keeps strangers from using up connections.
  presetenv LOGWARDEN_SYSLOG_SOURCES     "10.0.0.0/8 172.16.0.0/12 192.168.0.0/16"
  # Who may put tasks. beanstalkd has no authentication: whoever reaches it can ask for bans.
  presetenv LOGWARDEN_QUEUE_SOURCES      "10.10.10.0/24 127.0.0.0/8"
  presetenv LOGWARDEN_PARSER_1           10.10.10.111:10514
  presetenv LOGWARDEN_PARSER_2           10.10.10.112:10514
  presetenv LOGWARDEN_PARSER_STATUS_PORT 8080
  presetenv LOGWARDEN_QUEUE_1            10.10.10.121:11300
  presetenv LOGWARDEN_QUEUE_2            10.10.10.122:11300
  # Connections of one sender at the same time. rsyslog opens one for each forwarding rule, and a second one while an
  # old one ends. Many routers behind one translated address need more.
  presetenv LOGWARDEN_SOURCE_CONNECTIONS_MAX 50
  # How long a connection may go on after the parser has ended its half: see \`timeout client-fin\`.
  presetenv LOGWARDEN_LAME_DUCK          8s
  # Not set unless you want them:
  #   LOGWARDEN_PARSERS_DNS   name:port whose every address is a parser, for example parser:10514; replaces PARSER_1 and _2
  #   LOGWARDEN_DNS           who knows that name; Docker's own DNS unless told
  #   LOGWARDEN_RUN_AS        user and group to become when started as root (Debian's unit does: haproxy)
  #   LOGWARDEN_ADMIN_SOCKET  path of the runtime API, for example /run/haproxy/admin.sock
  presetenv LOGWARDEN_DNS                127.0.0.11:53

  log stdout format raw local0 info
  # Two file descriptors each: 10 000 and a few, within the limit of every usual service manager and container engine.
  # HAProxy refuses to start when it cannot have them.
  maxconn 5000
  # Syslog connections live for months. After a reload the old process keeps them, and ends what is left after this.
  hard-stop-after 30m
.if defined(LOGWARDEN_RUN_AS)
  user  ${variable("RUN_AS")}
  group ${variable("RUN_AS")}
.endif
.if defined(LOGWARDEN_ADMIN_SOCKET)
  stats socket ${variable("ADMIN_SOCKET")} mode 660 level admin
  stats timeout 30s
.endif`,
  resolvers: `.if defined(LOGWARDEN_PARSERS_DNS)
resolvers parsers
  nameserver dns ${variable("DNS")}
  resolve_retries 3
  timeout resolve 1s
  timeout retry   1s
  # A parser that was added is found, and one that was removed is forgotten, within five seconds.
  hold valid    5s
  hold nx       5s
  hold obsolete 5s
.endif

`,
  lameDuck: variable("LAME_DUCK"),
  syslogBind: variable("SYSLOG_BIND"),
  sourceConnectionsMax: variable("SOURCE_CONNECTIONS_MAX"),
  sourceRateMax: "100",
  connectionsMax: 4000,
  queueConnectionsMax: 500,
  isSender: `  acl is_sender src ${variable("SYSLOG_SOURCES[*]")}`,
  isProducer: `  acl is_producer src ${variable("QUEUE_SOURCES[*]")}`,
  serverDefaults: serverChecks,
  proxyWhy: v2Why,
  parserServers: `.if defined(LOGWARDEN_PARSERS_DNS)
  # Ten places, so at most ten parsers; a place without an address takes no part. The name need not exist yet.
  server-template parser- 1-10 ${variable("PARSERS_DNS")} check port ${variable("PARSER_STATUS_PORT")} ${proxyV2} ${templateOptions}
.else
  server parser-1 ${variable("PARSER_1")} check port ${variable("PARSER_STATUS_PORT")} ${proxyV2}
  server parser-2 ${variable("PARSER_2")} check port ${variable("PARSER_STATUS_PORT")} ${proxyV2}
.endif`,
  parserStates: `.if defined(LOGWARDEN_PARSERS_DNS)
  # \`track\` cannot follow a template, so each parser is asked twice a second here; it is one short answer.
  default-server inter 1s fastinter 300ms downinter 1s fall 2 rise 2
  server-template parser- 1-10 ${variable("PARSERS_DNS")} check port ${variable("PARSER_STATUS_PORT")} ${templateOptions}
.else
  server parser-1 ${variable("PARSER_1")} track parsers/parser-1
  server parser-2 ${variable("PARSER_2")} track parsers/parser-2
.endif`,
  tls: "",
  queueBind: variable("QUEUE_BIND"),
  queueServers: `  server queue-1 ${variable("QUEUE_1")} check
  server queue-2 ${variable("QUEUE_2")} check`,
  adminBind: variable("ADMIN_BIND"),
  metrics: "",
};

function render(words: Words): string {
  return `${words.head}

global
${words.global}

defaults
  mode tcp
  log global
  option tcplog
  option dontlognull
  # After each failed attempt to connect, choose again among the servers.
  option redispatch 1
  retries 3
  # A lost SYN is sent again after one second; this leaves room for one more.
  timeout connect 3s
  timeout check 2s
  timeout queue 5s
  # Silence is normal: a router may have nothing to say for hours. Keepalive, not silence, tells who is gone.
  timeout client 24h
  timeout server 24h
  # The window of the lame duck. A parser that leaves ends its half of each connection and reads on; rsyslog notices when
  # it wants to send its next line, which may be long, so a connection that stays silent ends after this. It must be
  # shorter than the parser's own patience (its LOGWARDEN_DRAIN_DEADLINE_MS, 10 s), or the parser has to cut it.
  # HAProxy 3.0 counts from the last byte: a connection that has been silent for longer ends at once.
  timeout client-fin ${words.lameDuck}
  # The other way round, a sender that has gone: what it left behind may have to wait while a parser is not reading.
  timeout server-fin 30s

${words.resolvers}# ---------------------------------------------------------------- syslog over TCP (RFC 6587)

frontend syslog
  # tcp-ut: a peer that does not acknowledge anything for this long is gone. On a pair with keepalived both nodes bind
  # the virtual address: that needs net.ipv4.ip_nonlocal_bind=1 on the one that does not have it now.
  bind ${words.syslogBind} tcp-ut 30s
  # The rest of the global limit stays for the queue and for the admin page, which must answer under a flood.
  maxconn ${words.connectionsMax}
  # A router that lost its power says nothing: found out after 60 s + 3 × 10 s.
  option clitcpka
  clitcpka-idle  60s
  clitcpka-intvl 10s
  clitcpka-cnt   3
${words.isSender}
  tcp-request connection reject if !is_sender
  # 100 in 10 s: rsyslog tries again every second at most, so this is somebody's loop and not a router.
  stick-table type ipv6 size 100k expire 10m store conn_cur,conn_rate(10s)
  tcp-request connection track-sc0 src
  tcp-request connection reject if { sc0_conn_cur gt ${words.sourceConnectionsMax} } || { sc0_conn_rate gt ${words.sourceRateMax} }
  # The same id in our log and in the PROXY header: what joins the two sides of one connection.
  unique-id-format %{+X}o%ci:%cp_%fi:%fp_%Ts_%rt:%pid
  log-format "%ci:%cp [%t] %ft %b/%s %Tw/%Tc/%Tt %U+%B %ts retries=%rc id=%ID"
  default_backend parsers

backend parsers
  # Parsers hold no state, so any of them will do; connections live long, so the one with the fewest is the idle one.
  balance leastconn
  option srvtcpka
  # 404 is a parser on its way out: it gets no new connections and keeps those it has. Anything else but 200 is down.
  option httpchk GET /readyz
  http-check expect status 200
  http-check disable-on-404
  # A parser that hangs keeps its connections, and what is written to it is lost: it is down after two checks of a
  # second, and its connections are shut so that the senders come again. ${words.proxyWhy}
  default-server ${words.serverDefaults}
  # An hour, at one attempt a second, for a connection that waits for a parser.
  retries 3600
${words.parserServers}
  # While no parser is in service, this one is chosen. Nobody listens on port 1 (tcpmux), so it refuses; the connection
  # stays open, its lines wait in the sender, and each second it is offered to the parsers again. Not the address of a
  # parser: one that is hung or on its way out would accept lines that nobody reads, and a name in DNS goes away with
  # the last parser.
  ${hold}

# The same parsers without the hold server, which is always up: takes no connections, only counts them for /readyz.
backend parsers_state
  option httpchk GET /readyz
  http-check expect status 200
  http-check disable-on-404
${words.parserStates}
${words.tls}
# ---------------------------------------------------------------- the queue, for producers only
#
# A worker behind this address would sit on one node, and the tasks on the other would wait for ever.

frontend queue
  bind ${words.queueBind}
  # A few connections for each parser.
  maxconn ${words.queueConnectionsMax}
  option clitcpka
${words.isProducer}
  tcp-request connection reject if !is_producer
  default_backend beanstalkd

backend beanstalkd
  balance leastconn
  option srvtcpka
  option tcp-check
  tcp-check connect
  # Both at once: the node closes after its answer, so that the answer has an end and a missing word shows.
  tcp-check send "stats\\r\\nquit\\r\\n"
  tcp-check expect string OK
  # A node that drains (SIGUSR1) refuses puts and serves its workers: no new connections, not down. A full disk does not
  # show here; producers go to the next node by themselves.
  tcp-check expect string "draining: false" error-status L7OKC
  default-server ${words.serverDefaults}
${words.queueServers}

# ---------------------------------------------------------------- for people, Prometheus and keepalived

frontend admin
  bind ${words.adminBind}
  mode http
  maxconn ${adminConnectionsMax}
  timeout client 10s
  timeout http-request 5s
  option httplog
  option dontlog-normal
  # HAProxy answers: all that keepalived may ask. If it asked for parsers, the queue's address would leave with them.
  monitor-uri /healthz
${readyz}
  http-request use-service prometheus-exporter if { path /metrics }
  stats enable
  stats uri /stats
  stats refresh 5s
  stats hide-version
${words.metrics}`;
}
