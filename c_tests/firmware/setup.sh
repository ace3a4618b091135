#!/bin/sh
# usage: setup.sh TARGET_FOLDER
#        setup.sh --packages   names the packages of Debian that it installs
# Installs what the firmware tests need (on Debian 12, as root) and builds the archives for processors without
# an operating system. rustup's toolchain has no core for them; Debian's rustc-web comes with the source of core
# that fits it, so core is built along. TARGET_FOLDER/deb is theirs alone: two compilers, two folders.
set -eu
packages="rustc-web cargo-web rust-web-src
  gcc-arm-none-eabi gcc-riscv64-unknown-elf gcc-aarch64-linux-gnu
  qemu-system-arm qemu-system-misc qemu-system-x86"
[ "$1" = --packages ] && echo $packages && exit
mkdir -p "$1"
target=$(cd "$1" && pwd)
cd "$(dirname "$0")/../.."

missing=
for package in $packages; do
  dpkg-query -W -f '${Status}' "$package" 2> /dev/null | grep -q 'ok installed' || missing="$missing $package"
done
if [ -n "$missing" ]; then
  [ "$(id -u)" = 0 ] || { echo "firmware: install$missing"; exit 1; }
  apt-get update -q
  # shellcheck disable=SC2086 # several words
  DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing
fi

# PATH: no cargo of rustup in the way. RUSTC_BOOTSTRAP: build-std is not stable. The options of the compiler choose what
# its linker takes. archive TRIPLE, COMPILER, VARIABLES OF MAKE..
archive() {
  triple=$1 compiler=$2
  shift 2
  env PATH=/usr/bin:/bin RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 make --no-print-directory lib CARGO=/usr/bin/cargo \
    CARGO_FLAGS=-Zbuild-std=core CARGO_TARGET_DIR="$target/deb" TRIPLE="$triple" CC="$compiler" "$@"
}
archive thumbv7em-none-eabihf arm-none-eabi-gcc
archive thumbv7em-none-eabihf arm-none-eabi-gcc SMALL=1
archive thumbv7em-none-eabihf arm-none-eabi-gcc SMALL=1 WITHOUT=all
archive aarch64-unknown-none aarch64-linux-gnu-gcc
archive riscv64imac-unknown-none-elf 'riscv64-unknown-elf-gcc -march=rv64imac -mabi=lp64'
archive riscv32imac-unknown-none-elf 'riscv64-unknown-elf-gcc -march=rv32imac -mabi=ilp32'
