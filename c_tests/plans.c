#include "plans.h"

#define PLAN_CHECK(condition) check((condition) != 0, __FILE__, __LINE__, what)

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

uint32_t slots_of(const eplb_problem *p, uint32_t gpu) {
  return p->gpu_slots ? p->gpu_slots[gpu] : p->num_physical_experts / p->num_gpus;
}

uint32_t node_of(const eplb_problem *p, uint32_t gpu) {
  if (p->gpu_node) return p->gpu_node[gpu];
  uint32_t node = 0, end = 0; /* the first G % N nodes have one more */
  for (;; node++) {
    end += p->num_gpus / p->num_nodes + (node < p->num_gpus % p->num_nodes);
    if (gpu < end) return node;
  }
}

int receives(const eplb_problem *p, uint32_t gpu) { return !p->gpu_state || p->gpu_state[gpu] == EPLB_GPU_ALIVE; }

int plan_hierarchical(const eplb_problem *p, const eplb_options *options) {
  if (options->scope == EPLB_SCOPE_AUTO) return p->num_groups % p->num_nodes == 0;
  return options->scope == EPLB_SCOPE_HIERARCHICAL;
}

static void *workspace_for(uint32_t operation, const eplb_problem *p, const eplb_options *options, size_t *size) {
  size_t align;
  CHECK_EQUAL(eplb_workspace(operation, p, options, size, &align), EPLB_STATUS_OK);
  return allocate(*size);
}

int32_t plan_make(const eplb_problem *p, const eplb_options *options, uint32_t max_replicas, int content, plan *made) {
  size_t slots = (size_t)p->num_layers * p->num_physical_experts;
  size_t experts = (size_t)p->num_layers * p->num_logical_experts;
  size_t size = 0, align = 0;
  memset(made, 0, sizeof *made);
  int32_t status = eplb_workspace(EPLB_OPERATION_PLAN, p, options, &size, &align);
  if (status != EPLB_STATUS_OK) return status;
  made->maps = (eplb_placement)EPLB_PLACEMENT_INIT;
  made->maps.max_replicas = max_replicas;
  made->maps.physical_to_logical = allocate(slots * sizeof(int32_t));
  made->maps.replica_rank = allocate(slots * sizeof(int32_t));
  made->maps.logical_count = allocate(experts * sizeof(int32_t));
  if (max_replicas > 0) made->maps.logical_to_physical = allocate(experts * max_replicas * sizeof(int32_t));
  made->per_layer = allocate(p->num_layers * sizeof(eplb_metrics));
  void *workspace = allocate(size);
  if (content >= 0) memset(workspace, content, size);
  status = eplb_plan(p, options, workspace, size, &made->maps, made->per_layer, sizeof(eplb_metrics));
  free(workspace);
  if (status != EPLB_STATUS_OK)
    plan_free(made);
  else
    CHECK_EQUAL(eplb_digest(p, &made->maps, &made->digest), EPLB_STATUS_OK);
  return status;
}

void plan_free(plan *made) {
  free(made->per_layer);
  free(made->maps.logical_to_physical);
  free(made->maps.logical_count);
  free(made->maps.replica_rank);
  free(made->maps.physical_to_logical);
  memset(made, 0, sizeof *made);
}

static void check_maps(const eplb_problem *p, const eplb_options *options, const plan *made, uint32_t layer,
                       const char *what) {
  uint32_t experts = p->num_logical_experts, width = made->maps.max_replicas, usable_gpus = 0;
  const int32_t *slots = made->maps.physical_to_logical + (size_t)layer * p->num_physical_experts;
  const int32_t *ranks = made->maps.replica_rank + (size_t)layer * p->num_physical_experts;
  const int32_t *counts = made->maps.logical_count + (size_t)layer * experts;
  const int32_t *table = made->maps.logical_to_physical + (size_t)layer * experts * width;
  int balanced = options->policy == EPLB_POLICY_BALANCED, hierarchical = plan_hierarchical(p, options);
  int32_t *count = calloc(experts, sizeof *count), *last_gpu = calloc(experts, sizeof *last_gpu);
  int32_t *group_node = calloc(p->num_groups, sizeof *group_node);
  size_t filled = 0, usable = 0, slot = 0;
  if (!count || !last_gpu || !group_node) exit(1);
  for (uint32_t gpu = 0; gpu < p->num_gpus; gpu++) {
    if (receives(p, gpu)) usable += least(slots_of(p, gpu), experts);
    usable_gpus += receives(p, gpu) && slots_of(p, gpu) > 0;
    for (uint32_t i = 0; i < slots_of(p, gpu); i++, slot++) {
      int32_t expert = slots[slot];
      if (expert == -1) {
        PLAN_CHECK(balanced && ranks[slot] == -1);
        continue;
      }
      PLAN_CHECK(receives(p, gpu));
      PLAN_CHECK(expert >= 0 && (uint32_t)expert < experts);
      if (expert < 0 || (uint32_t)expert >= experts) continue;
      if (balanced) {
        PLAN_CHECK(last_gpu[expert] != (int32_t)gpu + 1);
        PLAN_CHECK(ranks[slot] == count[expert]); /* in order of slots */
      }
      PLAN_CHECK(ranks[slot] >= 0 && ranks[slot] < counts[expert]);
      if (width > 0) PLAN_CHECK((uint32_t)ranks[slot] < width && table[(size_t)expert * width + (uint32_t)ranks[slot]] == (int32_t)slot);
      if (hierarchical) {
        int32_t *node = &group_node[(uint32_t)expert / (experts / p->num_groups)];
        PLAN_CHECK(*node == 0 || *node == (int32_t)node_of(p, gpu) + 1);
        *node = (int32_t)node_of(p, gpu) + 1;
      }
      last_gpu[expert] = (int32_t)gpu + 1;
      count[expert]++;
      filled++;
    }
  }
  for (uint32_t expert = 0; expert < experts; expert++) {
    PLAN_CHECK(count[expert] >= 1 && count[expert] == counts[expert]);
    for (uint32_t rank = (uint32_t)count[expert]; rank < width; rank++) PLAN_CHECK(table[(size_t)expert * width + rank] == -1);
  }
  /* as many as GPUs without duplicates and max_replicas allow */
  size_t most = balanced && width > 0 ? least(width, usable_gpus) : usable_gpus, full = least(usable, experts * most);
  if (balanced && !hierarchical) PLAN_CHECK(filled == full);
  free(group_node);
  free(last_gpu);
  free(count);
}

static int finite(double x) { return x - x == 0; }

static void check_metrics(const eplb_problem *p, const eplb_metrics *m, int balanced, const char *what) {
  const double one = 1 + 1e-12; /* sums in another order may round to just above it */
  PLAN_CHECK(m->balance > 0 && m->balance <= one);
  PLAN_CHECK(m->node_balance > 0 && m->node_balance >= m->balance * (1 - 1e-12));
  PLAN_CHECK(m->node_balance <= one);
  PLAN_CHECK(m->expert_balance > 0 && m->expert_balance <= one);
  PLAN_CHECK(m->bound >= m->mean_gpu_load * (1 - 1e-12) && m->bound <= m->max_gpu_load);
  PLAN_CHECK(finite(m->max_gpu_load) && finite(m->gap));
  PLAN_CHECK(m->gap >= 0 && m->busiest_gpu < p->num_gpus);
  PLAN_CHECK(m->duplicates <= (balanced ? 0 : p->num_physical_experts - p->num_logical_experts));
}

void plan_check(const eplb_problem *p, const eplb_options *options, const plan *made, const char *what) {
  if (made->per_layer == NULL) {
    PLAN_CHECK(!"a plan");
    return;
  }
  for (uint32_t layer = 0; layer < p->num_layers; layer++) {
    check_maps(p, options, made, layer, what);
    check_metrics(p, &made->per_layer[layer], options->policy == EPLB_POLICY_BALANCED, what);
  }
  size_t size;
  eplb_violation first;
  void *workspace = workspace_for(EPLB_OPERATION_CHECK, p, options, &size);
  PLAN_CHECK(eplb_check(p, options, workspace, size, &made->maps, &first, sizeof first) == EPLB_STATUS_OK);
  PLAN_CHECK(first.kind == EPLB_VIOLATION_KIND_NONE);
  free(workspace);

  eplb_metrics *measured = allocate(p->num_layers * sizeof *measured);
  workspace = workspace_for(EPLB_OPERATION_EVALUATE, p, options, &size);
  PLAN_CHECK(eplb_evaluate(p, options, workspace, size, &made->maps, measured, sizeof *measured) == EPLB_STATUS_OK);
  PLAN_CHECK(memcmp(made->per_layer, measured, p->num_layers * sizeof *measured) == 0);
  free(workspace);
  free(measured);
}
