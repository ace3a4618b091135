/* eplb_explain: anything that the functions accept to refuse, for any operation, into a buffer of any size. */
#include "decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  input in = {data, size};
  call c = {0};
  uint32_t operation = take_byte(&in);
  if (operation < 0xf0) operation %= EPLB_OPERATION_REPLICATE + 1;
  uint8_t way = take_byte(&in);
  decode_problem(&c, &in);
  decode_options(&c, &in);
  decode_outputs(&c, &in, way % 2 ? -1 : 0);
  for (size_t i = 0; way % 4 > 1 && c.placement.physical_to_logical && i < num_slots(&c); i++)
    c.placement.physical_to_logical[i] = (int8_t)take_byte(&in);
  decode_arguments(&c, &in);
  if (way >= 0xf0) c.placement_arg = NULL;

  size_t length = eplb_explain(operation, c.problem_arg, c.options_arg, c.placement_arg, sentence, sizeof sentence);
  int32_t status = explained(length);
  record(&status, sizeof status);
  /* as much of it as fits, and not a byte more */
  size_t room = take_byte(&in) % 64, kept = room > length ? length : room - (room > 0);
  char *small = call_block(&c, room + 1);
  REQUIRE(small != NULL);
  memset(small, 0x77, room + 1);
  REQUIRE(eplb_explain(operation, c.problem_arg, c.options_arg, c.placement_arg, small, room) == length);
  REQUIRE(small[room] == 0x77 && (room == 0 || (memcmp(small, sentence, kept) == 0 && small[kept] == 0)));
  REQUIRE(eplb_explain(operation, c.problem_arg, c.options_arg, c.placement_arg, NULL, room) == length);
  call_free(&c);
  return 0;
}
