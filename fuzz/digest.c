/* eplb_digest: stable, and another one for every other map. */
#include "decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  input in = {data, size};
  call c = {0};
  decode_problem(&c, &in);
  decode_outputs(&c, &in, 0);
  int32_t *map = c.placement.physical_to_logical;
  size_t len = num_slots(&c);
  for (size_t i = 0; map != NULL && i < len; i++) map[i] = (int8_t)take_byte(&in);
  decode_arguments(&c, &in);

  const uint64_t before = 0x0123456789abcdefu;
  uint64_t digest = before, other = before;
  uint8_t way = take_byte(&in);
  uint64_t *out = way < 0xfc ? &digest : way < 0xfe ? NULL : (uint64_t *)(uintptr_t)12;
  int32_t status = eplb_digest(c.problem_arg, c.placement_arg, out);
  REQUIRE(is_known_status(status));
  record(&status, sizeof status);
  int32_t said = explained(eplb_explain(EPLB_OPERATION_DIGEST, c.problem_arg, NULL, c.placement_arg, sentence, sizeof sentence));
  REQUIRE(said == status || way >= 0xfc || c.placement_arg == NULL);
  if (status != EPLB_STATUS_OK) {
    REQUIRE(digest == before);
  } else if (c.sound) {
    record(&digest, sizeof digest);
    REQUIRE(eplb_digest(c.problem_arg, c.placement_arg, &other) == EPLB_STATUS_OK && other == digest);
    size_t at = take_byte(&in) % len;
    map[at] ^= 1 + take_byte(&in);
    REQUIRE(eplb_digest(c.problem_arg, c.placement_arg, &other) == EPLB_STATUS_OK && other != digest);
  }
  call_free(&c);
  return 0;
}
