#!/bin/bash
# What machine.test.ts lets a machine do that was installed as docs/installing.md says. Runs there as the only unit that is
# started at boot; what it saw is in /out. Each wait is for a fact; the test ends the machine when none comes.
set -euo pipefail
exec >/out/log 2>&1
# What the units said, when the story ends early.
trap 'journalctl --quiet --no-hostname | tail -60; exit 1' ERR TERM

units=(beanstalkd haproxy keepalived logwarden-parser@1 logwarden-responder@1)

until_fact() { # what command...
  echo "waiting until $1"
  until "${@:2}" >/dev/null 2>&1; do sleep 0.1; done
}
ready() { curl --silent --fail --max-time 1 "http://$1/readyz"; }
restarted() { (($(systemctl show --property=NRestarts --value "$1") >= 1)) && systemctl is-active --quiet "$1"; }
replaced() { journalctl --quiet --unit logwarden-parser@1 | grep -q '"worker.replaced"'; }
has_address() { ip -brief address show dev eth0 | grep -q 10.10.10.10/32; }
banned() { journalctl --quiet --unit 'logwarden-responder@*' | grep -q "\"ban.started\".*\"$1\""; }
in_use() { # every part answers, and a line that is logged now leads to a ban
  until_fact "the parser is ready" ready 10.10.10.111:8080
  until_fact "the responder is ready" ready 10.10.10.111:8081
  until_fact "the balancer has the address" has_address
  until_fact "HAProxy has a parser" curl --silent --fail --max-time 1 http://127.0.0.1:8404/readyz
  until_fact "a line of the router bans $1" attack "$1"
}
attack() {
  /opt/node -e '
    const socket = require("node:net").connect({ host: "10.10.10.10", port: 10514, localAddress: "10.10.10.201" });
    socket.end(`<38>Nov 28 04:44:40 edge-1 sshd[4242]: Failed password for root from ${process.argv[1]} port 22 ssh2\n`);
    socket.resume();' "$1"
  for _ in {1..20}; do banned "$1" && return 0; sleep 0.1; done
  return 1
}

# A card whose cable leads nowhere.
ip link add eth0 type veth peer name cable
ip link set cable up
ip link set eth0 up
for address in 11 111 121 201; do ip address add "10.10.10.$address/24" dev eth0; done
sysctl --quiet --write net.ipv4.ip_nonlocal_bind=1
systemd-sysusers
/opt/logwarden/deploy/systemd/compile.sh /opt/node
find /opt/logwarden/.cache/*/ -type f -printf '%H %u %m\n' | sort | uniq --count >/out/compiled

systemctl start "${units[@]}"
in_use 203.0.113.7
for unit in "${units[@]}"; do
  pid=$(systemctl show --property=MainPID --value "$unit")
  while read -r what value _; do
    [[ $what =~ ^(Uid|CapBnd|NoNewPrivs|Seccomp):$ ]] && echo "$unit $what $value"
  done <"/proc/$pid/status" >>/out/sandbox || true
done

# The parser's keeper stays as it is, for systemd too, and has another one at work.
keeper=$(systemctl show --property=MainPID --value logwarden-parser@1)
kill -KILL "$(pgrep --parent "$keeper")"
until_fact "the keeper has another parser" replaced
in_use 203.0.113.9
echo "keeper $(($(systemctl show --property=MainPID --value logwarden-parser@1) - keeper))" >>/out/ends

# HAProxy and keepalived are several processes each. In a container with version 1 of the control groups systemd is not told when
# the last of them has gone, and waits for 90 s: there they are only restarted. cli/test/failover.test.ts kills them.
alone=(beanstalkd logwarden-parser@1 logwarden-responder@1)
for unit in "${alone[@]}"; do systemctl kill --signal=KILL "$unit"; done
for unit in "${alone[@]}"; do until_fact "$unit is started again" restarted "$unit"; done
systemctl restart haproxy keepalived
in_use 203.0.113.8

systemctl stop "${units[@]}"
for unit in "${units[@]}"; do
  echo "$unit $(systemctl show --property=Result --value "$unit") $(systemctl show --property=ExecMainStatus --value "$unit")" >>/out/ends
done
echo done >>/out/ends
