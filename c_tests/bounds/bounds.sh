#!/bin/sh
# usage: bounds.sh compare|update TARGET_DIRECTORY BUILD_DIRECTORY FLAVOUR..
# What the library costs, as numbers: instructions per call of eplb_plan and eplb_dispatch (4 layers), workspace, stack,
# code; and the code of other flavours (TARGET_DIRECTORY/FLAVOUR/libeplb.a). All repeat exactly with one compiler, so a rise is a change of the code. `compare` fails when a figure is more than
# 3 % above bounds.txt, `update` rewrites that file, in the commit that says why.
set -eu
export LC_ALL=C
here=$(cd "$(dirname "$0")" && pwd)
mode=$1 target=$2 build=$3
shift 3
archive=$target/release/libeplb.a
table=$here/bounds.txt
mkdir -p "$build"

compiler="$(rustc --version), $(${CC:-cc} -dumpmachine), $(${CC:-cc} --version | head -1)"
if [ "$mode" = compare ] && ! grep -qxF "# $compiler" "$table"; then
  echo "bounds       other compiler: not compared. Here: $compiler"
  exit 0
fi

${CC:-cc} -std=c11 -O1 -Wall -Wextra -Werror -I"$here/../../include" "$here/bounds.c" "$archive" -o "$build/bounds" -pthread
# static: the loader's lazy binding is not on the stack
${CC:-cc} -std=c11 -O1 -static -I"$here/../../include" "$here/bounds.c" "$archive" -o "$build/bounds-static" -pthread

${CC:-cc} -std=c11 -O1 -Wall -Wextra -Werror -I"$here/../../include" "$here/loads.c" "$archive" -o "$build/loads" -pthread
${CC:-cc} -std=c11 -O1 -static -I"$here/../../include" "$here/loads.c" "$archive" -o "$build/loads-static" -pthread

# Instructions of a program that plans, or does something else, so many times.
instructions() {
  valgrind --tool=callgrind --callgrind-out-file=/dev/null "$@" 2>&1 |
    sed -n 's/.*Collected *: *\([0-9]*\).*/\1/p'
}

{
  echo "# Made by bounds.sh update; see there. Instructions are per call of eplb_plan or eplb_dispatch with 4 layers; the rest is bytes."
  echo "# $compiler"
  size "$archive" | awk 'NR == 2 { print "code own_object " $1 }'
  for flavour in "$@"; do
    size "$target/$flavour/libeplb.a" | awk -v flavour="$flavour" 'NR == 2 { print "code " flavour " " $1 }'
  done
  "$build/bounds" workspace
  "$build/loads" sizes
  "$build/bounds-static" stack
  "$build/loads-static" stack
  if command -v valgrind > /dev/null; then
    # two numbers of plans, so that what the program does besides cancels out
    "$build/bounds" list | while read -r shape policy; do
      once=$(instructions "$build/bounds" plan "$shape" "$policy" 1)
      thrice=$(instructions "$build/bounds" plan "$shape" "$policy" 3)
      echo "instructions $shape/$policy $(((thrice - once) / 2))"
    done
    "$build/loads" list | while read -r name; do
      once=$(instructions "$build/loads" run "$name" 1) thrice=$(instructions "$build/loads" run "$name" 3)
      echo "instructions $name $(((thrice - once) / 2))"
    done
  fi
} > "$build/bounds.txt"

if [ "$mode" = update ]; then
  mv "$build/bounds.txt" "$table"
  echo "bounds       $(grep -vc '^#' "$table") figures written"
  exit 0
fi

# the key is all words but the last
awk '
  /^#/ { next }
  { value = $NF; key = $0; sub(/ [0-9]+$/, "", key) }
  NR == FNR { before[key] = value; next }
  !(key in before) { print "bounds: " key " is new: run make bounds-update"; bad = 1; next }
  { compared++ }
  value > before[key] * 1.03 { printf "bounds: %s rose from %d to %d (%+.1f %%)\n", key, before[key], value, 100 * (value / before[key] - 1); bad = 1 }
  value < before[key] * 0.97 { printf "bounds: %s fell from %d to %d: make bounds-update keeps the gain\n", key, before[key], value }
  END { if (!bad) printf "bounds       %d figures, none more than 3 %% above the table\n", compared; exit bad }
' "$table" "$build/bounds.txt"
