#!/bin/sh
# usage: coverage.sh TARGET_DIRECTORY [LEAST_PERCENT]
# Line coverage of src/ by the Rust tests, the C tests and the replay of the fuzz corpus; names every line that
# none of them reaches. Fails below LEAST_PERCENT. Needs llvm-profdata and llvm-cov of rustc's LLVM (apt: llvm-22).
set -eu
export LC_ALL=C
cd "$(dirname "$0")/../.."
target=$1 least=${2:-0}
build=$target/coverage
major=$(rustc -vV | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p')
cov=llvm-cov-$major profdata=llvm-profdata-$major
if ! command -v "$cov" > /dev/null; then
  echo "coverage     $cov is not installed: skipped"
  [ "${CI:-}" != true ]
  exit
fi
rm -rf "$build/profiles"
mkdir -p "$build/profiles"
export CARGO_TARGET_DIR="$build" RUSTFLAGS=-Cinstrument-coverage LLVM_PROFILE_FILE="$build/profiles/%m-%p.profraw"

# Release, one thread, and not what judges balance at length or compares digests: code that counts its lines is ten to
# thirty times as slow, slower still where threads share counters, and those tests reach no line that others do not.
tests='--release --lib --test library' # those of the project around it run nothing of src/
judges='balanced:: bound:: every_slot_is_filled freedom:: net:: previous:: quality:: robust:: call_after_call no_false_alarm plans_equal trace_pairs'
# shellcheck disable=SC2046,SC2086 # several words
(export RUST_TEST_THREADS=1
 ${CARGO:-cargo} test -q --release --lib && ${CARGO:-cargo} test -q --release --test library -- $(printf -- '--skip %s ' $judges)
) > "$build/rust.log" 2>&1 || { tail -20 "$build/rust.log"; exit 1; }
# shellcheck disable=SC2086
objects=$(${CARGO:-cargo} test --no-run $tests 2>&1 | sed -n 's/.*(\(.*\))$/\1/p')

# The C face, from C. The archive brings the runtime of the profiler along; somebody must ask for it.
flags='-O1 -g -Wl,-u,__llvm_profile_runtime'
${CARGO:-cargo} rustc -q --profile checked --lib --crate-type staticlib -- --cfg standalone
archive=$build/checked/libeplb.a
make -s -C c_tests topics ARCHIVE="$archive" BUILD="$build/c" CFLAGS="$flags" > "$build/c.log" 2>&1 || { tail -20 "$build/c.log"; exit 1; }
for program in "$build"/c/*; do
  [ -x "$program" ] || continue
  objects="$objects $program"
done
for corpus in fuzz/corpus/*.hex; do
  name=$(basename "$corpus" .hex)
  # shellcheck disable=SC2086
  ${CC:-cc} -std=c11 $flags -Iinclude "fuzz/$name.c" fuzz/decode.c fuzz/replay.c "$archive" -o "$build/replay-$name"
  "$build/replay-$name" "$corpus" > /dev/null
  objects="$objects $build/replay-$name"
done

$profdata merge -sparse "$build"/profiles/*.profraw -o "$build/all.profdata"
# One program at a time: where two have a function of the same name, llvm-cov would look at one of them only.
for program in $objects; do
  $cov export -format=lcov "$program" -instr-profile="$build/all.profdata" \
    --ignore-filename-regex='/(\.cargo|rustc|rustlib|tests|examples|benches)/'
done > "$build/all.lcov" 2> "$build/llvm-cov.log"

# A line counts once, however many copies of its function there are.
awk -F'[:,]' -v least="$least" '
  /^SF:/ { file = $2; sub(/.*\/src\//, "src/", file); next }
  /^DA:/ { key = file ":" $2; if (!(key in hits)) { lines[file]++; order[++n] = key; where[key] = file; number[key] = $2 } hits[key] += $3 }
  END {
    for (i = 1; i <= n; i++) if (hits[order[i]] == 0) { f = where[order[i]]; missed[f]++; list[f] = list[f] " " number[order[i]] }
    for (f in lines) { all += lines[f]; out += missed[f]; printf "%6.2f %%  %4d lines  %3d missed  %s%s\n", 100 * (lines[f] - missed[f]) / lines[f], lines[f], missed[f], f, list[f] ? ":" list[f] : "" | "sort -k7" }
    close("sort -k7")
    percent = 100 * (all - out) / all
    printf "coverage     %.2f %% of %d lines of src/\n", percent, all
    exit percent < least
  }' "$build/all.lcov"
