/* What the topics about eplb_explain share: a sentence, and how much of it a buffer gets. */
#ifndef SENTENCE_H
#define SENTENCE_H

#include "harness.h"

enum { LONGEST = 400 };
static char said[LONGEST];

/* A sentence: holds all words (separated by |), ends with the status. */
static void check_sentence(size_t length, int32_t status, const char *words, int line, const char *edit) {
  char end[32];
  snprintf(end, sizeof end, " (status %d)", (int)status);
  int good = length < LONGEST && strlen(said) == length && length > strlen(end) &&
             strcmp(said + length - strlen(end), end) == 0;
  for (const char *word = words; good && *word != '\0';) {
    size_t size = strcspn(word, "|");
    char part[128];
    snprintf(part, sizeof part, "%.*s", (int)size, word);
    good = strstr(said, part) != NULL;
    word += size + (word[size] == '|');
  }
  for (size_t i = 0; good && i < length; i++) good = said[i] >= ' ' && said[i] <= '~';
  check(good, __FILE__, line, edit);
  if (!good) printf("  said \"%s\"\n  expected %s ..%s\n", said, words, end);
}

/* The sentence of a call, in buffers of every size: cut off, with a NUL, never beyond, its whole length answered. */
#define CHECK_BUFFERS(line, edit, EXPLAIN)                                                        \
  do {                                                                                            \
    char small[LONGEST + 8];                                                                      \
    size_t whole = strlen(said);                                                                  \
    const size_t sizes[] = {1, 2, 17, whole, whole + 1, whole + 2};                               \
    check(EXPLAIN(NULL, 0) == whole, __FILE__, line, edit);                                       \
    check(EXPLAIN(NULL, 99) == whole, __FILE__, line, edit);                                      \
    for (size_t i = 0; i < LENGTH(sizes); i++) {                                                  \
      size_t size = sizes[i], fits = whole < size ? whole : size - 1;                             \
      memset(small, 0x5a, sizeof small);                                                          \
      check(EXPLAIN(small, 0) == whole && small[0] == 0x5a, __FILE__, line, edit);                \
      check(EXPLAIN(small, size) == whole, __FILE__, line, edit);                                 \
      check(memcmp(small, said, fits) == 0 && small[fits] == '\0', __FILE__, line, edit);         \
      check(small[size] == 0x5a && small[fits + 1] == 0x5a, __FILE__, line, edit);                \
    }                                                                                             \
  } while (0)

#endif
