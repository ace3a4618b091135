/* eplb_gate: the formulas by hand, the memory of a layer, and every refusal. */
#include "harness.h"

enum { LAYERS = 2 };

typedef struct gate_call {
  eplb_gate_config config;
  eplb_gate_layer layers[LAYERS];
  eplb_gate_state states[LAYERS];
  eplb_gate_verdict verdicts[LAYERS];
  eplb_gate_total total;
} gate_call;

/* Layer 0 halves its busiest GPU, layer 1 stays as it is. */
static void init(gate_call *c) {
  memset(c, 0, sizeof *c);
  c->config = (eplb_gate_config)EPLB_GATE_CONFIG_INIT;
  c->total = (eplb_gate_total)EPLB_GATE_TOTAL_INIT;
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

static int32_t run(gate_call *c) { return eplb_gate(&c->config, c->layers, c->states, c->verdicts, &c->total); }

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

static void knobs(void) {
  gate_call c;
#define MOVES(count, edit)                  \
  do {                                      \
    init(&c);                               \
    edit;                                   \
    CHECK_EQUAL(run(&c), EPLB_STATUS_OK);   \
    CHECK_EQUAL(c.total.moved_layers, count); \
  } while (0)
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
  CHECK_EQUAL(eplb_gate(&c.config, c.layers, c.states, c.verdicts, NULL), EPLB_STATUS_OK);
}

int main(void) {
  const double zero = 0, bad[] = {-1, 1 / zero, zero / zero, 1e300, 1e-300};
  by_hand();
  knobs();
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
  REFUSED(EPLB_STATUS_STRUCT_SIZE, c.config.layer_size += 8);
  REFUSED(EPLB_STATUS_STRUCT_SIZE, c.config.state_size += 8);
  REFUSED(EPLB_STATUS_STRUCT_SIZE, c.config.verdict_size += 8);
  REFUSED(EPLB_STATUS_STRUCT_SIZE, c.total.struct_size -= 8);

  gate_call c;
  init(&c);
  CHECK_EQUAL(eplb_gate(NULL, c.layers, c.states, c.verdicts, NULL), EPLB_STATUS_NULL_POINTER);
  CHECK_EQUAL(eplb_gate(&c.config, NULL, c.states, c.verdicts, NULL), EPLB_STATUS_NULL_POINTER);
  CHECK_EQUAL(eplb_gate(&c.config, c.layers, NULL, c.verdicts, NULL), EPLB_STATUS_NULL_POINTER);
  CHECK_EQUAL(eplb_gate(&c.config, c.layers, c.states, NULL, NULL), EPLB_STATUS_NULL_POINTER);
  return finish("gate");
}
