#!/bin/sh
# usage: parts.sh BUILD FLAVOUR=ARCHIVE..
# Builds of the library that leave parts out, as the name of the flavour says (small-without-windows): parts.c says what
# they refuse, and that they plan what the first one plans; functions of a part that is out are not there.
set -eu
export LC_ALL=C
build=$1
shift
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$build"
expected=

# Functions that belong to a part alone.
of_part() {
  case $1 in
    previous) echo 'transfers gate' ;;
    dispatch) echo dispatch ;;
    load) echo 'tracker_size tracker_init tracker_observe tracker_close tracker_windows window_weights forecast' ;;
  esac
}

for pair in "$@"; do
  flavour=${pair%%=*} archive=${pair#*=}
  out=$(echo "${flavour#*-without-}" | tr - ' ')
  [ "$out" != "$flavour" ] || out=
  [ "$out" != all ] || out='windows previous dispatch compat load'
  flags=
  for part in $out; do
    flags="$flags -DWITHOUT_$(echo "$part" | tr a-z A-Z)"
    for function in $(of_part "$part"); do
      ! nm "$archive" | grep -q " T _\?eplb_$function$" || { echo "parts: $flavour still has eplb_$function"; exit 1; }
    done
  done
  # shellcheck disable=SC2086 # several words
  ${CC:-cc} -std=c99 -Wall -Wextra -Wpedantic -Werror -O1 -I"$here/../include" $flags "$here/parts.c" "$here/harness.c" \
    "$archive" -o "$build/$flavour" -lm
  "$build/$flavour" > "$build/$flavour.txt" || { grep -v '^[0-9]' "$build/$flavour.txt" | head -9; echo "parts: $flavour failed"; exit 1; }
  expected=${expected:-$build/$flavour.txt}
  diff "$expected" "$build/$flavour.txt" | head -5 > "$build/diff"
  [ ! -s "$build/diff" ] || { cat "$build/diff"; echo "parts: $flavour plans otherwise"; exit 1; }
done
echo "parts        $# builds refuse what they leave out, and plan the same"
