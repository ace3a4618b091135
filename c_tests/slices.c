/* Layers planned one at a time, by moved pointers, give the bytes of the whole call. */
#include "harness.h"

static void one_layer_at_a_time(uint64_t stride) {
  call whole, sliced;
  call_init(&whole);
  call_init(&sliced);
  whole.problem.load_window_stride = sliced.problem.load_window_stride = stride;
  CHECK_EQUAL(call_plan(&whole), EPLB_STATUS_OK);

  sliced.problem.num_layers = 1;
  for (int layer = 0; layer < L; layer++) {
    sliced.problem.load = sliced.load + layer * E;
    sliced.placement.physical_to_logical = sliced.out.physical_to_logical + layer * P;
    sliced.placement.replica_rank = sliced.out.replica_rank + layer * P;
    sliced.placement.logical_count = sliced.out.logical_count + layer * E;
    sliced.placement.logical_to_physical = sliced.out.logical_to_physical + layer * E * R;
    sliced.arg.per_layer = sliced.out.per_layer + layer;
    CHECK_EQUAL(call_plan(&sliced), EPLB_STATUS_OK);
  }
  CHECK(memcmp(&sliced.out, &whole.out, sizeof whole.out) == 0);
}

/* The last layers alone: the first ones stay as they were. */
static void a_tail_of_layers(void) {
  call whole, tail;
  call_init(&whole);
  call_init(&tail);
  CHECK_EQUAL(call_plan(&whole), EPLB_STATUS_OK);
  CHECK_EQUAL(call_plan(&tail), EPLB_STATUS_OK);
  memset(tail.out.physical_to_logical + P, 0x77, (L - 1) * P * sizeof(int32_t));
  tail.problem.num_layers = L - 1;
  tail.problem.load = tail.load + E;
  tail.problem.load_window_stride = L * E;
  tail.placement.physical_to_logical = tail.out.physical_to_logical + P;
  tail.placement.replica_rank = tail.out.replica_rank + P;
  tail.placement.logical_count = tail.out.logical_count + E;
  tail.placement.logical_to_physical = tail.out.logical_to_physical + E * R;
  tail.arg.per_layer = tail.out.per_layer + 1;
  CHECK_EQUAL(call_plan(&tail), EPLB_STATUS_OK);
  CHECK(memcmp(&tail.out, &whole.out, sizeof whole.out) == 0);
}

int main(void) {
  FOR_EACH_POLICY {
    one_layer_at_a_time(0);
    one_layer_at_a_time(L * E);
    one_layer_at_a_time(L * E + 1000);
    a_tail_of_layers();
  }
  return finish("slices");
}
