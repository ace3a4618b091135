#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */

#include "guard.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void *guarded(size_t size, guard_side side, int fill) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  size_t middle = (size + page - 1) / page * page;
  unsigned char *first = mmap(NULL, middle + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (first == MAP_FAILED || mprotect(first + page, middle, PROT_READ | PROT_WRITE) != 0) {
    perror("guard page");
    exit(1);
  }
  unsigned char *block = side == GUARD_BEFORE ? first + page : first + page + middle - size;
  memset(block, fill, size);
  return block;
}
