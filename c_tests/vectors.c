/* vectors/<policy>.txt: all maps of every case identical, and every plan keeps its promises; BALANCED
 * is never worse than DEEPSEEK. Every block has its exact size and is left unwritten, so that valgrind
 * sees each byte. */
#include "plans.h"

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

/* DEEPSEEK's plan, measured: one without duplicates is one that BALANCED may not be worse than. */
static void never_worse(const vector *v, const plan *made) {
  const eplb_problem *p = &v->problem;
  size_t size, align;
  eplb_placement theirs = EPLB_PLACEMENT_INIT;
  theirs.physical_to_logical = v->physical_to_logical;
  eplb_metrics *m = allocate(p->num_layers * sizeof *m);
  CHECK_EQUAL(eplb_workspace(EPLB_OPERATION_EVALUATE, p, NULL, &size, &align), EPLB_STATUS_OK);
  void *workspace = allocate(size);
  CHECK_EQUAL(eplb_evaluate(p, NULL, workspace, size, &theirs, m, sizeof *m), EPLB_STATUS_OK);
  for (uint32_t layer = 0; layer < p->num_layers; layer++)
    if (m[layer].duplicates == 0)
      check(made->per_layer[layer].max_gpu_load <= m[layer].max_gpu_load * (1 + 1e-12), __FILE__, __LINE__, v->name);
  free(workspace);
  free(m);
}

static void run_case(const vector *v) {
  const eplb_problem *p = &v->problem;
  eplb_options options = EPLB_OPTIONS_INIT;
  options.policy = policy_under_test;
  size_t slots = (size_t)p->num_layers * p->num_physical_experts, experts = (size_t)p->num_layers * p->num_logical_experts;
  plan made;
  uint32_t width = p->num_physical_experts - p->num_logical_experts + 1;
  CHECK_EQUAL(plan_make(p, &options, width, -1, &made), EPLB_STATUS_OK);
  plan_check(p, &options, &made, v->name);
  if (IS_BALANCED) {
    never_worse(v, &made);
  } else {
    int same = memcmp(made.maps.physical_to_logical, v->physical_to_logical, slots * sizeof(int32_t)) == 0 &&
               memcmp(made.maps.replica_rank, v->replica_rank, slots * sizeof(int32_t)) == 0 &&
               memcmp(made.maps.logical_count, v->logical_count, experts * sizeof(int32_t)) == 0;
    check(same, __FILE__, __LINE__, v->name);
  }
  plan_free(&made);
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
  FOR_EACH_POLICY run_file(policies[row].vectors);
  return finish("vectors");
}
