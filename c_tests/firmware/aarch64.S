// aarch64, no operating system: entered at EL1 with the MMU off. FPU, exceptions, stack, then start().
.section .text.start, "ax"
.globl _start
_start:
  mrs x0, cpacr_el1
  orr x0, x0, #(3 << 20)        // the FPU does not trap
  msr cpacr_el1, x0
  adr x0, vectors
  msr vbar_el1, x0
  isb
  ldr x0, =target_stack_top
  mov sp, x0
  bl start

.balign 2048
vectors:
.rept 16                        // every exception is a fault
  b fault
  .balign 128
.endr
