/* The ruler against an obvious computation of the same, on random placements. */
#include "harness.h"

static int close_to(double a, double b) { return a - b <= 1e-12 * b && b - a <= 1e-12 * b; }

/* A serving machine: what the loops below need of a call. */
static double speed_of(const call *c, int gpu) { return c->problem.gpu_speed ? c->problem.gpu_speed[gpu] : 1; }
static int serves(const call *c, int gpu) { return !c->problem.gpu_state || c->gpu_state[gpu] != EPLB_GPU_DEAD; }
static int receives(const call *c, int gpu) { return !c->problem.gpu_state || c->gpu_state[gpu] == EPLB_GPU_ALIVE; }

static void measure(const call *c, int layer, eplb_metrics *m) {
  const int32_t *slots = c->out.physical_to_logical + layer * P;
  const float *load = c->load + layer * E;
  double total = 0, total_speed = 0, largest = 0, node_load[N] = {0}, node_speed[N] = {0}, busiest_node = 0;
  int count[E] = {0}, replicas = 0;
  memset(m, 0, sizeof *m);
  for (int slot = 0; slot < P; slot++)
    if (slots[slot] >= 0 && serves(c, slot / (P / G))) count[slots[slot]]++, replicas++;
  for (int expert = 0; expert < E; expert++) {
    total += load[expert];
    if (load[expert] / (double)count[expert] > largest) largest = load[expert] / (double)count[expert];
  }
  for (int gpu = 0; gpu < G; gpu++) {
    double sum = 0;
    if (!serves(c, gpu)) continue;
    for (int i = gpu * (P / G); i < (gpu + 1) * (P / G); i++) {
      int earlier = 0;
      if (slots[i] < 0) continue;
      sum += load[slots[i]] / (double)count[slots[i]];
      for (int j = gpu * (P / G); j < i; j++) earlier |= slots[j] == slots[i];
      m->duplicates += (uint32_t)earlier;
    }
    if (sum / speed_of(c, gpu) > m->max_gpu_load) {
      m->max_gpu_load = sum / speed_of(c, gpu);
      m->busiest_gpu = (uint32_t)gpu;
    }
    node_load[gpu / (G / N)] += sum;
    if (receives(c, gpu)) node_speed[gpu / (G / N)] += speed_of(c, gpu), total_speed += speed_of(c, gpu);
  }
  for (int node = 0; node < N; node++)
    if (node_speed[node] > 0 && node_load[node] / node_speed[node] > busiest_node)
      busiest_node = node_load[node] / node_speed[node];
  m->mean_gpu_load = total / total_speed;
  m->balance = m->max_gpu_load > 0 ? m->mean_gpu_load / m->max_gpu_load : 1;
  m->node_balance = busiest_node > 0 ? m->mean_gpu_load / busiest_node : 1;
  m->expert_balance = largest > 0 ? total / replicas / largest : 1;
}

static void compare(const call *c) {
  for (int layer = 0; layer < L; layer++) {
    const eplb_metrics *found = &c->out.per_layer[layer];
    eplb_metrics expected;
    measure(c, layer, &expected);
    CHECK(close_to(found->mean_gpu_load, expected.mean_gpu_load));
    CHECK(close_to(found->max_gpu_load, expected.max_gpu_load));
    CHECK(close_to(found->balance, expected.balance));
    CHECK(close_to(found->node_balance, expected.node_balance));
    CHECK(close_to(found->expert_balance, expected.expert_balance));
    CHECK_EQUAL(found->duplicates, expected.duplicates);
    CHECK_EQUAL(found->busiest_gpu, expected.busiest_gpu);
    CHECK(found->bound <= found->max_gpu_load);
    CHECK(found->bound >= 0 && found->gap >= 0);
    if (found->bound > 0) CHECK(close_to(found->gap + 1, found->max_gpu_load / found->bound));
  }
}

/* Any slot holds any expert, but each expert is somewhere on GPU 0 to 2 (E <= 9 slots). */
static void random_placement(call *c, uint32_t *random) {
  for (int layer = 0; layer < L; layer++) {
    int32_t *slots = c->out.physical_to_logical + layer * P;
    for (int i = 0; i < P; i++) slots[i] = i < E ? i : (int32_t)(random_next(random) % E);
    for (int i = E - 1; i > 0; i--) {
      int j = (int)(random_next(random) % (uint32_t)(i + 1));
      int32_t held = slots[i];
      slots[i] = slots[j];
      slots[j] = held;
    }
  }
  for (int i = 0; i < L * E; i++) c->load[i] = (float)(random_next(random) % 1000);
}

static void random_placements(void) {
  uint32_t random = 1;
  for (int round = 0; round < 200; round++) {
    call c;
    call_init(&c);
    random_placement(&c, &random);
    CHECK_EQUAL(call_evaluate(&c), EPLB_STATUS_OK);
    compare(&c);

    c.problem.gpu_speed = c.gpu_speed;
    for (int gpu = 0; gpu < G; gpu++) c.gpu_speed[gpu] = (float)(1 + random_next(&random) % 8) / 4;
    CHECK_EQUAL(call_evaluate(&c), EPLB_STATUS_OK);
    compare(&c);

    c.problem.gpu_state = c.gpu_state;
    c.gpu_state[G - 1] = round % 2 ? EPLB_GPU_DEAD : EPLB_GPU_LEAVING;
    for (int layer = 0; layer < L; layer++) c.out.physical_to_logical[layer * P + E + round % 4] = -1;
    CHECK_EQUAL(call_evaluate(&c), EPLB_STATUS_OK);
    compare(&c);
  }
}

/* The bound holds for every placement, here against all of a small problem: 3 experts on 4 slots. */
static void bound_holds_for_all_placements(void) {
  uint32_t random = 7;
  for (int round = 0; round < 50; round++) {
    call c;
    call_init(&c);
    c.problem.num_layers = c.problem.num_groups = c.problem.num_nodes = 1;
    c.problem.num_logical_experts = 3;
    c.problem.num_physical_experts = 4;
    c.problem.num_gpus = 2;
    for (int expert = 0; expert < 3; expert++) c.load[expert] = (float)(random_next(&random) % 100);
    double best = -1, bound = 0;
    for (int placement = 0; placement < 81; placement++) {
      for (int slot = 0, rest = placement; slot < 4; slot++, rest /= 3) c.out.physical_to_logical[slot] = rest % 3;
      if (call_evaluate(&c) != EPLB_STATUS_OK) continue; /* an expert is missing */
      if (best < 0 || c.out.per_layer[0].max_gpu_load < best) best = c.out.per_layer[0].max_gpu_load;
      if (c.out.per_layer[0].bound > bound) bound = c.out.per_layer[0].bound;
    }
    CHECK(best >= 0 && bound <= best);
  }
}

static void nothing_to_do_is_balanced(void) {
  call c;
  call_init(&c);
  memset(c.load, 0, sizeof c.load);
  CHECK_EQUAL(call_plan(&c), EPLB_STATUS_OK);
  for (int layer = 0; layer < L; layer++) {
    const eplb_metrics *m = &c.out.per_layer[layer];
    CHECK(m->balance == 1 && m->node_balance == 1 && m->expert_balance == 1);
    CHECK(m->mean_gpu_load == 0 && m->max_gpu_load == 0 && m->bound == 0 && m->gap == 0);
    CHECK_EQUAL(m->busiest_gpu, 0);
  }
}

/* A cost adds seconds and changes nothing else; a bad one is refused. */
static void seconds(void) {
  static call c, plain;
  call_init(&plain);
  CHECK_EQUAL(call_plan(&plain), EPLB_STATUS_OK);
  CHECK_EQUAL(call_evaluate(&plain), EPLB_STATUS_OK);
  eplb_cost cost = EPLB_COST_INIT;
  cost.token_seconds = 0.25;
  cost.layer_seconds = 3;
  call_init(&c);
  memcpy(c.out.physical_to_logical, plain.out.physical_to_logical, sizeof c.out.physical_to_logical);
  c.problem.cost = &cost;
  CHECK_EQUAL(call_evaluate(&c), EPLB_STATUS_OK);
  for (int layer = 0; layer < L; layer++) {
    const eplb_metrics *m = &c.out.per_layer[layer], *p = &plain.out.per_layer[layer];
    CHECK(memcmp(m, p, offsetof(eplb_metrics, max_gpu_seconds)) == 0 && p->max_gpu_seconds == 0);
    const double expected = 3 + 0.25 * p->max_gpu_load, error = m->max_gpu_seconds - expected;
    CHECK(error <= 1e-9 * expected && -error <= 1e-9 * expected);
    CHECK(m->seconds_bound <= m->max_gpu_seconds && m->mean_gpu_seconds <= m->max_gpu_seconds);
  }

  /* every array that a call can be given, at once */
  const float steps[2] = {1, 100};
  cost.expert_seconds = 4;
#define EVERYTHING                                                                                \
  c.problem.cost = &cost, c.problem.step_tokens = steps, c.problem.num_windows = 2,               \
  c.problem.window_weight = c.window_weight, c.problem.gpu_speed = c.gpu_speed,                   \
  c.problem.gpu_slots = c.gpu_slots, c.problem.gpu_node = c.gpu_node, c.problem.gpu_state = c.gpu_state
  ACCEPTS(EVALUATE | JUDGE | DIGEST | SIZE_EVALUATE | SIZE_CHECK, EVERYTHING);
  ACCEPTS(PLAN | SIZE_PLAN, EVERYTHING, c.options.policy = EPLB_POLICY_BALANCED, c.options.scope = EPLB_SCOPE_GLOBAL,
          c.options.previous = c.previous, c.options.max_moves = 2);
  cost.expert_seconds = 0;

  const float zero = 0, tokens[] = {zero / zero, 1 / zero, -1, 0};
  for (size_t i = 0; i < LENGTH(tokens); i++) {
    REFUSES(SHAPED, EPLB_STATUS_STEP_TOKENS, c.problem.step_tokens = &tokens[i]);
    if (i == 3) break;
    cost.layer_seconds = tokens[i];
    REFUSES(SHAPED, EPLB_STATUS_COST, c.problem.cost = &cost);
  }
  cost.layer_seconds = cost.token_seconds = 0;
  REFUSES(SHAPED, EPLB_STATUS_COST, c.problem.cost = &cost);
  cost.expert_seconds = 1;
  REFUSES(PLAN | SIZE_PLAN, EPLB_STATUS_UNSUPPORTED_COST, c.problem.cost = &cost, c.options.policy = EPLB_POLICY_DEEPSEEK);
  REFUSES(PLAN | SIZE_PLAN, EPLB_STATUS_UNSUPPORTED_COST, c.problem.cost = &cost,
          c.options.policy = EPLB_POLICY_BALANCED, c.options.split = EPLB_SPLIT_NEAREST);
  ACCEPTS(PLAN | SIZE_PLAN, c.problem.cost = &cost, c.options.policy = EPLB_POLICY_BALANCED);
  ACCEPTS(EVALUATE | SIZE_EVALUATE, c.problem.cost = &cost, c.options.flags = EPLB_FLAG_DISPATCH);
  ACCEPTS(JUDGE | SIZE_CHECK | DIGEST, c.problem.cost = &cost);
  cost.reserved = 1;
  REFUSES(SHAPED, EPLB_STATUS_RESERVED_NOT_ZERO, c.problem.cost = &cost);
  cost.struct_size = 8;
  REFUSES(SHAPED, EPLB_STATUS_STRUCT_SIZE, c.problem.cost = &cost);
}

/* Measured loads: what load / count says gives the same figures, and any other split is seen. */
static void measured(void) {
  static call c, plain;
  float physical[L * P];
  call_init(&plain);
  CHECK_EQUAL(call_plan(&plain), EPLB_STATUS_OK);
  CHECK_EQUAL(call_evaluate(&plain), EPLB_STATUS_OK);
  for (int layer = 0; layer < L; layer++)
    for (int slot = 0; slot < P; slot++) {
      int32_t expert = plain.out.physical_to_logical[layer * P + slot];
      physical[layer * P + slot] = plain.load[layer * E + expert] / (float)plain.out.logical_count[layer * E + expert];
    }
  call_init(&c);
  memcpy(c.out.physical_to_logical, plain.out.physical_to_logical, sizeof c.out.physical_to_logical);
  c.placement.physical_load = physical;
  c.problem.load = NULL;
  CHECK_EQUAL(call_evaluate(&c), EPLB_STATUS_OK);
  for (int layer = 0; layer < L; layer++) {
    double now = c.out.per_layer[layer].max_gpu_load, then = plain.out.per_layer[layer].max_gpu_load;
    CHECK(now - then <= 1e-5 * then && then - now <= 1e-5 * then);
    CHECK_EQUAL(c.out.per_layer[layer].duplicates, plain.out.per_layer[layer].duplicates);
    CHECK(c.out.per_layer[layer].bound <= c.out.per_layer[layer].max_gpu_load);
  }
  physical[0] = 1000;
  CHECK_EQUAL(call_evaluate(&c), EPLB_STATUS_OK);
  CHECK(c.out.per_layer[0].max_gpu_load >= 1000 && c.out.per_layer[0].busiest_gpu == 0);

  const float zero = 0, bad[] = {zero / zero, 1 / zero, -1};
  const int32_t status[] = {EPLB_STATUS_LOAD_NAN, EPLB_STATUS_LOAD_INFINITE, EPLB_STATUS_LOAD_NEGATIVE};
  for (size_t i = 0; i < LENGTH(bad); i++) {
    physical[L * P - 1] = bad[i];
    CHECK_EQUAL(call_evaluate(&c), status[i]);
  }
}

int main(void) {
  measured();
  random_placements();
  bound_holds_for_all_placements();
  nothing_to_do_is_balanced();
  seconds();
  return finish("evaluate");
}
