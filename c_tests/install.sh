#!/bin/sh
# usage: install.sh DIRECTORY
# `make install` into an empty directory, then the example of the README against what is there: by
# pkg-config where it is installed, with the shared library and with the archive.
set -eu
cd "$(dirname "$0")/.."
root=$1
rm -rf "$root"
make --no-print-directory -s install PREFIX="$root"
if command -v pkg-config > /dev/null; then
  flags=$(PKG_CONFIG_PATH="$root/lib/pkgconfig" pkg-config --cflags --libs eplb)
else
  flags="-I$root/include -L$root/lib -leplb"
fi
# shellcheck disable=SC2086 # several words
${CC:-cc} examples/plan.c $flags -o "$root/plan_shared"
${CC:-cc} examples/plan.c -I"$root/include" "$root/lib/libeplb.a" -o "$root/plan_static"
rm "$root"/lib/libeplb.so # the program must find the library by its SONAME
LD_LIBRARY_PATH="$root/lib" "$root/plan_shared" | diff c_tests/plan.expected -
"$root/plan_static" | diff c_tests/plan.expected -
echo "install      header, archive, shared library, pkg-config file: the example builds and runs"
