/* Blocks that end, or begin, at a page which faults when it is touched. */
#ifndef GUARD_H
#define GUARD_H

#include <stddef.h>

typedef enum guard_side { GUARD_BEHIND, GUARD_BEFORE } guard_side;

/* A block of exactly `size` bytes against a guard page, filled with `fill`. Never freed. With
 * GUARD_BEHIND its alignment is that of `size`. */
void *guarded(size_t size, guard_side side, int fill);

#endif
