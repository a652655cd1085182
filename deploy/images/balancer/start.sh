# One balancer in one container: HAProxy, and keepalived, which gives it the virtual address. They live and end together.
#
#   /etc/haproxy/haproxy.cfg                     made by `logwarden haproxy render`
#   /etc/logwarden/keepalived/$HOSTNAME.conf     made by `logwarden keepalived render`, for the balancer of that name
#
#   SIGTERM    keepalived ends first: it tells the other balancer, which has the address at once; then HAProxy
#   SIGHUP     HAProxy reads its file again and loses nothing
#   either ends by itself: the other one too, with exit code 1, and Docker starts the container again
#
# A keepalived that was killed leaves the address where it is. Here that lasts until the container's network is gone, a moment.
set -euo pipefail

# Those of a container that was killed: keepalived would take them for one that runs.
rm -f /run/keepalived.pid /run/keepalived/*.pid /run/vrrp.pid

# -W: a master that can be told to reload; -db: in the foreground.
haproxy -W -db -f /etc/haproxy/haproxy.cfg &
haproxy=$!
# VRRP alone, no virtual servers of the kernel. /etc/keepalived is the package's: the program reads there how it was built, or does not start.
keepalived --dont-fork --log-console --vrrp -f "/etc/logwarden/keepalived/$HOSTNAME.conf" &
keepalived=$!

code=1
trap 'code=0; kill -TERM "$keepalived" 2>/dev/null || true' TERM INT
trap 'kill -USR2 "$haproxy"' HUP

# A signal ends the wait too; then nobody is named.
until [[ -n ${ended:-} ]]; do wait -n -p ended "$haproxy" "$keepalived" || true; done

kill -TERM "$keepalived" 2>/dev/null || true
wait "$keepalived" || true
kill -TERM "$haproxy" 2>/dev/null || true
wait "$haproxy" || true
exit "$code"
