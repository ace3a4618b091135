# Filter of Doxygen for include/eplb.h and eplb.hpp, whose comments are written to be read as they stand: makes each
# comment one of Doxygen's, and "name  what it is" of a function's arguments, "Returns" and "# Safety" its commands.

function comment(line) {
  if (match(line, /^ [a-z_]+(, [a-z_]+)*  +[^ ]/) && line !~ /^ +static /) {
    names = description = substr(line, 2)
    sub(/  +.*/, "", names); gsub(/, /, ",", names)
    sub(/^[a-z_, ]*[a-z_]  +/, "", description)
    return " @param " names " " description
  }
  if (line ~ /^ Returns /) sub(/^ Returns/, " @return", line)
  if (line ~ /^ # Safety/) return " @par Safety"
  if (line ~ /^ *static .*;$/) return " @code{.c}\n" line "\n @endcode"
  return line
}

NR == 1 { cpp = FILENAME ~ /hpp$/; file = cpp; print cpp ? "/** @file" : "/** @mainpage eplb"; inside = 1; next }
cpp && inside { if (/\*\/$/) inside = 0; print; next }
cpp {
  sub(/ : public result<void>/, "") # Doxygen takes a base that is a specialisation for the class itself
  if (/^ *\/\* /) { sub(/\/\*/, "/**"); inside = !/\*\/$/ }
  else if (sub(/[;,] +\/\* /, "&< ")) sub(/\/\* < /, "/**< ")
  print; next
}
inside && /\*\/$/ {
  inside = 0
  if (!file) print " @par\n Functions, macros and numbers are in eplb.h, structs under Data Structures."
  print
  if (!file++) print "/** @file */"
  next
}
inside { print file ? comment($0) : $0; next }
/^ *\/\*$/ { inside = 1; sub(/\/\*/, "/**"); print; next }
/^\/\* Initialisers/ { next } # each gets its own
/^ *\/\* / { sub(/\/\*/, "/**"); inside = !/\*\/$/; print; next }
/^#define EPLB_[A-Z_]*_INIT/ { print "/** Initialiser: struct_size set, the rest zero. */" }
{ print }
