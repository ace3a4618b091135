/*
 * Plans on a controller without an operating system, one layer per call: no heap, no C library, no
 * pointer that outlives a call.
 * Build: your cross compiler with -ffreestanding -Iinclude, this file, and the libeplb.a of the target;
 * c_tests/firmware has start-up code, linker scripts and build commands for six targets.
 *
 * Memory   All of it is here, its size known when this file is compiled. One workspace serves every layer;
 *          what it holds between calls does not matter, so it can be shared with other code that is not at
 *          work at the same time (a union with a network buffer, say).
 * Stack    docs/BENCHMARKS.md has the painted stack of every function and target: 5 KiB are enough on Cortex-M
 *          and riscv32, 8 KiB on aarch64, riscv64 and x86-64. Interrupts come on top.
 * Time     About that of sorting the slots a few times; BALANCED bounds its search by options.effort. Plan from a
 *          low-priority task, or from the main loop: it is milliseconds on a microcontroller, not microseconds.
 * Interrupts  May come at any time: the library has no lock and no global. They may call it too, with a workspace
 *          and outputs of their own. An interrupt that uses the FPU must save its registers (Cortex-M4F does so by
 *          itself), and must leave the rounding mode alone. On x86-64 the library uses the red zone and SSE: let
 *          interrupts switch stacks (IST) and save SSE state, as for any user code.
 * Counters Read them into `load` first, then plan: loads must not change during a call.
 */
#include <eplb.h>

/* The deployment: 58 layers of 64 experts on 72 slots of 8 GPUs. */
enum { LAYERS = 58, EXPERTS = 64, SLOTS = 72, GPUS = 8 };

static uint64_t workspace[EPLB_WORKSPACE_BOUND(EXPERTS, SLOTS, GPUS) / sizeof(uint64_t)]; /* uint64_t: aligned */
static float load[EXPERTS];
static int32_t expert_of[LAYERS][SLOTS]; /* what the GPUs are told: the expert in each slot of each layer */

/* A stand-in for the hardware: tokens that the router sent to an expert since it was last asked. */
static uint32_t read_token_counter(uint32_t layer, uint32_t expert) {
  return (layer * 2654435761u + expert * 40503u) >> 16 & 1023;
}

/* The problem of one layer; static, so that the stack need not hold it. */
static const eplb_problem problem = {
    .struct_size = sizeof(eplb_problem),
    .num_windows = 1,
    .num_layers = 1,
    .num_logical_experts = EXPERTS,
    .num_physical_experts = SLOTS,
    .num_groups = 1,
    .num_nodes = 1,
    .num_gpus = GPUS,
    .load = load,
};
/* An effort is a bound on time; 0 would be the default. */
static const eplb_options options = {.struct_size = sizeof(eplb_options), .effort = 20000};

/* Once, before the first plan: is this the library that was compiled for, and does it fit? */
static int32_t start_planner(void) {
  size_t size, align;
  int32_t status = eplb_workspace(EPLB_OPERATION_PLAN, &problem, &options, &size, &align);
  if (status != EPLB_STATUS_OK) return status;
  if (eplb_version() >> 8 != EPLB_VERSION >> 8) return EPLB_STATUS_STRUCT_SIZE;
  return size <= sizeof workspace ? EPLB_STATUS_OK : EPLB_STATUS_WORKSPACE_TOO_SMALL;
}

/* On anything but OK the layer's old placement stays as it was, and stays in force. */
static int32_t plan_layer(uint32_t layer, double *balance) {
  eplb_placement placement = EPLB_PLACEMENT_INIT;
  eplb_metrics metrics;
  for (uint32_t expert = 0; expert < EXPERTS; expert++) load[expert] = (float)read_token_counter(layer, expert);
  placement.physical_to_logical = expert_of[layer];
  int32_t status =
      eplb_plan(&problem, &options, workspace, sizeof workspace, &placement, &metrics, sizeof metrics);
  if (status == EPLB_STATUS_OK) *balance = metrics.balance;
  return status;
}

/* 0 when every layer was planned, and well. */
int main(void) {
  int32_t status = start_planner();
  for (uint32_t layer = 0; layer < LAYERS && status == EPLB_STATUS_OK; layer++) {
    double balance = 0;
    status = plan_layer(layer, &balance);
    if (status == EPLB_STATUS_OK && balance < 0.9) return 1;
  }
  return status == EPLB_STATUS_OK ? 0 : 2;
}
