/*
 * EPLB_WORKSPACE_BOUND against eplb_workspace over a grid of shapes: never too small, and not much too
 * large where it matters.
 */
#include "eplb.h"

#include <stdio.h>

/* A constant expression, a multiple of 8. */
static uint64_t workspace[EPLB_WORKSPACE_BOUND(256, 288, 32) / sizeof(uint64_t)];
extern const char is_constant[EPLB_WORKSPACE_BOUND_GROUPS(64, 72, 8, 8, 4) % 8 == 0 ? 1 : -1];

enum { POLICIES = 8, MOST_GPUS = 2400 }; /* as many as the largest fleet below */

static uint32_t slots_of[MOST_GPUS];
static float speed_of[MOST_GPUS];
static unsigned long queries, failures;
static double loosest; /* bound / need of the neediest policy, at shapes that serve */
static char loosest_shape[64];
static double loosest_from; /* the same of plans from a placement */

static size_t bytes_of(uint32_t operation, const eplb_problem *problem, uint32_t policy, uint32_t scope) {
  eplb_options options = EPLB_OPTIONS_INIT;
  size_t size = 0, align = 0;
  options.policy = policy;
  options.scope = scope;
  queries++;
  return eplb_workspace(operation, problem, &options, &size, &align) == EPLB_STATUS_OK ? size : 0;
}

/* The most that any operation and policy needs. */
static size_t most(const eplb_problem *problem, uint32_t scope) {
  size_t most = bytes_of(EPLB_OPERATION_EVALUATE, problem, EPLB_POLICY_BALANCED, scope);
  size_t size = bytes_of(EPLB_OPERATION_CHECK, problem, EPLB_POLICY_BALANCED, scope);
  if (size > most) most = size;
  for (uint32_t policy = 0; policy < POLICIES; policy++) {
    size = bytes_of(EPLB_OPERATION_PLAN, problem, policy, scope);
    if (size > most) most = size;
  }
  return most;
}

/* A plan from a placement, by a policy. */
static size_t rebalance(const eplb_problem *problem, uint32_t scope) {
  size_t most = 0;
  for (uint32_t policy = 0; policy < POLICIES; policy++) {
    size_t size = bytes_of(EPLB_OPERATION_REBALANCE, problem, policy, scope);
    if (size > most) most = size;
  }
  return most;
}

static size_t dispatch(const eplb_problem *problem) {
  eplb_problem fast = *problem;
  for (uint32_t gpu = 0; gpu < problem->num_gpus; gpu++) speed_of[gpu] = (float)(1 + gpu % 2);
  fast.gpu_speed = speed_of; /* dispatch needs more for them */
  return bytes_of(EPLB_OPERATION_DISPATCH, &fast, EPLB_POLICY_BALANCED, EPLB_SCOPE_GLOBAL);
}

static void expect(const eplb_problem *p, uint32_t scope, size_t need, size_t bound) {
  if (need <= bound) return;
  if (failures++ < 10)
    printf("bound: %u-%u-%u, %u groups, %u nodes, scope %u: needs %lu, bound %lu\n", p->num_logical_experts,
           p->num_physical_experts, p->num_gpus, p->num_groups, p->num_nodes, scope, (unsigned long)need,
           (unsigned long)bound);
}

static void try_shape(uint32_t experts, uint32_t slots, uint32_t gpus, uint32_t groups, uint32_t nodes) {
  eplb_problem p = EPLB_PROBLEM_INIT;
  size_t plain = EPLB_WORKSPACE_BOUND(experts, slots, gpus);
  size_t grouped = EPLB_WORKSPACE_BOUND_GROUPS(experts, slots, gpus, groups, nodes);
  p.num_windows = p.num_layers = 1;
  p.num_logical_experts = experts;
  p.num_physical_experts = slots;
  p.num_groups = groups;
  p.num_nodes = nodes;
  p.num_gpus = gpus;
  if (slots % gpus != 0) { /* as even as can be; GPUs without a slot where there are more of them */
    for (uint32_t g = 0; g < gpus; g++) slots_of[g] = slots / gpus + (g < slots % gpus);
    p.gpu_slots = slots_of;
    plain = EPLB_WORKSPACE_BOUND_UNEVEN(experts, slots, gpus, 1, 1);
    grouped = EPLB_WORKSPACE_BOUND_UNEVEN(experts, slots, gpus, groups, nodes);
  }
  for (uint32_t scope = EPLB_SCOPE_AUTO; scope <= EPLB_SCOPE_GLOBAL; scope++) {
    size_t need = most(&p, scope);
    expect(&p, scope, need, grouped);
    if ((groups == 1 && nodes == 1) || (scope == EPLB_SCOPE_GLOBAL && groups <= experts && nodes <= gpus))
      expect(&p, scope, need, plain);
    for (uint32_t windows = 2; windows <= 66; windows *= 2, windows += windows == 8) {
      eplb_problem w = p;
      w.num_windows = windows;
      expect(&p, scope, bytes_of(EPLB_OPERATION_PLAN, &w, EPLB_POLICY_BALANCED, scope),
             EPLB_WORKSPACE_BOUND_WINDOWS(experts, slots, gpus, groups, nodes, windows));
    }
    for (uint32_t windows = 1; windows <= 9; windows += 4) {
      eplb_problem w = p;
      size_t bound = EPLB_WORKSPACE_BOUND_REBALANCE(experts, slots, gpus, groups, nodes, windows);
      w.num_windows = windows;
      need = rebalance(&w, scope);
      expect(&p, scope, need, bound);
      eplb_cost cost = EPLB_COST_INIT;
      cost.expert_seconds = 1;
      w.cost = &cost;
      size_t with = EPLB_WORKSPACE_BOUND_COST(experts, slots, gpus, groups, nodes, windows);
      expect(&p, scope, bytes_of(EPLB_OPERATION_PLAN, &w, EPLB_POLICY_BALANCED, scope), with);
      expect(&p, scope, bytes_of(EPLB_OPERATION_REBALANCE, &w, EPLB_POLICY_BALANCED, scope), with);
      if (need > 0 && slots >= 64 && (double)bound / (double)need > loosest_from) loosest_from = (double)bound / (double)need;
    }
    need = most(&p, scope);
    /* what serves: up to four times the experts, two slots a GPU and more */
    int serves = slots >= 64 && slots <= 4 * experts && gpus * 2 <= slots && nodes <= gpus && groups * 4 <= experts;
    if (serves && bytes_of(EPLB_OPERATION_PLAN, &p, EPLB_POLICY_BALANCED, scope) > 0) {
      double loose = (double)(scope == EPLB_SCOPE_GLOBAL ? plain : grouped) / (double)need;
      if (loose > loosest) {
        loosest = loose;
        snprintf(loosest_shape, sizeof loosest_shape, "%u-%u-%u, %u groups, %u nodes, scope %u", experts, slots, gpus,
                 groups, nodes, scope);
      }
    }
  }
}

/* What does not depend on groups and nodes. */
static void try_fleet(uint32_t experts, uint32_t slots, uint32_t gpus) {
  eplb_problem p = EPLB_PROBLEM_INIT;
  p.num_layers = 1;
  p.num_logical_experts = experts;
  p.num_physical_experts = slots;
  p.num_gpus = gpus;
  if (slots % gpus != 0) {
    for (uint32_t g = 0; g < gpus; g++) slots_of[g] = slots / gpus + (g < slots % gpus);
    p.gpu_slots = slots_of;
  }
  expect(&p, EPLB_SCOPE_GLOBAL, dispatch(&p), EPLB_WORKSPACE_BOUND_DISPATCH(experts, slots, gpus));
  eplb_cost cost = EPLB_COST_INIT;
  cost.expert_seconds = 1;
  p.cost = &cost;
  expect(&p, EPLB_SCOPE_GLOBAL, dispatch(&p), EPLB_WORKSPACE_BOUND_DISPATCH_COST(experts, slots, gpus));
  p.cost = NULL;
  expect(&p, EPLB_SCOPE_GLOBAL, bytes_of(EPLB_OPERATION_TRANSFERS, &p, EPLB_POLICY_BALANCED, EPLB_SCOPE_GLOBAL),
         EPLB_WORKSPACE_BOUND_TRANSFERS(experts, slots, gpus));
}

int main(void) {
  static const uint32_t sizes[] = {1, 2, 3, 7, 8, 15, 16, 31, 32, 47, 48, 49, 60, 64, 96, 128, 160, 256, 384, 512, 2048};
  static const uint32_t fleets[] = {1, 2, 3, 4, 5, 8, 9, 16, 17, 31, 32, 33, 48, 64, 65, 72, 96, 128, 129, 144, 257, 320, 2305};
  for (size_t e = 0; e < sizeof sizes / sizeof sizes[0]; e++) {
    uint32_t experts = sizes[e];
    const uint32_t slots[] = {experts, experts + 1, experts + 8, experts + experts / 8, experts * 2, experts * 4 + 5,
                              experts + 1000};
    const uint32_t groups[] = {1, 2, 3, 8, experts};
    for (size_t s = 0; s < sizeof slots / sizeof slots[0]; s++)
      for (size_t g = 0; g < sizeof fleets / sizeof fleets[0]; g++) {
        try_fleet(experts, slots[s], fleets[g]);
        for (size_t k = 0; k < sizeof groups / sizeof groups[0]; k++) {
          const uint32_t nodes[] = {1, 2, 3, 8, fleets[g]};
          for (size_t n = 0; n < sizeof nodes / sizeof nodes[0]; n++)
            try_shape(experts, slots[s], fleets[g], groups[k], nodes[n]);
        }
      }
  }
  /* and what is served today, row by row */
  {
    static const uint32_t served[][3] = {{64, 72, 8},    {128, 160, 32}, {256, 288, 32},   {256, 288, 72},
                                         {256, 288, 144}, {256, 320, 64}, {384, 416, 32}, {2048, 2304, 256}};
    for (size_t i = 0; i < sizeof served / sizeof served[0]; i++) {
      eplb_problem p = EPLB_PROBLEM_INIT;
      size_t need, bound = EPLB_WORKSPACE_BOUND(served[i][0], served[i][1], served[i][2]);
      p.num_windows = p.num_layers = p.num_groups = p.num_nodes = 1;
      p.num_logical_experts = served[i][0];
      p.num_physical_experts = served[i][1];
      p.num_gpus = served[i][2];
      need = most(&p, EPLB_SCOPE_AUTO);
      printf("bound         %u-%u-%u: needs %lu, bound %lu, x %.3f\n", served[i][0], served[i][1], served[i][2],
             (unsigned long)need, (unsigned long)bound, (double)bound / (double)need);
    }
  }
  if (loosest_from > 3.5) {
    printf("bound: %.2f times the need of a plan from a placement\n", loosest_from);
    failures++;
  }
  if (loosest > 1.5) {
    printf("bound: %.2f times the need at %s\n", loosest, loosest_shape);
    failures++;
  }
  printf("bound         %lu queries, loosest x %.3f at %s, from a placement x %.3f%s\n", queries, loosest, loosest_shape, loosest_from, failures ? ": FAILED" : "");
  return failures != 0 || workspace[0] != 0;
}
