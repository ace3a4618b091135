/* eplb_replicate: the published case, conservation, homes, limits, what is held, every refusal. */
#include "harness.h"

/* A small call: the shape of the harness, two layers, GPUs 0 and 1 on node 0, 2 and 3 on node 1; the last of the three
 * slots of each GPU is spare. */
enum { LAYERS = 2, WIDTH = 4, ROOM = 2048, SPARE = 1, EACH = P / G };

static const int32_t homes[P] = {0, 1, -1, 2, 3, -1, 4, 5, -1, 6, 7, -1};

typedef struct written {
  unsigned char before[CANARY];
  int32_t slots[LAYERS * P];
  unsigned char canary0[CANARY];
  uint32_t quota[LAYERS * G * P];
  unsigned char canary1[CANARY];
  uint32_t route_end[LAYERS * G * E * WIDTH];
  unsigned char canary2[CANARY];
  int32_t route_slot[LAYERS * E * WIDTH];
  unsigned char canary3[CANARY];
  eplb_fetch fetches[LAYERS * G * SPARE];
  unsigned char canary4[CANARY];
  eplb_replicated per_layer[LAYERS];
  unsigned char canary5[CANARY];
} written;

typedef struct replicate_call {
  eplb_problem problem;
  eplb_options options;
  eplb_placement home;
  eplb_replication request;
  eplb_replicas replicas;
  written out;
  int32_t slots[LAYERS * P], held[LAYERS * P];
  uint32_t tokens[LAYERS * G * E];
  float gpu_speed[G];
  uint8_t gpu_state[G];
  uint64_t workspace[ROOM];
  size_t size;
  eplb_cost cost;
  struct {
    const eplb_problem *problem;
    const eplb_options *options;
    void *workspace;
    const eplb_placement *home;
    const eplb_replication *request;
    const eplb_replicas *replicas;
  } arg;
} replicate_call;

static void init(replicate_call *c, uint32_t num_sources) {
  memset(c, 0xa5, sizeof *c);
  c->problem = (eplb_problem)EPLB_PROBLEM_INIT;
  c->problem.num_layers = LAYERS;
  c->problem.num_logical_experts = E;
  c->problem.num_physical_experts = P;
  c->problem.num_nodes = N;
  c->problem.num_gpus = G;
  c->cost = (eplb_cost)EPLB_COST_INIT;
  c->cost.token_seconds = c->cost.expert_seconds = 1e-6;
  c->options = (eplb_options)EPLB_OPTIONS_INIT;
  c->home = eplb_placement_of(c->slots);
  c->request = (eplb_replication)EPLB_REPLICATION_INIT;
  c->request.num_sources = num_sources;
  c->request.tokens = c->tokens;
  c->request.tolerance = 10;
  c->replicas = (eplb_replicas)EPLB_REPLICAS_INIT;
  c->replicas.max_replicas = WIDTH;
  c->replicas.physical_to_logical = c->out.slots;
  c->replicas.quota = c->out.quota;
  c->replicas.route_end = c->out.route_end;
  c->replicas.route_slot = c->out.route_slot;
  c->replicas.fetches = c->out.fetches;
  c->replicas.capacity = LENGTH(c->out.fetches);
  c->replicas.per_layer = c->out.per_layer;
  for (int gpu = 0; gpu < G; gpu++) {
    c->gpu_speed[gpu] = (float)(gpu + 1) / 2;
    c->gpu_state[gpu] = EPLB_GPU_ALIVE;
  }
  for (int layer = 0; layer < LAYERS; layer++) memcpy(c->slots + layer * P, homes, sizeof homes);
  memset(c->held, 0xff, sizeof c->held);
  for (uint32_t i = 0; i < LAYERS * G * E; i++) c->tokens[i] = 17 * i % 101 + (i % E == 0 ? 90 : 0);
  c->size = sizeof c->workspace;
  c->arg.problem = &c->problem;
  c->arg.options = &c->options;
  c->arg.workspace = c->workspace;
  c->arg.home = &c->home;
  c->arg.request = &c->request;
  c->arg.replicas = &c->replicas;
}

static int32_t run(replicate_call *c) {
  return eplb_replicate(c->arg.problem, c->arg.options, c->arg.workspace, c->size, c->arg.home, c->arg.request,
                        c->arg.replicas);
}

/* One change to a good call: the status that must come of it, and no output touched. With sources and without. */
#define BAD(status, ...)                                        \
  for (uint32_t sources = 0; sources <= G; sources += G) {      \
    replicate_call c;                                           \
    written before;                                             \
    init(&c, sources);                                          \
    __VA_ARGS__;                                                \
    memcpy(&before, &c.out, sizeof before);                     \
    CHECK_EQUAL(run(&c), status);                               \
    CHECK(memcmp(&before, &c.out, sizeof before) == 0);         \
  }
#define GOOD(...)                                               \
  for (uint32_t sources = 0; sources <= G; sources += G) {      \
    replicate_call c;                                           \
    init(&c, sources);                                          \
    __VA_ARGS__;                                                \
    CHECK_EQUAL(run(&c), EPLB_STATUS_OK);                       \
    judge(&c);                                                  \
  }

static double speed(const replicate_call *c, uint32_t gpu) { return c->problem.gpu_speed ? (double)c->gpu_speed[gpu] : 1; }

static int is_alive(const replicate_call *c, uint32_t gpu) {
  return c->problem.gpu_state == NULL || c->gpu_state[gpu] == EPLB_GPU_ALIVE;
}

/* The fetches of a layer: each from a GPU that has the expert by then, into the spare slot that holds it. */
static void judge_fetches(const replicate_call *c, uint32_t layer, const eplb_fetch *list, uint32_t count,
                          const uint64_t *used) {
  const int32_t *home = c->slots + layer * P, *slots = c->out.slots + layer * P, *held = c->held + layer * P;
  uint32_t in[G] = {0}, out[G] = {0}, fetched[P] = {0};
  for (uint32_t i = 0; i < count; i++) {
    const eplb_fetch *fetch = &list[i];
    uint32_t from = (uint32_t)fetch->source_slot, to = (uint32_t)fetch->destination_slot;
    CHECK(fetch->layer == (int32_t)layer && from < P && to < P && from != to);
    CHECK(home[to] < 0 && slots[to] == fetch->expert && slots[from] == fetch->expert);
    CHECK(fetch->source_gpu == (int32_t)(from / EACH) && fetch->destination_gpu == (int32_t)(to / EACH));
    CHECK(home[from] >= 0 || fetch->round > 0 || (c->request.held != NULL && held[from] == fetch->expert));
    CHECK(i == 0 || fetch[-1].round < fetch->round ||
          (fetch[-1].round == fetch->round && fetch[-1].destination_slot < fetch->destination_slot));
    fetched[to]++;
    CHECK_EQUAL(fetch->tokens, used[to] < UINT32_MAX ? used[to] : UINT32_MAX);
    in[to / EACH]++;
    out[from / EACH]++;
  }
  for (uint32_t slot = 0; slot < P; slot++) {
    int is_copy = home[slot] < 0 && slots[slot] >= 0;
    int is_kept = is_copy && c->request.held != NULL && held[slot] == slots[slot];
    CHECK_EQUAL(fetched[slot], is_copy && !is_kept);
  }
  for (uint32_t gpu = 0; gpu < G; gpu++) {
    if (c->request.max_fetches_in) CHECK(in[gpu] <= c->request.max_fetches_in);
    if (c->request.max_fetches_out) CHECK(out[gpu] <= c->request.max_fetches_out);
  }
}

/* Homes, copies, conservation, the table, the fetches, and what per_layer says. */
static void judge(const replicate_call *c) {
  const uint32_t rows = c->request.num_sources ? G : 1;
  const written *out = &c->out;
  const eplb_fetch *list = out->fetches;
  CHECK(intact(out->before) && intact(out->canary0) && intact(out->canary1) && intact(out->canary2) &&
        intact(out->canary3) && intact(out->canary4) && intact(out->canary5));
  for (uint32_t layer = 0; layer < LAYERS; layer++) {
    const int32_t *home = c->slots + layer * P, *slots = out->slots + layer * P;
    const eplb_replicated *found = &out->per_layer[layer];
    uint64_t load[G] = {0}, tokens = 0, leaving_home = 0, leaving_gpu = 0, leaving_node = 0, used[P] = {0};
    for (uint32_t slot = 0; slot < P; slot++) {
      uint32_t gpu = slot / EACH;
      if (home[slot] >= 0) CHECK_EQUAL(slots[slot], home[slot]);
      else if (!is_alive(c, gpu)) CHECK_EQUAL(slots[slot], -1);
      for (uint32_t other = gpu * EACH; other < slot; other++)
        CHECK(slots[slot] < 0 || slots[other] != slots[slot] || home[slot] == home[other]);
    }
    for (uint32_t source = 0; source < rows; source++) {
      const uint32_t *quota = out->quota + (layer * rows + source) * P;
      for (uint32_t slot = 0; slot < P; slot++) {
        uint32_t gpu = slot / EACH;
        load[gpu] += quota[slot];
        used[slot] += quota[slot];
        if (home[slot] < 0) leaving_home += quota[slot];
        if (gpu != source) leaving_gpu += quota[slot];
        if (gpu / (G / N) != source / (G / N)) leaving_node += quota[slot];
      }
      for (uint32_t expert = 0; expert < E; expert++) {
        uint64_t sum = 0;
        uint32_t given = c->tokens[(layer * rows + source) * E + expert];
        for (uint32_t slot = 0; slot < P; slot++)
          if (slots[slot] == (int32_t)expert) sum += quota[slot];
        CHECK_EQUAL(sum, given);
        tokens += sum;
        const uint32_t *end = out->route_end + ((layer * rows + source) * E + expert) * WIDTH;
        const int32_t *place = out->route_slot + (layer * E + expert) * WIDTH;
        if (given > 0) {
          int32_t to = eplb_route(end, place, WIDTH, given - 1);
          CHECK(to >= 0 && to < P && slots[to] == (int32_t)expert && quota[to] > 0);
        }
        CHECK_EQUAL(end[WIDTH - 1], given);
      }
    }
    judge_fetches(c, layer, list, found->fetches, used);
    double largest = 0;
    for (uint32_t gpu = 0; gpu < G; gpu++) {
      uint64_t cost = 0;
      for (uint32_t i = 0; i < found->fetches; i++)
        if (list[i].destination_gpu == (int32_t)gpu) cost += c->request.fetch_tokens;
      double time = (double)(load[gpu] + cost) / speed(c, gpu);
      if (time > largest) largest = time;
    }
    for (uint32_t i = 0; i < found->fetches; i++) {
      uint64_t least = c->request.least_tokens ? c->request.least_tokens : 1;
      CHECK(used[list[i].destination_slot] >= least);
    }
    CHECK(found->largest_time == largest && found->bound <= largest);
    if (found->limit == EPLB_REPLICATE_LIMIT_NONE)
      CHECK(largest <= found->bound * (1 + c->request.tolerance / 1024.0) + 1);
    CHECK(found->fetches_bound <= found->fetches);
    CHECK_EQUAL(found->tokens, tokens);
    CHECK_EQUAL(found->leaving_home, leaving_home);
    CHECK_EQUAL(found->leaving_gpu, rows > 1 ? leaving_gpu : 0);
    CHECK_EQUAL(found->leaving_node, rows > 1 ? leaving_node : 0);
    list += found->fetches;
  }
}

/* One layer of 4 GPUs with two homes and `spare` slots each, by MoonEP's published tokens. */
static eplb_replicated published(uint32_t spare) {
  static const uint32_t tokens[E] = {9, 5, 7, 3, 3, 2, 2, 1};
  uint64_t workspace[ROOM];
  int32_t home[G * 4], slots[G * 4];
  uint32_t quota[G * 4], each = 2 + spare;
  eplb_replicated found;
  eplb_problem problem = EPLB_PROBLEM_INIT;
  eplb_replication request = EPLB_REPLICATION_INIT;
  eplb_replicas out = EPLB_REPLICAS_INIT;
  problem.num_layers = 1;
  problem.num_logical_experts = E;
  problem.num_physical_experts = G * each;
  problem.num_gpus = G;
  for (uint32_t slot = 0; slot < G * each; slot++)
    home[slot] = slot % each < 2 ? (int32_t)(slot / each * 2 + slot % each) : -1;
  eplb_placement placement = eplb_placement_of(home);
  request.tokens = tokens;
  out.physical_to_logical = slots;
  out.quota = quota;
  out.per_layer = &found;
  CHECK_EQUAL(eplb_replicate(&problem, NULL, workspace, sizeof workspace, &placement, &request, &out), EPLB_STATUS_OK);
  return found;
}

static void moonep(void) {
  eplb_replicated two = published(2), one = published(1);
  CHECK(two.largest_time == 8 && two.fetches == 3 && two.fetches_bound == 3 && two.leaving_home == 8);
  CHECK_EQUAL(two.limit, EPLB_REPLICATE_LIMIT_NONE);
  /* the busiest GPU gives more than it has to, and takes from the second: 9 was the published guess for one slot */
  CHECK(one.largest_time == 8 && one.fetches == 3 && one.fetches_bound == 3 && one.leaving_home == 10);
  CHECK_EQUAL(one.limit, EPLB_REPLICATE_LIMIT_NONE);
  eplb_replicated none = published(0);
  CHECK(none.largest_time == 14 && none.bound == 14 && none.fetches == 0 && none.leaving_home == 0);
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
  uint32_t random = 7;
  for (int round = 0; round < 300; round++) {
    GOOD(for (int k = 0; k < LAYERS * G * E; k++) c.tokens[k] = random_next(&random) % (1u << round % 32);
         for (int k = 0; k < LAYERS * P; k++) {
           if (c.slots[k] < 0 && random_next(&random) % 4 == 0) c.slots[k] = (int32_t)(random_next(&random) % E);
           else if (c.slots[k] < 0) c.held[k] = (int32_t)(random_next(&random) % (E + 1)) - 1;
         }
         if (round % 2) c.problem.gpu_speed = c.gpu_speed;
         if (round % 3) c.request.held = c.held;
         c.options.effort = round % 5 == 0 ? random_next(&random) % 64 : 0;
         c.request.tolerance = random_next(&random) % 200;
         c.request.fetch_tokens = round % 7 == 0 ? random_next(&random) % 200 : 0;
         c.request.least_tokens = round % 4 == 0 ? random_next(&random) % 200 : 0;
         c.request.max_fetches_in = random_next(&random) % 2;
         c.request.max_fetches_out = random_next(&random) % 3);
  }
}

/* What the last batch needed is there: the same batch again needs no fetch. */
static void held(void) {
  for (uint32_t sources = 0; sources <= G; sources += G) {
    replicate_call c;
    init(&c, sources);
    CHECK_EQUAL(run(&c), EPLB_STATUS_OK);
    CHECK(c.out.per_layer[0].fetches > 0);
    double largest = c.out.per_layer[0].largest_time;
    memcpy(c.held, c.out.slots, sizeof c.held);
    c.request.held = c.held;
    CHECK_EQUAL(run(&c), EPLB_STATUS_OK);
    judge(&c);
    CHECK_EQUAL(c.out.per_layer[0].fetches, 0);
    CHECK(c.out.per_layer[0].largest_time <= largest * 1.01);
  }
}

/* A dead GPU gets nothing; what only it holds must have no tokens. */
static void dead_gpus(void) {
  BAD(EPLB_STATUS_DISPATCH_NO_REPLICA, c.problem.gpu_state = c.gpu_state; c.gpu_state[1] = EPLB_GPU_DEAD;
      for (uint32_t k = 0; k < LAYERS * G * E; k++) if (k / E % G == 1 && sources) c.tokens[k] = 0);
  BAD(sources ? EPLB_STATUS_DISPATCH_DEAD_SOURCE : EPLB_STATUS_DISPATCH_NO_REPLICA, c.problem.gpu_state = c.gpu_state;
      c.gpu_state[1] = EPLB_GPU_DEAD);
  GOOD(c.problem.gpu_state = c.gpu_state; c.gpu_state[1] = EPLB_GPU_DEAD;
       for (uint32_t k = 0; k < LAYERS * G * E; k++)
         if ((k / E % G == 1 && sources) || k % E == 2 || k % E == 3) c.tokens[k] = 0);
}

static void refusals(void) {
  BAD(EPLB_STATUS_NULL_POINTER, c.arg.problem = NULL);
  GOOD(c.arg.options = NULL);
  BAD(EPLB_STATUS_NULL_POINTER, c.arg.workspace = NULL);
  BAD(EPLB_STATUS_NULL_POINTER, c.arg.home = NULL);
  BAD(EPLB_STATUS_NULL_POINTER, c.arg.request = NULL);
  BAD(EPLB_STATUS_NULL_POINTER, c.arg.replicas = NULL);
  BAD(EPLB_STATUS_NULL_POINTER, c.request.tokens = NULL);
  BAD(EPLB_STATUS_NULL_POINTER, c.replicas.physical_to_logical = NULL);
  BAD(EPLB_STATUS_NULL_POINTER, c.replicas.quota = NULL);
  BAD(EPLB_STATUS_NULL_POINTER, c.home.physical_to_logical = NULL);
  BAD(EPLB_STATUS_MISALIGNED_POINTER, c.request.tokens = (const uint32_t *)((uintptr_t)c.tokens + 1));
  BAD(EPLB_STATUS_MISALIGNED_POINTER, c.request.held = (const int32_t *)((uintptr_t)c.held + 2));
  BAD(EPLB_STATUS_MISALIGNED_POINTER, c.replicas.physical_to_logical = (int32_t *)((uintptr_t)c.out.slots + 2));
  BAD(EPLB_STATUS_MISALIGNED_POINTER, c.replicas.quota = (uint32_t *)((uintptr_t)c.out.quota + 2));
  BAD(EPLB_STATUS_MISALIGNED_POINTER, c.replicas.route_end = (uint32_t *)((uintptr_t)c.out.route_end + 2));
  BAD(EPLB_STATUS_MISALIGNED_POINTER, c.replicas.route_slot = (int32_t *)((uintptr_t)c.out.route_slot + 1));
  BAD(EPLB_STATUS_MISALIGNED_POINTER, c.replicas.fetches = (eplb_fetch *)((uintptr_t)c.out.fetches + 2));
  BAD(EPLB_STATUS_MISALIGNED_POINTER, c.replicas.per_layer = (eplb_replicated *)((uintptr_t)c.out.per_layer + 4));
  BAD(EPLB_STATUS_STRUCT_SIZE, c.request.struct_size -= 1);
  BAD(EPLB_STATUS_STRUCT_SIZE, c.request.struct_size = UINT32_MAX);
  BAD(EPLB_STATUS_STRUCT_SIZE, c.replicas.struct_size -= 1);
  BAD(EPLB_STATUS_STRUCT_SIZE, c.replicas.fetch_size -= 8);
  BAD(EPLB_STATUS_STRUCT_SIZE, c.replicas.replicated_size += 4);
  BAD(EPLB_STATUS_RESERVED_NOT_ZERO, c.request.reserved = 1);
  BAD(EPLB_STATUS_RESERVED_NOT_ZERO, c.replicas.reserved = 1);
  BAD(EPLB_STATUS_OVERLAPPING_ARRAYS, c.replicas.quota = c.tokens);
  BAD(EPLB_STATUS_OVERLAPPING_ARRAYS, c.replicas.physical_to_logical = c.slots);
  BAD(EPLB_STATUS_OVERLAPPING_ARRAYS, c.request.held = c.out.slots);
  BAD(EPLB_STATUS_WORKSPACE_MISALIGNED, c.arg.workspace = (char *)c.workspace + 4);
  BAD(EPLB_STATUS_SHAPE_ZERO, c.problem.num_gpus = 0);
  BAD(EPLB_STATUS_SLOTS_NOT_DIVISIBLE, c.problem.num_gpus = 5);
  BAD(EPLB_STATUS_TARGET, c.options.target = 65537);
  BAD(EPLB_STATUS_UNSUPPORTED_COST, c.problem.cost = &c.cost);
  BAD(EPLB_STATUS_DISPATCH_SOURCES, c.request.num_sources = 1);
  BAD(EPLB_STATUS_PLACEMENT_EXPERT, c.slots[LAYERS * P - 1] = E);
  BAD(EPLB_STATUS_PLACEMENT_EXPERT, c.slots[0] = -2);
  BAD(EPLB_STATUS_PLACEMENT_EXPERT, c.request.held = c.held; c.held[LAYERS * P - 1] = E);
  GOOD(c.request.held = c.held; c.held[0] = E); /* a home: not looked at */
  BAD(EPLB_STATUS_DISPATCH_NO_REPLICA, c.slots[LAYERS * P - 2] = -1); /* the only home of expert 7 */
  BAD(EPLB_STATUS_TOLERANCE, c.request.tolerance = (1u << 20) + 1);
  GOOD(c.request.tolerance = 1u << 20);
  BAD(EPLB_STATUS_LIST_TOO_SMALL, c.replicas.capacity -= 1);
  BAD(EPLB_STATUS_MAX_REPLICAS, c.replicas.max_replicas = 1; c.slots[5] = 0); /* two homes of expert 0 */
  BAD(EPLB_STATUS_MAX_REPLICAS, c.replicas.max_replicas = 0; c.replicas.route_end = NULL);
  BAD(EPLB_STATUS_SHAPE_TOO_LARGE, c.replicas.max_replicas = UINT32_MAX; c.problem.num_layers = INT32_MAX);
}

static void not_wanted(void) {
  replicate_call c, all;
  init(&all, G);
  CHECK_EQUAL(run(&all), EPLB_STATUS_OK);
  init(&c, G);
  c.replicas.route_end = NULL;
  c.replicas.route_slot = NULL;
  c.replicas.fetches = NULL;
  c.replicas.per_layer = NULL;
  c.replicas.max_replicas = c.replicas.capacity = 0;
  c.replicas.fetch_size = c.replicas.replicated_size = 0;
  CHECK_EQUAL(run(&c), EPLB_STATUS_OK);
  CHECK(memcmp(c.out.quota, all.out.quota, sizeof c.out.quota) == 0);
  CHECK(memcmp(c.out.slots, all.out.slots, sizeof c.out.slots) == 0);
  /* layer by layer: the same */
  for (uint32_t layer = 0; layer < LAYERS; layer++) {
    init(&c, G);
    c.problem.num_layers = 1;
    c.home.physical_to_logical += layer * P;
    c.request.tokens += layer * G * E;
    CHECK_EQUAL(run(&c), EPLB_STATUS_OK);
    CHECK(memcmp(c.out.slots, all.out.slots + layer * P, P * sizeof(int32_t)) == 0);
    CHECK(memcmp(c.out.quota, all.out.quota + layer * G * P, G * P * sizeof(uint32_t)) == 0);
  }
}

/* Every array of a call at once, and the same answer where they say what is the default. */
static void everything(void) {
  static const uint32_t gpu_slots[G] = {EACH, EACH, EACH, EACH}, gpu_node[G] = {0, 0, 1, 1};
  static const float ones[G] = {1, 1, 1, 1}, step_tokens[1] = {5};
  replicate_call c, plain;
  init(&plain, G);
  CHECK_EQUAL(run(&plain), EPLB_STATUS_OK);
  init(&c, G);
  c.problem.gpu_speed = ones;
  c.problem.gpu_slots = gpu_slots;
  c.problem.gpu_node = gpu_node;
  c.problem.gpu_state = c.gpu_state;
  c.problem.step_tokens = step_tokens;
  c.request.held = c.held;
  CHECK_EQUAL(run(&c), EPLB_STATUS_OK);
  CHECK(memcmp(&c.out, &plain.out, sizeof c.out) == 0);
}

/* The table may bind: no expert has more replicas than it is wide. */
static void narrow(void) {
  replicate_call c;
  init(&c, 0);
  c.replicas.max_replicas = 1;
  CHECK_EQUAL(run(&c), EPLB_STATUS_OK);
  CHECK(c.out.per_layer[0].fetches == 0 && memcmp(c.out.slots, c.slots, sizeof c.slots) == 0);
}

static void workspaces(void) {
  replicate_call c;
  size_t size = 0, align = 0;
  init(&c, G);
  CHECK_EQUAL(eplb_workspace(EPLB_OPERATION_REPLICATE, &c.problem, NULL, &size, &align), EPLB_STATUS_OK);
  CHECK_EQUAL(align, 8);
  CHECK(size <= sizeof c.workspace);
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

int main(void) {
  moonep();
  conservation();
  held();
  dead_gpus();
  refusals();
  not_wanted();
  everything();
  narrow();
  workspaces();
  return finish("replicate");
}
