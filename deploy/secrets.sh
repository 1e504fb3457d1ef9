#!/bin/sh
# Write the passwords of the store into secrets/, if they are not there yet. Those of an older .env are kept.
#
# Other users of this machine cannot enter the folder; the users inside the containers can read its files.
set -eu
cd "$(dirname "$0")/.."
secrets=${SECRETS:-secrets}
mkdir -p "$secrets/app"
chmod 700 "$secrets"
chmod 755 "$secrets/app"

write() {
  [ -s "$1" ] && return
  password=$(sed -n "s/^$2=//p" .env 2>/dev/null | tail -n 1)
  printf %s "${password:-$(od -A n -t x1 -N 32 /dev/urandom | tr -d ' \n')}" > "$1"
  chmod 644 "$1"
  echo "wrote $1"
}

write "$secrets/app/store_password" STORE_PASSWORD
write "$secrets/operator_password" STORE_OPERATOR_PASSWORD
