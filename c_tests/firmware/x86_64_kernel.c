/* x86-64 without an operating system: a serial port, and a device of qemu that ends the run. */
#include "target.h"
#include "x86_64.h"

#include <stdint.h>

enum { SERIAL = 0x3F8, EXIT = 0xF4 };

extern uint64_t bss_start[], bss_end[];

static void out(uint16_t port, uint8_t byte) { __asm__ volatile("outb %0, %1" : : "a"(byte), "Nd"(port)); }

void start(void);
void start(void) {
  for (volatile uint64_t *to = bss_start; to < bss_end;) *to++ = 0;
  out(EXIT, program() ? 2 : 1); /* qemu ends with twice this and one: 3 is success */
  for (;;) {
  }
}

void target_write(const char *text) {
  while (*text != 0) out(SERIAL, (uint8_t)*text++);
}

int target_flush_to_zero(int on) { return x86_64_flush_to_zero(on); }
