/* Planning from a placement in force: what is kept, what is refused, and that a refusal touches nothing. */
#include "harness.h"

enum { LAYERS = 2, EXPERTS = 4, SLOTS = 8, GPUS = 4 };

static const float load[LAYERS * EXPERTS] = {1, 1, 1, 1, 8, 1, 1, 1};
static const int32_t in_force[LAYERS * SLOTS] = {0, 1, 0, 2, 1, 3, 2, 3, 0, 1, 0, 2, 1, 3, 2, 3};

typedef struct {
  eplb_problem problem;
  eplb_options options;
  int32_t previous[LAYERS * SLOTS], slots[LAYERS * SLOTS];
  eplb_metrics per_layer[LAYERS];
  uint64_t workspace[4096];
} calls;

static void init(calls *c) {
  static const eplb_problem problem = EPLB_PROBLEM_INIT;
  static const eplb_options options = EPLB_OPTIONS_INIT;
  memset(c, 0x5a, sizeof *c);
  c->problem = problem;
  c->problem.num_windows = c->problem.num_groups = c->problem.num_nodes = 1;
  c->problem.num_layers = LAYERS;
  c->problem.num_logical_experts = EXPERTS;
  c->problem.num_physical_experts = SLOTS;
  c->problem.num_gpus = GPUS;
  c->problem.load = load;
  c->options = options;
  c->options.scope = EPLB_SCOPE_GLOBAL;
  memcpy(c->previous, in_force, sizeof in_force);
  c->options.previous = c->previous;
}

static int32_t run(calls *c) {
  eplb_placement maps = EPLB_PLACEMENT_INIT;
  size_t size = 0, align = 0;
  int32_t status = eplb_workspace(EPLB_OPERATION_PLAN, &c->problem, &c->options, &size, &align);
  if (status != EPLB_STATUS_OK) return status;
  CHECK(size <= sizeof c->workspace);
  maps.physical_to_logical = c->slots;
  CHECK_EQUAL(eplb_plan(&c->problem, &c->options, c->workspace, size - 1, &maps, c->per_layer, sizeof *c->per_layer),
              EPLB_STATUS_WORKSPACE_TOO_SMALL);
  return eplb_plan(&c->problem, &c->options, c->workspace, size, &maps, c->per_layer, sizeof *c->per_layer);
}

static size_t size_of(uint32_t operation, const eplb_problem *problem, const eplb_options *options) {
  size_t size = 0, align = 0;
  CHECK_EQUAL(eplb_workspace(operation, problem, options, &size, &align), EPLB_STATUS_OK);
  return size;
}

/* Refused, with the maps and the metrics as they were. */
static void refuses(calls *c, int32_t status) {
  calls before = *c;
  CHECK_EQUAL(run(c), status);
  CHECK(memcmp(before.slots, c->slots, sizeof c->slots) == 0);
  CHECK(memcmp(before.per_layer, c->per_layer, sizeof c->per_layer) == 0);
}

static calls c;

int main(void) {
  /* at most one slot changes, and the metrics say how many did */
  init(&c);
  c.options.max_moves = 1;
  CHECK_EQUAL(run(&c), EPLB_STATUS_OK);
  for (int layer = 0; layer < LAYERS; layer++) {
    uint32_t moved = 0;
    for (int slot = 0; slot < SLOTS; slot++) moved += c.slots[layer * SLOTS + slot] != in_force[layer * SLOTS + slot];
    CHECK(moved <= 1);
    CHECK_EQUAL(c.per_layer[layer].moved_slots, moved);
  }

  /* a mask of dead GPUs: nothing moves, but for an expert that is nowhere any more */
  uint8_t dead[GPUS] = {EPLB_GPU_ALIVE, EPLB_GPU_ALIVE, EPLB_GPU_DEAD, EPLB_GPU_ALIVE};
  init(&c);
  c.problem.gpu_state = dead;
  c.options.max_moves = EPLB_MOVES_NONE;
  CHECK_EQUAL(run(&c), EPLB_STATUS_OK);
  for (int slot = 0; slot < LAYERS * SLOTS; slot++) {
    CHECK_EQUAL(c.slots[slot], slot % SLOTS / 2 == 2 ? -1 : in_force[slot]);
    CHECK_EQUAL(c.per_layer[slot / SLOTS].moved_slots, 0);
  }

  /* homes: only empty slots may change, and they are filled, within a limit as far as it goes */
  for (uint32_t limit = 0; limit < 3; limit++) {
    init(&c);
    for (int layer = 0; layer < LAYERS; layer++) c.previous[layer * SLOTS] = c.previous[layer * SLOTS + 7] = -1;
    c.options.flags = EPLB_FLAG_FILL_ONLY;
    c.options.max_moves = limit;
    CHECK_EQUAL(run(&c), EPLB_STATUS_OK);
    for (int slot = 0; slot < LAYERS * SLOTS; slot++) CHECK(c.previous[slot] == -1 || c.slots[slot] == c.previous[slot]);
    for (int layer = 0; layer < LAYERS; layer++) {
      int filled = (c.slots[layer * SLOTS] >= 0) + (c.slots[layer * SLOTS + 7] >= 0);
      CHECK_EQUAL(filled, limit == 1 ? 1 : 2);
      CHECK_EQUAL(c.per_layer[layer].moved_slots, filled);
    }
  }

  /* the workspace can be had before there is a placement */
  init(&c);
  size_t size = size_of(EPLB_OPERATION_PLAN, &c.problem, &c.options);
  CHECK(size > size_of(EPLB_OPERATION_EVALUATE, &c.problem, &c.options));
  c.options.previous = NULL;
  CHECK_EQUAL(size_of(EPLB_OPERATION_REBALANCE, &c.problem, &c.options), size);
  CHECK(size > size_of(EPLB_OPERATION_PLAN, &c.problem, &c.options));
  CHECK(size <= EPLB_WORKSPACE_BOUND_REBALANCE(EXPERTS, SLOTS, GPUS, 1, 1, 1));

  /* the same without a limit */
  init(&c);
  CHECK_EQUAL(run(&c), EPLB_STATUS_OK);

  /* entries that are no expert, in the last layer */
  const int32_t bad[] = {EXPERTS, -2, INT32_MAX, INT32_MIN};
  for (size_t i = 0; i < LENGTH(bad); i++) {
    init(&c);
    c.previous[LAYERS * SLOTS - 1] = bad[i];
    refuses(&c, EPLB_STATUS_PLACEMENT_EXPERT);
  }

  /* a limit needs a placement */
  init(&c);
  c.options.previous = NULL;
  c.options.max_moves = 1;
  refuses(&c, EPLB_STATUS_MOVES_WITHOUT_PREVIOUS);

  /* GPU 2 is dead; in the last layer it held the only copy of expert 3 */
  const uint8_t state[GPUS] = {EPLB_GPU_ALIVE, EPLB_GPU_ALIVE, EPLB_GPU_DEAD, EPLB_GPU_ALIVE};
  init(&c);
  c.problem.gpu_state = state;
  c.previous[LAYERS * SLOTS - 1] = 0;
  refuses(&c, EPLB_STATUS_SOURCE_LOST);
  c.options.flags = EPLB_FLAG_EXTERNAL_SOURCE;
  c.options.max_moves = 1;
  CHECK_EQUAL(run(&c), EPLB_STATUS_OK);
  CHECK_EQUAL(c.per_layer[1].moved_slots, 1);
  CHECK_EQUAL(c.slots[4], -1);
  CHECK_EQUAL(c.slots[5], -1);

  /* two lost and one move */
  init(&c);
  c.problem.gpu_state = state;
  c.options.flags = EPLB_FLAG_EXTERNAL_SOURCE;
  c.options.max_moves = 1;
  c.previous[SLOTS + 1] = 0;
  c.previous[LAYERS * SLOTS - 1] = 0;
  refuses(&c, EPLB_STATUS_INFEASIBLE);

  /* every expert on two nodes, of which there is one; on two GPUs, with slots for one copy */
  init(&c);
  c.options.flags = EPLB_FLAG_SURVIVE_NODE;
  refuses(&c, EPLB_STATUS_INFEASIBLE);
  c.options.flags = EPLB_FLAG_SURVIVE_GPU;
  c.options.previous = NULL;
  CHECK_EQUAL(run(&c), EPLB_STATUS_OK);
  c.problem.gpu_state = state;
  refuses(&c, EPLB_STATUS_INFEASIBLE);
  /* two places, and a table for one replica: shape and options are good, the placement is not */
  init(&c);
  c.options.flags = EPLB_FLAG_SURVIVE_GPU;
  eplb_placement narrow = EPLB_PLACEMENT_INIT;
  narrow.physical_to_logical = c.slots;
  narrow.max_replicas = 1;
  CHECK_EQUAL(eplb_plan(&c.problem, &c.options, c.workspace, sizeof c.workspace, &narrow, NULL, 0), EPLB_STATUS_MAX_REPLICAS);
  return finish("migrate");
}
