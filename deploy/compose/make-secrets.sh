# The one-shot that runs before everything else in docker compose: for each simulated router a certificate and an API
# key, and the ledger's password; made once, each put where its holder looks and nowhere else.
#
#   /secrets/router-N    certificate.pem, private-key.pem, api-key       mounted by router N alone
#   /secrets/responder   router-N.pem, router-N.key                      mounted by the responders: what they trust, what they say
#   /secrets/ledger      password                                        mounted by the database
#   /secrets/responder   ledger-url                                      the same password, in the address of the ledger
#
# A volume that has its files keeps them, so that `docker compose up` again changes nothing.
set -euo pipefail
umask 077

make_router() { # NAME ADDRESS
  local own=/secrets/$1
  if [[ ! -e $own/api-key ]]; then
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -sha256 -days 3650 \
      -subj "/CN=$1" -addext "subjectAltName=IP:$2" \
      -keyout "$own/private-key.pem" -out "$own/certificate.pem"
    # Written last and in one step: its presence says that all three are there.
    openssl rand -hex 32 >"$own/api-key.new"
    mv "$own/api-key.new" "$own/api-key"
  fi
  cp "$own/certificate.pem" "/secrets/responder/$1.pem"
  cp "$own/api-key" "/secrets/responder/$1.key"
  echo "$1: $(openssl x509 -in "$own/certificate.pem" -noout -fingerprint -sha256)"
}

make_ledger() {
  local own=/secrets/ledger
  if [[ ! -e $own/password ]]; then
    openssl rand -hex 32 >"$own/password.new"
    mv "$own/password.new" "$own/password"
  fi
  printf 'postgres://logwarden:%s@ledger/logwarden\n' "$(<"$own/password")" >/secrets/responder/ledger-url
}

make_ledger
make_router router-1 10.10.10.201
make_router router-2 10.10.10.202
