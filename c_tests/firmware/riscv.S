# riscv64 and riscv32, no operating system: hart 0 in machine mode. Traps, stack, then start().
.option arch, +zicsr          # the registers of the machine mode
.section .text.start, "ax"
.globl _start
_start:
  csrr a0, mhartid
  bnez a0, park
  la a0, trap
  csrw mtvec, a0
  la sp, target_stack_top
  call start
park:
  wfi
  j park
.balign 4
trap:
  la sp, target_stack_top
  call fault
