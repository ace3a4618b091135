/* Several windows of load: what is refused, what a window of weight 0 means, the metrics over windows, and the
 * same bytes however and wherever BALANCED is called. */
#include "plans.h"

#include <float.h>
#include <math.h>

#if defined(__SSE__)
#include <xmmintrin.h>
#endif

enum { WINDOWS = 5, LAYERS = 2, EXPERTS = 64, SLOTS = 80, GPUS = 8 };

static float load[WINDOWS * LAYERS * EXPERTS];
static float weight[LAYERS * WINDOWS] = {1, 0.5f, 0, 2, 1, 0, 0, 1, 3, 0.25f};
static float speed[GPUS] = {1, 0.5f, 1, 2, 1, 1, 0.75f, 1};

static eplb_problem problem_of_windows(void) {
  eplb_problem p = EPLB_PROBLEM_INIT;
  uint32_t random = 5;
  p.num_windows = WINDOWS;
  p.num_layers = LAYERS;
  p.num_logical_experts = EXPERTS;
  p.num_physical_experts = SLOTS;
  p.num_gpus = GPUS;
  p.num_groups = p.num_nodes = 1;
  p.load = load;
  for (uint32_t i = 0; i < LAYERS * EXPERTS; i++) {
    float lasting = (float)(1000000 / (i * 37 % EXPERTS + 4));
    for (uint32_t w = 0; w < WINDOWS; w++)
      load[w * LAYERS * EXPERTS + i] = lasting * (float)(random_next(&random) % 64 + 32);
  }
  return p;
}

static void refused(void) {
  REFUSES(PLAN | SIZE_PLAN, EPLB_STATUS_UNSUPPORTED_WINDOWS, c.problem.num_windows = 2,
          c.options.policy = EPLB_POLICY_DEEPSEEK);
  REFUSES(PLAN | EVALUATE, EPLB_STATUS_LOAD_NAN, c.problem.num_windows = 2, c.options.policy = EPLB_POLICY_BALANCED,
          c.load[2 * L * E - 1] = NAN);
  REFUSES(PLAN | EVALUATE, EPLB_STATUS_WINDOW_WEIGHT, c.problem.num_windows = 2,
          c.options.policy = EPLB_POLICY_BALANCED, c.problem.window_weight = c.window_weight,
          c.window_weight[1] = -1);
  REFUSES(PLAN | EVALUATE, EPLB_STATUS_WINDOW_WEIGHT, c.problem.num_windows = 2,
          c.options.policy = EPLB_POLICY_BALANCED, c.problem.window_weight = c.window_weight,
          c.window_weight[0] = c.window_weight[1] = 0);
}

/* Every content of the workspace, the exact size (plan_make), check and evaluate agree. */
static uint64_t digest_of(const eplb_problem *p, const eplb_options *options, uint32_t max_replicas, const char *what) {
  static const int contents[] = {0xff, 0xa5, 0x00};
  uint64_t digest = 0;
  for (size_t i = 0; i < LENGTH(contents); i++) {
    plan made;
    check_equal(plan_make(p, options, max_replicas, contents[i], &made), EPLB_STATUS_OK, __FILE__, __LINE__, what);
    if (made.per_layer == NULL) return 0;
    plan_check(p, options, &made, what);
    for (uint32_t layer = 0; layer < p->num_layers; layer++) {
      const eplb_metrics *m = &made.per_layer[layer];
      CHECK(m->worst_window < p->num_windows && m->worst_window_balance <= m->balance * (1 + 1e-12));
      if (p->window_weight) CHECK(p->window_weight[layer * p->num_windows + m->worst_window] > 0);
      CHECK_EQUAL(m->moved_slots, 0);
    }
    if (i > 0) CHECK(made.digest == digest);
    digest = made.digest;
    plan_free(&made);
  }
  return digest;
}

static const struct {
  uint32_t groups, nodes, max_replicas, effort, topology;
  uint64_t digest;
} cases[] = {
    {1, 1, 0, 0, 0, UINT64_C(0x2ef1a6624b79c3f2)},
    {1, 1, 2, 50000, 1, UINT64_C(0x906e7ed9b2eadef2)},
    {8, 4, 0, 0, 2, UINT64_C(0xcf54232bd95b1697)},
    {8, 4, 0, 3000, 3, UINT64_C(0x1afae3aff64b74a3)},
};

static void same_bytes(const char *what) {
  for (size_t i = 0; i < LENGTH(cases); i++) {
    eplb_problem p = problem_of_windows();
    eplb_options options = EPLB_OPTIONS_INIT;
    options.effort = cases[i].effort;
    p.num_groups = cases[i].groups;
    p.num_nodes = cases[i].nodes;
    if (cases[i].topology & 1) p.window_weight = weight;
    if (cases[i].topology & 2) p.gpu_speed = speed;
    uint64_t found = digest_of(&p, &options, cases[i].max_replicas, what);
    if (found != cases[i].digest) printf("windows      case %u: %016llx\n", (unsigned)i, (unsigned long long)found);
    check(found == cases[i].digest, __FILE__, __LINE__, what);
  }
}

/* A window of weight 0 is as if it were not there; what it holds is still looked at. */
static void weightless(void) {
  eplb_problem p = problem_of_windows();
  eplb_options options = EPLB_OPTIONS_INIT;
  static const float middle[] = {0, 1, 1, 1, 0}, all[] = {1, 1, 1};
  p.num_layers = 1;
  p.load_window_stride = LAYERS * EXPERTS;
  p.window_weight = middle;
  uint64_t whole = digest_of(&p, &options, 0, "windows of weight 0");
  p.num_windows = 3;
  p.load = load + LAYERS * EXPERTS;
  p.window_weight = all;
  CHECK(digest_of(&p, &options, 0, "without them") == whole);
  /* one is left: the plan for that one */
  static const float one[] = {0, 1, 0};
  p.window_weight = one;
  whole = digest_of(&p, &options, 0, "one window of weight");
  p.num_windows = 1;
  p.load = load + 2 * LAYERS * EXPERTS;
  p.window_weight = NULL;
  CHECK(digest_of(&p, &options, 0, "one window") == whole);
}

/* Subnormal and huge loads, and flush-to-zero. */
static void edges(void) {
  static const float factors[] = {FLT_MIN / 4, 1e30f, 1e-30f};
  for (size_t i = 0; i < LENGTH(factors); i++) {
    eplb_problem p = problem_of_windows();
    eplb_options options = EPLB_OPTIONS_INIT;
    for (size_t j = 0; j < LENGTH(load); j++) load[j] = load[j] / 1e8f * factors[i];
    uint64_t before = digest_of(&p, &options, 0, "edges of f32");
#if defined(__SSE__)
    unsigned mode = _mm_getcsr();
    _mm_setcsr(mode | 0x8040); /* flush to zero, denormals are zero */
    uint64_t flushed = 0;
    plan made;
    if (plan_make(&p, &options, 0, 0xa5, &made) == EPLB_STATUS_OK) flushed = made.digest;
    _mm_setcsr(mode);
    plan_free(&made);
    CHECK(flushed == before);
#else
    (void)before;
#endif
  }
}

int main(void) {
  refused();
  same_bytes("windows");
#if defined(__SSE__)
  unsigned mode = _mm_getcsr();
  _mm_setcsr(mode | 0x8040);
  same_bytes("windows, flush-to-zero");
  _mm_setcsr(mode);
#endif
  weightless();
  edges();
  return finish("windows");
}
