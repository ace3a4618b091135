/* Every pointer of every function: NULL in turn, misaligned in turn. */
#include "harness.h"

/* As far as it goes from any alignment. */
#define MISALIGN(pointer) ((pointer) = (void *)((uintptr_t)(pointer) + 1))

static void required(void) {
  const int32_t null = EPLB_STATUS_NULL_POINTER;
  REFUSES(EVERYWHERE, null, c.arg.problem = NULL);
  REFUSES(PLAN | EVALUATE | JUDGE | DIGEST, null, c.arg.placement = NULL);
  REFUSES(PLAN | EVALUATE | JUDGE, null, c.arg.workspace = NULL);
  REFUSES(PLAN | EVALUATE | JUDGE | DIGEST, null, c.placement.physical_to_logical = NULL);
  REFUSES(PLAN | EVALUATE, null, c.problem.load = NULL);
  REFUSES(EVALUATE, null, c.arg.per_layer = NULL);
  REFUSES(DIGEST, null, c.arg.digest = NULL);
  REFUSES(SIZES, null, c.arg.size = NULL);
  REFUSES(SIZES, null, c.arg.align = NULL);
}

static void optional(void) {
  ACCEPTS(PLAN, c.arg.per_layer = NULL);
  ACCEPTS(PLAN, c.arg.per_layer = NULL, c.arg.metrics_size = 0);
  ACCEPTS(PLAN | JUDGE, c.placement.replica_rank = NULL);
  ACCEPTS(PLAN | JUDGE, c.placement.logical_count = NULL);
  ACCEPTS(PLAN | JUDGE, c.placement.logical_to_physical = NULL);
  ACCEPTS(PLAN, c.placement.logical_to_physical = NULL, c.placement.max_replicas = 0);
  ACCEPTS(JUDGE, c.arg.first = NULL);
  /* sizes and promises do not depend on the loads */
  ACCEPTS(JUDGE | DIGEST | SIZES, c.problem.load = NULL);
  /* no options: all defaults */
  ACCEPTS(PLAN | EVALUATE | SIZES, c.arg.options = NULL);
  if (IS_BALANCED) SAME_PLAN(c.arg.options = NULL);
}

static void misaligned(void) {
  const int32_t status = EPLB_STATUS_MISALIGNED_POINTER;
  REFUSES(EVERYWHERE, status, MISALIGN(c.arg.problem));
  REFUSES(SHAPED, status, MISALIGN(c.arg.options));
  REFUSES(PLAN | EVALUATE | JUDGE | DIGEST, status, MISALIGN(c.arg.placement));
  REFUSES(PLAN | EVALUATE, status, MISALIGN(c.arg.per_layer));
  REFUSES(JUDGE, status, MISALIGN(c.arg.first));
  REFUSES(DIGEST, status, MISALIGN(c.arg.digest));
  REFUSES(SIZES, status, MISALIGN(c.arg.size));
  REFUSES(SIZES, status, MISALIGN(c.arg.align));

  REFUSES(PLAN | EVALUATE, status, MISALIGN(c.problem.load));
  REFUSES(PLAN | EVALUATE, status, c.problem.window_weight = c.window_weight, MISALIGN(c.problem.window_weight));
  REFUSES(SHAPED, status, c.problem.gpu_speed = c.gpu_speed, MISALIGN(c.problem.gpu_speed));
  REFUSES(SHAPED, status, c.problem.gpu_slots = c.gpu_slots, MISALIGN(c.problem.gpu_slots));
  REFUSES(SHAPED, status, c.problem.gpu_node = c.gpu_node, MISALIGN(c.problem.gpu_node));
  REFUSES(PLAN, status, c.options.previous = c.previous, MISALIGN(c.options.previous));

  REFUSES(PLAN | EVALUATE | JUDGE | DIGEST, status, MISALIGN(c.placement.physical_to_logical));
  REFUSES(PLAN | JUDGE, status, MISALIGN(c.placement.replica_rank));
  REFUSES(PLAN | JUDGE, status, MISALIGN(c.placement.logical_count));
  REFUSES(PLAN | JUDGE, status, MISALIGN(c.placement.logical_to_physical));
}

static void any_number_has_a_text(void) {
  const int32_t numbers[] = {1, -11, -1000, INT32_MAX, INT32_MIN};
  for (size_t i = 0; i < LENGTH(numbers); i++) {
    const char *text = eplb_status_string(numbers[i]);
    CHECK(text != NULL && text[0] != '\0');
  }
}

int main(void) {
  FOR_EACH_POLICY {
    required();
    optional();
    misaligned();
  }
  any_number_has_a_text();
  return finish("null");
}
