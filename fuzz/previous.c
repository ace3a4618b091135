/* eplb_plan from a spoilt placement: refusals touch nothing, limits are kept, no layer gets worse, and what memory held
 * does not matter. */
#include "decode.h"

enum { ROOM = 1024 };

static int receives(const eplb_problem *p, uint32_t gpu) { return !p->gpu_state || p->gpu_state[gpu] == EPLB_GPU_ALIVE; }

/* Slots of GPUs that are alive that differ; what the others held is taken out of `old`. */
static uint32_t differing(const eplb_problem *p, int32_t *old, const int32_t *new) {
  uint32_t differ = 0;
  for (uint32_t gpu = 0; gpu < p->num_gpus; gpu++)
    for (uint32_t i = slots_of(p, gpu); i > 0; i--, old++, new++) {
      if (!receives(p, gpu)) *old = -1;
      if (!receives(p, gpu)) REQUIRE(*new == -1);
      differ += *old != *new;
    }
  return differ;
}

static int32_t plan_from(call *c, int fill) {
  input none = {NULL, 0};
  decode_outputs(c, &none, fill);
  plain_arguments(c);
  workspace ws = make_workspace(c, EPLB_OPERATION_PLAN, fill);
  if (ws.status != EPLB_STATUS_OK) return ws.status;
  if (ws.block == NULL || c->per_layer == NULL) return EPLB_STATUS_NULL_POINTER; /* too large for a test */
  int32_t status = eplb_plan(c->problem_arg, c->options_arg, ws.block, ws.size, c->placement_arg, c->per_layer, c->metrics_size);
  REQUIRE(explained(eplb_explain_plan(c->problem_arg, c->options_arg, ws.block, ws.size, c->placement_arg, c->per_layer,
                                      c->metrics_size, sentence, sizeof sentence)) == status);
  int32_t said = explained(eplb_explain(EPLB_OPERATION_PLAN, c->problem_arg, c->options_arg, c->placement_arg, sentence,
                                        sizeof sentence));
  REQUIRE(said == status || status == EPLB_STATUS_INFEASIBLE);
  return status;
}

/* Balance of each layer of a placement; 0 when it cannot be measured. */
static int balances(call *c, const int32_t *slots, double *balance) {
  uint32_t layers = c->problem.num_layers;
  eplb_placement maps = EPLB_PLACEMENT_INIT;
  eplb_options options = EPLB_OPTIONS_INIT;
  eplb_metrics *m = call_block(c, layers * sizeof *m);
  size_t size, align;
  options.scope = EPLB_SCOPE_GLOBAL;
  options.split = c->options.split;
  maps.physical_to_logical = (int32_t *)slots;
  if (m == NULL || eplb_workspace(EPLB_OPERATION_EVALUATE, &c->problem, &options, &size, &align) != EPLB_STATUS_OK) return 0;
  void *block = call_block(c, size);
  if (block == NULL || eplb_evaluate(&c->problem, &options, block, size, &maps, m, sizeof *m) != EPLB_STATUS_OK) return 0;
  for (uint32_t layer = 0; layer < layers; layer++) balance[layer] = m[layer].balance;
  return 1;
}

/* An empty slot that some expert could fill: not there yet. Global scope, the widest table. */
static int has_room(const eplb_problem *p, const int32_t *slots) {
  for (uint32_t gpu = 0, first = 0; gpu < p->num_gpus; first += slots_of(p, gpu++)) {
    uint32_t empty = 0, held = 0, end = first + slots_of(p, gpu);
    for (uint32_t i = first; i < end; i++) {
      int again = 0;
      for (uint32_t j = first; j < i; j++) again |= slots[j] == slots[i];
      empty += slots[i] < 0;
      held += slots[i] >= 0 && !again;
    }
    if (receives(p, gpu) && empty > 0 && held < p->num_logical_experts) return 1;
  }
  return 0;
}

/* What EPLB_FLAG_FILL_ONLY and the rule of full slots say. */
static void require_filled(const call *c, const int32_t *old, const int32_t *new, uint32_t differ) {
  const eplb_options *o = &c->options;
  const eplb_problem *p = &c->problem;
  uint32_t slot = 0;
  if (o->flags & EPLB_FLAG_FILL_ONLY)
    for (uint32_t gpu = 0; gpu < p->num_gpus; gpu++)
      for (uint32_t i = slots_of(p, gpu); i > 0; i--, slot++) REQUIRE(old[slot] < 0 || !receives(p, gpu) || old[slot] == new[slot]);
  if (o->max_moves_per_gpu_pair == 0 && o->target == 0 && !(o->flags & EPLB_FLAG_EMPTY_SLOTS) && (o->max_moves == 0 || differ < o->max_moves) &&
      o->max_moves != EPLB_MOVES_NONE && o->policy == EPLB_POLICY_BALANCED && !is_hierarchical(p, o->scope))
    REQUIRE(!has_room(p, new));
}

static void require_kept(call *c, int32_t *old, const int32_t *new) {
  const eplb_problem *p = &c->problem;
  const eplb_options *o = &c->options;
  double before[8], after[8];
  uint32_t slots = p->num_physical_experts;
  int full = 1;
  for (uint32_t layer = 0; layer < p->num_layers; layer++) {
    uint32_t differ = differing(p, old + (size_t)layer * slots, new + (size_t)layer * slots);
    REQUIRE(c->per_layer[layer].moved_slots == differ);
    REQUIRE(o->max_moves == 0 || differ <= o->max_moves);
    require_filled(c, old + (size_t)layer * slots, new + (size_t)layer * slots, differ);
    full &= !has_room(p, old + (size_t)layer * slots);
  }
  int survive = o->flags & (EPLB_FLAG_SURVIVE_GPU | EPLB_FLAG_SURVIVE_NODE);
  if (o->policy != EPLB_POLICY_BALANCED || survive || !full || reads(p) || is_hierarchical(p, o->scope) || p->num_layers > 8) return;
  if (!balances(c, old, before) || !balances(c, new, after)) return;
  for (uint32_t layer = 0; layer < p->num_layers; layer++) REQUIRE(after[layer] >= before[layer] * (1 - 1e-12));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  input in = {data, size};
  call c = {0};
  uint8_t way = take_byte(&in), limits = take_byte(&in);
  decode_problem(&c, &in);
  decode_options(&c, &in);
  if (way & 1) c.options.policy = EPLB_POLICY_BALANCED;
  c.options.previous = NULL;
  c.options.max_moves = c.options.max_moves_per_gpu_pair = c.options.target = c.options.flags = 0;
  int made = deal_into(&c); /* the old placement, to be spoilt */
  size_t slots = num_slots(&c);
  if (made && slots > 0 && slots <= ROOM) {
    static const uint32_t flags[] = {0, EPLB_FLAG_EXTERNAL_SOURCE, EPLB_FLAG_EXTERNAL_SOURCE, 0,
                                     EPLB_FLAG_SURVIVE_GPU, EPLB_FLAG_SURVIVE_NODE,
                                     EPLB_FLAG_SURVIVE_GPU | EPLB_FLAG_EXTERNAL_SOURCE, EPLB_FLAG_EXTERNAL_SOURCE};
    int32_t *old = call_block(&c, slots * sizeof *old);
    REQUIRE(old != NULL);
    int32_t experts = (int32_t)c.problem.num_logical_experts;
    uint8_t spoil = take_byte(&in);
    for (size_t i = 0; i < slots; i++) {
      uint8_t edit = spoil < 64 ? 0 : spoil < 128 ? spoil : take_byte(&in);
      old[i] = edit < 128 ? c.placement.physical_to_logical[(i + edit) % slots] : edit < 250 ? (int32_t)edit % experts : edit < 255 ? -1 : experts;
    }
    for (uint8_t times = c.problem.load ? take_byte(&in) % 8 : 0; times > 0; times--) { /* other loads: two change places */
      float *load = (float *)c.problem.load;
      size_t a = take_byte(&in) % num_experts(&c), b = take_byte(&in) % num_experts(&c);
      float kept = load[a];
      load[a] = load[b];
      load[b] = kept;
    }
    c.options.previous = old;
    c.options.max_moves = limits % 16 == 15 ? EPLB_MOVES_NONE : limits % 4 ? limits % 16 : 0;
    c.options.max_moves_per_gpu_pair = limits / 16 % 4;
    c.options.target = way / 16 % 4 == 2 ? 45000 + 6000 * (way / 64u) : 0;
    if (way / 16 % 4 == 3) c.options.split = EPLB_SPLIT_NEAREST;
    c.options.flags = flags[way / 2 % 8];
    if (limits / 64 == 2) c.options.flags |= EPLB_FLAG_FILL_ONLY;
    if (limits / 64 == 3) c.options.flags |= EPLB_FLAG_EMPTY_SLOTS;
    if (way / 16 == 15) c.options.flags |= EPLB_FLAG_DISPATCH; /* now and then: it takes as long as the rest */
    if (rarely(&in, 3)) decode_cost(&c, &in);
    int32_t status = plan_from(&c, 0xa5);
    REQUIRE(is_known_status(status));
    record(&status, sizeof status);
    const int32_t *new = c.placement.physical_to_logical;
    if (status != EPLB_STATUS_OK) {
      REQUIRE(untouched(new, slots * 4, 0xa5));
      REQUIRE(untouched(c.per_layer, c.problem.num_layers * c.metrics_size, 0xa5));
    } else {
      record(new, slots * sizeof *new);
      record(c.per_layer, c.problem.num_layers * c.metrics_size);
      if (size % 4 == 1) { /* not always: it takes as long again */
        REQUIRE(plan_from(&c, 0xff) == EPLB_STATUS_OK);
        REQUIRE(memcmp(new, c.placement.physical_to_logical, slots * sizeof *new) == 0);
      }
      require_kept(&c, old, new);
    }
  }
  call_free(&c);
  return 0;
}
