#!/bin/sh
# usage: table.sh BUILD TARGET..
# Text, stack and workspace of each target, as markdown for docs/BENCHMARKS.md. Text is what the linker kept of the
# library's own code and constants, and of the compiler's helpers in the same object (floating point in software, 64-bit
# division), from the link map.
set -eu
build=$1
shift

# Sums up the sizes of the input sections of the library that match a section: of helpers (1) or of all else (0).
kept() { # MAP SECTION HELPERS
  awk -v section="$2" -v helpers="$3" '
    function number(hex, value, i) { # mawk has no strtonum
      for (i = 3; i <= length(hex); i++) value = value * 16 + index("0123456789abcdef", substr(hex, i, 1)) - 1
      return value
    }
    /^Linker script and memory map/ { on = 1 }
    !on { next }
    NF == 1 { name = $1; next }                         # a long name stands on a line of its own
    NF >= 4 && $2 ~ /^0x/ { name = $1; size = $3; from = $4 }
    NF == 3 && $1 ~ /^0x/ { size = $2; from = $3 }
    NF < 3 || size !~ /^0x/ { next }
    name ~ "^\\." section && from ~ /libeplb\.a/ && (name ~ /compiler_builtins|^\.text\.(__|mem|fm)/) == helpers { sum += number(size) }
    { size = from = "" }
    END { print sum + 0 }' "$1"
}
field() { sed -n "s/^stack .*$2=\([0-9]*\).*/\1/p" "$build/$1.txt"; }

echo
echo "| target | code | constants | compiler's helpers | stack: BALANCED | other policies | evaluate | check | dispatch | workspace query |"
echo "|---|---|---|---|---|---|---|---|---|---|"
for target in "$@"; do
  map=$build/$target.map
  printf '| %s | %s | %s | %s | %s | %s | %s | %s | %s | %s |\n' "$target" \
    "$(kept "$map" text 0)" "$(kept "$map" '(rodata|data)' 0)" "$(kept "$map" '(text|rodata)' 1)" \
    "$(field "$target" plan_balanced)" "$(field "$target" plan_others)" "$(field "$target" evaluate)" \
    "$(field "$target" check)" "$(field "$target" dispatch)" "$(field "$target" workspace)"
done
echo
echo "Workspace in bytes, the same on every target:"
echo
echo "| experts - slots - GPUs | groups / nodes | BALANCED | DEEPSEEK | WATERFILL |"
echo "|---|---|---|---|---|"
sed -n 's/^plan \([0-9-]*\) .* groups=\([0-9]*\) nodes=\([0-9]*\) scope=\([0-9]\) [a-z-]* policy=\([016]\) status=0 workspace=\([0-9]*\) .*/\1 \4 \2\/\3 \5 \6/p' \
  "$build/$1.txt" | awk '
    { row = $1 " | " ($2 == 2 ? "global" : $3) }
    $4 == 0 { balanced[row] = $5 }
    $4 == 1 { deepseek[row] = $5 }
    $4 == 6 && $1 ~ /^(64-72-8|64-80-8|128-160-32|256-.*)$/ && !seen[row]++ {
      print "| " row " | " balanced[row] " | " deepseek[row] " | " $5 " |" }'
