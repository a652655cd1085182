/** What an operator can turn of the parser, why each default is what it is, and what is refused. Read once, in main.ts. */

import { ConfigurationError, type EnvironmentValues, forms, variable } from "@logwarden/shared/environment";

export const parserVariables = {
  listen: variable({
    schema: forms.endpointOrOff,
    about:
      "Where HAProxy forwards syslog to, with a PROXY header. Keep it off networks that devices can reach: see trustedProxies.",
    example: "0.0.0.0:10514",
    default: "0.0.0.0:10514",
  }),
  trustedProxies: variable({
    schema: forms.prefixes,
    about:
      "Who may send the PROXY header, and so claim to be any device: the load balancers, nobody else. Empty refuses all.",
    example: "10.10.10.11,10.10.10.12",
    default: "",
  }),
  plainListen: variable({
    schema: forms.endpointOrOff,
    about:
      "TCP without a PROXY header: the device is whoever connects. For senders that reach the parser without a balancer.",
    example: "0.0.0.0:601",
    default: "off",
  }),
  tlsListen: variable({
    schema: forms.endpointOrOff,
    about: "Syslog over TLS 1.2 or newer (RFC 5425; its port is 6514). The device is named by certificate or address.",
    example: "0.0.0.0:6514",
    default: "off",
  }),
  tlsCertificateFile: variable({
    schema: forms.pathOrNone,
    about:
      "PEM: the parser's certificate, then its chain. When it or the key changes, new connections get the new one.",
    example: "/etc/logwarden/parser.crt",
    default: "",
  }),
  tlsKeyFile: variable({
    schema: forms.pathOrNone,
    about: "PEM, without a passphrase: the certificate's key.",
    example: "/run/secrets/parser.key",
    default: "",
  }),
  tlsClientCaFile: variable({
    schema: forms.pathOrNone,
    about:
      "PEM: who signs the senders' certificates. Set, senders are asked for one; its name may be a device's `certificate`.",
    example: "/etc/logwarden/senders-ca.crt",
    default: "",
  }),
  tlsClients: variable({
    schema: forms.oneOf("optional", "required"),
    about:
      "Whether a sender may come without a certificate. A certificate that nobody of tlsClientCaFile signed is refused either way.",
    example: "required",
    default: "optional",
  }),
  tlsProxied: variable({
    schema: forms.oneOf("no", "yes"),
    about:
      "yes: HAProxy passes TLS through and a PROXY header stands in front of it, required and from trustedProxies only. Never guessed.",
    example: "yes",
    default: "no",
  }),
  tlsFilesCheckMs: variable({
    schema: forms.whole(0, 86_400_000),
    about:
      "How often at most, when a sender connects, the files are looked at for a change. A minute: nobody renews faster.",
    example: "60000",
    default: "60000",
  }),
  udpListen: variable({
    schema: forms.endpointOrOff,
    about:
      "Syslog over UDP (RFC 5426): the device is the sender's address. UDP addresses can be forged by whoever can send a packet: " +
      "only inside networks you trust, and never through HAProxy, which loses the address. Nothing makes a sender wait: what " +
      "does not fit is lost, and counted.",
    example: "0.0.0.0:514",
    default: "off",
  }),
  udpReceiveBufferBytes: variable({
    schema: forms.whole(4096, 1_073_741_824),
    about:
      "The kernel's buffer for datagrams: 4 MiB hold some 10 000 lines that may come while we do something else. Linux gives at most net.core.rmem_max.",
    example: "4194304",
    default: "4194304",
  }),
  udpHeldBytesMax: variable({
    schema: forms.whole(0, 1_073_741_824),
    about:
      "Datagrams held while the queue is slow or away, 512 bytes added for each; above it they are refused as queue-full. 16 MiB are 25 000 lines.",
    example: "16777216",
    default: "16777216",
  }),
  unknownDevicesMax: variable({
    schema: forms.whole(1, 1_000_000),
    about:
      "With `unknownDevices: accept`: how many addresses without an entry in the inventory. Each is a tube in beanstalkd and some 500 bytes here; UDP senders can invent addresses.",
    example: "1000",
    default: "1000",
  }),
  frameBytesMax: variable({
    schema: forms.whole(480, 65_536),
    about: "The longest line. rsyslog sends at most 8 KiB unless raised; RFC 5424 §6.1 wants 480 at least.",
    example: "8192",
    default: "8192",
  }),
  headerTimeoutMs: variable({
    schema: forms.whole(10, 60_000),
    about:
      "How long a connection may take to send its PROXY header, and how long for the TLS handshake. HAProxy sends the header at once; its specification asks for 3 s.",
    example: "5000",
    default: "5000",
  }),
  connectionsMax: variable({
    schema: forms.whole(1, 1_000_000),
    about:
      "Connections at the same time, over all listeners: twice what one HAProxy of ours passes on. Each may come to cost three times frameBytesMax and 8 KiB, over TLS 192 KiB more: logwarden_memory_bytes_max adds it up.",
    example: "10000",
    default: "10000",
  }),
  deviceConnectionsMax: variable({
    schema: forms.whole(1, 1_000_000),
    about:
      "Connections of one device at the same time: a tenth of connectionsMax, so that one that goes mad leaves room for the others. rsyslog opens one for each forwarding rule, and a second while an old one ends.",
    example: "1000",
    default: "1000",
  }),
  addressConnectionsMax: variable({
    schema: forms.whole(1, 1_000_000),
    about:
      "Connections of one remote address to the listeners without a balancer, from their first packet on: a stranger cannot use up connectionsMax with handshakes that it never ends. More for many devices behind one translated address.",
    example: "1000",
    default: "1000",
  }),
  connectionAgeMaxMs: variable({
    schema: forms.whole(0, 86_400_000),
    about:
      "A connection is half-closed at this age, 20 % more or less, and read until the peer closes: it reconnects, and may find another parser. 15 minutes: a new parser has its share soon, at one reconnect a device. 0: never.",
    example: "900000",
    default: "900000",
  }),
  keepConnections: variable({
    schema: forms.oneOf("no", "yes"),
    about:
      "yes: a second, small process (50 MiB) keeps the connections of a parser that dies for the next one, which it starts, and what " +
      "the senders wrote meanwhile is not lost. Not over TLS, nor for UDP, nor when both die at once, as the processes of a container do.",
    example: "yes",
    default: "no",
  }),
  unansweredPutsMax: variable({
    schema: forms.whole(1, 65_536),
    about:
      "Puts sent and not answered. Above it the sockets pause and the routers' own queues hold the lines. 4096: with fewer, a flood waits for answers instead of being put (bench: parser, puts).",
    example: "4096",
    default: "4096",
  }),
  foldRepeats: variable({
    schema: forms.oneOf("no", "yes"),
    about:
      "yes: repeats of one event inside one read become one task with their count. Saves the queue in a flood; the sum of the counts is the same.",
    example: "yes",
    default: "no",
  }),
  drainDelayMs: variable({
    schema: forms.whole(0, 60_000),
    about: "After SIGTERM: how long /readyz says 404 before connections are half-closed; three checks of HAProxy.",
    example: "3000",
    default: "3000",
  }),
  drainDeadlineMs: variable({
    schema: forms.whole(0, 300_000),
    about: "After half-closing: how long peers may take to close, and the queue to answer.",
    example: "10000",
    default: "10000",
  }),
};

export type ParserEnvironment = EnvironmentValues<typeof parserVariables>;

/** @throws ConfigurationError for what each variable alone cannot say */
export function checkListeners(environment: ParserEnvironment): void {
  const { listen, plainListen, tlsListen, udpListen, tlsClients, tlsProxied, ...rest } = environment;
  const complaints: string[] = [];
  if ([listen, plainListen, tlsListen, udpListen].every((one) => one === undefined)) {
    complaints.push("LOGWARDEN_LISTEN: expected at least one listener, got off for each, for example 0.0.0.0:10514");
  }
  const tls = [
    ["LOGWARDEN_TLS_CERTIFICATE_FILE", rest.tlsCertificateFile],
    ["LOGWARDEN_TLS_KEY_FILE", rest.tlsKeyFile],
    ["LOGWARDEN_TLS_CLIENT_CA_FILE", rest.tlsClientCaFile],
    ["LOGWARDEN_TLS_CLIENTS", tlsClients === "required" ? tlsClients : undefined],
    ["LOGWARDEN_TLS_PROXIED", tlsProxied === "yes" ? tlsProxied : undefined],
  ] as const;
  for (const [name, value] of tls) {
    if (tlsListen !== undefined || value === undefined) continue;
    complaints.push(`${name}: expected LOGWARDEN_TLS_LISTEN beside it, for example 0.0.0.0:6514, got ${value} alone`);
  }
  if (tlsListen !== undefined && tlsClients === "required" && rest.tlsClientCaFile === undefined) {
    complaints.push("LOGWARDEN_TLS_CLIENTS: expected LOGWARDEN_TLS_CLIENT_CA_FILE beside it, got required alone");
  }
  if (complaints.length > 0) throw new ConfigurationError(complaints);
}

const kib = 1024;

/** What the process may come to need, by what needs it; measured on Node 24 with 2000 connections, then rounded up. */
export interface MemoryBound {
  /**
   * Node, our code, and what the garbage collector leaves lying under full load: 140 MiB when nothing happens, up to 343 in
   * all when 1000 connections empty what they had held back (bench: parser, soak).
   */
  processBytes: number;
  /**
   * Each connection: sockets, timer and counters (5.6 KiB measured), and an unfinished line, which was put together from
   * several reads and leaves its older copies to the collector (24 KiB in all with lines of 8, 180 with lines of 64). A paused
   * connection costs no more: what was not read is the kernel's. Over TLS OpenSSL's state (50 KiB idle), and its buffers once
   * they have been full (180 KiB in all).
   */
  connectionsBytes: number;
  /** Unanswered puts, and those of the read that filled the window: 64 KiB of the shortest lines that are tasks. */
  putsBytes: number;
  /** Datagrams that are held while the queue is slow or away. */
  datagramsBytes: number;
  /** Devices that are accepted without being in the inventory. */
  unknownDevicesBytes: number;
  /** The keeper (51 MiB measured), and the journal: an unfinished line of each connection, and three pages of each put. */
  keeperBytes: number;
  totalBytes: number;
}

/** How much memory these settings may cost at most, the keeper's too. What the kernel holds in its buffers is not the process's. */
export function memoryBytesMax(environment: ParserEnvironment): MemoryBound {
  const { connectionsMax, frameBytesMax, unansweredPutsMax, udpHeldBytesMax, unknownDevicesMax } = environment;
  const connectionBytes = 3 * frameBytesMax + (environment.tlsListen === undefined ? 8 : 8 + 192) * kib;
  // A task has a bounded form: 8 KiB as JSON (its reason 1000 characters, its user 256, six bytes each at worst), and as much again for
  // what waits for its answer.
  const putBytes = 16 * kib;
  const putsOfReadMax = 1100;
  const terms = {
    processBytes: 384 * kib * kib,
    connectionsBytes: connectionsMax * connectionBytes,
    putsBytes: (unansweredPutsMax + putsOfReadMax) * putBytes,
    datagramsBytes: environment.udpListen === undefined ? 0 : udpHeldBytesMax,
    unknownDevicesBytes: unknownDevicesMax * 512,
    keeperBytes:
      environment.keepConnections === "no"
        ? 0
        : 64 * kib * kib + connectionsMax * (frameBytesMax + kib) + (unansweredPutsMax + putsOfReadMax) * 12 * kib,
  };
  return { ...terms, totalBytes: Object.values(terms).reduce((sum, bytes) => sum + bytes, 0) };
}
