/*
 * How deep eplb_plan goes into the stack: the stack below this thread's frame is painted, the call made,
 * and the deepest byte that lost its paint looked for. Prints a line a problem.
 */
#include "plans.h"

#include <pthread.h>

enum { STACK = 1 << 20, PAINTED = 64 << 10, BAR = 2304, MOST = 7168, NEVER = 0x5a, LAYERS_AT_MOST = 16, SLOTS_AT_MOST = 288 };

typedef struct measured {
  const eplb_problem *problem;
  const eplb_options *options;
  void *workspace;
  size_t size;
  eplb_placement *placement;
  eplb_metrics *per_layer;
  size_t bytes;
} measured;

/* Counting starts where a call of nothing would: the caller's own frame and arguments are not the library's. */
__attribute__((noinline)) static size_t nothing(const void *a, const void *b, void *c, size_t d, const void *e, void *f, size_t g) {
  (void)a, (void)b, (void)c, (void)d, (void)e, (void)f, (void)g;
  return (size_t)__builtin_frame_address(0);
}

__attribute__((noinline)) static void measure(measured *m) {
  unsigned char *frame = (unsigned char *)nothing(m->problem, m->options, m->workspace, m->size, m->placement, m->per_layer, 1);
  volatile unsigned char *low = frame - PAINTED;
  /* first unpainted, so that the loader has bound what it binds lazily */
  for (int round = 0; round < 2; round++) {
    for (volatile unsigned char *byte = low; byte < frame - 64; byte++) *byte = NEVER;
    if (eplb_plan(m->problem, m->options, m->workspace, m->size, m->placement, m->per_layer, sizeof *m->per_layer) != 0)
      exit(1);
  }
  while (*low == NEVER) low++;
  m->bytes = (size_t)(frame - low);
}

static void *run(void *m) {
  measure(m);
  return NULL;
}

static size_t stack_of(const eplb_problem *problem, const eplb_options *options) {
  size_t align;
  pthread_attr_t attributes;
  pthread_t thread;
  eplb_placement placement = EPLB_PLACEMENT_INIT;
  measured m = {problem, options, NULL, 0, &placement, NULL, 0};
  if (eplb_workspace(EPLB_OPERATION_PLAN, problem, options, &m.size, &align) != EPLB_STATUS_OK) return 0;
  m.workspace = allocate(m.size);
  m.per_layer = allocate(problem->num_layers * sizeof *m.per_layer);
  placement.physical_to_logical = allocate((size_t)problem->num_layers * problem->num_physical_experts * sizeof(int32_t));
  CHECK_EQUAL(pthread_attr_init(&attributes), 0);
  CHECK_EQUAL(pthread_attr_setstacksize(&attributes, STACK), 0);
  CHECK_EQUAL(pthread_create(&thread, &attributes, run, &m), 0);
  CHECK_EQUAL(pthread_join(thread, NULL), 0);
  free(placement.physical_to_logical);
  free(m.per_layer);
  free(m.workspace);
  return m.bytes;
}

/* 1 / rank in an order that differs from layer to layer, with a little noise: counts matter, chains too. */
static void skewed(float *load, uint32_t layers, uint32_t experts) {
  uint32_t random = 17;
  for (uint32_t layer = 0; layer < layers; layer++)
    for (uint32_t e = 0; e < experts; e++) {
      uint32_t rank = (e * 167 + layer * 31) % experts + 1;
      load[layer * experts + e] = (float)(1000000 / (rank * (layer % 4 + 1) / 2 + 1) + random_next(&random) % 500);
    }
}

/* From experts in order; a tenth of the slots may change, or all. */
static size_t stack_from(const eplb_problem *problem, uint32_t max_moves) {
  static int32_t previous[LAYERS_AT_MOST * SLOTS_AT_MOST];
  eplb_options options = EPLB_OPTIONS_INIT;
  uint32_t slots = problem->num_physical_experts;
  if (max_moves > 0) options.scope = EPLB_SCOPE_GLOBAL; /* experts in order scatter groups over nodes */
  options.previous = previous;
  options.max_moves = max_moves;
  options.flags = EPLB_FLAG_EXTERNAL_SOURCE;
  for (uint32_t i = 0; i < problem->num_layers * slots; i++)
    previous[i] = (int32_t)(i % slots % problem->num_logical_experts);
  return stack_of(problem, &options);
}

enum { SLOTS = 1, SPEEDS = 2, STATES = 4, LAYERS = 16, EXPERTS = 256, GPUS = 144 };

int main(void) {
  static const struct {
    uint32_t experts, slots, gpus, groups, nodes, topology;
    const char *name;
  } problems[] = {
      {256, 288, 32, 1, 1, 0, ""},          {256, 288, 96, 1, 1, 0, ""},
      {256, 288, 144, 1, 1, 0, ""},         {256, 288, 32, 8, 4, 0, " hierarchical"},
      {256, 288, 32, 1, 1, SLOTS, " uneven slots"}, {256, 288, 32, 1, 1, SPEEDS, " speeds"},
      {256, 288, 96, 8, 4, SLOTS | SPEEDS | STATES, " hierarchical, slots, speeds, a dead GPU"},
      {8, 12, 4, 1, 1, 0, " (exact search)"},  {8, 12, 4, 1, 1, SPEEDS, " speeds (exact search)"},
  };
  static float load[LAYERS * EXPERTS], speed[GPUS];
  static uint32_t slots[GPUS];
  static uint8_t state[GPUS];
  for (uint32_t g = 0; g < GPUS; g++) {
    speed[g] = (float)(2 + g % 5) / 4;
    state[g] = g == 3 ? EPLB_GPU_DEAD : EPLB_GPU_ALIVE;
  }
  for (size_t i = 0; i < LENGTH(problems); i++) {
    eplb_problem p = EPLB_PROBLEM_INIT;
    p.num_windows = 1;
    p.num_layers = LAYERS;
    p.num_logical_experts = problems[i].experts;
    p.num_physical_experts = problems[i].slots;
    p.num_gpus = problems[i].gpus;
    p.num_groups = problems[i].groups;
    p.num_nodes = problems[i].nodes;
    skewed(load, LAYERS, p.num_logical_experts);
    p.load = load;
    for (uint32_t g = 0; g < p.num_gpus; g++) slots[g] = p.num_physical_experts / p.num_gpus + (g % 2 ? 1u : -1u);
    if (problems[i].topology & SLOTS) p.gpu_slots = slots;
    if (problems[i].topology & SPEEDS) p.gpu_speed = speed;
    if (problems[i].topology & STATES) p.gpu_state = state;
    eplb_options options = EPLB_OPTIONS_INIT;
    size_t balanced = stack_of(&p, &options);
    options.policy = EPLB_POLICY_DEEPSEEK;
    size_t deepseek = stack_of(&p, &options);
    printf("stack        %u/%u/%u%s: BALANCED %zu", (unsigned)p.num_logical_experts, (unsigned)p.num_physical_experts,
           (unsigned)p.num_gpus, problems[i].name, balanced);
    if (deepseek > 0) printf(", DEEPSEEK %zu", deepseek);
    size_t steps = stack_from(&p, p.num_physical_experts / 10), renamed = stack_from(&p, 0);
    printf(", from a placement %zu within a limit, %zu without; bytes\n", steps, renamed);
    CHECK(steps > 0 && steps <= MOST);
    /* the plan from nothing or the steps, and what is around them */
    CHECK(renamed > 0 && renamed <= (balanced > steps ? balanced : steps) + 1024);
    CHECK(balanced > 0);
    CHECK(balanced <= (i == 0 ? BAR : MOST)); /* the first is 256/288/32 */
  }
  return finish("stack");
}
