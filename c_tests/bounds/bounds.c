/*
 * The numbers of bounds.txt that a program can tell: workspace sizes and stack depths; and the plans whose
 * instructions callgrind counts.
 *
 * usage: bounds workspace            "workspace SHAPE OPERATION/POLICY BYTES" lines
 *        bounds stack                "stack FUNCTION BYTES" lines
 *        bounds plan SHAPE POLICY N  plans N times and prints nothing
 *        bounds plan SHAPE dispatch N, or dispatch_sources: splits batches over a plan N times; replicate: copies for them
 *        bounds plan SHAPE previous N  plans N times from a plan for other loads, a sixth of the slots to change
 *        bounds plan SHAPE number N  numbers a plan N times
 *        bounds list                 "SHAPE POLICY" lines, all pairs
 */
#include "eplb.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct shape {
  const char *name;
  uint32_t experts, slots, gpus, groups, nodes;
} shape;

static const shape shapes[] = {
    {"8/12/4", 8, 12, 4, 1, 1},          {"128/160/32", 128, 160, 32, 1, 1},      {"256/288/32", 256, 288, 32, 1, 1},
    {"256/288/96", 256, 288, 96, 1, 1}, {"256/288/32/8x4", 256, 288, 32, 8, 4},
};
enum { SHAPES = sizeof shapes / sizeof *shapes, EXPERTS = 256, SLOTS = 288, LAYERS = 4, GPUS = 96, ROOM = 1 << 17 };

static const char *const policies[] = {"BALANCED", "DEEPSEEK", "MULTI_SWAP", "K2_HYBRID", "HYBRID_ARGMAX",
                                       "PEAK_AWARE", "WATERFILL", "WATERFILL_FIXUP"};
enum { POLICIES = sizeof policies / sizeof *policies };

static uint64_t workspace[ROOM / 8];
static float load[LAYERS * EXPERTS];
static int32_t physical_to_logical[LAYERS * SLOTS], replica_rank[LAYERS * SLOTS], logical_count[LAYERS * EXPERTS];
static int32_t logical_to_physical[LAYERS * EXPERTS * (SLOTS - EXPERTS + 1)];
static eplb_metrics per_layer[LAYERS];

static void stop(const char *words) {
  fprintf(stderr, "bounds: %s\n", words);
  exit(1);
}

/* Token counts as DeepSeek-V3 shows them: most within a factor of four, a few hot. The same on every machine. */
static eplb_problem problem_of(const shape *s) {
  eplb_problem p = EPLB_PROBLEM_INIT;
  uint32_t random = 2463534242u;
  p.num_windows = 1;
  p.num_layers = LAYERS;
  p.num_logical_experts = s->experts;
  p.num_physical_experts = s->slots;
  p.num_gpus = s->gpus;
  p.num_groups = s->groups;
  p.num_nodes = s->nodes;
  p.load = load;
  for (uint32_t i = 0; i < LAYERS * s->experts; i++) {
    random ^= random << 13;
    random ^= random >> 17;
    random ^= random << 5;
    load[i] = (float)(500 + random % 1500) * (random >> 16 & 15 ? 1 : 4);
  }
  return p;
}

static eplb_placement placement_of(const shape *s) {
  eplb_placement maps = EPLB_PLACEMENT_INIT;
  maps.max_replicas = s->slots - s->experts + 1;
  maps.physical_to_logical = physical_to_logical;
  maps.replica_rank = replica_rank;
  maps.logical_count = logical_count;
  maps.logical_to_physical = logical_to_physical;
  return maps;
}

static void plan(const shape *s, uint32_t policy, long times) {
  eplb_problem p = problem_of(s);
  eplb_options options = EPLB_OPTIONS_INIT;
  eplb_placement maps = placement_of(s);
  options.policy = policy;
  while (times-- > 0)
    if (eplb_plan(&p, &options, workspace, sizeof workspace, &maps, NULL, 0) != EPLB_STATUS_OK) stop("no plan");
}

/* From a plan for other loads: those of each layer, last expert first. A sixth of the slots may change. */
static int32_t previous[LAYERS * SLOTS];

static eplb_options options_from(const shape *s) {
  eplb_options options = EPLB_OPTIONS_INIT;
  options.previous = previous;
  options.max_moves = s->slots / 6;
  return options;
}

static void make_previous(const shape *s) {
  eplb_problem p = problem_of(s);
  eplb_options options = EPLB_OPTIONS_INIT;
  eplb_placement maps = placement_of(s);
  for (uint32_t i = 0; i < LAYERS * s->experts / 2; i++) {
    float kept = load[i];
    load[i] = load[LAYERS * s->experts - 1 - i];
    load[LAYERS * s->experts - 1 - i] = kept;
  }
  if (eplb_plan(&p, &options, workspace, sizeof workspace, &maps, NULL, 0) != EPLB_STATUS_OK) stop("no plan");
  memcpy(previous, physical_to_logical, sizeof previous);
}

static void plan_from(const shape *s, long times) {
  make_previous(s);
  eplb_problem p = problem_of(s);
  eplb_options options = options_from(s);
  eplb_placement maps = placement_of(s);
  while (times-- > 0)
    if (eplb_plan(&p, &options, workspace, sizeof workspace, &maps, NULL, 0) != EPLB_STATUS_OK) stop("no plan");
}

/* A batch for a plan of DEEPSEEK; the GPUs send alike. */
static uint32_t tokens[LAYERS * GPUS * EXPERTS], quota[LAYERS * GPUS * SLOTS];
static eplb_split splits[LAYERS];

static void make_batch(const shape *s, int sources, eplb_batch *batch, eplb_quotas *quotas) {
  eplb_problem p = problem_of(s);
  uint32_t rows = sources ? s->gpus : 1, random = 88172645u;
  *batch = (eplb_batch)EPLB_BATCH_INIT;
  *quotas = (eplb_quotas)EPLB_QUOTAS_INIT;
  for (uint32_t i = 0; i < LAYERS * rows * s->experts; i++) {
    random ^= random << 13;
    random ^= random >> 17;
    random ^= random << 5;
    /* other loads than those that were planned for */
    uint32_t layer = i / (rows * s->experts), expert = i % s->experts;
    tokens[i] = (uint32_t)p.load[layer * s->experts + (expert + expert / 7) % s->experts] / rows / 8 + random % 3;
  }
  batch->num_sources = sources ? s->gpus : 0;
  batch->tokens = tokens;
  quotas->quota = quota;
  quotas->per_layer = splits;
  quotas->split_size = sizeof *splits;
}

static void dispatch(const shape *s, int sources, long times) {
  eplb_problem p = problem_of(s);
  eplb_placement maps = placement_of(s);
  eplb_batch batch;
  eplb_quotas quotas;
  plan(s, EPLB_POLICY_DEEPSEEK, 1);
  make_batch(s, sources, &batch, &quotas);
  while (times-- > 0)
    if (eplb_dispatch(&p, NULL, workspace, sizeof workspace, &maps, &batch, &quotas) != EPLB_STATUS_OK) stop("no split");
}

/* The homes of a plan, one of each expert, and the other slots spare. */
static int32_t replicate(const shape *s, const eplb_batch *batch, const eplb_quotas *quotas) {
  static int32_t homes[LAYERS * SLOTS], slots[LAYERS * SLOTS];
  static uint8_t has_home[EXPERTS];
  static eplb_replicated found[LAYERS];
  eplb_problem p = problem_of(s);
  eplb_placement maps = placement_of(s);
  eplb_replication request = EPLB_REPLICATION_INIT;
  eplb_replicas out = EPLB_REPLICAS_INIT;
  for (uint32_t i = 0; i < LAYERS * s->slots; i++) {
    if (i % s->slots == 0) memset(has_home, 0, sizeof has_home);
    int32_t expert = maps.physical_to_logical[i];
    homes[i] = expert < 0 || has_home[expert]++ ? -1 : expert;
  }
  eplb_placement home = eplb_placement_of(homes);
  request.num_sources = batch->num_sources;
  request.tokens = batch->tokens;
  request.tolerance = 10;
  out.physical_to_logical = slots;
  out.quota = quotas->quota;
  out.per_layer = found;
  return eplb_replicate(&p, NULL, workspace, sizeof workspace, &home, &request, &out);
}

static void replicates(const shape *s, long times) {
  eplb_batch batch;
  eplb_quotas quotas;
  plan(s, EPLB_POLICY_DEEPSEEK, 1);
  make_batch(s, 0, &batch, &quotas);
  while (times-- > 0)
    if (replicate(s, &batch, &quotas) != EPLB_STATUS_OK) stop("no replicas");
}

/* The maps of a plan, but for the first. */
static void number(const shape *s, long times) {
  eplb_problem p = problem_of(s);
  eplb_placement maps = placement_of(s);
  plan(s, EPLB_POLICY_BALANCED, 1);
  while (times-- > 0)
    if (eplb_number(&p, &maps) != EPLB_STATUS_OK) stop("no numbers");
}

static void print_workspaces(void) {
  static const char *const operations[] = {"plan", "evaluate", "check", "transfers", "dispatch", NULL, NULL, NULL, "replicate"};
  for (uint32_t i = 0; i < SHAPES; i++) {
    eplb_problem p = problem_of(&shapes[i]);
    for (uint32_t operation = 0; operation <= EPLB_OPERATION_REPLICATE; operation++)
      for (uint32_t policy = 0; operations[operation] && policy < (operation == EPLB_OPERATION_PLAN ? (uint32_t)POLICIES : 1u); policy++) {
        eplb_options options = EPLB_OPTIONS_INIT;
        size_t size = 0, align;
        options.policy = policy;
        if (eplb_workspace(operation, &p, &options, &size, &align) != EPLB_STATUS_OK || size > ROOM) stop("no size");
        printf("workspace %s %s%s%s %zu\n", shapes[i].name, operations[operation], operation ? "" : "/",
               operation ? "" : policies[policy], size);
      }
    eplb_options options = options_from(&shapes[i]);
    size_t size = 0, align;
    if (eplb_workspace(EPLB_OPERATION_PLAN, &p, &options, &size, &align) != EPLB_STATUS_OK || size > ROOM) stop("no size");
    printf("workspace %s plan/previous %zu\n", shapes[i].name, size);
  }
}

/* --- stack ------------------------------------------------------------------------------------------------- */

typedef struct job {
  int function;
  uint32_t policy;
  const shape *s;
  size_t bytes;
  eplb_batch batch;
  eplb_quotas quotas;
} job;

/* From the experts in order to what is planned. */
static int32_t transfers_of(const eplb_problem *p, const eplb_placement *maps) {
  static int32_t before[4 * 512];
  eplb_transfer_list list = EPLB_TRANSFER_LIST_INIT; /* counted only */
  uint32_t slots = p->num_physical_experts, all = p->num_layers * slots;
  if (all > sizeof before / sizeof before[0]) stop("no room");
  for (uint32_t i = 0; i < all; i++) before[i] = (int32_t)(i % slots % p->num_logical_experts);
  const eplb_placement from = eplb_placement_of(before);
  return eplb_transfers(p, NULL, workspace, sizeof workspace, &from, maps, 1, &list);
}

static int32_t gate(void) {
  eplb_gate_config config = EPLB_GATE_CONFIG_INIT;
  eplb_gate_layer layer = {1, 2, 1, 10000, 10, 3, 0, 0};
  eplb_gate_state state = {0, 0, 0};
  eplb_gate_verdict verdict;
  config.num_layers = 1;
  config.num_gpus = 32;
  config.step_seconds = 0.05;
  config.steps = 3000;
  config.bytes_per_expert = 24 << 20;
  config.gpu_bandwidth = 50e9;
  return eplb_gate(&config, &layer, sizeof layer, &state, sizeof state, &verdict, sizeof verdict, NULL, 0);
}

/* The sentence about a call that is refused for its last load, and about one that is for its last slot. */
static __attribute__((noinline)) int32_t explain(const eplb_problem *p, const eplb_options *o, eplb_placement *maps) {
  char text[400];
  eplb_problem q = *p;
  int32_t kept = maps->physical_to_logical[LAYERS * p->num_physical_experts - 1];
  q.num_layers = LAYERS;
  load[LAYERS * p->num_logical_experts - 1] = -1;
  size_t length = eplb_explain_plan(&q, o, workspace, sizeof workspace, maps, NULL, 0, text, sizeof text);
  load[LAYERS * p->num_logical_experts - 1] = 1;
  maps->physical_to_logical[LAYERS * p->num_physical_experts - 1] = (int32_t)p->num_logical_experts;
  length += eplb_explain(EPLB_OPERATION_CHECK, &q, o, maps, text, sizeof text);
  maps->physical_to_logical[LAYERS * p->num_physical_experts - 1] = kept;
  return length > 100 ? EPLB_STATUS_OK : EPLB_STATUS_NULL_POINTER;
}

static void call(const job *j, const eplb_problem *p, const eplb_options *o, eplb_placement *maps) {
  size_t size, align;
  uint64_t digest;
  int32_t status = EPLB_STATUS_OK;
  switch (j->function) {
  case 0: status = eplb_plan(p, o, workspace, sizeof workspace, maps, per_layer, sizeof *per_layer); break;
  case 1: status = eplb_evaluate(p, o, workspace, sizeof workspace, maps, per_layer, sizeof *per_layer); break;
  case 2: status = eplb_check(p, o, workspace, sizeof workspace, maps, NULL, 0); break;
  case 3: status = eplb_workspace(EPLB_OPERATION_PLAN, p, o, &size, &align); break;
  case 4: status = eplb_digest(p, maps, &digest); break;
  case 5: status = eplb_dispatch(p, o, workspace, sizeof workspace, maps, &j->batch, &j->quotas); break;
  case 6: status = transfers_of(p, maps); break;
  case 7: status = gate(); break;
  case 8: {
    eplb_options from = options_from(j->s);
    status = eplb_plan(p, &from, workspace, sizeof workspace, maps, per_layer, sizeof *per_layer);
    break;
  }
  case 9: status = eplb_number(p, maps); break;
  case 10: status = explain(p, o, maps); break;
  case 11: status = replicate(j->s, &j->batch, &j->quotas); break;
  default: eplb_status_string(-40); break;
  }
  if (status != EPLB_STATUS_OK) stop("a call failed");
}

enum { DEPTH = 64 << 10, NEVER = 0x5a };

/* The stack below this frame is painted, the call made, and the deepest byte without paint looked for. Twice:
 * the first call binds what the loader binds lazily. */
static void *measure(void *argument) {
  job *j = argument;
  eplb_problem p = problem_of(j->s);
  eplb_options o = EPLB_OPTIONS_INIT;
  eplb_placement maps = placement_of(j->s);
  o.policy = j->policy;
  unsigned char *frame = __builtin_frame_address(0);
  volatile unsigned char *low = frame - DEPTH;
  for (int round = 0; round < 2; round++) {
    for (volatile unsigned char *byte = low; byte < frame - 512; byte++) *byte = NEVER;
    call(j, &p, &o, &maps);
  }
  while (*low == NEVER) low++;
  j->bytes = (size_t)(frame - low);
  return NULL;
}

/* On a thread of its own, so that the depth does not depend on the environment. */
static size_t stack_of(int function, uint32_t policy, const shape *s) {
  pthread_t thread;
  job j = {function, policy, s, 0, EPLB_BATCH_INIT, EPLB_QUOTAS_INIT};
  make_batch(s, 1, &j.batch, &j.quotas);
  if (pthread_create(&thread, NULL, measure, &j) != 0 || pthread_join(thread, NULL) != 0) stop("no thread");
  return j.bytes;
}

static void print_stacks(void) {
  static const char *const functions[] = {"eplb_plan", "eplb_evaluate", "eplb_check", "eplb_workspace", "eplb_digest",
                                          "eplb_dispatch", "eplb_transfers", "eplb_gate", "eplb_plan/previous",
                                          "eplb_number", "eplb_explain", "eplb_replicate", "eplb_status_string"};
  for (int function = 0; function < (int)(sizeof functions / sizeof *functions); function++)
    for (uint32_t policy = 0; policy < (function == 0 ? (uint32_t)POLICIES : 1u); policy++) {
      size_t most = 0;
      for (size_t i = 0; i < SHAPES; i++) {
        make_previous(&shapes[i]);
        plan(&shapes[i], policy, 1); /* something to measure and to check */
        size_t bytes = stack_of(function, policy, &shapes[i]);
        most = bytes > most ? bytes : most;
      }
      printf("stack %s%s%s %zu\n", functions[function], function ? "" : "/", function ? "" : policies[policy], most);
    }
}

int main(int argc, char **argv) {
  if (argc == 2 && !strcmp(argv[1], "workspace")) return print_workspaces(), 0;
  if (argc == 2 && !strcmp(argv[1], "stack")) return print_stacks(), 0;
  if (argc == 2 && !strcmp(argv[1], "list")) {
    for (size_t i = 0; i < SHAPES; i++)
      for (size_t k = 0; k < POLICIES; k++) printf("%s %s\n", shapes[i].name, policies[k]);
    for (size_t i = 0; i < SHAPES; i++)
      printf("%s dispatch\n%s dispatch_sources\n%s replicate\n%s previous\n%s number\n", shapes[i].name, shapes[i].name,
             shapes[i].name, shapes[i].name, shapes[i].name);
    return 0;
  }
  for (size_t i = 0; argc == 5 && !strcmp(argv[1], "plan") && i < SHAPES; i++)
    for (uint32_t k = 0; k < POLICIES; k++)
      if (!strcmp(argv[2], shapes[i].name) && !strcmp(argv[3], policies[k])) return plan(&shapes[i], k, atol(argv[4])), 0;
  for (size_t i = 0; argc == 5 && !strcmp(argv[1], "plan") && i < SHAPES; i++)
    if (!strcmp(argv[2], shapes[i].name) && !strcmp(argv[3], "previous"))
      return plan_from(&shapes[i], atol(argv[4])), 0;
    else if (!strcmp(argv[2], shapes[i].name) && !strcmp(argv[3], "number"))
      return number(&shapes[i], atol(argv[4])), 0;
    else if (!strcmp(argv[2], shapes[i].name) && !strcmp(argv[3], "replicate"))
      return replicates(&shapes[i], atol(argv[4])), 0;
    else if (!strcmp(argv[2], shapes[i].name) && !strncmp(argv[3], "dispatch", 8))
      return dispatch(&shapes[i], argv[3][8] == '_', atol(argv[4])), 0;
  fprintf(stderr, "usage: %s workspace | stack | list | plan SHAPE POLICY N\n", argv[0]);
  return 1;
}
