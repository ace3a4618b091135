#!/bin/sh
# usage: packages.sh WHO PACKAGE..
# Installs what is missing of Debian's packages; where this is not root, says so for WHO and ends.
set -eu
who=$1
shift
missing=
for package in "$@"; do
  dpkg-query -W -f '${Status}' "$package" 2> /dev/null | grep -q 'ok installed' || missing="$missing $package"
done
[ -n "$missing" ] || exit 0
[ "$(id -u)" = 0 ] || { echo "$who: install$missing"; exit 1; }
apt-get update -q
# shellcheck disable=SC2086 # several words
DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing
