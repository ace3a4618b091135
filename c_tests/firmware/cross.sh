#!/bin/sh
# usage: cross.sh TARGET_FOLDER GOAL TRIPLE COMPILER [VARIABLES OF MAKE]
# `make GOAL` (lib, install) for another machine with Debian's Rust: rustup's toolchain has no core for them; Debian's
# rustc-web comes with the source of core that fits it, so core is built along. TARGET_FOLDER/deb is theirs alone: two
# compilers, two folders. The options of COMPILER choose what its linker takes.
set -eu
target=$1 goal=$2 triple=$3 compiler=$4
shift 4
cd "$(dirname "$0")/../.."
# PATH: no cargo of rustup in the way. RUSTC_BOOTSTRAP: build-std is not stable.
exec env PATH=/usr/bin:/bin RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 make --no-print-directory "$goal" CARGO=/usr/bin/cargo \
  CARGO_FLAGS=-Zbuild-std=core CARGO_TARGET_DIR="$target/deb" TRIPLE="$triple" CC="$compiler" "$@"
