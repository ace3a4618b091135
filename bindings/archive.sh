#!/bin/sh
# usage: archive.sh RAW OUT
# Makes OUT, the archive that is handed out, of RAW, the one that rustc makes. RAW brings the whole runtime of the
# compiler along, 300 objects with global names that stand before those of the program's own C and C++ libraries. OUT is
# one object: it defines no global symbol but eplb_* and asks for nothing but memcpy, memmove, memset and memcmp.
#
# On processors with a floating-point unit and 64-bit division our own object is that already. Where it is not, it is
# joined with what it needs of the runtime, and all names but ours become local. Functions keep sections of their own,
# so that --gc-sections leaves out what a program does not call.
#
# CC is the C compiler of the target, with the options that choose the target if it has several. Its ar and nm are
# used, and where objects are joined its linker and objcopy (AR, NM and OBJCOPY name others).
set -eu
export LC_ALL=C
raw=$1 out=$2
CC=${CC:-cc}

# The program of that name which the compiler itself would run.
tool() { $CC -print-prog-name="$1" 2> /dev/null || echo "$1"; }
AR=${AR:-$(tool ar)} NM=${NM:-$(tool nm)} OBJCOPY=${OBJCOPY:-$(tool objcopy)}

mkdir -p "$(dirname "$out")"
out=$(cd "$(dirname "$out")" && pwd)/$(basename "$out")
work=$(mktemp -d "$out.XXXXXX")
trap 'rm -rf "$work"' EXIT

# What rustc calls our object differs by target; all others are called otherwise.
member=$($AR t "$raw" | grep '^eplb[-.]') || { echo "archive.sh: no object of ours in $raw"; exit 1; }
[ "$(echo "$member" | wc -l)" = 1 ] || { echo "archive.sh: more than one object of ours in $raw:" $member; exit 1; }
$AR p "$raw" "$member" > "$work/own.o"

# Some systems put an underscore before names of C.
names() { awk '{ sub(/^_/, "", $NF); print $NF }'; }
$NM -u "$work/own.o" | names | grep -vxE 'memcpy|memmove|memset|memcmp' > "$work/asks" || true
$NM -g --defined-only "$work/own.o" | names > "$work/defines"
grep -v '^eplb_' "$work/defines" > "$work/strays" || true

if [ -s "$work/asks" ] || [ -s "$work/strays" ]; then
  roots=$(sed -n 's/^eplb_.*/-Wl,-u,&/p' "$work/defines")
  # code without any optimisation names the personality of unwinding, which nothing calls
  grep -qx rust_eh_personality "$work/asks" && roots="$roots -Wl,--defsym=rust_eh_personality=0"
  join() {
    # shellcheck disable=SC2086 # several words
    $CC -r -nostdlib "$@" $roots "$work/own.o" "$raw" -o "$work/joined.o"
  }
  # not every linker can leave out what is not called while it joins: then the program's own link does
  join -Wl,--gc-sections 2> /dev/null || join
  # The runtime has bitcode, too, which would be taken for the object itself, and debug information though we have none.
  # Groups are of names that are local now. bcmp is memcmp that says less.
  remove='--remove-section=.llvmbc --remove-section=.llvmcmd --remove-section=.group'
  grep -q '\.debug_info' "$work/own.o" || remove="$remove --strip-debug"
  localise() {
    # shellcheck disable=SC2086 # several words
    "$@" --wildcard --keep-global-symbol='eplb_*' --redefine-sym bcmp=memcmp $remove "$work/joined.o" "$work/eplb.o"
  }
  localise "$OBJCOPY" 2> /dev/null || localise "$(tool llvm-objcopy)"
else
  mv "$work/own.o" "$work/eplb.o"
fi

(cd "$work" && $AR rcs libeplb.a eplb.o)
# as old as what it was made of, so that nothing is linked anew without need; in one step, since others may look
touch -r "$raw" "$work/libeplb.a"
mv -f "$work/libeplb.a" "$out"
