/* vectors/<policy>.txt: all maps of every case identical, and every plan keeps its promises.
 * Every block has its exact size and is left unwritten, so that valgrind sees each byte. */
#include "harness.h"

#ifndef VECTORS
#define VECTORS "../vectors"
#endif

enum { CASES = 147 };

/* One case; layers, experts and so on in its problem. */
typedef struct vector {
  char name[64];
  eplb_problem problem;
  float *load;
  int32_t *physical_to_logical;
  int32_t *replica_rank;
  int32_t *logical_count;
} vector;

static void malformed(const vector *v, const char *what) {
  printf("vectors: malformed %s in case %s\n", what, v->name);
  exit(1);
}

static int32_t *read_map(FILE *file, const vector *v, const char *keyword, size_t length) {
  char word[32];
  int32_t *map = allocate(length * sizeof *map);
  if (fscanf(file, "%31s", word) != 1 || strcmp(word, keyword) != 0) malformed(v, keyword);
  for (size_t i = 0; i < length; i++)
    if (fscanf(file, "%d", &map[i]) != 1) malformed(v, keyword);
  return map;
}

/* Reads the next case; 0 at the end of the file. */
static int read_case(FILE *file, vector *v) {
  char word[32];
  if (fscanf(file, "%31s", word) != 1) return 0;
  if (strcmp(word, "case") != 0 || fscanf(file, "%63s", v->name) != 1) malformed(v, "case");
  eplb_problem *p = &v->problem;
  *p = (eplb_problem)EPLB_PROBLEM_INIT;
  p->num_windows = 1;
  if (fscanf(file, " shape %u %u %u %u %u %u", &p->num_layers, &p->num_logical_experts, &p->num_physical_experts,
             &p->num_groups, &p->num_nodes, &p->num_gpus) != 6)
    malformed(v, "shape");
  size_t experts = (size_t)p->num_layers * p->num_logical_experts;
  size_t slots = (size_t)p->num_layers * p->num_physical_experts;
  v->load = allocate(experts * sizeof *v->load);
  if (fscanf(file, "%31s", word) != 1 || strcmp(word, "load") != 0) malformed(v, "load");
  for (size_t i = 0; i < experts; i++) {
    unsigned long long load; /* an integer above 2^24 is rounded once, to float */
    if (fscanf(file, "%llu", &load) != 1) malformed(v, "load");
    v->load[i] = (float)load;
  }
  v->physical_to_logical = read_map(file, v, "physical_to_logical", slots);
  v->replica_rank = read_map(file, v, "replica_rank", slots);
  v->logical_count = read_map(file, v, "logical_count", experts);
  if (fscanf(file, "%31s", word) != 1 || strcmp(word, "end") != 0) malformed(v, "end");
  p->load = v->load;
  return 1;
}

static void *workspace_for(uint32_t operation, const eplb_problem *problem, const eplb_options *options, size_t *size) {
  size_t align;
  CHECK_EQUAL(eplb_workspace(operation, problem, options, size, &align), EPLB_STATUS_OK);
  return allocate(*size);
}

static void check_table(const vector *v, const eplb_placement *found) {
  const eplb_problem *p = &v->problem;
  size_t slots = p->num_physical_experts, experts = p->num_logical_experts, width = found->max_replicas;
  for (size_t layer = 0; layer < p->num_layers; layer++) {
    const int32_t *expert_of = v->physical_to_logical + layer * slots;
    const int32_t *rank_of = v->replica_rank + layer * slots;
    for (size_t expert = 0; expert < experts; expert++) {
      const int32_t *row = found->logical_to_physical + (layer * experts + expert) * width;
      int32_t count = v->logical_count[layer * experts + expert];
      for (int32_t rank = 0; rank < (int32_t)width; rank++) {
        int32_t slot = row[rank];
        if (rank < count)
          CHECK(slot >= 0 && slot < (int32_t)slots && expert_of[slot] == (int32_t)expert && rank_of[slot] == rank);
        else
          CHECK_EQUAL(slot, -1);
      }
    }
  }
}

static void check_metrics(const vector *v, const eplb_metrics *metrics) {
  for (uint32_t layer = 0; layer < v->problem.num_layers; layer++) {
    const eplb_metrics *m = &metrics[layer];
    const double one = 1 + 1e-12; /* sums in another order may round to just above it */
    CHECK(m->balance > 0 && m->balance <= one);
    CHECK(m->node_balance > 0 && m->node_balance <= one && m->node_balance >= m->balance * (1 - 1e-12));
    CHECK(m->expert_balance > 0 && m->expert_balance <= one);
    CHECK(m->bound >= m->mean_gpu_load * (1 - 1e-12) && m->bound <= m->max_gpu_load);
    CHECK(m->gap >= 0 && m->busiest_gpu < v->problem.num_gpus);
    CHECK(m->duplicates <= v->problem.num_physical_experts - v->problem.num_logical_experts);
  }
}

static void run_case(const vector *v) {
  const eplb_problem *p = &v->problem;
  eplb_options options = EPLB_OPTIONS_INIT;
  options.policy = policy_under_test;
  size_t layers = p->num_layers, slots = layers * p->num_physical_experts, experts = layers * p->num_logical_experts;
  eplb_placement maps = EPLB_PLACEMENT_INIT;
  maps.max_replicas = p->num_physical_experts - p->num_logical_experts + 1;
  maps.physical_to_logical = allocate(slots * sizeof(int32_t));
  maps.replica_rank = allocate(slots * sizeof(int32_t));
  maps.logical_count = allocate(experts * sizeof(int32_t));
  maps.logical_to_physical = allocate(experts * maps.max_replicas * sizeof(int32_t));
  eplb_metrics *planned = allocate(layers * sizeof *planned);
  eplb_metrics *evaluated = allocate(layers * sizeof *evaluated);
  size_t size;
  void *workspace = workspace_for(EPLB_OPERATION_PLAN, p, &options, &size);
  CHECK_EQUAL(eplb_plan(p, &options, workspace, size, &maps, planned, sizeof *planned), EPLB_STATUS_OK);
  free(workspace);

  int same = memcmp(maps.physical_to_logical, v->physical_to_logical, slots * sizeof(int32_t)) == 0 &&
             memcmp(maps.replica_rank, v->replica_rank, slots * sizeof(int32_t)) == 0 &&
             memcmp(maps.logical_count, v->logical_count, experts * sizeof(int32_t)) == 0;
  check(same, __FILE__, __LINE__, v->name);
  check_table(v, &maps);
  check_metrics(v, planned);

  eplb_violation first = EPLB_VIOLATION_INIT;
  workspace = workspace_for(EPLB_OPERATION_CHECK, p, &options, &size);
  CHECK_EQUAL(eplb_check(p, &options, workspace, size, &maps, &first), EPLB_STATUS_OK);
  CHECK_EQUAL(first.kind, EPLB_VIOLATION_KIND_NONE);
  free(workspace);

  workspace = workspace_for(EPLB_OPERATION_EVALUATE, p, &options, &size);
  CHECK_EQUAL(eplb_evaluate(p, &options, workspace, size, &maps, evaluated, sizeof *evaluated), EPLB_STATUS_OK);
  CHECK(memcmp(planned, evaluated, layers * sizeof *planned) == 0);
  free(workspace);

  free(evaluated);
  free(planned);
  free(maps.logical_to_physical);
  free(maps.logical_count);
  free(maps.replica_rank);
  free(maps.physical_to_logical);
}

static void run_file(const char *name) {
  char path[512];
  snprintf(path, sizeof path, "%s/%s.txt", VECTORS, name);
  FILE *file = fopen(path, "r");
  if (file == NULL) {
    perror(path);
    exit(1);
  }
  vector v = {.name = "the first"};
  int cases = 0;
  for (; read_case(file, &v); cases++) {
    run_case(&v);
    free(v.load);
    free(v.physical_to_logical);
    free(v.replica_rank);
    free(v.logical_count);
  }
  CHECK_EQUAL(cases, CASES);
  fclose(file);
}

int main(void) {
  FOR_EACH_POLICY run_file(policies[row].name);
  return finish("vectors");
}
