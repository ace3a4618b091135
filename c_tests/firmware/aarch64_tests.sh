#!/bin/sh
# usage: aarch64_tests.sh TARGET_FOLDER [arguments of cargo test, as --test library vectors::]
#        aarch64_tests.sh --packages   names the packages of Debian that it installs
# The Rust tests on aarch64 Linux, in qemu-user. Debian's standard library for arm64 is unpacked into
# TARGET_FOLDER/arm64, beside a sysroot of links; nothing foreign is installed.
set -eu
packages="rustc-web cargo-web gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user-static"
[ "$1" = --packages ] && echo $packages && exit
mkdir -p "$1"
target=$(cd "$1" && pwd)
shift
cd "$(dirname "$0")/../.."
triple=aarch64-unknown-linux-gnu
arm64=$target/arm64

# shellcheck disable=SC2086 # several words
c_tests/packages.sh aarch64 $packages

# The version of the compiler, for another processor: lists of its own, so that the machine's stay as they are.
if [ ! -d "$arm64/sysroot" ]; then
  mkdir -p "$arm64/lists/partial" "$arm64/cache/archives/partial"
  foreign() {
    apt-get -q -o APT::Architectures::=amd64 -o APT::Architectures::=arm64 -o APT::Sandbox::User=root \
      -o Dir::State::lists="$arm64/lists" -o Dir::Cache="$arm64/cache" "$@"
  }
  foreign update
  version=$(dpkg-query -W -f '${Version}' rustc-web)
  (cd "$arm64" && foreign download "libstd-rust-web-dev:arm64=$version")
  dpkg-deb -x "$arm64"/libstd-rust-web-dev_*_arm64.deb "$arm64/unpacked"
  mkdir -p "$arm64/sysroot/lib/rustlib"
  ln -s "$arm64/unpacked/usr/lib/rustlib/$triple" "$arm64/sysroot/lib/rustlib/$triple"
  ln -s "/usr/lib/rustlib/x86_64-unknown-linux-gnu" "$arm64/sysroot/lib/rustlib/"
fi

env PATH=/usr/bin:/bin RUSTC=/usr/bin/rustc CARGO_TARGET_DIR="$target/deb" RUSTFLAGS="--sysroot $arm64/sysroot" \
  CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc \
  CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="qemu-aarch64-static -L /usr/aarch64-linux-gnu" \
  /usr/bin/cargo test --target "$triple" "$@"
