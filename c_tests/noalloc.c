/*
 * Every way to memory leads to a trap: the definitions below take the place of the C library's for the
 * whole program, the archive included. Hence no stdio here, which allocates.
 */
#include "sample.h"

#include <unistd.h>

static void trap(const char *message, size_t length) {
  (void)!write(2, message, length);
  _exit(1);
}
#define TRAP(name) trap("noalloc: " name " was called\n", sizeof("noalloc: " name " was called\n") - 1)

void *malloc(size_t size) { return (void)size, TRAP("malloc"), (void *)0; }
void *calloc(size_t count, size_t size) { return (void)count, (void)size, TRAP("calloc"), (void *)0; }
void *realloc(void *block, size_t size) { return (void)block, (void)size, TRAP("realloc"), (void *)0; }
void *aligned_alloc(size_t align, size_t size) { return (void)align, (void)size, TRAP("aligned_alloc"), (void *)0; }
int posix_memalign(void **out, size_t align, size_t size) {
  return (void)out, (void)align, (void)size, TRAP("posix_memalign"), 1;
}
void free(void *block) { (void)block, TRAP("free"); }
void *mmap(void *at, size_t size, int protection, int flags, int file, long offset) {
  return (void)at, (void)size, (void)protection, (void)flags, (void)file, (void)offset, TRAP("mmap"), (void *)0;
}
void *sbrk(intptr_t increment) { return (void)increment, TRAP("sbrk"), (void *)0; }

int main(void) {
  char sentence[400];
  const eplb_problem nothing = EPLB_PROBLEM_INIT;
  if (eplb_explain(EPLB_OPERATION_PLAN, &nothing, NULL, NULL, sentence, sizeof sentence) < 10)
    trap("noalloc: no explanation\n", sizeof "noalloc: no explanation\n" - 1);
  if (sample_digest() == SAMPLE_DIGEST) return 0;
  trap("noalloc: the plan is wrong\n", sizeof "noalloc: the plan is wrong\n" - 1);
}
