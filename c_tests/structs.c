/* struct_size, and the sizes passed beside what is written: callers that were compiled with an older or a newer header. */
#include "harness.h"
#include <stddef.h>

enum {
  PROBLEM_AT_FIRST = offsetof(eplb_problem, cost),
  OPTIONS_AT_FIRST = offsetof(eplb_options, split),
  METRICS_AT_FIRST = offsetof(eplb_metrics, max_gpu_seconds)
};

/* A struct of a newer header: bytes behind that this library does not know. */
enum { TAIL = 16 };

#define LARGER(type, initial)          \
  struct {                             \
    type known;                        \
    unsigned char tail[TAIL];          \
  } newer;                             \
  memset(&newer, 0, sizeof newer);     \
  newer.known = initial;               \
  newer.known.struct_size = sizeof newer

static void too_small(void) {
  const int32_t status = EPLB_STATUS_STRUCT_SIZE;
  for (uint32_t less = 1; less <= 8; less++) {
    REFUSES(EVERYWHERE, status, c.problem.struct_size = PROBLEM_AT_FIRST - less);
    REFUSES(SHAPED, status, c.options.struct_size = OPTIONS_AT_FIRST - less);
    REFUSES(PLAN | EVALUATE | JUDGE | DIGEST, status, c.placement.struct_size -= less);
    REFUSES(JUDGE, status, c.arg.first_size -= less);
  }
  REFUSES(EVERYWHERE, status, c.problem.struct_size = 0);
  REFUSES(SHAPED, status, c.options.struct_size = 0);
  REFUSES(PLAN | EVALUATE | JUDGE | DIGEST, status, c.placement.struct_size = 0);
  REFUSES(JUDGE, status, c.arg.first_size = 0);
}

/* A size that no struct will ever have: nothing behind the struct is read. */
static void absurd(void) {
  const int32_t status = EPLB_STATUS_STRUCT_SIZE;
  REFUSES(EVERYWHERE, status, c.problem.struct_size = UINT32_MAX);
  REFUSES(SHAPED, status, c.options.struct_size = UINT32_MAX);
  REFUSES(PLAN | EVALUATE | JUDGE | DIGEST, status, c.placement.struct_size = UINT32_MAX);
  REFUSES(JUDGE, status, c.arg.first_size = SIZE_MAX);
}

static void newer_problem(void) {
  ACCEPTS(EVERYWHERE, LARGER(eplb_problem, c.problem); c.arg.problem = &newer.known);
  SAME_PLAN(LARGER(eplb_problem, c.problem); c.arg.problem = &newer.known);
  for (int byte = 0; byte < TAIL; byte++)
    REFUSES(EVERYWHERE, EPLB_STATUS_STRUCT_SIZE, LARGER(eplb_problem, c.problem); newer.tail[byte] = 1;
            c.arg.problem = &newer.known);
  /* what lies behind the struct is not the library's business */
  ACCEPTS(EVERYWHERE, LARGER(eplb_problem, c.problem); newer.tail[TAIL - 1] = 1; newer.known.struct_size -= 1;
          c.arg.problem = &newer.known);
}

/* A program that was compiled before options had a split. */
static void older_options(void) {
  SAME_PLAN(c.options.struct_size = OPTIONS_AT_FIRST);
  SAME_PLAN(c.options.struct_size = OPTIONS_AT_FIRST; c.options.split = UINT32_MAX);
  SAME_PLAN(c.problem.struct_size = PROBLEM_AT_FIRST; c.problem.step_tokens = (const float *)1);
}

static void newer_options(void) {
  SAME_PLAN(LARGER(eplb_options, c.options); c.arg.options = &newer.known);
  for (int byte = 0; byte < TAIL; byte++)
    REFUSES(SHAPED, EPLB_STATUS_STRUCT_SIZE, LARGER(eplb_options, c.options); newer.tail[byte] = 1;
            c.arg.options = &newer.known);
}

static void newer_placement(void) {
  SAME_PLAN(LARGER(eplb_placement, c.placement); c.arg.placement = &newer.known);
  for (int byte = 0; byte < TAIL; byte++)
    REFUSES(PLAN | EVALUATE | JUDGE | DIGEST, EPLB_STATUS_STRUCT_SIZE, LARGER(eplb_placement, c.placement);
            newer.tail[byte] = 1; c.arg.placement = &newer.known);
}

/* An output struct: what the library does not know comes back as zeroes. */
static void newer_violation(void) {
  call c;
  call_init(&c);
  CHECK_EQUAL(call_plan(&c), EPLB_STATUS_OK);
  struct {
    eplb_violation known;
    unsigned char tail[TAIL];
    unsigned char canary[8];
  } newer;
  memset(&newer, 0xa5, sizeof newer);
  c.arg.first = &newer.known;
  c.arg.first_size = sizeof newer.known + TAIL;
  CHECK_EQUAL(call_check(&c), EPLB_STATUS_OK);
  CHECK_EQUAL(newer.known.kind, EPLB_VIOLATION_KIND_NONE);
  CHECK_EQUAL(newer.known.layer, -1);
  for (int byte = 0; byte < TAIL; byte++) CHECK_EQUAL(newer.tail[byte], 0);
  for (int byte = 0; byte < 8; byte++) CHECK_EQUAL(newer.canary[byte], 0xa5);
}

static void metrics_size(void) {
  const size_t bad[] = {0, 8, METRICS_AT_FIRST - 8, sizeof(eplb_metrics) - 1, sizeof(eplb_metrics) + 4, SIZE_MAX};
  for (size_t i = 0; i < LENGTH(bad); i++)
    REFUSES(PLAN | EVALUATE, EPLB_STATUS_STRUCT_SIZE, c.arg.metrics_size = bad[i]);
}

/* A larger metrics_size is the stride of the array; the rest of each element is zeroed. */
static void newer_metrics(void) {
  call c;
  call_init(&c);
  CHECK_EQUAL(call_plan(&c), EPLB_STATUS_OK);
  for (size_t stride = sizeof(eplb_metrics); stride <= sizeof(eplb_metrics) + 64; stride += 8) {
    unsigned char *array = allocate(L * stride);
    memset(array, 0xa5, L * stride);
    c.arg.per_layer = (void *)array;
    c.arg.metrics_size = stride;
    CHECK_EQUAL(stride % 16 == 0 ? call_plan(&c) : call_evaluate(&c), EPLB_STATUS_OK);
    for (size_t layer = 0; layer < L; layer++) {
      const unsigned char *element = array + layer * stride;
      CHECK(memcmp(element, &c.out.per_layer[layer], sizeof(eplb_metrics)) == 0);
      for (size_t byte = sizeof(eplb_metrics); byte < stride; byte++) CHECK_EQUAL(element[byte], 0);
    }
    free(array);
  }
}

int main(void) {
  FOR_EACH_POLICY {
    too_small();
    absurd();
    newer_problem();
    older_options();
  newer_options();
    newer_placement();
    newer_violation();
    metrics_size();
    newer_metrics();
  }
  return finish("structs");
}
