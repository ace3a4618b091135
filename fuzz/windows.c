/* eplb_window_weights and eplb_forecast: any windows, in a ring that is turned. */
#include "decode.h"

static float float_of(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

/* Mostly small counts of a few domains; now and then anything. */
static float take_load(input *in, int wild, uint32_t domain) {
  if (wild && rarely(in, 8)) return float_of(take_word(in));
  uint32_t byte = take_byte(in);
  return (float)(byte % 4 << byte / 16 * ((byte >> 2 & 1) == domain % 2)) + (float)(byte / 64);
}

static int is_load(float x) { return x >= 0 && x <= 3.4028234663852886e38f; }

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  input in = {data, size};
  eplb_windows windows = EPLB_WINDOWS_INIT, turned;
  eplb_change change = EPLB_CHANGE_INIT;
  eplb_forecast_options forecast = EPLB_FORECAST_INIT;
  call c = {0};
  uint32_t way = take_byte(&in), domains = take_byte(&in);
  uint32_t w = windows.num_windows = 1 + take_byte(&in) % 12;
  uint32_t l = windows.num_layers = 1 + take_byte(&in) % 3;
  uint32_t e = windows.num_logical_experts = 1 + take_byte(&in) % 20;
  uint32_t gap = way % 8 == 1 ? take_byte(&in) : 0;
  windows.oldest = take_byte(&in) % w;
  windows.load_window_stride = way % 8 ? l * e + gap : 0;
  float *load = call_block(&c, sizeof(float) * (w * (l * e + gap) - gap)), *other = call_block(&c, sizeof(float) * w * l * e);
  float *weight = way % 2 ? call_block(&c, sizeof(float) * l * w) : NULL;
  float *out = call_block(&c, sizeof(float) * l * e), *again = call_block(&c, sizeof(float) * l * e);
  float *judged = call_block(&c, sizeof(float) * l * w), *rejudged = call_block(&c, sizeof(float) * l * w);
  uint32_t *counted = call_block(&c, sizeof(uint32_t) * l), *recounted = call_block(&c, sizeof(uint32_t) * l);
  for (uint32_t i = 0; i < w * (l * e + gap) - gap; i++)
    load[i] = take_load(&in, way >= 240, domains >> (i / (l * e + gap) + w - windows.oldest) % w % 8 & 1);
  for (uint32_t i = 0; weight && i < l * w; i++) weight[i] = take_load(&in, way >= 250, 0) + (i % w == 0);
  windows.load = load;
  windows.window_weight = weight;
  change.each_layer = take_byte(&in) % 2;
  if (rarely(&in, 4)) change.before = (float)(take_byte(&in)) / 256;
  if (rarely(&in, 4)) change.ratio = take_load(&in, way >= 224, 0);
  if (rarely(&in, 4)) change.distance = take_load(&in, way >= 224, 0) / 8;
  if (rarely(&in, 4)) change.tokens_per_load = take_load(&in, way >= 224, 0);
  forecast.method = take_byte(&in) % 4;
  if (rarely(&in, 2)) forecast.half_life = take_load(&in, way >= 224, 0);
  if (rarely(&in, 2)) forecast.sigmas = take_load(&in, way >= 224, 0);
  if (rarely(&in, 16)) {
    uint32_t *fields[] = {&windows.struct_size, &windows.num_windows, &windows.num_layers, &windows.num_logical_experts,
                          &windows.oldest, &windows.reserved, &change.struct_size, &change.each_layer, &forecast.struct_size,
                          &forecast.method};
    uint32_t field = take_byte(&in) % 10, old = *fields[field];
    *fields[field] = take_word(&in);
    if (field > 0 && field < 4 && *fields[field] < 1u << 31 && *fields[field] > 0) *fields[field] = old; /* no array would be as long */
    if (field == 0 || field == 6 || field == 8)
      if (*fields[field] > old) *fields[field] = UINT32_MAX;
  }
  memset(out, 0x3c, sizeof(float) * l * e);
  memset(judged, 0x3c, sizeof(float) * l * w);
  memset(counted, 0x3c, sizeof(uint32_t) * l);

  int32_t status = eplb_window_weights(&windows, &change, judged, counted);
  REQUIRE(is_known_status(status));
  record(&status, sizeof status);
  REQUIRE(explained(eplb_explain_window_weights(&windows, &change, judged, counted, sentence, sizeof sentence)) == status);
  int32_t foreseen = eplb_forecast(&windows, &forecast, out);
  REQUIRE(is_known_status(foreseen));
  record(&foreseen, sizeof foreseen);
  REQUIRE(explained(eplb_explain_forecast(&windows, &forecast, out, sentence, sizeof sentence)) == foreseen);

  /* the same windows in plain order of time, dense */
  turned = windows;
  turned.oldest = 0;
  turned.load_window_stride = 0;
  turned.load = other;
  turned.window_weight = NULL;
  if (status == EPLB_STATUS_OK || foreseen == EPLB_STATUS_OK)
    for (uint32_t time = 0; time < w; time++)
      memcpy(other + time * l * e, load + (windows.oldest + time) % w * (l * e + gap), sizeof(float) * l * e);

  if (status != EPLB_STATUS_OK) {
    REQUIRE(untouched(judged, sizeof(float) * l * w, 0x3c) && untouched(counted, sizeof(uint32_t) * l, 0x3c));
  } else {
    record(judged, sizeof(float) * l * w);
    REQUIRE(eplb_window_weights(&turned, &change, rejudged, recounted) == EPLB_STATUS_OK);
    for (uint32_t layer = 0; layer < l; layer++) {
      REQUIRE(counted[layer] >= 1 && counted[layer] <= w && counted[layer] == recounted[layer]);
      if (!change.each_layer) REQUIRE(counted[layer] == counted[0]);
      for (uint32_t time = 0; time < w; time++) {
        float found = judged[layer * w + (windows.oldest + time) % w];
        REQUIRE(found == (time + counted[layer] < w ? change.before : 1));
        REQUIRE(found == rejudged[layer * w + time]);
      }
    }
  }
  if (foreseen != EPLB_STATUS_OK) {
    REQUIRE(untouched(out, sizeof(float) * l * e, 0x3c));
  } else {
    record(out, sizeof(float) * l * e);
    for (uint32_t i = 0; i < l * e; i++) REQUIRE(is_load(out[i]));
    if (weight == NULL) {
      REQUIRE(eplb_forecast(&turned, &forecast, again) == EPLB_STATUS_OK);
      REQUIRE(memcmp(out, again, sizeof(float) * l * e) == 0);
      for (uint32_t i = 0; i < l * e; i++) {
        float least = other[i], most = other[i];
        for (uint32_t time = 1; time < w; time++) {
          float x = other[time * l * e + i];
          least = x < least ? x : least;
          most = x > most ? x : most;
        }
        float slack = most * 1e-6f;
        REQUIRE(out[i] >= least - slack);
        if (forecast.method != EPLB_FORECAST_METHOD_MEAN_PLUS_SIGMA) REQUIRE(out[i] <= most + slack);
      }
    }
  }
  call_free(&c);
  return 0;
}
