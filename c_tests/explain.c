/* eplb_explain and its kin: every refusal has a sentence that names the argument and the place in it, ends with the
 * status that the function answers, and leaves every output as it was. */
#include "sentence.h"

/* --- problem, options, placement: the call of the harness ------------------------------------------- */

static size_t explain_long(call *c, int function, char *text, size_t size) {
  switch (function) {
  case PLAN:
    return eplb_explain_plan(c->arg.problem, c->arg.options, c->arg.workspace, c->arg.workspace_size, c->arg.placement,
                             c->arg.per_layer, c->arg.metrics_size, text, size);
  case EVALUATE:
    return eplb_explain_evaluate(c->arg.problem, c->arg.options, c->arg.workspace, c->arg.workspace_size,
                                 c->arg.placement, c->arg.per_layer, c->arg.metrics_size, text, size);
  case JUDGE:
    return eplb_explain_check(c->arg.problem, c->arg.options, c->arg.workspace, c->arg.workspace_size,
                              c->arg.placement, c->arg.first, c->arg.first_size, text, size);
  default: return eplb_explain(EPLB_OPERATION_DIGEST, c->arg.problem, NULL, c->arg.placement, text, size);
  }
}

static size_t explain_short(call *c, int function, char *text, size_t size) {
  static const struct {
    int function;
    uint32_t operation;
  } of[] = {{PLAN, EPLB_OPERATION_PLAN},          {EVALUATE, EPLB_OPERATION_EVALUATE}, {JUDGE, EPLB_OPERATION_CHECK},
            {DIGEST, EPLB_OPERATION_DIGEST},      {SIZE_PLAN, EPLB_OPERATION_PLAN},    {SIZE_EVALUATE, EPLB_OPERATION_EVALUATE},
            {SIZE_CHECK, EPLB_OPERATION_CHECK}};
  for (size_t i = 0; i < LENGTH(of); i++)
    if (of[i].function == function) {
      uint32_t operation = c->arg.operation != EPLB_OPERATION_PLAN ? c->arg.operation : of[i].operation;
      const eplb_placement *placement = function & SIZES ? NULL : c->arg.placement;
      return eplb_explain(operation, c->arg.problem, c->arg.options, placement, text, size);
    }
  return 0;
}

/* Where the short form says it, too; else only the long one. */
enum { STRUCTS = 1 << 20 };

static int32_t run(call *c, int function) {
  size_t size, align;
  uint64_t digest;
  uint32_t operation = c->arg.operation;
  switch (function) {
  case PLAN: return call_plan(c);
  case EVALUATE: return call_evaluate(c);
  case JUDGE: return call_check(c);
  case DIGEST: return eplb_digest(c->arg.problem, c->arg.placement, &digest);
  default: break;
  }
  if (operation == EPLB_OPERATION_PLAN) /* else the test chose one */
    operation = function == SIZE_EVALUATE ? EPLB_OPERATION_EVALUATE : function == SIZE_CHECK ? EPLB_OPERATION_CHECK : operation;
  return eplb_workspace(operation, c->arg.problem, c->arg.options, &size, &align);
}

static void says(call *c, int functions, int32_t status, const char *words, int line, const char *edit) {
  for (int function = PLAN; function <= SIZE_CHECK; function *= 2) {
    if (!(functions & function)) continue;
    outputs before;
    memcpy(&before, &c->out, sizeof before);
    check_equal(run(c, function), status, __FILE__, line, edit);
    if (function < SIZE_PLAN) {
      check_sentence(explain_long(c, function, said, sizeof said), status, words, line, edit);
#define LONG(text, size) explain_long(c, function, text, size)
      CHECK_BUFFERS(line, edit, LONG);
    }
    if (functions & STRUCTS || function >= SIZE_PLAN) {
      check_sentence(explain_short(c, function, said, sizeof said), status, words, line, edit);
#define SHORT(text, size) explain_short(c, function, text, size)
      CHECK_BUFFERS(line, edit, SHORT);
    }
    int answered = status == EPLB_STATUS_OK || status == EPLB_STATUS_PLACEMENT_INVALID;
    check(answered || memcmp(&before, &c->out, sizeof before) == 0, __FILE__, line, edit);
  }
}

/* A good placement in the maps, for the functions that read them. */
static void fill(call *c) {
  call good;
  call_init(&good);
  CHECK_EQUAL(call_plan(&good), EPLB_STATUS_OK);
  c->out = good.out;
}

/* Changes one thing in a fresh call, and says which words must come of it. */
#define SAYS(functions, status, words, ...)                        \
  do {                                                             \
    call c;                                                        \
    call_init(&c);                                                 \
    c.options.policy = EPLB_POLICY_BALANCED;                       \
    fill(&c);                                                      \
    __VA_ARGS__;                                                   \
    says(&c, functions, status, words, __LINE__, #__VA_ARGS__);    \
  } while (0)
#define MISALIGN(pointer) ((pointer) = (void *)((uintptr_t)(pointer) + 1))

static const int maps = PLAN | EVALUATE | JUDGE | DIGEST | STRUCTS;

static void pointers_and_structs(void) {
  SAYS(EVERYWHERE | STRUCTS, EPLB_STATUS_NULL_POINTER, "problem is NULL: pass", c.arg.problem = NULL);
  SAYS(PLAN | EVALUATE | JUDGE, EPLB_STATUS_NULL_POINTER, "placement is NULL", c.arg.placement = NULL);
  SAYS(PLAN | EVALUATE | JUDGE, EPLB_STATUS_NULL_POINTER, "workspace is NULL", c.arg.workspace = NULL);
  SAYS(EVALUATE, EPLB_STATUS_NULL_POINTER, "per_layer is NULL", c.arg.per_layer = NULL);
  SAYS(PLAN | EVALUATE | STRUCTS, EPLB_STATUS_NULL_POINTER, "problem.load is NULL", c.problem.load = NULL);
  SAYS(maps, EPLB_STATUS_NULL_POINTER, "placement.physical_to_logical is NULL", c.placement.physical_to_logical = NULL);

  const int32_t odd = EPLB_STATUS_MISALIGNED_POINTER;
  SAYS(EVERYWHERE | STRUCTS, odd, "problem is at no multiple of 8 bytes", MISALIGN(c.arg.problem));
  SAYS(SHAPED | STRUCTS, odd, "options is at no multiple of 8", MISALIGN(c.arg.options));
  SAYS(PLAN | EVALUATE, odd, "per_layer is at no multiple of 8", MISALIGN(c.arg.per_layer));
  SAYS(JUDGE, odd, "first is at no multiple of 4", MISALIGN(c.arg.first));
  SAYS(PLAN | EVALUATE | STRUCTS, odd, "problem.load is at no multiple of 4", MISALIGN(c.problem.load));
  SAYS(SHAPED | STRUCTS, odd, "problem.gpu_speed is at", c.problem.gpu_speed = c.gpu_speed; MISALIGN(c.problem.gpu_speed));
  SAYS(PLAN | STRUCTS, odd, "options.previous is at", c.options.previous = c.previous; MISALIGN(c.options.previous));
  SAYS(PLAN | JUDGE | STRUCTS, odd, "placement.logical_count is at", MISALIGN(c.placement.logical_count));

  const int32_t size = EPLB_STATUS_STRUCT_SIZE;
  SAYS(EVERYWHERE | STRUCTS, size, "problem.struct_size is 80|88|EPLB_PROBLEM_INIT", c.problem.struct_size = 80);
  SAYS(SHAPED | STRUCTS, size, "options.struct_size is 0|40|EPLB_OPTIONS_INIT", c.options.struct_size = 0);
  SAYS(maps, size, "placement.struct_size is 4294967295", c.placement.struct_size = UINT32_MAX);
  SAYS(PLAN | EVALUATE, size, "metrics_size is 88|96", c.arg.metrics_size = 88);
  SAYS(PLAN | EVALUATE, size, "metrics_size is 100", c.arg.metrics_size = 100);
  SAYS(JUDGE, size, "first_size is 16|24", c.arg.first_size = 16);
  SAYS(SHAPED | STRUCTS, size, "options.struct_size is 56|byte 51|EPLB_OPTIONS_INIT", struct {
    eplb_options known;
    unsigned char tail[8];
  } newer; memset(&newer, 0, sizeof newer); newer.known = c.options; newer.known.struct_size = sizeof newer;
       newer.tail[3] = 1; c.arg.options = &newer.known);
  SAYS(SHAPED | STRUCTS, EPLB_STATUS_UNKNOWN_SPLIT, "options.split is 2|EPLB_SPLIT_*", c.options.split = 2);
  SAYS(SHAPED | STRUCTS, EPLB_STATUS_RESERVED_NOT_ZERO, "options.reserved is not 0", c.options.reserved = 1);
  SAYS(SHAPED | STRUCTS, EPLB_STATUS_TARGET, "options.target is 65537|1/65536, 65536 at most", c.options.target = 65537);

  const int32_t overlap = EPLB_STATUS_OVERLAPPING_ARRAYS;
  SAYS(PLAN | STRUCTS, overlap, "placement.physical_to_logical|placement.replica_rank|overlaps",
       c.placement.replica_rank = c.placement.physical_to_logical);
  SAYS(PLAN, overlap, "workspace|problem.load|overlaps", c.arg.workspace = c.load; c.arg.workspace_size = sizeof c);
  SAYS(EVALUATE, overlap, "per_layer|placement.physical_to_logical",
       c.arg.per_layer = (eplb_metrics *)(void *)((char *)c.out.physical_to_logical));
  SAYS(PLAN | EVALUATE | JUDGE, EPLB_STATUS_WORKSPACE_MISALIGNED, "workspace is at no multiple of 8 bytes",
       MISALIGN(c.arg.workspace));
  SAYS(PLAN | EVALUATE | JUDGE, EPLB_STATUS_WORKSPACE_TOO_SMALL, "workspace_size is 8, this call needs |eplb_workspace",
       c.arg.workspace_size = 8);
}

static void numbers(void) {
  SAYS(SIZES, EPLB_STATUS_UNKNOWN_OPERATION, "operation is 99|EPLB_OPERATION_*", c.arg.operation = 99);
  SAYS(SHAPED | STRUCTS, EPLB_STATUS_UNKNOWN_POLICY, "options.policy is 1000|EPLB_POLICY_*", c.options.policy = 1000);
  SAYS(SHAPED | STRUCTS, EPLB_STATUS_UNKNOWN_SCOPE, "options.scope is 3|EPLB_SCOPE_*", c.options.scope = 3);
  SAYS(SHAPED | STRUCTS, EPLB_STATUS_UNKNOWN_FLAG, "options.flags is 2147483649, in which 2147483648",
       c.options.flags = 0x80000001u);
  const int planning = PLAN | SIZE_PLAN | STRUCTS;
  SAYS(planning, EPLB_STATUS_MOVES_WITHOUT_PREVIOUS, "options.max_moves is 48|options.previous is NULL",
       c.options.max_moves = 48);
  SAYS(planning, EPLB_STATUS_MOVES_WITHOUT_PREVIOUS, "options.max_moves_per_gpu_pair is 2",
       c.options.max_moves_per_gpu_pair = 2);
  SAYS(planning, EPLB_STATUS_MOVES_WITHOUT_PREVIOUS, "options.target is 60000|options.previous is NULL",
       c.options.target = 60000);
  SAYS(planning, EPLB_STATUS_UNSUPPORTED_PREVIOUS, "options.target is 60000|EPLB_POLICY_DEEPSEEK",
       c.options.target = 60000; c.options.previous = c.previous; c.options.policy = EPLB_POLICY_DEEPSEEK);
  SAYS(planning, EPLB_STATUS_UNSUPPORTED_PREVIOUS, "options.max_moves is 48|EPLB_POLICY_WATERFILL",
       c.options.max_moves = 48; c.options.previous = c.previous; c.options.policy = EPLB_POLICY_WATERFILL);
  SAYS(planning, EPLB_STATUS_UNSUPPORTED_SPLIT, "options.split is EPLB_SPLIT_NEAREST|EPLB_POLICY_DEEPSEEK",
       c.options.policy = EPLB_POLICY_DEEPSEEK, c.options.split = EPLB_SPLIT_NEAREST);
  SAYS(planning, EPLB_STATUS_UNSUPPORTED_FLAG, "EPLB_FLAG_SURVIVE_GPU (2)|EPLB_POLICY_DEEPSEEK",
       c.options.flags = EPLB_FLAG_SURVIVE_GPU; c.options.policy = EPLB_POLICY_DEEPSEEK);
  SAYS(planning, EPLB_STATUS_UNSUPPORTED_FLAG, "EPLB_FLAG_SURVIVE_GPU|hierarchical scope|EPLB_SCOPE_GLOBAL",
       c.options.flags = EPLB_FLAG_SURVIVE_GPU);
}

static void sizes(void) {
  const int32_t zero = EPLB_STATUS_SHAPE_ZERO, large = EPLB_STATUS_SHAPE_TOO_LARGE;
  SAYS(SHAPED | STRUCTS, zero, "problem.num_layers is 0", c.problem.num_layers = 0);
  SAYS(SHAPED | STRUCTS, zero, "problem.num_gpus is 0", c.problem.num_gpus = 0);
  SAYS(SHAPED | STRUCTS, large, "problem.num_logical_experts is 2147483648|2147483647",
       c.problem.num_logical_experts = UINT32_C(1) << 31);
  SAYS(SHAPED | STRUCTS, large, "num_layers x num_logical_experts|address space", c.problem.num_layers = INT32_MAX;
       c.problem.num_logical_experts = INT32_MAX);
  SAYS(SHAPED | STRUCTS, large, "num_layers x num_physical_experts", c.problem.num_layers = INT32_MAX;
       c.problem.num_physical_experts = INT32_MAX);
  SAYS(SHAPED | STRUCTS, large, "load_window_stride x num_windows", c.problem.num_windows = 2;
       c.problem.load_window_stride = UINT64_MAX);
  SAYS(SHAPED | STRUCTS, EPLB_STATUS_WINDOW_STRIDE, "problem.load_window_stride is 7|24",
       c.problem.load_window_stride = 7);
  SAYS(SHAPED | STRUCTS, EPLB_STATUS_TOO_MANY_NODES, "problem.num_nodes is 5, problem.num_gpus is 4", c.problem.num_nodes = 5);
  SAYS(SHAPED | STRUCTS, EPLB_STATUS_SLOTS_NOT_DIVISIBLE,
       "problem.num_physical_experts is 12, no multiple of problem.num_gpus, 5|gpu_slots|EPLB_POLICY_BALANCED",
       c.problem.num_gpus = 5);
  const int planning = PLAN | SIZE_PLAN | STRUCTS;
  SAYS(planning, EPLB_STATUS_TOO_FEW_SLOTS, "problem.num_logical_experts is 16|room for 12", c.problem.num_logical_experts = 16);
  SAYS(planning, EPLB_STATUS_TOO_FEW_SLOTS, "problem.num_physical_experts is 12|num_logical_experts is 16",
       c.problem.num_logical_experts = 16; c.options.policy = EPLB_POLICY_DEEPSEEK);
  SAYS(planning, EPLB_STATUS_EXPERTS_NOT_DIVISIBLE, "problem.num_logical_experts is 8, no multiple of num_groups, 6",
       c.problem.num_groups = 6);
  SAYS(planning, EPLB_STATUS_GROUPS_NOT_DIVISIBLE, "problem.num_groups is 4, no multiple of num_nodes, 3|EPLB_SCOPE_GLOBAL",
       c.problem.num_nodes = 3; c.options.scope = EPLB_SCOPE_HIERARCHICAL; c.options.policy = EPLB_POLICY_DEEPSEEK);
  SAYS(planning, EPLB_STATUS_GPUS_NOT_DIVISIBLE, "problem.num_gpus is 4, no multiple of num_nodes, 3",
       c.problem.num_nodes = c.problem.num_groups = 3; c.problem.num_logical_experts = 6;
       c.options.policy = EPLB_POLICY_DEEPSEEK);
  SAYS(planning, EPLB_STATUS_INFEASIBLE, "problem.num_groups is 1|room for 0 groups of 8 experts",
       c.problem.num_groups = 1; c.options.scope = EPLB_SCOPE_HIERARCHICAL);
  SAYS(planning, EPLB_STATUS_INFEASIBLE, "EPLB_FLAG_SURVIVE_NODE|hierarchical scope", c.options.flags = EPLB_FLAG_SURVIVE_NODE);
  SAYS(planning, EPLB_STATUS_INFEASIBLE, "EPLB_FLAG_SURVIVE_GPU|2 places for each of 8 experts|have 12",
       c.options.flags = EPLB_FLAG_SURVIVE_GPU; c.options.scope = EPLB_SCOPE_GLOBAL);
  SAYS(planning, EPLB_STATUS_UNSUPPORTED_WINDOWS, "problem.num_windows is 2|EPLB_POLICY_MULTI_SWAP",
       c.problem.num_windows = 2; c.options.policy = EPLB_POLICY_MULTI_SWAP);
  SAYS(SIZE_PLAN, large, "problem.num_gpus is 65536|65535", c.problem.num_gpus = 65536;
       c.problem.num_physical_experts = 65536 * 4);
  SAYS(DIGEST | STRUCTS, zero, "", c.problem.num_layers = 0);
}

static void machine(void) {
  SAYS(SHAPED | STRUCTS, EPLB_STATUS_GPU_SLOTS, "problem.gpu_slots sums to 13, problem.num_physical_experts is 12",
       c.problem.gpu_slots = c.gpu_slots; c.gpu_slots[2] = 4);
  SAYS(SHAPED | STRUCTS, EPLB_STATUS_GPU_SPEED, "problem.gpu_speed[gpu 3] is -0.5", c.problem.gpu_speed = c.gpu_speed;
       c.gpu_speed[3] = -0.5f);
  SAYS(SHAPED | STRUCTS, EPLB_STATUS_GPU_SPEED, "problem.gpu_speed[gpu 1] is 1e-45", c.problem.gpu_speed = c.gpu_speed;
       c.gpu_speed[1] = 1e-45f);
  SAYS(SHAPED | STRUCTS, EPLB_STATUS_GPU_NODE, "problem.gpu_node[gpu 2] is 2|num_nodes, 2", c.problem.gpu_node = c.gpu_node;
       c.gpu_node[2] = 2);
  static const float tokens = 0;
  static eplb_cost cost = {sizeof(eplb_cost), 0, 0.5, -2, 1};
  SAYS(SHAPED | STRUCTS, EPLB_STATUS_STEP_TOKENS, "problem.step_tokens[window 0] is 0", c.problem.step_tokens = &tokens);
  SAYS(SHAPED | STRUCTS, EPLB_STATUS_COST, "problem.cost.expert_seconds is -2", c.problem.cost = &cost);
  cost.expert_seconds = 2;
  SAYS(PLAN | SIZE_PLAN | STRUCTS, EPLB_STATUS_UNSUPPORTED_COST, "problem.cost is set|EPLB_POLICY_DEEPSEEK|make it NULL",
       c.problem.cost = &cost; c.options.policy = EPLB_POLICY_DEEPSEEK);
  cost.reserved = 1;
  SAYS(SHAPED | STRUCTS, EPLB_STATUS_RESERVED_NOT_ZERO, "problem.cost.reserved is not 0", c.problem.cost = &cost);
  SAYS(SHAPED | STRUCTS, EPLB_STATUS_GPU_STATE, "problem.gpu_state[gpu 1] is 3|EPLB_GPU_*",
       c.problem.gpu_state = c.gpu_state; c.gpu_state[1] = 3);
  SAYS(SHAPED | STRUCTS, EPLB_STATUS_NO_ALIVE_GPU, "problem.gpu_state|EPLB_GPU_ALIVE|4 GPUs",
       c.problem.gpu_state = c.gpu_state; memset(c.gpu_state, EPLB_GPU_DEAD, G));
  const int planning = PLAN | SIZE_PLAN | STRUCTS;
#define OTHERS c.options.policy = EPLB_POLICY_DEEPSEEK
  SAYS(planning, EPLB_STATUS_UNSUPPORTED_SPEED, "problem.gpu_speed[gpu 2] is 0.5, that of GPU 0 1|EPLB_POLICY_DEEPSEEK",
       OTHERS; c.problem.gpu_speed = c.gpu_speed; c.gpu_speed[2] = 0.5f);
  SAYS(planning, EPLB_STATUS_UNSUPPORTED_SLOTS, "problem.gpu_slots[gpu 1] is 2, that of GPU 0 3", OTHERS;
       c.problem.gpu_slots = c.gpu_slots; c.gpu_slots[1] = 2; c.gpu_slots[2] = 4);
  SAYS(planning, EPLB_STATUS_UNSUPPORTED_STATE, "problem.gpu_state[gpu 3] is EPLB_GPU_DEAD (1)", OTHERS;
       c.problem.gpu_state = c.gpu_state; c.gpu_state[3] = EPLB_GPU_DEAD);
  SAYS(planning, EPLB_STATUS_UNSUPPORTED_STATE, "problem.gpu_state[gpu 0] is EPLB_GPU_LEAVING (2)", OTHERS;
       c.problem.gpu_state = c.gpu_state; c.gpu_state[0] = EPLB_GPU_LEAVING);
  SAYS(planning, EPLB_STATUS_UNSUPPORTED_NODES, "problem.gpu_node[gpu 1] is 1|it is 0", OTHERS;
       c.problem.gpu_node = c.gpu_node; c.gpu_node[1] = 1; c.gpu_node[2] = 0);
}

static void loads(void) {
  const float zero = 0, nan = zero / zero, infinity = 1 / zero;
  const int reads = PLAN | EVALUATE | STRUCTS;
  SAYS(reads, EPLB_STATUS_LOAD_NAN, "problem.load[window 0][layer 2][expert 1] is NaN", c.load[2 * E + 1] = nan);
  SAYS(reads, EPLB_STATUS_LOAD_INFINITE, "problem.load[window 1][layer 0][expert 7] is infinity", c.problem.num_windows = 2;
       c.load[L * E + 7] = infinity);
  SAYS(reads, EPLB_STATUS_LOAD_NEGATIVE, "problem.load[window 0][layer 1][expert 0] is -2.5", c.load[E] = -2.5f;
       c.load[2 * E] = nan);
  SAYS(reads, EPLB_STATUS_LOAD_NEGATIVE, "problem.load[window 0][layer 0][expert 3] is -infinity", c.load[3] = -infinity);
  SAYS(PLAN | STRUCTS, EPLB_STATUS_LOAD_TOO_LARGE, "problem.load[window 0][layer 1][expert 2] is 2e37|EPLB_POLICY_BALANCED",
       c.load[E + 2] = 2e37f; c.options.policy = EPLB_POLICY_DEEPSEEK);
  SAYS(reads, EPLB_STATUS_WINDOW_WEIGHT, "problem.window_weight[layer 1][window 1] is -1", c.problem.num_windows = 2;
       c.problem.window_weight = c.window_weight; c.window_weight[3] = -1);
  SAYS(reads, EPLB_STATUS_WINDOW_WEIGHT, "problem.window_weight|0 for all windows of layer 2", c.problem.num_windows = 2;
       c.problem.window_weight = c.window_weight; c.window_weight[4] = c.window_weight[5] = 0);
  float did[L * P];
  for (int i = 0; i < L * P; i++) did[i] = 1;
  did[P + 3] = nan;
  SAYS(EVALUATE | STRUCTS, EPLB_STATUS_LOAD_NAN, "placement.physical_load[layer 1][slot 3] is NaN",
       c.placement.physical_load = did);
}

static void placements(void) {
  SAYS(EVALUATE | STRUCTS, EPLB_STATUS_PLACEMENT_EXPERT,
       "placement.physical_to_logical[layer 1][slot 5] is 8|below num_logical_experts, 8",
       c.out.physical_to_logical[P + 5] = E);
  SAYS(EVALUATE | STRUCTS, EPLB_STATUS_PLACEMENT_EXPERT, "[layer 2][slot 0] is -2", c.out.physical_to_logical[2 * P] = -2);
  SAYS(EVALUATE | STRUCTS, EPLB_STATUS_PLACEMENT_MISSING, "expert 6 of layer 2",
       for (int slot = 2 * P; slot < 3 * P; slot++) if (c.out.physical_to_logical[slot] == 6) c.out.physical_to_logical[slot] = 7);
  SAYS(PLAN | STRUCTS, EPLB_STATUS_MAX_REPLICAS, "placement.max_replicas is 0|1 at least", c.placement.max_replicas = 0);
  SAYS(PLAN | STRUCTS, EPLB_STATUS_MAX_REPLICAS, "placement.max_replicas is 4|5 at least", c.placement.max_replicas = R - 1;
       c.options.policy = EPLB_POLICY_DEEPSEEK);
  SAYS(PLAN | STRUCTS, EPLB_STATUS_MAX_REPLICAS, "placement.max_replicas is 1|two places",
       c.problem.num_logical_experts = 4; c.options.flags = EPLB_FLAG_SURVIVE_GPU; c.options.scope = EPLB_SCOPE_GLOBAL;
       c.placement.max_replicas = 1);

  const int32_t invalid = EPLB_STATUS_PLACEMENT_INVALID;
#define BROKEN(words, ...) SAYS(JUDGE | STRUCTS, invalid, words, __VA_ARGS__)
  BROKEN("placement.physical_to_logical[layer 0][slot 4] is 300", c.out.physical_to_logical[4] = 300);
  BROKEN("[layer 0][slot |GPU 1 is not EPLB_GPU_ALIVE", c.problem.gpu_state = c.gpu_state; c.gpu_state[1] = EPLB_GPU_DEAD);
  BROKEN("[layer 2][slot 3] is -1, GPU 1 is alive", c.out.physical_to_logical[2 * P + 3] = -1;
         c.options.policy = EPLB_POLICY_DEEPSEEK);
  BROKEN("expert 0 of layer 1 in no slot", for (int slot = P; slot < 2 * P; slot++)
           if (c.out.physical_to_logical[slot] == 0) c.out.physical_to_logical[slot] = 1);
  BROKEN("placement.logical_count[layer 2][expert 3]", c.out.logical_count[2 * E + 3] += 1; c.options.scope = EPLB_SCOPE_GLOBAL;
         c.options.policy = EPLB_POLICY_DEEPSEEK);
  BROKEN("placement.replica_rank[layer 0][slot 2]", c.out.replica_rank[2] = 9; c.options.policy = EPLB_POLICY_DEEPSEEK);
  BROKEN("placement.logical_to_physical[layer 0][expert 0]|slot 11", c.out.logical_to_physical[0] = 11;
         c.options.policy = EPLB_POLICY_DEEPSEEK);
  BROKEN("placement.logical_to_physical[layer 0][expert |max_replicas, 1", c.placement.max_replicas = 1;
         c.options.policy = EPLB_POLICY_DEEPSEEK);
  /* by hand: expert 0 in slots 0 and 1 of GPU 0; group 0 on both nodes */
  static const int32_t twice[P] = {0, 0, 1, 2, 3, 3, 4, 5, 6, 7, 4, 5}, apart[P] = {0, 1, 2, 3, 1, 2, 4, 5, 6, 7, 0, 5};
#define BY_HAND(map) memcpy(c.out.physical_to_logical, map, sizeof map); c.placement.replica_rank = NULL; \
  c.placement.logical_count = NULL; c.placement.logical_to_physical = NULL
  BROKEN("[layer 0][slot 1] is 0, which slot 0 of GPU 0 holds, too", BY_HAND(twice));
  BROKEN("[layer 0][slot 10] is 0 on node 1, slot 0", BY_HAND(apart));
}

/* Slot s of every layer holds expert s % E, and the last GPU is gone: experts 1, 2, 3 are where they were, too. */
static void previous(void) {
  const int planning = PLAN | STRUCTS;
#define FROM c.options.previous = c.previous; c.options.scope = EPLB_SCOPE_GLOBAL
  SAYS(planning, EPLB_STATUS_PLACEMENT_EXPERT, "options.previous[layer 1][slot 2] is 99", FROM; c.previous[P + 2] = 99);
  SAYS(planning, EPLB_STATUS_SOURCE_LOST, "options.previous has expert 5 of layer 2|EPLB_FLAG_EXTERNAL_SOURCE", FROM;
       c.previous[2 * P + 5] = 4);
  SAYS(planning, EPLB_STATUS_MAX_REPLICAS, "placement.max_replicas is 1|2 copies of expert 0 in layer 0", FROM;
       c.options.max_moves = 4; c.placement.max_replicas = 1);
  /* experts 5, 6, 7 of layer 1 were on GPU 2 alone, which has gone */
#define REPAIR FROM; c.problem.gpu_state = c.gpu_state; c.gpu_state[2] = EPLB_GPU_DEAD; c.options.flags = EPLB_FLAG_EXTERNAL_SOURCE; \
  for (int i = 0; i < P; i++) c.previous[P + i] = "\0\1\2\3\4\0\5\6\7\1\2\3"[i]
  SAYS(planning, EPLB_STATUS_INFEASIBLE, "options.max_moves is 2, repair of layer |needs 3|pass 0 for no limit", REPAIR;
       for (int i = 0; i < L * P; i++) c.previous[i] = c.previous[P + i % P]; c.options.max_moves = 2);
  /* one copy may come from each GPU, and the two that are missing were on the one that leaves */
  SAYS(PLAN, EPLB_STATUS_INFEASIBLE, "options.max_moves_per_gpu_pair is 1|layer 0", FROM; c.problem.gpu_state = c.gpu_state;
       c.problem.num_gpus = 2; c.problem.num_nodes = 1; c.gpu_state[1] = EPLB_GPU_LEAVING; c.problem.num_logical_experts = 6;
       c.options.max_moves_per_gpu_pair = 1; c.placement.max_replicas = 7; c.placement.logical_to_physical = NULL;
       for (int i = 0; i < L * P; i++) c.previous[i] = "\0\1\2\3\3\3\4\5\0\1\2\0"[i % P]);
  SAYS(PLAN, EPLB_STATUS_INFEASIBLE, "EPLB_FLAG_FILL_ONLY|layer 0", REPAIR; memcpy(c.previous, c.previous + P, P * sizeof(int32_t));
       c.options.flags |= EPLB_FLAG_FILL_ONLY);
}

/* A call with which nothing is wrong. */
static void nothing(void) {
  SAYS(PLAN | STRUCTS, EPLB_STATUS_OK, "nothing is wrong", c.options.policy = EPLB_POLICY_DEEPSEEK);
  SAYS(DIGEST | STRUCTS | SIZES, EPLB_STATUS_OK, "nothing is wrong", (void)c);
  char text[LONGEST];
  call c;
  call_init(&c);
  eplb_explain(EPLB_OPERATION_REBALANCE, &c.problem, NULL, NULL, text, sizeof text);
  CHECK(strstr(text, "nothing is wrong") != NULL);
  size_t size = 1, align = 0;
  CHECK_EQUAL(eplb_workspace(EPLB_OPERATION_NUMBER, &c.problem, NULL, &size, &align), EPLB_STATUS_OK);
  CHECK_EQUAL(size, 0);
}

/* The text may lie where the arguments are that it is about. */
static void in_place(void) {
  call c;
  call_init(&c);
  c.load[1] = -1;
  const char *expected = "problem.load[window 0][layer 0][expert 1] is -1";
  eplb_explain(EPLB_OPERATION_PLAN, &c.problem, NULL, &c.placement, (char *)c.load, sizeof c.load);
  CHECK(memcmp(c.load, expected, strlen(expected)) == 0);
}

int main(void) {
  policy_under_test = EPLB_POLICY_BALANCED;
  pointers_and_structs();
  numbers();
  sizes();
  machine();
  loads();
  placements();
  previous();
  nothing();
  in_place();
  return finish("explain");
}
