/*
 * The numbers of bounds.txt about the load tracker, window weights and forecasts, as bounds.c has them about plans.
 *
 * usage: loads sizes         "workspace tracker SHAPE BYTES" lines
 *        loads stack         "stack FUNCTION BYTES" lines
 *        loads list          names of what can be run
 *        loads run NAME N    runs it N times and prints nothing
 */
#include "eplb.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LAYERS = 4, EXPERTS = 256, SLOTS = 288, WINDOWS = 8, MATRIX = LAYERS * EXPERTS };
enum { WORDS = 20 + LAYERS + MATRIX * (WINDOWS + 1) };

static uint32_t memory[WORDS], counts[SLOTS];
static int32_t row[SLOTS];
static float window_weight[LAYERS * WINDOWS], load[MATRIX];
static eplb_windows windows = EPLB_WINDOWS_INIT;
static eplb_forecast_options options = EPLB_FORECAST_INIT;

static const char *const names[] = {"observe/256",           "observe/288_slots", "close/4x256",          "windows/8x4x256",
                                    "window_weights/8x4x256", "forecast/mean",     "forecast/half_life", "forecast/sigma"};
enum { NAMES = sizeof names / sizeof *names };

static void stop(const char *words) {
  fprintf(stderr, "loads: %s\n", words);
  exit(1);
}

static int32_t run(int what) {
  switch (what) {
  case 0: return eplb_tracker_observe(memory, sizeof memory, 1, counts, EXPERTS, NULL);
  case 1: return eplb_tracker_observe(memory, sizeof memory, 1, counts, SLOTS, row);
  case 2: /* an observation of one slot opens the window that is closed */
    eplb_tracker_observe(memory, sizeof memory, 0, counts, 1, row);
    return eplb_tracker_close(memory, sizeof memory);
  case 3: return eplb_tracker_windows(memory, sizeof memory, &windows, sizeof windows);
  case 4: return eplb_window_weights(&windows, NULL, window_weight, NULL);
  default: options.method = (uint32_t)what - 4; return eplb_forecast(&windows, &options, load);
  }
}

/* A full ring of windows that are a little different. */
static void fill(void) {
  eplb_tracker_config config = EPLB_TRACKER_CONFIG_INIT;
  uint32_t random = 2463534242u;
  config.num_windows = WINDOWS;
  config.num_layers = LAYERS;
  config.num_logical_experts = EXPERTS;
  if (eplb_tracker_init(&config, memory, sizeof memory) != EPLB_STATUS_OK) stop("no tracker");
  for (int i = 0; i < SLOTS; i++) row[i] = i * 7 % EXPERTS;
  for (int window = 0; window < WINDOWS; window++) {
    for (uint32_t layer = 0; layer < LAYERS; layer++) {
      for (uint32_t i = 0; i < SLOTS; i++) {
        random = random * 1664525u + 1013904223u;
        counts[i] = 200000 / (1 + (i + layer) % EXPERTS) + (random >> 24);
      }
      if (eplb_tracker_observe(memory, sizeof memory, layer, counts, EXPERTS, NULL) != EPLB_STATUS_OK) stop("no step");
    }
    if (eplb_tracker_close(memory, sizeof memory) != EPLB_STATUS_OK) stop("no window");
  }
  options.half_life = 2;
  options.sigmas = 1;
  if (run(3) != EPLB_STATUS_OK) stop("no windows");
}

static void print_sizes(void) {
  static const uint32_t shapes[][3] = {{8, 58, 256}, {8, 12, 60}, {16, 1, 128}};
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
    eplb_tracker_config config = EPLB_TRACKER_CONFIG_INIT;
    size_t size, align;
    config.num_windows = shapes[i][0];
    config.num_layers = shapes[i][1];
    config.num_logical_experts = shapes[i][2];
    if (eplb_tracker_size(&config, &size, &align) != EPLB_STATUS_OK) stop("no size");
    printf("workspace tracker %ux%ux%u %zu\n", shapes[i][0], shapes[i][1], shapes[i][2], size);
  }
}

enum { DEPTH = 64 << 10, NEVER = 0x5a };

/* As in bounds.c: paint, call, look for the deepest byte without paint. */
static void *measure(void *argument) {
  size_t *job = argument;
  unsigned char *frame = __builtin_frame_address(0);
  volatile unsigned char *low = frame - DEPTH;
  for (int round = 0; round < 2; round++) {
    for (volatile unsigned char *byte = low; byte < frame - 512; byte++) *byte = NEVER;
    if (run((int)*job) != EPLB_STATUS_OK) stop("a call failed");
  }
  while (*low == NEVER) low++;
  *job = (size_t)(frame - low);
  return NULL;
}

static void print_stacks(void) {
  for (int what = 0; what < NAMES; what++) {
    pthread_t thread;
    size_t job = (size_t)what;
    if (pthread_create(&thread, NULL, measure, &job) != 0 || pthread_join(thread, NULL) != 0) stop("no thread");
    printf("stack %s %zu\n", names[what], job);
  }
}

int main(int argc, char **argv) {
  if (argc == 2 && !strcmp(argv[1], "sizes")) return print_sizes(), 0;
  if (argc == 2 && !strcmp(argv[1], "list")) {
    for (int what = 0; what < NAMES; what++) puts(names[what]);
    return 0;
  }
  fill();
  if (argc == 2 && !strcmp(argv[1], "stack")) return print_stacks(), 0;
  for (int what = 0; argc == 4 && !strcmp(argv[1], "run") && what < NAMES; what++)
    if (!strcmp(argv[2], names[what])) {
      for (long times = atol(argv[3]); times > 0; times--)
        if (run(what) != EPLB_STATUS_OK) stop("a call failed");
      return 0;
    }
  fprintf(stderr, "usage: %s sizes | stack | list | run NAME N\n", argv[0]);
  return 1;
}
