/* eplb_workspace: any shape, any options, any operation. */
#include "decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  input in = {data, size};
  call c = {0};
  uint32_t operation = take_byte(&in);
  if (operation >= 128) operation %= EPLB_OPERATION_REPLICATE + 1;
  decode_problem(&c, &in);
  decode_options(&c, &in);
  decode_outputs(&c, &in, 0);
  decode_arguments(&c, &in);

  size_t bytes = 12345, align = 54321;
  uint8_t way = take_byte(&in);
  size_t *size_arg = way < 0xf0 ? &bytes : way < 0xf8 ? NULL : (size_t *)(uintptr_t)4;
  size_t *align_arg = way % 16 < 15 ? &align : NULL;
  int32_t status = eplb_workspace(operation, c.problem_arg, c.options_arg, size_arg, align_arg);
  REQUIRE(is_known_status(status));
  record(&status, sizeof status);
  int32_t said = explained(eplb_explain(operation, c.problem_arg, c.options_arg, NULL, sentence, sizeof sentence));
  REQUIRE(said == status || size_arg != &bytes || align_arg != &align);
  if (status != EPLB_STATUS_OK) {
    REQUIRE(bytes == 12345 && align == 54321);
  } else {
    REQUIRE(align == 8 && operation <= EPLB_OPERATION_REPLICATE);
    record(&bytes, sizeof bytes);
  }
  if (status == EPLB_STATUS_OK && c.sound) { /* of a struct that was cut, less was read than is copied here */
    /* neither the number of layers nor the loads matter */
    call one = {0};
    size_t again = 0;
    one.problem = c.problem;
    one.options = c.options;
    one.problem.num_layers = 1;
    one.problem.load = NULL;
    one.problem.window_weight = NULL;
    if (one.problem.load_window_stride) one.problem.load_window_stride = one.problem.num_logical_experts;
    plain_arguments(&one);
    REQUIRE(eplb_workspace(operation, one.problem_arg, one.options_arg, &again, &align) == EPLB_STATUS_OK);
    REQUIRE(again == bytes);
    call_free(&one);
  }
  call_free(&c);
  return 0;
}
