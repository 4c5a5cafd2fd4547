#!/bin/sh
# Installs the Debian packages that tests and benchmarks need: a MariaDB server to load a dump into, a PostgreSQL to read,
# mbstream to unpack a physical backup, Chromium to sign in with, rclone to race with, openssl for a certificate.
# Does nothing when all of them are there.
set -eu

packages="mariadb-server mariadb-client mariadb-backup postgresql chromium rclone openssl"

missing=""
for package in $packages; do
  state=$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null || true)
  [ "$state" = "installed" ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null 2>&1; then
  echo "Tests need these packages, and this machine has no apt-get to install them with:$missing" >&2
  exit 1
fi
if [ "$(id -u)" -ne 0 ]; then
  echo "Tests need packages that are not installed. Run this once:" >&2
  echo "  sudo apt-get install --no-install-recommends$missing" >&2
  exit 1
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
install_missing() {
  # shellcheck disable=SC2086 # the list is meant to be split
  DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet --no-install-recommends $missing >"$log" 2>&1
}

# The package lists of the machine may be recent enough; fetching them costs more than trying.
if ! install_missing; then
  if ! apt-get update --quiet >"$log" 2>&1 || ! install_missing; then
    echo "apt-get could not install:$missing" >&2
    tail -n 20 "$log" >&2
    exit 1
  fi
fi
