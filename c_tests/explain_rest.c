/* The sentences of the functions with arguments of their own: dispatch, replicate, transfers,
 * gate, tracker, windows, number. */
#include "sentence.h"

/* Changes one thing in a fresh set of arguments: the function must refuse it, say these words, and touch nothing. */
#define SAYS(type, status, words, ...)                                                  \
  do {                                                                                  \
    static type c; /* what is compared starts as zeroes, padding as well */             \
    memset(&c, 0, sizeof c);                                                            \
    type##_init(&c);                                                                    \
    __VA_ARGS__;                                                                        \
    static type before;                                                                 \
    memcpy(&before, &c, sizeof c);                                                      \
    check_equal(type##_run(&c), status, __FILE__, __LINE__, #__VA_ARGS__);              \
    check_sentence(type##_explain(&c, said, sizeof said), status, words, __LINE__, #__VA_ARGS__); \
    CHECK_BUFFERS(__LINE__, #__VA_ARGS__, type##_AGAIN);                                \
    before.scratch = c.scratch;                                                         \
    check((status) == EPLB_STATUS_OK || memcmp(&before, &c, sizeof c) == 0, __FILE__, __LINE__, #__VA_ARGS__); \
  } while (0)

typedef struct scratch {
  uint64_t words[512];
} scratch;

enum { LAYERS = 2, EXPERTS = 3, SLOTS = 4, GPUS = 2 };
static const int32_t old_slots[LAYERS * SLOTS] = {0, 1, 1, 2, 0, 1, 1, 2};
static const int32_t new_slots[LAYERS * SLOTS] = {0, 1, 0, 2, 0, 1, 1, 2};

static eplb_problem small_problem(void) {
  eplb_problem p = EPLB_PROBLEM_INIT;
  p.num_layers = LAYERS;
  p.num_logical_experts = EXPERTS;
  p.num_physical_experts = SLOTS;
  p.num_gpus = GPUS;
  return p;
}

/* --- dispatch ---------------------------------------------------------------------------------------- */

typedef struct dispatch {
  eplb_problem problem;
  eplb_options options;
  eplb_placement placement;
  eplb_batch batch;
  eplb_quotas out;
  int32_t slots[LAYERS * SLOTS];
  uint32_t tokens[LAYERS * GPUS * EXPERTS], quota[LAYERS * GPUS * SLOTS], route_end[LAYERS * GPUS * EXPERTS * 2];
  int32_t route_slot[LAYERS * EXPERTS * 2];
  eplb_split split[LAYERS];
  uint8_t state[GPUS];
  size_t size;
  scratch scratch;
} dispatch;

static void dispatch_init(dispatch *c) {
  c->problem = small_problem();
  c->options = (eplb_options)EPLB_OPTIONS_INIT;
  c->placement = eplb_placement_of(c->slots);
  c->batch = (eplb_batch)EPLB_BATCH_INIT;
  c->batch.num_sources = GPUS;
  c->batch.tokens = c->tokens;
  c->out = (eplb_quotas)EPLB_QUOTAS_INIT;
  c->out.max_replicas = 2;
  c->out.quota = c->quota;
  c->out.route_end = c->route_end;
  c->out.route_slot = c->route_slot;
  c->out.per_layer = c->split;
  memcpy(c->slots, old_slots, sizeof old_slots);
  for (int i = 0; i < LAYERS * GPUS * EXPERTS; i++) c->tokens[i] = 5;
  c->size = sizeof c->scratch;
}
static int32_t dispatch_run(dispatch *c) {
  return eplb_dispatch(&c->problem, &c->options, c->scratch.words, c->size, &c->placement, &c->batch, &c->out);
}
static size_t dispatch_explain(dispatch *c, char *text, size_t size) {
  return eplb_explain_dispatch(&c->problem, &c->options, c->scratch.words, c->size, &c->placement, &c->batch, &c->out,
                               text, size);
}
#define dispatch_AGAIN(text, size) dispatch_explain(&c, text, size)

static void of_dispatch(void) {
  SAYS(dispatch, EPLB_STATUS_OK, "nothing is wrong", (void)0);
  SAYS(dispatch, EPLB_STATUS_NULL_POINTER, "batch.tokens is NULL", c.batch.tokens = NULL);
  SAYS(dispatch, EPLB_STATUS_NULL_POINTER, "out.quota is NULL", c.out.quota = NULL);
  SAYS(dispatch, EPLB_STATUS_STRUCT_SIZE, "batch.struct_size is 8|EPLB_BATCH_INIT", c.batch.struct_size = 8);
  SAYS(dispatch, EPLB_STATUS_STRUCT_SIZE, "out.struct_size is 8|EPLB_QUOTAS_INIT", c.out.struct_size = 8);
  SAYS(dispatch, EPLB_STATUS_STRUCT_SIZE, "out.split_size is 48|56", c.out.split_size = 48);
  SAYS(dispatch, EPLB_STATUS_OVERLAPPING_ARRAYS, "out.quota overlaps batch.tokens", c.out.quota = c.tokens);
  SAYS(dispatch, EPLB_STATUS_WORKSPACE_TOO_SMALL, "workspace_size is 8, this call needs ", c.size = 8);
  SAYS(dispatch, EPLB_STATUS_UNKNOWN_POLICY, "options.policy is 1000", c.options.policy = 1000);
  SAYS(dispatch, EPLB_STATUS_TOO_MANY_NODES, "problem.num_nodes is 3", c.problem.num_nodes = 3);
  SAYS(dispatch, EPLB_STATUS_DISPATCH_SOURCES, "batch.num_sources is 3|problem.num_gpus, 2", c.batch.num_sources = 3);
  SAYS(dispatch, EPLB_STATUS_PLACEMENT_EXPERT, "placement.physical_to_logical[layer 1][slot 3] is 7", c.slots[7] = 7);
  SAYS(dispatch, EPLB_STATUS_DISPATCH_NO_REPLICA, "batch.tokens has 10 for expert 2 of layer 1", c.slots[7] = 1);
  SAYS(dispatch, EPLB_STATUS_DISPATCH_DEAD_SOURCE, "batch.tokens[layer 1][gpu 1][expert 2] is 5, and GPU 1 is EPLB_GPU_DEAD",
       c.problem.gpu_state = c.state; c.state[1] = EPLB_GPU_DEAD; c.slots[1] = c.slots[5] = 2;
       memset(c.tokens, 0, sizeof c.tokens); c.tokens[3 * EXPERTS + 2] = 5);
  SAYS(dispatch, EPLB_STATUS_MAX_REPLICAS, "out.max_replicas is 1, expert 1 of layer 0 is on 2 GPUs", c.out.max_replicas = 1);
}

/* More tokens than a layer may have take a million experts that have 2^32 each. */
static void of_too_many_tokens(void) {
  enum { MANY = (1 << 20) + 2 };
  eplb_problem p = EPLB_PROBLEM_INIT;
  eplb_batch batch = EPLB_BATCH_INIT;
  eplb_quotas out = EPLB_QUOTAS_INIT;
  size_t size, align;
  p.num_layers = p.num_gpus = 1;
  p.num_logical_experts = p.num_physical_experts = MANY;
  int32_t *slots = allocate(MANY * sizeof *slots);
  uint32_t *tokens = allocate(MANY * sizeof *tokens), *quota = allocate(MANY * sizeof *quota);
  for (int i = 0; i < MANY; i++) slots[i] = i, tokens[i] = UINT32_MAX;
  eplb_placement placement = eplb_placement_of(slots);
  batch.tokens = tokens;
  out.quota = quota;
  CHECK_EQUAL(eplb_workspace(EPLB_OPERATION_DISPATCH, &p, NULL, &size, &align), EPLB_STATUS_OK);
  void *workspace = allocate(size);
  CHECK_EQUAL(eplb_dispatch(&p, NULL, workspace, size, &placement, &batch, &out), EPLB_STATUS_DISPATCH_TOKENS);
  size_t length = eplb_explain_dispatch(&p, NULL, workspace, size, &placement, &batch, &out, said, sizeof said);
  check_sentence(length, EPLB_STATUS_DISPATCH_TOKENS, "batch.tokens of layer 0 sum to 4503608216256510, above 2^52", __LINE__, "tokens");
  free(slots), free(tokens), free(quota), free(workspace);
}

/* --- replicate --------------------------------------------------------------------------------------- */

typedef struct replicate {
  eplb_problem problem;
  eplb_options options;
  eplb_placement home;
  eplb_replication request;
  eplb_replicas out;
  int32_t slots[LAYERS * SLOTS], held[LAYERS * SLOTS], filled[LAYERS * SLOTS];
  uint32_t tokens[LAYERS * GPUS * EXPERTS], quota[LAYERS * GPUS * SLOTS], route_end[LAYERS * GPUS * EXPERTS * 2];
  int32_t route_slot[LAYERS * EXPERTS * 2];
  eplb_fetch fetches[LAYERS];
  eplb_replicated found[LAYERS];
  uint8_t state[GPUS];
  eplb_cost cost;
  size_t size;
  scratch scratch;
} replicate;

static void replicate_init(replicate *c) {
  c->problem = small_problem();
  c->options = (eplb_options)EPLB_OPTIONS_INIT;
  c->home = eplb_placement_of(c->slots);
  c->request = (eplb_replication)EPLB_REPLICATION_INIT;
  c->request.num_sources = GPUS;
  c->request.tokens = c->tokens;
  c->request.held = c->held;
  c->out = (eplb_replicas)EPLB_REPLICAS_INIT;
  c->out.max_replicas = 2;
  c->out.physical_to_logical = c->filled;
  c->out.quota = c->quota;
  c->out.route_end = c->route_end;
  c->out.route_slot = c->route_slot;
  c->out.fetches = c->fetches;
  c->out.capacity = LAYERS;
  c->out.per_layer = c->found;
  c->cost = (eplb_cost)EPLB_COST_INIT;
  c->cost.token_seconds = 1e-6;
  memcpy(c->slots, old_slots, sizeof old_slots);
  c->slots[2] = c->slots[6] = -1; /* a spare slot on GPU 1 */
  memset(c->held, 0xff, sizeof c->held);
  for (int i = 0; i < LAYERS * GPUS * EXPERTS; i++) c->tokens[i] = 5;
  c->size = sizeof c->scratch;
}
static int32_t replicate_run(replicate *c) {
  return eplb_replicate(&c->problem, &c->options, c->scratch.words, c->size, &c->home, &c->request, &c->out);
}
static size_t replicate_explain(replicate *c, char *text, size_t size) {
  return eplb_explain_replicate(&c->problem, &c->options, c->scratch.words, c->size, &c->home, &c->request, &c->out, text,
                                size);
}
#define replicate_AGAIN(text, size) replicate_explain(&c, text, size)

static void of_replicate(void) {
  SAYS(replicate, EPLB_STATUS_OK, "nothing is wrong", (void)0);
  SAYS(replicate, EPLB_STATUS_NULL_POINTER, "request.tokens is NULL", c.request.tokens = NULL);
  SAYS(replicate, EPLB_STATUS_NULL_POINTER, "out.physical_to_logical is NULL", c.out.physical_to_logical = NULL);
  SAYS(replicate, EPLB_STATUS_NULL_POINTER, "out.quota is NULL", c.out.quota = NULL);
  SAYS(replicate, EPLB_STATUS_NULL_POINTER, "home.physical_to_logical is NULL", c.home.physical_to_logical = NULL);
  SAYS(replicate, EPLB_STATUS_STRUCT_SIZE, "request.struct_size is 8|EPLB_REPLICATION_INIT", c.request.struct_size = 8);
  SAYS(replicate, EPLB_STATUS_STRUCT_SIZE, "out.struct_size is 8|EPLB_REPLICAS_INIT", c.out.struct_size = 8);
  SAYS(replicate, EPLB_STATUS_STRUCT_SIZE, "out.fetch_size is 24|32", c.out.fetch_size = 24);
  SAYS(replicate, EPLB_STATUS_STRUCT_SIZE, "out.replicated_size is 64|72", c.out.replicated_size = 64);
  SAYS(replicate, EPLB_STATUS_RESERVED_NOT_ZERO, "request.reserved is not 0", c.request.reserved = 1);
  SAYS(replicate, EPLB_STATUS_RESERVED_NOT_ZERO, "out.reserved is not 0", c.out.reserved = 1);
  SAYS(replicate, EPLB_STATUS_OVERLAPPING_ARRAYS, "out.physical_to_logical overlaps home.physical_to_logical",
       c.out.physical_to_logical = c.slots);
  SAYS(replicate, EPLB_STATUS_OVERLAPPING_ARRAYS, "out.physical_to_logical overlaps request.held",
       c.out.physical_to_logical = c.held);
  SAYS(replicate, EPLB_STATUS_WORKSPACE_TOO_SMALL, "workspace_size is 8, this call needs ", c.size = 8);
  SAYS(replicate, EPLB_STATUS_UNSUPPORTED_COST, "problem.cost is set, and eplb_replicate counts in tokens alone",
       c.problem.cost = &c.cost);
  SAYS(replicate, EPLB_STATUS_DISPATCH_SOURCES, "request.num_sources is 3|problem.num_gpus, 2", c.request.num_sources = 3);
  SAYS(replicate, EPLB_STATUS_TOLERANCE, "request.tolerance is 1048577|2^20", c.request.tolerance = 1048577);
  SAYS(replicate, EPLB_STATUS_LIST_TOO_SMALL, "out.capacity is 1, the layers have 2 spare slots", c.out.capacity = 1);
  SAYS(replicate, EPLB_STATUS_PLACEMENT_EXPERT, "home.physical_to_logical[layer 1][slot 3] is 7", c.slots[7] = 7);
  SAYS(replicate, EPLB_STATUS_PLACEMENT_EXPERT, "request.held[layer 1][slot 2] is 3", c.held[6] = 3);
  SAYS(replicate, EPLB_STATUS_DISPATCH_NO_REPLICA, "request.tokens has 10 for expert 2 of layer 1", c.slots[7] = 1);
  SAYS(replicate, EPLB_STATUS_DISPATCH_DEAD_SOURCE,
       "request.tokens[layer 1][gpu 1][expert 2] is 5, and GPU 1 is EPLB_GPU_DEAD",
       c.problem.gpu_state = c.state; c.state[1] = EPLB_GPU_DEAD; c.slots[0] = 2; c.slots[1] = 1; c.slots[4] = 2;
       c.slots[5] = 1; for (int i = 0; i < LAYERS * GPUS * EXPERTS; i++) c.tokens[i] = i == 11 ? 5 : 0);
  SAYS(replicate, EPLB_STATUS_MAX_REPLICAS, "out.max_replicas is 1, expert 1 of layer 1 is on 2 GPUs",
       c.out.max_replicas = 1; c.slots[6] = 1);
}

/* --- transfers --------------------------------------------------------------------------------------- */

typedef struct transfers {
  eplb_problem problem;
  eplb_options options;
  eplb_placement from, to;
  eplb_transfer_list list;
  int32_t old[LAYERS * SLOTS], new[LAYERS * SLOTS];
  uint8_t state[GPUS];
  uint32_t spare, layer_start[LAYERS + 1], layer_moved[LAYERS], layer_rounds[LAYERS];
  eplb_transfer list_of[4 * LAYERS * SLOTS];
  eplb_transfer_totals totals;
  size_t size;
  scratch scratch;
} transfers;

static void transfers_init(transfers *c) {
  c->problem = small_problem();
  c->options = (eplb_options)EPLB_OPTIONS_INIT;
  c->from = eplb_placement_of(c->old);
  c->to = eplb_placement_of(c->new);
  c->list = (eplb_transfer_list)EPLB_TRANSFER_LIST_INIT;
  c->list.capacity = LENGTH(c->list_of);
  c->list.transfers = c->list_of;
  c->list.layer_start = c->layer_start;
  c->list.layer_moved = c->layer_moved;
  c->list.layer_rounds = c->layer_rounds;
  c->list.totals = &c->totals;
  memcpy(c->old, old_slots, sizeof old_slots);
  memcpy(c->new, new_slots, sizeof new_slots);
  c->size = sizeof c->scratch;
}
static int32_t transfers_run(transfers *c) {
  return eplb_transfers(&c->problem, &c->options, c->scratch.words, c->size, &c->from, &c->to, c->spare, &c->list);
}
static size_t transfers_explain(transfers *c, char *text, size_t size) {
  return eplb_explain_transfers(&c->problem, &c->options, c->scratch.words, c->size, &c->from, &c->to, c->spare, &c->list,
                                text, size);
}
#define transfers_AGAIN(text, size) transfers_explain(&c, text, size)

static void of_transfers(void) {
  SAYS(transfers, EPLB_STATUS_OK, "nothing is wrong", (void)0);
  SAYS(transfers, EPLB_STATUS_NULL_POINTER, "from.physical_to_logical is NULL", c.from.physical_to_logical = NULL);
  SAYS(transfers, EPLB_STATUS_NULL_POINTER, "to.physical_to_logical is NULL", c.to.physical_to_logical = NULL);
  SAYS(transfers, EPLB_STATUS_STRUCT_SIZE, "to.struct_size is 16|EPLB_PLACEMENT_INIT", c.to.struct_size = 16);
  SAYS(transfers, EPLB_STATUS_STRUCT_SIZE, "list.transfer_size is 24|32", c.list.transfer_size = 24);
  SAYS(transfers, EPLB_STATUS_STRUCT_SIZE, "list.totals_size is 0|16", c.list.totals_size = 0);
  SAYS(transfers, EPLB_STATUS_OVERLAPPING_ARRAYS, "list.layer_start overlaps list.layer_rounds",
       c.list.layer_rounds = c.layer_start);
  SAYS(transfers, EPLB_STATUS_UNKNOWN_FLAG, "options.flags is 1073741824", c.options.flags = 1u << 30);
  SAYS(transfers, EPLB_STATUS_UNSUPPORTED_FLAG, "EPLB_FLAG_DISPATCH (8)|eplb_transfers knows EPLB_FLAG_EXTERNAL_SOURCE",
       c.options.flags = EPLB_FLAG_DISPATCH | EPLB_FLAG_EXTERNAL_SOURCE);
  SAYS(transfers, EPLB_STATUS_PLACEMENT_EXPERT, "to.physical_to_logical[layer 1][slot 3] is 3", c.new[7] = 3);
  SAYS(transfers, EPLB_STATUS_PLACEMENT_EXPERT, "from.physical_to_logical[layer 0][slot 1] is -9", c.old[1] = -9);
  SAYS(transfers, EPLB_STATUS_PLACEMENT_MISSING, "to.physical_to_logical has expert 2 of layer 1", c.new[7] = 1);
  SAYS(transfers, EPLB_STATUS_PLACEMENT_STATE, "to.physical_to_logical[layer 0][slot 2] is 0, GPU 1 is EPLB_GPU_DEAD",
       c.problem.gpu_state = c.state; c.state[1] = EPLB_GPU_DEAD);
  SAYS(transfers, EPLB_STATUS_PLACEMENT_STATE, "to.physical_to_logical[layer 0][slot 2] is 0, GPU 1 is EPLB_GPU_LEAVING",
       c.problem.gpu_state = c.state; c.state[1] = EPLB_GPU_LEAVING);
  SAYS(transfers, EPLB_STATUS_SOURCE_LOST, "from.physical_to_logical has expert 2 of layer 1", c.old[7] = 1);
  /* GPU 0 and 1 exchange experts that have no other copy, in layer 1 */
  SAYS(transfers, EPLB_STATUS_NEEDS_BUFFER, "spare_buffers is 0, layer 1 needs 1: GPU 0 is one of a ring", c.old[4] = 0; c.old[5] = 1; c.old[6] = 2;
       c.old[7] = 1; c.new[4] = 2; c.new[5] = 1; c.new[6] = 0; c.new[7] = 1);
  SAYS(transfers, EPLB_STATUS_LIST_TOO_SMALL, "list.capacity is 0, there are 1 transfers", c.list.capacity = 0);
}

/* --- the gate ---------------------------------------------------------------------------------------- */

typedef struct gate {
  eplb_gate_config config;
  eplb_gate_layer layers[LAYERS];
  eplb_gate_state states[LAYERS];
  eplb_gate_verdict verdicts[LAYERS];
  eplb_gate_total total;
  size_t layer_size;
  int scratch; /* none */
} gate;

static void gate_init(gate *c) {
  c->config = (eplb_gate_config)EPLB_GATE_CONFIG_INIT;
  c->config.num_layers = LAYERS;
  c->config.num_gpus = 8;
  c->config.step_seconds = 0.5;
  c->config.steps = c->config.steps_since = 100;
  c->config.bytes_per_expert = 1000;
  c->config.gpu_bandwidth = 500;
  c->layer_size = sizeof *c->layers;
}
static int32_t gate_run(gate *c) {
  return eplb_gate(&c->config, c->layers, c->layer_size, c->states, sizeof *c->states, c->verdicts, sizeof *c->verdicts,
                   &c->total, sizeof c->total);
}
static size_t gate_explain(gate *c, char *text, size_t size) {
  return eplb_explain_gate(&c->config, c->layers, c->layer_size, c->states, sizeof *c->states, c->verdicts,
                           sizeof *c->verdicts, &c->total, sizeof c->total, text, size);
}
#define gate_AGAIN(text, size) gate_explain(&c, text, size)

static void of_the_gate(void) {
  SAYS(gate, EPLB_STATUS_OK, "nothing is wrong", (void)0);
  SAYS(gate, EPLB_STATUS_STRUCT_SIZE, "config.struct_size is 8|EPLB_GATE_CONFIG_INIT", c.config.struct_size = 8);
  SAYS(gate, EPLB_STATUS_STRUCT_SIZE, "layer_size is 40|48", c.layer_size = 40);
  SAYS(gate, EPLB_STATUS_STRUCT_SIZE, "layers[0] has byte 48 set", c.config.num_layers = 1; c.layer_size = 96;
       c.layers[1].mean = 1e-310);
  SAYS(gate, EPLB_STATUS_SHAPE_ZERO, "config.num_layers is 0", c.config.num_layers = 0);
  SAYS(gate, EPLB_STATUS_SHAPE_ZERO, "config.num_gpus is 0", c.config.num_gpus = 0);
  SAYS(gate, EPLB_STATUS_UNKNOWN_FLAG, "config.flags is 3|EPLB_GATE_SECONDS", c.config.flags = 3);
  SAYS(gate, EPLB_STATUS_OK, "nothing is wrong", c.config.flags = EPLB_GATE_SECONDS; c.config.step_seconds = 0);
  SAYS(gate, EPLB_STATUS_GATE_LOAD, "layers[layer 1].after is 0|mean, now and after|seconds", c.config.flags = EPLB_GATE_SECONDS;
       c.layers[1].mean = c.layers[1].now = 2);
  SAYS(gate, EPLB_STATUS_GATE_LOAD, "layers[layer 0].mean is 0|mean, now and after", c.config.flags = EPLB_GATE_SECONDS;
       c.layers[0].after = 2; c.layers[1].now = -2);
  SAYS(gate, EPLB_STATUS_RESERVED_NOT_ZERO, "layers[layer 1].reserved is 4", c.layers[1].reserved = 4);
  SAYS(gate, EPLB_STATUS_GATE_TIME, "config.steps_since is -1", c.config.steps_since = -1);
  SAYS(gate, EPLB_STATUS_GATE_TIME, "config.payback is 1e300", c.config.payback = 1e300);
  SAYS(gate, EPLB_STATUS_GATE_TIME, "config.stall is 1.5|at most 1", c.config.stall = 1.5);
  SAYS(gate, EPLB_STATUS_GATE_BANDWIDTH, "config.bytes_per_expert is -5", c.config.bytes_per_expert = -5);
  SAYS(gate, EPLB_STATUS_GATE_BANDWIDTH, "config.gpu_bandwidth is 0", c.config.gpu_bandwidth = 0);
  SAYS(gate, EPLB_STATUS_GATE_LOAD, "layers[layer 1].after is -3", c.layers[1].after = -3);
  SAYS(gate, EPLB_STATUS_GATE_STATE, "states[layer 1].evidence is 1e-40", c.states[1].evidence = 1e-40);
  SAYS(gate, EPLB_STATUS_GATE_NEVER, "config.step_seconds is 0|EPLB_GATE_SECONDS", c.config.step_seconds = 0);
  SAYS(gate, EPLB_STATUS_GATE_NEVER, "config.steps is 0", c.config.steps = 0);
  SAYS(gate, EPLB_STATUS_GATE_NEVER, "config.max_cost_seconds is 1.5|costs 2 s", c.config.max_cost_seconds = 1.5);
  SAYS(gate, EPLB_STATUS_GATE_NEVER, "config.steps x step_seconds is 50 s|costs 100 s|2 times", c.config.gpu_bandwidth = 10);
  SAYS(gate, EPLB_STATUS_GATE_NEVER, "config.evidence is 1e20", c.config.evidence = 1e20);
}

/* --- the tracker -------------------------------------------------------------------------------------- */

typedef struct tracker {
  eplb_tracker_config config;
  uint32_t memory[256], counts[SLOTS];
  int32_t row[SLOTS];
  uint32_t layer, num_counts;
  const uint32_t *given_counts;
  const int32_t *given_row;
  size_t size, windows_size;
  eplb_windows windows;
  int scratch; /* none */
} tracker;

static void tracker_init(tracker *c) {
  c->config = (eplb_tracker_config)EPLB_TRACKER_CONFIG_INIT;
  c->config.num_windows = 3;
  c->config.num_layers = LAYERS;
  c->config.num_logical_experts = EXPERTS;
  c->size = sizeof c->memory;
  CHECK_EQUAL(eplb_tracker_init(&c->config, c->memory, sizeof c->memory), EPLB_STATUS_OK);
  memcpy(c->row, old_slots, sizeof c->row);
  for (int i = 0; i < SLOTS; i++) c->counts[i] = 4;
  c->num_counts = SLOTS;
  c->given_counts = c->counts;
  c->given_row = c->row;
  c->windows_size = sizeof c->windows;
}
static int32_t tracker_run(tracker *c) {
  return eplb_tracker_observe(c->memory, c->size, c->layer, c->given_counts, c->num_counts, c->given_row);
}
static size_t tracker_explain(tracker *c, char *text, size_t size) {
  return eplb_explain_tracker_observe(c->memory, c->size, c->layer, c->given_counts, c->num_counts, c->given_row, text, size);
}
#define tracker_AGAIN(text, size) tracker_explain(&c, text, size)

/* The other functions on the same arguments. */
typedef tracker making;
#define making_init tracker_init
static int32_t making_run(making *c) { return eplb_tracker_init(&c->config, c->memory, c->size); }
static size_t making_explain(making *c, char *text, size_t size) {
  return eplb_explain_tracker_init(&c->config, c->memory, c->size, text, size);
}
#define making_AGAIN(text, size) making_explain(&c, text, size)
typedef tracker closing;
#define closing_init tracker_init
static int32_t closing_run(closing *c) { return eplb_tracker_close(c->memory, c->size); }
static size_t closing_explain(closing *c, char *text, size_t size) {
  return eplb_explain_tracker_close(c->memory, c->size, text, size);
}
#define closing_AGAIN(text, size) closing_explain(&c, text, size)
typedef tracker discarding;
#define discarding_init tracker_init
static int32_t discarding_run(discarding *c) { return eplb_tracker_discard(c->memory, c->size); }
static size_t discarding_explain(discarding *c, char *text, size_t size) {
  return eplb_explain_tracker_discard(c->memory, c->size, text, size);
}
#define discarding_AGAIN(text, size) discarding_explain(&c, text, size)
typedef tracker telling;
#define telling_init tracker_init
static int32_t telling_run(telling *c) { return eplb_tracker_windows(c->memory, c->size, &c->windows, c->windows_size); }
static size_t telling_explain(telling *c, char *text, size_t size) {
  return eplb_explain_tracker_windows(c->memory, c->size, &c->windows, c->windows_size, text, size);
}
#define telling_AGAIN(text, size) telling_explain(&c, text, size)

static void of_the_tracker(void) {
  SAYS(making, EPLB_STATUS_SHAPE_ZERO, "config.num_windows is 0", c.config.num_windows = 0);
  SAYS(making, EPLB_STATUS_SHAPE_TOO_LARGE, "config.num_layers is 4294967295", c.config.num_layers = UINT32_MAX);
  SAYS(making, EPLB_STATUS_SHAPE_TOO_LARGE, "config.num_layers x num_logical_experts",
       c.config.num_layers = c.config.num_logical_experts = INT32_MAX);
  SAYS(making, EPLB_STATUS_RESERVED_NOT_ZERO, "config.reserved is not 0", c.config.reserved = 1);
  SAYS(making, EPLB_STATUS_STRUCT_SIZE, "config.struct_size is 20|EPLB_TRACKER_CONFIG_INIT", c.config.struct_size = 20);
  SAYS(making, EPLB_STATUS_TRACKER_TOO_SMALL, "memory_size is 100, the load tracker takes 184|eplb_tracker_size", c.size = 100);

  SAYS(tracker, EPLB_STATUS_NULL_POINTER, "counts is NULL", c.given_counts = NULL);
  SAYS(tracker, EPLB_STATUS_OVERLAPPING_ARRAYS, "memory overlaps counts", c.given_counts = c.memory);
  SAYS(tracker, EPLB_STATUS_TRACKER_LAYER, "layer is 2: the tracker has layers below 2", c.layer = 2);
  SAYS(tracker, EPLB_STATUS_TRACKER_COUNTS, "num_counts is 4|num_logical_experts, 3", c.given_row = NULL);
  SAYS(tracker, EPLB_STATUS_TRACKER_COUNTS, "num_counts is 0", c.num_counts = 0);
  SAYS(tracker, EPLB_STATUS_PLACEMENT_EXPERT, "physical_to_logical[slot 2] is 3", c.row[2] = 3);
  SAYS(tracker, EPLB_STATUS_TRACKER_SLOT, "counts[slot 3] is 4, and physical_to_logical[slot 3] is -1", c.row[3] = -1);
  SAYS(tracker, EPLB_STATUS_TRACKER_FOREIGN, "memory holds no load tracker", c.memory[0] ^= 1);
  SAYS(tracker, EPLB_STATUS_TRACKER_TORN, "memory is a load tracker whose sums do not fit", c.memory[6] ^= 1);
  SAYS(tracker, EPLB_STATUS_TRACKER_TOO_SMALL, "memory_size is 79, the load tracker takes 80", c.size = 79);

  SAYS(closing, EPLB_STATUS_TRACKER_EMPTY, "memory has observed no step|eplb_tracker_observe", (void)0);
  SAYS(discarding, EPLB_STATUS_TRACKER_FOREIGN, "memory holds no load tracker", c.memory[0] ^= 1);
  SAYS(telling, EPLB_STATUS_TRACKER_EMPTY, "memory has closed no window yet", (void)0);
  SAYS(telling, EPLB_STATUS_TRACKER_TORN, "sums do not fit", c.memory[25] ^= 1);
  SAYS(telling, EPLB_STATUS_STRUCT_SIZE, "windows_size is 8", c.windows_size = 8);
}

/* --- windows ------------------------------------------------------------------------------------------ */

enum { WINDOWS = 4 };

typedef struct weights {
  eplb_windows windows;
  eplb_change change;
  eplb_forecast_options forecast;
  float load[40 * LAYERS * EXPERTS], weight[LAYERS * 40], forecast_load[LAYERS * EXPERTS];
  uint32_t counted[LAYERS];
  float *given_weight;
  int scratch; /* none */
} weights;

static void weights_init(weights *c) {
  c->windows = (eplb_windows)EPLB_WINDOWS_INIT;
  c->windows.num_windows = WINDOWS;
  c->windows.num_layers = LAYERS;
  c->windows.num_logical_experts = EXPERTS;
  c->windows.load = c->load;
  c->change = (eplb_change)EPLB_CHANGE_INIT;
  c->forecast = (eplb_forecast_options)EPLB_FORECAST_INIT;
  for (size_t i = 0; i < LENGTH(c->load); i++) c->load[i] = 3;
  for (size_t i = 0; i < LENGTH(c->weight); i++) c->weight[i] = 1;
  c->given_weight = c->weight;
}
static int32_t weights_run(weights *c) { return eplb_window_weights(&c->windows, &c->change, c->given_weight, c->counted); }
static size_t weights_explain(weights *c, char *text, size_t size) {
  return eplb_explain_window_weights(&c->windows, &c->change, c->given_weight, c->counted, text, size);
}
#define weights_AGAIN(text, size) weights_explain(&c, text, size)
typedef weights forecast;
#define forecast_init weights_init
static int32_t forecast_run(forecast *c) { return eplb_forecast(&c->windows, &c->forecast, c->forecast_load); }
static size_t forecast_explain(forecast *c, char *text, size_t size) {
  return eplb_explain_forecast(&c->windows, &c->forecast, c->forecast_load, text, size);
}
#define forecast_AGAIN(text, size) forecast_explain(&c, text, size)

#define SAY_BOTH(status, words, ...)           \
  do {                                         \
    SAYS(weights, status, words, __VA_ARGS__); \
    SAYS(forecast, status, words, __VA_ARGS__); \
  } while (0)

static void of_windows(void) {
  const float zero = 0, nan = zero / zero;
  SAYS(forecast, EPLB_STATUS_OK, "nothing is wrong", (void)0);
  SAY_BOTH(EPLB_STATUS_STRUCT_SIZE, "windows.struct_size is 48|EPLB_WINDOWS_INIT", c.windows.struct_size = 48);
  SAY_BOTH(EPLB_STATUS_RESERVED_NOT_ZERO, "windows.reserved is not 0", c.windows.reserved = 2);
  SAY_BOTH(EPLB_STATUS_NULL_POINTER, "windows.load is NULL", c.windows.load = NULL);
  SAY_BOTH(EPLB_STATUS_SHAPE_ZERO, "windows.num_layers is 0", c.windows.num_layers = 0);
  SAY_BOTH(EPLB_STATUS_SHAPE_TOO_LARGE, "windows.num_windows is 2147483648", c.windows.num_windows = UINT32_C(1) << 31);
  SAY_BOTH(EPLB_STATUS_WINDOW_STRIDE, "windows.load_window_stride is 5|6", c.windows.load_window_stride = 5);
  SAY_BOTH(EPLB_STATUS_OLDEST_WINDOW, "windows.oldest is 4|num_windows, 4", c.windows.oldest = 4);
  SAY_BOTH(EPLB_STATUS_LOAD_NAN, "windows.load[window 3][layer 1][expert 2] is NaN", c.load[23] = nan);
  SAY_BOTH(EPLB_STATUS_LOAD_NEGATIVE, "windows.load[window 1][layer 0][expert 1] is -1", c.windows.load_window_stride = 10;
           c.load[11] = -1; c.load[7] = nan);
  SAYS(weights, EPLB_STATUS_TOO_MANY_WINDOWS, "windows.num_windows is 40, 32 are judged", c.windows.num_windows = 40);
  SAYS(weights, EPLB_STATUS_CHANGE_OPTION, "change.each_layer is 2", c.change.each_layer = 2);
  SAYS(weights, EPLB_STATUS_CHANGE_OPTION, "change.ratio is -1", c.change.ratio = -1);
  SAYS(weights, EPLB_STATUS_CHANGE_OPTION, "change.before is 1.5|0 to 1", c.change.before = 1.5f);
  SAYS(weights, EPLB_STATUS_STRUCT_SIZE, "change.struct_size is 20|EPLB_CHANGE_INIT", c.change.struct_size = 20);
  SAYS(weights, EPLB_STATUS_OVERLAPPING_ARRAYS, "window_weight overlaps windows.load", c.given_weight = c.load);
  SAYS(forecast, EPLB_STATUS_UNKNOWN_FORECAST, "forecast.method is 4", c.forecast.method = 4);
  SAYS(forecast, EPLB_STATUS_FORECAST_OPTION, "forecast.half_life is 0.0005", c.forecast.half_life = 0.0005f);
  SAYS(forecast, EPLB_STATUS_FORECAST_OPTION, "forecast.sigmas is -0.5", c.forecast.sigmas = -0.5f);
  SAYS(forecast, EPLB_STATUS_WINDOW_WEIGHT, "windows.window_weight[layer 1][window 2] is -1",
       c.windows.window_weight = c.weight; c.weight[6] = -1);
}

/* --- number ------------------------------------------------------------------------------------------- */

typedef struct number {
  eplb_problem problem;
  eplb_placement placement;
  int32_t slots[LAYERS * SLOTS], rank[LAYERS * SLOTS], count[LAYERS * EXPERTS], table[LAYERS * EXPERTS * 2];
  int scratch; /* none */
} number;

static void number_init(number *c) {
  c->problem = small_problem();
  c->placement = (eplb_placement)EPLB_PLACEMENT_INIT;
  c->placement.physical_to_logical = c->slots;
  c->placement.replica_rank = c->rank;
  c->placement.logical_count = c->count;
  c->placement.logical_to_physical = c->table;
  c->placement.max_replicas = 2;
  memcpy(c->slots, old_slots, sizeof old_slots);
}
static int32_t number_run(number *c) { return eplb_number(&c->problem, &c->placement); }
static size_t number_explain(number *c, char *text, size_t size) {
  return eplb_explain(EPLB_OPERATION_NUMBER, &c->problem, NULL, &c->placement, text, size);
}
#define number_AGAIN(text, size) number_explain(&c, text, size)

static void of_number(void) {
  SAYS(number, EPLB_STATUS_OK, "nothing is wrong", (void)0);
  SAYS(number, EPLB_STATUS_PLACEMENT_EXPERT, "placement.physical_to_logical[layer 1][slot 0] is 3", c.slots[4] = 3);
  SAYS(number, EPLB_STATUS_MAX_REPLICAS, "placement.max_replicas is 2|3 copies of expert 1 in layer 1", c.slots[4] = 1);
  SAYS(number, EPLB_STATUS_OVERLAPPING_ARRAYS, "placement.logical_count overlaps placement.physical_to_logical",
       c.placement.logical_count = c.slots);
  SAYS(number, EPLB_STATUS_NULL_POINTER, "placement.physical_to_logical is NULL", c.placement.physical_to_logical = NULL);
}

int main(void) {
  of_dispatch();
  of_replicate();
  of_too_many_tokens();
  of_transfers();
  of_the_gate();
  of_the_tracker();
  of_windows();
  of_number();
  return finish("explain_rest");
}
