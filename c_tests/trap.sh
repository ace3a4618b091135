#!/bin/sh
# usage: trap.sh libeplb.a PROGRAM
# The panic handler of this archive calls a function that does not exist: a program that keeps every
# function of the library links if and only if no panic is reachable. Says where one hides otherwise.
set -eu
archive=$1 program=$2
roots=$(sed -n 's/^export /-Wl,--undefined=/p' "$(dirname "$0")/symbols.txt")

# shellcheck disable=SC2086 # several words
if ! echo 'int main(void) { return 0; }' |
  ${CC:-cc} -x c - -x none -Wl,--gc-sections $roots "$archive" -o "$program"; then
  echo "trap: functions that call a panic:"
  ar p "$archive" "$(ar t "$archive" | grep '^eplb')" > "$program.o"
  objdump -drC "$program.o" |
    awk '/^[0-9a-f]+ </ { name = $0 } /R_.*(panicking|_failed|_fail)/ && name !~ /<core::/ { print "  " name }' | sort -u
  exit 1
fi
# and none of the functions that panic is linked
if nm -C "$program" | grep -i 'panic'; then
  echo "trap: a panic is linked"
  exit 1
fi
echo "trap         no panic is reachable"
