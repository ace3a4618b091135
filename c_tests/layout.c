/* Numbers pinned for ever, a text for each, and what the initialisers set. */
#include "harness.h"

static const struct {
  int32_t found, pinned;
} codes[] = {
    {EPLB_STATUS_OK, 0},
    {EPLB_STATUS_NULL_POINTER, -1},
    {EPLB_STATUS_MISALIGNED_POINTER, -2},
    {EPLB_STATUS_STRUCT_SIZE, -3},
    {EPLB_STATUS_RESERVED_NOT_ZERO, -4},
    {EPLB_STATUS_OVERLAPPING_ARRAYS, -5},
    {EPLB_STATUS_UNKNOWN_OPERATION, -6},
    {EPLB_STATUS_UNKNOWN_POLICY, -7},
    {EPLB_STATUS_UNKNOWN_SCOPE, -8},
    {EPLB_STATUS_UNKNOWN_FLAG, -9},
    {EPLB_STATUS_MOVES_WITHOUT_PREVIOUS, -10},
    {EPLB_STATUS_WORKSPACE_TOO_SMALL, -20},
    {EPLB_STATUS_WORKSPACE_MISALIGNED, -21},
    {EPLB_STATUS_SHAPE_ZERO, -30},
    {EPLB_STATUS_SHAPE_TOO_LARGE, -31},
    {EPLB_STATUS_TOO_FEW_SLOTS, -32},
    {EPLB_STATUS_SLOTS_NOT_DIVISIBLE, -33},
    {EPLB_STATUS_GROUPS_NOT_DIVISIBLE, -34},
    {EPLB_STATUS_EXPERTS_NOT_DIVISIBLE, -35},
    {EPLB_STATUS_GPUS_NOT_DIVISIBLE, -36},
    {EPLB_STATUS_WINDOW_STRIDE, -37},
    {EPLB_STATUS_ARRAY_LENGTH, -38},
    {EPLB_STATUS_LOAD_NAN, -40},
    {EPLB_STATUS_LOAD_INFINITE, -41},
    {EPLB_STATUS_LOAD_NEGATIVE, -42},
    {EPLB_STATUS_LOAD_TOO_LARGE, -43},
    {EPLB_STATUS_WINDOW_WEIGHT, -44},
    {EPLB_STATUS_GPU_SLOTS, -50},
    {EPLB_STATUS_GPU_SPEED, -51},
    {EPLB_STATUS_GPU_NODE, -52},
    {EPLB_STATUS_GPU_STATE, -53},
    {EPLB_STATUS_NO_ALIVE_GPU, -54},
    {EPLB_STATUS_PLACEMENT_EXPERT, -60},
    {EPLB_STATUS_PLACEMENT_INVALID, -61},
    {EPLB_STATUS_PLACEMENT_MISSING, -62},
    {EPLB_STATUS_MAX_REPLICAS, -63},
    {EPLB_STATUS_INFEASIBLE, -70},
    {EPLB_STATUS_SOURCE_LOST, -71},
    {EPLB_STATUS_UNSUPPORTED_POLICY, -80},
    {EPLB_STATUS_UNSUPPORTED_WINDOWS, -81},
    {EPLB_STATUS_UNSUPPORTED_PREVIOUS, -82},
    {EPLB_STATUS_UNSUPPORTED_SPEED, -83},
    {EPLB_STATUS_UNSUPPORTED_SLOTS, -84},
    {EPLB_STATUS_UNSUPPORTED_NODES, -85},
    {EPLB_STATUS_UNSUPPORTED_STATE, -86},
    {EPLB_STATUS_UNSUPPORTED_FLAG, -87},
};

/* Every code in the list above has a text of its own; no other number has one. */
static void status_texts(void) {
  const char *unknown = eplb_status_string(INT32_MAX);
  for (size_t i = 0; i < LENGTH(codes); i++) {
    CHECK_EQUAL(codes[i].found, codes[i].pinned);
    const char *text = eplb_status_string(codes[i].pinned);
    CHECK(text[0] != '\0');
    CHECK(strcmp(text, unknown) != 0);
    for (size_t j = 0; j < i; j++) CHECK(strcmp(text, eplb_status_string(codes[j].pinned)) != 0);
  }
  for (int32_t number = -1000; number < 1000; number++) {
    int listed = 0;
    for (size_t i = 0; i < LENGTH(codes); i++) listed |= codes[i].pinned == number;
    CHECK_EQUAL(listed, strcmp(eplb_status_string(number), unknown) != 0);
  }
}

static int zero_but_for_the_size(const void *object, size_t size) {
  const unsigned char *bytes = object;
  for (size_t byte = sizeof(uint32_t); byte < size; byte++)
    if (bytes[byte] != 0) return 0;
  return 1;
}

/* Zero means default, in every struct. */
static void initialisers(void) {
  eplb_problem problem = EPLB_PROBLEM_INIT;
  eplb_options options = EPLB_OPTIONS_INIT;
  eplb_placement placement = EPLB_PLACEMENT_INIT;
  eplb_violation violation = EPLB_VIOLATION_INIT;
  CHECK_EQUAL(problem.struct_size, sizeof problem);
  CHECK_EQUAL(options.struct_size, sizeof options);
  CHECK_EQUAL(placement.struct_size, sizeof placement);
  CHECK_EQUAL(violation.struct_size, sizeof violation);
  CHECK(zero_but_for_the_size(&problem, sizeof problem));
  CHECK(zero_but_for_the_size(&options, sizeof options));
  CHECK(zero_but_for_the_size(&placement, sizeof placement));
  CHECK(zero_but_for_the_size(&violation, sizeof violation));
}

int main(void) {
  CHECK_EQUAL(eplb_version(), EPLB_VERSION);
  status_texts();
  initialisers();
  return finish("layout");
}
