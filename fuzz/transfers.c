/* eplb_transfers: from a spoilt placement to a whole one; the list is replayed. */
#include "decode.h"

enum { ROOM = 512 };

/* Slots of one layer after the list, each entry read from where it says; 0 when one is not there. */
static int replay(const call *c, const eplb_transfer *list, uint32_t count, uint32_t rounds, int32_t *held) {
  uint32_t slots = c->problem.num_physical_experts;
  int32_t *late = malloc(slots * sizeof *late), *before = malloc(slots * sizeof *before);
  uint32_t *when = calloc(slots, sizeof *when);
  int good = late && before && when;
  for (uint32_t round = 0; good && round <= rounds; round++) {
    for (uint32_t s = 0; s < slots; s++)
      if (when[s] && when[s] == round) held[s] = late[s], when[s] = 0;
    for (int travels = 0; travels < 2; travels++) {
      memcpy(before, held, slots * sizeof *held);
      for (uint32_t i = 0; i < count; i++) {
        const eplb_transfer *t = &list[i];
        if (t->round != round || (t->source_gpu != t->destination_gpu) != travels) continue;
        good &= t->source_slot == -1 || before[t->source_slot] == t->expert;
        if (travels && t->commit)
          late[t->destination_slot] = t->expert, when[t->destination_slot] = t->commit;
        else
          held[t->destination_slot] = t->expert;
      }
    }
  }
  free(late);
  free(before);
  free(when);
  return good;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  input in = {data, size};
  call c = {0};
  uint8_t way = take_byte(&in);
  uint32_t spare = take_byte(&in) % 4;
  decode_problem(&c, &in);
  decode_options(&c, &in);
  c.options.previous = NULL;
  c.options.max_moves = c.options.max_moves_per_gpu_pair = 0;
  uint32_t flags = c.options.flags = way & 1 ? EPLB_FLAG_EXTERNAL_SOURCE : 0;
  c.options.flags = 0;
  int made = deal_into(&c); /* the new placement */
  c.options.flags = flags;
  size_t slots = num_slots(&c);
  if (made && slots > 0 && slots <= ROOM / 2) {
    int32_t *old = call_block(&c, slots * sizeof *old);
    REQUIRE(old != NULL);
    int32_t experts = (int32_t)c.problem.num_logical_experts;
    for (size_t i = 0; i < slots; i++) {
      uint8_t edit = take_byte(&in);
      old[i] = edit < 128 ? c.placement.physical_to_logical[(i + edit) % slots] : edit < 250 ? (int32_t)edit % experts : (int8_t)edit;
    }
    plain_arguments(&c);
    const eplb_placement from = eplb_placement_of(old);
    eplb_transfer *list = call_block(&c, ROOM * sizeof *list);
    uint32_t *start = call_block(&c, (c.problem.num_layers + 1) * sizeof *start);
    uint32_t *moved = call_block(&c, c.problem.num_layers * sizeof *moved);
    uint32_t *rounds = call_block(&c, c.problem.num_layers * sizeof *rounds);
    eplb_transfer_totals *totals = call_block(&c, sizeof *totals);
    REQUIRE(list && start && moved && rounds && totals);
    memset(list, 0x77, ROOM * sizeof *list);
    eplb_transfer_list out = EPLB_TRANSFER_LIST_INIT;
    out.capacity = way & 2 ? take_byte(&in) : ROOM;
    out.transfers = list;
    out.layer_start = start;
    out.layer_moved = moved;
    out.layer_rounds = rounds;
    out.totals = totals;
    workspace ws = make_workspace(&c, EPLB_OPERATION_TRANSFERS, 0xff);
    int32_t status = eplb_transfers(c.problem_arg, c.options_arg, ws.block, ws.size, &from, c.placement_arg, spare, &out);
    REQUIRE(is_known_status(status));
    record(&status, sizeof status);
    REQUIRE(explained(eplb_explain_transfers(c.problem_arg, c.options_arg, ws.block, ws.size, &from, c.placement_arg, spare,
                                             &out, sentence, sizeof sentence)) == status);
    if (status != EPLB_STATUS_OK) REQUIRE(untouched(list, ROOM * sizeof *list, 0x77));
    for (uint32_t layer = 0; status == EPLB_STATUS_OK && layer < c.problem.num_layers; layer++) {
      uint32_t each = c.problem.num_physical_experts;
      int32_t *held = old + (size_t)layer * each;
      const int32_t *new = c.placement.physical_to_logical + (size_t)layer * each;
      uint32_t travel = 0;
      for (uint32_t i = start[layer]; i < start[layer + 1]; i++) travel += list[i].source_gpu != list[i].destination_gpu;
      REQUIRE(moved[layer] == travel);
      REQUIRE(replay(&c, list + start[layer], start[layer + 1] - start[layer], rounds[layer], held));
      for (uint32_t s = 0; s < each; s++) REQUIRE(new[s] == -1 || held[s] == new[s]);
    }
    if (status == EPLB_STATUS_OK) record(list, totals->count * sizeof *list);
  }
  call_free(&c);
  return 0;
}
