/* Bad loads wherever they stand: refused before the first layer is written. */
#include "harness.h"

#include <float.h>
#include <math.h>

/* The first element, the last of the first layer, the last of all. */
static const int places[] = {0, E - 1, L * E - 1};

static void not_a_load(void) {
  for (size_t i = 0; i < LENGTH(places); i++) {
    float *load;
    REFUSES(PLAN | EVALUATE, EPLB_STATUS_LOAD_NAN, load = c.load + places[i]; *load = NAN);
    REFUSES(PLAN | EVALUATE, EPLB_STATUS_LOAD_NAN, load = c.load + places[i]; *load = -NAN);
    REFUSES(PLAN | EVALUATE, EPLB_STATUS_LOAD_INFINITE, load = c.load + places[i]; *load = INFINITY);
    REFUSES(PLAN | EVALUATE, EPLB_STATUS_LOAD_NEGATIVE, load = c.load + places[i]; *load = -INFINITY);
    REFUSES(PLAN | EVALUATE, EPLB_STATUS_LOAD_NEGATIVE, load = c.load + places[i]; *load = -1.0f);
    /* the smallest negative subnormal: a comparison with flush-to-zero would let it pass */
    REFUSES(PLAN | EVALUATE, EPLB_STATUS_LOAD_NEGATIVE, load = c.load + places[i]; *load = -FLT_MIN * FLT_EPSILON);
  }
}

/* Sums of the compatibility policies are f32. */
static void too_large(void) {
  const float limit = 0x1p126f / E;
  for (size_t i = 0; i < LENGTH(places); i++) {
    const int32_t status = IS_BALANCED ? EPLB_STATUS_OK : EPLB_STATUS_LOAD_TOO_LARGE;
    REFUSES(PLAN, status, c.load[places[i]] = FLT_MAX);
    REFUSES(PLAN, status, c.load[places[i]] = nextafterf(limit, INFINITY));
    ACCEPTS(PLAN, c.load[places[i]] = limit);
    ACCEPTS(EVALUATE, c.load[places[i]] = FLT_MAX);
  }
}

static void good(void) {
  SAME_PLAN(c.load[E + 2] = -0.0f); /* where the load is 0 anyway */
  ACCEPTS(PLAN | EVALUATE, c.load[0] = FLT_MIN);
  ACCEPTS(PLAN | EVALUATE, c.load[0] = FLT_MIN * FLT_EPSILON);
  ACCEPTS(PLAN | EVALUATE, memset(c.load, 0, sizeof c.load));
  /* only [W][L][E] is looked at */
  SAME_PLAN(c.load[L * E] = NAN);
}

static void window_weight(void) {
  const int32_t status = EPLB_STATUS_WINDOW_WEIGHT;
  const float bad[] = {NAN, INFINITY, -INFINITY, -1.0f, 0.0f, -0.0f}; /* a lone 0: all are 0 */
  for (size_t i = 0; i < LENGTH(bad); i++) {
    REFUSES(PLAN | EVALUATE, status, c.problem.window_weight = c.window_weight, c.window_weight[0] = bad[i]);
    REFUSES(PLAN | EVALUATE, status, c.problem.window_weight = c.window_weight, c.window_weight[L - 1] = bad[i]);
  }
  SAME_PLAN(c.problem.window_weight = c.window_weight);
  SAME_PLAN(c.problem.window_weight = c.window_weight, c.window_weight[1] = 0.25f);
}

int main(void) {
  FOR_EACH_POLICY {
    not_a_load();
    too_large();
    good();
    window_weight();
  }
  return finish("load");
}
