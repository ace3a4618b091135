#!/bin/bash
# usage: break.sh TARGET_DIRECTORY
# Breaks a copy of the library on purpose, one way after another, and sees the test or proof in charge
# fail, each with the words it should fail with. A sabotage that changes nothing is an error too.
set -euo pipefail
export LC_ALL=C # the words of compilers and shells are looked for
cd "$(dirname "$0")/.."
target=$1
copy=$target/broken/tree
rm -rf "$copy"
mkdir -p "$copy"
tar -cf - --exclude=./target --exclude=./.git . | tar -xf - -C "$copy"

log=$target/broken/log
tries=0
missed=0

# sabotage NAME, FILE, SED SCRIPT: then `sees WORDS COMMAND..` once or more often, then `mend`.
sabotage() {
  name=$1 file=$2
  cp "$file" "$copy/$file"
  sed -i "$3" "$copy/$file"
  if cmp -s "$file" "$copy/$file"; then
    echo "BREAK $name: the sed script no longer finds its place in $file"
    missed=$((missed + 1))
  fi
}
mend() { cp "$file" "$copy/$file"; }

# The command must fail and say the words (a regular expression).
sees() {
  words=$1
  shift
  tries=$((tries + 1))
  if (cd "$copy" && "$@") > "$log" 2>&1; then
    echo "MISSED $name: \`$*\` passed"
    missed=$((missed + 1))
  elif ! grep -q -- "$words" "$log"; then
    echo "MISSED $name: \`$*\` failed without \"$words\":"
    tail -20 "$log"
    missed=$((missed + 1))
  else
    echo "seen   $name: $(grep -m 1 -o -- "$words" "$log")"
  fi
}

# The archives of the copy are its own; what cargo test builds of other crates is shared.
of_copy() { CARGO_TARGET_DIR=$target/broken make -s "$@"; }
# `topic` links what is quickest to build, `released` what is handed out.
topic() { of_copy unoptimised && make -s -C c_tests "$1" TARGET="$target/broken" PROFILE=unoptimised "${@:2}"; }
released() { of_copy lib && make -s -C c_tests "$1" TARGET="$target/broken" "${@:2}"; }
rust_test() { CARGO_TARGET_DIR=$target "${CARGO:-cargo}" test -q --test "$1" -- "$2"; }
lib_test() { CARGO_TARGET_DIR=$target "${CARGO:-cargo}" test -q --lib "$@"; }
replay() { of_copy lib checked && make -s -C fuzz replay TARGET="$target/broken"; }
profiles() { # of the two that matter here
  of_copy lib checked && make -s -C c_tests/firmware profiles TARGET="$target/broken" DEBUG_ARCHIVE="$target/broken/checked/libeplb.a"
}
linted() { CARGO_TARGET_DIR=$target "${CARGO:-cargo}" clippy -q --lib -- -D warnings; }
proof_of_traps() { # FLAVOUR, VARIABLES OF MAKE..
  of_copy trap "${@:2}" && make -s -C c_tests trap TARGET="$target/broken" TRAPS="$target/broken/trap-$1/libeplb.a"
}
# what an archive defines and asks for
ours() { # FOLDER, TARGET OF MAKE
  of_copy "$2" && c_tests/ours.sh "$target/broken/$1/libeplb.a"
}
without() { # PART
  of_copy lib && of_copy lib SMALL=1 WITHOUT="$1" &&
    c_tests/parts.sh "$target/broken/parts" "release=$target/broken/release/libeplb.a" \
      "small-without-$1=$target/broken/small-without-$1/libeplb.a"
}

ffi=src/ffi/version.rs

sabotage "a panic within reach" src/ffi/check.rs 's/placement::digest(slots)/placement::digest(\&slots[slots[0] as usize..])/'
sees "undefined reference to .eplb_panic_is_reachable" proof_of_traps release
mend

sabotage "a panic within reach where code is small" src/balanced/construct/solver.rs 's/let slots = self.slots;/let slots = self.slots.get() \& 3;/'
sees "undefined reference to .eplb_panic_is_reachable" proof_of_traps small SMALL=1
mend

sabotage "the archive as rustc makes it" bindings/archive.sh 's/^work=.*/cp "$raw" "$out"; exit/'
sees "defines symbols that are not ours" ours release lib
sees "does not link: .* last" released neighbours
sees "does not run: \|does not link: .* -shared" released neighbours
mend

sabotage "a name of the compiler's runtime left global" bindings/archive.sh "s/ --keep-global-symbol='eplb_\*'//"
sees "defines symbols that are not ours" ours unoptimised unoptimised
mend

sabotage "an archive that leaves the compiler's runtime out" bindings/archive.sh 's/"$work\/own.o" "$raw" -o/"$work\/own.o" -o/'
sees "needs more than the memory functions" ours unoptimised unoptimised
mend

sabotage "a shared library that needs another one" Makefile 's/^SHARED := .*/& -C link-arg=-Wl$(comma)--no-as-needed -C link-arg=-lm/'
sees "the shared library needs other libraries" released symbols
mend

sabotage "a part left out that is planned all the same" src/parts.rs 's/!cfg!(without = "windows")/true/'
sees "found 0, expected -81" without windows
mend

sabotage "other plans where a part is left out" src/balanced/never_worse.rs 's/shape.topology().num_nodes() > 1 \&\&/crate::parts::COMPAT \&\& &/'
sees "small-without-compat plans otherwise" without compat
mend

sabotage "a function of a part that is left out" src/ffi/mod.rs '/^#\[cfg(not(without = "dispatch"))\]$/d'
sees "small-without-dispatch still has eplb_dispatch" without dispatch
mend

sabotage "a pkg-config file that stays where it was made" Makefile 's/$(if $(UP),$${pcfiledir}\/..\/$(UP),$(PREFIX))/$(PREFIX)/'
if command -v pkg-config > /dev/null; then sees "eplb.h: No such file" of_copy installed; fi
mend

sabotage "a file that uninstall forgets" Makefile 's/ $(LIB)\/pkgconfig\/eplb.pc $(LIB)/ $(LIB)/'
sees "left by uninstall" of_copy installed
mend

sabotage "a call into libc" $ffi \
  's/^    EPLB_VERSION$/    unsafe extern "C" { safe fn getpid() -> u32; }\n    EPLB_VERSION + getpid()/'
sees "needs more than the memory functions" released symbols
mend

sabotage "an allocation" src/ffi/check.rs \
  's/^        digest.write(/        unsafe extern "C" {\n            safe fn malloc(size: usize) -> *mut u8;\n        }\n        core::hint::black_box(malloc(8));\n&/'
sees "needs more than the memory functions" released symbols
sees "malloc was called" released noalloc
sees "undefined reference to .malloc" released freestanding
mend

sabotage "the alloc crate" src/lib.rs \
  's/^mod afresh;/extern crate alloc;\n\/\/\/ A list.\npub fn list(n: usize) -> alloc::vec::Vec<u8> { alloc::vec![0; n] }\n&/'
sees "no global memory allocator" released symbols
mend

sabotage "a stray export" $ffi '$a #[unsafe(no_mangle)]\npub extern "C" fn eplb_stray() {}'
sees "exported but not in symbols.txt" released symbols
mend

sabotage "a global" $ffi \
  's/^    EPLB_VERSION$/    static CALLS: core::sync::atomic::AtomicU32 = core::sync::atomic::AtomicU32::new(0);\n    EPLB_VERSION + CALLS.fetch_add(1, core::sync::atomic::Ordering::Relaxed)/'
sees "writable globals" released symbols
mend

sabotage "an edited header" include/eplb.h 's/ What to plan for/ What to plan/'
sees "not what cbindgen makes" rust_test project header::
mend

sabotage "a field that only Rust knows" src/ffi/types.rs 's/^    pub load_window_stride: u64,/    pub novel: u64,\n&/'
sees "not what cbindgen makes\|missing field" rust_test project header::
mend

sabotage "a field too many in the header" include/eplb.h 's/^  uint64_t load_window_stride;/  uint64_t novel;\n&/'
sees "array .assert_at_line_[0-9]*. is negative" topic header
mend

sabotage "a hole in a struct" include/eplb.h 's/^  uint32_t busiest_gpu;/&\n  uint8_t novel;/'
sees "padding struct" topic header
mend

sabotage "a status with another number" src/status.rs 's/LoadNan = -40/LoadNan = -49/'
sees "layout.c:[0-9]*: .*failed" topic layout
mend

sabotage "a rank too high by one" src/compat/hierarchy.rs 's/\*entry = rank as i32;/*entry = rank as i32 + 1;/'
sees "vectors.c:[0-9]*: policy 1: failed" topic vectors
mend

sabotage "another digest" src/placement/digest.rs 's/0xcbf2_9ce4_8422_2325/0xcbf2_9ce4_8422_2326/'
sees "digest.c:[0-9]*: .*failed" topic digest
sees "Error 1" released freestanding
mend

sabotage "a result that depends on the profile" src/placement/digest.rs \
  's/0xcbf2_9ce4_8422_2325_u64/& + cfg!(debug_assertions) as u64/'
sees "replay plan: release .*, checked .*" replay
sees "checked: lines that differ from the host's" profiles
mend

sabotage "a rank too high by one, seen by the corpus" src/compat/hierarchy.rs 's/\*entry = rank as i32;/*entry = rank as i32 + 1;/'
sees "plan.c:[0-9]*: not so: .*" replay
mend

sabotage "a workspace too small by a byte" src/ffi/memory.rs 's/if size < bytes {/if size + 1 < bytes {/'
sees "workspace.c:[0-9]*: .*failed" topic workspace
mend

sabotage "metrics written beyond their array" src/ffi/structs.rs 's/write_bytes(0, self.size - known)/write_bytes(0, self.size - known + 8)/'
sees "wrote beyond an output" topic null
sees "Segmentation fault" topic workspace
if command -v valgrind > /dev/null; then
  sees "Invalid write" released vectors RUNNER="valgrind -q --error-exitcode=1"
fi
mend

sabotage "an output written before the checks" src/ffi/plan.rs \
  's/^            let maps = memory.read("placement", self.placement)?;/&\n            maps.physical_to_logical.cast::<u8>().write(0);/'
sees "touched an output although it failed" topic load
mend

sabotage "NaN let in" src/problem/loads.rs 's/Some(Status::LoadNan)/None/'
sees "found 0, expected -40" released load
mend

sabotage "arrays that overlap" src/ffi/memory.rs 's/return Err(Status::OverlappingArrays);/return Ok(());/'
sees "expected -5" topic workspace
mend

sabotage "more nodes than GPUs" src/problem/shape.rs 's/if nodes > spec.num_gpus {/if nodes > 1000 * spec.num_gpus {/'
sees "found 0, expected -39" topic shape
mend

# --- explanations, and what came with them ---

sabotage "an explanation that names the place beside" src/explain/load.rs 's/at - layer \* self.experts, load/at - layer * self.experts + 1, load/'
sees "explain.c:[0-9]*: .*failed" topic explain
mend

sabotage "an explanation with a status of its own" src/explain/content.rs \
  's/^    slots.say_entry(text);$/&\n    if slots.shape.num_layers() > 0 {\n        return Err(Status::PlacementMissing);\n    }/'
sees "panicked at tests.library.explain.rs" rust_test library explain::
sees "not so: said == status" replay
mend

sabotage "explanations linked where nobody asks for them" $ffi \
  's/^    const UNKNOWN: .*/    core::hint::black_box(crate::explain::text::Text::default()).say(core::hint::black_box("[layer %]"), \&[]);\n&/'
sees "explanations are in a program that does not call them: [0-9]* [0-9]*" released unlinked
mend

sabotage "a check without memory that has rules of its own" src/placement/ledger.rs 's/None => before.contains(&expert)/None => before.first() == Some(\&expert)/'
sees "memory_does_not_matter" lib_test memory_does_not_matter
mend

sabotage "digits that are not the fewest" src/explain/float.rs 's/let even = self.fraction & 1 == 0;/let even = false;/'
sees "any_bits\|by_hand" lib_test explain::float
mend

sabotage "a dead GPU that is numbered" src/placement/number.rs 's/Some(count) if shape.topology().serves(gpu) => {/Some(count) => {/'
sees "number.c:[0-9]*: .*failed" topic number
mend

sabotage "rows of a newer caller read as our own" src/ffi/structs.rs 's/add(row \* self.size)/add(row * size_of::<T>())/'
sees "gate.c:[0-9]*: .*failed" topic gate
mend

sabotage "a gate that stays shut in silence" src/gate/refusals.rs 's/if self.obstacle().is_some() {/if false {/'
sees "found 0, expected -114" topic gate
mend

sabotage "a mean that is lower taken for chance" src/gate/prices.rs 's/if self.in_seconds() \&\& sure < layer.mean/if false/'
sees "gate.c:[0-9]*: .*failed" topic gate
mend

sabotage "copies within a GPU counted as moved" src/transfers/list.rs 's/usize::from(transfer.source_gpu != transfer.destination_gpu)/1/'
sees "panicked at tests.library.transfers.rs" rust_test library transfers::
mend

sabotage "a planner that is not zero" src/fixed.rs 's/            physical_to_logical: \[0; P\],/            physical_to_logical: [-1; P],/'
sees "panicked at tests.library.planner.rs" rust_test library planner::
mend

sabotage "a failed result that is read in silence" include/eplb.hpp 's/assert(this->ok() && /assert(true || /'
sees "cpp-failed: value reads a failed result" released cpp-failed
mend

# --- BALANCED ---

construct=src/balanced/construct
sabotage "packing that lets replicas meet" $construct/lpt.rs 's/hit |= at(self.packing.expert_of, item) == expert;/hit |= (item, expert) == (u32::MAX, 0);/'
sees "plans.c:[0-9]*: policy 0: failed" released balanced
mend

sabotage "swaps that let replicas meet" $construct/packing.rs 's/expert & SPLIT != 0 && self.has_beside/expert == u32::MAX \&\& self.has_beside/'
sees "plans.c:[0-9]*: policy 0: failed" released balanced
mend

sabotage "a tie the other way" $construct/lpt.rs 's/times().position(/times().rposition(/'
sees "policy 0: failed: pin [0-9]*$" released balanced
mend

sabotage "subnormals scaled as if they were normal" $construct/loads.rs 's/if top >= 100 << 23 {/if top > 0 {/'
sees "failed: digest_of(&p, \"times a power of two\") == digest" released balanced
mend

sabotage "loads read by the floating-point unit" $construct/loads.rs 's/let bits = |x: f32| x.to_bits() &/let bits = |x: f32| (x * 2.0).to_bits() \&/'
sees "policy 0: failed: pin [0-9]*, flush to zero$" released balanced
mend

sabotage "a bound 1 % too high" src/score/measure.rs 's/let bound = lower::lower_bound(/let bound = 1.01 * lower::lower_bound(/'
sees "evaluate.c:[0-9]*: .*failed: best >= 0 && bound <= best" topic evaluate
mend

sabotage "a limit on replicas that is not kept" src/balanced/layer.rs 's/if max_replicas == 0 {/if max_replicas < 1000 {/'
sees "policy 0: failed: max_replicas" topic topology
mend

sabotage "a dead GPU in use" src/problem/shape.rs 's/if self.topology.receives(gpu) {/if self.topology.slots(gpu) > 0 {/'
sees "plans.c:[0-9]*: policy 0: failed: c.problem.gpu_state" topic topology
mend

sabotage "groups that fit nowhere" src/balanced/admit.rs 's/return Err(Status::Infeasible);/return Err(Status::TooFewSlots);/'
sees "found -32, expected -70" released balanced
mend

sabotage "slots that are just enough" src/balanced/admit.rs 's/if slots_in_use(shape) < experts {/if slots_in_use(shape) <= experts {/'
sees "found -32, expected 0" released balanced
mend

sabotage "worse than DEEPSEEK" src/balanced/never_worse.rs 's/if duplicates > 0 ||/if theirs > 0.0 ||/'
sees "left: (4, 2)" rust_test library balanced::never_worse_where
mend

sabotage "ties on one node that fall otherwise than in DEEPSEEK" src/balanced/never_worse.rs 's/let ordered = /&false \&\& /'
sees "left: (4, 2)" rust_test library balanced::never_worse_where
mend

sabotage "groups on nodes by their loads alone" src/balanced/nodes/roomiest.rs 's/^const HALVINGS: u32 = .*;/const HALVINGS: u32 = 0;/'
sees "failed: ours >= floor" rust_test library quality::many_groups
mend

sabotage "zero as the optimiser compares it" src/problem/loads.rs 's/core::hint::black_box(value.to_bits())/value.to_bits()/'
sees "found 0, expected -42" released balanced
mend

sabotage "a strategy that reaches for the C face" $construct/solver.rs '$a #[allow(unused)]\nuse super::super::super::ffi::EPLB_VERSION;'
sees ".balanced. may not import .ffi." rust_test project architecture::
mend

sabotage "a counter that starts again" src/load/tracker.rs 's/let sum = counter.saturating_add(count);/let sum = counter.wrapping_add(count);/'
sees "tracker.c:[0-9]*: .*failed" topic tracker
mend

sabotage "torn memory taken for whole" src/load/tracker.rs 's/if sums != self.header.sums {/if false {/'
sees "found 0, expected -91" topic tracker
mend

sabotage "a change that is seen a window late" src/load/change.rs 's/                best = k;/best = k - 1;/; s/^            best = k;/            best = k - 1;/'
sees "failed: s.counted\[layer\] == TIMES - cut" topic forecast
mend

sabotage "an import upward" src/base/keys.rs '$a #[allow(unused)]\nuse crate::plan::plan;'
sees ".base. may not import .plan." rust_test project architecture::
mend

sabotage "unsafe in the core" src/base/keys.rs '$a #[allow(unsafe_code, dead_code)]\nunsafe fn planted() {}'
sees "unsafe outside src/ffi/" rust_test project architecture::
mend

sabotage "a third dependency" Cargo.toml 's/^libm = .*/&\ncfg-if = "1"/'
sees '"libm", "cfg-if"' rust_test project architecture::
mend

sabotage "a function that is younger than the oldest Rust" src/base/keys.rs \
  '$a #[allow(dead_code)]\npub fn planted(text: \&str) -> usize {\n    text.ceil_char_boundary(1)\n}'
sees "current MSRV .* is .1.88" linted
mend

sabotage "a library without its SONAME" Makefile 's/^SHARED :=.*/SHARED :=/'
sees "error while loading shared libraries" of_copy installed
mend

sabotage "a CMake package for every version" bindings/cmake/eplb-config-version.cmake.in 's/(_eplb_asked STREQUAL .*/(TRUE)/'
if command -v cmake > /dev/null; then sees "found for" of_copy installed; fi
mend

sabotage "a span of any length" include/eplb.hpp 's/if (length != 0 && given.size() != length)$/if (length + 1 == 0)/'
sees "lengths.cpp:[0-9]*: .*EPLB_STATUS_ARRAY_LENGTH" released cpp-asan
mend

sabotage "a layer whose windows are a layer apart" include/eplb.hpp '/if (p.load_window_stride == 0)/d'
sees "face.cpp:[0-9]*: " released cpp-asan
mend

sabotage "an engine that forgets its buffers" examples/engine.cpp 's/t.commit == round)/t.commit > round)/'
sees "engine: not so: what is read is the expert" released engine
mend

sabotage "a limit on fetches that is not kept" src/batch/layout.rs 's/at(self.sent, at(self.gpu, slot)) < self.limits.fetches_out/true/'
sees "replicate.c:[0-9]*: .*failed: out.gpu. <= " topic replicate
mend

sabotage "a dispatch that overfills a GPU" src/dispatch/flow.rs 's/above.min(room)/above/'
sees "assertion .left == right. failed" rust_test library dispatch::
mend

sabotage "a dispatch that takes reading for free" src/problem/seconds.rs 's/tokens > 0.0 \&\& working < self.expert/tokens < 0.0/'
sees "panicked at tests.library.dispatch_seconds" rust_test library dispatch_seconds::near
mend

sabotage "a plan in seconds that spreads tokens alone" src/rebalance/mode.rs 's/primaries: seconds,/primaries: false,/'
sees "panicked at tests.library.plan_seconds" rust_test library plan_seconds::on_drawn_loads
mend

sabotage "a figure of the header that is no longer so" README.md 's/C ABI of 35 functions/C ABI of 30 functions/'
sees "says 30, is 35" rust_test project docs::
mend

sabotage "a command that nobody runs" docs/guides/firmware.md 's/^make firmware$/make clean/'
sees ".make clean. is not reached from .ci/run" rust_test project docs::
mend

sabotage "a page that is too long" CONTRIBUTING.md 's/ / or /g'
sees "CONTRIBUTING.md: [0-9]* words, at most 1200" rust_test project docs::pages
mend

sabotage "a room that the design does not draw" docs/DESIGN.md 's/^7   afresh /7   anew /'
sees "does not draw row 7" rust_test project architecture::
mend

sabotage "a quotation that is not word for word" examples/firmware.c 's/Once, before/Before/; s/size_t size, align;/size_t align, size;/'
sees "not word for word in ../../examples/firmware.c" rust_test project docs::
mend

rm -rf "$copy"
echo "$tries tries, $missed missed"
[ $missed = 0 ]
