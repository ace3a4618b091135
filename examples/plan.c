/* Plans two layers of 12 experts in 4 groups onto 16 slots of 8 GPUs on 2 nodes, and prints the plan.
 * Build: cc -Iinclude examples/plan.c target/release/libeplb.a -o plan */
#include <eplb.h>
#include <stdio.h>
#include <stdlib.h>

enum { LAYERS = 2, EXPERTS = 12, SLOTS = 16 };

/* Says which argument it is, where in it, and what to do: no sentence is longer. */
static int refused(const eplb_problem *problem, const eplb_options *options, const eplb_placement *placement) {
  char why[400];
  eplb_explain(EPLB_OPERATION_PLAN, problem, options, placement, why, sizeof why);
  fprintf(stderr, "eplb: %s\n", why);
  return 1;
}

int main(void) {
  const float load[LAYERS][EXPERTS] = {{90, 132, 40, 61, 104, 165, 39, 4, 73, 56, 183, 86},
                                       {20, 107, 104, 64, 19, 197, 187, 157, 172, 86, 16, 27}};
  eplb_problem problem = EPLB_PROBLEM_INIT;
  problem.num_windows = 1;
  problem.num_layers = LAYERS;
  problem.num_logical_experts = EXPERTS;
  problem.num_physical_experts = SLOTS;
  problem.num_groups = 4;
  problem.num_nodes = 2;
  problem.num_gpus = 8;
  problem.load = &load[0][0];
  eplb_options options = EPLB_OPTIONS_INIT; /* zero is default: EPLB_POLICY_BALANCED */

  int32_t expert_of[LAYERS][SLOTS]; /* the plan: which expert each slot holds */
  eplb_placement placement = EPLB_PLACEMENT_INIT;
  placement.physical_to_logical = &expert_of[0][0];
  eplb_metrics metrics[LAYERS];

  size_t size, align; /* the same for any number of layers: ask once, keep the block */
  int32_t status = eplb_workspace(EPLB_OPERATION_PLAN, &problem, &options, &size, &align);
  if (status != EPLB_STATUS_OK) return refused(&problem, &options, NULL);
  void *workspace = malloc(size); /* aligned for anything */
  if (workspace == NULL) return 1;
  status = eplb_plan(&problem, &options, workspace, size, &placement, metrics, sizeof metrics[0]);
  if (status != EPLB_STATUS_OK) return refused(&problem, &options, &placement);
  free(workspace);

  for (int layer = 0; layer < LAYERS; layer++) {
    printf("layer %d, balance %.3f, gap %.3f, experts by slot:", layer, metrics[layer].balance, metrics[layer].gap);
    for (int slot = 0; slot < SLOTS; slot++) printf(" %d", (int)expert_of[layer][slot]);
    printf("\n");
  }
  return 0;
}
