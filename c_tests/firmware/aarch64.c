/* aarch64 on qemu's virt machine: what aarch64.S calls. With the MMU off all memory is device memory, so
 * nothing may be read unaligned: -mstrict-align here, and the target aarch64-unknown-none has it too. */
#include "semihosting.h"
#include "target.h"

extern uint64_t bss_start[], bss_end[];

void start(void);
void start(void) {
  for (volatile uint64_t *to = bss_start; to < bss_end;) *to++ = 0;
  semihost_exit(program());
}

void fault(void);
void fault(void) {
  semihost(SYS_WRITE0, "fault\n");
  semihost_exit(1);
}

void target_write(const char *text) { semihost(SYS_WRITE0, text); }

int target_flush_to_zero(int on) {
  uint64_t control;
  __asm__ volatile("mrs %0, fpcr" : "=r"(control));
  control = on ? control | 1u << 24 : control & ~(uint64_t)(1u << 24);
  __asm__ volatile("msr fpcr, %0" : : "r"(control));
  return 1;
}
