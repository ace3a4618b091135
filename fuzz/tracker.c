/* eplb_tracker_*: any config, steps good and bad, damage, against counters kept beside it. */
#include "decode.h"

enum { MOST = 4096, UNTOUCHED = 0x6b };

typedef struct model {
  uint64_t counter[64 * 8];
  uint32_t steps[8];
  float ring[64 * 8 * 8]; /* in order of time, the last `windows` */
  uint32_t filled;
  uint64_t closed;
} model;

static uint32_t bits_of(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

static int anything(const model *m, const eplb_tracker_config *k) {
  for (uint32_t l = 0; l < k->num_layers; l++)
    if (m->steps[l] > 0) return 1;
  return 0;
}

static void model_discard(model *m) {
  memset(m->counter, 0, sizeof m->counter);
  memset(m->steps, 0, sizeof m->steps);
}

static void model_close(model *m, const eplb_tracker_config *k) {
  uint32_t matrix = k->num_layers * k->num_logical_experts;
  if (m->filled == k->num_windows) memmove(m->ring, m->ring + matrix, sizeof(float) * matrix * --m->filled);
  for (uint32_t i = 0; i < matrix; i++) m->ring[m->filled * matrix + i] = (float)(m->counter[i] > UINT32_MAX ? UINT32_MAX : m->counter[i]);
  model_discard(m);
  m->filled++;
  m->closed++;
}

static int complete(const model *m, const eplb_tracker_config *k, uint32_t layer) {
  return k->steps_per_window > 0 && m->steps[layer] >= k->steps_per_window;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  input in = {data, size};
  eplb_tracker_config config = EPLB_TRACKER_CONFIG_INIT;
  config.num_windows = 1 + take_byte(&in) % 8;
  config.num_layers = 1 + take_byte(&in) % 8;
  config.num_logical_experts = 1 + take_byte(&in) % 64;
  config.steps_per_window = take_byte(&in) % 4;
  int odd = rarely(&in, 16);
  if (odd) {
    uint32_t *fields[] = {&config.struct_size, &config.num_windows, &config.num_layers, &config.num_logical_experts, &config.reserved};
    *fields[take_byte(&in) % 5] = take_word(&in);
    if (config.struct_size > sizeof config) config.struct_size = UINT32_MAX; /* never more than there is, or absurd */
  }
  size_t bytes = 123, align = 45;
  int32_t status = eplb_tracker_size(&config, &bytes, &align);
  record(&status, sizeof status);
  REQUIRE(is_known_status(status));
  if (status != EPLB_STATUS_OK) {
    REQUIRE(odd && bytes == 123 && align == 45);
    REQUIRE(explained(eplb_explain_tracker_init(&config, NULL, 0, sentence, sizeof sentence)) == status);
    return 0;
  }
  REQUIRE(align == 4 && bytes == 80 + 4 * (size_t)config.num_layers + 4 * (size_t)config.num_layers * config.num_logical_experts * ((size_t)config.num_windows + 1));
  if (bytes > LARGEST_BLOCK || config.num_windows > 8 || config.num_layers > 8 || config.num_logical_experts > 64) return 0;
  uint32_t *memory = malloc(bytes), *before = malloc(bytes);
  model *m = calloc(1, sizeof *m);
  REQUIRE(memory != NULL && before != NULL && m != NULL);
  memset(memory, UNTOUCHED, bytes);
  REQUIRE(eplb_tracker_init(&config, memory, bytes - 1) == EPLB_STATUS_TRACKER_TOO_SMALL);
  REQUIRE(untouched(memory, bytes, UNTOUCHED));
  REQUIRE(eplb_tracker_init(&config, memory, bytes) == EPLB_STATUS_OK);

  while (in.size > 0) {
    uint32_t way = take_byte(&in), layer = take_byte(&in) % (config.num_layers + (way % 16 == 7));
    memcpy(before, memory, bytes);
    if (way < 192) {
      uint32_t experts = config.num_logical_experts, number = way % 2 ? take_byte(&in) % 65 : experts - (way % 32 == 14);
      uint32_t *counts = malloc(sizeof *counts * number);
      int32_t *row = way % 2 ? malloc(sizeof *row * number) : NULL;
      REQUIRE((counts != NULL && (row != NULL || way % 2 == 0)) || number == 0);
      uint32_t scale = take_byte(&in) % 32;
      int32_t expected = layer >= config.num_layers ? EPLB_STATUS_TRACKER_LAYER : EPLB_STATUS_OK;
      if (!expected && (number == 0 || (way % 2 == 0 && number != experts))) expected = EPLB_STATUS_TRACKER_COUNTS;
      for (uint32_t i = 0; i < number; i++) {
        counts[i] = (uint32_t)take_byte(&in) << (scale < 24 ? scale : 24);
        if (scale == 31) counts[i] = UINT32_MAX - counts[i];
        if (!row) continue;
        row[i] = (int32_t)(take_byte(&in) % (experts + 1)) - 1;
        if (row[i] < 0 && way % 8 != 3) counts[i] = 0;
        if (way % 16 == 9 && rarely(&in, 8)) row[i] = (int32_t)take_word(&in);
        if (expected) continue;
        if (row[i] < -1 || row[i] >= (int32_t)experts) expected = EPLB_STATUS_PLACEMENT_EXPERT;
        else if (row[i] < 0 && counts[i] > 0) expected = EPLB_STATUS_TRACKER_SLOT;
      }
      int32_t said = explained(eplb_explain_tracker_observe(memory, bytes, layer, counts, number, row, sentence, sizeof sentence));
      status = eplb_tracker_observe(memory, bytes, layer, counts, number, row);
      REQUIRE(said == status);
      if (number > 0 || row == NULL) REQUIRE(status == expected || (number == 0 && status == EPLB_STATUS_NULL_POINTER));
      if (status == EPLB_STATUS_OK) {
        if (complete(m, &config, layer)) model_close(m, &config);
        for (uint32_t i = 0; i < number; i++) {
          uint32_t expert = row ? (uint32_t)row[i] : i;
          if (expert < experts) m->counter[layer * experts + expert] += counts[i];
        }
        m->steps[layer]++;
        uint32_t full = 0;
        for (uint32_t l = 0; l < config.num_layers; l++) full += complete(m, &config, l);
        if (full == config.num_layers) model_close(m, &config);
      }
      free(counts);
      free(row);
    } else if (way < 224) {
      int32_t said = explained(eplb_explain_tracker_close(memory, bytes, sentence, sizeof sentence));
      status = eplb_tracker_close(memory, bytes);
      REQUIRE(said == status);
      REQUIRE(status == (anything(m, &config) ? EPLB_STATUS_OK : EPLB_STATUS_TRACKER_EMPTY));
      if (status == EPLB_STATUS_OK) model_close(m, &config);
    } else if (way < 228) {
      status = eplb_tracker_discard(memory, bytes);
      REQUIRE(explained(eplb_explain_tracker_discard(memory, bytes, sentence, sizeof sentence)) == EPLB_STATUS_OK);
      REQUIRE(status == EPLB_STATUS_OK);
      model_discard(m);
    } else if (way < 240) { /* to another address, and on from there */
      uint32_t *moved = malloc(bytes);
      REQUIRE(moved != NULL);
      memcpy(moved, memory, bytes);
      free(memory);
      memory = moved;
      status = EPLB_STATUS_OK;
    } else { /* damage: one word, which every reader of windows sees, or a call does */
      uint32_t word = take_word(&in) % (uint32_t)(bytes / 4), change = take_word(&in);
      eplb_windows windows = EPLB_WINDOWS_INIT;
      memory[word] ^= change;
      status = change == 0 ? EPLB_STATUS_OK : eplb_tracker_windows(memory, bytes, &windows, sizeof windows);
      REQUIRE(change == 0 || explained(eplb_explain_tracker_windows(memory, bytes, &windows, sizeof windows, sentence,
                                                                    sizeof sentence)) == status);
      if (change != 0) REQUIRE(status == (word < 2 ? EPLB_STATUS_TRACKER_FOREIGN : EPLB_STATUS_TRACKER_TORN) && windows.load == NULL);
      memory[word] ^= change;
    }
    record(&status, sizeof status);
    REQUIRE(is_known_status(status));
    if (status != EPLB_STATUS_OK) REQUIRE(memcmp(before, memory, bytes) == 0);

    eplb_windows windows = EPLB_WINDOWS_INIT;
    status = eplb_tracker_windows(memory, bytes, &windows, sizeof windows);
    REQUIRE(status == (m->filled ? EPLB_STATUS_OK : EPLB_STATUS_TRACKER_EMPTY));
    if (status != EPLB_STATUS_OK) continue;
    uint32_t matrix = config.num_layers * config.num_logical_experts;
    REQUIRE(windows.num_windows == m->filled && windows.closed == m->closed && windows.oldest < m->filled);
    for (uint32_t time = 0; time < m->filled; time++)
      for (uint32_t i = 0; i < matrix; i++)
        REQUIRE(bits_of(windows.load[(windows.oldest + time) % m->filled * matrix + i]) == bits_of(m->ring[time * matrix + i]));
  }
  record(memory, bytes);
  free(memory);
  free(before);
  free(m);
  return 0;
}
