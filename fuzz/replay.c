/*
 * Feeds a corpus to a target without a fuzzer: any C compiler, any build of the library.
 *
 * usage: program CORPUS.hex             replays every line (an input in hexadecimal; # starts a comment), prints a
 *                                       hash of all that came out
 *        program CORPUS.hex DIRECTORY   writes each line to a file instead, for libFuzzer
 */
#define _POSIX_C_SOURCE 200809L
#include "decode.h"

#include <unistd.h>

static int digit(int c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; }

int main(int argc, char **argv) {
  static char line[1 << 16];
  static uint8_t bytes[1 << 15];
  FILE *corpus = argc > 1 ? fopen(argv[1], "r") : NULL;
  int inputs = 0;
  if (corpus == NULL) {
    fprintf(stderr, "usage: %s CORPUS.hex [DIRECTORY]\n", argv[0]);
    return 1;
  }
  alarm(300); /* a hang is a finding, too */
  while (fgets(line, sizeof line, corpus)) {
    size_t size = 0;
    if (line[0] == '#') continue;
    for (const char *at = line; digit(at[0]) >= 0 && digit(at[1]) >= 0; at += 2)
      bytes[size++] = (uint8_t)(digit(at[0]) << 4 | digit(at[1]));
    if (argc > 2) {
      char name[4096];
      snprintf(name, sizeof name, "%s/%05d", argv[2], inputs);
      FILE *out = fopen(name, "wb");
      if (out == NULL || fwrite(bytes, 1, size, out) != size || fclose(out) != 0) return 1;
    } else {
      uint8_t *exact = malloc(size); /* so that a read beyond the input is seen as well */
      REQUIRE(exact != NULL || size == 0);
      if (size > 0) memcpy(exact, bytes, size);
      LLVMFuzzerTestOneInput(exact, size);
      free(exact);
    }
    inputs++;
  }
  fclose(corpus);
  if (argc <= 2) printf("%5d inputs %016llx\n", inputs, (unsigned long long)recorded());
  return 0;
}
