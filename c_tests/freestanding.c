/*
 * A program without a C library: no start-up code, no libc, no allocator, nothing but the four memory
 * functions that any compiler may call. Plans the sample and exits with 0 when the digest is right.
 */
#include "sample.h"

/* Volatile: a compiler may turn a plain loop into a call of the very function it is in. */
void *memcpy(void *to, const void *from, size_t size);
void *memcpy(void *to, const void *from, size_t size) {
  volatile unsigned char *out = to;
  const unsigned char *in = from;
  while (size--) *out++ = *in++;
  return to;
}

void *memmove(void *to, const void *from, size_t size);
void *memmove(void *to, const void *from, size_t size) {
  volatile unsigned char *out = to;
  const unsigned char *in = from;
  if ((uintptr_t)to <= (uintptr_t)from) return memcpy(to, from, size);
  while (size--) out[size] = in[size];
  return to;
}

void *memset(void *to, int byte, size_t size);
void *memset(void *to, int byte, size_t size) {
  volatile unsigned char *out = to;
  while (size--) *out++ = (unsigned char)byte;
  return to;
}

int memcmp(const void *a, const void *b, size_t size);
int memcmp(const void *a, const void *b, size_t size) {
  const volatile unsigned char *left = a, *right = b;
  for (; size--; left++, right++)
    if (*left != *right) return *left < *right ? -1 : 1;
  return 0;
}

/* The exit system call of Linux. */
static void leave(long code) {
#if defined(__x86_64__)
  __asm__ volatile("syscall" : : "a"(60L), "D"(code) : "rcx", "r11", "memory");
#elif defined(__aarch64__)
  register long number __asm__("x8") = 93;
  register long status __asm__("x0") = code;
  __asm__ volatile("svc 0" : : "r"(number), "r"(status) : "memory");
#else
#error "the exit system call of this machine is not known here"
#endif
}

void _start(void);
#if defined(__x86_64__)
__attribute__((force_align_arg_pointer)) /* the kernel jumps here, it does not call */
#endif
void _start(void) {
  leave(sample_digest() != SAMPLE_DIGEST);
  for (;;) {
  }
}
