#include "harness.h"

const policy policies[] = {
    {EPLB_POLICY_BALANCED, "deepseek"},
    {EPLB_POLICY_DEEPSEEK, "deepseek"},
    {EPLB_POLICY_MULTI_SWAP, "multi_swap"},
    {EPLB_POLICY_K2_HYBRID, "k2_hybrid"},
    {EPLB_POLICY_HYBRID_ARGMAX, "hybrid_argmax"},
    {EPLB_POLICY_PEAK_AWARE, "peak_aware"},
    {EPLB_POLICY_WATERFILL, "waterfill"},
    {EPLB_POLICY_WATERFILL_FIXUP, "waterfill_fixup"},
};
const size_t num_policies = LENGTH(policies);
uint32_t policy_under_test = EPLB_POLICY_DEEPSEEK;

static int checks, failures;

void check(int good, const char *file, int line, const char *what) {
  checks++;
  if (!good) {
    failures++;
    printf("%s:%d: policy %u: failed: %s\n", file, line, (unsigned)policy_under_test, what);
  }
}

void check_equal(long long found, long long expected, const char *file, int line, const char *what) {
  check(found == expected, file, line, what);
  if (found != expected) printf("  found %lld, expected %lld\n", found, expected);
}

int finish(const char *topic) {
  printf("%-12s %6d checks, %d failed\n", topic, checks, failures);
  return failures != 0;
}

void call_init(call *c) {
  static const float load[L * E] = {
      90, 132, 40, 61, 104, 165, 39, 4,  /* */
      20, 107, 0,  64, 19,  197, 187, 7, /* */
      1,  1,   1,  1,  1,   1,   1,   1, /* all equal: ties */
  };
  memset(c, 0xa5, sizeof *c);
  memcpy(c->load, load, sizeof load);
  memcpy(c->load + L * E, load, sizeof load);
  for (int i = 0; i < 2 * L; i++) c->window_weight[i] = 1;
  for (int gpu = 0; gpu < G; gpu++) {
    c->gpu_speed[gpu] = 1;
    c->gpu_slots[gpu] = P / G;
    c->gpu_node[gpu] = (uint32_t)gpu / (G / N);
    c->gpu_state[gpu] = EPLB_GPU_ALIVE;
  }
  for (int slot = 0; slot < L * P; slot++) c->previous[slot] = slot % E;

  c->problem = (eplb_problem)EPLB_PROBLEM_INIT;
  c->problem.num_windows = W;
  c->problem.num_layers = L;
  c->problem.num_logical_experts = E;
  c->problem.num_physical_experts = P;
  c->problem.num_groups = K;
  c->problem.num_nodes = N;
  c->problem.num_gpus = G;
  c->problem.load = c->load;

  c->options = (eplb_options)EPLB_OPTIONS_INIT;
  c->options.policy = policy_under_test;

  c->placement = (eplb_placement)EPLB_PLACEMENT_INIT;
  c->placement.max_replicas = R;
  c->placement.physical_to_logical = c->out.physical_to_logical;
  c->placement.replica_rank = c->out.replica_rank;
  c->placement.logical_count = c->out.logical_count;
  c->placement.logical_to_physical = c->out.logical_to_physical;

  c->arg.operation = EPLB_OPERATION_PLAN;
  c->arg.problem = &c->problem;
  c->arg.options = &c->options;
  c->arg.workspace = c->workspace;
  c->arg.workspace_size = sizeof c->workspace;
  c->arg.placement = &c->placement;
  c->arg.per_layer = c->out.per_layer;
  c->arg.metrics_size = sizeof(eplb_metrics);
  c->arg.first = &c->out.first;
  c->arg.first_size = sizeof(eplb_violation);
  c->arg.digest = &c->out.digest;
  c->arg.size = &c->out.size;
  c->arg.align = &c->out.align;
}

int32_t call_plan(call *c) {
  return eplb_plan(c->arg.problem, c->arg.options, c->arg.workspace, c->arg.workspace_size, c->arg.placement,
                   c->arg.per_layer, c->arg.metrics_size);
}

int32_t call_evaluate(call *c) {
  return eplb_evaluate(c->arg.problem, c->arg.options, c->arg.workspace, c->arg.workspace_size, c->arg.placement,
                       c->arg.per_layer, c->arg.metrics_size);
}

int32_t call_check(call *c) {
  return eplb_check(c->arg.problem, c->arg.options, c->arg.workspace, c->arg.workspace_size, c->arg.placement,
                    c->arg.first, c->arg.first_size);
}

static int32_t call_digest(call *c) {
  return eplb_digest(c->arg.problem, c->arg.placement, c->arg.digest);
}

static int32_t call_size(call *c) {
  return eplb_workspace(c->arg.operation, c->arg.problem, c->arg.options, c->arg.size, c->arg.align);
}

static int32_t size_of(call *c, uint32_t operation) {
  uint32_t given = c->arg.operation;
  if (given == EPLB_OPERATION_PLAN) c->arg.operation = operation; /* else the test chose one */
  int32_t status = call_size(c);
  c->arg.operation = given;
  return status;
}

static int32_t size_plan(call *c) { return size_of(c, EPLB_OPERATION_PLAN); }
static int32_t size_evaluate(call *c) { return size_of(c, EPLB_OPERATION_EVALUATE); }
static int32_t size_check(call *c) { return size_of(c, EPLB_OPERATION_CHECK); }

/* The plan of an unchanged call. */
static const outputs *good_plan(void) {
  static call good;
  static uint32_t planned_for = UINT32_MAX; /* none */
  if (planned_for != policy_under_test) {
    call_init(&good);
    if (call_plan(&good) != EPLB_STATUS_OK) {
      printf("the unchanged call is refused\n");
      exit(1);
    }
    planned_for = policy_under_test;
  }
  return &good.out;
}

/* The maps are what the judging functions read: give them good ones. */
static void fill_maps(outputs *out) {
  const outputs *good = good_plan();
  memcpy(out->physical_to_logical, good->physical_to_logical, sizeof good->physical_to_logical);
  memcpy(out->replica_rank, good->replica_rank, sizeof good->replica_rank);
  memcpy(out->logical_count, good->logical_count, sizeof good->logical_count);
  memcpy(out->logical_to_physical, good->logical_to_physical, sizeof good->logical_to_physical);
}

int intact(const unsigned char *canary) {
  for (int byte = 0; byte < CANARY; byte++)
    if (canary[byte] != 0xa5) return 0;
  return 1;
}

static int canaries_intact(const outputs *out) {
  const unsigned char *canaries[] = {out->canary0, out->canary1, out->canary2, out->canary3,
                                     out->canary4, out->canary5, out->canary6, out->canary7};
  for (size_t i = 0; i < LENGTH(canaries); i++)
    if (!intact(canaries[i])) return 0;
  return 1;
}

static void report(int good, const char *file, int line, const char *edit, const char *function, const char *what) {
  char text[512];
  snprintf(text, sizeof text, "%s after { %s }: %s", function, edit, what);
  check(good, file, line, text);
}

void expect(call *c, int functions, int32_t status, const char *file, int line, const char *edit) {
  static const struct {
    int function;
    int reads_maps;
    const char *name;
    int32_t (*run)(call *);
  } all[] = {
      {PLAN, 0, "eplb_plan", call_plan},
      {EVALUATE, 1, "eplb_evaluate", call_evaluate},
      {JUDGE, 1, "eplb_check", call_check},
      {DIGEST, 1, "eplb_digest", call_digest},
      {SIZE_PLAN, 0, "eplb_workspace(PLAN)", size_plan},
      {SIZE_EVALUATE, 0, "eplb_workspace(EVALUATE)", size_evaluate},
      {SIZE_CHECK, 0, "eplb_workspace(CHECK)", size_check},
  };
  for (size_t i = 0; i < LENGTH(all); i++) {
    if (!(functions & all[i].function)) continue;
    memset(&c->out, 0xa5, sizeof c->out);
    if (all[i].reads_maps) fill_maps(&c->out);
    outputs before;
    memcpy(&before, &c->out, sizeof before);

    int32_t found = all[i].run(c);
    check_equal(found, status, file, line, all[i].name);
    if (found != status) printf("  after { %s }: %s\n", edit, eplb_status_string(found));
    if (status == EPLB_STATUS_OK) {
      report(canaries_intact(&c->out), file, line, edit, all[i].name, "wrote beyond an output");
    } else {
      int same = memcmp(&before, &c->out, sizeof before) == 0;
      report(same, file, line, edit, all[i].name, "touched an output although it failed");
    }
  }
  const char *text = eplb_status_string(status);
  report(text != NULL && text[0] != '\0', file, line, edit, "eplb_status_string", "no text");
}

void expect_same_plan(call *c, const char *file, int line, const char *edit) {
  const outputs *good = good_plan();
  expect(c, PLAN, EPLB_STATUS_OK, file, line, edit);
  int maps = memcmp(c->out.physical_to_logical, good->physical_to_logical, sizeof good->physical_to_logical) == 0 &&
             memcmp(c->out.replica_rank, good->replica_rank, sizeof good->replica_rank) == 0 &&
             memcmp(c->out.logical_count, good->logical_count, sizeof good->logical_count) == 0 &&
             memcmp(c->out.logical_to_physical, good->logical_to_physical, sizeof good->logical_to_physical) == 0;
  int metrics = memcmp(c->out.per_layer, good->per_layer, sizeof good->per_layer) == 0;
  report(maps, file, line, edit, "eplb_plan", "another plan");
  report(metrics, file, line, edit, "eplb_plan", "other metrics");
}

void *allocate(size_t size) {
  void *block = malloc(size != 0 ? size : 1);
  if (block == NULL) {
    printf("out of memory\n");
    exit(1);
  }
  return block;
}

uint32_t random_next(uint32_t *state) {
  *state ^= *state << 13;
  *state ^= *state >> 17;
  *state ^= *state << 5;
  return *state;
}
