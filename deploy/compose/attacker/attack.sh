# The attacker of the lab: guesses passwords of a router, once, over real ssh, and stays for more.
#
#   docker compose exec attacker bash /usr/local/lib/logwarden/attack.sh once
set -euo pipefail
: "${VICTIM:?the address of the router, for example 10.10.10.201}"

for user in root admin oracle; do
  answer=$(sshpass -p guess ssh -F /dev/null -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR \
    -o PreferredAuthentications=password -o NumberOfPasswordPrompts=1 -o ConnectTimeout=5 "$user@$VICTIM" true 2>&1) || true
  # Anything else is no attack.
  [[ $answer == *'Permission denied'* ]] || { echo "$answer" >&2; exit 1; }
  echo "guessed a password of $user at $VICTIM"
done

if [[ ${1:-} != once ]]; then
  touch /tmp/attacked
  exec sleep infinity
fi
