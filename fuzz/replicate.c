/* eplb_replicate: homes, batches, held copies and limits of any kind. Homes stay, every token has a quota where its expert
 * is, copies keep every limit and are fetched from where they are; the report is what the arrays say, and no split of
 * eplb_dispatch contradicts it. */
#include "decode.h"

enum { FILL = 0x77, NUM_OUTPUTS = 6 };

/* What is asked and where the answer goes; an output is a block of exactly its size. */
typedef struct asked {
  const call *c;
  const int32_t *home;
  eplb_replication request;
  eplb_replicas out;
  uint32_t rows; /* of the tokens of a layer */
  struct {
    void *block;
    size_t size;
  } outputs[NUM_OUTPUTS];
} asked;

static const asked *last_asked;

static void print_asked(void) {
  const asked *a = last_asked;
  const eplb_replication *r = &a->request;
  const size_t slots = num_slots(a->c), tokens = num_experts(a->c) * a->rows;
  fprintf(stderr, "  sources %u, tolerance %u, a fetch %u tokens, least %u, in %u, out %u, max_replicas %u", r->num_sources,
          r->tolerance, r->fetch_tokens, r->least_tokens, r->max_fetches_in, r->max_fetches_out, a->out.max_replicas);
  fprintf(stderr, "\n  tokens:");
  for (size_t i = 0; r->tokens && i < tokens; i++) fprintf(stderr, " %u", r->tokens[i]);
  fprintf(stderr, "\n  held:");
  for (size_t i = 0; r->held && i < slots; i++) fprintf(stderr, " %d", r->held[i]);
  fprintf(stderr, "\n  answer:");
  for (size_t i = 0; a->out.physical_to_logical && i < slots; i++) fprintf(stderr, " %d", a->out.physical_to_logical[i]);
  fprintf(stderr, "\n  quota:");
  for (size_t i = 0; a->out.quota && i < slots * a->rows; i++) fprintf(stderr, " %u", a->out.quota[i]);
  for (uint32_t i = 0; a->out.per_layer && i < a->c->problem.num_layers; i++) {
    eplb_replicated of;
    memcpy(&of, (const uint8_t *)a->out.per_layer + i * a->out.replicated_size, sizeof of);
    fprintf(stderr, "\n  time %.17g, bound %.17g, fetches %u, bound %u, limit %u", of.largest_time, of.bound, of.fetches,
            of.fetches_bound, of.limit);
  }
  fprintf(stderr, "\n");
}

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

/* Small as a rule, 0 often. */
static uint32_t limit(input *in) {
  uint8_t byte = take_byte(in);
  return byte < 128 ? 0 : byte < 224 ? byte % 4u : byte < 248 ? byte - 223u : take_word(in);
}

static int serves(const eplb_problem *p, uint32_t gpu) { return !p->gpu_state || p->gpu_state[gpu] != EPLB_GPU_DEAD; }
static int receives(const eplb_problem *p, uint32_t gpu) { return !p->gpu_state || p->gpu_state[gpu] == EPLB_GPU_ALIVE; }

static uint32_t gpu_of(const eplb_problem *p, uint32_t slot) {
  uint32_t gpu = 0;
  for (uint32_t end = slots_of(p, 0); slot >= end; end += slots_of(p, gpu)) gpu++;
  return gpu;
}

/* Whether another slot of the GPU of `at` holds what it holds. */
static int is_twice(const eplb_problem *p, const int32_t *slot, uint32_t at) {
  for (uint32_t other = 0; other < p->num_physical_experts; other++)
    if (other != at && slot[other] == slot[at] && gpu_of(p, other) == gpu_of(p, at)) return 1;
  return 0;
}

/* GPUs that serve and hold an expert. */
static uint32_t holders_of(const eplb_problem *p, const int32_t *slot, uint32_t expert) {
  uint32_t holders = 0, at = 0;
  for (uint32_t gpu = 0; gpu < p->num_gpus; gpu++) {
    int holds = 0;
    for (uint32_t i = slots_of(p, gpu); i > 0; i--, at++) holds |= slot[at] == (int32_t)expert;
    holders += holds && serves(p, gpu);
  }
  return holders;
}

static int has_table(const asked *a) { return a->out.route_end || a->out.route_slot; }

/* What the status must be, of all that is asked. */
static int32_t verdict(const asked *a) {
  const eplb_problem *p = &a->c->problem;
  const uint32_t experts = p->num_logical_experts, slots = p->num_physical_experts, rows = a->rows;
  uint32_t spare = 0;
  if (p->cost) return EPLB_STATUS_UNSUPPORTED_COST;
  if (a->request.tolerance > 1u << 20) return EPLB_STATUS_TOLERANCE;
  for (uint32_t layer = 0; layer < p->num_layers; layer++) {
    const int32_t *slot = a->home + (size_t)layer * slots;
    const int32_t *held = a->request.held ? a->request.held + (size_t)layer * slots : NULL;
    const uint32_t *tokens = a->request.tokens + (size_t)layer * rows * experts;
    for (uint32_t row = 0; row < rows && rows > 1; row++)
      for (uint32_t e = 0; e < experts; e++)
        if (tokens[row * experts + e] && !serves(p, row)) return EPLB_STATUS_DISPATCH_DEAD_SOURCE;
    for (uint32_t i = 0; i < slots; i++) {
      if (slot[i] < -1 || slot[i] >= (int32_t)experts) return EPLB_STATUS_PLACEMENT_EXPERT;
      if (held && slot[i] < 0 && (held[i] < -1 || held[i] >= (int32_t)experts)) return EPLB_STATUS_PLACEMENT_EXPERT;
      spare += slot[i] < 0 && receives(p, gpu_of(p, i));
    }
    for (uint32_t e = 0; e < experts; e++) {
      uint32_t holders = holders_of(p, slot, e);
      uint64_t sum = 0;
      for (uint32_t row = 0; row < rows; row++) sum += tokens[row * experts + e];
      if (sum && !holders) return EPLB_STATUS_DISPATCH_NO_REPLICA;
      if (has_table(a) && holders > a->out.max_replicas) return EPLB_STATUS_MAX_REPLICAS;
    }
  }
  return a->out.fetches && a->out.capacity < spare ? EPLB_STATUS_LIST_TOO_SMALL : EPLB_STATUS_OK;
}

/* What the slots hold: how many copies are fetched. */
static uint32_t judge_slots(const asked *a, const int32_t *home, const int32_t *held, const int32_t *slot) {
  const eplb_problem *p = &a->c->problem;
  uint32_t fetched = 0;
  for (uint32_t at = 0; at < p->num_physical_experts; at++) {
    if (home[at] >= 0 || !receives(p, gpu_of(p, at))) {
      REQUIRE(slot[at] == home[at]);
      continue;
    }
    REQUIRE(slot[at] >= -1 && slot[at] < (int32_t)p->num_logical_experts);
    if (slot[at] >= 0) {
      REQUIRE(!is_twice(p, slot, at));
      REQUIRE(holders_of(p, home, (uint32_t)slot[at]) > 0);
      REQUIRE(!has_table(a) || holders_of(p, slot, (uint32_t)slot[at]) <= a->out.max_replicas);
      fetched += !held || slot[at] != held[at];
    } else if (held && held[at] >= 0 && !has_table(a)) { /* it was of no use */
      int here = !holders_of(p, home, (uint32_t)held[at]);
      for (uint32_t other = 0; other < p->num_physical_experts; other++)
        here |= other != at && (home[other] < 0 ? held[other] : home[other]) == held[at] && gpu_of(p, other) == gpu_of(p, at);
      REQUIRE(here);
    }
  }
  return fetched;
}

/* The tokens of a slot, of all sources. */
static uint64_t tokens_of(const asked *a, const uint32_t *quota, uint32_t at) {
  uint64_t sum = 0;
  for (uint32_t row = 0; row < a->rows; row++) sum += quota[(size_t)row * a->c->problem.num_physical_experts + at];
  return sum;
}

static eplb_fetch fetch_at(const asked *a, size_t place) {
  eplb_fetch fetch;
  memcpy(&fetch, (const uint8_t *)a->out.fetches + place * a->out.fetch_size, sizeof fetch);
  return fetch;
}

/* The fetches of a layer, from a place in the list on. */
static void judge_fetches(const asked *a, uint32_t layer, size_t from, uint32_t count) {
  const eplb_problem *p = &a->c->problem;
  const uint32_t slots = p->num_physical_experts;
  const int32_t *home = a->home + (size_t)layer * slots, *slot = a->out.physical_to_logical + (size_t)layer * slots;
  const int32_t *held = a->request.held ? a->request.held + (size_t)layer * slots : NULL;
  const uint32_t *quota = a->out.quota + (size_t)layer * a->rows * slots;
  for (uint32_t i = 0; i < count; i++) {
    eplb_fetch f = fetch_at(a, from + i);
    uint32_t into = (uint32_t)f.destination_slot, of = (uint32_t)f.source_slot;
    REQUIRE(f.layer == (int32_t)layer && into < slots && of < slots);
    REQUIRE(home[into] < 0 && slot[into] == f.expert && (uint32_t)f.destination_gpu == gpu_of(p, into));
    REQUIRE(f.source_gpu != f.destination_gpu && (uint32_t)f.source_gpu == gpu_of(p, of) && serves(p, gpu_of(p, of)));
    uint64_t here = tokens_of(a, quota, into);
    REQUIRE(f.tokens == (here < UINT32_MAX ? here : UINT32_MAX));
    if (i > 0) {
      eplb_fetch before = fetch_at(a, from + i - 1);
      REQUIRE(before.round < f.round || (before.round == f.round && before.destination_slot < f.destination_slot));
    }
    int relayed = 0; /* by a copy that came the round before */
    for (uint32_t k = 0; k < i; k++) {
      eplb_fetch other = fetch_at(a, from + k);
      relayed |= other.destination_slot == f.source_slot && other.expert == f.expert && other.round + 1 == f.round;
    }
    /* a home, or a copy of the last batch that stays */
    int stands = slot[of] == f.expert && (home[of] >= 0 || (held && held[of] == f.expert));
    REQUIRE(f.round == 0 ? stands : relayed);
  }
}

/* Fetches into, or out of, a GPU. */
static uint32_t fetches_of(const asked *a, size_t from, uint32_t count, uint32_t gpu, int out) {
  uint32_t sum = 0;
  for (uint32_t i = 0; i < count; i++) {
    eplb_fetch f = fetch_at(a, from + i);
    sum += (uint32_t)(out ? f.source_gpu : f.destination_gpu) == gpu;
  }
  return sum;
}

/* The quotas of a layer, and the times and sums that the report has. */
static void judge_quotas(const asked *a, uint32_t layer, size_t from, const eplb_replicated *r) {
  const eplb_problem *p = &a->c->problem;
  const uint32_t slots = p->num_physical_experts;
  const int32_t *home = a->home + (size_t)layer * slots, *slot = a->out.physical_to_logical + (size_t)layer * slots;
  const int32_t *held = a->request.held ? a->request.held + (size_t)layer * slots : NULL;
  const uint32_t *quota = a->out.quota + (size_t)layer * a->rows * slots, least = a->request.least_tokens;
  uint64_t all = 0, away = 0, abroad = 0, copied = 0;
  double largest = 0, total_speed = 0;
  uint32_t busiest = 0;
  for (uint32_t gpu = 0, at = 0; gpu < p->num_gpus; gpu++) {
    uint64_t load = 0, received = 0;
    double speed = p->gpu_speed ? (double)p->gpu_speed[gpu] : 1;
    for (uint32_t i = slots_of(p, gpu); i > 0; i--, at++) {
      uint64_t here = tokens_of(a, quota, at);
      if (here) REQUIRE(slot[at] >= 0 && serves(p, gpu));
      for (uint32_t row = 0; row < a->rows; row++) {
        uint32_t of_row = quota[(size_t)row * slots + at];
        if (row != gpu) away += of_row;
        if (node_of(p, row) != node_of(p, gpu)) abroad += of_row;
      }
      load += here;
      if (home[at] >= 0 || slot[at] < 0) continue;
      copied += here;
      if (held && held[at] == slot[at]) continue;
      received++;
      REQUIRE(here >= (least > 1 ? least : 1));
    }
    REQUIRE(a->request.max_fetches_in == 0 || received <= a->request.max_fetches_in);
    if (a->out.fetches) {
      REQUIRE(fetches_of(a, from, r->fetches, gpu, 0) == received);
      REQUIRE(a->request.max_fetches_out == 0 || fetches_of(a, from, r->fetches, gpu, 1) <= a->request.max_fetches_out);
    }
    all += load;
    double time = (double)(load + received * a->request.fetch_tokens) / speed;
    if (time > largest) largest = time, busiest = gpu;
    if (receives(p, gpu)) total_speed += speed;
  }
  REQUIRE(r->tokens == all && r->leaving_home == copied && r->largest_time == largest && r->busiest_gpu == busiest);
  double balance = largest > 0 ? (double)all / total_speed / largest : 1, off = r->balance - balance;
  REQUIRE(off <= 1e-12 * balance && -off <= 1e-12 * balance);
  int by_source = a->request.num_sources != 0;
  if (a->rows > 1 || !by_source)
    REQUIRE(r->leaving_gpu == (by_source ? away : 0) && r->leaving_node == (by_source ? abroad : 0));
}

/* Every token has a quota, and the table says the same. */
static void judge_routes(const asked *a, uint32_t layer) {
  const eplb_problem *p = &a->c->problem;
  const uint32_t experts = p->num_logical_experts, slots = p->num_physical_experts, width = a->out.max_replicas;
  const int32_t *slot = a->out.physical_to_logical + (size_t)layer * slots;
  for (uint32_t row = 0; row < a->rows; row++)
    for (uint32_t e = 0; e < experts; e++) {
      const uint32_t *quota = a->out.quota + ((size_t)layer * a->rows + row) * slots;
      size_t of_row = ((size_t)layer * a->rows + row) * experts + e;
      uint64_t sum = 0;
      for (uint32_t at = 0; at < slots; at++)
        if (slot[at] == (int32_t)e) sum += quota[at];
      REQUIRE(sum == a->request.tokens[of_row]);
      if (!a->out.route_end || !a->out.route_slot) continue;
      const uint32_t *end = a->out.route_end + of_row * width;
      const int32_t *place = a->out.route_slot + ((size_t)layer * experts + e) * width;
      uint32_t before = 0;
      for (uint32_t r = 0; r < width; r++) {
        uint32_t here = place[r] < 0 ? 0 : quota[(uint32_t)place[r]];
        REQUIRE(end[r] - before == here);
        if (here) REQUIRE(eplb_route(end, place, width, before) == place[r]);
        if (here) REQUIRE(eplb_route(end, place, width, end[r] - 1) == place[r]);
        before = end[r];
      }
      REQUIRE(before == sum && eplb_route(end, place, width, before) == -1);
    }
}

/* The best split of the batch over a placement; in its report nothing is EPLB_SPLIT_KIND_EVEN. NULL: there is none. */
static eplb_split *dispatched(call *c, const asked *a, const int32_t *slots) {
  size_t align = 0, size = 0, quota_size = num_slots(c) * a->rows * 4;
  if (eplb_workspace(EPLB_OPERATION_DISPATCH, c->problem_arg, NULL, &size, &align) != EPLB_STATUS_OK) return NULL;
  void *block = call_block(c, size);
  eplb_quotas quotas = EPLB_QUOTAS_INIT;
  eplb_batch batch = {sizeof batch, a->request.num_sources, a->request.tokens};
  eplb_placement placement = eplb_placement_of((int32_t *)slots);
  quotas.quota = call_block(c, quota_size);
  quotas.per_layer = call_block(c, c->problem.num_layers * sizeof *quotas.per_layer);
  if (!block || !quotas.quota || !quotas.per_layer) return NULL;
  REQUIRE(eplb_dispatch(c->problem_arg, NULL, block, size, &placement, &batch, &quotas) == EPLB_STATUS_OK);
  for (uint32_t layer = 0; layer < c->problem.num_layers; layer++)
    if (quotas.per_layer[layer].kind == EPLB_SPLIT_KIND_EVEN) return NULL;
  return quotas.per_layer;
}

/* The report against what can be done without copies, and with these. */
static void judge_report(const asked *a, const eplb_replicated *r, const eplb_split *at_home, const eplb_split *with_copies) {
  double target = r->bound * (1 + (double)a->request.tolerance / 1024);
  REQUIRE(r->limit <= EPLB_REPLICATE_LIMIT_EFFORT && r->bound <= r->largest_time && r->fetches_bound <= r->fetches);
  if (r->limit == EPLB_REPLICATE_LIMIT_NONE) {
    REQUIRE(r->largest_time <= target * (1 + 1e-9));
  } else {
    REQUIRE(r->largest_time > target * (1 - 1e-9));
    if (at_home) REQUIRE(r->largest_time <= at_home->largest_time * (1 + 1e-9)); /* times are found by halves */
  }
  if (at_home && at_home->largest_time <= target * (1 - 1e-9)) REQUIRE(r->fetches == 0);
  if (with_copies) REQUIRE(r->bound <= with_copies->largest_time && with_copies->largest_time <= r->largest_time);
}

static void judge(call *c, const asked *a) {
  const eplb_problem *p = &c->problem;
  const eplb_split *at_home = dispatched(c, a, a->home), *with_copies = dispatched(c, a, a->out.physical_to_logical);
  size_t listed = 0;
  for (uint32_t layer = 0; layer < p->num_layers; layer++) {
    size_t first = (size_t)layer * p->num_physical_experts;
    uint32_t fetched = judge_slots(a, a->home + first, a->request.held ? a->request.held + first : NULL,
                                   a->out.physical_to_logical + first);
    judge_routes(a, layer);
    if (!a->out.per_layer) continue;
    eplb_replicated r;
    memcpy(&r, (const uint8_t *)a->out.per_layer + layer * a->out.replicated_size, sizeof r);
    REQUIRE(r.fetches == fetched);
    if (a->out.fetches) judge_fetches(a, layer, listed, r.fetches);
    judge_quotas(a, layer, listed, &r);
    judge_report(a, &r, at_home ? at_home + layer : NULL, with_copies ? with_copies + layer : NULL);
    listed += r.fetches;
  }
  if (a->out.fetches && a->out.per_layer) /* what is beyond the list is left alone */
    REQUIRE(untouched((const uint8_t *)a->out.fetches + listed * a->out.fetch_size,
                      (a->out.capacity - listed) * a->out.fetch_size, FILL));
}

/* With the default effort, or another tolerance: no answer has fewer fetches than the bound of the other says. */
static void compare(call *c, asked *a, workspace ws, uint32_t tolerance) {
  const eplb_options *options = tolerance == a->request.tolerance ? NULL : c->options_arg;
  size_t slots = num_slots(c), layers = c->problem.num_layers;
  eplb_replicated *found = call_block(c, layers * sizeof *found), r;
  eplb_replication request = a->request;
  eplb_replicas out = EPLB_REPLICAS_INIT;
  request.tolerance = tolerance;
  out.physical_to_logical = call_block(c, slots * 4);
  out.quota = call_block(c, slots * a->rows * 4);
  out.per_layer = found;
  if (has_table(a) || !a->out.per_layer || !out.physical_to_logical || !out.quota || !found) return;
  REQUIRE(eplb_replicate(c->problem_arg, options, ws.block, ws.size, c->placement_arg, &request, &out) == EPLB_STATUS_OK);
  for (size_t layer = 0; layer < layers; layer++) {
    memcpy(&r, (const uint8_t *)a->out.per_layer + layer * a->out.replicated_size, sizeof r);
    REQUIRE(found[layer].bound == r.bound && found[layer].tokens == r.tokens);
    if (r.limit != EPLB_REPLICATE_LIMIT_NONE || found[layer].limit != EPLB_REPLICATE_LIMIT_NONE) continue;
    int wider = tolerance >= a->request.tolerance, narrower = tolerance <= a->request.tolerance;
    if (wider) REQUIRE(found[layer].fetches_bound <= r.fetches);
    if (narrower) REQUIRE(r.fetches_bound <= found[layer].fetches);
  }
}

/* Homes with spare slots: dealt, any, or garbage. */
static void decode_homes(call *c, input *in, uint8_t way) {
  int dealt = way % 4 == 0 && deal_into(c);
  if (!dealt) decode_outputs(c, in, -1);
  int32_t *slot = c->placement.physical_to_logical;
  uint32_t experts = or_one(c->problem.num_logical_experts);
  for (size_t i = 0; slot && i < num_slots(c); i++) {
    uint8_t byte = take_byte(in);
    int spare = byte % 4 == 0;
    for (size_t k = i - i % c->problem.num_physical_experts; dealt && k < i; k++) spare |= slot[k] == slot[i];
    if (dealt ? spare : way % 4 != 3 && byte >= 128) {
      slot[i] = -1;
    } else if (!dealt) {
      slot[i] = way % 4 == 3 ? (int8_t)byte : (int32_t)((byte ^ (uint32_t)i) % experts);
    }
  }
}

/* The tokens; mostly none of experts without a home. */
static uint32_t *decode_tokens(call *c, input *in, uint8_t way, uint32_t rows) {
  const eplb_problem *p = &c->problem;
  size_t cells = num_experts(c) * rows;
  uint32_t *tokens = cells ? call_block(c, cells * 4) : NULL;
  for (size_t i = 0; tokens && i < cells; i++) {
    int silent = rows > 1 && p->gpu_state && !serves(p, (uint32_t)(i / p->num_logical_experts) % rows);
    tokens[i] = silent && !rarely(in, 64) ? 0 : token_count(in, way / 4);
  }
  for (size_t i = 0; tokens && c->placement.physical_to_logical && num_slots(c) && !(way & 64) && i < cells; i++) {
    size_t layer = i / p->num_logical_experts / rows;
    const int32_t *slot = c->placement.physical_to_logical + layer * p->num_physical_experts;
    uint32_t at = 0, expert = (uint32_t)(i % p->num_logical_experts);
    int holds = 0; /* by hand: slots may be more than there are */
    for (uint32_t gpu = 0; gpu < p->num_gpus; gpu++)
      for (uint32_t k = slots_of(p, gpu); k > 0 && at < p->num_physical_experts; k--, at++)
        holds |= serves(p, gpu) && slot[at] == (int32_t)expert;
    if (!holds) tokens[i] = 0;
  }
  return tokens;
}

static void decode_request(call *c, input *in, asked *a, uint8_t way, uint8_t kind) {
  const eplb_problem *p = &c->problem;
  static const uint32_t tolerances[] = {0, 0, 10, 51, 102, 512, 1u << 20, (1u << 20) + 1};
  eplb_replication *r = &a->request;
  *r = (eplb_replication)EPLB_REPLICATION_INIT;
  r->num_sources = kind & 1 ? p->num_gpus : 0;
  if (rarely(in, 64)) r->num_sources = take_byte(in);
  uint32_t rows = r->num_sources ? p->num_gpus : 1;
  a->rows = p->num_gpus < 256 ? rows : 0;
  r->tokens = a->rows ? decode_tokens(c, in, way, a->rows) : NULL;
  uint8_t byte = take_byte(in);
  r->tolerance = byte < 252 ? tolerances[byte % 7] : byte < 254 ? tolerances[7] : take_word(in);
  if (kind & 128) {
    r->fetch_tokens = limit(in);
    r->least_tokens = limit(in);
    r->max_fetches_in = limit(in);
    r->max_fetches_out = limit(in);
  }
  int32_t *held = kind & 64 && num_slots(c) ? call_block(c, num_slots(c) * 4) : NULL;
  for (size_t i = 0; held && i < num_slots(c); i++) {
    byte = take_byte(in);
    held[i] = byte < 255 ? (int32_t)(byte % (p->num_logical_experts + UINT64_C(1))) - 1 : (int8_t)take_byte(in);
  }
  r->held = held;
}

static void *output(call *c, asked *a, int which, size_t size) {
  void *block = size ? call_block(c, size) : NULL;
  if (block) memset(block, FILL, size);
  a->outputs[which].block = block;
  a->outputs[which].size = size;
  return block;
}

static void decode_replicas(call *c, input *in, asked *a, uint8_t way, uint8_t kind) {
  const eplb_problem *p = &c->problem;
  eplb_replicas *out = &a->out;
  *out = (eplb_replicas)EPLB_REPLICAS_INIT;
  uint8_t sizes = take_byte(in);
  size_t slots = num_slots(c), experts = num_experts(c), layers = p->num_layers < 1000 ? p->num_layers : 0;
  out->max_replicas = way & 128 ? take_byte(in) % 8 : p->num_gpus < 64 ? p->num_gpus : 4;
  out->fetch_size = sizeof(eplb_fetch) + (sizes & 1 ? 4 : 0);
  out->replicated_size = sizeof(eplb_replicated) + (sizes & 2 ? 8 : 0);
  out->capacity = (uint32_t)slots; /* as many as are spare, one less now and then, or all */
  for (size_t i = 0; c->placement.physical_to_logical && !(sizes & 4) && i < slots; i++)
    out->capacity -= c->placement.physical_to_logical[i] >= 0;
  out->capacity -= out->capacity > 0 && rarely(in, 16);
  out->physical_to_logical = output(c, a, 0, slots * 4);
  out->quota = output(c, a, 1, slots * a->rows * 4);
  if (kind & 2) out->route_end = output(c, a, 2, experts * a->rows * out->max_replicas * 4);
  if (kind & 4) out->route_slot = output(c, a, 3, experts * out->max_replicas * 4);
  if (!(kind & 8)) out->fetches = output(c, a, 4, out->capacity * out->fetch_size);
  if (!(kind & 16)) out->per_layer = output(c, a, 5, layers * out->replicated_size);
}

static int all_untouched(const asked *a) {
  for (int i = 0; i < NUM_OUTPUTS; i++)
    if (!untouched(a->outputs[i].block, a->outputs[i].size, FILL)) return 0;
  return 1;
}

/* The same call over a workspace that holds something else, into outputs as they were. */
static void again(call *c, asked *a, workspace ws) {
  void *first[NUM_OUTPUTS] = {NULL};
  for (int i = 0; i < NUM_OUTPUTS; i++) {
    if (!a->outputs[i].block) continue;
    first[i] = malloc(a->outputs[i].size);
    REQUIRE(first[i] != NULL);
    memcpy(first[i], a->outputs[i].block, a->outputs[i].size);
    memset(a->outputs[i].block, FILL, a->outputs[i].size);
  }
  memset(ws.block, 0, ws.size);
  REQUIRE(eplb_replicate(c->problem_arg, c->options_arg, ws.block, ws.size, c->placement_arg, &a->request, &a->out) ==
          EPLB_STATUS_OK);
  for (int i = 0; i < NUM_OUTPUTS; i++) {
    if (first[i]) REQUIRE(memcmp(first[i], a->outputs[i].block, a->outputs[i].size) == 0);
    free(first[i]);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  input in = {data, size};
  call c = {0};
  asked a = {&c, NULL, EPLB_REPLICATION_INIT, EPLB_REPLICAS_INIT, 0, {{NULL, 0}}};
  uint8_t way = take_byte(&in), kind = take_byte(&in);
  decode_problem(&c, &in);
  decode_options(&c, &in);
  c.options.previous = NULL;
  decode_homes(&c, &in, way);
  decode_request(&c, &in, &a, way, kind);
  decode_replicas(&c, &in, &a, way, kind);
  size_t home_size = num_slots(&c) * 4;
  int32_t *kept = home_size ? call_block(&c, home_size) : NULL;
  a.home = c.placement.physical_to_logical;
  if (kept && a.home) memcpy(kept, a.home, home_size);
  int in_place = kind & 32 && rarely(&in, 32);
  if (in_place) a.out.physical_to_logical = c.placement.physical_to_logical; /* refused: homes are read to the end */
  decode_arguments(&c, &in);

  workspace ws = make_workspace(&c, EPLB_OPERATION_REPLICATE, 0xff);
  int short_of = rarely(&in, 32) && ws.size > 0;
  int32_t said = explained(eplb_explain_replicate(c.problem_arg, c.options_arg, ws.block, ws.size - (size_t)short_of,
                                                  c.placement_arg, &a.request, &a.out, sentence, sizeof sentence));
  if (c.sound) REQUIRE(all_untouched(&a));
  int32_t status = eplb_replicate(c.problem_arg, c.options_arg, ws.block, ws.size - (size_t)short_of, c.placement_arg,
                                  &a.request, &a.out);
  REQUIRE(is_known_status(status) && said == status);
  record(&status, sizeof status);
  if (c.sound && ws.status != EPLB_STATUS_OK) REQUIRE(status == ws.status);
  if (c.sound && status != EPLB_STATUS_OK) REQUIRE(all_untouched(&a));
  if (c.sound && kept && a.home) REQUIRE(memcmp(kept, a.home, home_size) == 0);
  if (in_place) REQUIRE(status != EPLB_STATUS_OK);
  int about_these = status == EPLB_STATUS_OK || status == EPLB_STATUS_PLACEMENT_EXPERT || status == EPLB_STATUS_MAX_REPLICAS ||
                    status == EPLB_STATUS_DISPATCH_NO_REPLICA || status == EPLB_STATUS_DISPATCH_DEAD_SOURCE ||
                    status == EPLB_STATUS_TOLERANCE || status == EPLB_STATUS_LIST_TOO_SMALL ||
                    status == EPLB_STATUS_UNSUPPORTED_COST;
  /* one thing wrong at a time, or any of them */
  if (c.sound && about_these && a.request.tokens)
    REQUIRE((status == EPLB_STATUS_OK) == (verdict(&a) == EPLB_STATUS_OK));
  last_asked = &a;
  print_more = print_asked;
  if (c.sound && status == EPLB_STATUS_OK) {
    for (int i = 0; i < NUM_OUTPUTS; i++)
      if (a.outputs[i].block) record(a.outputs[i].block, a.outputs[i].size);
    if (!short_of) again(&c, &a, ws);
    judge(&c, &a);
    if (!short_of && way & 32) compare(&c, &a, ws, rarely(&in, 2) ? a.request.tolerance : 102);
  }
  call_free(&c);
  return 0;
}
