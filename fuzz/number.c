/* eplb_number: any placement, numbered by the letter of the header; refusals touch nothing. */
#include "decode.h"

/* The rules on one layer: 0 where the maps are not theirs. */
static int keeps_the_rules(const call *c, uint32_t layer) {
  const eplb_problem *p = &c->problem;
  const eplb_placement *m = &c->placement;
  uint32_t experts = p->num_logical_experts, slots = p->num_physical_experts;
  const int32_t *held = m->physical_to_logical + (size_t)layer * slots;
  int good = 1;
  uint32_t named = 0; /* experts that a slot may hold; without maps of experts there may be billions more */
  for (uint32_t s = 0; s < slots; s++) named = held[s] >= (int32_t)named ? (uint32_t)held[s] + 1 : named;
  if (m->logical_count != NULL || m->logical_to_physical != NULL) named = experts;
  for (uint32_t e = 0; e < named; e++) {
    int32_t count = 0;
    const int32_t *row = m->logical_to_physical ? m->logical_to_physical + ((size_t)layer * experts + e) * m->max_replicas : NULL;
    for (uint32_t gpu = 0, s = 0; gpu < p->num_gpus; gpu++)
      for (uint32_t end = s + slots_of(p, gpu); s < end; s++) {
        if (held[s] != (int32_t)e || (p->gpu_state && p->gpu_state[gpu] == EPLB_GPU_DEAD)) continue;
        if (m->replica_rank) good &= m->replica_rank[(size_t)layer * slots + s] == count;
        if (row) good &= (uint32_t)count < m->max_replicas && row[count] == (int32_t)s;
        count++;
      }
    if (m->logical_count) good &= m->logical_count[(size_t)layer * experts + e] == count;
    for (uint32_t r = (uint32_t)count; row && r < m->max_replicas; r++) good &= row[r] == -1;
  }
  for (uint32_t gpu = 0, s = 0; gpu < p->num_gpus; gpu++)
    for (uint32_t end = s + slots_of(p, gpu); s < end; s++)
      if (m->replica_rank && (held[s] < 0 || (p->gpu_state && p->gpu_state[gpu] == EPLB_GPU_DEAD)))
        good &= m->replica_rank[(size_t)layer * slots + s] == -1;
  return good;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  input in = {data, size};
  call c = {0};
  decode_problem(&c, &in);
  decode_outputs(&c, &in, 0x77);
  int32_t *map = c.placement.physical_to_logical;
  uint32_t experts = c.problem.num_logical_experts;
  size_t len = num_slots(&c);
  int wild = rarely(&in, 8);
  for (size_t i = 0; map != NULL && i < len; i++)
    map[i] = wild || experts == 0 ? (int8_t)take_byte(&in) : (int32_t)(take_byte(&in) % (experts + 1ull)) - 1;
  decode_arguments(&c, &in);

  int32_t said = explained(eplb_explain(EPLB_OPERATION_NUMBER, c.problem_arg, NULL, c.placement_arg, sentence, sizeof sentence));
  int32_t status = eplb_number(c.problem_arg, c.placement_arg);
  REQUIRE(is_known_status(status));
  REQUIRE(said == status || c.placement_arg == NULL);
  record(&status, sizeof status);
  const eplb_placement *m = &c.placement;
  if (c.sound && status != EPLB_STATUS_OK) {
    REQUIRE(untouched(m->replica_rank, num_slots(&c) * 4, 0x77));
    REQUIRE(untouched(m->logical_count, num_experts(&c) * 4, 0x77));
    REQUIRE(untouched(m->logical_to_physical, table_len(&c) * 4, 0x77));
  }
  if (c.sound && status == EPLB_STATUS_OK) {
    for (uint32_t layer = 0; layer < c.problem.num_layers; layer++) REQUIRE(keeps_the_rules(&c, layer));
    if (m->replica_rank) record(m->replica_rank, num_slots(&c) * 4);
  }
  call_free(&c);
  return 0;
}
