/* Problems of any size: a plan in blocks of exact size, and every promise of it by the letter. */
#ifndef PLANS_H
#define PLANS_H

#include "harness.h"

typedef struct plan {
  eplb_placement maps; /* all four; the table only when max_replicas is not 0 */
  eplb_metrics *per_layer;
  uint64_t digest;
} plan;

/* Plans with a workspace that holds `content`, -1: is left unwritten. A refused plan is all NULL. */
int32_t plan_make(const eplb_problem *problem, const eplb_options *options, uint32_t max_replicas, int content,
                  plan *made);
void plan_free(plan *made);

/* Looks at a plan: its maps agree, an expert is on a GPU once at most (BALANCED) and on one node
 * (hierarchical), GPUs that are not alive stay empty, no slot is empty without need, eplb_check and
 * eplb_evaluate say the same as the plan. */
void plan_check(const eplb_problem *problem, const eplb_options *options, const plan *made, const char *what);

/* Whether the plan is for groups on nodes. */
int plan_hierarchical(const eplb_problem *problem, const eplb_options *options);

/* The problem as topology arrays say, or as it is without them. */
uint32_t slots_of(const eplb_problem *problem, uint32_t gpu);
uint32_t node_of(const eplb_problem *problem, uint32_t gpu);
int receives(const eplb_problem *problem, uint32_t gpu);

#endif
