/*
 * examples/firmware.c as it is, and then a line of what it did: the plans as one number, what eplb_workspace asks for,
 * and how much of the stack the whole example took. Number and workspace must be the host's in every build of the
 * library; the stack is below that of program(), so what it prints is not counted.
 */
#define main example
#include "../../examples/firmware.c"
#undef main
#include "target.h"

enum { FRAME = 256, PAINT = 0xA5 };

static char text[24];
static const char *number(uint64_t value, unsigned base) {
  char *p = text + sizeof text - 1;
  do *--p = "0123456789abcdef"[value % base];
  while ((value /= base) != 0);
  return p;
}

/* Runs the example; answers the deepest byte that it wrote to. */
__attribute__((noinline)) static size_t painted(int *status) {
  unsigned char *here = __builtin_frame_address(0);
  for (volatile unsigned char *p = target_stack; p < here - FRAME; p++) *p = PAINT;
  *status = example();
  volatile unsigned char *p = target_stack;
  while (p < here && *p == PAINT) p++;
  return (size_t)(here - p);
}

int program(void) {
  int status;
  size_t stack = painted(&status), size = 0, align;
  eplb_problem all = problem;
  eplb_placement plans = EPLB_PLACEMENT_INIT;
  uint64_t digest = 0;
  all.num_layers = LAYERS;
  plans.physical_to_logical = &expert_of[0][0];
  if (status != 0 || eplb_digest(&all, &plans, &digest) != EPLB_STATUS_OK ||
      eplb_workspace(EPLB_OPERATION_PLAN, &problem, &options, &size, &align) != EPLB_STATUS_OK) {
    target_write("example: failed\n");
    return 1;
  }
  target_write("plans ");
  target_write(number(digest, 16));
  target_write(" workspace ");
  target_write(number(size, 10));
  target_write(" stack ");
  target_write(number(stack, 10));
  target_write("\n");
  return 0;
}
