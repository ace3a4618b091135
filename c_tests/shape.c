/* Every bad shape, products that overflow, and what each scope asks to divide evenly. */
#include "harness.h"

static uint32_t *size_field(call *c, int index) {
  uint32_t *fields[] = {&c->problem.num_windows,         &c->problem.num_layers,
                        &c->problem.num_logical_experts, &c->problem.num_physical_experts,
                        &c->problem.num_groups,          &c->problem.num_nodes,
                        &c->problem.num_gpus};
  return fields[index];
}

enum { NUM_SIZES = 7 };

static void zero(void) {
  const int must_be_set[] = {1, 2, 3, 6};
  for (size_t i = 0; i < LENGTH(must_be_set); i++)
    REFUSES(SHAPED, EPLB_STATUS_SHAPE_ZERO, *size_field(&c, must_be_set[i]) = 0);
  SAME_PLAN(c.problem.num_windows = 0); /* zero is the default: one */
  call one, zero;
  call_init(&one);
  one.problem.num_groups = one.problem.num_nodes = 1;
  call_init(&zero);
  zero.problem.num_groups = zero.problem.num_nodes = 0;
  CHECK_EQUAL(call_plan(&one), EPLB_STATUS_OK);
  CHECK_EQUAL(call_plan(&zero), EPLB_STATUS_OK);
  CHECK(memcmp(&one.out, &zero.out, sizeof zero.out) == 0);
  REFUSES(DIGEST, EPLB_STATUS_SHAPE_ZERO, c.problem.num_layers = 0);
  REFUSES(DIGEST, EPLB_STATUS_SHAPE_ZERO, c.problem.num_physical_experts = 0);
}

static void too_large(void) {
  const uint32_t limit = UINT32_C(1) << 31;
  for (int field = 0; field < NUM_SIZES; field++) {
    REFUSES(SHAPED, EPLB_STATUS_SHAPE_TOO_LARGE, *size_field(&c, field) = limit);
    REFUSES(SHAPED, EPLB_STATUS_SHAPE_TOO_LARGE, *size_field(&c, field) = UINT32_MAX);
  }
}

/* Each size may be, their product may not. */
static void products(void) {
  const uint32_t most = INT32_MAX;
  const int32_t status = EPLB_STATUS_SHAPE_TOO_LARGE;
  REFUSES(SHAPED, status, c.problem.num_layers = most, c.problem.num_logical_experts = most);
  REFUSES(SHAPED, status, c.problem.num_layers = most, c.problem.num_physical_experts = most);
  REFUSES(SHAPED, status, c.problem.num_layers = most, c.problem.num_windows = most);
  REFUSES(SHAPED, status, c.problem.num_windows = most, c.problem.load_window_stride = UINT64_C(1) << 33);
  REFUSES(SHAPED, status, c.problem.num_windows = 2, c.problem.load_window_stride = UINT64_MAX);
  REFUSES(DIGEST, status, c.problem.num_layers = UINT32_MAX, c.problem.num_physical_experts = UINT32_MAX);
}

/* Large, and no product overflows: the size query knows no other limit. */
static void large_is_good(void) {
  if (sizeof(size_t) < 8) return;
  ACCEPTS(SIZES, c.problem.num_layers = INT32_MAX);
  ACCEPTS(SIZES, c.problem.num_logical_experts = UINT32_C(1) << 20, c.problem.num_physical_experts = UINT32_C(1) << 21,
          c.problem.num_gpus = UINT32_C(1) << 15);
  /* BALANCED keeps a GPU's number in 16 bits, all ones meaning none */
  const uint32_t most = IS_BALANCED ? 65535 : 65536;
  ACCEPTS(SIZES, c.problem.num_physical_experts = 4 * most, c.problem.num_gpus = most);
  const int32_t one_more = IS_BALANCED ? EPLB_STATUS_SHAPE_TOO_LARGE : EPLB_STATUS_OK;
  REFUSES(SIZE_PLAN, one_more, c.options.scope = EPLB_SCOPE_GLOBAL, c.problem.num_physical_experts = 4 * (most + 1),
          c.problem.num_gpus = most + 1);
  ACCEPTS(SIZE_EVALUATE | SIZE_CHECK, c.problem.num_physical_experts = 4 * (most + 1), c.problem.num_gpus = most + 1);
}

static void divisibility(void) {
  REFUSES(SHAPED, EPLB_STATUS_SLOTS_NOT_DIVISIBLE, c.problem.num_gpus = 5);
  REFUSES(SHAPED, EPLB_STATUS_SLOTS_NOT_DIVISIBLE, c.problem.num_gpus = P + 1);
  REFUSES(PLAN | SIZE_PLAN, EPLB_STATUS_TOO_FEW_SLOTS, c.problem.num_logical_experts = P + K);

  /* hierarchical: E % K; BALANCED needs neither K % N nor G % N */
  REFUSES(PLAN | SIZE_PLAN, EPLB_STATUS_EXPERTS_NOT_DIVISIBLE, c.problem.num_groups = 6);
  HONOURS(EPLB_STATUS_GROUPS_NOT_DIVISIBLE, c.options.scope = EPLB_SCOPE_HIERARCHICAL, c.problem.num_groups = 8,
          c.problem.num_nodes = 3);
  HONOURS(EPLB_STATUS_GPUS_NOT_DIVISIBLE, c.problem.num_logical_experts = 6, c.problem.num_groups = 3,
          c.problem.num_nodes = 3);
  /* one group of 8 experts, nodes of 6 slots */
  REFUSES(PLAN | SIZE_PLAN, IS_BALANCED ? EPLB_STATUS_INFEASIBLE : EPLB_STATUS_GROUPS_NOT_DIVISIBLE,
          c.options.scope = EPLB_SCOPE_HIERARCHICAL, c.problem.num_groups = 1);
}

static void global_ignores_groups_and_nodes(void) {
  ACCEPTS(PLAN | SIZE_PLAN, c.options.scope = EPLB_SCOPE_GLOBAL, c.problem.num_groups = 1);
  ACCEPTS(PLAN | SIZE_PLAN, c.options.scope = EPLB_SCOPE_GLOBAL, c.problem.num_groups = 6);
  ACCEPTS(PLAN | SIZE_PLAN, c.options.scope = EPLB_SCOPE_GLOBAL, c.problem.num_groups = 7, c.problem.num_nodes = 3);
  ACCEPTS(PLAN | SIZE_PLAN, c.options.scope = EPLB_SCOPE_GLOBAL, c.problem.num_nodes = G);
  /* AUTO with K % N != 0 means global */
  ACCEPTS(PLAN | SIZE_PLAN, c.problem.num_groups = 7, c.problem.num_nodes = 3);
}

/* A node without a GPU is a mistake in every scope, whatever gpu_node says. */
static void nodes(void) {
  const int32_t status = EPLB_STATUS_TOO_MANY_NODES;
  REFUSES(SHAPED, status, c.problem.num_nodes = G + 1);
  REFUSES(SHAPED, status, c.problem.num_nodes = INT32_MAX, c.options.scope = EPLB_SCOPE_GLOBAL);
  REFUSES(SHAPED, status, c.problem.num_nodes = G + 1, c.problem.gpu_node = c.gpu_node);
  ACCEPTS(SIZES, c.problem.num_nodes = G);
}

static void smallest_shapes(void) {
  ACCEPTS(SHAPED | DIGEST, c.problem.num_layers = 1);
  /* one expert, one slot, one GPU */
  call c;
  call_init(&c);
  c.problem.num_layers = c.problem.num_logical_experts = c.problem.num_physical_experts = 1;
  c.problem.num_groups = c.problem.num_nodes = c.problem.num_gpus = 1;
  CHECK_EQUAL(call_plan(&c), EPLB_STATUS_OK);
  CHECK_EQUAL(c.out.physical_to_logical[0], 0);
  CHECK_EQUAL(c.out.replica_rank[0], 0);
  CHECK_EQUAL(c.out.logical_count[0], 1);
  CHECK_EQUAL(c.out.logical_to_physical[0], 0);
}

static void window_stride(void) {
  REFUSES(SHAPED, EPLB_STATUS_WINDOW_STRIDE, c.problem.load_window_stride = 1);
  REFUSES(SHAPED, EPLB_STATUS_WINDOW_STRIDE, c.problem.load_window_stride = L * E - 1);
  SAME_PLAN(c.problem.load_window_stride = L * E);
  SAME_PLAN(c.problem.load_window_stride = L * E + 1); /* one window: nothing lies behind the first */
  /* the policies of the documents; windows.c has the rest */
  REFUSES(PLAN | SIZE_PLAN, EPLB_STATUS_UNSUPPORTED_WINDOWS, c.problem.num_windows = 2,
          c.options.policy = EPLB_POLICY_DEEPSEEK);
}

static void max_replicas(void) {
  REFUSES(PLAN, EPLB_STATUS_MAX_REPLICAS, c.placement.max_replicas = 0);
  /* BALANCED keeps to any width, the others must be given all they could need */
  const int32_t narrow = IS_BALANCED ? EPLB_STATUS_OK : EPLB_STATUS_MAX_REPLICAS;
  for (uint32_t width = 1; width < R; width++) REFUSES(PLAN, narrow, c.placement.max_replicas = width);
  ACCEPTS(PLAN, c.placement.logical_to_physical = NULL, c.placement.max_replicas = 0);
  ACCEPTS(PLAN, c.placement.logical_to_physical = NULL, c.placement.max_replicas = 1);
}

int main(void) {
  FOR_EACH_POLICY {
    zero();
    too_large();
    products();
    large_is_good();
    divisibility();
    global_ignores_groups_and_nodes();
    nodes();
    smallest_shapes();
    window_stride();
    max_replicas();
  }
  return finish("shape");
}
