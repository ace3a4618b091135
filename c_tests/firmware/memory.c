/*
 * The four functions of a C library that compilers call on their own; the library needs memcpy and
 * memset. Built with -fno-tree-loop-distribute-patterns, so that no loop turns into a call of the very
 * function it is in.
 */
#include <stddef.h>
#include <stdint.h>

void *memcpy(void *to, const void *from, size_t size);
void *memcpy(void *to, const void *from, size_t size) {
  unsigned char *out = to;
  const unsigned char *in = from;
  while (size--) *out++ = *in++;
  return to;
}

void *memmove(void *to, const void *from, size_t size);
void *memmove(void *to, const void *from, size_t size) {
  unsigned char *out = to;
  const unsigned char *in = from;
  if ((uintptr_t)to <= (uintptr_t)from) return memcpy(to, from, size);
  while (size--) out[size] = in[size];
  return to;
}

void *memset(void *to, int byte, size_t size);
void *memset(void *to, int byte, size_t size) {
  unsigned char *out = to;
  while (size--) *out++ = (unsigned char)byte;
  return to;
}

int memcmp(const void *a, const void *b, size_t size);
int memcmp(const void *a, const void *b, size_t size) {
  const unsigned char *left = a, *right = b;
  for (; size--; left++, right++)
    if (*left != *right) return *left < *right ? -1 : 1;
  return 0;
}
