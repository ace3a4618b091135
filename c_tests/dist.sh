#!/bin/bash
# usage: dist.sh TARGET
# What `make dist` laid into TARGET/dist, as somebody who downloads it has it: each archive is unpacked outside the
# tree, programs are linked with what is in it by a compiler line, by pkg-config and by CMake, and run: here, in
# qemu-user, or in qemu without an operating system. The source archive is built as a part of another CMake project;
# what a registry of crates would get builds, too.
set -euo pipefail
target=$(realpath -m "${1:?usage: dist.sh TARGET}")
cd "$(dirname "$0")/.."
outside=$(mktemp -d)
trap 'rm -rf "$outside"' EXIT
unset MAKEFLAGS MFLAGS
(cd "$target/dist" && sha256sum --quiet -c SHA256SUMS)
for archive in "$target"/dist/eplb-*-*.tar.gz; do tar -C "$outside" -xzf "$archive"; done
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)
host=$(rustc -vV | sed -n 's/^host: //p')
cp examples/{plan.c,plan.cpp,engine.cpp} c_tests/{plan,engine}.expected c_tests/consumer/CMakeLists.txt "$outside"
cp -r c_tests/consumer/source "$outside"
cp examples/plan.c "$outside/source"
says() { printf 'dist         %-28s %s (%s s)\n' "$1" "$2" $SECONDS; }
quietly() { "$@" > "$outside/log" 2>&1 || { cat "$outside/log"; exit 1; }; }

# os TRIPLE COMPILER [OPTIONS OF CMAKE..]; $run is what runs a program, nothing on this machine.
os() {
  local name=eplb-$version-$1 compiler=$2
  local lib=$outside/$name/lib
  shift 2
  (
    cd "$outside"
    export PKG_CONFIG_PATH=$lib/pkgconfig
    # shellcheck disable=SC2046,SC2086 # several words
    {
      (cd "$name" && $compiler -Iinclude examples/plan.c lib/libeplb.a -o ../plan_by_hand)
      $compiler "$name/examples/plan.c" $(pkg-config --cflags eplb) $(pkg-config --variable=archive eplb) \
        -o plan_archive
      $compiler "$name/examples/plan.c" $(pkg-config --cflags --libs eplb) -o plan_shared
      export LD_LIBRARY_PATH=$lib
      for program in plan_by_hand plan_archive plan_shared; do ${run:-} ./$program | diff plan.expected -; done
      unset LD_LIBRARY_PATH
    }
    quietly cmake -S . -B "build-$name" -Deplb_ROOT="$outside/$name" -DEPLB_VERSION="$version" "$@"
    quietly cmake --build "build-$name"
    quietly ctest --test-dir "build-$name" --output-on-failure
  )
  says "${name#*-*-}" "by hand, pkg-config, CMake: the plan"
}
os "$host" cc
run='qemu-aarch64-static' QEMU_LD_PREFIX=/usr/aarch64-linux-gnu os aarch64-unknown-linux-gnu aarch64-linux-gnu-gcc \
  -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_CROSSCOMPILING_EMULATOR=qemu-aarch64-static \
  -DCMAKE_C_COMPILER=aarch64-linux-gnu-gcc -DCMAKE_CXX_COMPILER=aarch64-linux-gnu-g++

bare() { # MACHINE OF c_tests/firmware, TRIPLE
  quietly make -C c_tests/firmware "installed-$1" TARGET="$target" BUILD="$outside/firmware" \
    PREFIX="$outside/eplb-$version-$2"
  says "$2" "by hand, CMake: examples/firmware.c plans as here"
}
bare cortex_m4f thumbv7em-none-eabihf
bare riscv64 riscv64imac-unknown-none-elf
bare riscv32 riscv32imac-unknown-none-elf

# shellcheck disable=SC2086 # several words
quietly ${CARGO:-cargo} package -p eplb --allow-dirty --target-dir "$target"
says crate "cargo package: what is in it builds"

cd "$outside/source"
quietly cmake -S . -B build -DEPLB_SOURCE="$target/dist/eplb-$version-source.tar.gz" '-Deplb_MAKE=SMALL=1'
quietly cmake --build build
build/plan | diff ../plan.expected -
says source "FetchContent: the plan"
