/* eplb_gate: any numbers; what comes out is accepted again, and keeps to the limits. */
#include "decode.h"

static double number(input *in) {
  static const double special[] = {0, 1, -1, 1e-40, 1e40, 1e300, 0.5, 0.05};
  uint8_t way = take_byte(in);
  if (way < 8) return special[way];
  if (way == 8) return special[5] * special[5];
  return (double)take_byte(in) * (way % 2 ? 1 : 0.01);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  input in = {data, size};
  eplb_gate_config config = EPLB_GATE_CONFIG_INIT;
  eplb_gate_layer layers[8];
  eplb_gate_state states[8];
  eplb_gate_verdict verdicts[8];
  memset(layers, 0, sizeof layers);
  memset(states, 0, sizeof states);
  /* mostly figures with which something can move */
  const uint8_t first = take_byte(&in);
  config.num_layers = (first & 15) % 9;
  config.flags = first >> 4 & 3; /* EPLB_GATE_SECONDS, and one that there is not */
  config.num_gpus = take_byte(&in);
  double *fields[] = {&config.step_seconds, &config.steps, &config.steps_since, &config.bytes_per_expert, &config.gpu_bandwidth,
                      &config.node_bandwidth, &config.stall, &config.fixed_seconds, &config.certainty, &config.payback,
                      &config.evidence, &config.max_cost_seconds};
  for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) *fields[i] = number(&in);
  for (uint32_t i = 0; i < config.num_layers && i < 8; i++) {
    layers[i].mean = number(&in), layers[i].now = number(&in), layers[i].after = number(&in);
    layers[i].tokens = number(&in);
    layers[i].moved = take_byte(&in), layers[i].rounds = take_byte(&in), layers[i].node_rounds = take_byte(&in);
    states[i].debt_seconds = number(&in), states[i].evidence = number(&in);
  }
  if (config.num_layers > 8) config.num_layers = 8;
  for (int turn = 0; turn < 3; turn++) {
    memset(verdicts, 0x77, sizeof verdicts);
    eplb_gate_total total;
    int32_t status = eplb_gate(&config, layers, sizeof *layers, states, sizeof *states, verdicts, sizeof *verdicts, &total,
                               sizeof total);
    REQUIRE(is_known_status(status));
    record(&status, sizeof status);
    if (status != EPLB_STATUS_OK) /* else the states are those of the next call */
      REQUIRE(explained(eplb_explain_gate(&config, layers, sizeof *layers, states, sizeof *states, verdicts, sizeof *verdicts,
                                          &total, sizeof total, sentence, sizeof sentence)) == status);
    if (status != EPLB_STATUS_OK) {
      REQUIRE(turn == 0 && untouched(verdicts, sizeof verdicts, 0x77));
      break;
    }
    uint32_t moved = 0;
    for (uint32_t i = 0; i < config.num_layers; i++) {
      const eplb_gate_verdict *v = &verdicts[i];
      REQUIRE(v->gain_seconds >= 0 && v->cost_seconds >= 0 && v->debt_seconds >= 0);
      if (config.flags == EPLB_GATE_SECONDS)
        REQUIRE(v->gain_seconds <= config.steps * (layers[i].now > layers[i].after ? layers[i].now - layers[i].after : 0) * 1.000001);
      REQUIRE((v->move_layer == 1) == (v->order != UINT32_MAX));
      if (v->move_layer) REQUIRE(v->order < config.num_layers && layers[i].moved > 0 && v->gain_seconds >= v->cost_seconds * config.payback);
      moved += v->move_layer;
    }
    REQUIRE(moved == total.moved_layers);
    if (config.max_cost_seconds > 0) REQUIRE(total.cost_seconds <= config.max_cost_seconds || moved == 0);
    record(verdicts, config.num_layers * sizeof *verdicts);
    record(states, config.num_layers * sizeof *states);
  }
  return 0;
}
