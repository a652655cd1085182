#!/bin/sh
# Keeps what Node makes of the sources, for this release: services start in half the time then, with 25 MiB less.
# Made by the users that the services have, whose numbers Node looks for; then root's, so that no service can change what runs.
#
#   deploy/systemd/compile.sh [NODE]      as root, once for each release, when its users exist
set -eu
cd "$(dirname "$0")/../.."
node=${1:-/usr/bin/node}
mkdir -p .cache
for service in parser responder; do
  user=logwarden-$service
  cache=$PWD/.cache/$service
  rm -rf "$cache"
  install -d -o "$user" "$cache"
  setpriv --reuid="$user" --regid="$user" --clear-groups \
    env NODE_COMPILE_CACHE="$cache" "$node" "services/$service/src/main.ts" --help > /dev/null
  chown -R root:root "$cache"
  chmod -R u=rwX,go=rX "$cache"
done
