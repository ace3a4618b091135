/* Semihosting on Arm: the debugger, here qemu, prints and ends the run. */
#ifndef SEMIHOSTING_H
#define SEMIHOSTING_H

#include <stdint.h>

enum { SYS_WRITE0 = 0x04, SYS_EXIT_EXTENDED = 0x20, APPLICATION_EXIT = 0x20026 };

static inline void semihost(uintptr_t operation, const void *argument) {
#if defined(__aarch64__)
  register uintptr_t r0 __asm__("x0") = operation;
  register const void *r1 __asm__("x1") = argument;
  __asm__ volatile("hlt 0xf000" : "+r"(r0) : "r"(r1) : "memory");
#else
  register uintptr_t r0 __asm__("r0") = operation;
  register const void *r1 __asm__("r1") = argument;
  __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
#endif
}

static inline void semihost_exit(int code) {
  uintptr_t block[2] = {APPLICATION_EXIT, (uintptr_t)code};
  semihost(SYS_EXIT_EXTENDED, block);
  for (;;) {
  }
}

#endif
