# Starts PostgreSQL for the ledger: makes the cluster at the first start, then becomes the server.
#
#   /var/lib/postgresql     the volume: the cluster in data/
#   /run/ledger/password    the password of the role logwarden, read at the first start only
#
# The cluster is made under another name and renamed when it is whole, so that a start that was interrupted is made again.
set -euo pipefail
data=/var/lib/postgresql/data

if [[ ! -d $data ]]; then
  rm -rf "$data.new"
  initdb --pgdata "$data.new" --username postgres --encoding UTF8 --locale C.UTF-8 --auth-local peer --auth-host reject
  # Over the network: our role into our database, with its password, and nothing else.
  cat >"$data.new/pg_hba.conf" <<-HBA
	local  all        postgres            peer
	host   logwarden  logwarden  samenet  scram-sha-256
	HBA
  # A server of its own that reads statements from its input, one a line, and opens no socket.
  postgres --single -D "$data.new" postgres >/dev/null <<-SQL
	create role logwarden login password '$(</run/ledger/password)'
	create database logwarden owner logwarden
	SQL
  mv "$data.new" "$data"
fi

# Each responder keeps up to ten connections.
exec postgres -D "$data" -c listen_addresses='*' -c unix_socket_directories=/run/postgresql -c max_connections=150
