/* Cortex-M4F: vector table, FPU, memory; then the program. Runs on qemu's mps2-an386. */
#include "semihosting.h"
#include "target.h"

extern void target_stack_top(void); /* an address, in a table of addresses */
extern uint32_t data_start[], data_end[], data_image[], bss_start[], bss_end[];

#define CPACR (*(volatile uint32_t *)0xE000ED88u)

static void fault(void) {
  semihost(SYS_WRITE0, "fault\n");
  semihost_exit(1);
}

void reset(void);
void reset(void) {
  CPACR |= 0xFu << 20; /* full access to the FPU, before any instruction of it */
  __asm__ volatile("dsb\n isb" : : : "memory");
  const uint32_t *from = data_image;
  for (uint32_t *to = data_start; to < data_end;) *to++ = *from++;
  for (uint32_t *to = bss_start; to < bss_end;) *to++ = 0;
  semihost_exit(program());
}

/* The first 16 vectors; no interrupt is ever enabled. */
__attribute__((section(".vectors"), used)) static void (*const vectors[16])(void) = {
    target_stack_top, reset,
    fault, fault, fault, fault, fault, fault, fault, fault, fault, fault, fault, fault, fault, fault,
};

void target_write(const char *text) { semihost(SYS_WRITE0, text); }

int target_flush_to_zero(int on) {
  uint32_t control;
  __asm__ volatile("vmrs %0, fpscr" : "=r"(control));
  control = on ? control | 1u << 24 : control & ~(1u << 24);
  __asm__ volatile("vmsr fpscr, %0" : : "r"(control));
  return 1;
}
