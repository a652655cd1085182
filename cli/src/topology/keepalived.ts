/**
 * keepalived.conf of one balancer, from a topology. Pure: a topology and a name in, a text out.
 *
 *   BACKUP ──(nobody advertised for three intervals)──▶ MASTER, has the virtual addresses, until its HAProxy does not
 *     ▲                                                    │    answer (FAULT) or the machine is gone
 *     └───────────(HAProxy answers again)──── FAULT ◀──────┘
 *
 * What is always true: the addresses move together, and never because of a backend.
 */

import type { Topology } from "@logwarden/shared/topology";

/**
 * The higher, the less a backup waits beyond three adverts: (256 - priority) / 256 of an interval (RFC 5798 §6.1). 250 and
 * 240 are 7 and 19 ms, so that with adverts of 0.25 s the addresses move within a second; 255 is for who owns the address.
 */
const priorityFirst = 250;
const priorityStep = 10;

/** @param name of a balancer of the topology */
export function renderKeepalived({ balancers, virtual, ports, vrrp }: Topology, name: string): string {
  const names = Object.keys(balancers);
  const own = balancers[name];
  if (own === undefined) throw new Error(`no balancer ${name}`);
  const peers = names.filter((other) => other !== name).map((other) => `    ${balancers[other]?.address.text}`);
  const addresses = [...new Set([virtual.syslog.text, virtual.queue.text])];
  const bits = own.address.family === 4 ? 32 : 128;
  const why =
    addresses.length === 1
      ? `One address with two ports. On its own (/${bits}), so that it brings no route.`
      : `Both in one instance: a balancer that has one of them has the other. On their own (/${bits}), so that they bring no route.`;
  return `# keepalived of ${name}: which balancer has the virtual address${addresses.length === 1 ? "" : "es"}.
#
# Made from \`topology:\` of logwarden.yaml by \`logwarden keepalived render --node ${name}\`: change it there, not here.
# It needs net.ipv${own.address.family}.ip_nonlocal_bind=1, so that HAProxy can bind the addresses while the other node has them, and a
# service manager that starts keepalived again: killed with -9 it leaves the addresses where they are, on two nodes.

global_defs {
  router_id ${name}
  # Version 2 counts whole seconds, and rounds silently.
  vrrp_version 3
  # Refuse to run a script that somebody else could change.
  enable_script_security
  # Each command below drops to nobody (65534) by itself. A user other than root here would be the same, but keepalived
  # 2.2.7 (Debian 12) then kills itself in \`keepalived -t\` (its issue 2617; newer ones do not).
  script_user root
  # Says again to whom the addresses belong, once a second. After a split, in which both had them, the neighbours may have learned
  # the one that has just given them up: until this is said, everything that they send is lost (with 10 here, five seconds of it).
  vrrp_garp_master_refresh 1
  # A card that appears after keepalived has started is taken when it is there. One that goes and comes back is not: keepalived
  # 2.2.7 then says BACKUP and never takes over (its issue 1847), so that it must be started again with the card.
  dynamic_interfaces
}

# HAProxy answers. Not \`killall -0\`: that is true for one that hangs, and for an old one that only ends its connections.
# Nothing behind HAProxy is asked: with every parser down both balancers would give up the queue's address as well.
#
# keepalived starts a check once a second at most, so one check asks nine times, every 0.1 s (curl 7.84 and newer), and ends
# at the first failure. The numbers behind # only make nine of one address; HAProxy does not see them. So a HAProxy that was killed is noticed in 0.1 s, one that hangs in 1 s. One failure is enough: on
# loopback nothing gets lost, and a reload refuses nobody.
vrrp_script haproxy_answers {
  script "/usr/bin/setpriv --reuid=65534 --regid=65534 --clear-groups --no-new-privs /usr/bin/curl --disable --noproxy 127.0.0.1 --silent --fail --fail-early --output /dev/null --max-time 1 --rate 10/s http://127.0.0.1:${ports.admin}/healthz#[1-9]"
  interval 1
  timeout 3
  fall 1
  # About two seconds of answers before it may have the addresses again.
  rise 2
}

vrrp_instance logwarden {
  # Both nodes: nopreempt means nothing to one that starts as MASTER. A node that comes back finds the addresses elsewhere
  # and leaves them there, since every move ends all connections.
  state BACKUP
  nopreempt
  interface ${own.interface}
  # Of all pairs in this network segment, each has another one.
  virtual_router_id ${vrrp.id}
  # ${name} is number ${names.indexOf(name) + 1} of ${names.length}: only counts when several want the addresses at the same moment.
  priority ${priorityFirst - priorityStep * names.indexOf(name)}
  # A master that is silent for three of these has gone: about ${Number((3 * vrrp.advertSeconds).toFixed(2))} s. 0.1 s flaps on a busy virtual machine.
  advert_int ${vrrp.advertSeconds}
  # To the peers alone: many networks, and all clouds, do not carry multicast. VRRPv3 has no authentication: let the firewall
  # take protocol 112 from the peers only.
  unicast_src_ip ${own.address.text}
  unicast_peer {
${peers.join("\n")}
  }
  # What comes from elsewhere is no advert.
  check_unicast_src
  # ${why}
  virtual_ipaddress {
${addresses.map((address) => `    ${address}/${bits} dev ${own.interface}`).join("\n")}
  }
  track_script {
    haproxy_answers
  }
}
`;
}
