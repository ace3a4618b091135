#!/bin/sh
# usage: vectors.sh VECTORS_FILE
# The shapes and loads of the vectors as C tables, for program.c on machines without files. What the plans must be is
# not in them: the host's digests are compared, and `make test` compares the host's plans with the vectors.
set -eu
awk '
  /^shape/ { shapes = shapes "    {" $2 ", " $3 ", " $4 ", " $7 ", " $5 ", " $6 "},\n"; next }
  /^load/ { on = 1; next }
  /^physical_to_logical/ { on = 0 }
  on { for (i = 1; i <= NF; i++) loads = loads $i ".0f,"; loads = loads "\n" } # rounded once, by the compiler
  END {
    print "static const struct { uint16_t layers, experts, slots, gpus, groups, nodes; } vector_shapes[] = {"
    print shapes "};\nstatic const float vector_loads[] = {\n" loads "};"
  }' "$1"
