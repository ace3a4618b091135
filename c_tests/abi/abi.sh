#!/bin/sh
# usage: abi.sh compare|update TARGET_DIRECTORY
# The binary interface as the compiler lays it out: functions, parameters, structs, offsets, enumerators, read from
# the debug information of a shared library and compared with eplb.abi. `compare` fails on any change that an old
# program could notice; additions at the end are reported. `update` rewrites eplb.abi, with the release that breaks
# or extends it. Needs abidw and abidiff (apt: abigail-tools).
set -eu
export LC_ALL=C
here=$(cd "$(dirname "$0")" && pwd)
mode=$1 target=$2
build=$target/abi
if ! command -v abidw > /dev/null; then
  echo "abi          abidw is not installed: skipped"
  [ "${CI:-}" != true ]
  exit
fi

# abidw sees types only with debug information; sources are named without the way to them
cd "$here/../.."
CARGO_PROFILE_RELEASE_DEBUG=2 CARGO_PROFILE_RELEASE_STRIP=none CARGO_TARGET_DIR=$build \
  "${CARGO:-cargo}" rustc -q --release --lib --crate-type cdylib -- --cfg standalone
# no files, no lines, no compiler: only what a linker and a caller see
abidw --no-show-locs --no-corpus-path --no-comp-dir-path --drop-private-types "$build/release/libeplb.so" 2> /dev/null |
  sed "s|path='[^']*/@/\([a-z0-9_]*\)\.[^']*'|path='\1'|" > "$build/eplb.abi"
functions=$(grep -c '<function-decl' "$build/eplb.abi" || true)
[ "$functions" -gt 0 ] || { echo "abi: abidw found no functions"; exit 1; }

if [ "$mode" = update ]; then
  cp "$build/eplb.abi" "$here/eplb.abi"
  echo "abi          $functions functions written"
  exit 0
fi
# abidiff answers with bits: 1 an error, 2 wrong usage, 4 a change, 8 an incompatible one
if abidiff --no-show-locs "$here/eplb.abi" "$build/eplb.abi" > "$build/report"; then
  echo "abi          $functions functions and their types as in eplb.abi"
else
  cat "$build/report"
  echo "abi: the interface differs from c_tests/abi/eplb.abi"
  exit 1
fi
