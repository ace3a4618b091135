/* eplb_evaluate: placements whole and spoilt, and garbage, against a ruler written anew. */
#include "decode.h"

static int close_to(double a, double b) {
  double difference = a < b ? b - a : a - b;
  return difference <= 1e-9 * (a < 0 ? -a : a) || difference < 1e-40;
}

/* What the status must be, of the placement alone. */
static int32_t verdict(const call *c) {
  const eplb_problem *p = &c->problem;
  const int32_t *slot = c->placement.physical_to_logical;
  int32_t found = EPLB_STATUS_OK;
  for (uint32_t layer = 0; layer < p->num_layers && found == EPLB_STATUS_OK; layer++) {
    uint8_t *there = calloc(p->num_logical_experts, 1);
    REQUIRE(there != NULL);
    for (uint32_t gpu = 0; gpu < p->num_gpus; gpu++)
      for (uint32_t i = slots_of(p, gpu); i > 0; i--, slot++) {
        if (*slot < -1 || *slot >= (int32_t)p->num_logical_experts) found = EPLB_STATUS_PLACEMENT_EXPERT;
        else if (*slot >= 0) there[*slot] |= !p->gpu_state || p->gpu_state[gpu] != EPLB_GPU_DEAD;
      }
    for (uint32_t e = 0; e < p->num_logical_experts && found == EPLB_STATUS_OK; e++)
      if (!there[e]) found = EPLB_STATUS_PLACEMENT_MISSING;
    free(there);
  }
  return found;
}

/* Largest load over speed, and the largest of a replica, of one layer and one window. */
static void measure(const call *c, uint32_t layer, eplb_metrics *m) {
  const eplb_problem *p = &c->problem;
  const int32_t *slots = c->placement.physical_to_logical + (size_t)layer * p->num_physical_experts, *slot = slots;
  const float *load = p->load + (size_t)layer * p->num_logical_experts;
  double speeds = 0, total = 0;
  uint32_t *count = calloc(p->num_logical_experts, sizeof *count);
  REQUIRE(count != NULL);
  memset(m, 0, sizeof *m);
  for (uint32_t gpu = 0; gpu < p->num_gpus; gpu++)
    for (uint32_t i = slots_of(p, gpu); i > 0; i--, slot++)
      if (*slot >= 0 && (!p->gpu_state || p->gpu_state[gpu] != EPLB_GPU_DEAD)) count[*slot]++;
  slot = slots;
  for (uint32_t gpu = 0; gpu < p->num_gpus; gpu++) {
    double sum = 0, speed = p->gpu_speed ? (double)p->gpu_speed[gpu] : 1;
    int serves = !p->gpu_state || p->gpu_state[gpu] != EPLB_GPU_DEAD;
    const int32_t *start = slot;
    for (uint32_t i = slots_of(p, gpu); i > 0; i--, slot++) {
      if (*slot < 0 || !serves) continue;
      sum += (double)load[*slot] / count[*slot];
      for (const int32_t *other = start; other < slot; other++)
        if (*other == *slot) {
          m->duplicates++;
          break;
        }
    }
    if (sum / speed > m->max_gpu_load) m->max_gpu_load = sum / speed;
    if (!p->gpu_state || p->gpu_state[gpu] == EPLB_GPU_ALIVE) speeds += speed;
  }
  for (uint32_t e = 0; e < p->num_logical_experts; e++) total += (double)load[e];
  m->mean_gpu_load = total / speeds;
  free(count);
}

/* Seconds where there is a cost; where a token costs alone, those of the load. */
static void require_seconds(const call *c, const eplb_metrics *m) {
  const eplb_cost *cost = c->problem.cost;
  if (cost == NULL) {
    REQUIRE(m->max_gpu_seconds == 0 && m->seconds_bound == 0 && m->active_experts == 0);
    return;
  }
  REQUIRE(m->seconds_bound <= m->max_gpu_seconds && m->seconds_gap >= 0 && m->max_gpu_seconds >= cost->layer_seconds);
  REQUIRE(m->active_experts >= 0 && m->active_experts <= c->problem.num_physical_experts && m->time_balance >= 0);
  if (!reads(&c->problem) && c->problem.step_tokens == NULL)
    REQUIRE(close_to(m->max_gpu_seconds, cost->layer_seconds + cost->token_seconds * m->max_gpu_load));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  input in = {data, size};
  call c = {0};
  uint8_t way = take_byte(&in);
  decode_problem(&c, &in);
  decode_options(&c, &in);
  /* a placement to start from: dealt out, since planning takes many times as long, and has plan.c */
  if (way < 192 && deal_into(&c)) {
    for (int edits = way % 4; edits > 0; edits--) /* to another expert, to none, out of range */
      c.placement.physical_to_logical[take_byte(&in) % num_slots(&c)] = (int8_t)take_byte(&in);
  } else {
    decode_outputs(&c, &in, -1);
    for (size_t i = 0; c.placement.physical_to_logical && i < num_slots(&c); i++)
      c.placement.physical_to_logical[i] = way % 2 ? (int32_t)i % (int32_t)(1 + c.problem.num_logical_experts % 64) : (int8_t)take_byte(&in);
  }
  if (way % 8 != 7) c.options.previous = NULL;
  c.metrics_size = sizeof(eplb_metrics) + (way % 16 == 5 ? take_byte(&in) % 32 : 0);
  c.per_layer = call_block(&c, c.problem.num_layers < 1000 ? c.problem.num_layers * c.metrics_size : 0);
  if (c.per_layer) memset(c.per_layer, 0x77, c.problem.num_layers < 1000 ? c.problem.num_layers * c.metrics_size : 0);
  if (c.problem.num_layers >= 1000) c.per_layer = NULL;
  decode_arguments(&c, &in);

  workspace ws = make_workspace(&c, EPLB_OPERATION_EVALUATE, 0xff);
  int32_t status = eplb_evaluate(c.problem_arg, c.options_arg, ws.block, ws.size, c.placement_arg, c.per_layer, c.metrics_size);
  REQUIRE(is_known_status(status));
  record(&status, sizeof status);
  REQUIRE(explained(eplb_explain_evaluate(c.problem_arg, c.options_arg, ws.block, ws.size, c.placement_arg, c.per_layer,
                                          c.metrics_size, sentence, sizeof sentence)) == status);
  if (c.sound && ws.status != EPLB_STATUS_OK) REQUIRE(status == ws.status);
  if (c.sound && status != EPLB_STATUS_OK && c.per_layer)
    REQUIRE(untouched(c.per_layer, c.problem.num_layers * c.metrics_size, 0x77));
  int about_maps = status == EPLB_STATUS_OK || status == EPLB_STATUS_PLACEMENT_EXPERT || status == EPLB_STATUS_PLACEMENT_MISSING;
  if (c.sound && about_maps) REQUIRE(status == verdict(&c));
  if (c.sound && status == EPLB_STATUS_OK) {
    record(c.per_layer, c.problem.num_layers * c.metrics_size);
    for (uint32_t layer = 0; layer < c.problem.num_layers && c.problem.num_windows <= 1; layer++) {
      eplb_metrics m = metrics_of(&c, layer), expected;
      measure(&c, layer, &expected);
      int even = c.options.split == EPLB_SPLIT_EVEN;
      REQUIRE((!even || close_to(m.max_gpu_load, expected.max_gpu_load)) && close_to(m.mean_gpu_load, expected.mean_gpu_load));
      REQUIRE(m.duplicates == expected.duplicates);
      REQUIRE(m.bound <= m.max_gpu_load && m.gap >= 0 && m.busiest_gpu < c.problem.num_gpus);
      require_seconds(&c, &m);
    }
  }
  call_free(&c);
  return 0;
}
