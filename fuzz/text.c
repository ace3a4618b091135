/* eplb_status_string for any number, and eplb_version. */
#include "decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  input in = {data, size};
  int32_t status = size < 4 ? -(int32_t)take_byte(&in) : (int32_t)take_word(&in);
  const char *text = eplb_status_string(status);
  REQUIRE(text != NULL && text == eplb_status_string(status));
  size_t length = strlen(text);
  REQUIRE(length > 0 && length < 200);
  for (size_t i = 0; i < length; i++) REQUIRE(text[i] >= ' ' && text[i] <= '~');
  REQUIRE(status <= 0 || strcmp(text, eplb_status_string(INT32_MAX)) == 0);
  REQUIRE(eplb_version() == EPLB_VERSION);
  record(text, length);
  return 0;
}
