#!/bin/sh
# usage: unlinked.sh ARCHIVE BUILD
# A program that calls everything but the explanations has none of their code and none of their sentences, once the
# linker has dropped what is not called; one that calls them has both.
set -eu
export LC_ALL=C
archive=$1 build=$2
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$build"
sed -n 's/^export //p' "$here/symbols.txt" > "$build/everything.txt"
grep -v '^eplb_explain' "$build/everything.txt" > "$build/all_but_explain.txt"

for name in everything all_but_explain; do
  { # a table of the functions
    sed 's/.*/void &(void);/' "$build/$name.txt"
    echo 'void (*const volatile table[])(void) = {'
    sed 's/$/,/' "$build/$name.txt"
    echo '}; int main(void) { return table[0] == table[1]; }'
  } > "$build/$name.c"
  ${CC:-cc} -std=c99 -Wall -Wextra -Werror -fno-builtin "$build/$name.c" "$archive" -Wl,--gc-sections -o "$build/$name"
  "$build/$name"
done

# found PROGRAM: how many functions and how many sentences
found() {
  echo "$(nm -C "$build/$1" | grep -c 'eplb::explain\|eplb::ffi::explain\|eplb_explain\|Heard')" \
    "$(tr -c '[:print:]' '\n' < "$build/$1" | grep -o '\[layer %\]' | wc -l | tr -d ' ')"
}
there=$(found everything) gone=$(found all_but_explain)
[ "${there% *}" -gt 20 ] && [ "${there#* }" -gt 10 ] ||
  { echo "unlinked: a program that calls everything does not explain ($there): is the search blind?"; exit 1; }
[ "$gone" = "0 0" ] || { echo "unlinked: explanations are in a program that does not call them: $gone"; exit 1; }
bytes=$(size "$build/everything" "$build/all_but_explain" | awk 'NR == 2 { text = $1 } NR == 3 { print text - $1 }')
echo "unlinked     explanations take $bytes bytes where they are called, and none where they are not"
