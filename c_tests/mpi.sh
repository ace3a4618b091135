#!/bin/sh
# usage: mpi.sh TARGET_DIRECTORY
# examples/mpi.c on a real MPI: 8 ranks on this machine, 58 layers, 3 rebalances; the same digests on 2 ranks and
# with the layers sharded; with renamed GPUs, several GPUs a rank or one; and that a rank that goes wrong is noticed.
# Needs mpicc and mpirun (apt: openmpi-bin libopenmpi-dev).
set -eu
export LC_ALL=C
cd "$(dirname "$0")/.."
archive=$1/release/libeplb.a build=$1/mpi
if ! command -v mpicc > /dev/null || ! command -v mpirun > /dev/null; then
  echo "mpi: mpicc and mpirun are needed: install openmpi-bin and libopenmpi-dev (Debian, Ubuntu), openmpi-devel (Fedora)" >&2
  echo "mpi: or open-mpi (Homebrew), and put mpicc and mpirun on the PATH" >&2
  exit 1
fi
mkdir -p "$build"
compile() { # the example, our warnings as errors; MPI's headers are not ours
  mpicc -std=c11 -Wall -Wextra -Wpedantic -Werror "$@"
}
for folder in $(mpicc --showme:incdirs 2> /dev/null || true); do set -- "$@" -isystem "$folder"; done
shift
compile -O2 -Iinclude "$@" examples/mpi.c "$archive" -o "$build/mpi"
compile -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -Iinclude "$@" examples/mpi.c "$archive" -o "$build/mpi-asan"

# More ranks than cores, shared memory alone, and root where a container has no other user.
flags=
if mpirun --version | grep -q 'Open MPI'; then
  flags='--oversubscribe --mca btl self,vader --mca btl_vader_single_copy_mechanism none'
  [ "$(id -u)" != 0 ] || flags="--allow-run-as-root $flags"
fi
# run NAME PROGRAM RANKS ARGUMENTS..: output into files of that name
run() {
  name=$1 program=$2 ranks=$3
  shift 3
  # shellcheck disable=SC2086 # several words
  ASAN_OPTIONS=detect_leaks=0 timeout 300 mpirun ${MPIRUN_FLAGS-$flags} -n "$ranks" "$build/$program" "$@" \
    > "$build/$name.out" 2> "$build/$name.err"
}
passes() {
  run "$@" || { cat "$build/$1.out" "$build/$1.err"; echo "mpi: $1 failed"; exit 1; }
  grep -q '^ok: ' "$build/$1.out" || { cat "$build/$1.out"; echo "mpi: $1 does not say ok"; exit 1; }
}
# fails TEXT NAME ..: must exit with a failure, say TEXT, and not say ok
fails() {
  text=$1
  shift
  if run "$@" || ! grep -q "$text" "$build/$1.err" || grep -q '^ok: ' "$build/$1.out"; then
    cat "$build/$1.out" "$build/$1.err"
    echo "mpi: $1 should have failed with: $text"
    exit 1
  fi
}
digests() { sed -n 's/^ *[1-9][0-9]* |.*| \([0-9a-f]\{16\}\)$/\1/p' "$build/$1.out"; }
same() { # NAME OTHER
  [ "$(digests "$1")" = "$(digests "$2")" ] || { digests "$1"; digests "$2"; echo "mpi: $1 and $2 plan otherwise"; exit 1; }
}

passes eight mpi 8
[ "$(digests eight | sort -u | wc -l)" = 3 ] || { cat "$build/eight.out"; echo "mpi: not three plans"; exit 1; }
passes sharded mpi 8 --shard
same eight sharded
passes two mpi-asan 2
same eight two
passes renamed mpi 8 --budget 0
passes one-gpu mpi 8 --gpus 8 --layers 8
passes buffers mpi-asan 4 --gpus 96 --nodes 12 --budget 0 --spare 2 --layers 4 # buffers and copies within GPUs
fails 'digests differ: rank 3 has ' corrupt-rank mpi 8 --corrupt-rank 3
fails 'digests differ: rank 0 has ' corrupt-shard mpi 8 --shard --corrupt-rank 0 # which plans the layer in question
fails 'slots hold weights that are not those of their expert' corrupt-weight mpi 8 --corrupt-weight 5
cat "$build/eight.out"
echo "mpi          8 ranks agree, as 2 do and 8 that share the layers; a wrong rank and a wrong weight are noticed"
