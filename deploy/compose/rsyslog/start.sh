# A router's rsyslogd in a container: starts it, plays the story once if there is one (STORY=yes), stays. With SSHD=yes there is a
# real sshd beside it, into which nobody can log in, so that its lines are those of somebody who tries.
#
#   docker compose exec router-1-syslog logger -p auth.info -t 'sshd[4242]' 'Failed password for root from …'
set -euo pipefail

# /run is new at each start of the container; programs find the socket under the name they know.
mkdir -p /run/systemd/journal
ln -sfn /run/systemd/journal/syslog /dev/log

rsyslogd -n -iNONE &
rsyslogd=$!
trap 'kill -TERM "$rsyslogd"' TERM INT

# rsyslogd says nothing when its socket is there: a line that is taken is the fact. The line asks for nothing.
until logger --socket-errors=on -p syslog.debug -t router 'the router is up'; do
  kill -0 "$rsyslogd"
  sleep 0.1
done 2>/dev/null

if [[ ${SSHD:-no} == yes ]]; then
  mkdir -p /run/sshd
  rm -f /run/sshd/key
  ssh-keygen -q -t ed25519 -N '' -f /run/sshd/key
  /usr/sbin/sshd -D -f /dev/null -h /run/sshd/key -o PidFile=none -o UsePAM=no -o PermitRootLogin=yes &
fi

if [[ ${STORY:-no} == yes ]]; then bash "${BASH_SOURCE[0]%/*}/story.sh"; fi

# The first wait ends with a signal, the second with rsyslogd, whose exit code is ours.
wait "$rsyslogd" || wait "$rsyslogd"
