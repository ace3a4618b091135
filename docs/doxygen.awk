# Filter of Doxygen for include/eplb.h and eplb.hpp, whose comments are written to be read as they stand: makes each
# comment one of Doxygen's, "name  what it is" of a function's arguments and "Returns" its commands, each topic a group.

# A line within the comment of a function, struct or macro.
function comment(line) {
  sub(/^  /, "", line)
  if (match(line, /^ [a-z_]+(, [a-z_]+)*  +[^ ]/) && line !~ /^ +static /) {
    names = description = substr(line, 2)
    sub(/  +.*/, "", names); gsub(/, /, ",", names)
    sub(/^[a-z_, ]*[a-z_]  +/, "", description)
    return " @param " names " " description
  }
  sub(/^ Returns /, " @return ", line)
  if (line ~ /^ *(static|const) .*; \*\/$/) return " @code{.c}\n" substr(line, 1, length(line) - 3) "\n @endcode */"
  if (line ~ /^ *static .*;$/) return " @code{.c}\n" line "\n @endcode"
  return line
}
# A line of the first comment, whose example is code.
function page(line) {
  is_code = line ~ /^       /
  if (is_code != code) print is_code ? " @code{.c}" : " @endcode"
  code = is_code
  return substr(line, 3)
}

NR == 1 {
  cpp = FILENAME ~ /hpp$/; inside = 1
  if (cpp) print "/** @file"; else { print "/** @mainpage eplb"; sub(/^\/\*/, ""); print }
  next
}
cpp && inside { if (/\*\/$/) inside = 0; print; next }
cpp {
  sub(/ : public result<void>/, "") # Doxygen takes a base that is a specialisation for the class itself
  if (/^ *\/\* /) { sub(/\/\*/, "/**"); inside = !/\*\/$/ }
  else if (sub(/[;,] +\/\* /, "&< ")) sub(/\/\* < /, "/**< ")
  print; next
}
inside {
  inside = !/\*\/$/
  if (file) print row ? $0 : comment($0); else print page($0)
  if (!inside && topic) { print "/** @{ */"; topic = 0 }
  if (!inside && !file++) print "/** @file */"
  if (!inside) row = 0
  next
}
/^\/\* -+ [0-9]+\. / {
  if (topics++) print "/** @} */"
  sub(/^\/\* -+ /, "")
  inside = !/\*\/$/; topic = inside
  print "/** @defgroup topic" topics " " $0
  if (!inside) print "/** @{ */"
  next
}
/^ *\/\* / { sub(/\/\*/, "/**"); inside = !/\*\/$/; print; next }
match($0, /[;,0-9] +\/\* /) { print substr($0, 1, RSTART + RLENGTH - 4) "/**< " substr($0, RSTART + RLENGTH); inside = row = !/\*\/$/; next }
/^#define EPLB_[A-Z_]*_INIT/ { print "/** Initialiser: sizes set, the rest zero. */" }
{ print }
END { if (topics) print "/** @} */" }
