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
    previous) echo 'transfers gate explain_transfers explain_gate' ;;
    dispatch) echo 'dispatch replicate explain_dispatch explain_replicate' ;;
    load)
      echo 'tracker_size tracker_init tracker_observe tracker_close tracker_discard tracker_windows window_weights forecast'
      echo 'explain_tracker_init explain_tracker_observe explain_tracker_close explain_tracker_discard explain_tracker_windows'
      echo 'explain_window_weights explain_forecast'
      ;;
    explain)
      echo 'explain explain_plan explain_evaluate explain_check'
      of_part previous && of_part dispatch && of_part load
      ;;
  esac
}

for pair in "$@"; do
  flavour=${pair%%=*} archive=${pair#*=}
  out=$(echo "${flavour#*-without-}" | tr - ' ')
  [ "$out" != "$flavour" ] || out=
  [ "$out" != all ] || out='windows previous dispatch compat load explain'
  flags=
  for part in $out; do
    flags="$flags -DWITHOUT_$(echo "$part" | tr a-z A-Z)"
    for function in $(of_part "$part" | tr ' ' '\n' | grep "$([ "$part" != explain ] || echo ^explain)"); do
      ! nm "$archive" | grep -q " T _\?eplb_$function$" || { echo "parts: $flavour still has eplb_$function"; exit 1; }
    done
  done
  # shellcheck disable=SC2086 # several words
  ${CC:-cc} -std=c99 -Wall -Wextra -Wpedantic -Werror -O1 -I"$here/../include" $flags "$here/parts.c" "$here/harness.c" \
    "$archive" -o "$build/$flavour" -lm
  "$build/$flavour" > "$build/$flavour.txt" || { grep -v '^[0-9]' "$build/$flavour.txt" | head -9; echo "parts: $flavour failed"; exit 1; }
  grep '^[0-9]' "$build/$flavour.txt" > "$build/$flavour.plans"
  expected=${expected:-$build/$flavour.plans}
  diff "$expected" "$build/$flavour.plans" | head -5 > "$build/diff"
  [ ! -s "$build/diff" ] || { cat "$build/diff"; echo "parts: $flavour plans otherwise"; exit 1; }
done
echo "parts        $# builds refuse what they leave out, and plan the same"
