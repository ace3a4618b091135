/* eplb_dispatch: placements and batches of any kind. Every token has a quota where its expert is, the table says
 * the same, the report is what the quotas say, and not below the bound. */
#include "decode.h"

static uint32_t token_count(input *in, uint8_t way) {
  static const uint32_t extreme[] = {0, 1, 2, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff, 1u << 20};
  uint8_t byte = take_byte(in);
  switch (way % 4) {
  case 0: return byte;
  case 1: return byte % 3;
  case 2: return byte < 16 ? extreme[byte % 8] : byte * 37u;
  default: return byte % 8 == 0 ? byte * 1000u : 1;
  }
}

static int serves(const eplb_problem *p, uint32_t gpu) { return !p->gpu_state || p->gpu_state[gpu] != EPLB_GPU_DEAD; }

/* What the status must be, of placement and batch. */
static int32_t verdict(const call *c, const eplb_batch *b, uint32_t rows, int table, uint32_t width) {
  const eplb_problem *p = &c->problem;
  const uint32_t experts = p->num_logical_experts;
  for (uint32_t layer = 0; layer < p->num_layers; layer++) {
    const int32_t *slot = c->placement.physical_to_logical + (size_t)layer * p->num_physical_experts;
    const uint32_t *tokens = b->tokens + (size_t)layer * rows * experts;
    for (uint32_t row = 0; row < rows && rows > 1; row++)
      for (uint32_t e = 0; e < experts; e++)
        if (tokens[row * experts + e] && !serves(p, row)) return EPLB_STATUS_DISPATCH_DEAD_SOURCE;
    for (uint32_t i = 0; i < p->num_physical_experts; i++)
      if (slot[i] < -1 || slot[i] >= (int32_t)experts) return EPLB_STATUS_PLACEMENT_EXPERT;
    uint32_t most = 0;
    for (uint32_t e = 0; e < experts; e++) {
      uint32_t holders = 0, at = 0;
      uint64_t sum = 0;
      for (uint32_t gpu = 0; gpu < p->num_gpus; gpu++) {
        int holds = 0;
        for (uint32_t i = slots_of(p, gpu); i > 0; i--, at++) holds |= slot[at] == (int32_t)e;
        holders += holds && serves(p, gpu);
      }
      for (uint32_t row = 0; row < rows; row++) sum += tokens[row * experts + e];
      if (sum && !holders) return EPLB_STATUS_DISPATCH_NO_REPLICA;
      most = holders > most ? holders : most;
    }
    if (table && most > width) return EPLB_STATUS_MAX_REPLICAS;
  }
  return EPLB_STATUS_OK;
}

static int close_to(double a, double b) {
  double difference = a < b ? b - a : a - b;
  return difference <= 1e-9 * b;
}

/* One layer's quotas, table and report. */
static void judge(const call *c, const eplb_batch *b, const eplb_quotas *q, uint32_t rows, uint32_t layer, const eplb_split *split) {
  const eplb_problem *p = &c->problem;
  const uint32_t experts = p->num_logical_experts, slots = p->num_physical_experts;
  const int32_t *slot = c->placement.physical_to_logical + (size_t)layer * slots;
  const uint32_t *tokens = b->tokens + (size_t)layer * rows * experts;
  const uint32_t *quota = q->quota + (size_t)layer * rows * slots;
  uint64_t all = 0, away = 0, abroad = 0;
  double largest = 0, total_speed = 0;
  for (uint32_t gpu = 0, at = 0; gpu < p->num_gpus; gpu++) {
    uint64_t load = 0;
    double work = 0; /* of the GPU, in seconds where there is a cost */
    double speed = p->gpu_speed ? (double)p->gpu_speed[gpu] : 1;
    for (uint32_t i = slots_of(p, gpu); i > 0; i--, at++) {
      uint64_t of_slot = 0;
      for (uint32_t row = 0; row < rows; row++) {
        uint32_t here = quota[(size_t)row * slots + at];
        if (here) REQUIRE(slot[at] >= 0 && serves(p, gpu));
        of_slot += here;
        if (row != gpu) away += here;
        if (node_of(p, row) != node_of(p, gpu)) abroad += here;
      }
      load += of_slot;
      if (of_slot > 0 && p->cost) {
        double working = p->cost->token_seconds * (double)of_slot;
        work += working > p->cost->expert_seconds ? working : p->cost->expert_seconds;
      }
    }
    all += load;
    if (!p->cost) work = (double)load;
    if (work / speed > largest) largest = work / speed;
    if (!p->gpu_state || p->gpu_state[gpu] == EPLB_GPU_ALIVE) total_speed += speed;
  }
  REQUIRE(split->tokens == all && split->busiest_gpu < p->num_gpus);
  if (p->cost) {
    largest += p->cost->layer_seconds;
REQUIRE(close_to(split->largest_time, largest) && split->bound <= split->largest_time);
    if (!reads(p)) REQUIRE(close_to(split->bound, largest) || split->kind == EPLB_SPLIT_KIND_EVEN);
  } else {
    REQUIRE(split->largest_time == largest);
    REQUIRE(split->bound <= largest && (split->bound == largest || split->kind == EPLB_SPLIT_KIND_EVEN));
  }
  double balance = p->cost ? split->balance : largest > 0 ? (double)all / total_speed / largest : 1, off = split->balance - balance;
  REQUIRE(off < 1e-12 * balance && -off < 1e-12 * balance);
  if (rows > 1) REQUIRE(split->leaving_gpu == away && split->leaving_node == abroad);
  if (rows == 1 && b->num_sources == 0) REQUIRE(split->leaving_gpu == 0 && split->leaving_node == 0);
  for (uint32_t row = 0; row < rows; row++)
    for (uint32_t e = 0; e < experts; e++) {
      uint64_t sum = 0;
      for (uint32_t at = 0; at < slots; at++)
        if (slot[at] == (int32_t)e) sum += quota[(size_t)row * slots + at];
      REQUIRE(sum == tokens[row * experts + e]);
      if (!q->route_end || !q->route_slot) continue;
      const uint32_t *end = q->route_end + (((size_t)layer * rows + row) * experts + e) * q->max_replicas;
      const int32_t *place = q->route_slot + ((size_t)layer * experts + e) * q->max_replicas;
      uint32_t before = 0;
      for (uint32_t r = 0; r < q->max_replicas; r++) {
        uint32_t here = place[r] < 0 ? 0 : quota[(size_t)row * slots + (uint32_t)place[r]];
        REQUIRE(end[r] - before == here);
        if (here) REQUIRE(eplb_route(end, place, q->max_replicas, before) == place[r]);
        if (here) REQUIRE(eplb_route(end, place, q->max_replicas, end[r] - 1) == place[r]);
        before = end[r];
      }
      REQUIRE(before == sum && eplb_route(end, place, q->max_replicas, before) == -1);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  input in = {data, size};
  call c = {0};
  uint8_t way = take_byte(&in), kind = take_byte(&in);
  decode_problem(&c, &in);
  decode_options(&c, &in);
  c.options.previous = NULL;
  if (way % 4 == 0 && deal_into(&c)) {
    /* every expert has a slot */
  } else {
    decode_outputs(&c, &in, -1);
    for (size_t i = 0; c.placement.physical_to_logical && i < num_slots(&c); i++) {
      uint32_t experts = c.problem.num_logical_experts ? c.problem.num_logical_experts : 1;
      uint8_t byte = take_byte(&in);
      c.placement.physical_to_logical[i] = way % 4 == 3 ? (int8_t)byte : (int32_t)((byte ^ (uint32_t)i) % experts);
    }
  }
  const eplb_problem *p = &c.problem;
  eplb_batch batch = EPLB_BATCH_INIT;
  eplb_quotas quotas = EPLB_QUOTAS_INIT;
  batch.num_sources = kind & 1 ? p->num_gpus : 0;
  if (rarely(&in, 64)) batch.num_sources = take_byte(&in);
  uint32_t rows = batch.num_sources ? p->num_gpus : 1;
  size_t bounded = p->num_gpus < 256 && rows ? rows : 0, cells = num_experts(&c) * bounded;
  uint32_t *tokens = cells ? call_block(&c, cells * 4) : NULL;
  for (size_t i = 0; tokens && i < cells; i++) {
    int silent = rows > 1 && p->gpu_state && !serves(p, (uint32_t)(i / p->num_logical_experts) % rows);
    tokens[i] = silent && !rarely(&in, 64) ? 0 : token_count(&in, way / 4);
  }
  /* mostly none for the lost */
  for (size_t i = 0; tokens && c.placement.physical_to_logical && !(way & 64) && i < cells; i++) {
    size_t layer = i / p->num_logical_experts / rows;
    uint32_t expert = (uint32_t)(i % p->num_logical_experts), at = 0;
    int holds = 0;
    for (uint32_t gpu = 0; gpu < p->num_gpus && num_slots(&c); gpu++)
      for (uint32_t k = slots_of(p, gpu); k > 0 && at < p->num_physical_experts; k--, at++)
        holds |= serves(p, gpu) && c.placement.physical_to_logical[layer * p->num_physical_experts + at] == (int32_t)expert;
    if (!holds) tokens[i] = 0;
  }
  batch.tokens = tokens;
  quotas.max_replicas = way & 128 ? take_byte(&in) % 8 : p->num_gpus < 64 ? p->num_gpus : 4;
  quotas.split_size = sizeof(eplb_split) + (kind & 2 ? 8 : 0);
  size_t quota_size = num_slots(&c) * bounded * 4, end_size = cells * quotas.max_replicas * 4;
  size_t slot_size = num_experts(&c) * quotas.max_replicas * 4;
  size_t report_size = p->num_layers < 1000 ? p->num_layers * quotas.split_size : 0;
  quotas.quota = quota_size ? call_block(&c, quota_size) : NULL;
  if (kind & 4) quotas.route_end = call_block(&c, end_size);
  if (kind & 8) quotas.route_slot = call_block(&c, slot_size);
  if (!(kind & 16)) quotas.per_layer = report_size ? call_block(&c, report_size) : NULL;
  if (quotas.quota) memset(quotas.quota, 0x77, quota_size);
  if (quotas.route_end) memset(quotas.route_end, 0x77, end_size);
  if (quotas.route_slot) memset(quotas.route_slot, 0x77, slot_size);
  if (quotas.per_layer) memset(quotas.per_layer, 0x77, report_size);
  decode_arguments(&c, &in);

  workspace ws = make_workspace(&c, EPLB_OPERATION_DISPATCH, 0xff);
  int short_of = rarely(&in, 32) && ws.size > 0;
  int32_t status = eplb_dispatch(c.problem_arg, c.options_arg, ws.block, ws.size - (size_t)short_of, c.placement_arg, &batch, &quotas);
  REQUIRE(is_known_status(status));
  record(&status, sizeof status);
  REQUIRE(explained(eplb_explain_dispatch(c.problem_arg, c.options_arg, ws.block, ws.size - (size_t)short_of, c.placement_arg,
                                          &batch, &quotas, sentence, sizeof sentence)) == status);
  if (c.sound && ws.status != EPLB_STATUS_OK) REQUIRE(status == ws.status);
  if (status != EPLB_STATUS_OK && c.sound)
    REQUIRE(untouched(quotas.quota, quota_size, 0x77) && untouched(quotas.route_end, end_size, 0x77) &&
            untouched(quotas.route_slot, slot_size, 0x77) && untouched(quotas.per_layer, report_size, 0x77));
  int about_maps = status == EPLB_STATUS_OK || status == EPLB_STATUS_PLACEMENT_EXPERT || status == EPLB_STATUS_MAX_REPLICAS ||
                   status == EPLB_STATUS_DISPATCH_NO_REPLICA || status == EPLB_STATUS_DISPATCH_DEAD_SOURCE;
  /* one thing wrong at a time, or any of them */
  if (c.sound && about_maps) {
    int32_t expected = verdict(&c, &batch, rows, quotas.route_end || quotas.route_slot, quotas.max_replicas);
    REQUIRE((status == EPLB_STATUS_OK) == (expected == EPLB_STATUS_OK));
  }
  if (c.sound && status == EPLB_STATUS_OK) {
    record(quotas.quota, quota_size);
    if (quotas.route_end) record(quotas.route_end, end_size);
    if (quotas.route_slot) record(quotas.route_slot, slot_size);
    if (quotas.per_layer) record(quotas.per_layer, report_size);
    for (uint32_t layer = 0; layer < p->num_layers && quotas.per_layer; layer++) {
      eplb_split split;
      memcpy(&split, (const uint8_t *)quotas.per_layer + layer * quotas.split_size, sizeof split);
      judge(&c, &batch, &quotas, rows, layer, &split);
    }
  }
  call_free(&c);
  return 0;
}
