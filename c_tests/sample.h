/* One small plan without anything from a C library: the same bytes hosted and freestanding. */
#ifndef SAMPLE_H
#define SAMPLE_H

#include "eplb.h"

/* What sample_digest gives on every machine. */
#define SAMPLE_DIGEST UINT64_C(0x6e57f43c2a82a92f)

/* Plans, measures, checks and digests; 0 when any of them fails. */
static uint64_t sample_plan(uint32_t policy, uint32_t scope) {
  static const float load[] = {
      90, 132, 40, 61, 104, 165, 39, 4,   73, 56, 183, 86, /* the example of DeepSeek EPLB */
      20, 107, 104, 64, 19, 197, 187, 157, 172, 86, 16,  27,
  };
  static int32_t slots[2 * 16];
  static eplb_metrics per_layer[2];
  static uint64_t workspace[512];
  eplb_problem problem = EPLB_PROBLEM_INIT;
  eplb_options options = EPLB_OPTIONS_INIT;
  eplb_placement placement = EPLB_PLACEMENT_INIT;
  uint64_t digest = 0;
  problem.num_windows = 1;
  problem.num_layers = 2;
  problem.num_logical_experts = 12;
  problem.num_physical_experts = 16;
  problem.num_groups = 4;
  problem.num_nodes = 2;
  problem.num_gpus = 8;
  problem.load = load;
  options.policy = policy;
  options.scope = scope;
  placement.physical_to_logical = slots;
  int good = eplb_plan(&problem, &options, workspace, sizeof workspace, &placement, per_layer, sizeof *per_layer) == 0 &&
             eplb_evaluate(&problem, &options, workspace, sizeof workspace, &placement, per_layer,
                           sizeof *per_layer) == 0 &&
             eplb_check(&problem, &options, workspace, sizeof workspace, &placement, NULL, 0) == 0 &&
             eplb_digest(&problem, &placement, &digest) == 0;
  return good && per_layer[0].balance > 0.5 && per_layer[0].balance <= 1 ? digest : 0;
}

static uint64_t sample_digest(void) {
  uint64_t deepseek = sample_plan(EPLB_POLICY_DEEPSEEK, EPLB_SCOPE_AUTO);
  uint64_t global = sample_plan(EPLB_POLICY_BALANCED, EPLB_SCOPE_GLOBAL);
  uint64_t hierarchical = sample_plan(EPLB_POLICY_BALANCED, EPLB_SCOPE_HIERARCHICAL);
  return deepseek && global && hierarchical ? deepseek ^ (global << 1) ^ (hierarchical >> 1) : 0;
}

#endif
