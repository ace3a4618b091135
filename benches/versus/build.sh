#!/bin/sh
# usage: build.sh libeplb.a BUILD_DIRECTORY
# Builds versus-g++ and versus-clang++, whichever compiler is there, and checks that the plain C++ plans as DeepSeek
# does.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
mkdir -p "$2"
for compiler in g++ clang++; do
  if ! command -v "$compiler" > /dev/null; then
    echo "versus       $compiler is missing: skipped"
    [ "${CI:-}" != true ] || exit 1
    continue
  fi
  "$compiler" -std=c++17 -O3 -march=x86-64 -Wall -Wextra -Wpedantic -Werror -I"$root/include" \
    "$root"/benches/versus/*.cpp "$1" -o "$2/versus-$compiler" -pthread
  echo "versus       $compiler: $("$2/versus-$compiler" check "$root/vectors/deepseek.txt")"
done
