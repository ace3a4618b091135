/* eplb_check: each promise broken in turn, and found at its layer, slot, expert and GPU. */
#include "harness.h"

/* A placement made by hand that keeps every promise of every policy: groups {0 1} {2 3} on node 0,
 * {4 5} {6 7} on node 1, no expert twice on a GPU. */
static const int32_t slots_by_hand[P] = {0, 1, 2, 3, 0, 1, 4, 5, 6, 7, 4, 5};
static const int32_t ranks_by_hand[P] = {0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 1, 1};
static const int32_t counts_by_hand[E] = {2, 2, 1, 1, 2, 2, 1, 1};

static void by_hand(call *c) {
  call_init(c);
  for (int i = 0; i < L * E * R; i++) c->out.logical_to_physical[i] = -1;
  for (int layer = 0; layer < L; layer++) {
    for (int slot = 0; slot < P; slot++) {
      int expert = slots_by_hand[slot], rank = ranks_by_hand[slot];
      c->out.physical_to_logical[layer * P + slot] = expert;
      c->out.replica_rank[layer * P + slot] = rank;
      c->out.logical_to_physical[(layer * E + expert) * R + rank] = slot;
    }
    memcpy(c->out.logical_count + layer * E, counts_by_hand, sizeof counts_by_hand);
  }
}

static void expect_violation(call *c, uint32_t kind, int layer, int slot, int expert, int gpu, int other, int line) {
  const eplb_violation *first = &c->out.first;
  check_equal(call_check(c), EPLB_STATUS_PLACEMENT_INVALID, __FILE__, line, "status");
  check_equal(first->kind, kind, __FILE__, line, "kind");
  check_equal(first->layer, layer, __FILE__, line, "layer");
  check_equal(first->slot, slot, __FILE__, line, "slot");
  check_equal(first->expert, expert, __FILE__, line, "expert");
  check_equal(first->gpu, gpu, __FILE__, line, "gpu");
  check_equal(first->other_slot, other, __FILE__, line, "other_slot");
  c->arg.first = NULL; /* the status alone says the same */
  check_equal(call_check(c), EPLB_STATUS_PLACEMENT_INVALID, __FILE__, line, "status without first");
}

/* A change to the placement made by hand, and the violation: layer, slot, expert, GPU. */
#define BREAKS(kind, layer, slot, expert, gpu, ...) BREAKS_WITH(kind, layer, slot, expert, gpu, -1, __VA_ARGS__)
/* The same of a slot that does not agree with another. */
#define BREAKS_WITH(kind, layer, slot, expert, gpu, other, ...)              \
  do {                                                                       \
    call c;                                                                  \
    by_hand(&c);                                                             \
    int32_t *slots = c.out.physical_to_logical, *ranks = c.out.replica_rank; \
    int32_t *counts = c.out.logical_count, *table = c.out.logical_to_physical; \
    (void)slots, (void)ranks, (void)counts, (void)table;                     \
    __VA_ARGS__;                                                             \
    expect_violation(&c, EPLB_VIOLATION_KIND_##kind, layer, slot, expert, gpu, other, __LINE__); \
  } while (0)
#define HOLDS(...)                                       \
  do {                                                   \
    call c;                                              \
    by_hand(&c);                                         \
    __VA_ARGS__;                                         \
    CHECK_EQUAL(call_check(&c), EPLB_STATUS_OK);         \
    CHECK_EQUAL(c.out.first.kind, EPLB_VIOLATION_KIND_NONE); \
  } while (0)

static void promises_kept(void) {
  HOLDS();
  HOLDS(c.options.policy = EPLB_POLICY_BALANCED);
  HOLDS(c.options.scope = EPLB_SCOPE_GLOBAL);
  HOLDS(c.problem.load = NULL);
}

static void slots(void) {
  const int32_t bad[] = {E, -2, INT32_MAX, INT32_MIN};
  for (size_t i = 0; i < LENGTH(bad); i++) {
    BREAKS(EXPERT, 0, 0, bad[i], 0, slots[0] = bad[i]);
    BREAKS(EXPERT, L - 1, P - 1, bad[i], G - 1, slots[L * P - 1] = bad[i]);
  }
  BREAKS(EMPTY, 1, 4, -1, 1, slots[P + 4] = -1);
  BREAKS(STATE, 0, 3, 3, 1, c.problem.gpu_state = c.gpu_state, c.gpu_state[1] = EPLB_GPU_DEAD);
  BREAKS(STATE, 0, 9, 7, 3, c.problem.gpu_state = c.gpu_state, c.gpu_state[3] = EPLB_GPU_LEAVING);
  BREAKS(MISSING, 2, -1, 6, -1, slots[2 * P + 8] = 7);
}

static void duplicates_and_nodes(void) {
  /* slot 2 takes expert 0, which slot 0 of the same GPU has; slot 4 gives its expert 0 for 2 */
  BREAKS_WITH(DUPLICATE, 1, 2, 0, 0, 0, c.options.policy = EPLB_POLICY_BALANCED, slots[P + 2] = 0, slots[P + 4] = 2);
  /* slot 4 takes expert 5 to node 0, so that slot 6 is the first of group {4 5} elsewhere */
  BREAKS_WITH(NODE, 0, 6, 4, 2, 4, slots[4] = 5, slots[11] = 0);
}

static void counts(void) {
  BREAKS(COUNT, 0, -1, 0, -1, counts[0] = 1);
  BREAKS(COUNT, 2, -1, 7, -1, counts[L * E - 1] = 2);
  HOLDS(c.placement.logical_count = NULL);
}

static void ranks(void) {
  BREAKS(RANK, 0, 0, 0, -1, ranks[0] = 2);
  BREAKS(RANK, 0, 4, 0, -1, ranks[4] = 0); /* twice the rank of slot 0 */
  BREAKS(RANK, 1, 11, 5, -1, ranks[P + 11] = -1);
  BREAKS(RANK, 2, 2, 2, -1, ranks[2 * P + 2] = INT32_MIN);
  /* an empty slot has no rank; BALANCED may leave slots empty */
  BREAKS(RANK, 0, 4, -1, -1, c.options.policy = EPLB_POLICY_BALANCED, slots[4] = -1, counts[0] = 1);
  HOLDS(c.placement.replica_rank = NULL);
}

static void tables(void) {
  BREAKS(TABLE, 0, 1, 0, -1, table[0] = 1);          /* slot 1 holds expert 1 */
  BREAKS(TABLE, 0, -1, 0, -1, table[1] = -1);        /* two replicas, one listed */
  BREAKS(TABLE, 0, 4, 0, -1, table[2] = 4);          /* not padded with -1 */
  BREAKS(TABLE, 0, 4, 0, -1, table[0] = 4, table[1] = 0); /* not in order of rank */
  BREAKS(TABLE, 1, 0, 0, -1, c.placement.replica_rank = NULL, table[E * R + 1] = 0); /* a slot twice */
  BREAKS(TABLE, 2, P, 7, -1, table[(2 * E + 7) * R] = P);
  BREAKS(TABLE, 0, -1, 0, -1, c.placement.max_replicas = 1);
  HOLDS(c.placement.logical_to_physical = NULL);
}

/* Layers in order, in a layer the lowest kind, then the lowest slot. */
static void first_is_first(void) {
  BREAKS(RANK, 0, 0, 0, -1, slots[P] = E, ranks[0] = 2);
  BREAKS(EXPERT, 0, 5, E, 1, ranks[0] = 2, slots[5] = E, slots[6] = E);
}

/* eplb_evaluate refuses what it cannot measure. */
static void evaluate_refuses(void) {
  call c;
  by_hand(&c);
  CHECK_EQUAL(call_evaluate(&c), EPLB_STATUS_OK);

  outputs before;
  c.out.physical_to_logical[L * P - 1] = E;
  memcpy(&before, &c.out, sizeof before);
  CHECK_EQUAL(call_evaluate(&c), EPLB_STATUS_PLACEMENT_EXPERT);
  CHECK(memcmp(&before, &c.out, sizeof before) == 0);

  by_hand(&c);
  c.out.physical_to_logical[2 * P + 8] = -1; /* the only replica of expert 6 */
  memcpy(&before, &c.out, sizeof before);
  CHECK_EQUAL(call_evaluate(&c), EPLB_STATUS_PLACEMENT_MISSING);
  CHECK(memcmp(&before, &c.out, sizeof before) == 0);

  by_hand(&c);
  c.problem.gpu_state = c.gpu_state;
  c.gpu_state[3] = EPLB_GPU_DEAD; /* held the only replica of expert 7 */
  memcpy(&before, &c.out, sizeof before);
  CHECK_EQUAL(call_evaluate(&c), EPLB_STATUS_PLACEMENT_MISSING);
  CHECK(memcmp(&before, &c.out, sizeof before) == 0);
}

int main(void) {
  promises_kept();
  slots();
  duplicates_and_nodes();
  counts();
  ranks();
  tables();
  first_is_first();
  evaluate_refuses();
  return finish("check");
}
