/* The workspace: no byte less than asked for will do, no byte more is touched, nothing depends on
 * what it held. The same for outputs, and arrays that overlap. */
#include "guard.h"
#include "harness.h"

static const struct {
  uint32_t operation;
  int function;
  int32_t (*run)(call *);
} operations[] = {
    {EPLB_OPERATION_PLAN, PLAN, call_plan},
    {EPLB_OPERATION_EVALUATE, EVALUATE, call_evaluate},
    {EPLB_OPERATION_CHECK, JUDGE, call_check},
};

static size_t needed(const call *c, uint32_t operation) {
  size_t size = 0, align = 0;
  CHECK_EQUAL(eplb_workspace(operation, &c->problem, &c->options, &size, &align), EPLB_STATUS_OK);
  CHECK_EQUAL(align, 8);
  CHECK(size > 0 && size % align == 0);
  return size;
}

static void every_shorter_length_is_refused(void) {
  for (size_t i = 0; i < LENGTH(operations); i++) {
    call sized;
    call_init(&sized);
    size_t size = needed(&sized, operations[i].operation);
    for (size_t length = 0; length < size; length++)
      REFUSES(operations[i].function, EPLB_STATUS_WORKSPACE_TOO_SMALL, c.arg.workspace_size = length);
    ACCEPTS(operations[i].function, c.arg.workspace_size = size);
  }
}

static void misaligned(void) {
  for (uintptr_t off = 1; off < 8; off++)
    REFUSES(PLAN | EVALUATE | JUDGE, EPLB_STATUS_WORKSPACE_MISALIGNED,
            c.arg.workspace = (void *)((uintptr_t)c.workspace + off), c.arg.workspace_size -= off);
}

/* Exact size, a guard page on one side after the other, three contents: the same outputs. */
static void exact_block_any_content(void) {
  const int contents[] = {0x00, 0xff, 0xa5};
  for (size_t i = 0; i < LENGTH(operations); i++) {
    call expected;
    call_init(&expected);
    CHECK_EQUAL(call_plan(&expected), EPLB_STATUS_OK);
    CHECK_EQUAL(call_evaluate(&expected), EPLB_STATUS_OK);
    CHECK_EQUAL(call_check(&expected), EPLB_STATUS_OK);
    size_t size = needed(&expected, operations[i].operation);
    for (size_t content = 0; content < LENGTH(contents); content++)
      for (int side = GUARD_BEHIND; side <= GUARD_BEFORE; side++) {
        call c;
        memcpy(&c, &expected, sizeof c);
        c.arg.workspace = guarded(size, side, contents[content]);
        c.arg.workspace_size = size;
        /* the arguments still point into `expected`: give the copy its own */
        c.placement.physical_to_logical = c.out.physical_to_logical;
        c.placement.replica_rank = c.out.replica_rank;
        c.placement.logical_count = c.out.logical_count;
        c.placement.logical_to_physical = c.out.logical_to_physical;
        c.arg.placement = &c.placement;
        c.arg.per_layer = c.out.per_layer;
        c.arg.first = &c.out.first;
        if (operations[i].function == PLAN) memset(c.out.physical_to_logical, 0x77, sizeof c.out.physical_to_logical);
        if (operations[i].function != JUDGE) memset(c.out.per_layer, 0x77, sizeof c.out.per_layer);
        CHECK_EQUAL(operations[i].run(&c), EPLB_STATUS_OK);
        CHECK(memcmp(&c.out, &expected.out, sizeof c.out) == 0);
      }
  }
}

static void same_size_for_any_number_of_layers(void) {
  for (size_t i = 0; i < LENGTH(operations); i++) {
    call c;
    call_init(&c);
    c.problem.num_layers = 1;
    size_t one = needed(&c, operations[i].operation);
    c.problem.num_layers = 100;
    CHECK_EQUAL(needed(&c, operations[i].operation), one);
  }
}

static void more_is_welcome(void) {
  SAME_PLAN(c.arg.workspace_size = sizeof c.workspace);
  /* what lies behind the need is not touched */
  call c;
  call_init(&c);
  size_t size = needed(&c, EPLB_OPERATION_PLAN);
  CHECK_EQUAL(call_plan(&c), EPLB_STATUS_OK);
  for (size_t byte = size; byte < sizeof c.workspace; byte++)
    CHECK_EQUAL(((unsigned char *)c.workspace)[byte], 0xa5);
}

/* Every input and every output against a guard page, on one side, then on the other. */
static void every_array_guarded(void) {
  call expected;
  call_init(&expected);
  CHECK_EQUAL(call_plan(&expected), EPLB_STATUS_OK);
  for (int side = GUARD_BEHIND; side <= GUARD_BEFORE; side++) {
    call c;
    call_init(&c);
    float *load = guarded(sizeof(float) * L * E, side, 0);
    memcpy(load, expected.load, sizeof(float) * L * E);
    uint8_t *state = guarded(G, side, EPLB_GPU_ALIVE);
    uint32_t *slots = guarded(sizeof expected.gpu_slots, side, 0);
    memcpy(slots, expected.gpu_slots, sizeof expected.gpu_slots);
    c.problem.load = load;
    c.problem.gpu_state = state;
    c.problem.gpu_slots = slots;
    eplb_problem *problem = guarded(sizeof *problem, side, 0);
    eplb_options *options = guarded(sizeof *options, side, 0);
    eplb_placement *placement = guarded(sizeof *placement, side, 0);
    c.placement.physical_to_logical = guarded(sizeof c.out.physical_to_logical, side, 0x5a);
    c.placement.replica_rank = guarded(sizeof c.out.replica_rank, side, 0x5a);
    c.placement.logical_count = guarded(sizeof c.out.logical_count, side, 0x5a);
    c.placement.logical_to_physical = guarded(sizeof c.out.logical_to_physical, side, 0x5a);
    c.arg.per_layer = guarded(sizeof c.out.per_layer, side, 0x5a);
    c.arg.first = guarded(sizeof c.out.first, side, 0);
    *problem = c.problem;
    *options = c.options;
    *placement = c.placement;
    c.arg.problem = problem;
    c.arg.options = options;
    c.arg.placement = placement;

    CHECK_EQUAL(call_plan(&c), EPLB_STATUS_OK);
    const outputs *out = &expected.out;
    CHECK(memcmp(c.placement.physical_to_logical, out->physical_to_logical, sizeof out->physical_to_logical) == 0);
    CHECK(memcmp(c.placement.replica_rank, out->replica_rank, sizeof out->replica_rank) == 0);
    CHECK(memcmp(c.placement.logical_count, out->logical_count, sizeof out->logical_count) == 0);
    CHECK(memcmp(c.placement.logical_to_physical, out->logical_to_physical, sizeof out->logical_to_physical) == 0);
    CHECK(memcmp(c.arg.per_layer, out->per_layer, sizeof out->per_layer) == 0);
    CHECK_EQUAL(call_evaluate(&c), EPLB_STATUS_OK);
    CHECK_EQUAL(call_check(&c), EPLB_STATUS_OK);
  }
}

/* An array that is written shares no byte with any other; arrays that touch are good. */
static void overlap(void) {
  const int32_t status = EPLB_STATUS_OVERLAPPING_ARRAYS;
  REFUSES(PLAN | JUDGE, status, c.arg.workspace = (void *)((uintptr_t)(c.out.replica_rank + 1) / 8 * 8));
  REFUSES(PLAN | EVALUATE, status, c.arg.workspace = c.load + (uintptr_t)c.load % 8 / 4);
  REFUSES(EVALUATE, status, c.arg.per_layer = (void *)c.workspace);
  REFUSES(PLAN, status, c.placement.replica_rank = c.placement.physical_to_logical);
  REFUSES(PLAN, status, c.placement.replica_rank = c.placement.physical_to_logical + L * P - 1);
  REFUSES(PLAN, status, c.placement.logical_count = c.placement.logical_to_physical + L * E * R - 1);
  REFUSES(PLAN, status, c.placement.logical_count = (void *)c.load);
  REFUSES(PLAN, status, c.arg.per_layer = (void *)(c.load + (uintptr_t)c.load % 8 / 4));
  REFUSES(DIGEST, status, c.arg.digest = (void *)c.out.physical_to_logical);

  call c;
  call_init(&c);
  int32_t together[2 * L * P];
  c.placement.physical_to_logical = together;
  c.placement.replica_rank = together + L * P;
  CHECK_EQUAL(call_plan(&c), EPLB_STATUS_OK);
  /* what is only read may be the same array */
  c.placement.logical_count = NULL;
  c.placement.logical_to_physical = NULL;
  c.placement.replica_rank = c.placement.physical_to_logical;
  CHECK_EQUAL(call_check(&c), EPLB_STATUS_PLACEMENT_INVALID);
}

int main(void) {
  FOR_EACH_POLICY {
    every_shorter_length_is_refused();
    misaligned();
    exact_block_any_content();
    same_size_for_any_number_of_layers();
    more_is_welcome();
    every_array_guarded();
    overlap();
  }
  return finish("workspace");
}
