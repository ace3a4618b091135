#!/bin/bash
# usage: neighbours.sh libeplb.a BUILD_DIRECTORY
# A C++ program that uses what a compiler's runtime might bring along (neighbours.cpp) prints the same bytes with the
# archive as without: the archive first, last and whole, in an executable and in a shared object that leaves nothing
# undefined and is loaded by a program that knows nothing of it, by every linker that is installed, with
# AddressSanitizer and without. CXX and clang++, where it is installed.
set -euo pipefail
export LC_ALL=C
mkdir -p "$2"
archive=$(realpath "$1") build=$(realpath "$2")
cd "$(dirname "$0")"
# no call may be computed by the compiler, or made an instruction
flags='-std=c++17 -O1 -g -Wall -Wextra -Wpedantic -Werror -fno-builtin -frounding-math -I../../include'
whole="-Wl,--whole-archive $archive -Wl,--no-whole-archive"
links=0
failed=0
sanitized=0

# failure WORDS, FILE: what went wrong, and how it begins
failure() {
  echo "neighbours: $1"
  head -3 "$2" | cut -c -200
  failed=$((failed + 1))
}
# linked WHAT, PROGRAM, LINE..: links, runs, and compares what is printed
linked() {
  local what=$1 program=$2
  shift 2
  links=$((links + 1))
  # shellcheck disable=SC2086 # a plugin is two words
  if ! "$@" > "$build/log" 2>&1; then
    failure "does not link: $what" "$build/log"
  elif ! $program > "$build/out" 2> "$build/log"; then
    failure "does not run: $what" "$build/log"
  elif ! diff "$build/alone" "$build/out" > "$build/log"; then
    failure "computes something else with eplb: $what" "$build/log"
  fi
}

for cxx in ${CXX:-c++} $(command -v clang++ || true); do
  # shellcheck disable=SC2086 # several words, here and below
  $cxx $flags neighbours.cpp -o "$build/without"
  "$build/without" > "$build/alone"
  for sanitizer in '' -fsanitize=address; do
    # not every compiler brings the sanitizer's library
    echo 'int main() {}' | $cxx $sanitizer -x c++ - -o "$build/host" 2> /dev/null || continue
    [ -z "$sanitizer" ] || sanitized=1
    $cxx $flags $sanitizer -DWITH_EPLB -c neighbours.cpp -o "$build/program.o"
    $cxx $flags $sanitizer -DWITH_EPLB -DPLUGIN -fPIC -c neighbours.cpp -o "$build/plugin.o"
    $cxx $sanitizer -x c -std=c99 -Wall -Wextra -Wpedantic -Werror host.c -o "$build/host" -ldl
    for linker in bfd gold lld; do
      command -v ld.$linker > /dev/null || continue
      with="$cxx $sanitizer -fuse-ld=$linker"
      # a sanitized plugin leaves the sanitizer's functions to the program that loads it
      shared="$with -shared"
      [ -n "$sanitizer" ] || shared="$shared -Wl,-z,defs"
      # nothing asks yet for what comes first
      linked "$with, first" "$build/program" $with -Wl,-u,eplb_plan "$archive" "$build/program.o" -o "$build/program"
      linked "$with, last" "$build/program" $with "$build/program.o" "$archive" -o "$build/program"
      linked "$with, whole" "$build/program" $with $whole "$build/program.o" -o "$build/program"
      for place in "-Wl,-u,eplb_plan $archive $build/plugin.o" "$build/plugin.o $archive" "$whole $build/plugin.o"; do
        linked "$shared $place" "$build/host $build/plugin.so" $shared $place -o "$build/plugin.so"
      done
    done
  done
done
[ $failed = 0 ] || exit 1
[ $sanitized = 1 ] || { echo "neighbours   AddressSanitizer is not installed: skipped"; [ "${CI:-}" != true ]; }
echo "neighbours   $links programs and plugins compute what they do without eplb, $(wc -l < "$build/alone") lines each"
