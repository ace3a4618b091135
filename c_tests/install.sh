#!/bin/bash
# usage: install.sh DIRECTORY
# `make install` into an empty DIRECTORY, then programs in a folder outside the tree that use what is there: by a bare
# compiler line, by pkg-config and by CMake, each with the shared library and with the archive. Commands and output are
# shown, and kept in DIRECTORY/*.transcript. What was in DIRECTORY is removed, if an earlier run has left it.
set -euo pipefail
root=$(realpath -m "${1:?usage: install.sh DIRECTORY}")
cd "$(dirname "$0")/.."
marker=$root/.made-by-install.sh
if [ -n "$(ls -A "$root" 2> /dev/null)" ] && [ ! -e "$marker" ]; then
  echo "install      $root is not empty, and not of an earlier run: remove it yourself"
  exit 1
fi
rm -rf "$root"
mkdir -p "$root"
touch "$marker"
export PREFIX=$root/prefix STAGE=$root/stage MOVED=$root/moved
outside=$(mktemp -d)
trap 'rm -rf "$outside"' EXIT
cp examples/{plan.c,plan.cpp,engine.cpp} c_tests/{plan,engine}.expected c_tests/consumer/CMakeLists.txt "$outside"

# Runs a shell command as a user would type it, with $PREFIX and $STAGE.
run() {
  echo "\$ $1"
  bash -euo pipefail -c "$1" 2>&1
}
# The same for a command that prints the plan.
shows() {
  run "$1" | tee "$outside/shown"
  tail -n +2 "$outside/shown" | diff "$outside/plan.expected" -
}
# A chapter: a function in the folder outside, its output kept.
transcript() {
  (cd "$outside"; "$1") | tee "$root/$1.transcript"
}
# Says that a tool is missing; in CI that is a failure.
without() {
  echo "install      $1 is not installed: skipped"
  [ "${CI:-}" != true ]
}

make --no-print-directory -s install PREFIX="$PREFIX"
make --no-print-directory -s install PREFIX=/opt/eplb DESTDIR="$STAGE"
# a library folder of its own, as Debian has it, and everything moved afterwards
make --no-print-directory -s install PREFIX="$root/first" LIBDIR="$root/first/lib/machine"
mv "$root/first" "$MOVED"
make --no-print-directory -s install PREFIX="$root/gone"
make --no-print-directory -s uninstall PREFIX="$root/gone"
[ -z "$(find "$root/gone" ! -type d)" ] || { echo "install: left by uninstall:"; find "$root/gone" ! -type d; exit 1; }
unset MAKEFLAGS MFLAGS # what cmake starts is no part of the make that called this
version=$(sed -n 's/^Version: //p' "$PREFIX/lib/pkgconfig/eplb.pc")
abi=$(readlink "$PREFIX/lib/libeplb.so" | sed 's/^libeplb.so.//')
diff <(cd "$STAGE/opt/eplb" && find . ! -type d | sort) <(sort << LIST
./include/eplb.h
./include/eplb.hpp
./include/eplb_balancer.hpp
./include/eplb_balancer_state.hpp
./lib/cmake/eplb/eplb-config-version.cmake
./lib/cmake/eplb/eplb-config.cmake
./lib/libeplb.a
./lib/libeplb.so
./lib/libeplb.so.$abi
./lib/libeplb.so.$version
./lib/pkgconfig/eplb.pc
LIST
)

# Without libeplb.so, which is for the linker: a program finds the library by its SONAME.
cc_line() {
  run 'cc plan.c -I$PREFIX/include $PREFIX/lib/libeplb.a -o plan_static'
  shows './plan_static'
  run 'cc plan.c -I$PREFIX/include -L$PREFIX/lib -leplb -o plan_shared'
  mv "$PREFIX/lib/libeplb.so" linker_name
  shows 'LD_LIBRARY_PATH=$PREFIX/lib ./plan_shared'
  mv linker_name "$PREFIX/lib/libeplb.so"
  run 'c++ -std=c++17 plan.cpp -I$PREFIX/include $PREFIX/lib/libeplb.a -o plan_cpp'
  shows './plan_cpp'
}

pkg_config() {
  export PKG_CONFIG_PATH=$PREFIX/lib/pkgconfig
  run 'cc plan.c $(pkg-config --cflags --libs eplb) -o plan_shared'
  shows 'LD_LIBRARY_PATH=$PREFIX/lib ./plan_shared'
  run 'c++ -std=c++17 plan.cpp $(pkg-config --cflags eplb) $(pkg-config --variable=archive eplb) -o plan_archive'
  shows './plan_archive'
  run 'cc -static plan.c $(pkg-config --static --cflags --libs eplb) -o plan_static'
  shows './plan_static'
  run 'c++ -std=c++17 plan.cpp $(pkg-config --cflags --libs eplb) -o plan_cpp'
  shows 'LD_LIBRARY_PATH=$PREFIX/lib ./plan_cpp'
  # a staged tree, and one that was moved
  export PKG_CONFIG_PATH=$STAGE/opt/eplb/lib/pkgconfig
  run 'cc plan.c $(PKG_CONFIG_SYSROOT_DIR=$STAGE pkg-config --cflags --libs eplb) -o plan_staged'
  shows 'LD_LIBRARY_PATH=$STAGE/opt/eplb/lib ./plan_staged'
  export PKG_CONFIG_PATH=$MOVED/lib/machine/pkgconfig
  run 'cc plan.c $(pkg-config --cflags --libs eplb) -o plan_moved'
  shows 'LD_LIBRARY_PATH=$MOVED/lib/machine ./plan_moved'
}

# The second tree was made for /opt/eplb, and is found where it stands; so is the third, with its library folder.
cmake_package() {
  command -v ninja > /dev/null && export CMAKE_GENERATOR=Ninja
  run "cmake -S . -B build -DCMAKE_PREFIX_PATH=\$PREFIX -DEPLB_VERSION=$version"
  run 'cmake --build build'
  run 'ctest --test-dir build --output-on-failure'
  shows 'build/plan_c_eplb'
  shows 'build/plan_cpp_eplb'
  export CMAKE_GENERATOR='Unix Makefiles'
  local static='-Deplb_USE_STATIC_LIBS=ON'
  run "cmake -S . -B moved -DCMAKE_PREFIX_PATH=\$STAGE/opt/eplb -DEPLB_VERSION=$version $static"
  run 'cmake --build moved'
  run 'ctest --test-dir moved --output-on-failure'
  run '! ldd moved/plan_cpp_eplb | grep eplb'
  run "cmake -S . -B machine -DCMAKE_PREFIX_PATH=\$MOVED/lib/machine/cmake -DEPLB_VERSION=$version"
  run 'cmake --build machine'
  run 'ctest --test-dir machine --output-on-failure'
}

transcript cc_line
if command -v pkg-config > /dev/null; then transcript pkg_config; else without pkg-config; fi
if command -v cmake > /dev/null; then transcript cmake_package; else without cmake; fi
echo "install      $(cd "$root" && echo *.transcript): every program builds, runs and prints the plan"
