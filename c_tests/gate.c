/* eplb_gate: the formulas by hand, the memory of a layer, and every refusal. */
#include "harness.h"

enum { LAYERS = 2 };

typedef struct gate_call {
  eplb_gate_config config;
  eplb_gate_layer layers[LAYERS];
  eplb_gate_state states[LAYERS];
  eplb_gate_verdict verdicts[LAYERS];
  eplb_gate_total total;
  size_t layer_size, state_size, verdict_size, total_size;
} gate_call;

/* Layer 0 halves its busiest GPU, layer 1 stays as it is. */
static void init(gate_call *c) {
  memset(c, 0, sizeof *c);
  c->config = (eplb_gate_config)EPLB_GATE_CONFIG_INIT;
  c->layer_size = sizeof *c->layers, c->state_size = sizeof *c->states;
  c->verdict_size = sizeof *c->verdicts, c->total_size = sizeof c->total;
  c->config.num_layers = LAYERS;
  c->config.num_gpus = 8;
  c->config.step_seconds = 0.5;
  c->config.steps = 100;
  c->config.steps_since = 100;
  c->config.bytes_per_expert = 1000;
  c->config.gpu_bandwidth = 500;
  for (int i = 0; i < LAYERS; i++) {
    c->layers[i].mean = 10;
    c->layers[i].now = i == 0 ? 40 : 10;
    c->layers[i].after = i == 0 ? 20 : 10;
    c->layers[i].moved = 7;
    c->layers[i].rounds = 3;
  }
}

static int32_t run_on(gate_call *c, const eplb_gate_config *config, const eplb_gate_layer *layers, eplb_gate_state *states,
                      eplb_gate_verdict *verdicts, eplb_gate_total *total) {
  return eplb_gate(config, layers, c->layer_size, states, c->state_size, verdicts, c->verdict_size, total, c->total_size);
}
static int32_t run(gate_call *c) { return run_on(c, &c->config, c->layers, c->states, c->verdicts, &c->total); }

static int near(double a, double b) { return a - b < 1e-9 && b - a < 1e-9; }

static void refuse(gate_call *c, int32_t status, int line, const char *edit) {
  gate_call before = *c;
  check_equal(run(c), status, __FILE__, line, edit);
  check(memcmp(&before, c, sizeof before) == 0, __FILE__, line, edit);
}
#define REFUSED(status, edit)            \
  do {                                   \
    gate_call c;                         \
    init(&c);                            \
    edit;                                \
    refuse(&c, status, __LINE__, #edit); \
  } while (0)

static void by_hand(void) {
  gate_call c;
  init(&c);
  CHECK_EQUAL(run(&c), EPLB_STATUS_OK);
  /* layer 0 is 4 of 5 parts of the step and saves half of them: 0.2 s a step; 3 rounds of 2 s */
  CHECK(near(c.verdicts[0].gain_seconds, 20) && near(c.verdicts[0].cost_seconds, 6));
  CHECK(c.verdicts[0].move_layer == 1 && c.verdicts[0].order == 0);
  CHECK(c.verdicts[1].gain_seconds == 0 && c.verdicts[1].move_layer == 0 && c.verdicts[1].order == UINT32_MAX);
  CHECK(near(c.total.gain_seconds, 20) && near(c.total.cost_seconds, 6) && near(c.total.bytes, 7000));
  CHECK(near(c.total.evidence, 0.4));
  CHECK_EQUAL(c.total.moved_layers, 1);
  CHECK_EQUAL(c.total.moved, 7);
  CHECK(near(c.states[0].debt_seconds, 6) && near(c.states[0].seconds_per_step, 0.2) && c.states[0].evidence == 0);

  /* the debt is paid back at 0.2 s a step */
  c.config.steps_since = 10;
  c.layers[0].now = c.layers[0].after = 20;
  CHECK_EQUAL(run(&c), EPLB_STATUS_OK);
  CHECK(near(c.verdicts[0].debt_seconds, 4) && near(c.states[0].debt_seconds, 4));
  CHECK_EQUAL(c.total.moved_layers, 0);

  /* what is left of it stands against a second move: 13.3 s gained are not 2 * 6 + 4 */
  c.config.steps_since = 0;
  c.config.steps = 50;
  c.layers[0].now = 40;
  c.layers[0].after = 13;
  CHECK_EQUAL(run(&c), EPLB_STATUS_OK);
  CHECK(near(c.verdicts[0].gain_seconds, 50 * 0.5 * 0.8 * 27 / 40));
  CHECK_EQUAL(c.total.moved_layers, 0);
  c.config.steps_since = 20;
  CHECK_EQUAL(run(&c), EPLB_STATUS_OK);
  CHECK_EQUAL(c.total.moved_layers, 1);
}

#define MOVES(count, edit)                  \
  do {                                      \
    init(&c);                               \
    edit;                                   \
    CHECK_EQUAL(run(&c), EPLB_STATUS_OK);   \
    CHECK_EQUAL(c.total.moved_layers, count); \
  } while (0)

static void knobs(void) {
  gate_call c;
  MOVES(1, c.config.payback = 3);
  MOVES(0, c.config.payback = 4);
  MOVES(0, c.config.evidence = 0.5);
  MOVES(0, c.config.max_cost_seconds = 5);
  MOVES(0, c.config.fixed_seconds = 5);
  MOVES(1, c.config.payback = 4; c.config.stall = 0.5);
  MOVES(0, c.config.node_bandwidth = 500; c.layers[0].node_rounds = 6);
  MOVES(0, c.layers[0].tokens = 50); /* 25 on the busiest GPU: half of it may be chance */
  MOVES(1, c.layers[0].tokens = 1e6);
  MOVES(0, c.layers[0].moved = 0);
  /* what lasts counts: two calls of 0.4 make 0.8 */
  MOVES(0, c.config.evidence = 0.7);
  CHECK_EQUAL(run(&c), EPLB_STATUS_OK);
  CHECK_EQUAL(c.total.moved_layers, 1);
  c.total_size = 0; /* of nothing */
  CHECK_EQUAL(run_on(&c, &c.config, c.layers, c.states, c.verdicts, NULL), EPLB_STATUS_OK);
}

/* What can never move anything is refused: the caller has forgotten a figure, or has it in another unit. */
static void never(void) {
  REFUSED(EPLB_STATUS_GATE_NEVER, c.config.steps = 0);
  REFUSED(EPLB_STATUS_GATE_NEVER, c.config.step_seconds = 0);
  REFUSED(EPLB_STATUS_GATE_NEVER, c.config.max_cost_seconds = 1.5); /* one expert takes 2 s */
  REFUSED(EPLB_STATUS_GATE_NEVER, c.config.max_cost_seconds = 5; c.config.fixed_seconds = 3.5);
  REFUSED(EPLB_STATUS_GATE_NEVER, c.config.gpu_bandwidth = 39); /* 25.6 s twice: more than the 50 s of all steps */
  REFUSED(EPLB_STATUS_GATE_NEVER, c.config.fixed_seconds = 24);
  REFUSED(EPLB_STATUS_GATE_NEVER, c.config.payback = 26);
  REFUSED(EPLB_STATUS_GATE_NEVER, c.config.evidence = 0x1p54);
  gate_call c;
  MOVES(0, c.config.gpu_bandwidth = 40);
  MOVES(0, c.config.fixed_seconds = 23);
  MOVES(0, c.config.max_cost_seconds = 2);
  MOVES(0, c.config.evidence = 0x1p53);
  MOVES(1, c.config.bytes_per_expert = 0);
}

/* In seconds of a step: 40 and 10, of which 20 are saved; no step_seconds, and only what is above the mean is chance. */
static void in_seconds(void) {
  gate_call c, loads;
  MOVES(1, c.config.flags = EPLB_GATE_SECONDS; c.config.step_seconds = 0);
  CHECK(near(c.verdicts[0].gain_seconds, 2000) && near(c.total.evidence, 0.4) && near(c.states[0].seconds_per_step, 20));
  MOVES(1, c.config.flags = EPLB_GATE_SECONDS; c.config.step_seconds = 1e20);
  CHECK(near(c.verdicts[0].gain_seconds, 2000));
  init(&loads);
  loads.config.step_seconds = 50; /* which is what the layers take: 4 of 5 parts of it, and 1 */
  CHECK_EQUAL(run(&loads), EPLB_STATUS_OK);
  CHECK(memcmp(c.verdicts, loads.verdicts, sizeof c.verdicts) == 0 && memcmp(c.states, loads.states, sizeof c.states) == 0);
  /* 4 tokens on the busiest of 8 GPUs may all be chance, but not the mean of them all: a plan may lower that, too */
  MOVES(1, c.config.flags = EPLB_GATE_SECONDS; c.layers[0].tokens = 8; c.layers[0].after = 2;
        c.config.evidence = 0.1);
  CHECK(near(c.verdicts[0].gain_seconds, 800));
  MOVES(0, c.config.flags = EPLB_GATE_SECONDS; c.layers[0].tokens = 8; c.layers[0].after = 10);
  MOVES(1, c.config.flags = EPLB_GATE_SECONDS; c.layers[0].mean = 50; c.layers[0].tokens = 8); /* a GPU that leaves serves */
  CHECK(near(c.verdicts[0].gain_seconds, 2000));
  /* nothing is served, or only in part */
  MOVES(1, c.config.flags = EPLB_GATE_SECONDS; c.layers[1].mean = c.layers[1].now = c.layers[1].after = 0);
  MOVES(1, c.config.flags = EPLB_GATE_SECONDS; c.config.payback = 26); /* how long a step takes is not the config's to say */
  MOVES(1, c.layers[1].after = 0);
  REFUSED(EPLB_STATUS_GATE_LOAD, c.config.flags = EPLB_GATE_SECONDS; c.layers[1].mean = 0);
  REFUSED(EPLB_STATUS_GATE_LOAD, c.config.flags = EPLB_GATE_SECONDS; c.layers[1].now = 0);
  REFUSED(EPLB_STATUS_GATE_LOAD, c.config.flags = EPLB_GATE_SECONDS; c.layers[1].after = 0);
  REFUSED(EPLB_STATUS_GATE_NEVER, c.config.flags = EPLB_GATE_SECONDS; c.config.steps = 0);
  REFUSED(EPLB_STATUS_GATE_NEVER, c.config.flags = EPLB_GATE_SECONDS; c.config.max_cost_seconds = 1.5);
  REFUSED(EPLB_STATUS_GATE_TIME, c.config.flags = EPLB_GATE_SECONDS; c.config.step_seconds = -1);
  REFUSED(EPLB_STATUS_UNKNOWN_FLAG, c.config.flags = 2);
  REFUSED(EPLB_STATUS_UNKNOWN_FLAG, c.config.flags = EPLB_GATE_SECONDS | 1u << 31);
}

/* Rows of a newer caller: what this library does not know must be 0, and comes back as 0. */
static void newer_rows(void) {
  struct { eplb_gate_layer known; uint64_t tail; } layers[LAYERS];
  struct { eplb_gate_state known; uint64_t tail; } states[LAYERS];
  struct { eplb_gate_verdict known; uint64_t tail; } verdicts[LAYERS];
  struct { eplb_gate_total known; uint64_t tail; } total;
  gate_call c, plain;
  init(&plain);
  CHECK_EQUAL(run(&plain), EPLB_STATUS_OK);
  for (int bad = -1; bad < 2 * LAYERS; bad++) {
    init(&c);
    memset(layers, 0, sizeof layers), memset(states, 0, sizeof states);
    memset(verdicts, 0xa5, sizeof verdicts), memset(&total, 0xa5, sizeof total);
    for (int i = 0; i < LAYERS; i++) layers[i].known = c.layers[i];
    if (bad >= 0 && bad < LAYERS) layers[bad].tail = 1;
    if (bad >= LAYERS) states[bad - LAYERS].tail = 1;
    int32_t status = eplb_gate(&c.config, &layers[0].known, sizeof *layers, &states[0].known, sizeof *states,
                               &verdicts[0].known, sizeof *verdicts, &total.known, sizeof total);
    CHECK_EQUAL(status, bad < 0 ? EPLB_STATUS_OK : EPLB_STATUS_STRUCT_SIZE);
    for (int i = 0; bad < 0 && i < LAYERS; i++) {
      CHECK(memcmp(&verdicts[i].known, &plain.verdicts[i], sizeof plain.verdicts[i]) == 0 && verdicts[i].tail == 0);
      CHECK(memcmp(&states[i].known, &plain.states[i], sizeof plain.states[i]) == 0 && states[i].tail == 0);
    }
    if (bad < 0) CHECK(memcmp(&total.known, &plain.total, sizeof plain.total) == 0 && total.tail == 0);
  }
}

int main(void) {
  const double zero = 0, bad[] = {-1, 1 / zero, zero / zero, 1e300, 1e-300};
  by_hand();
  knobs();
  never();
  in_seconds();
  newer_rows();
  for (size_t i = 0; i < LENGTH(bad); i++) {
    REFUSED(EPLB_STATUS_GATE_TIME, c.config.step_seconds = bad[i]);
    REFUSED(EPLB_STATUS_GATE_TIME, c.config.steps = bad[i]);
    REFUSED(EPLB_STATUS_GATE_TIME, c.config.steps_since = bad[i]);
    REFUSED(EPLB_STATUS_GATE_TIME, c.config.stall = bad[i]);
    REFUSED(EPLB_STATUS_GATE_TIME, c.config.fixed_seconds = bad[i]);
    REFUSED(EPLB_STATUS_GATE_TIME, c.config.certainty = bad[i]);
    REFUSED(EPLB_STATUS_GATE_TIME, c.config.payback = bad[i]);
    REFUSED(EPLB_STATUS_GATE_TIME, c.config.evidence = bad[i]);
    REFUSED(EPLB_STATUS_GATE_TIME, c.config.max_cost_seconds = bad[i]);
    REFUSED(EPLB_STATUS_GATE_BANDWIDTH, c.config.bytes_per_expert = bad[i]);
    REFUSED(EPLB_STATUS_GATE_BANDWIDTH, c.config.gpu_bandwidth = bad[i]);
    REFUSED(EPLB_STATUS_GATE_BANDWIDTH, c.config.node_bandwidth = bad[i]);
    REFUSED(EPLB_STATUS_GATE_LOAD, c.layers[1].mean = bad[i]);
    REFUSED(EPLB_STATUS_GATE_LOAD, c.layers[1].now = bad[i]);
    REFUSED(EPLB_STATUS_GATE_LOAD, c.layers[1].after = bad[i]);
    REFUSED(EPLB_STATUS_GATE_LOAD, c.layers[1].tokens = bad[i]);
    REFUSED(EPLB_STATUS_GATE_STATE, c.states[1].debt_seconds = bad[i]);
    REFUSED(EPLB_STATUS_GATE_STATE, c.states[1].seconds_per_step = bad[i]);
    REFUSED(EPLB_STATUS_GATE_STATE, c.states[1].evidence = bad[i]);
  }
  REFUSED(EPLB_STATUS_GATE_TIME, c.config.stall = 1.5);
  REFUSED(EPLB_STATUS_GATE_BANDWIDTH, c.config.gpu_bandwidth = 0);
  REFUSED(EPLB_STATUS_SHAPE_ZERO, c.config.num_gpus = 0);
  REFUSED(EPLB_STATUS_SHAPE_ZERO, c.config.num_layers = 0);
  REFUSED(EPLB_STATUS_RESERVED_NOT_ZERO, c.layers[0].reserved = 1);
  REFUSED(EPLB_STATUS_STRUCT_SIZE, c.config.struct_size -= 8);
  REFUSED(EPLB_STATUS_STRUCT_SIZE, c.layer_size -= 8);
  REFUSED(EPLB_STATUS_STRUCT_SIZE, c.state_size -= 8);
  REFUSED(EPLB_STATUS_STRUCT_SIZE, c.verdict_size -= 8);
  REFUSED(EPLB_STATUS_STRUCT_SIZE, c.total_size -= 8);
  REFUSED(EPLB_STATUS_STRUCT_SIZE, c.verdict_size += 4);

  gate_call c;
  init(&c);
  CHECK_EQUAL(run_on(&c, NULL, c.layers, c.states, c.verdicts, NULL), EPLB_STATUS_NULL_POINTER);
  CHECK_EQUAL(run_on(&c, &c.config, NULL, c.states, c.verdicts, NULL), EPLB_STATUS_NULL_POINTER);
  CHECK_EQUAL(run_on(&c, &c.config, c.layers, NULL, c.verdicts, NULL), EPLB_STATUS_NULL_POINTER);
  CHECK_EQUAL(run_on(&c, &c.config, c.layers, c.states, NULL, NULL), EPLB_STATUS_NULL_POINTER);
  return finish("gate");
}
