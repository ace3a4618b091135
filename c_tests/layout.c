/* Numbers pinned for ever, a text for each, and what the initialisers set. */
#include "harness.h"

static const struct {
  int32_t found, pinned;
} codes[] = {
    {EPLB_STATUS_OK, 0},
    {EPLB_STATUS_NULL_POINTER, -1},
    {EPLB_STATUS_MISALIGNED_POINTER, -2},
    {EPLB_STATUS_STRUCT_SIZE, -3},
    {EPLB_STATUS_RESERVED_NOT_ZERO, -4},
    {EPLB_STATUS_OVERLAPPING_ARRAYS, -5},
    {EPLB_STATUS_UNKNOWN_OPERATION, -6},
    {EPLB_STATUS_UNKNOWN_POLICY, -7},
    {EPLB_STATUS_UNKNOWN_SCOPE, -8},
    {EPLB_STATUS_UNKNOWN_FLAG, -9},
    {EPLB_STATUS_MOVES_WITHOUT_PREVIOUS, -10},
    {EPLB_STATUS_TARGET, -11},
    {EPLB_STATUS_UNKNOWN_SPLIT, -12},
    {EPLB_STATUS_WORKSPACE_TOO_SMALL, -20},
    {EPLB_STATUS_WORKSPACE_MISALIGNED, -21},
    {EPLB_STATUS_SHAPE_ZERO, -30},
    {EPLB_STATUS_SHAPE_TOO_LARGE, -31},
    {EPLB_STATUS_TOO_FEW_SLOTS, -32},
    {EPLB_STATUS_SLOTS_NOT_DIVISIBLE, -33},
    {EPLB_STATUS_GROUPS_NOT_DIVISIBLE, -34},
    {EPLB_STATUS_EXPERTS_NOT_DIVISIBLE, -35},
    {EPLB_STATUS_GPUS_NOT_DIVISIBLE, -36},
    {EPLB_STATUS_WINDOW_STRIDE, -37},
    {EPLB_STATUS_ARRAY_LENGTH, -38},
    {EPLB_STATUS_TOO_MANY_NODES, -39},
    {EPLB_STATUS_LOAD_NAN, -40},
    {EPLB_STATUS_LOAD_INFINITE, -41},
    {EPLB_STATUS_LOAD_NEGATIVE, -42},
    {EPLB_STATUS_LOAD_TOO_LARGE, -43},
    {EPLB_STATUS_WINDOW_WEIGHT, -44},
    {EPLB_STATUS_COST, -45},
    {EPLB_STATUS_STEP_TOKENS, -46},
    {EPLB_STATUS_GPU_SLOTS, -50},
    {EPLB_STATUS_GPU_SPEED, -51},
    {EPLB_STATUS_GPU_NODE, -52},
    {EPLB_STATUS_GPU_STATE, -53},
    {EPLB_STATUS_NO_ALIVE_GPU, -54},
    {EPLB_STATUS_PLACEMENT_EXPERT, -60},
    {EPLB_STATUS_PLACEMENT_INVALID, -61},
    {EPLB_STATUS_PLACEMENT_MISSING, -62},
    {EPLB_STATUS_MAX_REPLICAS, -63},
    {EPLB_STATUS_PLACEMENT_STATE, -69},
    {EPLB_STATUS_INFEASIBLE, -70},
    {EPLB_STATUS_SOURCE_LOST, -71},
    {EPLB_STATUS_NEEDS_BUFFER, -72},
    {EPLB_STATUS_LIST_TOO_SMALL, -73},
    {EPLB_STATUS_UNSUPPORTED_POLICY, -80},
    {EPLB_STATUS_UNSUPPORTED_WINDOWS, -81},
    {EPLB_STATUS_UNSUPPORTED_PREVIOUS, -82},
    {EPLB_STATUS_UNSUPPORTED_SPEED, -83},
    {EPLB_STATUS_UNSUPPORTED_SLOTS, -84},
    {EPLB_STATUS_UNSUPPORTED_NODES, -85},
    {EPLB_STATUS_UNSUPPORTED_STATE, -86},
    {EPLB_STATUS_UNSUPPORTED_FLAG, -87},
    {EPLB_STATUS_UNSUPPORTED_SPLIT, -88},
    {EPLB_STATUS_UNSUPPORTED_COST, -89},
    {EPLB_STATUS_DISPATCH_NO_REPLICA, -100},
    {EPLB_STATUS_DISPATCH_DEAD_SOURCE, -101},
    {EPLB_STATUS_DISPATCH_TOKENS, -102},
    {EPLB_STATUS_DISPATCH_SOURCES, -103},
    {EPLB_STATUS_TOLERANCE, -104},
    {EPLB_STATUS_TRACKER_FOREIGN, -90},
    {EPLB_STATUS_TRACKER_TORN, -91},
    {EPLB_STATUS_TRACKER_TOO_SMALL, -92},
    {EPLB_STATUS_TRACKER_LAYER, -93},
    {EPLB_STATUS_TRACKER_COUNTS, -94},
    {EPLB_STATUS_TRACKER_SLOT, -95},
    {EPLB_STATUS_TRACKER_EMPTY, -96},
    {EPLB_STATUS_OLDEST_WINDOW, -115},
    {EPLB_STATUS_TOO_MANY_WINDOWS, -116},
    {EPLB_STATUS_CHANGE_OPTION, -117},
    {EPLB_STATUS_UNKNOWN_FORECAST, -118},
    {EPLB_STATUS_FORECAST_OPTION, -119},
    {EPLB_STATUS_GATE_TIME, -110},
    {EPLB_STATUS_GATE_BANDWIDTH, -111},
    {EPLB_STATUS_GATE_LOAD, -112},
    {EPLB_STATUS_GATE_STATE, -113},
    {EPLB_STATUS_GATE_NEVER, -114},
};

/* Every code in the list above has a text of its own; no other number has one. */
static void status_texts(void) {
  const char *unknown = eplb_status_string(INT32_MAX);
  for (size_t i = 0; i < LENGTH(codes); i++) {
    CHECK_EQUAL(codes[i].found, codes[i].pinned);
    const char *text = eplb_status_string(codes[i].pinned);
    CHECK(text[0] != '\0');
    CHECK(strcmp(text, unknown) != 0);
    for (size_t j = 0; j < i; j++) CHECK(strcmp(text, eplb_status_string(codes[j].pinned)) != 0);
  }
  for (int32_t number = -1000; number < 1000; number++) {
    int listed = 0;
    for (size_t i = 0; i < LENGTH(codes); i++) listed |= codes[i].pinned == number;
    CHECK_EQUAL(listed, strcmp(eplb_status_string(number), unknown) != 0);
  }
}

static int zero_but_for_the_size(const void *object, size_t size) {
  const unsigned char *bytes = object;
  for (size_t byte = sizeof(uint32_t); byte < size; byte++)
    if (bytes[byte] != 0) return 0;
  return 1;
}

/* Zero means default, in every struct; the sizes of others that it points to are set. */
static void initialisers(void) {
  eplb_problem problem = EPLB_PROBLEM_INIT;
  eplb_options options = EPLB_OPTIONS_INIT;
  eplb_placement placement = EPLB_PLACEMENT_INIT;
  eplb_transfer_list list = EPLB_TRANSFER_LIST_INIT;
  eplb_gate_config gate = EPLB_GATE_CONFIG_INIT;
  eplb_cost cost = EPLB_COST_INIT;
  eplb_batch batch = EPLB_BATCH_INIT;
  eplb_quotas quotas = EPLB_QUOTAS_INIT;
  eplb_replication request = EPLB_REPLICATION_INIT;
  eplb_replicas replicas = EPLB_REPLICAS_INIT;
  eplb_tracker_config tracker = EPLB_TRACKER_CONFIG_INIT;
  eplb_windows windows = EPLB_WINDOWS_INIT;
  eplb_change change = EPLB_CHANGE_INIT;
  eplb_forecast_options forecast = EPLB_FORECAST_INIT;
  CHECK_EQUAL(problem.struct_size, sizeof problem);
  CHECK_EQUAL(options.struct_size, sizeof options);
  CHECK_EQUAL(placement.struct_size, sizeof placement);
  CHECK_EQUAL(tracker.struct_size, sizeof tracker);
  CHECK_EQUAL(windows.struct_size, sizeof windows);
  CHECK_EQUAL(change.struct_size, sizeof change);
  CHECK_EQUAL(forecast.struct_size, sizeof forecast);
  CHECK(zero_but_for_the_size(&tracker, sizeof tracker));
  CHECK(zero_but_for_the_size(&windows, sizeof windows));
  CHECK(zero_but_for_the_size(&change, sizeof change));
  CHECK(zero_but_for_the_size(&forecast, sizeof forecast));
  CHECK(zero_but_for_the_size(&problem, sizeof problem));
  CHECK(zero_but_for_the_size(&options, sizeof options));
  CHECK(zero_but_for_the_size(&placement, sizeof placement));
  CHECK_EQUAL(batch.struct_size, sizeof batch);
  CHECK_EQUAL(quotas.struct_size, sizeof quotas);
  CHECK(zero_but_for_the_size(&batch, sizeof batch));
  CHECK_EQUAL(request.struct_size, sizeof request);
  CHECK(zero_but_for_the_size(&request, sizeof request));
  CHECK_EQUAL(replicas.struct_size, sizeof replicas);
  CHECK_EQUAL(replicas.fetch_size, sizeof(eplb_fetch));
  CHECK_EQUAL(replicas.replicated_size, sizeof(eplb_replicated));
  replicas.fetch_size = replicas.replicated_size = 0;
  CHECK(zero_but_for_the_size(&replicas, sizeof replicas));
  CHECK_EQUAL(quotas.split_size, sizeof(eplb_split));
  quotas.split_size = 0;
  CHECK(zero_but_for_the_size(&quotas, sizeof quotas));
  CHECK_EQUAL(list.struct_size, sizeof list);
  CHECK_EQUAL(list.transfer_size, sizeof(eplb_transfer));
  CHECK_EQUAL(list.totals_size, sizeof(eplb_transfer_totals));
  list.transfer_size = list.totals_size = 0;
  CHECK(zero_but_for_the_size(&list, sizeof list));
  CHECK_EQUAL(gate.struct_size, sizeof gate);
  CHECK_EQUAL(cost.struct_size, sizeof cost);
  CHECK(zero_but_for_the_size(&cost, sizeof cost));
  CHECK(zero_but_for_the_size(&gate, sizeof gate));
}

int main(void) {
  CHECK_EQUAL(eplb_version(), EPLB_VERSION);
  status_texts();
  initialisers();
  return finish("layout");
}
