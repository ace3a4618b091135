#!/bin/sh
# usage: compare.sh NAME EXPECTED FOUND
# Every line of a plan must be the host's, and as many of them.
set -eu
name=$1 expected=$2 found=$3
lines() { grep -E '^(plan|lines) ' "$1"; }
lines "$expected" > "$found.expected"
lines "$found" > "$found.found" || true
if ! diff "$found.expected" "$found.found" > "$found.diff"; then
  echo "$name: lines that differ from the host's:"
  head -20 "$found.diff"
  exit 1
fi
grep -q '^passed$' "$found" || { echo "$name: did not pass"; exit 1; }
printf '%-13s %s lines as on the host\n' "$name" "$(sed -n 's/^lines //p' "$found")"
