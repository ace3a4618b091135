#!/bin/sh
# usage: setup.sh TARGET_FOLDER
#        setup.sh --packages   names the packages of Debian that it installs
# Installs what the firmware tests need (on Debian 12, as root) and builds the archives for processors without
# an operating system into TARGET_FOLDER/deb.
set -eu
packages="rustc-web cargo-web rust-web-src
  gcc-arm-none-eabi gcc-riscv64-unknown-elf gcc-aarch64-linux-gnu
  qemu-system-arm qemu-system-misc qemu-system-x86"
[ "$1" = --packages ] && echo $packages && exit
mkdir -p "$1"
target=$(cd "$1" && pwd)
cd "$(dirname "$0")"

# shellcheck disable=SC2086 # several words
../packages.sh firmware $packages

# TRIPLE, COMPILER, VARIABLES OF MAKE..
archive() { ./cross.sh "$target" lib "$@"; }
archive thumbv7em-none-eabihf arm-none-eabi-gcc
archive thumbv7em-none-eabihf arm-none-eabi-gcc SMALL=1
archive thumbv7em-none-eabihf arm-none-eabi-gcc SMALL=1 WITHOUT=all
archive aarch64-unknown-none aarch64-linux-gnu-gcc
archive riscv64imac-unknown-none-elf 'riscv64-unknown-elf-gcc -march=rv64imac -mabi=lp64'
archive riscv32imac-unknown-none-elf 'riscv64-unknown-elf-gcc -march=rv32imac -mabi=ilp32'
