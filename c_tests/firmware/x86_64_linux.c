/* Linux on x86-64 without a C library: two system calls. */
#include "target.h"
#include "x86_64.h"

#include <stddef.h>

enum { STACK = 16 * 1024 };
__attribute__((aligned(64))) unsigned char target_stack[STACK];

static long system_call(long number, long a, const void *b, size_t c) {
  long answer;
  __asm__ volatile("syscall" : "=a"(answer) : "0"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
  return answer;
}

void target_write(const char *text) {
  size_t length = 0;
  while (text[length] != 0) length++;
  while (length > 0) {
    long written = system_call(1, 1, text, length);
    if (written <= 0) return;
    text += written;
    length -= (size_t)written;
  }
}

int target_flush_to_zero(int on) { return x86_64_flush_to_zero(on); }

void start(void);
void start(void) {
  system_call(60, program(), NULL, 0);
  for (;;) {
  }
}

/* Onto the stack that can be painted; the call leaves it aligned as every function expects. */
__asm__(
    ".globl _start\n"
    "_start: lea target_stack+16384(%rip), %rsp\n"
    "  xor %ebp, %ebp\n"
    "  call start\n");
