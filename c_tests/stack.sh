#!/bin/sh
# usage: stack.sh libeplb.a [libeplb.a built with -Zemit-stack-sizes]
# Bytes of code and constants in the library's own object; with the second archive and llvm-readobj, the
# largest stack frames as the compiler counts them.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

own() { ar p "$1" "$(ar t "$1" | grep '^eplb')" > "$work/own.o"; }

own "$1"
size "$work/own.o" | awk 'NR == 2 { print "size         " $1 " bytes of code and constants" }'

readobj=$(command -v llvm-readobj || ls /usr/bin/llvm-readobj-* 2> /dev/null | tail -1)
if [ $# = 2 ] && [ -n "$readobj" ]; then
  own "$2"
  "$readobj" --stack-sizes -C "$work/own.o" |
    sed -n 's/.*Functions: \[\(.*\)\]/\1/; /^ *Size: 0x/!{h;d}; s/^ *Size: //; G; s/\n/ /p' |
    while read -r size function; do echo "$((size)) $function"; done |
    sort -rn | sed 's/^/frame        /;10q'
fi
