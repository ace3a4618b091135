/* eplb_plan: refusals touch nothing; a plan keeps its promises, measures as it says, and does not depend on
 * what memory held. */
#include "decode.h"

typedef struct outcome {
  call c;
  workspace ws;
  int32_t status;
} outcome;

static void plan(outcome *o, input in, int fill) {
  call *c = &o->c;
  memset(o, 0, sizeof *o);
  decode_problem(c, &in);
  decode_options(c, &in);
  decode_outputs(c, &in, fill);
  decode_arguments(c, &in);
  o->ws = make_workspace(c, EPLB_OPERATION_PLAN, fill);
  uint8_t *block = o->ws.block;
  size_t size = o->ws.size;
  int spoilt = 0; /* a byte short, askew, or none */
  if (rarely(&in, 32) && o->ws.status == EPLB_STATUS_OK && size >= 8) {
    spoilt = 1 + take_byte(&in) % 3;
    if (spoilt == 1) block = call_block(c, --size);
    if (spoilt == 2 && (block = call_block(c, size + 4)) != NULL) block += 4;
    if (spoilt == 3) block = NULL;
    c->sound = 0;
  }
  o->status = eplb_plan(c->problem_arg, c->options_arg, block, size, c->placement_arg, c->per_layer, c->metrics_size);
  REQUIRE(is_known_status(o->status));
  int32_t said = explained(eplb_explain_plan(c->problem_arg, c->options_arg, block, size, c->placement_arg, c->per_layer,
                                             c->metrics_size, sentence, sizeof sentence));
  REQUIRE(said == o->status);
  /* without the workspace some of it cannot be seen; what is seen is so */
  said = explained(eplb_explain(EPLB_OPERATION_PLAN, c->problem_arg, c->options_arg, c->placement_arg, sentence, sizeof sentence));
  REQUIRE(o->status != EPLB_STATUS_OK || said == EPLB_STATUS_OK || c->placement_arg == NULL);
  if (spoilt) REQUIRE(o->status != EPLB_STATUS_OK);
  if (c->sound && o->ws.status != EPLB_STATUS_OK) REQUIRE(o->status == o->ws.status);
  if (c->sound && o->status == EPLB_STATUS_OK) {
    c->placement.struct_size = sizeof c->placement;
    c->problem.struct_size = sizeof c->problem;
  }
}

static void require_untouched(const call *c, int fill) {
  const eplb_placement *m = &c->placement;
  if (!c->sound) return; /* may point anywhere */
  REQUIRE(untouched(m->physical_to_logical, num_slots(c) * 4, fill));
  REQUIRE(untouched(m->replica_rank, num_slots(c) * 4, fill));
  REQUIRE(untouched(m->logical_count, num_experts(c) * 4, fill));
  REQUIRE(untouched(m->logical_to_physical, table_len(c) * 4, fill));
  REQUIRE(untouched(c->per_layer, c->problem.num_layers * c->metrics_size, fill));
}

static int same(const void *a, const void *b, size_t size) {
  REQUIRE((a == NULL) == (b == NULL));
  return a == NULL || memcmp(a, b, size) == 0;
}

static void require_same(const outcome *a, const outcome *b) {
  const eplb_placement *m = &a->c.placement, *n = &b->c.placement;
  REQUIRE(a->status == b->status && a->ws.size == b->ws.size);
  if (a->status != EPLB_STATUS_OK || !a->c.sound) return;
  REQUIRE(same(m->physical_to_logical, n->physical_to_logical, num_slots(&a->c) * 4));
  REQUIRE(same(m->replica_rank, n->replica_rank, num_slots(&a->c) * 4));
  REQUIRE(same(m->logical_count, n->logical_count, num_experts(&a->c) * 4));
  REQUIRE(same(m->logical_to_physical, n->logical_to_physical, table_len(&a->c) * 4));
  REQUIRE(same(a->c.per_layer, b->c.per_layer, a->c.problem.num_layers * a->c.metrics_size));
}

/* BALANCED makes no duplicate, but may leave one that the placement in force has. */
static int keeps_apart(const call *c) { return c->options.policy == EPLB_POLICY_BALANCED && c->options.previous == NULL; }

/* No expert twice on a GPU, none on a GPU that does not receive, every expert somewhere. */
static void require_placed(const call *c) {
  const eplb_problem *p = &c->problem;
  const int32_t *slot = c->placement.physical_to_logical;
  uint32_t experts = p->num_logical_experts;
  int balanced = c->options.policy == EPLB_POLICY_BALANCED;
  int32_t *last = malloc(experts * sizeof *last);
  REQUIRE(last != NULL);
  for (uint32_t layer = 0; layer < p->num_layers; layer++) {
    for (uint32_t e = 0; e < experts; e++) last[e] = -1;
    for (uint32_t gpu = 0; gpu < p->num_gpus; gpu++)
      for (uint32_t i = slots_of(p, gpu); i > 0; i--, slot++) {
        REQUIRE(*slot >= -1 && *slot < (int32_t)experts);
        if (*slot < 0) {
          REQUIRE(balanced);
          continue;
        }
        REQUIRE(p->gpu_state == NULL || p->gpu_state[gpu] == EPLB_GPU_ALIVE);
        REQUIRE(!keeps_apart(c) || last[*slot] != (int32_t)gpu);
        last[*slot] = (int32_t)gpu;
      }
    for (uint32_t e = 0; e < experts; e++) REQUIRE(last[e] >= 0);
  }
  free(last);
}

/* eplb_check and eplb_evaluate say what the plan said, but for the slots moved, which only eplb_plan counts. */
static void require_agreement(call *c) {
  eplb_violation first;
  workspace ws = make_workspace(c, EPLB_OPERATION_CHECK, 0x5a);
  REQUIRE(ws.status == EPLB_STATUS_OK);
  if (ws.block == NULL) return; /* a million groups, say: no room for it here */
  int32_t checked = eplb_check(c->problem_arg, c->options_arg, ws.block, ws.size, c->placement_arg, &first, sizeof first);
  REQUIRE(checked == EPLB_STATUS_OK || (c->options.previous && first.kind == EPLB_VIOLATION_KIND_DUPLICATE));
  if (c->per_layer == NULL) return;

  size_t bytes = c->problem.num_layers * c->metrics_size;
  eplb_metrics *measured = call_block(c, bytes);
  ws = make_workspace(c, EPLB_OPERATION_EVALUATE, 0x5a);
  REQUIRE(ws.status == EPLB_STATUS_OK);
  if (ws.block == NULL || measured == NULL) return;
  REQUIRE(eplb_evaluate(c->problem_arg, c->options_arg, ws.block, ws.size, c->placement_arg, measured,
                        c->metrics_size) == EPLB_STATUS_OK);
  for (uint32_t layer = 0; layer < c->problem.num_layers; layer++) {
    size_t at = layer * c->metrics_size + offsetof(eplb_metrics, moved_slots);
    if (c->options.previous) memcpy((uint8_t *)measured + at, (const uint8_t *)c->per_layer + at, sizeof(uint32_t));
  }
  REQUIRE(memcmp(measured, c->per_layer, bytes) == 0);
  for (uint32_t layer = 0; layer < c->problem.num_layers; layer++) {
    eplb_metrics m = metrics_of(c, layer);
    REQUIRE(m.balance > 0 && m.balance <= 1 + 1e-12 && m.node_balance >= m.balance * (1 - 1e-12));
    REQUIRE(m.bound <= m.max_gpu_load && m.gap >= 0 && m.max_gpu_load - m.max_gpu_load == 0);
    REQUIRE(m.busiest_gpu < c->problem.num_gpus && m.worst_window < or_one(c->problem.num_windows));
    REQUIRE(m.worst_window_balance > 0 && m.worst_window_balance <= m.balance * (1 + 1e-12));
    REQUIRE(!keeps_apart(c) || m.duplicates == 0);
    REQUIRE((m.max_gpu_seconds == 0 || c->problem.cost) && m.seconds_bound <= m.max_gpu_seconds && m.seconds_gap >= 0);
  }
}

/* Plans into fresh arrays with all maps. */
static int32_t plan_into(call *c, int fill) {
  input none = {NULL, 0};
  decode_outputs(c, &none, fill);
  plain_arguments(c);
  workspace ws = make_workspace(c, EPLB_OPERATION_PLAN, fill);
  if (ws.status != EPLB_STATUS_OK) return ws.status;
  return eplb_plan(c->problem_arg, c->options_arg, ws.block, ws.size, c->placement_arg, NULL, 0);
}

/* In hierarchical scope the promise is for layers whose loads are 0 or at least 2^-100 (docs/SPEC.md). */
static int is_promised(const call *c, uint32_t layer) {
  const eplb_problem *p = &c->problem;
  const float *load = p->load + (size_t)layer * p->num_logical_experts;
  if (!is_hierarchical(p, c->options.scope)) return 1;
  for (uint32_t e = 0; e < p->num_logical_experts; e++)
    if (load[e] != 0 && load[e] < 0x1p-100f) return 0;
  return 1;
}

/* BALANCED is never worse than DEEPSEEK, where that plan keeps replicas apart. */
static void require_never_worse(const outcome *o) {
  const call *c = &o->c;
  call other = {0};
  uint32_t all = c->problem.num_physical_experts - c->problem.num_logical_experts + 1;
  int limited = c->placement.max_replicas > 0 && c->placement.max_replicas < all; /* with or without a table */
  /* not where moves are limited, or experts are kept apart at a cost */
  limited |= c->options.max_moves != 0 || c->options.max_moves_per_gpu_pair != 0 || c->options.flags != 0 || c->options.split != 0 || reads(&c->problem);
  if (c->options.policy != EPLB_POLICY_BALANCED || c->per_layer == NULL || limited) return;
  other.problem = c->problem;
  other.problem.cost = NULL;
  other.options = (eplb_options)EPLB_OPTIONS_INIT;
  other.options.policy = EPLB_POLICY_DEEPSEEK;
  other.options.scope = c->options.scope;
  if (plan_into(&other, 0) == EPLB_STATUS_OK) {
    eplb_metrics *theirs = call_block(&other, other.problem.num_layers * sizeof *theirs);
    workspace ws = make_workspace(&other, EPLB_OPERATION_EVALUATE, 0);
    REQUIRE(ws.status == EPLB_STATUS_OK && theirs != NULL && ws.block != NULL);
    REQUIRE(eplb_evaluate(other.problem_arg, other.options_arg, ws.block, ws.size, other.placement_arg, theirs,
                          sizeof *theirs) == EPLB_STATUS_OK);
    for (uint32_t layer = 0; layer < other.problem.num_layers; layer++) {
      eplb_metrics ours = metrics_of(c, layer);
      REQUIRE(theirs[layer].duplicates > 0 || !is_promised(c, layer) || ours.max_gpu_load <= theirs[layer].max_gpu_load * (1 + 1e-12));
    }
  }
  call_free(&other);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  input in = {data, size};
  outcome first, second;
  plan(&first, in, 0xa5);
  record(&first.status, sizeof first.status);
  if (first.status != EPLB_STATUS_OK) {
    require_untouched(&first.c, 0xa5);
  } else if (first.c.sound) {
    uint64_t digest = 0;
    REQUIRE(eplb_digest(first.c.problem_arg, first.c.placement_arg, &digest) == EPLB_STATUS_OK);
    record(&digest, sizeof digest);
    if (first.c.per_layer) record(first.c.per_layer, first.c.problem.num_layers * first.c.metrics_size);
    require_placed(&first.c);
    require_agreement(&first.c);
    if (size % 4 == 2) require_never_worse(&first);
  }
  if (size % 4 == 1) { /* not always: it takes as long again */
    plan(&second, in, 0xff);
    require_same(&first, &second);
    call_free(&second.c);
  }
  call_free(&first.c);
  return 0;
}
