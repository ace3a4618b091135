#!/bin/sh
# usage: wheel.sh TARGET
# Builds TARGET/wheel/eplb-*.whl around TARGET/release/libeplb.so. Needs python3 with venv, and setuptools from
# PyPI; PYTHON names another interpreter. Everything is laid into TARGET first: the tree stays clean.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
target=$1
stage=$target/python/stage
build=$target/python/build-venv
[ -x "$build/bin/pip" ] || "${PYTHON:-python3}" -m venv "$build"
"$build/bin/pip" install -q 'setuptools>=77'
rm -rf "$stage" "$target/wheel"
mkdir -p "$stage"
cp -r "$here/src" "$here/pyproject.toml" "$here/setup.py" "$here/README.md" "$here/../../LICENSE" "$stage"
for library in "$target/release/libeplb.so" "$target/release/libeplb.dylib"; do
  [ ! -f "$library" ] || cp "$library" "$stage/src/eplb/"
done
ls "$stage"/src/eplb/libeplb.* > /dev/null # a wheel without the library is none
"$build/bin/pip" wheel -q --no-deps --no-build-isolation -w "$target/wheel" "$stage"
ls "$target/wheel"
