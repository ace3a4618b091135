/* Flush-to-zero and denormals-are-zero of SSE, for the three x86-64 targets. */
#ifndef X86_64_H
#define X86_64_H

static inline int x86_64_flush_to_zero(int on) {
  unsigned control;
  __asm__ volatile("stmxcsr %0" : "=m"(control));
  control = on ? control | 0x8040u : control & ~0x8040u;
  __asm__ volatile("ldmxcsr %0" : : "m"(control));
  return 1;
}

#endif
