/*
 * A part of program.c: the load tracker, the weights of its windows and forecasts. Counts in, every byte of what
 * comes out folded into a line.
 */

enum { LOAD_LAYERS = 2, LOAD_EXPERTS = 24, LOAD_SLOTS = 32, LOAD_WINDOWS = 5, LOAD_RUNS = 12 };
enum { LOAD_MATRIX = LOAD_LAYERS * LOAD_EXPERTS, LOAD_WORDS = 20 + LOAD_LAYERS + LOAD_MATRIX * (LOAD_WINDOWS + 1) };

static uint32_t tracker[LOAD_WORDS];
static uint32_t counts[LOAD_SLOTS];
static int32_t row_in_force[LOAD_SLOTS];
static float window_weight[LOAD_LAYERS * LOAD_WINDOWS], forecast_load[LOAD_MATRIX];
static uint32_t num_counted[LOAD_LAYERS];
static uint64_t seen_loads[LOAD_RUNS];

static eplb_tracker_config tracker_config;
static eplb_windows observed;
static eplb_change change;
static eplb_forecast_options foresight;
static uint32_t step_layer;
static int step_physical;

static int32_t tracker_begin(void) { return eplb_tracker_init(&tracker_config, tracker, sizeof tracker); }
static int32_t tracker_step(void) {
  return eplb_tracker_observe(tracker, sizeof tracker, step_layer, counts, step_physical ? LOAD_SLOTS : LOAD_EXPERTS,
                              step_physical ? row_in_force : NULL);
}
static int32_t tracker_end(void) { return eplb_tracker_close(tracker, sizeof tracker); }
static int32_t tracker_tell(void) { return eplb_tracker_windows(tracker, sizeof tracker, &observed, sizeof observed); }
static int32_t weigh(void) { return eplb_window_weights(&observed, &change, window_weight, num_counted); }
static int32_t foresee(void) { return eplb_forecast(&observed, &foresight, forecast_load); }

static void expect_ok(int32_t status, const char *what) {
  if (status != EPLB_STATUS_OK) fail(what);
}

/* Steps of a layer: the hot experts move when the run has a change and it has come. */
static void count_step(int domain, unsigned shift) {
  for (uint32_t i = 0; i < LOAD_SLOTS; i++) {
    uint32_t expert = (step_physical ? i * 5 + step_layer : i) % LOAD_EXPERTS;
    uint32_t hot = domain ? LOAD_EXPERTS - 1 - expert : expert;
    row_in_force[i] = (int32_t)expert;
    counts[i] = (1000 / (1 + hot) + between(0, 20)) << shift;
  }
  if (step_physical) {
    row_in_force[LOAD_SLOTS - 1] = -1; /* an empty slot */
    counts[LOAD_SLOTS - 1] = 0;
  }
}

static void run_tracker(int run) {
  eplb_tracker_config config = EPLB_TRACKER_CONFIG_INIT;
  config.num_windows = LOAD_WINDOWS;
  config.num_layers = LOAD_LAYERS;
  config.num_logical_experts = LOAD_EXPERTS;
  config.steps_per_window = (uint32_t)run % 3;
  tracker_config = config;
  expect_ok(call(tracker_begin, &deepest.load), "eplb_tracker_init");
  for (int step = 0; step < 3 + 2 * run; step++) {
    for (step_layer = 0; step_layer < LOAD_LAYERS; step_layer++) {
      step_physical = (run + step) % 2;
      count_step(run % 4 == 3 && step >= 2 * run, run == 7 ? 22 : 0); /* run 7: until the counters stop */
      expect_ok(call(tracker_step, &deepest.load), "eplb_tracker_observe");
    }
    if (config.steps_per_window == 0) expect_ok(call(tracker_end, &deepest.load), "eplb_tracker_close");
  }
}

/* Windows, then what is made of them. With flush-to-zero says what differs. */
static void run_loads(int flushing) {
  for (int run = 0; run < LOAD_RUNS; run++) {
    eplb_windows none = EPLB_WINDOWS_INIT;
    eplb_change standard = EPLB_CHANGE_INIT;
    eplb_forecast_options newest = EPLB_FORECAST_INIT;
    uint64_t all = UINT64_C(0xcbf29ce484222325);
    run_tracker(run);
    observed = none;
    expect_ok(call(tracker_tell, &deepest.load), "eplb_tracker_windows");
    all = fold(all, tracker, sizeof tracker);
    if (run >= 9) { /* and loads that no tracker gives: the counters, unused now, take them */
      float *wild = (float *)(void *)(tracker + 20 + LOAD_LAYERS);
      for (int i = 0; i < LOAD_MATRIX; i++)
        wild[i] = load_of(run == 9 ? SUBNORMAL : run == 10 ? HUGE_LOADS : MIXED, (uint32_t)i);
      observed.load = wild;
      observed.oldest = 0;
    }
    change = standard;
    change.each_layer = (uint32_t)run % 2;
    change.before = run % 5 ? 0.125f : 0;
    expect_ok(call(weigh, &deepest.weights), "eplb_window_weights");
    all = fold(all, window_weight, LOAD_LAYERS * observed.num_windows * sizeof(float));
    all = fold(all, num_counted, sizeof num_counted);
    if (run % 2) observed.window_weight = window_weight;
    for (uint32_t method = 0; method < 4; method++) {
      foresight = newest;
      foresight.method = method;
      foresight.half_life = 1.5f;
      foresight.sigmas = 2;
      expect_ok(call(foresee, &deepest.forecast), "eplb_forecast");
      all = fold(all, forecast_load, sizeof forecast_load);
    }
    if (flushing && seen_loads[run] == all) continue;
    if (flushing) differ++;
    seen_loads[run] = all;
    put(flushing ? "flush loads" : "plan loads");
    field(" run=", run);
    field(" windows=", observed.num_windows);
    field(" oldest=", observed.oldest);
    field(" counted=", num_counted[0]);
    put(" outputs=");
    put_hex(all);
    end_line();
    if (!flushing) lines++;
  }
}
