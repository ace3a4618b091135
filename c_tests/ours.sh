#!/bin/sh
# usage: ours.sh ARCHIVE..
# An archive that may be linked into any program: no member defines a global symbol but eplb_*, none asks for anything
# but what symbols.txt allows. NM is the nm of the machine that the archives are for.
set -eu
export LC_ALL=C
allowed=$(sed -n 's/^import //p' "$(dirname "$0")/symbols.txt")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

# complain ARCHIVE, WHAT: the words of $work/found are not as they should be
complain() {
  [ -s "$work/found" ] || return 0
  echo "ours: $1 $2: $(wc -l < "$work/found" | tr -d ' '), such as $(head -4 "$work/found" | cut -c -60 | tr '\n' ' ')"
  failed=1
}

for archive in "$@"; do
  # a member that nm cannot read (the runtime of the compiler has bitcode) has said nothing in its favour
  ${NM:-nm} -g "$archive" > "$work/all" 2> "$work/errors" || true
  grep 'no symbols\|not recogni' "$work/errors" > "$work/found" || true
  complain "$archive" "has members that nm does not understand"
  awk 'NF == 3 { print $3 }' "$work/all" | grep -v '^_\?eplb_' | sort -u > "$work/found" || true
  complain "$archive" "defines symbols that are not ours"
  awk 'NF == 2 { print $2 }' "$work/all" | sed 's/^_//' | grep -vxF "$allowed" | sort -u > "$work/found" || true
  complain "$archive" "needs more than the memory functions"
  grep -q ' T _\?eplb_plan$' "$work/all" || { echo "ours: $archive has no eplb_plan"; failed=1; }
done
[ $failed = 0 ] || exit 1
echo "ours         $# archives define eplb_* alone, and ask for memory functions alone"
