/** What an operator can turn of the parser, why each default is what it is, and what is refused. Read once, in main.ts. */

import { forms, variable } from "@logwarden/shared/environment";

export const parserVariables = {
  listen: variable({
    schema: forms.endpoint,
    about: "Where HAProxy forwards syslog to. Keep it off networks that devices can reach: see trustedProxies.",
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
  frameBytesMax: variable({
    schema: forms.whole(480, 65_536),
    about: "The longest line. rsyslog sends at most 8 KiB unless raised; RFC 5424 §6.1 wants 480 at least.",
    example: "8192",
    default: "8192",
  }),
  headerTimeoutMs: variable({
    schema: forms.whole(10, 60_000),
    about:
      "How long a connection may take to send its PROXY header. HAProxy sends it at once; its specification asks for 3 s.",
    example: "5000",
    default: "5000",
  }),
  connectionsMax: variable({
    schema: forms.whole(1, 1_000_000),
    about: "Connections at the same time; each may hold one unfinished line.",
    example: "10000",
    default: "10000",
  }),
  unansweredPutsMax: variable({
    schema: forms.whole(1, 65_536),
    about: "Puts sent and not answered. Above it the sockets pause and the routers' own queues hold the lines.",
    example: "1024",
    default: "1024",
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
