/* eplb_dispatch and eplb_route: published optima, conservation, every refusal, routing, judging. */
#include "harness.h"

/* A small call: the shape of the harness, two layers, GPUs 0 and 1 on node 0, 2 and 3 on node 1. */
enum { LAYERS = 2, WIDTH = 3, ROOM = 1024 };

static const int32_t held[P] = {0, 1, 2, 0, 3, 4, 0, 5, 1, 6, 7, 5};

typedef struct written {
  unsigned char before[CANARY];
  uint32_t quota[LAYERS * G * P];
  unsigned char canary0[CANARY];
  uint32_t route_end[LAYERS * G * E * WIDTH];
  unsigned char canary1[CANARY];
  int32_t route_slot[LAYERS * E * WIDTH];
  unsigned char canary2[CANARY];
  eplb_split per_layer[LAYERS];
  unsigned char canary3[CANARY];
} written;

typedef struct batch_call {
  eplb_problem problem;
  eplb_options options;
  eplb_placement placement;
  eplb_batch batch;
  eplb_quotas quotas;
  written out;
  int32_t slots[LAYERS * P];
  uint32_t tokens[LAYERS * G * E];
  float gpu_speed[G];
  uint8_t gpu_state[G];
  uint64_t workspace[ROOM];
  size_t size;
  struct {
    const eplb_problem *problem;
    const eplb_options *options;
    void *workspace;
    const eplb_placement *placement;
    const eplb_batch *batch;
    const eplb_quotas *quotas;
  } arg;
} batch_call;

static void init(batch_call *c, uint32_t num_sources) {
  memset(c, 0xa5, sizeof *c);
  c->problem = (eplb_problem)EPLB_PROBLEM_INIT;
  c->problem.num_windows = 1;
  c->problem.num_layers = LAYERS;
  c->problem.num_logical_experts = E;
  c->problem.num_physical_experts = P;
  c->problem.num_groups = 1;
  c->problem.num_nodes = N;
  c->problem.num_gpus = G;
  c->options = (eplb_options)EPLB_OPTIONS_INIT;
  c->placement = (eplb_placement)EPLB_PLACEMENT_INIT;
  c->placement.physical_to_logical = c->slots;
  c->batch = (eplb_batch)EPLB_BATCH_INIT;
  c->batch.num_sources = num_sources;
  c->batch.tokens = c->tokens;
  c->quotas = (eplb_quotas)EPLB_QUOTAS_INIT;
  c->quotas.max_replicas = WIDTH;
  c->quotas.quota = c->out.quota;
  c->quotas.route_end = c->out.route_end;
  c->quotas.route_slot = c->out.route_slot;
  c->quotas.per_layer = c->out.per_layer;
  c->quotas.split_size = sizeof(eplb_split);
  for (int gpu = 0; gpu < G; gpu++) {
    c->gpu_speed[gpu] = (float)(gpu + 1) / 2;
    c->gpu_state[gpu] = EPLB_GPU_ALIVE;
  }
  for (int layer = 0; layer < LAYERS; layer++) memcpy(c->slots + layer * P, held, sizeof held);
  for (uint32_t i = 0; i < LAYERS * G * E; i++) c->tokens[i] = 17 * i % 101 + (i % E == 0 ? 90 : 0);
  c->size = sizeof c->workspace;
  c->arg.problem = &c->problem;
  c->arg.options = &c->options;
  c->arg.workspace = c->workspace;
  c->arg.placement = &c->placement;
  c->arg.batch = &c->batch;
  c->arg.quotas = &c->quotas;
}

static int32_t run(batch_call *c) {
  return eplb_dispatch(c->arg.problem, c->arg.options, c->arg.workspace, c->size, c->arg.placement, c->arg.batch,
                       c->arg.quotas);
}

/* One change to a good call: the status that must come of it, and no output touched. With sources and without. */
#define BAD(status, ...)                                        \
  for (uint32_t sources = 0; sources <= G; sources += G) {      \
    batch_call c;                                               \
    written before;                                             \
    init(&c, sources);                                          \
    __VA_ARGS__;                                                \
    memcpy(&before, &c.out, sizeof before);                     \
    CHECK_EQUAL(run(&c), status);                               \
    CHECK(memcmp(&before, &c.out, sizeof before) == 0);         \
  }
#define GOOD(...)                                               \
  for (uint32_t sources = 0; sources <= G; sources += G) {      \
    batch_call c;                                               \
    init(&c, sources);                                          \
    __VA_ARGS__;                                                \
    CHECK_EQUAL(run(&c), EPLB_STATUS_OK);                       \
    judge(&c);                                                  \
  }

static int dead(const batch_call *c, uint32_t gpu) {
  return c->problem.gpu_state != NULL && c->gpu_state[gpu] == EPLB_GPU_DEAD;
}

/* Conservation, the table, and what per_layer says. */
static void judge(const batch_call *c) {
  const uint32_t rows = c->batch.num_sources ? G : 1;
  CHECK(intact(c->out.before) && intact(c->out.canary0) && intact(c->out.canary1) && intact(c->out.canary2) &&
        intact(c->out.canary3));
  for (uint32_t layer = 0; layer < c->problem.num_layers; layer++) {
    const int32_t *slots = c->slots + layer * P;
    uint64_t load[G] = {0}, tokens = 0, leaving_gpu = 0, leaving_node = 0;
    for (uint32_t source = 0; source < rows; source++) {
      const uint32_t *quota = c->quotas.quota + (layer * rows + source) * P;
      for (uint32_t slot = 0; slot < P; slot++) {
        uint32_t gpu = slot / (P / G);
        load[gpu] += quota[slot];
        if (gpu != source) leaving_gpu += quota[slot];
        if (gpu / (G / N) != source / (G / N)) leaving_node += quota[slot];
        if (slots[slot] < 0 || dead(c, gpu)) CHECK_EQUAL(quota[slot], 0);
      }
      for (uint32_t expert = 0; expert < E; expert++) {
        uint64_t sum = 0;
        uint32_t given = c->tokens[(layer * rows + source) * E + expert], routed[P] = {0};
        for (uint32_t slot = 0; slot < P; slot++)
          if (slots[slot] == (int32_t)expert) sum += quota[slot];
        CHECK_EQUAL(sum, given);
        tokens += sum;
        const uint32_t *end = c->quotas.route_end + ((layer * rows + source) * E + expert) * WIDTH;
        const int32_t *place = c->quotas.route_slot + (layer * E + expert) * WIDTH;
        for (uint32_t token = 0; given < 10000 && token < given; token++) {
          int32_t to = eplb_route(end, place, WIDTH, token);
          CHECK(to >= 0 && to < P && slots[to] == (int32_t)expert);
          if (to >= 0 && to < P) routed[to]++;
        }
        CHECK_EQUAL(eplb_route(end, place, WIDTH, given), -1);
        for (uint32_t slot = 0; given < 10000 && slot < P; slot++)
          if (slots[slot] == (int32_t)expert) CHECK_EQUAL(routed[slot], quota[slot]);
      }
    }
    const eplb_split *split = &c->out.per_layer[layer];
    double largest = 0;
    for (uint32_t gpu = 0; gpu < G; gpu++) {
      double time = (double)load[gpu] / (c->problem.gpu_speed ? (double)c->gpu_speed[gpu] : 1);
      if (time > largest) largest = time;
    }
    CHECK(split->largest_time == largest);
    CHECK(split->bound <= largest && (split->bound == largest || split->kind == EPLB_SPLIT_KIND_EVEN));
    CHECK_EQUAL(split->tokens, tokens);
    CHECK_EQUAL(split->leaving_gpu, rows > 1 ? leaving_gpu : 0);
    CHECK_EQUAL(split->leaving_node, rows > 1 ? leaving_node : 0);
  }
}

/* One layer of a published case: its optimum. */
static double optimum(uint32_t experts, uint32_t gpus, uint32_t num_slots, const int32_t *slots, const uint32_t *tokens) {
  uint64_t workspace[ROOM];
  uint32_t quota[P * 2];
  eplb_split split;
  eplb_problem problem = EPLB_PROBLEM_INIT;
  eplb_placement placement = EPLB_PLACEMENT_INIT;
  eplb_batch batch = EPLB_BATCH_INIT;
  eplb_quotas quotas = EPLB_QUOTAS_INIT;
  problem.num_windows = problem.num_layers = problem.num_groups = problem.num_nodes = 1;
  problem.num_logical_experts = experts;
  problem.num_physical_experts = num_slots;
  problem.num_gpus = gpus;
  placement.physical_to_logical = (int32_t *)slots;
  batch.tokens = tokens;
  quotas.quota = quota;
  quotas.per_layer = &split;
  quotas.split_size = sizeof split;
  int32_t status = eplb_dispatch(&problem, NULL, workspace, sizeof workspace, &placement, &batch, &quotas);
  CHECK_EQUAL(status, EPLB_STATUS_OK);
  CHECK_EQUAL(split.kind, EPLB_SPLIT_KIND_EXACT);
  return split.largest_time;
}

static void published(void) {
  static const int32_t eplb0[] = {5, 6, 5, 7, 8, 4, 3, 4, 10, 9, 10, 2, 0, 1, 11, 1};
  static const int32_t eplb1[] = {7, 10, 6, 8, 6, 11, 8, 9, 2, 4, 5, 1, 5, 0, 3, 1};
  static const uint32_t tokens0[] = {90, 132, 40, 61, 104, 165, 39, 4, 73, 56, 183, 86};
  static const uint32_t tokens1[] = {20, 107, 104, 64, 19, 197, 187, 157, 172, 86, 16, 27};
  static const int32_t lplb[] = {0, 1, 2, 3, 0, 0};
  static const uint32_t tokens2[] = {120, 30, 25, 20};
  CHECK(optimum(12, 8, 16, eplb0, tokens0) == 154);
  CHECK(optimum(12, 8, 16, eplb1, tokens1) == 173);
  CHECK(optimum(4, 2, 6, lplb, tokens2) == 98);
}

static void conservation(void) {
  static const uint32_t amounts[] = {0, 1, 2, 3, 0x7fffffff, 0x80000000, 0xffffffff};
  GOOD();
  GOOD(c.problem.gpu_speed = c.gpu_speed);
  GOOD(c.problem.gpu_state = c.gpu_state, c.gpu_state[3] = EPLB_GPU_LEAVING);
  for (size_t i = 0; i < LENGTH(amounts); i++) {
    GOOD(for (int k = 0; k < LAYERS * G * E; k++) c.tokens[k] = amounts[i]);
    GOOD(for (int k = 0; k < LAYERS * G * E; k++) c.tokens[k] = k % 3 ? 0 : amounts[i]);
    GOOD(c.problem.gpu_speed = c.gpu_speed; for (int k = 0; k < LAYERS * G * E; k++) c.tokens[k] = amounts[i]);
  }
  uint32_t random = 5;
  for (int round = 0; round < 300; round++) {
    GOOD(for (int k = 0; k < LAYERS * G * E; k++) c.tokens[k] = random_next(&random) % (1u << round % 32);
         for (int k = 0; k < LAYERS * P; k++) if (random_next(&random) % 8 == 0) c.slots[k] = c.slots[k] == 0 ? -1 : c.slots[k];
         if (round % 2) c.problem.gpu_speed = c.gpu_speed;
         c.options.effort = round % 3 == 0 ? random_next(&random) % 64 : 0;
         for (int k = 0; k < LAYERS; k++) c.slots[k * P] = 0);
  }
}

/* A dead GPU gets nothing; what only it holds must have no tokens. */
static void dead_gpus(void) {
  BAD(EPLB_STATUS_DISPATCH_NO_REPLICA, c.problem.gpu_state = c.gpu_state; c.gpu_state[1] = EPLB_GPU_DEAD;
      for (uint32_t k = 0; k < LAYERS * G * E; k++) if (k / E % G == 1 && sources) c.tokens[k] = 0);
  GOOD(c.problem.gpu_state = c.gpu_state; c.gpu_state[1] = EPLB_GPU_DEAD;
       for (uint32_t k = 0; k < LAYERS * G * E; k++) {
         if (k / E % G == 1 && sources) c.tokens[k] = 0;
         if (k % E == 3 || k % E == 4) c.tokens[k] = 0;
       });
  for (uint32_t rest = 0; rest < 2; rest++) {
    batch_call c;
    init(&c, G);
    c.problem.gpu_state = c.gpu_state;
    c.gpu_state[1] = EPLB_GPU_DEAD;
    for (uint32_t k = 0; k < LAYERS * G * E; k++)
      if (k % E == 3 || k % E == 4 || k / E % G == 1) c.tokens[k] = 0;
    c.tokens[E] = 1 - rest; /* GPU 1, expert 0, layer 0 or 1 */
    c.tokens[(G + 1) * E] = rest;
    CHECK_EQUAL(run(&c), EPLB_STATUS_DISPATCH_DEAD_SOURCE);
  }
}

static void refusals(void) {
  BAD(EPLB_STATUS_NULL_POINTER, c.arg.problem = NULL);
  GOOD(c.arg.options = NULL);
  BAD(EPLB_STATUS_NULL_POINTER, c.arg.workspace = NULL);
  BAD(EPLB_STATUS_NULL_POINTER, c.arg.placement = NULL);
  BAD(EPLB_STATUS_NULL_POINTER, c.arg.batch = NULL);
  BAD(EPLB_STATUS_NULL_POINTER, c.arg.quotas = NULL);
  BAD(EPLB_STATUS_NULL_POINTER, c.batch.tokens = NULL);
  BAD(EPLB_STATUS_NULL_POINTER, c.quotas.quota = NULL);
  BAD(EPLB_STATUS_NULL_POINTER, c.placement.physical_to_logical = NULL);
  BAD(EPLB_STATUS_MISALIGNED_POINTER, c.batch.tokens = (const uint32_t *)((uintptr_t)c.tokens + 1));
  BAD(EPLB_STATUS_MISALIGNED_POINTER, c.quotas.quota = (uint32_t *)((uintptr_t)c.out.quota + 2));
  BAD(EPLB_STATUS_MISALIGNED_POINTER, c.quotas.route_end = (uint32_t *)((uintptr_t)c.out.route_end + 2));
  BAD(EPLB_STATUS_MISALIGNED_POINTER, c.quotas.route_slot = (int32_t *)((uintptr_t)c.out.route_slot + 1));
  BAD(EPLB_STATUS_MISALIGNED_POINTER, c.quotas.per_layer = (eplb_split *)((uintptr_t)c.out.per_layer + 4));
  BAD(EPLB_STATUS_STRUCT_SIZE, c.batch.struct_size -= 1);
  BAD(EPLB_STATUS_STRUCT_SIZE, c.batch.struct_size = UINT32_MAX);
  BAD(EPLB_STATUS_STRUCT_SIZE, c.quotas.struct_size -= 1);
  BAD(EPLB_STATUS_STRUCT_SIZE, c.quotas.struct_size = 0);
  BAD(EPLB_STATUS_STRUCT_SIZE, c.quotas.split_size -= 8);
  BAD(EPLB_STATUS_STRUCT_SIZE, c.quotas.split_size += 4);
  BAD(EPLB_STATUS_OVERLAPPING_ARRAYS, c.quotas.quota = c.tokens);
  BAD(EPLB_STATUS_OVERLAPPING_ARRAYS, c.quotas.route_end = c.out.quota);
  BAD(EPLB_STATUS_OVERLAPPING_ARRAYS, c.quotas.route_slot = c.slots);
  BAD(EPLB_STATUS_OVERLAPPING_ARRAYS, c.arg.workspace = c.out.quota - 2 + (((uintptr_t)c.out.quota & 7) != 0));
  BAD(EPLB_STATUS_WORKSPACE_MISALIGNED, c.arg.workspace = (char *)c.workspace + 4);
  BAD(EPLB_STATUS_SHAPE_ZERO, c.problem.num_gpus = 0);
  BAD(EPLB_STATUS_SLOTS_NOT_DIVISIBLE, c.problem.num_gpus = 5);
  BAD(EPLB_STATUS_TARGET, c.options.target = 65537);
  BAD(EPLB_STATUS_DISPATCH_SOURCES, c.batch.num_sources = 1);
  BAD(EPLB_STATUS_DISPATCH_SOURCES, c.batch.num_sources = G + 1);
  BAD(EPLB_STATUS_PLACEMENT_EXPERT, c.slots[LAYERS * P - 1] = E);
  BAD(EPLB_STATUS_PLACEMENT_EXPERT, c.slots[0] = -2);
  BAD(EPLB_STATUS_DISPATCH_NO_REPLICA, c.slots[LAYERS * P - 2] = -1); /* the only replica of expert 7 */
  BAD(EPLB_STATUS_MAX_REPLICAS, c.quotas.max_replicas = WIDTH - 1);   /* expert 0 has three */
  BAD(EPLB_STATUS_MAX_REPLICAS, c.quotas.max_replicas = 0; c.quotas.route_end = NULL);
  BAD(EPLB_STATUS_SHAPE_TOO_LARGE, c.quotas.max_replicas = UINT32_MAX; c.problem.num_layers = INT32_MAX);
}

static void not_wanted(void) {
  batch_call c, all;
  init(&all, G);
  CHECK_EQUAL(run(&all), EPLB_STATUS_OK);
  init(&c, G);
  c.quotas.route_end = NULL;
  c.quotas.route_slot = NULL;
  c.quotas.per_layer = NULL;
  c.quotas.max_replicas = 0;
  c.quotas.split_size = 0;
  CHECK_EQUAL(run(&c), EPLB_STATUS_OK);
  CHECK(memcmp(c.out.quota, all.out.quota, sizeof c.out.quota) == 0);
  /* layer by layer: the same */
  for (uint32_t layer = 0; layer < LAYERS; layer++) {
    init(&c, G);
    c.problem.num_layers = 1;
    c.placement.physical_to_logical += layer * P;
    c.batch.tokens += layer * G * E;
    CHECK_EQUAL(run(&c), EPLB_STATUS_OK);
    CHECK(memcmp(c.out.quota, all.out.quota + layer * G * P, G * P * sizeof(uint32_t)) == 0);
  }
}

static void workspaces(void) {
  for (int speeds = 0; speeds < 2; speeds++) {
    batch_call c;
    size_t size = 0, align = 0;
    init(&c, G);
    if (speeds) c.problem.gpu_speed = c.gpu_speed;
    CHECK_EQUAL(eplb_workspace(EPLB_OPERATION_DISPATCH, &c.problem, NULL, &size, &align), EPLB_STATUS_OK);
    CHECK_EQUAL(align, 8);
    CHECK(size <= EPLB_WORKSPACE_BOUND(E, P, G));
    c.size = size;
    CHECK_EQUAL(run(&c), EPLB_STATUS_OK);
    for (size_t byte = size; byte < sizeof c.workspace; byte++) CHECK(((unsigned char *)c.workspace)[byte] == 0xa5);
    written first;
    memcpy(&first, &c.out, sizeof first);
    memset(c.workspace, 0xff, sizeof c.workspace); /* what it holds does not matter */
    CHECK_EQUAL(run(&c), EPLB_STATUS_OK);
    CHECK(memcmp(&first, &c.out, sizeof first) == 0);
    c.size = size - 1;
    CHECK_EQUAL(run(&c), EPLB_STATUS_WORKSPACE_TOO_SMALL);
  }
  eplb_problem large = EPLB_PROBLEM_INIT;
  size_t size, align;
  large.num_windows = large.num_layers = large.num_groups = large.num_nodes = large.num_logical_experts = 1;
  large.num_physical_experts = large.num_gpus = 65536;
  CHECK_EQUAL(eplb_workspace(EPLB_OPERATION_DISPATCH, &large, NULL, &size, &align), EPLB_STATUS_SHAPE_TOO_LARGE);
  large.num_physical_experts = large.num_gpus = 65535;
  CHECK_EQUAL(eplb_workspace(EPLB_OPERATION_DISPATCH, &large, NULL, &size, &align), EPLB_STATUS_OK);
}

/* An effort of 1 is gone at once: the even split, and it says so. */
static void effort(void) {
  batch_call c;
  init(&c, 0);
  c.options.effort = 1;
  CHECK_EQUAL(run(&c), EPLB_STATUS_OK);
  judge(&c);
  for (int layer = 0; layer < LAYERS; layer++) {
    const uint32_t *quota = c.out.quota + layer * P;
    uint32_t tokens = c.tokens[layer * E];
    CHECK_EQUAL(c.out.per_layer[layer].kind, EPLB_SPLIT_KIND_EVEN);
    CHECK_EQUAL(quota[0], tokens / 3 + (tokens % 3 > 0)); /* expert 0 on slots 0, 3 and 6 */
    CHECK_EQUAL(quota[3], tokens / 3 + (tokens % 3 > 1));
    CHECK_EQUAL(quota[6], tokens / 3);
  }
}

/* EPLB_FLAG_DISPATCH: what an exact split makes of the placement, in real numbers. */
static void judging(void) {
  call c;
  call_init(&c);
  CHECK_EQUAL(call_plan(&c), EPLB_STATUS_OK);
  CHECK_EQUAL(call_evaluate(&c), EPLB_STATUS_OK);
  for (int layer = 0; layer < L; layer++) {
    CHECK(c.out.per_layer[layer].dispatch_balance == 0);
    CHECK(c.out.per_layer[layer].dispatch_bound == 0);
    CHECK(c.out.per_layer[layer].worst_window_balance == c.out.per_layer[layer].balance);
  }
  c.options.flags = EPLB_FLAG_DISPATCH;
  CHECK_EQUAL(call_evaluate(&c), EPLB_STATUS_OK);
  for (int layer = 0; layer < L; layer++) {
    const eplb_metrics *m = &c.out.per_layer[layer];
    CHECK(m->dispatch_balance >= m->balance * (1 - 1e-9) && m->dispatch_balance <= 1);
    CHECK(m->dispatch_bound <= m->max_gpu_load * (1 + 1e-9));
    CHECK(m->dispatch_balance * m->dispatch_bound <= m->mean_gpu_load * (1 + 1e-9));
    CHECK(m->dispatch_balance * m->dispatch_bound >= m->mean_gpu_load * (1 - 1e-9));
  }
  outputs evaluated;
  memcpy(&evaluated, &c.out, sizeof evaluated);
  CHECK_EQUAL(call_plan(&c), EPLB_STATUS_OK); /* says the same */
  CHECK(memcmp(evaluated.per_layer, c.out.per_layer, sizeof evaluated.per_layer) == 0);
}

int main(void) {
  published();
  conservation();
  dead_gpus();
  refusals();
  not_wanted();
  workspaces();
  effort();
  judging();
  return finish("dispatch");
}
