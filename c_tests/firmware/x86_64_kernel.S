# x86-64 without an operating system: a multiboot loader enters in 32-bit mode. Pages, SSE, long mode,
# stack, then start(). No interrupt table: a fault ends the run, and not with the status of success.
.section .multiboot, "a"
.balign 4
.long 0x1BADB002, 0, -0x1BADB002

.section .text.start, "ax"
.code32
.globl _start
_start:
  cli
  mov $pml4, %eax
  mov %eax, %cr3
  mov %cr4, %eax
  or $0x620, %eax               # PAE; SSE with its exceptions
  mov %eax, %cr4
  mov $0xC0000080, %ecx         # EFER: long mode
  rdmsr
  or $0x100, %eax
  wrmsr
  mov %cr0, %eax
  and $~4, %eax                 # an FPU is there
  or $0x80000002, %eax          # paging
  mov %eax, %cr0
  lgdt gdt_pointer
  ljmp $8, $long_mode

.code64
long_mode:
  xor %eax, %eax
  mov %eax, %ds
  mov %eax, %es
  mov %eax, %ss
  mov $target_stack_top, %rsp
  xor %ebp, %ebp
  call start

.section .rodata
.balign 8
gdt:
  .quad 0, 0x00AF9A000000FFFF   # 64-bit code
gdt_pointer:
  .word 15
  .long gdt

# The first GiB where it is, in pages of 2 MiB.
.data
.balign 4096
pml4:
  .quad pdpt + 3
  .fill 511, 8, 0
pdpt:
  .quad pages + 3
  .fill 511, 8, 0
pages:
  .set page, 0
.rept 512
  .quad page + 0x83
  .set page, page + 0x200000
.endr
