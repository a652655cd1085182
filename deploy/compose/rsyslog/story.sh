# The story of the lab, as one router logs it: somebody guesses passwords, then eth1 loses its link.
#
# ATTACKER is the address it comes from. What must come of it: ATTACKER in BAD_GUYS and eth1 disabled, on the router and
# in its saved configuration. The wording is that of OpenSSH 7.9 to 9.2 and of netplugd 1.2.9.
set -euo pipefail
: "${ATTACKER:?the address of the attacker, for example 203.0.113.7}"

guess() { # USER PORT
  # auth.info from a process of its own, as sshd logs each attempt; never twice the same text, which rsyslogd would sum up.
  logger -p auth.info -t "sshd[$2]" -- "Failed password for $1 from $ATTACKER port $2 ssh2"
}

guess root 40022
guess 'invalid user admin' 40024
guess 'invalid user oracle' 40026

# RUNNING is on the left and not on the right, and the interface is still UP: the carrier is lost.
logger -p daemon.info -t 'netplugd[812]' -- \
  'eth1: state ACTIVE flags 0x00011043 UP,BROADCAST,RUNNING,MULTICAST,10000 -> 0x00001003 UP,BROADCAST,MULTICAST'

echo "the story was told: passwords guessed from $ATTACKER, eth1 without link"
