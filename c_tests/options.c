/* Numbers that are no policy, scope, operation or flag; what is not served yet. */
#include "harness.h"

enum {
  FLAGS = EPLB_FLAG_EXTERNAL_SOURCE | EPLB_FLAG_SURVIVE_GPU | EPLB_FLAG_SURVIVE_NODE | EPLB_FLAG_DISPATCH |
          EPLB_FLAG_EMPTY_SLOTS | EPLB_FLAG_FILL_ONLY
};

static void unknown(void) {
  const uint32_t numbers[] = {1000, INT32_MAX, UINT32_MAX};
  for (size_t i = 0; i < LENGTH(numbers); i++) {
    REFUSES(SHAPED, EPLB_STATUS_UNKNOWN_POLICY, c.options.policy = numbers[i]);
    REFUSES(SHAPED, EPLB_STATUS_UNKNOWN_SCOPE, c.options.scope = numbers[i]);
    REFUSES(SIZE_PLAN, EPLB_STATUS_UNKNOWN_OPERATION, c.arg.operation = numbers[i]);
  }
  REFUSES(SHAPED, EPLB_STATUS_UNKNOWN_SCOPE, c.options.scope = EPLB_SCOPE_GLOBAL + 1);
  REFUSES(SIZE_PLAN, EPLB_STATUS_UNKNOWN_OPERATION, c.arg.operation = EPLB_OPERATION_REPLICATE + 1);
  REFUSES(SHAPED, EPLB_STATUS_TARGET, c.options.target = 65537);
  REFUSES(SHAPED, EPLB_STATUS_UNKNOWN_SPLIT, c.options.split = EPLB_SPLIT_NEAREST + 1);
  REFUSES(SHAPED, EPLB_STATUS_RESERVED_NOT_ZERO, c.options.reserved = 1);
  for (int bit = 0; bit < 32; bit++) {
    if ((UINT32_C(1) << bit & FLAGS) == 0)
      REFUSES(SHAPED, EPLB_STATUS_UNKNOWN_FLAG, c.options.flags = UINT32_C(1) << bit);
    if (bit > 16) REFUSES(SHAPED, EPLB_STATUS_TARGET, c.options.target = UINT32_C(1) << bit);
  }
}

static void not_served(void) {
  if (!IS_BALANCED) {
    REFUSES(PLAN | SIZE_PLAN, EPLB_STATUS_UNSUPPORTED_SPLIT, c.options.split = EPLB_SPLIT_NEAREST);
    REFUSES(PLAN | SIZE_PLAN, EPLB_STATUS_UNSUPPORTED_PREVIOUS, c.options.previous = c.previous,
            c.options.max_moves = 1);
    REFUSES(PLAN | SIZE_PLAN, EPLB_STATUS_UNSUPPORTED_PREVIOUS, c.options.previous = c.previous, c.options.target = 1);
    REFUSES(PLAN | SIZE_PLAN, EPLB_STATUS_UNSUPPORTED_FLAG, c.options.flags = EPLB_FLAG_SURVIVE_GPU);
    REFUSES(PLAN | SIZE_PLAN, EPLB_STATUS_UNSUPPORTED_FLAG, c.options.flags = EPLB_FLAG_SURVIVE_NODE);
    REFUSES(PLAN | SIZE_PLAN, EPLB_STATUS_UNSUPPORTED_FLAG, c.options.previous = c.previous,
            c.options.flags = EPLB_FLAG_FILL_ONLY);
    SAME_PLAN(c.options.flags = EPLB_FLAG_EMPTY_SLOTS); /* they leave none empty */
  }
  REFUSES(PLAN | SIZE_PLAN, EPLB_STATUS_MOVES_WITHOUT_PREVIOUS, c.options.max_moves = EPLB_MOVES_NONE);
  REFUSES(PLAN | SIZE_PLAN, EPLB_STATUS_MOVES_WITHOUT_PREVIOUS, c.options.flags = EPLB_FLAG_FILL_ONLY);
  REFUSES(PLAN | SIZE_PLAN, EPLB_STATUS_MOVES_WITHOUT_PREVIOUS, c.options.max_moves = 1);
  REFUSES(PLAN | SIZE_PLAN, EPLB_STATUS_MOVES_WITHOUT_PREVIOUS, c.options.max_moves_per_gpu_pair = 1);
  REFUSES(PLAN | SIZE_PLAN, EPLB_STATUS_MOVES_WITHOUT_PREVIOUS, c.options.target = 65536);
}

/* Any effort will do; the compatibility policies do a fixed amount of work. */
static void effort(void) {
  const uint32_t efforts[] = {1, 2, 1000, UINT32_MAX};
  for (size_t i = 0; i < LENGTH(efforts); i++) {
    ACCEPTS(PLAN | SIZE_PLAN, c.options.effort = efforts[i]);
    if (!IS_BALANCED) SAME_PLAN(c.options.effort = efforts[i]);
  }
}

static void scopes(void) {
  SAME_PLAN(c.options.scope = EPLB_SCOPE_HIERARCHICAL); /* what AUTO means when K % N = 0 */

  call automatic, global;
  call_init(&automatic);
  automatic.problem.num_groups = 1; /* 1 % 2 != 0: AUTO means global */
  call_init(&global);
  global.options.scope = EPLB_SCOPE_GLOBAL;
  CHECK_EQUAL(call_plan(&automatic), EPLB_STATUS_OK);
  CHECK_EQUAL(call_plan(&global), EPLB_STATUS_OK);
  CHECK(memcmp(&automatic.out, &global.out, sizeof global.out) == 0);
}

int main(void) {
  FOR_EACH_POLICY {
    unknown();
    not_served();
    effort();
    scopes();
  }
  return finish("options");
}
