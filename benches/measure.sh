#!/bin/bash
# usage: measure.sh libeplb.a BUILD_DIRECTORY
# Measures all that docs/BENCHMARKS.md and README.md quote, and leaves it in BUILD_DIRECTORY/figures, a CSV a topic;
# docs/pages writes it into the pages. Three minutes on two cores. Loads: the trace at EPLB_TRACE, else generated.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$0")/.."
archive=$(realpath "$1")
build=$(realpath -m "$2")
out=$build/figures
rm -rf "$out"
mkdir -p "$out"

# Builds a bench and prints where it is.
bench() {
  local said
  said=$(cargo bench --bench "$1" --no-run 2>&1) || { echo "$said" >&2; exit 1; }
  sed -n 's/.*Executable.*(\(.*\))$/\1/p' <<< "$said"
}

compilers=()
for compiler in g++ clang++; do
  if command -v "$compiler" > /dev/null; then compilers+=("$compiler"); fi
done

about() {
  echo 'what,text'
  echo "date,$(date -u +%F)"
  echo "processor,$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1)"
  echo "cores,$(nproc)"
  echo "rustc,$(rustc --version | cut -d' ' -f2)"
  for compiler in "${compilers[@]}"; do echo "$compiler,$("$compiler" -dumpversion)"; done
  echo "loads,$(basename "${EPLB_TRACE:-generated}")"
}

# The planner and the same algorithm in plain C++, by each compiler; header once.
versus() {
  local compiler
  benches/versus/build.sh "$archive" "$build" >&2
  for compiler in "${compilers[@]}"; do
    "$build/versus-$compiler" measure "$build/loads.csv" "$compiler"
  done | awk 'NR == 1 || !/^compiler,/'
}

instructions_of() {
  valgrind --tool=callgrind --callgrind-out-file=/dev/null "$@" 2>&1 | sed -n 's/.*Collected *: *\([0-9]*\).*/\1/p'
}

# Instructions a layer. What a program does besides planning is in both counts and cancels out.
instructions() {
  local case what none many layers=232 plain=$build/versus-${compilers[0]}
  local others="multi_swap k2_hybrid hybrid_argmax peak_aware waterfill waterfill_fixup"
  echo 'case,what,instructions'
  for case in 256-288-32 256-288-32-8x4 256-320-64 256-288-72 256-288-96 256-288-144 256-256-32 2048-2304-256; do
    none=$(instructions_of "$plan" once "$case" sort 0)
    for what in sort balanced deepseek $([ "$case" = 256-288-32 ] && echo $others); do
      many=$(instructions_of "$plan" once "$case" "$what" $layers)
      echo "$case,$what,$(((many - none) / layers))"
    done
  done
  none=$(instructions_of "$plain" once "$build/loads.csv" 256-288-32 plain 0)
  many=$(instructions_of "$plain" once "$build/loads.csv" 256-288-32 plain $layers)
  echo "256-288-32,plain,$(((many - none) / layers))"
}

# Runs the rest as a topic, and says how long it took.
topic() {
  local name=$1 start=$SECONDS
  shift
  "$@" > "$out/$name.csv.new"
  mv "$out/$name.csv.new" "$out/$name.csv"
  echo "measured     $name, $((SECONDS - start)) s" >&2
}

plan=$(bench plan) dispatch=$(bench dispatch) quality=$(bench quality) seconds=$(bench seconds)
topic about about
topic plan "$plan"
"$plan" loads > "$build/loads.csv"
if [ ${#compilers[@]} != 0 ]; then topic versus versus; else echo "measured     no C++ compiler: not versus" >&2; fi
topic dispatch "$dispatch"
topic quality "$quality"
topic seconds "$seconds"
if command -v valgrind > /dev/null && [ ${#compilers[@]} != 0 ]; then
  topic instructions instructions
else
  echo "measured     valgrind or g++ is missing: no instructions" >&2
fi
# as it would be in a fresh clone, wherever the build's files are here
demo() { cargo run -q --release -p eplb-cli -- report "$@" | sed 's|^.*/\(demo/[a-z]*\.[a-z]*:\)|target/\1|'; }
demo > "$out/demo.txt"
demo --scope global > "$out/demo-global.txt"
