/* The host, with its C library: what every other target is compared with. */
#define _XOPEN_SOURCE 700
#include "target.h"

#include <stdio.h>
#include <ucontext.h>
#ifdef __x86_64__
#include "x86_64.h"
#endif

enum { STACK = 64 * 1024 };
_Alignas(64) unsigned char target_stack[STACK]; /* a stack of its own, so that it can be painted */

void target_write(const char *text) { fputs(text, stdout); }

int target_flush_to_zero(int on) {
#ifdef __x86_64__
  return x86_64_flush_to_zero(on);
#else
  return (void)on, 0;
#endif
}

static int failed;
static void run(void) { failed = program(); }

int main(void) {
  static ucontext_t here, there;
  if (getcontext(&there) != 0) return 2;
  there.uc_stack.ss_sp = target_stack;
  there.uc_stack.ss_size = sizeof target_stack;
  there.uc_link = &here;
  makecontext(&there, run, 0);
  if (swapcontext(&here, &there) != 0) return 2;
  return failed;
}
