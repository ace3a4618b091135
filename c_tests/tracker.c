/* The load tracker: its size, what it counts, what it refuses, and memory that was saved and restored. */
#include "guard.h"
#include "harness.h"

enum { WINDOWS = 3, LAYERS = 2, EXPERTS = 4, SLOTS = 6 };
enum { WORDS = 20 + LAYERS + LAYERS * EXPERTS * (WINDOWS + 1), SIZE = 4 * WORDS };

static eplb_tracker_config config_of(uint32_t windows, uint32_t layers, uint32_t experts, uint32_t steps) {
  eplb_tracker_config config = EPLB_TRACKER_CONFIG_INIT;
  config.num_windows = windows;
  config.num_layers = layers;
  config.num_logical_experts = experts;
  config.steps_per_window = steps;
  return config;
}

static const uint32_t one_step[EXPERTS] = {1, 10, 100, 1000};

/* A tracker that has closed one window and counted one step of layer 1 since. */
static void some_tracker(uint32_t *memory) {
  eplb_tracker_config config = config_of(WINDOWS, LAYERS, EXPERTS, 0);
  CHECK_EQUAL(eplb_tracker_init(&config, memory, SIZE), EPLB_STATUS_OK);
  for (uint32_t layer = 0; layer < LAYERS; layer++)
    CHECK_EQUAL(eplb_tracker_observe(memory, SIZE, layer, one_step, EXPERTS, NULL), EPLB_STATUS_OK);
  CHECK_EQUAL(eplb_tracker_close(memory, SIZE), EPLB_STATUS_OK);
  CHECK_EQUAL(eplb_tracker_observe(memory, SIZE, 1, one_step, EXPERTS, NULL), EPLB_STATUS_OK);
}

/* --- size ---------------------------------------------------------------------------------------- */

static void size_formula(void) {
  static const uint32_t sizes[] = {1, 2, 3, 7, 58, 256};
  for (size_t w = 0; w < LENGTH(sizes); w++)
    for (size_t l = 0; l < LENGTH(sizes); l++)
      for (size_t e = 0; e < LENGTH(sizes); e++) {
        eplb_tracker_config config = config_of(sizes[w], sizes[l], sizes[e], 5);
        size_t size = 0, align = 0;
        CHECK_EQUAL(eplb_tracker_size(&config, &size, &align), EPLB_STATUS_OK);
        CHECK_EQUAL(size, 80 + 4 * (size_t)sizes[l] + 4 * (size_t)sizes[l] * sizes[e] * (sizes[w] + 1));
        CHECK_EQUAL(align, 4);
      }
}

/* The exact size against a page that faults, before and behind; one byte less is refused. */
static void exact_size(void) {
  for (int side = GUARD_BEHIND; side <= GUARD_BEFORE; side++) {
    uint32_t *memory = guarded(SIZE, (guard_side)side, 0x5a);
    eplb_tracker_config config = config_of(WINDOWS, LAYERS, EXPERTS, 1);
    eplb_windows windows = EPLB_WINDOWS_INIT;
    CHECK_EQUAL(eplb_tracker_init(&config, memory, SIZE - 1), EPLB_STATUS_TRACKER_TOO_SMALL);
    CHECK(memory[0] == 0x5a5a5a5a && memory[WORDS - 1] == 0x5a5a5a5a);
    CHECK_EQUAL(eplb_tracker_init(&config, memory, SIZE), EPLB_STATUS_OK);
    for (int step = 0; step < 2 * WINDOWS; step++)
      for (uint32_t layer = 0; layer < LAYERS; layer++)
        CHECK_EQUAL(eplb_tracker_observe(memory, SIZE, layer, one_step, EXPERTS, NULL), EPLB_STATUS_OK);
    CHECK_EQUAL(eplb_tracker_windows(memory, SIZE, &windows, sizeof(eplb_windows)), EPLB_STATUS_OK);
    CHECK_EQUAL(eplb_tracker_observe(memory, SIZE - 1, 0, one_step, EXPERTS, NULL), EPLB_STATUS_TRACKER_TOO_SMALL);
    CHECK_EQUAL(eplb_tracker_close(memory, SIZE - 1), EPLB_STATUS_TRACKER_TOO_SMALL);
    CHECK_EQUAL(eplb_tracker_windows(memory, SIZE - 1, &windows, sizeof(eplb_windows)), EPLB_STATUS_TRACKER_TOO_SMALL);
    CHECK_EQUAL(eplb_tracker_close(memory, 79), EPLB_STATUS_TRACKER_TOO_SMALL);
  }
}

#define REFUSES_CONFIG(status, ...)                                                 \
  do {                                                                              \
    eplb_tracker_config config = config_of(WINDOWS, LAYERS, EXPERTS, 1);            \
    size_t size = 1234, align = 5678;                                               \
    uint32_t memory[WORDS] = {7};                                                   \
    __VA_ARGS__;                                                                    \
    CHECK_EQUAL(eplb_tracker_size(&config, &size, &align), status);                 \
    CHECK_EQUAL(eplb_tracker_init(&config, memory, SIZE), status);                  \
    CHECK(size == 1234 && align == 5678 && memory[0] == 7);                         \
  } while (0)

static void configs(void) {
  REFUSES_CONFIG(EPLB_STATUS_SHAPE_ZERO, config.num_windows = 0);
  REFUSES_CONFIG(EPLB_STATUS_SHAPE_ZERO, config.num_layers = 0);
  REFUSES_CONFIG(EPLB_STATUS_SHAPE_ZERO, config.num_logical_experts = 0);
  REFUSES_CONFIG(EPLB_STATUS_SHAPE_TOO_LARGE, config.num_windows = UINT32_C(1) << 31);
  REFUSES_CONFIG(EPLB_STATUS_SHAPE_TOO_LARGE,
                 config.num_windows = config.num_layers = config.num_logical_experts = INT32_MAX);
  REFUSES_CONFIG(EPLB_STATUS_RESERVED_NOT_ZERO, config.reserved = 1);
  REFUSES_CONFIG(EPLB_STATUS_STRUCT_SIZE, config.struct_size -= 4);
  REFUSES_CONFIG(EPLB_STATUS_STRUCT_SIZE, config.struct_size = UINT32_MAX);
}

static void pointers(void) {
  eplb_tracker_config config = config_of(WINDOWS, LAYERS, EXPERTS, 1);
  eplb_windows windows = EPLB_WINDOWS_INIT;
  uint32_t memory[WORDS + 1];
  void *odd = (char *)memory + 1;
  size_t size, align;
  some_tracker(memory);
  CHECK_EQUAL(eplb_tracker_size(NULL, &size, &align), EPLB_STATUS_NULL_POINTER);
  CHECK_EQUAL(eplb_tracker_size(&config, NULL, &align), EPLB_STATUS_NULL_POINTER);
  CHECK_EQUAL(eplb_tracker_size(&config, &size, NULL), EPLB_STATUS_NULL_POINTER);
  CHECK_EQUAL(eplb_tracker_init(NULL, memory, SIZE), EPLB_STATUS_NULL_POINTER);
  CHECK_EQUAL(eplb_tracker_init(&config, NULL, SIZE), EPLB_STATUS_NULL_POINTER);
  CHECK_EQUAL(eplb_tracker_init(&config, odd, SIZE), EPLB_STATUS_MISALIGNED_POINTER);
  CHECK_EQUAL(eplb_tracker_observe(NULL, SIZE, 0, one_step, EXPERTS, NULL), EPLB_STATUS_NULL_POINTER);
  CHECK_EQUAL(eplb_tracker_observe(odd, SIZE, 0, one_step, EXPERTS, NULL), EPLB_STATUS_MISALIGNED_POINTER);
  CHECK_EQUAL(eplb_tracker_observe(memory, SIZE, 0, NULL, EXPERTS, NULL), EPLB_STATUS_NULL_POINTER);
  CHECK_EQUAL(eplb_tracker_observe(memory, SIZE, 0, memory, EXPERTS, NULL), EPLB_STATUS_OVERLAPPING_ARRAYS);
  CHECK_EQUAL(eplb_tracker_observe(memory, SIZE, 0, one_step, EXPERTS, (int32_t *)memory),
              EPLB_STATUS_OVERLAPPING_ARRAYS);
  CHECK_EQUAL(eplb_tracker_close(NULL, SIZE), EPLB_STATUS_NULL_POINTER);
  CHECK_EQUAL(eplb_tracker_discard(NULL, SIZE), EPLB_STATUS_NULL_POINTER);
  CHECK_EQUAL(eplb_tracker_discard(odd, SIZE), EPLB_STATUS_MISALIGNED_POINTER);
  CHECK_EQUAL(eplb_tracker_discard(memory, SIZE - 1), EPLB_STATUS_TRACKER_TOO_SMALL);
  CHECK_EQUAL(eplb_tracker_windows(NULL, SIZE, &windows, sizeof(eplb_windows)), EPLB_STATUS_NULL_POINTER);
  CHECK_EQUAL(eplb_tracker_windows(memory, SIZE, NULL, sizeof(eplb_windows)), EPLB_STATUS_NULL_POINTER);
  CHECK_EQUAL(eplb_tracker_windows(memory, SIZE, &windows, sizeof windows - 8), EPLB_STATUS_STRUCT_SIZE);
  CHECK_EQUAL(eplb_tracker_windows(memory, SIZE, &windows, sizeof windows + 4), EPLB_STATUS_STRUCT_SIZE);

  /* a newer caller's: told by its size, and ready to be given back */
  struct {
    eplb_windows known;
    uint64_t tail;
  } newer;
  float load[LAYERS * EXPERTS];
  memset(&newer, 0xa5, sizeof newer);
  CHECK_EQUAL(eplb_tracker_observe(memory, SIZE, 0, one_step, EXPERTS, NULL), EPLB_STATUS_OK);
  CHECK_EQUAL(eplb_tracker_close(memory, SIZE), EPLB_STATUS_OK);
  CHECK_EQUAL(eplb_tracker_windows(memory, SIZE, &newer.known, sizeof newer), EPLB_STATUS_OK);
  CHECK(newer.known.struct_size == sizeof newer && newer.tail == 0);
  CHECK_EQUAL(eplb_forecast(&newer.known, NULL, load), EPLB_STATUS_OK);
}

/* --- counting ------------------------------------------------------------------------------------ */

static void logical_and_physical(void) {
  static const int32_t row[SLOTS] = {3, 1, -1, 0, 1, 2};
  static const uint32_t slots[SLOTS] = {5, 6, 0, 7, 8, 9};
  uint32_t memory[WORDS];
  eplb_windows windows = EPLB_WINDOWS_INIT;
  some_tracker(memory);
  CHECK_EQUAL(eplb_tracker_observe(memory, SIZE, 1, slots, SLOTS, row), EPLB_STATUS_OK);
  CHECK_EQUAL(eplb_tracker_close(memory, SIZE), EPLB_STATUS_OK);
  CHECK_EQUAL(eplb_tracker_windows(memory, SIZE, &windows, sizeof(eplb_windows)), EPLB_STATUS_OK);
  CHECK_EQUAL(windows.num_windows, 2);
  CHECK_EQUAL(windows.num_layers, LAYERS);
  CHECK_EQUAL(windows.num_logical_experts, EXPERTS);
  CHECK_EQUAL(windows.oldest, 0);
  CHECK_EQUAL(windows.load_window_stride, LAYERS * EXPERTS);
  CHECK_EQUAL(windows.closed, 2);
  CHECK(windows.window_weight == NULL);
  CHECK((const uint32_t *)windows.load == memory + 20 + LAYERS + LAYERS * EXPERTS); /* not a copy */
  static const float expected[2 * LAYERS * EXPERTS] = {
      1, 10, 100, 1000, 1, 10, 100, 1000, /* the first window */
      0, 0,  0,   0,    8, 24, 109, 1005,
  };
  for (int i = 0; i < 2 * LAYERS * EXPERTS; i++) CHECK(windows.load[i] == expected[i]);
}

#define REFUSES_STEP(status, layer, counts, number, row)                                                \
  do {                                                                                                  \
    uint32_t memory[WORDS], before[WORDS];                                                              \
    some_tracker(memory);                                                                               \
    memcpy(before, memory, sizeof before);                                                              \
    CHECK_EQUAL(eplb_tracker_observe(memory, SIZE, layer, counts, number, row), status);                \
    CHECK(memcmp(before, memory, sizeof before) == 0);                                                  \
  } while (0)

static void bad_steps(void) {
  static const int32_t beyond[EXPERTS] = {0, 1, 2, EXPERTS}, below[EXPERTS] = {0, 1, 2, -2}, empty[EXPERTS] = {0, 1, -1, 3};
  REFUSES_STEP(EPLB_STATUS_TRACKER_LAYER, LAYERS, one_step, EXPERTS, NULL);
  REFUSES_STEP(EPLB_STATUS_TRACKER_LAYER, UINT32_MAX, one_step, EXPERTS, NULL);
  REFUSES_STEP(EPLB_STATUS_TRACKER_COUNTS, 0, one_step, EXPERTS - 1, NULL);
  REFUSES_STEP(EPLB_STATUS_TRACKER_COUNTS, 0, one_step, 0, NULL);
  REFUSES_STEP(EPLB_STATUS_TRACKER_COUNTS, 0, one_step, 0, empty);
  REFUSES_STEP(EPLB_STATUS_PLACEMENT_EXPERT, 0, one_step, EXPERTS, beyond);
  REFUSES_STEP(EPLB_STATUS_PLACEMENT_EXPERT, 0, one_step, EXPERTS, below);
  REFUSES_STEP(EPLB_STATUS_TRACKER_SLOT, 0, one_step, EXPERTS, empty);
}

static void limits(void) {
  static const uint32_t most[EXPERTS] = {UINT32_MAX, UINT32_MAX - 10, (1u << 24) + 1, (1u << 24) - 1};
  uint32_t memory[WORDS];
  eplb_windows windows = EPLB_WINDOWS_INIT;
  some_tracker(memory);
  CHECK_EQUAL(eplb_tracker_observe(memory, SIZE, 0, most, EXPERTS, NULL), EPLB_STATUS_OK);
  CHECK_EQUAL(eplb_tracker_observe(memory, SIZE, 0, one_step, EXPERTS, NULL), EPLB_STATUS_OK);
  CHECK_EQUAL(eplb_tracker_close(memory, SIZE), EPLB_STATUS_OK);
  CHECK_EQUAL(eplb_tracker_windows(memory, SIZE, &windows, sizeof(eplb_windows)), EPLB_STATUS_OK);
  if (windows.load == NULL) return;
  const float *load = windows.load + LAYERS * EXPERTS;
  CHECK(load[0] == 4294967296.0f);          /* stopped at 2^32 - 1, which is 2^32 as a float */
  CHECK(load[1] == 4294967296.0f);          /* just reached it */
  CHECK(load[2] == 16777316.0f);            /* 2^24 + 101 is odd: to the even neighbour */
  CHECK(load[3] == 16778216.0f);            /* 2^24 + 999 likewise */
}

/* --- windows ------------------------------------------------------------------------------------- */

static uint32_t closed_windows(const uint32_t *memory) { return memory[10]; }

static void closed_by_steps(void) {
  uint32_t memory[WORDS];
  eplb_tracker_config config = config_of(WINDOWS, LAYERS, EXPERTS, 2);
  CHECK_EQUAL(eplb_tracker_init(&config, memory, SIZE), EPLB_STATUS_OK);
  for (uint32_t step = 0; step < 10; step++)
    for (uint32_t layer = 0; layer < LAYERS; layer++) {
      CHECK_EQUAL(closed_windows(memory), step / 2);
      CHECK_EQUAL(eplb_tracker_observe(memory, SIZE, layer, one_step, EXPERTS, NULL), EPLB_STATUS_OK);
    }
  CHECK_EQUAL(closed_windows(memory), 5);
  CHECK_EQUAL(eplb_tracker_close(memory, SIZE), EPLB_STATUS_TRACKER_EMPTY); /* it has just closed */
  /* layer 1 is left out: the third step of layer 0 is of the next window */
  for (int step = 0; step < 2; step++)
    CHECK_EQUAL(eplb_tracker_observe(memory, SIZE, 0, one_step, EXPERTS, NULL), EPLB_STATUS_OK);
  CHECK_EQUAL(closed_windows(memory), 5);
  CHECK_EQUAL(eplb_tracker_observe(memory, SIZE, 0, one_step, EXPERTS, NULL), EPLB_STATUS_OK);
  CHECK_EQUAL(closed_windows(memory), 6);
}

/* A warm-up is forgotten, in the middle of a window too; what is closed stays, and the next window is counted as if
   the warm-up had not been. */
static void discarded(void) {
  uint32_t memory[WORDS], fresh[WORDS];
  eplb_tracker_config config = config_of(WINDOWS, LAYERS, EXPERTS, 2);
  CHECK_EQUAL(eplb_tracker_init(&config, memory, SIZE), EPLB_STATUS_OK);
  memcpy(fresh, memory, sizeof fresh);
  CHECK_EQUAL(eplb_tracker_discard(memory, SIZE), EPLB_STATUS_OK); /* nothing there */
  CHECK(memcmp(memory, fresh, sizeof fresh) == 0);
  for (uint32_t layer = 0; layer < LAYERS; layer++) /* one layer has both its steps, the others one */
    for (uint32_t step = 0; step < (layer == 0 ? 2 : 1); step++)
      CHECK_EQUAL(eplb_tracker_observe(memory, SIZE, layer, one_step, EXPERTS, NULL), EPLB_STATUS_OK);
  CHECK_EQUAL(eplb_tracker_discard(memory, SIZE), EPLB_STATUS_OK);
  CHECK(memcmp(memory, fresh, sizeof fresh) == 0);
  CHECK_EQUAL(eplb_tracker_close(memory, SIZE), EPLB_STATUS_TRACKER_EMPTY);
  for (uint32_t step = 0; step < 2; step++)
    for (uint32_t layer = 0; layer < LAYERS; layer++)
      CHECK_EQUAL(eplb_tracker_observe(memory, SIZE, layer, one_step, EXPERTS, NULL), EPLB_STATUS_OK);
  CHECK_EQUAL(closed_windows(memory), 1);
  memcpy(fresh, memory, sizeof fresh);
  CHECK_EQUAL(eplb_tracker_observe(memory, SIZE, 0, one_step, EXPERTS, NULL), EPLB_STATUS_OK);
  CHECK_EQUAL(eplb_tracker_discard(memory, SIZE), EPLB_STATUS_OK);
  CHECK(memcmp(memory, fresh, sizeof fresh) == 0);
}

/* Windows in the order of time, whatever the ring's; the ring is a problem's load as it is. */
static void ring(void) {
  uint32_t memory[WORDS];
  eplb_tracker_config config = config_of(WINDOWS, LAYERS, EXPERTS, 1);
  eplb_windows windows = EPLB_WINDOWS_INIT;
  CHECK_EQUAL(eplb_tracker_init(&config, memory, SIZE), EPLB_STATUS_OK);
  CHECK_EQUAL(eplb_tracker_windows(memory, SIZE, &windows, sizeof(eplb_windows)), EPLB_STATUS_TRACKER_EMPTY);
  CHECK_EQUAL(windows.num_windows, 0);
  for (uint32_t step = 1; step <= 8; step++) {
    uint32_t counts[EXPERTS] = {step, 2 * step, 1, 0};
    for (uint32_t layer = 0; layer < LAYERS; layer++)
      CHECK_EQUAL(eplb_tracker_observe(memory, SIZE, layer, counts, EXPERTS, NULL), EPLB_STATUS_OK);
    CHECK_EQUAL(eplb_tracker_windows(memory, SIZE, &windows, sizeof(eplb_windows)), EPLB_STATUS_OK);
    uint32_t filled = step < WINDOWS ? step : WINDOWS;
    CHECK_EQUAL(windows.num_windows, filled);
    CHECK_EQUAL(windows.closed, step);
    for (uint32_t time = 0; time < filled; time++) {
      uint32_t place = (windows.oldest + time) % filled;
      CHECK(windows.load[place * LAYERS * EXPERTS] == (float)(step - filled + 1 + time));
    }
    eplb_problem problem = EPLB_PROBLEM_INIT;
    eplb_placement placement = EPLB_PLACEMENT_INIT;
    eplb_options options = EPLB_OPTIONS_INIT;
    int32_t slots[LAYERS * SLOTS];
    uint64_t workspace[512];
    problem.num_windows = 1; /* every policy takes one */
    problem.num_layers = windows.num_layers;
    problem.num_logical_experts = windows.num_logical_experts;
    problem.num_physical_experts = SLOTS;
    problem.num_groups = problem.num_nodes = 1;
    problem.num_gpus = 3;
    problem.load = windows.load;
    problem.load_window_stride = windows.load_window_stride;
    placement.physical_to_logical = slots;
    CHECK_EQUAL(eplb_plan(&problem, &options, workspace, sizeof workspace, &placement, NULL, 0), EPLB_STATUS_OK);
  }
}

/* --- saved and restored -------------------------------------------------------------------------- */

static int32_t restore(const uint32_t *saved, size_t size) {
  uint32_t memory[WORDS] = {0};
  eplb_windows windows = EPLB_WINDOWS_INIT;
  memcpy(memory, saved, size < SIZE ? size : SIZE);
  return eplb_tracker_windows(memory, size, &windows, sizeof(eplb_windows));
}

static void saved(void) {
  uint32_t memory[WORDS], copy[WORDS], bad[WORDS];
  eplb_windows windows = EPLB_WINDOWS_INIT, again = EPLB_WINDOWS_INIT;
  some_tracker(memory);
  memcpy(copy, memory, sizeof copy); /* to another address, and on */
  CHECK_EQUAL(restore(copy, SIZE), EPLB_STATUS_OK);
  CHECK_EQUAL(eplb_tracker_observe(memory, SIZE, 0, one_step, EXPERTS, NULL), EPLB_STATUS_OK);
  CHECK_EQUAL(eplb_tracker_observe(copy, SIZE, 0, one_step, EXPERTS, NULL), EPLB_STATUS_OK);
  CHECK_EQUAL(eplb_tracker_close(memory, SIZE), EPLB_STATUS_OK);
  CHECK_EQUAL(eplb_tracker_close(copy, SIZE), EPLB_STATUS_OK);
  CHECK(memcmp(memory, copy, sizeof copy) == 0);
  CHECK_EQUAL(eplb_tracker_windows(memory, SIZE, &windows, sizeof(eplb_windows)), EPLB_STATUS_OK);
  CHECK_EQUAL(eplb_tracker_windows(copy, SIZE, &again, sizeof(eplb_windows)), EPLB_STATUS_OK);

  /* every bit of it wrong, one at a time */
  for (int word = 0; word < WORDS; word++)
    for (int bit = 0; bit < 32; bit++) {
      memcpy(bad, memory, sizeof bad);
      bad[word] ^= UINT32_C(1) << bit;
      CHECK_EQUAL(restore(bad, SIZE), word < 2 ? EPLB_STATUS_TRACKER_FOREIGN : EPLB_STATUS_TRACKER_TORN);
    }
  /* the other byte order */
  for (int word = 0; word < WORDS; word++) {
    uint32_t w = memory[word];
    bad[word] = w >> 24 | (w >> 8 & 0xff00) | (w << 8 & 0xff0000) | w << 24;
  }
  CHECK_EQUAL(restore(bad, SIZE), EPLB_STATUS_TRACKER_FOREIGN);
  /* cut off: zeroes from there on */
  for (int word = 0; word < WORDS - 1; word++) {
    memset(bad, 0, sizeof bad);
    memcpy(bad, memory, 4 * (size_t)word);
    if (memcmp(bad, memory, sizeof bad) != 0) CHECK(restore(bad, SIZE) != EPLB_STATUS_OK);
  }
  CHECK_EQUAL(restore(memory, SIZE - 4), EPLB_STATUS_TRACKER_TOO_SMALL);
  memset(bad, 0, sizeof bad);
  CHECK_EQUAL(restore(bad, SIZE), EPLB_STATUS_TRACKER_FOREIGN);
  memset(bad, 0xff, sizeof bad);
  CHECK_EQUAL(restore(bad, SIZE), EPLB_STATUS_TRACKER_FOREIGN);

  /* nothing is counted into memory that is not a tracker's */
  CHECK_EQUAL(eplb_tracker_observe(bad, SIZE, 0, one_step, EXPERTS, NULL), EPLB_STATUS_TRACKER_FOREIGN);
  CHECK_EQUAL(eplb_tracker_close(bad, SIZE), EPLB_STATUS_TRACKER_FOREIGN);
  CHECK_EQUAL(eplb_tracker_discard(bad, SIZE), EPLB_STATUS_TRACKER_FOREIGN);
  for (int word = 0; word < WORDS; word++) CHECK(bad[word] == UINT32_MAX);

  /* saved in the middle of a call: one half from before, the other from after */
  memcpy(copy, memory, sizeof copy);
  CHECK_EQUAL(eplb_tracker_observe(copy, SIZE, 1, one_step, EXPERTS, NULL), EPLB_STATUS_OK);
  CHECK_EQUAL(eplb_tracker_close(copy, SIZE), EPLB_STATUS_OK);
  for (int word = 0; word < WORDS; word++) {
    memcpy(bad, copy, sizeof bad);
    memcpy(bad, memory, 4 * (size_t)word);
    int whole = memcmp(bad, copy, sizeof bad) == 0 || memcmp(bad, memory, sizeof bad) == 0;
    CHECK(whole || restore(bad, SIZE) == EPLB_STATUS_TRACKER_TORN);
  }
}

int main(void) {
  size_formula();
  exact_size();
  configs();
  pointers();
  logical_and_physical();
  bad_steps();
  limits();
  closed_by_steps();
  discarded();
  ring();
  saved();
  return finish("tracker");
}
