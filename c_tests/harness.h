/*
 * What the C tests share: checks that print where they failed, and a small call with every argument
 * in reach, so that a test changes one thing and says what must come of it.
 */
#ifndef HARNESS_H
#define HARNESS_H

#include "eplb.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Checks. A program ends with `return finish("topic")`. */

void check(int good, const char *file, int line, const char *what);
void check_equal(long long found, long long expected, const char *file, int line, const char *what);
int finish(const char *topic);

#define CHECK(condition) check((condition) != 0, __FILE__, __LINE__, #condition)
#define CHECK_EQUAL(found, expected) \
  check_equal((long long)(found), (long long)(expected), __FILE__, __LINE__, #found " == " #expected)

/* Every policy. A new one is one row in harness.c. */
typedef struct policy {
  uint32_t number;
  const char *vectors; /* its plans in vectors/; EPLB_POLICY_BALANCED is given the problems of another's */
} policy;
extern const policy policies[];
extern const size_t num_policies;

/* What call_init sets options.policy to: EPLB_POLICY_DEEPSEEK, or each in turn. */
extern uint32_t policy_under_test;
#define FOR_EACH_POLICY \
  for (size_t row = 0; row < num_policies && (policy_under_test = policies[row].number, 1); row++)
/* Any topology, no duplicate, replicas limited by max_replicas, slots may stay empty; the others are the
 * compatibility policies. */
#define IS_BALANCED (policy_under_test == EPLB_POLICY_BALANCED)

/* The small call: the letters of eplb.h, and R the width of logical_to_physical. */

enum { L = 3, E = 8, P = 12, K = 4, N = 2, G = 4, W = 1, R = P - E + 1, CANARY = 64 };

/* Whether the bytes around an output are as a test has filled them: 0xa5. */
int intact(const unsigned char *canary);

/* Every output between canaries: a call that fails must leave the whole block as it was. */
typedef struct outputs {
  unsigned char canary0[CANARY];
  int32_t physical_to_logical[L * P];
  unsigned char canary1[CANARY];
  int32_t replica_rank[L * P];
  unsigned char canary2[CANARY];
  int32_t logical_count[L * E];
  unsigned char canary3[CANARY];
  int32_t logical_to_physical[L * E * R];
  unsigned char canary4[CANARY];
  eplb_metrics per_layer[L];
  unsigned char canary5[CANARY];
  eplb_violation first;
  unsigned char canary6[CANARY];
  uint64_t digest;
  size_t size;
  size_t align;
  unsigned char canary7[CANARY];
} outputs;

typedef struct call {
  /* What the arguments below point to. */
  eplb_problem problem;
  eplb_options options;
  eplb_placement placement;
  outputs out;
  uint64_t workspace[512];

  /* Inputs; problem.load alone is set, the others wait for a test that wants them. */
  float load[2 * L * E]; /* room for a second window */
  float window_weight[2 * L];
  float gpu_speed[G];
  uint32_t gpu_slots[G];
  uint32_t gpu_node[G];
  uint8_t gpu_state[G];
  int32_t previous[L * P];

  /* The arguments. */
  struct {
    uint32_t operation;
    const eplb_problem *problem;
    const eplb_options *options;
    void *workspace;
    size_t workspace_size;
    eplb_placement *placement;
    eplb_metrics *per_layer;
    size_t metrics_size;
    eplb_violation *first;
    size_t first_size;
    uint64_t *digest;
    size_t *size;
    size_t *align;
  } arg;
} call;

/* A call that every function accepts: all maps and the metrics asked for. */
void call_init(call *c);
int32_t call_plan(call *c);
int32_t call_evaluate(call *c);
int32_t call_check(call *c);

/* The functions that a bad input is tried on. */
enum {
  PLAN = 1,
  EVALUATE = 2,
  JUDGE = 4, /* eplb_check */
  DIGEST = 8,
  SIZE_PLAN = 16,
  SIZE_EVALUATE = 32,
  SIZE_CHECK = 64,
  SIZES = SIZE_PLAN | SIZE_EVALUATE | SIZE_CHECK,
  SHAPED = PLAN | EVALUATE | JUDGE | SIZES, /* all that look at the whole shape */
  EVERYWHERE = SHAPED | DIGEST
};

/* Calls the functions: each must return the status and, unless that is OK, touch no output. */
void expect(call *c, int functions, int32_t status, const char *file, int line, const char *edit);
/* Plans: must give the plan of the unchanged call. */
void expect_same_plan(call *c, const char *file, int line, const char *edit);

/* What BALANCED plans and the others refuse. */
#define HONOURS(status, ...)                             \
  do {                                                   \
    if (IS_BALANCED)                                     \
      ACCEPTS(PLAN | SIZE_PLAN, __VA_ARGS__);            \
    else                                                 \
      REFUSES(PLAN | SIZE_PLAN, status, __VA_ARGS__);    \
  } while (0)

/* Changes one thing in a fresh call `c`, and says what must come of it. */
#define REFUSES(functions, status, ...)                                    \
  do {                                                                     \
    call c;                                                                \
    call_init(&c);                                                         \
    __VA_ARGS__;                                                           \
    expect(&c, functions, status, __FILE__, __LINE__, #__VA_ARGS__);       \
  } while (0)
#define ACCEPTS(functions, ...) REFUSES(functions, EPLB_STATUS_OK, __VA_ARGS__)
#define SAME_PLAN(...)                                                     \
  do {                                                                     \
    call c;                                                                \
    call_init(&c);                                                         \
    __VA_ARGS__;                                                           \
    expect_same_plan(&c, __FILE__, __LINE__, #__VA_ARGS__);                \
  } while (0)

#define LENGTH(array) (sizeof(array) / sizeof(array)[0])

/* For arrays that do not depend on the call: aborts when there is no memory. */
void *allocate(size_t size);

/* Small pseudo-random numbers, the same everywhere (Marsaglia's xorshift32). */
uint32_t random_next(uint32_t *state);

#endif
