#!/bin/sh
# usage: symbols.sh libeplb.a libeplb.so
# What archive and shared library ask for and what they offer, against symbols.txt; the header declares the same
# functions; and no byte of writable memory belongs to the library.
set -eu
export LC_ALL=C
archive=$1 shared=$2
here=$(dirname "$0")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

listed() { sed -n "s/^$1 //p" "$here/symbols.txt" | sort; }

# Prints the lines of the first file that the second does not have, under a heading.
only_in() {
  comm -23 "$1" "$2" > "$work/extra"
  if [ -s "$work/extra" ]; then
    echo "symbols: $3:"
    sed 's/^/  /' "$work/extra"
    failed=1
  fi
}

listed import > "$work/may_import"
listed export > "$work/must_export"

# The only member of the archive.
ar p "$archive" eplb.o > "$work/own.o"

nm -u "$work/own.o" | awk '{ print $2 }' | sort > "$work/imports"
only_in "$work/imports" "$work/may_import" "the library needs more than the memory functions"

nm -g --defined-only "$work/own.o" | awk '{ print $3 }' | sort > "$work/exports"
only_in "$work/exports" "$work/must_export" "defined in the archive but not in symbols.txt"
only_in "$work/must_export" "$work/exports" "in symbols.txt but not in the archive"

# Weak ones are the loader's, for what a shared library may register with it.
nm -D -u "$shared" | awk '$1 != "w" { print $2 }' | sed 's/@.*//' | sort > "$work/shared_imports"
only_in "$work/shared_imports" "$work/may_import" "the shared library needs more than the memory functions"
objdump -p "$shared" | awk '$1 == "NEEDED" { print $2 }' | grep -v '^libc\.' > "$work/libraries" || true
: > "$work/nothing"
only_in "$work/libraries" "$work/nothing" "the shared library needs other libraries"

nm -D --defined-only "$shared" | awk '{ print $3 }' | sort > "$work/exports"
only_in "$work/exports" "$work/must_export" "exported but not in symbols.txt"
only_in "$work/must_export" "$work/exports" "in symbols.txt but not exported"

grep -v '^EPLB_INLINE' "$here/../include/eplb.h" | # which are in the header itself
  grep -o 'eplb_[a-z_]*(const\|eplb_[a-z_]*(u\?int32_t\|eplb_[a-z_]*(void' |
  sed 's/(.*//' | sort > "$work/declared"
only_in "$work/declared" "$work/must_export" "declared in eplb.h but not in symbols.txt"
only_in "$work/must_export" "$work/declared" "in symbols.txt but not declared in eplb.h"

# .data.rel.ro is constant once it is loaded: tables of pointers.
size -A "$work/own.o" | awk '$1 ~ /^\.(data|bss|tdata|tbss)/ && $1 !~ /^\.data\.rel\.ro/ && $2 > 0 { print $1 }' |
  sort > "$work/writable"
only_in "$work/writable" "$work/nothing" "the library has writable globals"

[ $failed = 0 ] || exit 1
echo "symbols      imports: $(tr '\n' ' ' < "$work/imports")exports: $(wc -l < "$work/exports" | tr -d ' ') functions, no globals"
