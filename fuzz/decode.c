#include "decode.h"

/* --- bytes --------------------------------------------------------------------------------------------- */

uint8_t take_byte(input *in) {
  if (in->size == 0) return 0;
  in->size--;
  return *in->data++;
}

uint32_t take_word(input *in) {
  uint32_t word = 0;
  for (int i = 0; i < 4; i++) word = word << 8 | take_byte(in);
  return word;
}

int rarely(input *in, uint32_t of) { return take_byte(in) % of == of - 1; }

static uint32_t below(input *in, uint32_t n) { return take_byte(in) % n; }

static uint64_t transcript = 0xcbf29ce484222325u;

void record(const void *bytes, size_t size) {
  const uint8_t *at = bytes;
  while (size--) transcript = (transcript ^ *at++) * 0x100000001b3u;
}

uint64_t recorded(void) { return transcript; }

/* --- findings ------------------------------------------------------------------------------------------ */

static const call *last_call;
void (*print_more)(void);

#define PRINT(name, array, len, format)                                                      \
  do {                                                                                       \
    if (array) {                                                                             \
      fprintf(stderr, "  " name ":");                                                        \
      for (size_t i = 0; i < (len) && i < 500; i++) fprintf(stderr, " " format, (array)[i]); \
      fprintf(stderr, "\n");                                                                 \
    }                                                                                        \
  } while (0)

void stop(const char *file, int line, const char *words) {
  fprintf(stderr, "%s:%d: not so: %s\n", file, line, words);
  if (last_call != NULL && last_call->num_blocks > 0) {
    const eplb_problem *p = &last_call->problem;
    const eplb_options *o = &last_call->options;
    fprintf(stderr, "  W %u L %u E %u P %u K %u N %u G %u, policy %u scope %u effort %u, max_replicas %u\n", p->num_windows,
            p->num_layers, p->num_logical_experts, p->num_physical_experts, p->num_groups, p->num_nodes, p->num_gpus,
            o->policy, o->scope, o->effort, last_call->placement.max_replicas);
    fprintf(stderr, "  max_moves %u, per pair %u, target %u, flags %u, split %u%s\n", o->max_moves, o->max_moves_per_gpu_pair,
            o->target, o->flags, o->split, o->previous ? ", from a placement" : "");
    if (p->cost)
      fprintf(stderr, "  cost %a a token, %a an expert, %a a layer\n", p->cost->token_seconds, p->cost->expert_seconds,
              p->cost->layer_seconds);
    if (last_call->sound) {
      PRINT("load", p->load, num_experts(last_call), "%.9g");
      PRINT("gpu_speed", p->gpu_speed, p->num_gpus, "%.9g");
      PRINT("gpu_slots", p->gpu_slots, p->num_gpus, "%u");
      PRINT("gpu_node", p->gpu_node, p->num_gpus, "%u");
      PRINT("gpu_state", p->gpu_state, p->num_gpus, "%u");
      PRINT("physical_to_logical", last_call->placement.physical_to_logical, num_slots(last_call), "%d");
      if (print_more) print_more();
    }
  }
  abort();
}

/* --- blocks -------------------------------------------------------------------------------------------- */

void *call_block(call *c, size_t size) {
  if (size > LARGEST_BLOCK || c->num_blocks == MAX_BLOCKS) return NULL;
  void *block = malloc(size);
  REQUIRE(block != NULL);
  return c->blocks[c->num_blocks++] = block;
}

void call_free(call *c) {
  while (c->num_blocks > 0) free(c->blocks[--c->num_blocks]);
}

/* a * b * size, or more than any block when that does not fit. */
static size_t bytes_of(uint64_t a, uint64_t b, size_t size) {
  if (a > LARGEST_BLOCK || b > LARGEST_BLOCK || a * b > LARGEST_BLOCK / size) return (size_t)LARGEST_BLOCK + 1;
  return (size_t)(a * b * size);
}

static void *array(call *c, uint64_t a, uint64_t b, size_t size) { return call_block(c, bytes_of(a, b, size)); }

static size_t elements(uint64_t a, uint64_t b) {
  size_t bytes = bytes_of(a, b, 4);
  return bytes > LARGEST_BLOCK ? 0 : bytes / 4;
}

size_t num_slots(const call *c) { return elements(c->problem.num_layers, c->problem.num_physical_experts); }
size_t num_experts(const call *c) { return elements(c->problem.num_layers, c->problem.num_logical_experts); }
size_t table_len(const call *c) { return elements(num_experts(c), c->placement.max_replicas); }

int untouched(const void *block, size_t size, int fill) {
  const uint8_t *bytes = block;
  for (size_t i = 0; bytes != NULL && i < size; i++)
    if (bytes[i] != (uint8_t)fill) return 0;
  return 1;
}

/* --- the problem --------------------------------------------------------------------------------------- */

static uint32_t garbage_size(input *in) {
  static const uint32_t sizes[] = {0,      1,      2,       3,       4,          7,           8,          16,
                                   0xffff, 0x10000, 1u << 20, 1u << 30, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff};
  uint8_t way = take_byte(in);
  return way < 128 ? sizes[way % 16] : way < 192 ? way % 16 + 1u : take_word(in);
}

/* Small shapes as a rule: what goes wrong at the seams goes wrong in them, a hundred times as often a second. */

/* Divisible all along, as the compatibility policies in hierarchical scope ask for. */
static void even_shape(eplb_problem *p, input *in) {
  int large = rarely(in, 256);
  p->num_nodes = 1 + below(in, 2);
  p->num_groups = p->num_nodes * (1 + below(in, 2)); /* many groups are a long search */
  p->num_gpus = p->num_nodes * (1 + below(in, large ? 4 : 2));
  p->num_logical_experts = p->num_groups * (1 + below(in, large ? 4 : 2));
  uint32_t each = (p->num_logical_experts + p->num_gpus - 1) / p->num_gpus + below(in, 3);
  p->num_physical_experts = p->num_gpus * each;
}

static void free_shape(eplb_problem *p, input *in) {
  int large = rarely(in, 256);
  p->num_gpus = 1 + below(in, large ? 16 : 4);
  p->num_physical_experts = p->num_gpus * (1 + below(in, large ? 4 : 3));
  p->num_logical_experts = 1 + below(in, p->num_physical_experts);
  p->num_nodes = 1 + below(in, 3);
  p->num_groups = 1 + below(in, p->num_logical_experts < 5 ? p->num_logical_experts : 5);
}

/* Any GPU count is allowed whose walk does not take seconds. */
static void garbage_shape(eplb_problem *p, input *in) {
  uint32_t *fields[] = {&p->num_windows, &p->num_layers, &p->num_logical_experts, &p->num_physical_experts,
                        &p->num_groups,  &p->num_nodes,  &p->num_gpus};
  uint8_t which = take_byte(in);
  for (int i = 0; i < 7; i++)
    if (which >> i & 1) *fields[i] = garbage_size(in);
  if (p->num_gpus > 0x400 && p->num_gpus < 0x80000000) p->num_gpus = 0x400;
  if (which >> 7) p->load_window_stride = rarely(in, 2) ? UINT64_MAX - below(in, 4) : (uint64_t)take_word(in) << below(in, 32);
}

static float special_float(input *in) {
  static const uint32_t bits[] = {
      0,          0x80000000, 1,          0x80000001, 0x007fffff, 0x00800000, 0x7f7fffff, 0x3f800000, /* +-0, subnormal.. */
      0x7e800000, 0x78000000, 0x3f800001, 0x4b800000, 0x7f800000, 0xff800000, 0x7fc00000, 0xbf800000, /* .. inf, NaN, -1 */
  };
  uint8_t way = take_byte(in);
  uint32_t word = way < 240 ? bits[way % 12] : way < 248 ? bits[12 + way % 4] : take_word(in);
  float value;
  memcpy(&value, &word, sizeof value);
  return value;
}

/* A float of any size without libm. */
static float scaled(uint32_t value, uint32_t exponent) {
  uint32_t bits = (1 + exponent % 250) << 23;
  float power;
  memcpy(&power, &bits, sizeof power);
  return (float)value * power;
}

static void fill_loads(float *load, size_t len, input *in) {
  uint8_t way = take_byte(in) % 8;
  uint32_t random = 1u + take_byte(in), exponent = way == 2 ? take_byte(in) : 127;
  for (size_t i = 0; i < len; i++) {
    random ^= random << 13;
    random ^= random >> 17;
    random ^= random << 5;
    switch (way) {
    case 0: load[i] = (float)take_byte(in); break;
    case 1: load[i] = (float)(take_byte(in) % 4); break;                    /* ties */
    case 2: load[i] = scaled(take_byte(in), exponent); break;
    case 3: load[i] = special_float(in); break;
    case 4: load[i] = (float)(random % 1000); break;                        /* rich from a few bytes */
    case 5: load[i] = 1e6f / (float)(1 + random % 997); break;              /* heavy tail */
    case 6: load[i] = (float)(random % 16 == 0 ? random % 100000 : 1); break; /* a few hot */
    default: load[i] = scaled(take_byte(in), take_byte(in)); break;         /* all magnitudes */
    }
  }
}

static void decode_topology(call *c, input *in) {
  eplb_problem *p = &c->problem;
  uint32_t gpus = p->num_gpus <= 0x10000 ? p->num_gpus : 0; /* no arrays for more */
  uint8_t which = gpus > 0 ? take_byte(in) : 0;
  int bad = rarely(in, 32);
  float *speed = which & 1 ? array(c, gpus, 1, sizeof *speed) : NULL;
  uint32_t *slots = which & 2 ? array(c, gpus, 1, sizeof *slots) : NULL;
  uint32_t *node = which & 4 ? array(c, gpus, 1, sizeof *node) : NULL;
  uint8_t *state = which & 8 ? array(c, gpus, 1, sizeof *state) : NULL;
  int plain = which & 16; /* as good as NULL: all equal */
  uint32_t left = p->num_physical_experts;
  for (uint32_t g = 0; g < gpus; g++) {
    if (speed) speed[g] = bad ? special_float(in) : plain ? 2 : (float)(1 + take_byte(in) % 8) / 4;
    if (slots) {
      uint32_t share = plain ? p->num_physical_experts / gpus : take_byte(in) % 8;
      slots[g] = bad ? garbage_size(in) : g + 1 == gpus ? left : share < left ? share : left;
      left -= slots[g] < left ? slots[g] : left;
    }
    if (node) node[g] = bad ? garbage_size(in) : plain ? g * (p->num_nodes & 0xffff) / gpus : take_byte(in) % (p->num_nodes | !p->num_nodes);
    if (state) state[g] = bad ? take_byte(in) : plain ? EPLB_GPU_ALIVE : (uint8_t)("\0\0\0\0\0\0\1\2"[take_byte(in) % 8]);
  }
  if (state && !bad && gpus > 0) state[take_byte(in) % gpus] = EPLB_GPU_ALIVE;
  p->gpu_speed = speed;
  p->gpu_slots = slots;
  p->gpu_node = node;
  p->gpu_state = state;
}

void decode_problem(call *c, input *in) {
  eplb_problem *p = &c->problem;
  last_call = c;
  *p = (eplb_problem)EPLB_PROBLEM_INIT;
  uint8_t way = take_byte(in);
  p->num_layers = 1 + (way % 8 == 7 ? below(in, 3) : 0);
  p->num_windows = 1 + (way / 8 % 8 == 7 ? below(in, 12) : 0);
  if (way & 64) {
    even_shape(p, in);
  } else {
    free_shape(p, in);
  }
  if (way >= 0xf0) garbage_shape(p, in);
  decode_topology(c, in);
  if (rarely(in, 32)) p->load_window_stride = (uint64_t)p->num_layers * p->num_logical_experts + below(in, 5);

  /* exactly to the last element of the last window */
  uint64_t layer = elements(p->num_layers, p->num_logical_experts);
  uint64_t stride = p->load_window_stride ? p->load_window_stride : layer;
  size_t between = elements(or_one(p->num_windows) - 1, stride);
  if (layer > 0 && (between > 0 || p->num_windows <= 1) && !rarely(in, 64)) {
    float *load = array(c, between + layer, 1, sizeof *load);
    if (load) fill_loads(load, between + layer, in);
    p->load = load;
  }
  size_t weights = elements(p->num_layers, or_one(p->num_windows));
  if (weights > 0 && rarely(in, 16)) {
    float *weight = array(c, weights, 1, sizeof *weight);
    for (size_t i = 0; i < weights; i++) weight[i] = rarely(in, 16) ? special_float(in) : (float)take_byte(in);
    p->window_weight = weight;
  }
}

uint32_t or_one(uint32_t number) { return number | !number; }

uint32_t slots_of(const eplb_problem *p, uint32_t gpu) {
  return p->gpu_slots ? p->gpu_slots[gpu] : p->num_physical_experts / p->num_gpus;
}

uint32_t node_of(const eplb_problem *p, uint32_t gpu) {
  if (p->gpu_node) return p->gpu_node[gpu];
  uint32_t node = 0;
  for (uint32_t end = 0;; node++) {
    end += p->num_gpus / or_one(p->num_nodes) + (node < p->num_gpus % or_one(p->num_nodes));
    if (gpu < end) return node;
  }
}

int is_hierarchical(const eplb_problem *p, uint32_t scope) {
  return scope == EPLB_SCOPE_HIERARCHICAL || (scope == EPLB_SCOPE_AUTO && or_one(p->num_groups) % or_one(p->num_nodes) == 0);
}

/* --- options and outputs ------------------------------------------------------------------------------- */

void decode_options(call *c, input *in) {
  static const uint32_t efforts[] = {1, 1, 10, 100, 300, 1000, 1, 50};
  eplb_options *o = &c->options;
  *o = (eplb_options)EPLB_OPTIONS_INIT;
  uint8_t way = take_byte(in);
  o->policy = way & 8 ? EPLB_POLICY_BALANCED : way % NUM_POLICIES;
  o->scope = way / 16 % 3;
  uint8_t effort = take_byte(in); /* the default now and then only: it costs a millisecond and more */
  o->effort = effort < 248 ? efforts[effort % 8] : effort < 250 ? 0xffffffffu / 0x10000 : 0;
  if (way < 0xf8) return;
  uint32_t *fields[] = {&o->policy, &o->scope, &o->max_moves, &o->max_moves_per_gpu_pair, &o->flags, &o->target};
  uint8_t which = take_byte(in);
  for (int i = 0; i < 6; i++)
    if (which >> i & 1) *fields[i] = garbage_size(in);
  if (which & 128) o->split = take_byte(in) % 16 ? EPLB_SPLIT_NEAREST : garbage_size(in);
  if (which & 64) {
    int32_t *previous = array(c, c->problem.num_layers, c->problem.num_physical_experts, sizeof *previous);
    for (size_t i = 0; previous && i < num_slots(c); i++) previous[i] = (int8_t)take_byte(in);
    o->previous = previous;
  }
}

static void *filled(call *c, uint64_t a, uint64_t b, size_t size, int fill) {
  void *block = array(c, a, b, size);
  if (block) memset(block, fill, bytes_of(a, b, size));
  return block;
}

void decode_outputs(call *c, input *in, int fill) {
  const eplb_problem *p = &c->problem;
  eplb_placement *maps = &c->placement;
  uint8_t which = take_byte(in), way = take_byte(in);
  *maps = (eplb_placement)EPLB_PLACEMENT_INIT;
  uint32_t all = p->num_physical_experts - p->num_logical_experts + 1;
  maps->max_replicas = way < 200 ? all : way < 248 ? way % 8 : garbage_size(in);
  maps->physical_to_logical = filled(c, p->num_layers, p->num_physical_experts, 4, fill);
  if (!(which & 1)) maps->replica_rank = filled(c, p->num_layers, p->num_physical_experts, 4, fill);
  if (!(which & 2)) maps->logical_count = filled(c, p->num_layers, p->num_logical_experts, 4, fill);
  if (!(which & 4) && num_experts(c) > 0) maps->logical_to_physical = filled(c, num_experts(c), maps->max_replicas, 4, fill);
  c->metrics_size = which < 0xe0 ? sizeof(eplb_metrics) : sizeof(eplb_metrics) - 32 + 4u * (which & 31);
  if (!(which & 8)) c->per_layer = filled(c, p->num_layers, c->metrics_size, 1, fill);
}

eplb_metrics metrics_of(const call *c, uint32_t layer) {
  eplb_metrics m = {0};
  memcpy(&m, (const uint8_t *)c->per_layer + layer * c->metrics_size, c->metrics_size < sizeof m ? c->metrics_size : sizeof m);
  return m;
}

int reads(const eplb_problem *p) { return p->cost != NULL && p->cost->expert_seconds > 0; }

void decode_cost(call *c, input *in) {
  static const double figures[] = {0, 1, 11.5, 18, 0.0945, 0x1p-100, 0x1p100, 1e-40, -1};
  eplb_cost *cost = call_block(c, sizeof *cost);
  if (cost == NULL) return;
  *cost = (eplb_cost)EPLB_COST_INIT;
  uint8_t way = take_byte(in), bad = rarely(in, 16) ? 9 : 7;
  cost->token_seconds = way & 1 ? figures[take_byte(in) % bad] : 0.0945e-6;
  cost->expert_seconds = way & 2 ? figures[take_byte(in) % bad] : 11.5e-6;
  cost->layer_seconds = way & 4 ? figures[take_byte(in) % bad] : 0;
  c->problem.cost = cost;
  float *tokens = way & 8 ? array(c, or_one(c->problem.num_windows), 1, sizeof *tokens) : NULL;
  for (uint32_t i = 0; tokens && i < or_one(c->problem.num_windows); i++)
    tokens[i] = bad == 9 ? special_float(in) : (float)(1u << take_byte(in) % 24);
  c->problem.step_tokens = tokens;
}

/* --- arguments ----------------------------------------------------------------------------------------- */

/* A copy of `known` bytes in a block of struct_size bytes. */
static void *argument(call *c, input *in, const void *object, size_t known) {
  uint32_t size = (uint32_t)known;
  uint8_t way = in ? take_byte(in) : 0;
  int garbage = 0;
  if (way >= 0xf0) {
    if (way == 0xff) return c->sound = 0, (void *)NULL;
    size = way < 0xf8 ? (uint32_t)known + take_byte(in) % 64 : rarely(in, 2) ? take_word(in) : take_byte(in);
    garbage = way & 1;
  }
  /* what cannot be read is refused by its size alone */
  size_t room = size < sizeof size ? sizeof size : size > 4096 ? sizeof size : size;
  uint8_t *block = call_block(c, room);
  REQUIRE(block != NULL);
  memset(block, 0, room);
  memcpy(block, object, room < known ? room : known);
  memcpy(block, &size, sizeof size);
  if (room > known && garbage) block[known + take_byte(in) % (room - known)] = take_byte(in);
  if (size < known || size > 4096 || garbage) c->sound = 0;
  return block;
}

void decode_arguments(call *c, input *in) {
  eplb_placement *maps = &c->placement;
  c->sound = 1;
  if (rarely(in, 4)) decode_cost(c, in);
  /* arrays that lie on each other, and pointers that no array can have */
  uint8_t way = take_byte(in);
  if (way >= 0xf0) {
    c->sound = 0;
    switch (way & 7) {
    case 0: maps->replica_rank = maps->physical_to_logical; break;
    case 1: maps->physical_to_logical = NULL; break;
    case 2: maps->physical_to_logical = (int32_t *)(uintptr_t)6; break;
    case 3: c->problem.load = (const float *)(uintptr_t)(way & 8 ? 0 : 2); break;
    case 4: c->per_layer = (eplb_metrics *)(uintptr_t)4; break;
    case 5: /* the longer one stands for both: no array may be shorter than promised */
      if (maps->logical_to_physical == NULL || maps->physical_to_logical == NULL) {
        maps->physical_to_logical = NULL;
      } else if (table_len(c) > num_slots(c)) {
        maps->physical_to_logical = maps->logical_to_physical;
      } else {
        maps->logical_to_physical = maps->physical_to_logical;
      }
      break;
    case 6: c->problem.gpu_speed = (const float *)(uintptr_t)1; break;
    default: maps->logical_count = (int32_t *)(uintptr_t)UINTPTR_MAX; break;
    }
  }
  c->problem_arg = argument(c, in, &c->problem, sizeof c->problem);
  c->placement_arg = argument(c, in, &c->placement, sizeof c->placement);
  c->options_arg = rarely(in, 16) ? NULL : argument(c, in, &c->options, sizeof c->options);
  if (c->options_arg == NULL) c->options = (eplb_options)EPLB_OPTIONS_INIT;
}

void plain_arguments(call *c) {
  c->sound = 1;
  c->problem_arg = argument(c, NULL, &c->problem, sizeof c->problem);
  c->options_arg = argument(c, NULL, &c->options, sizeof c->options);
  c->placement_arg = argument(c, NULL, &c->placement, sizeof c->placement);
}

workspace make_workspace(call *c, uint32_t operation, int fill) {
  workspace made = {0, 0, NULL};
  size_t align = 0;
  made.status = eplb_workspace(operation, c->problem_arg, c->options_arg, &made.size, &align);
  REQUIRE(is_known_status(made.status));
  if (made.status != EPLB_STATUS_OK) {
    REQUIRE(made.size == 0 && align == 0);
    return made;
  }
  REQUIRE(align == 8);
  made.block = call_block(c, made.size);
  if (made.block) memset(made.block, fill, made.size);
  return made;
}

/* Fills the receiving slots of a layer one expert after another, each node from the experts of its share. */
static void deal_layer(const call *c, int32_t *slot) {
  const eplb_problem *p = &c->problem;
  uint32_t experts = p->num_logical_experts;
  uint32_t nodes = is_hierarchical(p, c->options.scope) && p->num_nodes <= p->num_groups ? or_one(p->num_nodes) : 1;
  uint32_t groups = nodes > 1 ? p->num_groups : 1;
  uint32_t node = UINT32_MAX, first = 0, len = experts, next = 0;
  for (uint32_t gpu = 0; gpu < p->num_gpus; gpu++) {
    if (nodes > 1 && node_of(p, gpu) != node) {
      node = node_of(p, gpu);
      first = (uint32_t)((uint64_t)node * groups / nodes * (experts / groups));
      len = (uint32_t)((uint64_t)(node + 1) * groups / nodes * (experts / groups)) - first;
      next = 0;
    }
    int receives = !p->gpu_state || p->gpu_state[gpu] == EPLB_GPU_ALIVE;
    for (uint32_t i = 0; i < slots_of(p, gpu); i++)
      *slot++ = receives && i < len && first + len <= experts ? (int32_t)(first + next++ % len) : -1;
  }
}

int deal_into(call *c) {
  const eplb_problem *p = &c->problem;
  eplb_placement *m = &c->placement;
  size_t size, align;
  input none = {NULL, 0};
  decode_outputs(c, &none, 0xff); /* ranks and rows without a replica are -1 */
  plain_arguments(c);
  if (eplb_workspace(EPLB_OPERATION_EVALUATE, c->problem_arg, c->options_arg, &size, &align) != EPLB_STATUS_OK) return 0;
  if (!m->physical_to_logical || !m->replica_rank || !m->logical_count || !m->logical_to_physical) return 0;
  for (uint32_t layer = 0; layer < p->num_layers; layer++) {
    int32_t *slot = m->physical_to_logical + (size_t)layer * p->num_physical_experts;
    int32_t *count = m->logical_count + (size_t)layer * p->num_logical_experts;
    deal_layer(c, slot);
    memset(count, 0, p->num_logical_experts * sizeof *count);
    for (uint32_t s = 0; s < p->num_physical_experts; s++) {
      if (slot[s] < 0) continue;
      int32_t rank = count[slot[s]]++;
      size_t row = (size_t)layer * p->num_logical_experts + (uint32_t)slot[s];
      m->replica_rank[(size_t)layer * p->num_physical_experts + s] = rank;
      if ((uint32_t)rank < m->max_replicas) m->logical_to_physical[row * m->max_replicas + (uint32_t)rank] = (int32_t)s;
    }
  }
  return 1;
}

int is_known_status(int32_t status) {
  return status <= 0 && strcmp(eplb_status_string(status), eplb_status_string(INT32_MAX)) != 0;
}

char sentence[SENTENCE];

/* The status that the sentence ends with, once it is known to be one. */
int32_t explained(size_t length) {
  static const char mark[] = " (status ";
  REQUIRE(length < SENTENCE && strlen(sentence) == length && length > sizeof mark);
  const char *at = sentence;
  for (const char *next = strstr(sentence, mark); next != NULL; next = strstr(next + 1, mark)) at = next;
  REQUIRE(at != sentence && sentence[length - 1] == ')' && strchr(sentence, '%') == NULL);
  int32_t status = (int32_t)strtol(at + sizeof mark - 1, NULL, 10);
  REQUIRE(is_known_status(status));
  record(sentence, length);
  return status;
}

/* The panic handler of an archive built with panic_trap calls this: an assertion, an overflow, an index. */
void eplb_panic_is_reachable(void);
void eplb_panic_is_reachable(void) {
  stop(__FILE__, __LINE__, "no panic is reachable");
}
