/* examples/batch.c as it is, and then a line of what it told: the host's on every machine. */
#define main example
#include "../../examples/batch.c"
#undef main
#include "target.h"

static void put(const char *name, uint32_t value) {
  char text[12], *p = text + sizeof text - 1;
  *p = 0;
  do *--p = (char)('0' + value % 10);
  while ((value /= 10) != 0);
  target_write(name);
  target_write(p);
}

int program(void) {
  int status = example();
  put("status ", (uint32_t)status);
  put(" fetches ", sent[0]);
  put(" quotas ", sent[1]);
  put(" of 1152, sum ", sent[2]);
  target_write("\n");
  return status;
}
