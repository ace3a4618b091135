/*
 * What the fuzz targets share: a call made of the fuzzer's bytes.
 *
 * Mostly small and mostly valid, so that most inputs reach the planners; now and then garbage, so that
 * every refusal is reached too. Every array is a heap block of exactly the size the header asks for, which
 * lets AddressSanitizer see one byte too many. Where a shape asks for more than there is room for, the
 * pointer is NULL: no promise of the caller's is ever broken.
 */
#ifndef DECODE_H
#define DECODE_H

#include "eplb.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The fuzzer's bytes; zeroes when there are no more. */
typedef struct input {
  const uint8_t *data;
  size_t size;
} input;

uint8_t take_byte(input *in);
uint32_t take_word(input *in);
/* One time in `of`, and never when the bytes have run out. */
int rarely(input *in, uint32_t of);

/* How many policies there are, BALANCED among them. */
enum { NUM_POLICIES = 8 };
enum { MAX_BLOCKS = 48, LARGEST_BLOCK = 1 << 16 };

typedef struct call {
  /* The structs as meant, and as passed: copies of struct_size bytes, or NULL. */
  eplb_problem problem;
  eplb_options options;
  eplb_placement placement;
  const eplb_problem *problem_arg;
  const eplb_options *options_arg;
  eplb_placement *placement_arg;
  eplb_metrics *per_layer;
  size_t metrics_size;

  /* No pointer is bad and no struct garbled: what the library says is about the numbers alone. */
  int sound;

  void *blocks[MAX_BLOCKS];
  size_t num_blocks;
} call;

/* A block of exactly this size, freed by call_free; NULL when it is too large. */
void *call_block(call *c, size_t size);
void call_free(call *c);

/* Sizes, topology and loads; options. Only fields of c->problem and c->options are set. */
void decode_problem(call *c, input *in);
void decode_options(call *c, input *in);
/* What a step takes, for a problem in seconds; decode_arguments does it now and then. */
void decode_cost(call *c, input *in);
/* Active experts cost time. */
int reads(const eplb_problem *p);
/* Arrays for all maps (some of them NULL) and metrics, every byte of them `fill`. */
void decode_outputs(call *c, input *in, int fill);
/* Makes the arguments of the structs: other sizes of struct now and then, with a tail that may be garbage. */
void decode_arguments(call *c, input *in);
/* The arguments of sound structs. */
void plain_arguments(call *c);

/* Number of elements; 0 when it does not fit. */
size_t num_slots(const call *c);
size_t num_experts(const call *c);
size_t table_len(const call *c);

/* What eplb_workspace says, and a block of that size that holds `fill`. */
typedef struct workspace {
  int32_t status;
  size_t size;
  void *block;
} workspace;
workspace make_workspace(call *c, uint32_t operation, int fill);

/* Fills fresh arrays with all maps without the planner; the placement keeps most rules. 0 where the problem is refused. */
int deal_into(call *c);

/* The topology, by the letter of the header. */
/* Windows, groups and nodes: 0 is 1. */
uint32_t or_one(uint32_t number);
uint32_t slots_of(const eplb_problem *p, uint32_t gpu);
uint32_t node_of(const eplb_problem *p, uint32_t gpu);
int is_hierarchical(const eplb_problem *p, uint32_t scope);

/* What was measured of a layer; zero in fields that an older caller does not know. */
eplb_metrics metrics_of(const call *c, uint32_t layer);

/* Every byte is `fill`. */
int untouched(const void *block, size_t size, int fill);

int is_known_status(int32_t status);

/* Room for what eplb_explain and its kin say; and what they must have said: ends with the status, not too long. */
enum { SENTENCE = 400 };
extern char sentence[SENTENCE];
int32_t explained(size_t length);

/* Stops the fuzzer, with the words and the last problem that was decoded. */
#define REQUIRE(condition)                                     \
  do {                                                         \
    if (!(condition)) stop(__FILE__, __LINE__, #condition);    \
  } while (0)
void stop(const char *file, int line, const char *words);
/* What a target has to print beside it, or NULL. */
extern void (*print_more)(void);

/* Adds what came out to a hash over the whole run: replays of two builds must agree. */
void record(const void *bytes, size_t size);
uint64_t recorded(void);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
