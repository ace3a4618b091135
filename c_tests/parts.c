/*
 * A library that was built without some of its parts, which WITHOUT_.. name: what they are for is refused, each with
 * its status and every output as it was, and everything else is planned as the whole library does. Prints a line a
 * plan; parts.sh compares the lines with those of the whole library.
 */
#include "harness.h"

/* 1 where the part is there */
enum {
#ifdef WITHOUT_WINDOWS
  WINDOWS = 0,
#else
  WINDOWS = 1,
#endif
#ifdef WITHOUT_PREVIOUS
  PREVIOUS = 0,
#else
  PREVIOUS = 1,
#endif
#ifdef WITHOUT_DISPATCH
  DISPATCH = 0,
#else
  DISPATCH = 1,
#endif
#ifdef WITHOUT_COMPAT
  COMPAT = 0
#else
  COMPAT = 1
#endif
};

/* Served where the part is there, else refused with the status. */
#define NEEDS(part, functions, status, ...) REFUSES(functions, (part) ? EPLB_STATUS_OK : (status), __VA_ARGS__)

/* What it plans is in force. */
static void in_force(call *c) {
  CHECK_EQUAL(call_plan(c), EPLB_STATUS_OK);
  memcpy(c->previous, c->out.physical_to_logical, sizeof c->previous);
  c->options.previous = c->previous;
}

static void doors(void) {
  NEEDS(WINDOWS, SHAPED, EPLB_STATUS_UNSUPPORTED_WINDOWS, c.problem.num_windows = 2);
  NEEDS(PREVIOUS, PLAN | SIZE_PLAN, EPLB_STATUS_UNSUPPORTED_PREVIOUS, in_force(&c));
  NEEDS(PREVIOUS, PLAN | SIZE_PLAN, EPLB_STATUS_UNSUPPORTED_PREVIOUS, in_force(&c), c.options.max_moves = 2);
  NEEDS(PREVIOUS, PLAN | SIZE_PLAN, EPLB_STATUS_UNSUPPORTED_FLAG, c.options.flags = EPLB_FLAG_EXTERNAL_SOURCE);
  NEEDS(PREVIOUS, PLAN | SIZE_PLAN, EPLB_STATUS_UNSUPPORTED_SPLIT, c.options.split = EPLB_SPLIT_NEAREST);
  NEEDS(PREVIOUS, SIZE_PLAN, EPLB_STATUS_UNKNOWN_OPERATION, c.arg.operation = EPLB_OPERATION_TRANSFERS);
  NEEDS(PREVIOUS, SIZE_PLAN, EPLB_STATUS_UNKNOWN_OPERATION, c.arg.operation = EPLB_OPERATION_REBALANCE);
  NEEDS(PREVIOUS, PLAN | SIZE_PLAN, EPLB_STATUS_UNSUPPORTED_FLAG, in_force(&c), c.options.flags = EPLB_FLAG_FILL_ONLY);
  NEEDS(DISPATCH, PLAN | SIZE_PLAN | EVALUATE | SIZE_EVALUATE, EPLB_STATUS_UNSUPPORTED_FLAG,
        c.options.flags = EPLB_FLAG_DISPATCH);
  NEEDS(DISPATCH, SIZE_PLAN, EPLB_STATUS_UNKNOWN_OPERATION, c.arg.operation = EPLB_OPERATION_DISPATCH);
  eplb_cost cost = EPLB_COST_INIT;
  cost.expert_seconds = 1;
  NEEDS(DISPATCH, EVALUATE | JUDGE | SIZE_EVALUATE | SIZE_CHECK, EPLB_STATUS_UNSUPPORTED_COST, c.problem.cost = &cost);
  NEEDS(DISPATCH && PREVIOUS, PLAN | SIZE_PLAN, EPLB_STATUS_UNSUPPORTED_COST, c.problem.cost = &cost,
        c.options.policy = EPLB_POLICY_BALANCED);
  for (size_t row = 0; row < num_policies; row++)
    if (policies[row].number != EPLB_POLICY_BALANCED)
      NEEDS(COMPAT, PLAN | SIZE_PLAN, EPLB_STATUS_UNSUPPORTED_POLICY, c.options.policy = policies[row].number);
}

#ifdef WITHOUT_EXPLAIN
static void explained(void) {}
#else
/* The explanation names the part. */
static void told(int there, const char *part, uint32_t operation, void (*change)(call *)) {
  char text[400];
  call c;
  call_init(&c);
  change(&c);
  eplb_explain(operation, &c.problem, &c.options, NULL, text, sizeof text);
  CHECK_EQUAL(there, strstr(text, "was built without the part") == NULL);
  CHECK(there || strstr(text, part) != NULL);
}
static void windows(call *c) { c->problem.num_windows = 2; }
static void survives(call *c) { c->options.flags = EPLB_FLAG_SURVIVE_GPU, c->options.max_moves = 0; }
static void judges(call *c) { c->options.flags = EPLB_FLAG_DISPATCH; }
static void costs(call *c) {
  static eplb_cost cost = EPLB_COST_INIT;
  cost.expert_seconds = 1;
  c->problem.cost = &cost;
  c->options.policy = EPLB_POLICY_BALANCED;
}
static void deepseek(call *c) { c->options.policy = EPLB_POLICY_DEEPSEEK; }
static void nothing(call *c) { (void)c; }

static void explained(void) {
  told(WINDOWS, "\"windows\"", EPLB_OPERATION_PLAN, windows);
  told(PREVIOUS, "\"previous\"", EPLB_OPERATION_PLAN, survives);
  told(PREVIOUS, "\"previous\"", EPLB_OPERATION_PLAN, in_force);
  told(PREVIOUS, "\"previous\"", EPLB_OPERATION_TRANSFERS, nothing);
  told(DISPATCH, "\"dispatch\"", EPLB_OPERATION_PLAN, judges);
  told(DISPATCH, "\"dispatch\"", EPLB_OPERATION_EVALUATE, judges);
  told(DISPATCH, "\"dispatch\"", EPLB_OPERATION_DISPATCH, nothing);
  told(DISPATCH, "\"dispatch\"", EPLB_OPERATION_EVALUATE, costs);
  told(DISPATCH && PREVIOUS, DISPATCH ? "\"previous\"" : "\"dispatch\"", EPLB_OPERATION_PLAN, costs);
  told(COMPAT, "\"compat\"", EPLB_OPERATION_PLAN, deepseek);
}
#endif

enum { ROUNDS = 5000, EXPERTS = 96, SLOTS = 160, GPUS = 24, NODES = 4, ROOM = 1 << 16 };

static uint32_t seed = 1;
static uint32_t between(uint32_t low, uint32_t high) {
  seed = seed * 1664525u + 1013904223u;
  return low + (seed >> 8) % (high - low + 1);
}

/* Plans, and prints what of. */
static void show(int round, const eplb_problem *problem, uint32_t scope) {
  static uint64_t workspace[ROOM / sizeof(uint64_t)];
  static int32_t slots[SLOTS];
  eplb_options options = EPLB_OPTIONS_INIT;
  eplb_placement placement = EPLB_PLACEMENT_INIT;
  eplb_metrics metrics;
  size_t size = 0, align;
  uint64_t digest = 0;
  options.scope = scope;
  placement.physical_to_logical = slots;
  int32_t status = eplb_workspace(EPLB_OPERATION_PLAN, problem, &options, &size, &align);
  CHECK(size <= sizeof workspace);
  if (status == EPLB_STATUS_OK) {
    CHECK_EQUAL(eplb_plan(problem, &options, workspace, size, &placement, &metrics, sizeof metrics), EPLB_STATUS_OK);
    CHECK_EQUAL(eplb_digest(problem, &placement, &digest), EPLB_STATUS_OK);
    printf("%d %016llx %a %a\n", round, (unsigned long long)digest, metrics.balance, metrics.bound);
  } else {
    printf("%d %d\n", round, status);
  }
}

/* On nodes, where DEEPSEEK's plan is the better one: few are. */
static void deepseek_is_better(void) {
  static const float load[] = {32, 5, 10, 11, 23, 20, 12, 32, 25, 27, 22, 17};
  eplb_problem problem = EPLB_PROBLEM_INIT;
  problem.num_windows = problem.num_layers = 1;
  problem.num_logical_experts = problem.num_groups = LENGTH(load);
  problem.num_physical_experts = 18;
  problem.num_nodes = 3;
  problem.num_gpus = 9;
  problem.load = load;
  show(ROUNDS, &problem, EPLB_SCOPE_HIERARCHICAL);
}

/* A random problem: one window, groups and nodes or none, speeds or none. */
static void plan(int round) {
  static float load[EXPERTS], speed[GPUS];
  eplb_problem problem = EPLB_PROBLEM_INIT;
  problem.num_windows = problem.num_layers = 1;
  problem.num_nodes = between(1, NODES);
  problem.num_gpus = problem.num_nodes * between(1, GPUS / NODES);
  problem.num_groups = problem.num_nodes * between(1, 3);
  problem.num_logical_experts = problem.num_groups * between(1, 8);
  problem.num_physical_experts =
      (problem.num_logical_experts + problem.num_gpus - 1) / problem.num_gpus * problem.num_gpus +
      problem.num_gpus * between(0, 2);
  for (uint32_t e = 0; e < problem.num_logical_experts; e++) load[e] = (float)(between(0, 1 << 20) >> between(0, 15));
  for (uint32_t g = 0; g < problem.num_gpus; g++) speed[g] = (float)between(2, 5) / 4;
  problem.load = load;
  problem.gpu_speed = between(0, 3) ? NULL : speed;
  show(round, &problem, between(0, 2));
}

int main(void) {
  policy_under_test = EPLB_POLICY_BALANCED;
  doors();
  explained();
  for (int round = 0; round < ROUNDS; round++) plan(round);
  deepseek_is_better();
  return finish("parts");
}
