/*
 * The same problems on every machine: plans them with every policy, checks and measures the plans, and
 * prints a line for each. Lines that start with "plan" must be the same everywhere; run.sh compares them.
 * Needs target.h and the four memory functions, nothing else.
 */
#include "eplb.h"
#include "eplb.h"
#include "target.h"
#include "vectors.h" /* made by vectors.sh */

enum {
  MAX_LAYERS = 3,
  MAX_EXPERTS = 256,
  MAX_SLOTS = 320,
  MAX_GPUS = 144,
  MAX_GROUPS = 16,
  MAX_NODES = 8,
  MAX_LAYER_EXPERTS = 512, /* L * E */
  MAX_LAYER_SLOTS = 640,
  MAX_TABLE = 4096, /* L * E * (P - E + 1): wider tables are not asked for */
  MAX_BATCH = 3328, /* L * G * E and L * G * P: larger batches have no sources */
  POLICIES = 8,
  GENERATED = 300,
  WINDOWS = 5, /* of those that have several */
  MAX_LINES = 500 * POLICIES
};

/* --- the problems ---------------------------------------------------------------------------------- */

typedef enum loads { UNIFORM, SKEWED, EQUAL, ZERO, ONE_HOT, HUGE_LOADS, SUBNORMAL, MIXED, VECTOR } loads;
enum { SPEEDS = 1, UNEVEN = 2, DEAD = 4, DRIFT = 8 };

typedef struct shape {
  uint32_t layers, experts, slots, gpus, groups, nodes, scope;
  loads loads;
  unsigned extras;
} shape;

static const shape fixed[] = {
    /* L, E, P, G, K, N */
    {3, 64, 72, 8, 1, 1, EPLB_SCOPE_AUTO, SKEWED, 0},
    {1, 64, 72, 8, 1, 1, EPLB_SCOPE_GLOBAL, UNIFORM, 0},
    {3, 64, 80, 8, 8, 4, EPLB_SCOPE_HIERARCHICAL, SKEWED, 0},
    {2, 256, 288, 32, 1, 1, EPLB_SCOPE_GLOBAL, SKEWED, 0},
    {2, 256, 288, 32, 8, 4, EPLB_SCOPE_HIERARCHICAL, SKEWED, 0},
    {1, 256, 288, 72, 1, 1, EPLB_SCOPE_GLOBAL, SKEWED, 0},
    {1, 256, 288, 144, 1, 1, EPLB_SCOPE_GLOBAL, UNIFORM, 0},
    {1, 256, 320, 64, 8, 8, EPLB_SCOPE_AUTO, UNIFORM, 0},
    {1, 128, 160, 32, 1, 1, EPLB_SCOPE_GLOBAL, SKEWED, 0},
    {1, 60, 64, 64, 1, 1, EPLB_SCOPE_GLOBAL, SKEWED, 0},
    {1, 16, 16, 4, 1, 1, EPLB_SCOPE_GLOBAL, UNIFORM, 0},
    {1, 1, 1, 1, 1, 1, EPLB_SCOPE_GLOBAL, UNIFORM, 0},
    {1, 8, 64, 8, 1, 1, EPLB_SCOPE_GLOBAL, SKEWED, 0},
    {2, 64, 80, 16, 1, 1, EPLB_SCOPE_GLOBAL, SKEWED, SPEEDS},
    {2, 64, 72, 8, 1, 1, EPLB_SCOPE_GLOBAL, SKEWED, UNEVEN},
    {2, 64, 96, 8, 1, 1, EPLB_SCOPE_GLOBAL, SKEWED, DEAD},
    {2, 64, 96, 8, 8, 4, EPLB_SCOPE_HIERARCHICAL, SKEWED, SPEEDS | UNEVEN | DEAD},
    {2, 64, 72, 8, 1, 1, EPLB_SCOPE_GLOBAL, EQUAL, 0},
    {2, 64, 72, 8, 1, 1, EPLB_SCOPE_GLOBAL, ZERO, 0},
    {2, 64, 72, 8, 1, 1, EPLB_SCOPE_GLOBAL, ONE_HOT, 0},
    {2, 64, 72, 8, 1, 1, EPLB_SCOPE_GLOBAL, HUGE_LOADS, 0},
    {2, 64, 72, 8, 1, 1, EPLB_SCOPE_GLOBAL, SUBNORMAL, 0},
    {2, 64, 72, 8, 1, 1, EPLB_SCOPE_GLOBAL, MIXED, 0},
    {2, 64, 80, 8, 8, 4, EPLB_SCOPE_HIERARCHICAL, SUBNORMAL, SPEEDS},
    {2, 64, 80, 8, 8, 4, EPLB_SCOPE_HIERARCHICAL, SUBNORMAL, 0},
    {2, 64, 80, 8, 8, 4, EPLB_SCOPE_HIERARCHICAL, MIXED, 0},
    {2, 64, 64, 16, 8, 4, EPLB_SCOPE_HIERARCHICAL, SUBNORMAL, 0},
    {1, 256, 288, 32, 1, 1, EPLB_SCOPE_GLOBAL, SUBNORMAL, 0},
    {2, 64, 80, 8, 1, 1, EPLB_SCOPE_GLOBAL, SKEWED, DRIFT},
    {1, 256, 288, 32, 1, 1, EPLB_SCOPE_GLOBAL, UNIFORM, DRIFT},
    {2, 64, 96, 8, 8, 4, EPLB_SCOPE_HIERARCHICAL, MIXED, DRIFT | SPEEDS | DEAD},
    {2, 64, 80, 8, 1, 1, EPLB_SCOPE_GLOBAL, SUBNORMAL, DRIFT | UNEVEN},
};

static uint32_t seed;
static const float *next_vector_load; /* of the shape with VECTOR loads that comes next */

/* Numerical Recipes' generator; the low bits are poor, so they are dropped. */
static uint32_t random_bits(void) {
  seed = seed * 1664525u + 1013904223u;
  return seed >> 8;
}
static uint32_t between(uint32_t low, uint32_t high) { return low + random_bits() % (high - low + 1); }

/* A small shape of any kind; also some that are refused, which must be so everywhere. */
static shape generated(void) {
  shape s;
  s.nodes = between(1, 4);
  s.gpus = s.nodes * between(1, 4);
  s.groups = s.nodes * between(1, 3);
  s.experts = s.groups * between(1, 6);
  s.slots = (s.experts + s.gpus - 1) / s.gpus * s.gpus + s.gpus * between(0, 3);
  s.layers = between(1, 2);
  s.scope = between(0, 2);
  s.loads = (loads)between(UNIFORM, MIXED);
  if (between(0, 1)) s.loads = SKEWED;
  s.extras = between(0, 2) ? 0 : between(0, 7);
  return s;
}

/* --- a call ---------------------------------------------------------------------------------------- */

static float load[WINDOWS * MAX_LAYER_EXPERTS], weight[MAX_LAYERS * WINDOWS], speed[MAX_GPUS];
static uint32_t slots_of[MAX_GPUS];
static uint8_t state[MAX_GPUS];
static int32_t physical_to_logical[MAX_LAYER_SLOTS], replica_rank[MAX_LAYER_SLOTS], logical_count[MAX_LAYER_EXPERTS],
    logical_to_physical[MAX_TABLE];
static eplb_metrics planned[MAX_LAYERS], measured[MAX_LAYERS];
static uint64_t workspace[EPLB_WORKSPACE_BOUND_WINDOWS(MAX_EXPERTS, MAX_SLOTS, MAX_GPUS, MAX_GROUPS, MAX_NODES,
                                                       WINDOWS) /
                          sizeof(uint64_t)];

static int32_t before[MAX_LAYER_SLOTS];
static uint8_t lost[MAX_GPUS];
static eplb_transfer transfers[2 * MAX_LAYER_SLOTS];
static eplb_transfer_totals moves;
static eplb_gate_layer gate_layers[MAX_LAYERS];
static eplb_gate_state gate_states[MAX_LAYERS];
static eplb_gate_verdict verdicts[MAX_LAYERS];

static eplb_problem problem;
static eplb_options options;
static eplb_placement placement;
static uint32_t tokens[MAX_BATCH], quota[MAX_BATCH];
static eplb_split splits[MAX_LAYERS];
static eplb_batch batch;
static eplb_quotas quotas;
static eplb_replication request;
static eplb_replicas replicas;
static eplb_fetch fetches[MAX_LAYER_SLOTS];
static eplb_replicated replicated[MAX_LAYERS];
static int32_t filled[MAX_LAYER_SLOTS];
static eplb_violation violation;
static uint64_t digest;
static size_t size, align;

static int32_t query(void) { return eplb_workspace(EPLB_OPERATION_PLAN, &problem, &options, &size, &align); }
static int32_t plan(void) {
  return eplb_plan(&problem, &options, workspace, size, &placement, planned, sizeof planned[0]);
}
static int32_t evaluate(void) {
  return eplb_evaluate(&problem, &options, workspace, sizeof workspace, &placement, measured, sizeof measured[0]);
}
static int32_t check(void) {
  return eplb_check(&problem, &options, workspace, sizeof workspace, &placement, &violation, sizeof violation);
}
static int32_t dispatch(void) {
  return eplb_dispatch(&problem, &options, workspace, sizeof workspace, &placement, &batch, &quotas);
}
static int32_t replicate(void) {
  return eplb_replicate(&problem, &options, workspace, sizeof workspace, &placement, &request, &replicas);
}
static int32_t move(void) {
  eplb_options o = EPLB_OPTIONS_INIT;
  eplb_transfer_list l = EPLB_TRANSFER_LIST_INIT;
  eplb_placement from = eplb_placement_of(before);
  o.flags = EPLB_FLAG_EXTERNAL_SOURCE;
  l.transfers = transfers;
  l.capacity = sizeof transfers / sizeof transfers[0];
  l.totals = &moves;
  return eplb_transfers(&problem, &o, workspace, sizeof workspace, &from, &placement, 1, &l);
}
static uint32_t in_seconds;
static int32_t decide(void) {
  eplb_gate_config config = EPLB_GATE_CONFIG_INIT;
  config.num_layers = problem.num_layers;
  config.num_gpus = problem.num_gpus;
  config.flags = in_seconds;
  config.step_seconds = 0.05;
  config.steps = config.steps_since = 3000;
  config.bytes_per_expert = 24 << 20;
  config.gpu_bandwidth = 50e9;
  for (uint32_t i = 0; i < problem.num_layers; i++) {
    eplb_gate_layer layer = {1, 2, 0, 10000, 10, 3, 0, 0};
    layer.after = layer.now * (double)(i + 1) / (double)(i + 2);
    gate_layers[i] = layer;
  }
  return eplb_gate(&config, gate_layers, sizeof gate_layers[0], gate_states, sizeof gate_states[0], verdicts,
                   sizeof verdicts[0], NULL, 0);
}
static int32_t hash(void) { return eplb_digest(&problem, &placement, &digest); }
static int32_t number(void) { return eplb_number(&problem, &placement); }

static char sentence[400]; /* none is longer */
static uint32_t explained;  /* operation */
static int32_t explain(void) {
  size_t told = eplb_explain(explained, &problem, &options, &placement, sentence, sizeof sentence);
  return told > 0 && told < sizeof sentence ? EPLB_STATUS_OK : EPLB_STATUS_ARRAY_LENGTH;
}

static float float_of(uint32_t bits) {
  union {
    uint32_t bits;
    float value;
  } both;
  both.bits = bits;
  return both.value;
}

/* Integers below 2^24 and bit patterns: no rounding, so the loads are the same everywhere. */
static float load_of(loads kind, uint32_t expert) {
  uint32_t bits = random_bits();
  switch (kind) {
    case UNIFORM: return (float)(bits % 1000 + 1);
    case SKEWED: return (float)((bits >> between(0, 15)) + 1);
    case EQUAL: return 100;
    case ZERO: return bits & 1 ? 0.0f : float_of(0x80000000u); /* -0.0 is 0 too */
    case ONE_HOT: return expert == 3 ? 4096.0f : 0.0f;
    case HUGE_LOADS: return float_of((between(200, 240) << 23) | bits >> 1);
    case SUBNORMAL: return float_of(bits >> 2);
    case VECTOR: return *next_vector_load++;
    default: return bits & 1 ? float_of(bits >> 2) : (float)bits;
  }
}

static void set_up(const shape *s) {
  eplb_problem p = EPLB_PROBLEM_INIT;
  eplb_options o = EPLB_OPTIONS_INIT;
  eplb_placement out = EPLB_PLACEMENT_INIT;
  uint32_t even = s->slots / s->gpus;
  p.num_windows = s->extras & DRIFT ? WINDOWS : 1;
  p.num_layers = s->layers;
  p.num_logical_experts = s->experts;
  p.num_physical_experts = s->slots;
  p.num_groups = s->groups;
  p.num_nodes = s->nodes;
  p.num_gpus = s->gpus;
  p.load = load;
  for (uint32_t i = 0; i < p.num_windows * s->layers * s->experts; i++) load[i] = load_of(s->loads, i % s->experts);
  if (s->extras & DRIFT) {
    for (uint32_t i = 0; i < s->layers * WINDOWS; i++) weight[i] = (float)(i % WINDOWS) / 2; /* the first is out */
    p.window_weight = weight;
  }
  for (uint32_t g = 0; g < s->gpus; g++) {
    speed[g] = (float)between(2, 5) / 4;
    /* neighbours give and take a slot */
    slots_of[g] = g + 1 == s->gpus && s->gpus % 2 ? even : g % 2 ? even + 1 : even - 1;
    state[g] = g == 2 ? EPLB_GPU_DEAD : g == 5 ? EPLB_GPU_LEAVING : EPLB_GPU_ALIVE;
  }
  if (s->extras & SPEEDS) p.gpu_speed = speed;
  if (s->extras & UNEVEN) p.gpu_slots = slots_of;
  if (s->extras & DEAD) p.gpu_state = state;
  o.scope = s->scope;
  out.physical_to_logical = physical_to_logical;
  out.replica_rank = replica_rank;
  out.logical_count = logical_count;
  out.max_replicas = s->slots - s->experts + 1;
  if (s->layers * s->experts * out.max_replicas <= MAX_TABLE) out.logical_to_physical = logical_to_physical;
  problem = p;
  options = o;
  placement = out;
}

static int fits(const shape *s) {
  return s->layers <= MAX_LAYERS && s->experts <= MAX_EXPERTS && s->slots <= MAX_SLOTS && s->gpus <= MAX_GPUS &&
         s->groups <= MAX_GROUPS && s->nodes <= MAX_NODES && s->layers * s->experts <= MAX_LAYER_EXPERTS &&
         s->layers * s->slots <= MAX_LAYER_SLOTS;
}

/* --- the stack, painted ---------------------------------------------------------------------------- */

enum { FRAME = 256, PAINT = 0xA5 }; /* FRAME: more than the frame of call() itself */

/* Calls, and notes the deepest byte of the stack that the call wrote to. */
__attribute__((noinline)) static int32_t call(int32_t (*function)(void), size_t *deepest) {
  unsigned char *here = __builtin_frame_address(0);
  for (volatile unsigned char *p = target_stack; p < here - FRAME; p++) *p = PAINT;
  int32_t status = function();
  volatile unsigned char *p = target_stack;
  while (p < here && *p == PAINT) p++;
  if ((size_t)(here - p) > *deepest) *deepest = (size_t)(here - p);
  return status;
}

static struct {
  size_t query, balanced, others, previous, seconds, evaluate, check, digest, dispatch, replicate, load, weights, forecast, transfers, gate,
      number, explain;
} deepest;

/* --- lines ----------------------------------------------------------------------------------------- */

static char line[320];
static size_t length;

static void put(const char *text) {
  while (*text != 0 && length + 1 < sizeof line) line[length++] = *text++;
}
static void put_number(int64_t signed_value) {
  char digits[21];
  size_t at = sizeof digits - 1;
  uint64_t value = signed_value < 0 ? -(uint64_t)signed_value : (uint64_t)signed_value;
  digits[at] = 0;
  do digits[--at] = (char)('0' + value % 10);
  while ((value /= 10) != 0);
  if (signed_value < 0) put("-");
  put(digits + at);
}
static void put_hex(uint64_t value) {
  char digits[17];
  for (int i = 15; i >= 0; i--, value >>= 4) digits[i] = "0123456789abcdef"[value & 15];
  digits[16] = 0;
  put(digits);
}
static void field(const char *name, int64_t value) {
  put(name);
  put_number(value);
}
static void end_line(void) {
  put("\n");
  line[length] = 0;
  target_write(line);
  length = 0;
}

/* FNV-1a over everything that was written. */
static uint64_t fold(uint64_t hash_so_far, const void *bytes, size_t count) {
  const unsigned char *p = bytes;
  while (count--) hash_so_far = (hash_so_far ^ *p++) * UINT64_C(0x100000001b3);
  return hash_so_far;
}
static uint64_t fold_outputs(void) {
  size_t layers = problem.num_layers, experts = problem.num_logical_experts, slots = problem.num_physical_experts;
  uint64_t all = UINT64_C(0xcbf29ce484222325);
  all = fold(all, physical_to_logical, layers * slots * sizeof(int32_t));
  all = fold(all, replica_rank, layers * slots * sizeof(int32_t));
  all = fold(all, logical_count, layers * experts * sizeof(int32_t));
  if (placement.logical_to_physical != NULL)
    all = fold(all, logical_to_physical, layers * experts * placement.max_replicas * sizeof(int32_t));
  return fold(all, planned, layers * sizeof planned[0]);
}

static int failed;

static void fail(const char *what) {
  put("FAILED ");
  put(what);
  end_line();
  failed = 1;
}

/* The other maps once more, from the first. BALANCED numbers as eplb_number does. */
static uint64_t fold_numbers(uint64_t all, uint32_t policy) {
  uint64_t planned_maps = fold_outputs();
  if (call(number, &deepest.number) != EPLB_STATUS_OK) fail("eplb_number");
  uint64_t numbered = fold_outputs();
  if (policy == EPLB_POLICY_BALANCED && numbered != planned_maps) fail("numbers of eplb_number");
  return fold(all, &numbered, sizeof numbered);
}

/* What is said about the last call, and about two that are wrong in the last load and in the last slot. */
static uint64_t fold_sentences(uint64_t all, const shape *s, int32_t planning) {
  float *last = &load[problem.num_windows * s->layers * s->experts - 1], kept = *last;
  int32_t *slot = &physical_to_logical[s->layers * s->slots - 1], held = *slot;
  for (int way = 0; way < 3; way++) {
    explained = way < 2 ? EPLB_OPERATION_PLAN : EPLB_OPERATION_NUMBER;
    *last = way == 1 ? -0.1f : kept;
    *slot = way == 2 ? -7 : held;
    if (way == 2 && planning != EPLB_STATUS_OK) break; /* then nothing is said of a placement */
    if (call(explain, &deepest.explain) != EPLB_STATUS_OK) fail("eplb_explain");
    for (size_t i = 0; sentence[i] != 0; i++) all = fold(all, &sentence[i], 1);
  }
  *last = kept;
  *slot = held;
  return all;
}

/* Splits a batch over the plan, with sources or without, and folds what comes out. */
static uint64_t fold_dispatch(uint64_t all, const shape *s, int with_sources) {
  uint32_t rows = with_sources ? s->gpus : 1;
  eplb_batch b = EPLB_BATCH_INIT;
  eplb_quotas q = EPLB_QUOTAS_INIT;
  if (s->layers * rows * s->slots > MAX_BATCH) return all;
  for (uint32_t i = 0; i < s->layers * rows * s->experts; i++) {
    uint32_t bits = (i + 1) * 2654435761u, row = i / s->experts % rows;
    int silent = with_sources && (s->extras & DEAD) && state[row] == EPLB_GPU_DEAD;
    tokens[i] = silent ? 0 : bits % 97 < 12 ? bits >> 20 : bits >> 27;
  }
  b.num_sources = with_sources ? rows : 0;
  b.tokens = tokens;
  q.quota = quota;
  q.per_layer = splits;
  q.split_size = sizeof splits[0];
  batch = b;
  quotas = q;
  if (call(dispatch, &deepest.dispatch) != EPLB_STATUS_OK) fail("eplb_dispatch");
  all = fold(all, quota, s->layers * rows * s->slots * sizeof quota[0]);
  return fold(all, splits, s->layers * sizeof splits[0]);
}

/* Copies for a batch in the slots of all but the first replicas, with sources or without, and folds what comes out. */
static uint64_t fold_replicate(uint64_t all, const shape *s, int with_sources) {
  eplb_replication r = EPLB_REPLICATION_INIT;
  eplb_replicas out = EPLB_REPLICAS_INIT;
  uint32_t rows = with_sources ? s->gpus : 1, slots = s->layers * s->slots;
  if (slots * rows > MAX_BATCH) return all;
  for (uint32_t i = 0; i < slots; i++) {
    before[i] = physical_to_logical[i]; /* as it was when homes are done */
    if (replica_rank[i] > 0) physical_to_logical[i] = -1;
  }
  r.num_sources = batch.num_sources; /* of the batch that has been split */
  r.tokens = tokens;
  r.held = before;
  r.tolerance = 10;
  r.max_fetches_out = 2;
  out.physical_to_logical = filled;
  out.quota = quota;
  out.fetches = fetches;
  out.capacity = sizeof fetches / sizeof fetches[0];
  out.per_layer = replicated;
  uint32_t effort = options.effort;
  options.effort = 500; /* these machines are slow */
  for (int is_held = 0; is_held < 2; is_held++) {
    if (!is_held) r.held = NULL;
    request = r;
    replicas = out;
    r.held = before;
    if (call(replicate, &deepest.replicate) != EPLB_STATUS_OK) fail("eplb_replicate");
    all = fold(all, filled, slots * sizeof filled[0]);
    all = fold(all, quota, slots * rows * sizeof quota[0]);
    all = fold(all, replicated, s->layers * sizeof replicated[0]);
    uint32_t count = 0;
    for (uint32_t layer = 0; layer < s->layers; layer++) count += replicated[layer].fetches;
    all = fold(all, fetches, count * sizeof fetches[0]);
  }
  options.effort = effort;
  for (uint32_t i = 0; i < slots; i++) physical_to_logical[i] = before[i];
  return all;
}

/* The loads of every layer and window, last expert first. */
static void reverse_loads(void) {
  uint32_t experts = problem.num_logical_experts;
  for (uint32_t row = 0; row < problem.num_windows * problem.num_layers; row++)
    for (uint32_t e = 0; e < experts / 2; e++) {
      float *one = &load[row * experts + e], *other = &load[row * experts + experts - 1 - e], kept = *one;
      *one = *other;
      *other = kept;
    }
}

/* Plans other loads from the plan that was just made: without a limit, with one, with one and a dead GPU. */
static uint64_t fold_previous(uint64_t all, const shape *s) {
  eplb_problem as_it_was = problem;
  size_t size_before = size;
  for (uint32_t i = 0; i < s->layers * s->slots; i++) before[i] = physical_to_logical[i];
  for (uint32_t g = 0; g < s->gpus; g++) lost[g] = g == 1 ? EPLB_GPU_DEAD : problem.gpu_state ? state[g] : EPLB_GPU_ALIVE;
  reverse_loads();
  options.previous = before;
  options.flags = EPLB_FLAG_EXTERNAL_SOURCE;
  for (int way = 0; way < 3; way++) {
    options.max_moves = way > 0 ? 2 + s->slots / 6 : 0;
    options.max_moves_per_gpu_pair = way > 1;
    options.target = way > 1 ? 59000 : 0;
    if (way > 1) problem.gpu_state = lost;
    int32_t planning = call(query, &deepest.query);
    /* renaming takes a word for each pair of GPUs: too much for the array where there are most */
    if (planning == EPLB_STATUS_OK && size > sizeof workspace) planning = EPLB_STATUS_WORKSPACE_TOO_SMALL;
    if (planning == EPLB_STATUS_OK) planning = call(plan, &deepest.previous);
    all = fold(all, &planning, sizeof planning);
    if (planning != EPLB_STATUS_OK) continue;
    if (check() != EPLB_STATUS_OK) fail("eplb_check of a plan from a placement");
    for (uint32_t i = 0; way > 0 && i < s->layers; i++)
      if (planned[i].moved_slots > options.max_moves) fail("max_moves");
    uint64_t outputs = fold_outputs();
    all = fold(all, &outputs, sizeof outputs);
  }
  reverse_loads();
  problem = as_it_was;
  options.previous = NULL;
  options.max_moves = options.max_moves_per_gpu_pair = options.target = options.flags = 0;
  size = size_before;
  return all;
}

/* The same loads in seconds, where reading an expert takes as long as some tokens do: a plan, what it takes and how a
 * batch is split over it; then from another placement within a limit. */
static uint64_t fold_seconds(uint64_t all, const shape *s) {
  static const float steps[WINDOWS] = {64, 4096, 512, 16, 65536};
  eplb_cost cost = EPLB_COST_INIT;
  eplb_problem as_it_was = problem;
  size_t size_before = size;
  cost.token_seconds = 0.0945e-6;
  cost.expert_seconds = 11.5e-6;
  cost.layer_seconds = 18e-6;
  problem.cost = &cost;
  problem.step_tokens = steps;
  for (int way = 0; way < 2; way++) {
    options.previous = way > 0 ? before : NULL;
    options.max_moves = way > 0 ? 2 + s->slots / 6 : 0;
    options.flags = way > 0 ? EPLB_FLAG_EXTERNAL_SOURCE : 0;
    int32_t planning = call(query, &deepest.query);
    if (planning == EPLB_STATUS_OK && size > sizeof workspace) planning = EPLB_STATUS_WORKSPACE_TOO_SMALL;
    if (planning == EPLB_STATUS_OK) planning = call(plan, &deepest.seconds);
    all = fold(all, &planning, sizeof planning);
    if (planning != EPLB_STATUS_OK) continue;
    if (check() != EPLB_STATUS_OK) fail("eplb_check of a plan in seconds");
    uint64_t outputs = fold_outputs();
    all = fold_dispatch(fold(all, &outputs, sizeof outputs), s, 0);
  }
  problem = as_it_was;
  options.previous = NULL;
  options.max_moves = options.flags = 0;
  size = size_before;
  return all;
}

/* --- the run --------------------------------------------------------------------------------------- */

static const char *const load_names[] = {"uniform", "skewed", "equal", "zero", "one-hot", "huge", "subnormal", "mixed",
                                         "vector"};

static uint32_t seen[MAX_LINES]; /* what the outputs of each line folded to */
static size_t lines, differ;

/* Plans a shape with every policy. The first time prints a line each; with flush-to-zero says what differs. */
static void run(const shape *s, int flushing) {
  if (!fits(s)) {
    fail("a shape does not fit the arrays");
    return;
  }
  set_up(s);
  for (uint32_t policy = 0; policy < POLICIES; policy++, lines++) {
    /* the compatibility policies promise their bytes for loads without subnormals */
    if (flushing && policy != EPLB_POLICY_BALANCED && (s->loads == SUBNORMAL || s->loads == MIXED)) continue;
    options.policy = policy;
    size = 0;
    digest = 0;
    int32_t planning = call(query, &deepest.query), checking = 0, measuring = 0;
    if (planning == EPLB_STATUS_OK) {
      size_t bound = EPLB_WORKSPACE_BOUND_GROUPS(s->experts, s->slots, s->gpus, s->groups, s->nodes);
      if (s->extras & (SPEEDS | UNEVEN))
        bound = EPLB_WORKSPACE_BOUND_UNEVEN(s->experts, s->slots, s->gpus, s->groups, s->nodes);
      if (problem.num_windows > 1)
        bound = EPLB_WORKSPACE_BOUND_WINDOWS(s->experts, s->slots, s->gpus, s->groups, s->nodes, problem.num_windows);
      if (size > bound) fail("bound");
      planning = call(plan, policy == EPLB_POLICY_BALANCED ? &deepest.balanced : &deepest.others);
    }
    uint64_t all = (uint64_t)(int64_t)planning;
    if (planning == EPLB_STATUS_OK) {
      checking = call(check, &deepest.check);
      measuring = call(evaluate, &deepest.evaluate);
      if (call(hash, &deepest.digest) != EPLB_STATUS_OK) fail("eplb_digest");
      if (checking != EPLB_STATUS_OK) fail("eplb_check");
      if (measuring != EPLB_STATUS_OK || fold(0, planned, s->layers * sizeof planned[0]) !=
                                             fold(0, measured, s->layers * sizeof measured[0]))
        fail("eplb_evaluate");
      all = fold_outputs();
      for (int with_sources = 0; with_sources < 2; with_sources++) {
        all = fold_dispatch(all, s, with_sources);
        if (policy == EPLB_POLICY_BALANCED) all = fold_replicate(all, s, with_sources);
      }
      all = fold_numbers(all, policy);
    }
    all = fold_sentences(all, s, planning);
    if (planning == EPLB_STATUS_OK && policy == EPLB_POLICY_BALANCED) {
      for (uint32_t i = 0; i < s->layers * s->slots; i++) before[i] = (int32_t)(i % s->slots % s->experts);
      for (uint32_t i = 0; i < MAX_LAYERS; i++) gate_states[i] = (eplb_gate_state){0, 0, 0};
      int32_t moving = call(move, &deepest.transfers);
      all = fold(all, &moving, sizeof moving);
      if (moving == EPLB_STATUS_OK) all = fold(all, transfers, moves.count * sizeof transfers[0]);
      for (in_seconds = 0; in_seconds <= EPLB_GATE_SECONDS; in_seconds++) {
        if (call(decide, &deepest.gate) != EPLB_STATUS_OK) fail("eplb_gate");
        all = fold(all, verdicts, s->layers * sizeof verdicts[0]);
      }
      all = fold_seconds(fold_previous(all, s), s);
    }
    uint32_t folded = (uint32_t)(all ^ all >> 32);
    if (lines >= MAX_LINES) fail("too many lines");
    if (lines >= MAX_LINES || (flushing && seen[lines] == folded)) continue;
    if (flushing) differ++;
    seen[lines] = folded;
    put(flushing ? "flush " : "plan ");
    put_number(s->experts);
    field("-", s->slots);
    field("-", s->gpus);
    field(" layers=", s->layers);
    field(" groups=", s->groups);
    field(" nodes=", s->nodes);
    field(" scope=", s->scope);
    put(" ");
    put(load_names[s->loads]);
    if (s->extras & SPEEDS) put("+speeds");
    if (s->extras & UNEVEN) put("+uneven");
    if (s->extras & DEAD) put("+dead");
    if (s->extras & DRIFT) put("+drift");
    field(" policy=", policy);
    field(" status=", planning);
    field(" workspace=", (int64_t)size);
    put(" digest=");
    put_hex(digest);
    put(" outputs=");
    put_hex(all);
    end_line();
  }
}

#include "loads.h"

static void run_all(int flushing) {
  seed = 2026;
  lines = 0;
  for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++) run(&fixed[i], flushing);
  for (int i = 0; i < GENERATED; i++) {
    shape s = generated();
    run(&s, flushing);
  }
  next_vector_load = vector_loads;
  for (size_t i = 0; i < sizeof vector_shapes / sizeof vector_shapes[0]; i++) {
    shape s = {vector_shapes[i].layers, vector_shapes[i].experts, vector_shapes[i].slots, vector_shapes[i].gpus,
               vector_shapes[i].groups, vector_shapes[i].nodes,   EPLB_SCOPE_AUTO,        VECTOR,
               0};
    run(&s, flushing);
  }
  run_loads(flushing);
}

int program(void) {
  run_all(0);
  put("lines ");
  put_number((int64_t)lines);
  end_line();
  if (target_flush_to_zero(1)) {
    run_all(1);
    target_flush_to_zero(0);
    put("flush-to-zero differs in ");
    put_number((int64_t)differ);
    end_line();
    if (differ != 0) failed = 1;
  }
  put("stack");
  field(" workspace=", (int64_t)deepest.query);
  field(" plan_balanced=", (int64_t)deepest.balanced);
  field(" plan_others=", (int64_t)deepest.others);
  field(" plan_previous=", (int64_t)deepest.previous);
  field(" plan_seconds=", (int64_t)deepest.seconds);
  field(" evaluate=", (int64_t)deepest.evaluate);
  field(" check=", (int64_t)deepest.check);
  field(" digest=", (int64_t)deepest.digest);
  field(" dispatch=", (int64_t)deepest.dispatch);
  field(" replicate=", (int64_t)deepest.replicate);
  field(" tracker=", (int64_t)deepest.load);
  field(" window_weights=", (int64_t)deepest.weights);
  field(" forecast=", (int64_t)deepest.forecast);
  field(" transfers=", (int64_t)deepest.transfers);
  field(" gate=", (int64_t)deepest.gate);
  field(" number=", (int64_t)deepest.number);
  field(" explain=", (int64_t)deepest.explain);
  end_line();
  put(failed ? "FAILED" : "passed");
  end_line();
  return failed;
}
