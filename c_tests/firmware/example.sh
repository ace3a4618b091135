#!/bin/sh
# usage: example.sh BUILD LARGEST FLAVOUR..
# What examples/firmware.c takes on a Cortex-M4F with each flavour of the library: the plans and the workspace must be
# the host's, and the text of the last flavour at most LARGEST bytes.
set -eu
build=$1 largest=$2
shift 2
for flavour in "$@"; do
  # plans DIGEST workspace BYTES stack BYTES
  read -r _ plans _ workspace _ stack < "$build/example-$flavour.txt"
  [ "plans $plans workspace $workspace" = "$(cat "$build/example.plans")" ] ||
    { echo "example: $flavour: plans $plans workspace $workspace, on the host $(cat "$build/example.plans")"; exit 1; }
  # shellcheck disable=SC2046 # text data bss
  set -- $(arm-none-eabi-size "$build/example-$flavour.elf" | tail -1)
  printf 'example       on a Cortex-M4F, %-18s text %s, data %s, bss and room for the stack %s; stack %s, workspace %s\n' \
    "$flavour:" "$1" "$2" "$3" "$stack" "$workspace"
  text=$1
done
[ "$text" -le "$largest" ] || { echo "example: $flavour has more than $largest bytes of text"; exit 1; }
