/*
 * The header alone, compiled as every language it promises, C99 to C23 and C++11 to C++20, 64 and 32
 * bits: sizes, offsets, initialisers and numbers, all at compile time. Nothing here is run.
 */
#include "../include/eplb.h"

/* The array has a negative length when the condition does not hold. */
#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#define ASSERT(condition) typedef char JOIN(assert_at_line_, __LINE__)[(condition) ? 1 : -1]

#if UINTPTR_MAX > 0xffffffffu
#define EITHER(bits64, bits32) (bits64)
#else
#define EITHER(bits64, bits32) (bits32)
#endif
#define SIZE(type, bits64, bits32) ASSERT(sizeof(type) == EITHER(bits64, bits32))
#define OFFSET(type, field, bits64, bits32) ASSERT(offsetof(type, field) == EITHER(bits64, bits32))

SIZE(eplb_problem, 104, 72);
OFFSET(eplb_problem, struct_size, 0, 0);
OFFSET(eplb_problem, num_windows, 4, 4);
OFFSET(eplb_problem, num_layers, 8, 8);
OFFSET(eplb_problem, num_logical_experts, 12, 12);
OFFSET(eplb_problem, num_physical_experts, 16, 16);
OFFSET(eplb_problem, num_groups, 20, 20);
OFFSET(eplb_problem, num_nodes, 24, 24);
OFFSET(eplb_problem, num_gpus, 28, 28);
OFFSET(eplb_problem, load_window_stride, 32, 32);
OFFSET(eplb_problem, load, 40, 40);
OFFSET(eplb_problem, window_weight, 48, 44);
OFFSET(eplb_problem, gpu_speed, 56, 48);
OFFSET(eplb_problem, gpu_slots, 64, 52);
OFFSET(eplb_problem, gpu_node, 72, 56);
OFFSET(eplb_problem, gpu_state, 80, 60);
OFFSET(eplb_problem, cost, 88, 64);
OFFSET(eplb_problem, step_tokens, 96, 68);

SIZE(eplb_cost, 32, 32);
OFFSET(eplb_cost, struct_size, 0, 0);
OFFSET(eplb_cost, reserved, 4, 4);
OFFSET(eplb_cost, token_seconds, 8, 8);
OFFSET(eplb_cost, expert_seconds, 16, 16);
OFFSET(eplb_cost, layer_seconds, 24, 24);

SIZE(eplb_options, 48, 44);
OFFSET(eplb_options, struct_size, 0, 0);
OFFSET(eplb_options, policy, 4, 4);
OFFSET(eplb_options, scope, 8, 8);
OFFSET(eplb_options, effort, 12, 12);
OFFSET(eplb_options, max_moves, 16, 16);
OFFSET(eplb_options, max_moves_per_gpu_pair, 20, 20);
OFFSET(eplb_options, flags, 24, 24);
OFFSET(eplb_options, target, 28, 28);
OFFSET(eplb_options, previous, 32, 32);
OFFSET(eplb_options, split, 40, 36);
OFFSET(eplb_options, reserved, 44, 40);

SIZE(eplb_placement, 48, 28);
OFFSET(eplb_placement, struct_size, 0, 0);
OFFSET(eplb_placement, max_replicas, 4, 4);
OFFSET(eplb_placement, physical_to_logical, 8, 8);
OFFSET(eplb_placement, replica_rank, 16, 12);
OFFSET(eplb_placement, logical_count, 24, 16);
OFFSET(eplb_placement, logical_to_physical, 32, 20);
OFFSET(eplb_placement, physical_load, 40, 24);

SIZE(eplb_transfer, 32, 32);
OFFSET(eplb_transfer, layer, 0, 0);
OFFSET(eplb_transfer, expert, 4, 4);
OFFSET(eplb_transfer, source_gpu, 8, 8);
OFFSET(eplb_transfer, source_slot, 12, 12);
OFFSET(eplb_transfer, destination_gpu, 16, 16);
OFFSET(eplb_transfer, destination_slot, 20, 20);
OFFSET(eplb_transfer, round, 24, 24);
OFFSET(eplb_transfer, commit, 28, 28);

SIZE(eplb_transfer_list, 64, 36);
OFFSET(eplb_transfer_list, struct_size, 0, 0);
OFFSET(eplb_transfer_list, capacity, 4, 4);
OFFSET(eplb_transfer_list, transfers, 8, 8);
OFFSET(eplb_transfer_list, transfer_size, 16, 12);
OFFSET(eplb_transfer_list, layer_start, 24, 16);
OFFSET(eplb_transfer_list, layer_moved, 32, 20);
OFFSET(eplb_transfer_list, layer_rounds, 40, 24);
OFFSET(eplb_transfer_list, totals, 48, 28);
OFFSET(eplb_transfer_list, totals_size, 56, 32);

SIZE(eplb_transfer_totals, 16, 16);
OFFSET(eplb_transfer_totals, count, 0, 0);
OFFSET(eplb_transfer_totals, moved, 4, 4);
OFFSET(eplb_transfer_totals, moved_layers, 8, 8);
OFFSET(eplb_transfer_totals, rounds, 12, 12);

SIZE(eplb_gate_config, 112, 112);
OFFSET(eplb_gate_config, num_layers, 4, 4);
OFFSET(eplb_gate_config, num_gpus, 8, 8);
OFFSET(eplb_gate_config, flags, 12, 12);
OFFSET(eplb_gate_config, step_seconds, 16, 16);
OFFSET(eplb_gate_config, max_cost_seconds, 104, 104);
SIZE(eplb_gate_layer, 48, 48);
OFFSET(eplb_gate_layer, moved, 32, 32);
SIZE(eplb_gate_state, 24, 24);
SIZE(eplb_gate_verdict, 32, 32);
OFFSET(eplb_gate_verdict, move_layer, 24, 24);
SIZE(eplb_gate_total, 40, 40);
OFFSET(eplb_gate_total, moved_layers, 0, 0);
OFFSET(eplb_gate_total, moved, 4, 4);
OFFSET(eplb_gate_total, gain_seconds, 8, 8);
OFFSET(eplb_gate_total, evidence, 32, 32);

SIZE(eplb_metrics, 160, 160);
OFFSET(eplb_metrics, mean_gpu_load, 0, 0);
OFFSET(eplb_metrics, max_gpu_load, 8, 8);
OFFSET(eplb_metrics, balance, 16, 16);
OFFSET(eplb_metrics, node_balance, 24, 24);
OFFSET(eplb_metrics, expert_balance, 32, 32);
OFFSET(eplb_metrics, bound, 40, 40);
OFFSET(eplb_metrics, gap, 48, 48);
OFFSET(eplb_metrics, duplicates, 56, 56);
OFFSET(eplb_metrics, busiest_gpu, 60, 60);
OFFSET(eplb_metrics, worst_window_balance, 64, 64);
OFFSET(eplb_metrics, worst_window, 72, 72);
OFFSET(eplb_metrics, moved_slots, 76, 76);
OFFSET(eplb_metrics, dispatch_balance, 80, 80);
OFFSET(eplb_metrics, dispatch_bound, 88, 88);
OFFSET(eplb_metrics, max_gpu_seconds, 96, 96);
OFFSET(eplb_metrics, mean_gpu_seconds, 104, 104);
OFFSET(eplb_metrics, time_balance, 112, 112);
OFFSET(eplb_metrics, active_experts, 120, 120);
OFFSET(eplb_metrics, seconds_bound, 128, 128);
OFFSET(eplb_metrics, seconds_gap, 136, 136);
OFFSET(eplb_metrics, dispatch_seconds, 144, 144);
OFFSET(eplb_metrics, dispatch_seconds_bound, 152, 152);

SIZE(eplb_batch, 16, 12);
OFFSET(eplb_batch, struct_size, 0, 0);
OFFSET(eplb_batch, num_sources, 4, 4);
OFFSET(eplb_batch, tokens, 8, 8);

SIZE(eplb_quotas, 48, 28);
OFFSET(eplb_quotas, struct_size, 0, 0);
OFFSET(eplb_quotas, max_replicas, 4, 4);
OFFSET(eplb_quotas, quota, 8, 8);
OFFSET(eplb_quotas, route_end, 16, 12);
OFFSET(eplb_quotas, route_slot, 24, 16);
OFFSET(eplb_quotas, per_layer, 32, 20);
OFFSET(eplb_quotas, split_size, 40, 24);

SIZE(eplb_replication, 48, 40);
OFFSET(eplb_replication, struct_size, 0, 0);
OFFSET(eplb_replication, num_sources, 4, 4);
OFFSET(eplb_replication, tokens, 8, 8);
OFFSET(eplb_replication, held, 16, 12);
OFFSET(eplb_replication, tolerance, 24, 16);
OFFSET(eplb_replication, fetch_tokens, 28, 20);
OFFSET(eplb_replication, least_tokens, 32, 24);
OFFSET(eplb_replication, max_fetches_in, 36, 28);
OFFSET(eplb_replication, max_fetches_out, 40, 32);
OFFSET(eplb_replication, reserved, 44, 36);

SIZE(eplb_replicas, 80, 48);
OFFSET(eplb_replicas, struct_size, 0, 0);
OFFSET(eplb_replicas, max_replicas, 4, 4);
OFFSET(eplb_replicas, physical_to_logical, 8, 8);
OFFSET(eplb_replicas, quota, 16, 12);
OFFSET(eplb_replicas, route_end, 24, 16);
OFFSET(eplb_replicas, route_slot, 32, 20);
OFFSET(eplb_replicas, fetches, 40, 24);
OFFSET(eplb_replicas, fetch_size, 48, 28);
OFFSET(eplb_replicas, capacity, 56, 32);
OFFSET(eplb_replicas, reserved, 60, 36);
OFFSET(eplb_replicas, per_layer, 64, 40);
OFFSET(eplb_replicas, replicated_size, 72, 44);

SIZE(eplb_fetch, 32, 32);
OFFSET(eplb_fetch, layer, 0, 0);
OFFSET(eplb_fetch, expert, 4, 4);
OFFSET(eplb_fetch, source_gpu, 8, 8);
OFFSET(eplb_fetch, source_slot, 12, 12);
OFFSET(eplb_fetch, destination_gpu, 16, 16);
OFFSET(eplb_fetch, destination_slot, 20, 20);
OFFSET(eplb_fetch, round, 24, 24);
OFFSET(eplb_fetch, tokens, 28, 28);

SIZE(eplb_replicated, 72, 72);
OFFSET(eplb_replicated, largest_time, 0, 0);
OFFSET(eplb_replicated, bound, 8, 8);
OFFSET(eplb_replicated, balance, 16, 16);
OFFSET(eplb_replicated, tokens, 24, 24);
OFFSET(eplb_replicated, leaving_home, 32, 32);
OFFSET(eplb_replicated, leaving_node, 40, 40);
OFFSET(eplb_replicated, leaving_gpu, 48, 48);
OFFSET(eplb_replicated, fetches, 56, 56);
OFFSET(eplb_replicated, fetches_bound, 60, 60);
OFFSET(eplb_replicated, busiest_gpu, 64, 64);
OFFSET(eplb_replicated, limit, 68, 68);

SIZE(eplb_split, 56, 56);
OFFSET(eplb_split, largest_time, 0, 0);
OFFSET(eplb_split, bound, 8, 8);
OFFSET(eplb_split, balance, 16, 16);
OFFSET(eplb_split, tokens, 24, 24);
OFFSET(eplb_split, leaving_node, 32, 32);
OFFSET(eplb_split, leaving_gpu, 40, 40);
OFFSET(eplb_split, kind, 48, 48);
OFFSET(eplb_split, busiest_gpu, 52, 52);

SIZE(eplb_violation, 24, 24);
OFFSET(eplb_violation, kind, 0, 0);
OFFSET(eplb_violation, layer, 4, 4);
OFFSET(eplb_violation, slot, 8, 8);
OFFSET(eplb_violation, expert, 12, 12);
OFFSET(eplb_violation, gpu, 16, 16);
OFFSET(eplb_violation, other_slot, 20, 20);

SIZE(eplb_tracker_config, 24, 24);
OFFSET(eplb_tracker_config, struct_size, 0, 0);
OFFSET(eplb_tracker_config, num_windows, 4, 4);
OFFSET(eplb_tracker_config, num_layers, 8, 8);
OFFSET(eplb_tracker_config, num_logical_experts, 12, 12);
OFFSET(eplb_tracker_config, steps_per_window, 16, 16);
OFFSET(eplb_tracker_config, reserved, 20, 20);

SIZE(eplb_windows, 56, 48);
OFFSET(eplb_windows, struct_size, 0, 0);
OFFSET(eplb_windows, num_windows, 4, 4);
OFFSET(eplb_windows, num_layers, 8, 8);
OFFSET(eplb_windows, num_logical_experts, 12, 12);
OFFSET(eplb_windows, oldest, 16, 16);
OFFSET(eplb_windows, reserved, 20, 20);
OFFSET(eplb_windows, load_window_stride, 24, 24);
OFFSET(eplb_windows, closed, 32, 32);
OFFSET(eplb_windows, load, 40, 40);
OFFSET(eplb_windows, window_weight, 48, 44);

SIZE(eplb_change, 24, 24);
OFFSET(eplb_change, struct_size, 0, 0);
OFFSET(eplb_change, each_layer, 4, 4);
OFFSET(eplb_change, ratio, 8, 8);
OFFSET(eplb_change, distance, 12, 12);
OFFSET(eplb_change, before, 16, 16);
OFFSET(eplb_change, tokens_per_load, 20, 20);

SIZE(eplb_forecast_options, 16, 16);
OFFSET(eplb_forecast_options, struct_size, 0, 0);
OFFSET(eplb_forecast_options, method, 4, 4);
OFFSET(eplb_forecast_options, half_life, 8, 8);
OFFSET(eplb_forecast_options, sigmas, 12, 12);

/* The enums are as wide as the fields and results that hold them. */
SIZE(eplb_status, 4, 4);
SIZE(eplb_operation, 4, 4);
SIZE(eplb_policy, 4, 4);
SIZE(eplb_scope, 4, 4);
SIZE(eplb_violation_kind, 4, 4);
SIZE(eplb_split_kind, 4, 4);
SIZE(eplb_replicate_limit, 4, 4);
SIZE(eplb_forecast_method, 4, 4);

ASSERT(EPLB_OPERATION_PLAN == 0 && EPLB_OPERATION_EVALUATE == 1 && EPLB_OPERATION_CHECK == 2);
ASSERT(EPLB_OPERATION_DISPATCH == 4);
ASSERT(EPLB_OPERATION_REPLICATE == 8);
ASSERT(EPLB_REPLICATE_LIMIT_NONE == 0 && EPLB_REPLICATE_LIMIT_SLOTS == 1 && EPLB_REPLICATE_LIMIT_FETCHES_IN == 2);
ASSERT(EPLB_REPLICATE_LIMIT_FETCHES_OUT == 3 && EPLB_REPLICATE_LIMIT_LEAST_TOKENS == 4 && EPLB_REPLICATE_LIMIT_EFFORT == 5);
ASSERT(EPLB_FLAG_DISPATCH == 8);
ASSERT(EPLB_SPLIT_KIND_EXACT == 0 && EPLB_SPLIT_KIND_TIME == 1 && EPLB_SPLIT_KIND_EVEN == 2);
ASSERT(EPLB_OPERATION_TRANSFERS == 3 && EPLB_FLAG_EXTERNAL_SOURCE == 1);
ASSERT(EPLB_POLICY_BALANCED == 0 && EPLB_POLICY_DEEPSEEK == 1 && EPLB_POLICY_MULTI_SWAP == 2);
ASSERT(EPLB_POLICY_K2_HYBRID == 3 && EPLB_POLICY_HYBRID_ARGMAX == 4 && EPLB_POLICY_PEAK_AWARE == 5);
ASSERT(EPLB_POLICY_WATERFILL == 6 && EPLB_POLICY_WATERFILL_FIXUP == 7);
ASSERT(EPLB_SCOPE_AUTO == 0 && EPLB_SCOPE_HIERARCHICAL == 1 && EPLB_SCOPE_GLOBAL == 2);
ASSERT(EPLB_GPU_ALIVE == 0 && EPLB_GPU_DEAD == 1 && EPLB_GPU_LEAVING == 2);
ASSERT(EPLB_FLAG_EMPTY_SLOTS == 16 && EPLB_FLAG_FILL_ONLY == 32 && EPLB_MOVES_NONE == UINT32_MAX);
ASSERT(EPLB_GATE_SECONDS == 1);
ASSERT(EPLB_VIOLATION_KIND_NONE == 0 && EPLB_VIOLATION_KIND_EXPERT == 1 && EPLB_VIOLATION_KIND_STATE == 2);
ASSERT(EPLB_VIOLATION_KIND_EMPTY == 3 && EPLB_VIOLATION_KIND_MISSING == 4 && EPLB_VIOLATION_KIND_DUPLICATE == 5);
ASSERT(EPLB_VIOLATION_KIND_NODE == 6 && EPLB_VIOLATION_KIND_COUNT == 7 && EPLB_VIOLATION_KIND_RANK == 8);
ASSERT(EPLB_VIOLATION_KIND_TABLE == 9);
ASSERT(EPLB_FORECAST_METHOD_LAST == 0 && EPLB_FORECAST_METHOD_MEAN == 1 && EPLB_FORECAST_METHOD_HALF_LIFE == 2);
ASSERT(EPLB_FORECAST_METHOD_MEAN_PLUS_SIGMA == 3);
ASSERT(EPLB_VERSION >= 0x000100); /* and as a number of the preprocessor: */
#if EPLB_VERSION < 0x000100
#error EPLB_VERSION
#endif

/* Every initialiser, every function: called as documented. */
int32_t every_function(float *load, int32_t *slots, void *workspace, eplb_metrics *per_layer, uint32_t *quota);
int32_t every_function(float *load, int32_t *slots, void *workspace, eplb_metrics *per_layer, uint32_t *quota) {
  eplb_problem problem = EPLB_PROBLEM_INIT;
  eplb_options options = EPLB_OPTIONS_INIT;
  eplb_placement placement = EPLB_PLACEMENT_INIT;
  eplb_violation first;
  eplb_batch batch = EPLB_BATCH_INIT;
  eplb_quotas quotas = EPLB_QUOTAS_INIT;
  eplb_replication request = EPLB_REPLICATION_INIT;
  eplb_replicas replicas = EPLB_REPLICAS_INIT;
  size_t size = 0, align = 0;
  uint64_t digest = 0;
  int32_t status;
  problem.load = load;
  options.policy = EPLB_POLICY_DEEPSEEK;
  options.scope = EPLB_SCOPE_GLOBAL;
  placement.physical_to_logical = slots;
  status = eplb_workspace(EPLB_OPERATION_PLAN, &problem, &options, &size, &align);
  if (status == EPLB_STATUS_OK)
    status = eplb_plan(&problem, &options, workspace, size, &placement, per_layer, sizeof *per_layer);
  if (status == EPLB_STATUS_OK)
    status = eplb_evaluate(&problem, &options, workspace, size, &placement, per_layer, sizeof *per_layer);
  if (status == EPLB_STATUS_OK) status = 
    eplb_check(&problem, &options, workspace, size, &placement, &first, sizeof first);
  if (status == EPLB_STATUS_OK) status = eplb_digest(&problem, &placement, &digest);
  batch.tokens = quota;
  quotas.quota = quota + 1;
  if (status == EPLB_STATUS_OK)
    status = eplb_dispatch(&problem, &options, workspace, size, &placement, &batch, &quotas);
  request.tokens = quota;
  replicas.quota = quota + 1;
  replicas.physical_to_logical = slots + 1;
  if (status == EPLB_STATUS_OK)
    status = eplb_replicate(&problem, &options, workspace, size, &placement, &request, &replicas);
  if (status == EPLB_STATUS_OK && eplb_route(quota, slots, 1, 0) < -1) status = -1;
  return eplb_status_string(status) != NULL && eplb_version() == EPLB_VERSION ? status : -1;
}

int32_t every_function_of_loads(void *memory, const uint32_t *counts, float *load);
int32_t every_function_of_loads(void *memory, const uint32_t *counts, float *load) {
  eplb_tracker_config config = EPLB_TRACKER_CONFIG_INIT;
  eplb_windows windows = EPLB_WINDOWS_INIT;
  eplb_change change = EPLB_CHANGE_INIT;
  eplb_forecast_options forecast = EPLB_FORECAST_INIT;
  size_t size = 0, align = 0;
  int32_t status;
  config.num_windows = config.num_layers = config.num_logical_experts = 1;
  status = eplb_tracker_size(&config, &size, &align);
  if (status == EPLB_STATUS_OK) status = eplb_tracker_init(&config, memory, size);
  if (status == EPLB_STATUS_OK) status = eplb_tracker_observe(memory, size, 0, counts, 1, NULL);
  if (status == EPLB_STATUS_OK) status = eplb_tracker_close(memory, size);
  if (status == EPLB_STATUS_OK) status = eplb_tracker_windows(memory, size, &windows, sizeof windows);
  if (status == EPLB_STATUS_OK) status = eplb_window_weights(&windows, &change, load, NULL);
  if (status == EPLB_STATUS_OK) status = eplb_forecast(&windows, &forecast, load);
  return status;
}
