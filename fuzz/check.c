/* eplb_check: placements, some with one thing changed, and garbage, against the rules written anew. */
#include "decode.h"

/* The rules of eplb_check by the letter of the header; `c` is sound and has all maps or only the first. */
static int keeps_the_rules(const call *c) {
  const eplb_problem *p = &c->problem;
  const eplb_placement *m = &c->placement;
  uint32_t experts = p->num_logical_experts, slots = p->num_physical_experts, width = m->max_replicas;
  uint32_t groups = or_one(p->num_groups), group_size = experts / groups;
  int balanced = c->options.policy == EPLB_POLICY_BALANCED, good = 1;
  int hierarchical = is_hierarchical(p, c->options.scope) && group_size > 0;
  uint8_t *seen = malloc(slots);
  int32_t *home = malloc(groups * sizeof *home);
  REQUIRE(seen != NULL && home != NULL);
  for (uint32_t layer = 0; layer < p->num_layers && good; layer++) {
    const int32_t *map = m->physical_to_logical + (size_t)layer * slots;
    uint32_t start = 0;
    for (uint32_t k = 0; k < groups; k++) home[k] = -1;
    for (uint32_t gpu = 0; gpu < p->num_gpus; gpu++) {
      int receives = !p->gpu_state || p->gpu_state[gpu] == EPLB_GPU_ALIVE;
      for (uint32_t s = start; s < start + slots_of(p, gpu); s++) {
        int32_t e = map[s];
        if (e < -1 || e >= (int32_t)experts) return free(seen), free(home), 0;
        good &= e < 0 ? balanced || !receives : receives;
        if (e < 0) continue;
        for (uint32_t other = start; balanced && other < s; other++) good &= map[other] != e;
        uint32_t group = hierarchical ? (uint32_t)e / group_size : groups;
        if (group < groups) {
          int32_t node = (int32_t)node_of(p, gpu);
          good &= home[group] == -1 || home[group] == node;
          home[group] = node;
        }
      }
      start += slots_of(p, gpu);
    }
    memset(seen, 0, slots); /* slots that the table lists */
    for (uint32_t e = 0; e < experts; e++) {
      uint32_t count = 0;
      for (uint32_t s = 0; s < slots; s++) count += map[s] == (int32_t)e;
      good &= count > 0;
      if (m->logical_count) good &= m->logical_count[(size_t)layer * experts + e] == (int32_t)count;
      if (m->logical_to_physical) {
        const int32_t *row = m->logical_to_physical + ((size_t)layer * experts + e) * width;
        good &= count <= width;
        for (uint32_t r = 0; r < width; r++) {
          if (r >= count || row[r] < 0 || row[r] >= (int32_t)slots) {
            good &= r >= count && row[r] == -1;
            continue;
          }
          good &= map[row[r]] == (int32_t)e && !seen[row[r]];
          if (m->replica_rank) good &= m->replica_rank[(size_t)layer * slots + (uint32_t)row[r]] == (int32_t)r;
          seen[row[r]] = 1;
        }
      }
      if (m->replica_rank) { /* each rank below count once */
        const int32_t *rank = m->replica_rank + (size_t)layer * slots;
        for (uint32_t r = 0; r < count; r++) {
          uint32_t with = 0;
          for (uint32_t s = 0; s < slots; s++) with += map[s] == (int32_t)e && rank[s] == (int32_t)r;
          good &= with == 1;
        }
      }
    }
    for (uint32_t s = 0; s < slots && m->replica_rank; s++)
      good &= map[s] >= 0 || m->replica_rank[(size_t)layer * slots + s] == -1;
  }
  free(seen);
  free(home);
  return good;
}

static void edit(int32_t *map, size_t len, input *in) {
  if (map == NULL || len == 0) return;
  int32_t *at = &map[(take_byte(in) << 8 | take_byte(in)) % len];
  uint8_t way = take_byte(in);
  *at = way < 64 ? *at + 1 : way < 128 ? -1 : way < 192 ? (int8_t)take_byte(in) : (int32_t)take_word(in);
}

static void garbage(int32_t *map, size_t len, input *in) {
  for (size_t i = 0; map != NULL && i < len; i++) map[i] = (int8_t)take_byte(in);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  input in = {data, size};
  call c = {0};
  uint8_t way = take_byte(&in);
  decode_problem(&c, &in);
  decode_options(&c, &in);
  /* a placement to start from: dealt out, since planning takes many times as long, and has plan.c */
  if (way < 224 && deal_into(&c)) {
    eplb_placement *m = &c.placement;
    if (way & 1) edit(m->physical_to_logical, num_slots(&c), &in);
    if (way & 2) edit(m->replica_rank, num_slots(&c), &in);
    if (way & 4) edit(m->logical_count, num_experts(&c), &in);
    if (way & 8) edit(m->logical_to_physical, table_len(&c), &in);
    if (way & 16) m->replica_rank = NULL;
    if (way % 64 >= 56) c.options.policy = take_byte(&in) % NUM_POLICIES; /* by the rules of another policy */
  } else {
    decode_outputs(&c, &in, 0);
    garbage(c.placement.physical_to_logical, num_slots(&c), &in);
    garbage(c.placement.replica_rank, num_slots(&c), &in);
    garbage(c.placement.logical_count, num_experts(&c), &in);
    garbage(c.placement.logical_to_physical, table_len(&c), &in);
  }
  decode_arguments(&c, &in);

  /* the violation may be of a newer caller, or missing */
  size_t violation_size = sizeof(eplb_violation) + (rarely(&in, 16) ? take_byte(&in) : 0);
  eplb_violation *first = rarely(&in, 16) ? NULL : call_block(&c, violation_size);
  if (first) memset(first, 0x77, violation_size);
  workspace ws = make_workspace(&c, EPLB_OPERATION_CHECK, 0xff);
  int32_t status = eplb_check(c.problem_arg, c.options_arg, ws.block, ws.size, c.placement_arg, first,
                              violation_size);
  REQUIRE(is_known_status(status));
  record(&status, sizeof status);
  eplb_violation found = {0};
  if (first) memcpy(&found, first, sizeof found);
  REQUIRE(explained(eplb_explain_check(c.problem_arg, c.options_arg, ws.block, ws.size, c.placement_arg, first, violation_size,
                                       sentence, sizeof sentence)) == status);
  REQUIRE(first == NULL || memcmp(&found, first, sizeof found) == 0);
  if (status == EPLB_STATUS_PLACEMENT_INVALID) { /* the same place, found without the workspace */
    char layer[24], expert[24];
    REQUIRE(explained(eplb_explain(EPLB_OPERATION_CHECK, c.problem_arg, c.options_arg, c.placement_arg, sentence,
                                   sizeof sentence)) == status);
    snprintf(layer, sizeof layer, "layer %d", (int)found.layer);
    snprintf(expert, sizeof expert, "%d", (int)found.expert);
    REQUIRE(first == NULL || (strstr(sentence, layer) != NULL && strstr(sentence, expert) != NULL));
  }
  int judged = status == EPLB_STATUS_OK || status == EPLB_STATUS_PLACEMENT_INVALID;
  if (first && judged) {
    record(first, violation_size);
    REQUIRE((first->kind == EPLB_VIOLATION_KIND_NONE) == (status == EPLB_STATUS_OK));
    REQUIRE(first->kind <= EPLB_VIOLATION_KIND_TABLE);
    int other = first->kind == EPLB_VIOLATION_KIND_DUPLICATE || first->kind == EPLB_VIOLATION_KIND_NODE;
    REQUIRE(other ? first->other_slot >= 0 && first->other_slot < first->slot : first->other_slot == -1);
    REQUIRE(untouched(first + 1, violation_size - sizeof *first, 0));
  } else if (first) {
    REQUIRE(untouched(first, violation_size, 0x77));
  }
  if (c.sound && ws.status != EPLB_STATUS_OK && first && violation_size == sizeof *first) REQUIRE(status == ws.status);
  if (c.sound && judged) REQUIRE((status == EPLB_STATUS_OK) == keeps_the_rules(&c));
  call_free(&c);
  return 0;
}
