/* EPLB_POLICY_BALANCED: known optima, loads at the edges of f32, any topology, the same bytes however and
 * wherever it is called. */
#include "plans.h"

#include <float.h>
#include <math.h>

#if defined(__SSE__)
#include <xmmintrin.h>
#endif

/* A problem on one node, all GPUs alike. */
static eplb_problem problem_of(uint32_t experts, uint32_t slots, uint32_t gpus, const float *load) {
  eplb_problem p = EPLB_PROBLEM_INIT;
  p.num_windows = p.num_layers = p.num_groups = p.num_nodes = 1;
  p.num_logical_experts = experts;
  p.num_physical_experts = slots;
  p.num_gpus = gpus;
  p.load = load;
  return p;
}

/* Plans with one workspace content after another: all good, all the same; the plan is the caller's to free. */
static plan planned(const eplb_problem *p, const eplb_options *options, uint32_t max_replicas, const char *what) {
  static const int contents[] = {0xff, 0xa5, 0x00};
  plan first = {.per_layer = NULL};
  for (size_t i = 0; i < LENGTH(contents); i++) {
    plan made;
    check_equal(plan_make(p, options, max_replicas, contents[i], &made), EPLB_STATUS_OK, __FILE__, __LINE__, what);
    if (made.per_layer == NULL) exit(finish("balanced")); /* refused: nothing to go on with */
    if (i == 0) {
      plan_check(p, options, &made, what);
      first = made;
      continue;
    }
    int same = made.digest == first.digest &&
               memcmp(made.per_layer, first.per_layer, p->num_layers * sizeof *made.per_layer) == 0;
    check(same, __FILE__, __LINE__, what);
    plan_free(&made);
  }
  return first;
}

static uint64_t digest_of(const eplb_problem *p, const char *what) {
  eplb_options options = EPLB_OPTIONS_INIT;
  plan made = planned(p, &options, 0, what);
  uint64_t digest = made.digest;
  plan_free(&made);
  return digest;
}

/* --- known optima ------------------------------------------------------------------------------------ */

/* The example of DeepSeek EPLB: 12 experts in 4 groups, 16 slots on 8 GPUs of 2 nodes. */
static void optima(void) {
  static const float load[2][12] = {{90, 132, 40, 61, 104, 165, 39, 4, 73, 56, 183, 86},
                                    {20, 107, 104, 64, 19, 197, 187, 157, 172, 86, 16, 27}};
  static const struct {
    uint32_t scope;
    double largest[2];
  } cases[] = {{EPLB_SCOPE_GLOBAL, {136, 172}}, {EPLB_SCOPE_HIERARCHICAL, {151, 179.5}}, {EPLB_SCOPE_AUTO, {151, 179.5}}};
  for (size_t i = 0; i < LENGTH(cases); i++) {
    eplb_problem p = problem_of(12, 16, 8, load[0]);
    p.num_layers = 2;
    p.num_groups = 4;
    p.num_nodes = 2;
    eplb_options options = EPLB_OPTIONS_INIT;
    options.scope = cases[i].scope;
    plan made = planned(&p, &options, 5, "an optimum");
    for (int layer = 0; layer < 2; layer++) {
      double found = made.per_layer[layer].max_gpu_load;
      CHECK_EQUAL(llround(found * 1000), llround(cases[i].largest[layer] * 1000));
      CHECK(made.per_layer[layer].bound <= cases[i].largest[layer] * (1 + 1e-12));
    }
    plan_free(&made);
  }
}

/* --- loads at the edges ------------------------------------------------------------------------------ */

enum { MOST_EXPERTS = 256 };
static const uint32_t shapes[][3] = {{8, 12, 4},   {64, 72, 8}, {256, 288, 32}, {256, 288, 96}, {256, 288, 144}, {1, 1, 1},
                                     {1, 4, 4},    {1, 8, 4},   {5, 5, 5},      {6, 18, 3},     {6, 24, 3},      {3, 4, 2},
                                     {12, 14, 14}, {7, 10, 1},  {40, 45, 15},   {16, 32, 4}};

static void zeros(float *load, uint32_t e) { load[e] = 0; }
static void minus_zeros(float *load, uint32_t e) { load[e] = -0.0f; }
static void one_hot(float *load, uint32_t e) { load[e] = e == 0 ? 1e6f : 0; }
static void one_hot_many_cold(float *load, uint32_t e) { load[e] = e == 1 ? 1e9f : 1; }
static void all_equal(float *load, uint32_t e) { load[e] = 3; }
static void one_and_1e30(float *load, uint32_t e) { load[e] = e % 3 ? 1 : 1e30f; }
static void all_largest(float *load, uint32_t e) { load[e] = FLT_MAX; }
static void largest_and_smallest(float *load, uint32_t e) { load[e] = e % 2 ? FLT_MAX : FLT_MIN * FLT_EPSILON; }
static void smallest(float *load, uint32_t e) { load[e] = FLT_MIN * FLT_EPSILON; }
static void smallest_once(float *load, uint32_t e) { load[e] = e == 2 ? FLT_MIN * FLT_EPSILON : -0.0f; }
static void subnormals(float *load, uint32_t e) { load[e] = (float)(e * e % 251) * (FLT_MIN * FLT_EPSILON); }
static void about_the_least_normal(float *load, uint32_t e) { load[e] = FLT_MIN * (float)(e + 1) / 16; }
static void powers(float *load, uint32_t e) { load[e] = ldexpf(1, (int)(e % 250) - 125); }

static void edges(void) {
  static const struct {
    const char *name;
    void (*set)(float *, uint32_t);
  } fills[] = {{"zeros", zeros},
               {"minus_zeros", minus_zeros},
               {"one_hot", one_hot},
               {"one_hot_many_cold", one_hot_many_cold},
               {"all_equal", all_equal},
               {"one_and_1e30", one_and_1e30},
               {"all_largest", all_largest},
               {"largest_and_smallest", largest_and_smallest},
               {"smallest", smallest},
               {"smallest_once", smallest_once},
               {"subnormals", subnormals},
               {"about_the_least_normal", about_the_least_normal},
               {"powers", powers}};
  static float load[MOST_EXPERTS];
  eplb_options options = EPLB_OPTIONS_INIT;
  for (size_t f = 0; f < LENGTH(fills); f++)
    for (size_t s = 0; s < LENGTH(shapes); s++) {
      uint32_t experts = shapes[s][0], slots = shapes[s][1], gpus = shapes[s][2];
      for (uint32_t e = 0; e < experts; e++) fills[f].set(load, e);
      eplb_problem p = problem_of(experts, slots, gpus, load);
      char what[80];
      snprintf(what, sizeof what, "%s on %u/%u/%u", fills[f].name, (unsigned)experts, (unsigned)slots, (unsigned)gpus);
      plan made = planned(&p, &options, slots - experts + 1, what);
      if (fills[f].set == zeros || fills[f].set == all_equal || fills[f].set == smallest) {
        int32_t least = INT32_MAX, most = 0; /* spread evenly */
        for (uint32_t e = 0; e < experts; e++) {
          int32_t count = made.maps.logical_count[e];
          least = count < least ? count : least;
          most = count > most ? count : most;
        }
        check(most - least <= 1, __FILE__, __LINE__, what);
      }
      if (fills[f].set == minus_zeros) {
        for (uint32_t e = 0; e < experts; e++) load[e] = 0;
        CHECK(digest_of(&p, what) == made.digest);
      }
      plan_free(&made);
    }
}

/* Loads times a power of two give the same plan, subnormal ones included. */
static void scaled(void) {
  static const int powers_of_two[] = {-149, -140, -126, -80, -20, 1, 60, 110};
  static float load[MOST_EXPERTS], other[MOST_EXPERTS];
  uint32_t random = 5;
  for (size_t s = 0; s < LENGTH(shapes); s++) {
    uint32_t experts = shapes[s][0];
    for (uint32_t e = 0; e < experts; e++) load[e] = (float)(random_next(&random) % 4096 * (e % 7 == 0 ? 1 : e % 3));
    eplb_problem p = problem_of(experts, shapes[s][1], shapes[s][2], load);
    uint64_t digest = digest_of(&p, "as it is");
    for (size_t i = 0; i < LENGTH(powers_of_two); i++) {
      for (uint32_t e = 0; e < experts; e++) other[e] = ldexpf(load[e], powers_of_two[i]);
      p.load = other;
      CHECK(digest_of(&p, "times a power of two") == digest);
    }
  }
}

/* --- any topology ------------------------------------------------------------------------------------ */

enum { MOST = 16, MOST_LAYERS = 2 };

typedef struct any {
  eplb_problem problem;
  eplb_options options;
  uint32_t max_replicas;
  float load[MOST_LAYERS * 4 * MOST];
  float speed[MOST];
  uint32_t slots[MOST], node[MOST];
  uint8_t state[MOST];
} any;

static uint32_t below(uint32_t *random, uint32_t n) { return random_next(random) % n; }

static void any_problem(any *a, uint32_t *random) {
  uint32_t gpus = 1 + below(random, below(random, 4) ? 6 : MOST), each = 1 + below(random, below(random, 2) ? 4 : 9);
  uint32_t slots = gpus * each, way = random_next(random) >> 8;
  memset(a, 0, sizeof *a);
  if (way & 1) {
    slots = 0;
    for (uint32_t g = 0; g < gpus; g++) slots += a->slots[g] = below(random, each + 2);
    if (slots == 0) slots = a->slots[0] = 1;
  }
  uint32_t experts = 1 + below(random, slots < 4 * MOST ? slots : 4 * MOST);
  if (way & 64 && experts > 4) experts -= experts % 4;
  a->problem = problem_of(experts, slots, gpus, a->load);
  if (way & 1) a->problem.gpu_slots = a->slots;
  a->problem.num_layers = 1 + below(random, MOST_LAYERS);
  a->problem.num_nodes = 1 + below(random, gpus < 4 ? gpus : 4);
  a->problem.num_groups = way & 64 ? experts % 4 ? experts : experts / (1 + (way >> 8) % 2 * 3) : 1 + below(random, experts);
  for (uint32_t g = 0; g < gpus; g++) {
    a->speed[g] = (float)(1 + below(random, 8)) / 4;
    a->node[g] = below(random, a->problem.num_nodes);
    a->state[g] = below(random, 6) ? EPLB_GPU_ALIVE : (uint8_t)below(random, 3);
  }
  if (way & 2) a->problem.gpu_speed = a->speed;
  if (way & 4) a->problem.gpu_node = a->node;
  if (way & 8) a->problem.gpu_state = a->state;
  a->state[below(random, gpus)] = EPLB_GPU_ALIVE;
  for (uint32_t i = 0; i < a->problem.num_layers * experts; i++) {
    uint32_t r = random_next(random);
    a->load[i] = way & 16 ? (float)(r % 5) : ldexpf((float)(r % 1000), (int)(r >> 28));
  }
  a->options = (eplb_options)EPLB_OPTIONS_INIT;
  a->options.scope = below(random, 3);
  a->options.effort = way & 32 ? below(random, 2000) : 0;
  a->max_replicas = below(random, 3) ? 0 : 1 + below(random, gpus);
}

/* What eplb_plan must answer. */
static int32_t verdict(const any *a) {
  const eplb_problem *p = &a->problem;
  uint32_t usable = 0, places = 0, on_node[MOST] = {0};
  for (uint32_t g = 0; g < p->num_gpus; g++) {
    uint32_t slots = slots_of(p, g) < p->num_logical_experts ? slots_of(p, g) : p->num_logical_experts;
    if (!receives(p, g)) continue;
    usable += slots;
    on_node[node_of(p, g)] += slots;
  }
  if (usable < p->num_logical_experts) return EPLB_STATUS_TOO_FEW_SLOTS;
  if (!plan_hierarchical(p, &a->options)) return EPLB_STATUS_OK;
  if (p->num_logical_experts % p->num_groups != 0) return EPLB_STATUS_EXPERTS_NOT_DIVISIBLE;
  for (uint32_t n = 0; n < p->num_nodes; n++) places += on_node[n] / (p->num_logical_experts / p->num_groups);
  return places < p->num_groups ? EPLB_STATUS_INFEASIBLE : EPLB_STATUS_OK;
}

static void any_topology(void) {
  uint32_t random = 11;
  int seen[3] = {0};
  for (int round = 0; round < 6000; round++) {
    any a;
    any_problem(&a, &random);
    int32_t expected = verdict(&a);
    char what[160];
    const eplb_problem *p = &a.problem;
    snprintf(what, sizeof what, "round %d: %u layers %u/%u/%u groups %u nodes %u scope %u most %u", round,
             (unsigned)p->num_layers, (unsigned)p->num_logical_experts, (unsigned)p->num_physical_experts,
             (unsigned)p->num_gpus, (unsigned)p->num_groups, (unsigned)p->num_nodes, (unsigned)a.options.scope,
             (unsigned)a.max_replicas);
    plan made;
    check_equal(plan_make(p, &a.options, a.max_replicas, 0xa5, &made), expected, __FILE__, __LINE__, what);
    if (expected == EPLB_STATUS_OK) plan_check(p, &a.options, &made, what);
    plan_free(&made);
    seen[0] += expected == EPLB_STATUS_OK;
    seen[1] += expected == EPLB_STATUS_TOO_FEW_SLOTS;
    seen[2] += expected == EPLB_STATUS_INFEASIBLE;
  }
  CHECK(seen[0] > 1000 && seen[1] > 100 && seen[2] > 50); /* the mix is worth something */
}

/* --- the same bytes ---------------------------------------------------------------------------------- */

/* Problems whose plans are pinned: any target, any build, flush-to-zero or not. */
enum { SPREAD, SKEWED, TIES, SUBNORMAL };
enum { SLOTS = 1, SPEEDS = 2, NODES = 4, STATES = 8, GROUPS = 16 };
enum { PINNED_LAYERS = 3, MOST_GPUS = 144 };

static const struct {
  uint32_t experts, slots, gpus, loads, topology, effort, max_replicas;
  uint64_t digest;
} pins[] = {
#include "balanced.pins" /* a pin that fails prints what was found */
};

static uint32_t pin_slots[MOST_GPUS], pin_node[MOST_GPUS];
static float pin_speed[MOST_GPUS], pin_load[PINNED_LAYERS * MOST_EXPERTS];
static uint8_t pin_state[MOST_GPUS];

static float load_of_kind(uint32_t kind, uint32_t r) {
  float load;
  switch (kind) {
    case SPREAD: return (float)(1 + r % 1000);
    case SKEWED: return (float)((1 + r % 64) << (r >> 8) % 4 * ((r >> 16) % 4));
    case TIES: return (float)(r % 4);
    default: r %= 0x00800000; memcpy(&load, &r, sizeof load); return load;
  }
}

static eplb_problem pinned_problem(size_t pin) {
  uint32_t random = 1 + (uint32_t)pin, gpus = pins[pin].gpus, topology = pins[pin].topology;
  eplb_problem p = problem_of(pins[pin].experts, pins[pin].slots, gpus, pin_load);
  p.num_layers = PINNED_LAYERS;
  p.num_nodes = 4;
  p.num_groups = topology & GROUPS ? 8 : 1;
  for (uint32_t i = 0; i < PINNED_LAYERS * pins[pin].experts; i++)
    pin_load[i] = load_of_kind(pins[pin].loads, random_next(&random));
  for (uint32_t g = 0; g < gpus; g++) {
    pin_slots[g] = pins[pin].slots / gpus;
    pin_speed[g] = (float)(2 + g % 5) / 4;
    pin_node[g] = g % 4;
    pin_state[g] = g == 1 ? EPLB_GPU_DEAD : g + 1 == gpus ? EPLB_GPU_LEAVING : EPLB_GPU_ALIVE;
  }
  for (uint32_t g = 1; g < gpus; g += 2) pin_slots[g - 1]--, pin_slots[g]++;
  if (topology & SLOTS) p.gpu_slots = pin_slots;
  if (topology & SPEEDS) p.gpu_speed = pin_speed;
  if (topology & NODES) p.gpu_node = pin_node;
  if (topology & STATES) p.gpu_state = pin_state;
  return p;
}

/* Flush-to-zero and denormals-are-zero, as a host compiled with fast-math sets them. */
static void flush(int on) {
#if defined(__SSE__)
  const unsigned both = 0x8040;
  _mm_setcsr(on ? _mm_getcsr() | both : _mm_getcsr() & ~both);
#else
  (void)on;
#endif
}

static void pinned(void) {
  for (size_t i = 0; i < LENGTH(pins); i++) {
    eplb_problem p = pinned_problem(i);
    eplb_options options = EPLB_OPTIONS_INIT;
    options.effort = pins[i].effort;
    char what[80];
    snprintf(what, sizeof what, "pin %d", (int)i);
    plan made = planned(&p, &options, pins[i].max_replicas, what);
    check(made.digest == pins[i].digest, __FILE__, __LINE__, what);
    if (made.digest != pins[i].digest) printf("  found 0x%016llx\n", (unsigned long long)made.digest);

    plan flushed;
    flush(1);
    int32_t status = plan_make(&p, &options, pins[i].max_replicas, 0xa5, &flushed);
    flush(0);
    CHECK_EQUAL(status, EPLB_STATUS_OK);
    snprintf(what, sizeof what, "pin %d, flush to zero", (int)i);
    check(flushed.digest == made.digest, __FILE__, __LINE__, what);
    int same = memcmp(flushed.per_layer, made.per_layer, sizeof *made.per_layer * PINNED_LAYERS) == 0;
    snprintf(what, sizeof what, "pin %d, flush to zero: metrics", (int)i);
    check(same, __FILE__, __LINE__, what);
    plan_free(&flushed);

    /* layer by layer */
    plan whole = made;
    for (uint32_t layer = 0; layer < PINNED_LAYERS; layer++) {
      eplb_problem slice = p;
      slice.num_layers = 1;
      slice.load = pin_load + layer * p.num_logical_experts;
      plan one;
      CHECK_EQUAL(plan_make(&slice, &options, pins[i].max_replicas, 0x77, &one), EPLB_STATUS_OK);
      snprintf(what, sizeof what, "pin %d, layer %u alone", (int)i, (unsigned)layer);
      size_t size = p.num_physical_experts * sizeof(int32_t);
      check(memcmp(one.maps.physical_to_logical,
                   whole.maps.physical_to_logical + layer * p.num_physical_experts, size) == 0 &&
                memcmp(one.per_layer, &whole.per_layer[layer], sizeof *one.per_layer) == 0,
            __FILE__, __LINE__, what);
      plan_free(&one);
    }
    plan_free(&made);
  }
}

/* A subnormal load below 0 is refused where it counts as 0, too. */
static void refused_when_flushed(void) {
  eplb_problem p = pinned_problem(0);
  eplb_options options = EPLB_OPTIONS_INIT;
  const float kept = pin_load[0];
  pin_load[0] = -0x1p-140f;
  flush(1);
  plan none;
  int32_t status = plan_make(&p, &options, 0, 0xa5, &none);
  flush(0);
  CHECK_EQUAL(status, EPLB_STATUS_LOAD_NEGATIVE);
  pin_load[0] = kept;
}

/* --- effort ------------------------------------------------------------------------------------------ */

/* However little the effort: a good plan, and none worse than DEEPSEEK's where that has no duplicate. */
static void any_effort(void) {
  static const uint32_t efforts[] = {1, 2, 100, 5000, 0, UINT32_MAX};
  static const uint32_t sizes[][3] = {{64, 72, 8}, {64, 72, 24}, {64, 72, 36}, {64, 96, 32}, {12, 16, 8}, {6, 9, 3}};
  uint32_t random = 3;
  for (int round = 0; round < 40; round++)
    for (size_t s = 0; s < LENGTH(sizes); s++) {
      static float load[MOST_EXPERTS];
      for (uint32_t e = 0; e < sizes[s][0]; e++) load[e] = load_of_kind((uint32_t)round % 3, random_next(&random));
      eplb_problem p = problem_of(sizes[s][0], sizes[s][1], sizes[s][2], load);
      eplb_options options = EPLB_OPTIONS_INIT;
      plan theirs;
      options.policy = EPLB_POLICY_DEEPSEEK;
      CHECK_EQUAL(plan_make(&p, &options, 0, 0, &theirs), EPLB_STATUS_OK);
      options.policy = EPLB_POLICY_BALANCED;
      for (size_t i = 0; i < LENGTH(efforts); i++) {
        if (round >= 6 && efforts[i] == UINT32_MAX) continue;
        options.effort = efforts[i];
        char what[80];
        snprintf(what, sizeof what, "round %d, %u/%u/%u, effort %u", round, (unsigned)sizes[s][0], (unsigned)sizes[s][1],
                 (unsigned)sizes[s][2], (unsigned)efforts[i]);
        plan made;
        CHECK_EQUAL(plan_make(&p, &options, 0, 0xff, &made), EPLB_STATUS_OK);
        plan_check(&p, &options, &made, what);
        if (theirs.per_layer[0].duplicates == 0)
          check(made.per_layer[0].max_gpu_load <= theirs.per_layer[0].max_gpu_load * (1 + 1e-12), __FILE__, __LINE__, what);
        plan_free(&made);
      }
      plan_free(&theirs);
    }
}

int main(void) {
  policy_under_test = EPLB_POLICY_BALANCED;
  optima();
  edges();
  scaled();
  any_topology();
  pinned();
  refused_when_flushed();
  any_effort();
  return finish("balanced");
}
