/* What is made of load windows: weights after a change, and forecasts. */
#include "harness.h"

#include <math.h>

enum { TIMES = 8, LAYERS = 2, EXPERTS = 16, MATRIX = LAYERS * EXPERTS };

/* Windows of one domain up to `cut`, of another from there on, all a little different, in a ring. */
typedef struct sample {
  float load[TIMES * MATRIX];
  float weight[LAYERS * TIMES];
  uint32_t counted[LAYERS];
  float out[MATRIX];
  eplb_windows windows;
  eplb_change change;
  eplb_forecast_options forecast;
} sample;

static float load_at(int domain, int layer, int expert, int time) {
  int rank = domain ? (expert * 7 + layer + 3) % EXPERTS : (expert + layer) % EXPERTS;
  return (float)(4000 / (1 + rank) + (time * 13 + expert * 5) % 9 * 4);
}

static void sample_init(sample *s, int cut, uint32_t oldest) {
  eplb_windows windows = EPLB_WINDOWS_INIT;
  eplb_change change = EPLB_CHANGE_INIT;
  eplb_forecast_options forecast = EPLB_FORECAST_INIT;
  memset(s, 0x77, sizeof *s);
  for (int time = 0; time < TIMES; time++)
    for (int layer = 0; layer < LAYERS; layer++)
      for (int expert = 0; expert < EXPERTS; expert++)
        s->load[(oldest + (uint32_t)time) % TIMES * MATRIX + (uint32_t)(layer * EXPERTS + expert)] =
            load_at(time >= cut, layer, expert, time);
  windows.num_windows = TIMES;
  windows.num_layers = LAYERS;
  windows.num_logical_experts = EXPERTS;
  windows.oldest = oldest;
  windows.load = s->load;
  s->windows = windows;
  s->change = change;
  s->forecast = forecast;
}

static int32_t weigh(sample *s) { return eplb_window_weights(&s->windows, &s->change, s->weight, s->counted); }
static int32_t foresee(sample *s) { return eplb_forecast(&s->windows, &s->forecast, s->out); }

static int untouched(const sample *s) {
  const unsigned char *weight = (const unsigned char *)s->weight, *out = (const unsigned char *)s->out;
  for (size_t i = 0; i < sizeof s->weight; i++)
    if (weight[i] != 0x77) return 0;
  for (size_t i = 0; i < sizeof s->out; i++)
    if (out[i] != 0x77) return 0;
  return s->counted[0] == 0x77777777;
}

/* Changes one thing, and says what both functions, or one of them, answer. */
#define REFUSES_WEIGHTS(status, ...)      \
  do {                                    \
    sample s;                             \
    sample_init(&s, 5, 3);                \
    __VA_ARGS__;                          \
    CHECK_EQUAL(weigh(&s), status);       \
    CHECK(untouched(&s));                 \
  } while (0)
#define REFUSES_FORECAST(status, ...)     \
  do {                                    \
    sample s;                             \
    sample_init(&s, 5, 3);                \
    __VA_ARGS__;                          \
    CHECK_EQUAL(foresee(&s), status);     \
    CHECK(untouched(&s));                 \
  } while (0)
#define REFUSES_BOTH(status, ...)         \
  do {                                    \
    REFUSES_WEIGHTS(status, __VA_ARGS__); \
    REFUSES_FORECAST(status, __VA_ARGS__); \
  } while (0)

/* The change is found at its place, wherever the ring begins. */
static void changes(void) {
  for (int cut = 0; cut < TIMES; cut++)
    for (uint32_t oldest = 0; oldest < TIMES; oldest++)
      for (uint32_t each = 0; each < 2; each++) {
        sample s;
        sample_init(&s, cut, oldest);
        s.change.each_layer = each;
        s.change.before = 0.125f;
        CHECK_EQUAL(weigh(&s), EPLB_STATUS_OK);
        for (int layer = 0; layer < LAYERS; layer++) {
          CHECK_EQUAL(s.counted[layer], TIMES - cut);
          for (int time = 0; time < TIMES; time++)
            CHECK(s.weight[layer * TIMES + (int)((oldest + (uint32_t)time) % TIMES)] == (time < cut ? 0.125f : 1));
        }
      }
}

/* NULL is the default of everything; the weights are a problem's. */
static void weights_without_options(void) {
  sample s;
  sample_init(&s, 5, 3);
  CHECK_EQUAL(eplb_window_weights(&s.windows, NULL, s.weight, NULL), EPLB_STATUS_OK);
  for (int i = 0; i < LAYERS * TIMES; i++) CHECK(s.weight[i] == 0 || s.weight[i] == 1);
  s.windows.window_weight = s.weight;
  s.forecast.method = EPLB_FORECAST_METHOD_MEAN;
  CHECK_EQUAL(foresee(&s), EPLB_STATUS_OK);
  for (int layer = 0; layer < LAYERS; layer++)
    for (int expert = 0; expert < EXPERTS; expert++) {
      double sum = 0;
      for (int time = 5; time < TIMES; time++) sum += (double)load_at(1, layer, expert, time);
      CHECK(s.out[layer * EXPERTS + expert] == (float)(sum / 3));
    }
  CHECK_EQUAL(eplb_forecast(&s.windows, NULL, s.out), EPLB_STATUS_OK); /* the newest window */
  for (int i = 0; i < MATRIX; i++) CHECK(s.out[i] == load_at(1, i / EXPERTS, i % EXPERTS, TIMES - 1));
}

static void forecasts(void) {
  sample s;
  sample_init(&s, TIMES, 6);
  for (uint32_t method = 0; method < 4; method++) {
    s.forecast.method = method;
    s.forecast.half_life = 2;
    s.forecast.sigmas = 1.5f;
    CHECK_EQUAL(foresee(&s), EPLB_STATUS_OK);
    for (int layer = 0; layer < LAYERS; layer++)
      for (int expert = 0; expert < EXPERTS; expert++) {
        double sum = 0, total = 0, squares = 0, expected;
        for (int time = 0; time < TIMES; time++) {
          double weight = method == EPLB_FORECAST_METHOD_HALF_LIFE ? pow(2, -(TIMES - 1 - time) / 2.0) : 1;
          if (method == EPLB_FORECAST_METHOD_LAST && time + 1 < TIMES) weight = 0;
          sum += weight * (double)load_at(0, layer, expert, time);
          total += weight;
        }
        expected = sum / total;
        for (int time = 0; time < TIMES; time++)
          squares += pow((double)load_at(0, layer, expert, time) - expected, 2) / TIMES;
        if (method == EPLB_FORECAST_METHOD_MEAN_PLUS_SIGMA) expected += 1.5 * sqrt(squares);
        CHECK(fabs((double)s.out[layer * EXPERTS + expert] - expected) <= 1e-6 * expected);
      }
  }
}

static void bad_windows(void) {
  REFUSES_BOTH(EPLB_STATUS_SHAPE_ZERO, s.windows.num_windows = 0);
  REFUSES_BOTH(EPLB_STATUS_SHAPE_ZERO, s.windows.num_layers = 0);
  REFUSES_BOTH(EPLB_STATUS_SHAPE_ZERO, s.windows.num_logical_experts = 0);
  REFUSES_BOTH(EPLB_STATUS_SHAPE_TOO_LARGE, s.windows.num_layers = UINT32_MAX);
  REFUSES_BOTH(EPLB_STATUS_SHAPE_TOO_LARGE, s.windows.load_window_stride = UINT64_MAX);
  REFUSES_BOTH(EPLB_STATUS_WINDOW_STRIDE, s.windows.load_window_stride = MATRIX - 1);
  REFUSES_BOTH(EPLB_STATUS_OLDEST_WINDOW, s.windows.oldest = TIMES);
  REFUSES_BOTH(EPLB_STATUS_RESERVED_NOT_ZERO, s.windows.reserved = 1);
  REFUSES_BOTH(EPLB_STATUS_STRUCT_SIZE, s.windows.struct_size -= 8);
  REFUSES_BOTH(EPLB_STATUS_NULL_POINTER, s.windows.load = NULL);
  REFUSES_BOTH(EPLB_STATUS_MISALIGNED_POINTER, s.windows.load = (float *)((char *)s.load + 1));
  REFUSES_BOTH(EPLB_STATUS_LOAD_NAN, s.load[TIMES * MATRIX - 1] = (float)NAN);
  REFUSES_BOTH(EPLB_STATUS_LOAD_INFINITE, s.load[0] = (float)INFINITY);
  REFUSES_BOTH(EPLB_STATUS_LOAD_NEGATIVE, s.load[MATRIX] = -1);
  REFUSES_WEIGHTS(EPLB_STATUS_OVERLAPPING_ARRAYS, s.windows.load = s.weight; s.windows.num_windows = 1; s.windows.num_layers = 1; s.windows.oldest = 0;
                  memset(s.weight, 0x77, sizeof s.weight));
  REFUSES_FORECAST(EPLB_STATUS_OVERLAPPING_ARRAYS, s.windows.load = s.out; s.windows.num_windows = 1; s.windows.oldest = 0);
}

static void bad_options(void) {
  const float bad[] = {(float)NAN, (float)INFINITY, -1, 1e-40f};
  for (size_t i = 0; i < LENGTH(bad); i++) {
    REFUSES_WEIGHTS(EPLB_STATUS_CHANGE_OPTION, s.change.ratio = bad[i]);
    REFUSES_WEIGHTS(EPLB_STATUS_CHANGE_OPTION, s.change.distance = bad[i]);
    REFUSES_WEIGHTS(EPLB_STATUS_CHANGE_OPTION, s.change.tokens_per_load = bad[i]);
    REFUSES_FORECAST(EPLB_STATUS_FORECAST_OPTION, s.forecast.half_life = bad[i]);
    REFUSES_FORECAST(EPLB_STATUS_FORECAST_OPTION, s.forecast.sigmas = bad[i]);
    if (i < 3) REFUSES_WEIGHTS(EPLB_STATUS_CHANGE_OPTION, s.change.before = bad[i]);
  }
  REFUSES_WEIGHTS(EPLB_STATUS_CHANGE_OPTION, s.change.before = 1.5f);
  REFUSES_WEIGHTS(EPLB_STATUS_CHANGE_OPTION, s.change.each_layer = 2);
  REFUSES_WEIGHTS(EPLB_STATUS_STRUCT_SIZE, s.change.struct_size -= 4);
  REFUSES_FORECAST(EPLB_STATUS_STRUCT_SIZE, s.forecast.struct_size -= 4);
  REFUSES_FORECAST(EPLB_STATUS_UNKNOWN_FORECAST, s.forecast.method = 4);
  REFUSES_FORECAST(EPLB_STATUS_UNKNOWN_FORECAST, s.forecast.method = UINT32_MAX);
  float weight[LAYERS * TIMES] = {0};
  REFUSES_FORECAST(EPLB_STATUS_WINDOW_WEIGHT, s.windows.window_weight = weight); /* all 0 */
  weight[0] = weight[TIMES] = 1;
  weight[1] = -1;
  REFUSES_FORECAST(EPLB_STATUS_WINDOW_WEIGHT, s.windows.window_weight = weight);

  sample s;
  sample_init(&s, 5, 3);
  CHECK_EQUAL(eplb_window_weights(NULL, NULL, s.weight, NULL), EPLB_STATUS_NULL_POINTER);
  CHECK_EQUAL(eplb_window_weights(&s.windows, NULL, NULL, NULL), EPLB_STATUS_NULL_POINTER);
  CHECK_EQUAL(eplb_forecast(NULL, NULL, s.out), EPLB_STATUS_NULL_POINTER);
  CHECK_EQUAL(eplb_forecast(&s.windows, NULL, NULL), EPLB_STATUS_NULL_POINTER);

  static float many[33], room[33];
  s.windows.num_windows = 33;
  s.windows.num_layers = s.windows.num_logical_experts = 1;
  s.windows.load = many;
  CHECK_EQUAL(eplb_window_weights(&s.windows, NULL, room, NULL), EPLB_STATUS_TOO_MANY_WINDOWS);
  s.windows.num_windows = 32;
  CHECK_EQUAL(eplb_window_weights(&s.windows, NULL, room, NULL), EPLB_STATUS_OK); /* no tokens at all: all count */
  CHECK(room[0] == 1 && room[31] == 1 && room[32] == 0);
}

int main(void) {
  changes();
  weights_without_options();
  forecasts();
  bad_windows();
  bad_options();
  return finish("forecast");
}
