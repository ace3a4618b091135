#!/bin/sh
# usage: x86_64_kernel.sh PROGRAM.elf
# Multiboot wants a 32-bit file around the 64-bit code; and 3, not 0, is the status of success.
set -u
objcopy -O elf32-i386 "$1" "$1.32" || exit 1
qemu-system-x86_64 -display none -serial stdio -monitor none -no-reboot \
  -device isa-debug-exit,iobase=0xf4,iosize=4 -kernel "$1.32"
[ $? = 3 ]
