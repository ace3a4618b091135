#!/bin/bash
# usage: dist.sh TARGET
#        dist.sh --packages   names the packages of Debian that it and c_tests/dist.sh install
# Lays into TARGET/dist what is handed out: `make install` for each machine as an archive to unpack anywhere, the wheels
# and the source distribution of `make wheel`, the sources, and SHA256SUMS. The bytes depend on the commit and the
# compilers alone: names are sorted, the owner is 0, every file is as old as the commit.
# Installs compilers for other machines (on Debian 12, as root). c_tests/dist.sh tries what was made.
set -euo pipefail
target=$(realpath -m -- "${1:?usage: dist.sh TARGET}")
cd "$(dirname "$0")/.."
packages="cmake pkg-config g++-aarch64-linux-gnu
  $(c_tests/firmware/setup.sh --packages) $(c_tests/firmware/aarch64_tests.sh --packages)"
# shellcheck disable=SC2086 # several words
[ "$1" = --packages ] && echo $packages && exit
export LC_ALL=C
unset MAKEFLAGS MFLAGS DESTDIR LIBDIR # each archive is the whole library
[ -z "$(git status --porcelain)" ] || echo "dist         the tree has changes that no commit has"
time=$(git log -1 --format=%ct)
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)
dist=$target/dist
stage=$target/dist-stage
rm -rf "$dist" "$stage"
mkdir -p "$dist" "$stage"
# shellcheck disable=SC2086 # several words
c_tests/packages.sh dist $packages

# The folder of that name in the stage becomes NAME.tar.gz.
pack() {
  tar -C "$stage" --format=gnu --sort=name --owner=0 --group=0 --numeric-owner --mode=u+rw,go=u,go-w --mtime="@$time" \
    -cf - "$1" | gzip -9n > "$dist/$1.tar.gz"
}

# machine TRIPLE HOW..: HOW is the command that installs for it, but for the folder.
machine() {
  local name=eplb-$version-$1
  shift
  "$@" PREFIX="$stage/$name" > "$stage/log" 2>&1 || { cat "$stage/log"; exit 1; }
  install -D -m 644 -t "$stage/$name/examples" examples/{plan.c,plan.cpp,firmware.c}
  cp LICENSE "$stage/$name"
  sed "s/@NAME@/$name/g; s/@VERSION@/$version/g" bindings/dist.txt > "$stage/$name/README"
  pack "$name"
}
cross() { # TRIPLE COMPILER
  machine "$1" c_tests/firmware/cross.sh "$target" install "$1" "$2"
}
machine "$(rustc -vV | sed -n 's/^host: //p')" make --no-print-directory install CARGO_TARGET_DIR="$target"
cross aarch64-unknown-linux-gnu aarch64-linux-gnu-gcc
cross thumbv7em-none-eabihf arm-none-eabi-gcc
cross riscv64imac-unknown-none-elf 'riscv64-unknown-elf-gcc -march=rv64imac -mabi=lp64'
cross riscv32imac-unknown-none-elf 'riscv64-unknown-elf-gcc -march=rv32imac -mabi=ilp32'

cp "$target"/wheel/*.whl "$dist"
tar -C "$stage" -xzf "$target/sdist/eplb-$version.tar.gz"
pack "eplb-$version"
mkdir "$stage/eplb-$version-source"
git ls-files -z --cached --others --exclude-standard | xargs -0 cp --parents -t "$stage/eplb-$version-source"
pack "eplb-$version-source"
cd "$dist"
sha256sum ./* | sed 's|\./||' > "$stage/SHA256SUMS"
mv "$stage/SHA256SUMS" .
rm -rf "$stage"
wc -c ./*
