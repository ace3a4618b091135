/*
 * eplb: expert placement for Mixture-of-Experts serving.
 *
 * Decides, per layer, how many replicas each logical expert gets and which GPU each sits on, so that the
 * busiest GPU is as little above the mean as possible. This file is made from the Rust sources by cbindgen;
 * do not edit it.
 *
 * Conventions
 *   - Every function that can fail returns an int32_t: EPLB_STATUS_OK (0) or a negative EPLB_STATUS_*. On
 *     anything but OK no output byte has been touched, unless the function says otherwise.
 *   - The caller owns every byte. Nothing is allocated, kept, printed or locked; there are no globals. Calls
 *     with different workspaces and outputs may run at the same time on any number of threads.
 *   - Arguments come in the order problem, options, workspace, outputs. Arrays are dense, row-major, aligned
 *     for their element type; an array that is written may not overlap any other.
 *   - Structs start with struct_size: initialise them with EPLB_*_INIT and set what you need. They grow at
 *     their end; a library accepts smaller ones of older callers, and larger ones of newer callers as long
 *     as the fields it does not know are 0. Zero means default everywhere.
 *   - Same input, same bytes: on every machine, in every build, whatever the workspace held. The floating-point
 *     unit must round to nearest, which is the default everywhere.
 *
 * Letters: L layers, E logical experts, P physical experts (slots), G GPUs, N nodes, K groups, W windows.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */

#ifndef EPLB_H
#define EPLB_H

#include <stddef.h>
#include <stdint.h>
/* Initialisers: struct_size set, the rest zero. */
#define EPLB_PROBLEM_INIT \
  { sizeof(eplb_problem), 0, 0, 0, 0, 0, 0, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL }
#define EPLB_OPTIONS_INIT { sizeof(eplb_options), 0, 0, 0, 0, 0, 0, 0, NULL }
#define EPLB_PLACEMENT_INIT { sizeof(eplb_placement), 0, NULL, NULL, NULL, NULL }
#define EPLB_VIOLATION_INIT { sizeof(eplb_violation), EPLB_VIOLATION_KIND_NONE, 0, 0, 0, 0 }

/*
 Bytes of workspace, a multiple of 8, that suffice for eplb_plan, eplb_evaluate and eplb_check with any
 policy: E logical experts, P >= E physical experts, G GPUs, no previous placement, one window. A constant
 expression, so that a static array of uint64_t can be sized by it:

   static uint64_t workspace[EPLB_WORKSPACE_BOUND(256, 288, 32) / sizeof(uint64_t)];

 The first is for num_groups = num_nodes = 1, and for EPLB_SCOPE_GLOBAL with at most E groups and G nodes;
 the second takes K groups and N nodes, for every scope. They give about 40 E + 64 P + 112 G + 2 KiB, and
 4 P + 48 K + 48 N more: from 64 slots on usually within an eighth of what EPLB_POLICY_BALANCED asks for. A
 later library may need more than this header says; it then answers EPLB_STATUS_WORKSPACE_TOO_SMALL.
 */
#define EPLB_WORKSPACE_BOUND(E, P, G) \
  (sizeof(uint64_t) * 5 * (E) + sizeof(uint64_t) * 8 * (P) + sizeof(uint64_t) * 14 * (G) + \
   sizeof(uint64_t) * 280)
#define EPLB_WORKSPACE_BOUND_GROUPS(E, P, G, K, N) \
  (EPLB_WORKSPACE_BOUND(E, P, G) + sizeof(uint64_t) * (((P) + 1) / 2) + sizeof(uint64_t) * 6 * (K) + \
   sizeof(uint64_t) * 6 * (N))


/*
 gpu_state: the GPU is gone. Its slots stay empty and what they held cannot be read.
 */
#define EPLB_GPU_DEAD 0

/*
 gpu_state: the GPU serves and receives experts. What a NULL gpu_state means for all.
 */
#define EPLB_GPU_ALIVE 1

/*
 gpu_state: the GPU is about to leave. It can be read from and receives nothing.
 */
#define EPLB_GPU_LEAVING 2

/*
 flags: an expert that no GPU can be read for may be loaded from outside (host memory, disk). Without it a
 problem in which the last copy of an expert is lost is refused.
 */
#define EPLB_FLAG_EXTERNAL_SOURCE 1

/*
 flags: every expert on at least two GPUs that are alive, so that any one may die. EPLB_POLICY_BALANCED only.
 */
#define EPLB_FLAG_SURVIVE_GPU 2

/*
 flags: every expert on at least two nodes, so that any one may die. EPLB_POLICY_BALANCED in global scope only.
 */
#define EPLB_FLAG_SURVIVE_NODE 4

/*
 Version of this header: (major << 16) | (minor << 8) | patch.
 */
#define EPLB_VERSION 256

/*
 Which promise a placement breaks.
 */
enum eplb_violation_kind
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /*
   None.
   */
  EPLB_VIOLATION_KIND_NONE = 0,
  /*
   A slot holds a number that is neither -1 nor an expert.
   */
  EPLB_VIOLATION_KIND_EXPERT = 1,
  /*
   A slot of a dead or leaving GPU is not empty.
   */
  EPLB_VIOLATION_KIND_STATE = 2,
  /*
   A slot is empty. Compatibility policies only.
   */
  EPLB_VIOLATION_KIND_EMPTY = 3,
  /*
   An expert has no replica.
   */
  EPLB_VIOLATION_KIND_MISSING = 4,
  /*
   An expert has two replicas on one GPU. EPLB_POLICY_BALANCED only.
   */
  EPLB_VIOLATION_KIND_DUPLICATE = 5,
  /*
   Hierarchical scope: the experts of a group sit on more than one node.
   */
  EPLB_VIOLATION_KIND_NODE = 6,
  /*
   logical_count differs from what physical_to_logical holds.
   */
  EPLB_VIOLATION_KIND_COUNT = 7,
  /*
   replica_rank does not number the replicas of an expert from 0, or is not -1 at an empty slot.
   */
  EPLB_VIOLATION_KIND_RANK = 8,
  /*
   logical_to_physical does not list the slots of an expert in order of rank, padded with -1.
   */
  EPLB_VIOLATION_KIND_TABLE = 9,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum eplb_violation_kind eplb_violation_kind;
#else
typedef uint32_t eplb_violation_kind;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/*
 What a call answers: EPLB_STATUS_OK or a negative code.

 Every function that can fail returns one of these as an int32_t. On anything but
 EPLB_STATUS_OK no output has been touched, unless the function says otherwise.
 eplb_status_string() gives the text that says what to change.
 */
enum eplb_status
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /*
   The call did what it says; all outputs are written.
   */
  EPLB_STATUS_OK = 0,
  /*
   A pointer that the call needs is NULL.
   */
  EPLB_STATUS_NULL_POINTER = -1,
  /*
   A pointer is not aligned for what it points to.
   */
  EPLB_STATUS_MISALIGNED_POINTER = -2,
  /*
   struct_size (or metrics_size) is smaller than the first release's, or larger with a tail that is not zero.
   */
  EPLB_STATUS_STRUCT_SIZE = -3,
  /*
   A reserved word is not 0.
   */
  EPLB_STATUS_RESERVED_NOT_ZERO = -4,
  /*
   An output or the workspace overlaps another array of the call.
   */
  EPLB_STATUS_OVERLAPPING_ARRAYS = -5,
  /*
   The operation is not one of EPLB_OPERATION_*.
   */
  EPLB_STATUS_UNKNOWN_OPERATION = -6,
  /*
   The policy is not one of EPLB_POLICY_*.
   */
  EPLB_STATUS_UNKNOWN_POLICY = -7,
  /*
   The scope is not one of EPLB_SCOPE_*.
   */
  EPLB_STATUS_UNKNOWN_SCOPE = -8,
  /*
   A bit of flags is not one of EPLB_FLAG_*.
   */
  EPLB_STATUS_UNKNOWN_FLAG = -9,
  /*
   A limit on moves is given without a previous placement.
   */
  EPLB_STATUS_MOVES_WITHOUT_PREVIOUS = -10,
  /*
   The workspace is smaller than eplb_workspace() says.
   */
  EPLB_STATUS_WORKSPACE_TOO_SMALL = -20,
  /*
   The workspace is not aligned as eplb_workspace() says.
   */
  EPLB_STATUS_WORKSPACE_MISALIGNED = -21,
  /*
   One of the num_* fields is 0.
   */
  EPLB_STATUS_SHAPE_ZERO = -30,
  /*
   A num_* field is above 2^31 - 1, or a product of sizes does not fit the machine.
   */
  EPLB_STATUS_SHAPE_TOO_LARGE = -31,
  /*
   There are fewer physical than logical experts.
   */
  EPLB_STATUS_TOO_FEW_SLOTS = -32,
  /*
   num_physical_experts is not a multiple of num_gpus (and gpu_slots does not say who has more).
   */
  EPLB_STATUS_SLOTS_NOT_DIVISIBLE = -33,
  /*
   Hierarchical scope: num_groups is not a multiple of num_nodes.
   */
  EPLB_STATUS_GROUPS_NOT_DIVISIBLE = -34,
  /*
   Hierarchical scope: num_logical_experts is not a multiple of num_groups.
   */
  EPLB_STATUS_EXPERTS_NOT_DIVISIBLE = -35,
  /*
   Hierarchical scope: num_gpus is not a multiple of num_nodes.
   */
  EPLB_STATUS_GPUS_NOT_DIVISIBLE = -36,
  /*
   load_window_stride is below num_layers * num_logical_experts.
   */
  EPLB_STATUS_WINDOW_STRIDE = -37,
  /*
   An array given from Rust has the wrong length.
   */
  EPLB_STATUS_ARRAY_LENGTH = -38,
  /*
   A load is NaN.
   */
  EPLB_STATUS_LOAD_NAN = -40,
  /*
   A load is infinite.
   */
  EPLB_STATUS_LOAD_INFINITE = -41,
  /*
   A load is negative.
   */
  EPLB_STATUS_LOAD_NEGATIVE = -42,
  /*
   Compatibility policies: a load is above 2^126 / num_logical_experts, so that f32 sums could overflow.
   */
  EPLB_STATUS_LOAD_TOO_LARGE = -43,
  /*
   A window weight is NaN, infinite or negative, or all weights of a layer are 0.
   */
  EPLB_STATUS_WINDOW_WEIGHT = -44,
  /*
   gpu_slots does not sum to num_physical_experts.
   */
  EPLB_STATUS_GPU_SLOTS = -50,
  /*
   A gpu_speed is not finite, or below 2^-126.
   */
  EPLB_STATUS_GPU_SPEED = -51,
  /*
   A gpu_node is not below num_nodes.
   */
  EPLB_STATUS_GPU_NODE = -52,
  /*
   A gpu_state is not one of EPLB_GPU_*.
   */
  EPLB_STATUS_GPU_STATE = -53,
  /*
   No GPU is alive.
   */
  EPLB_STATUS_NO_ALIVE_GPU = -54,
  /*
   A slot holds a number that is neither -1 nor an expert.
   */
  EPLB_STATUS_PLACEMENT_EXPERT = -60,
  /*
   eplb_check: the placement breaks a rule; *first says which and where.
   */
  EPLB_STATUS_PLACEMENT_INVALID = -61,
  /*
   eplb_evaluate: an expert has no replica on a GPU that serves.
   */
  EPLB_STATUS_PLACEMENT_MISSING = -62,
  /*
   max_replicas is too small for logical_to_physical.
   */
  EPLB_STATUS_MAX_REPLICAS = -63,
  /*
   No placement can keep the rules.
   */
  EPLB_STATUS_INFEASIBLE = -70,
  /*
   An expert is on no GPU that can be read.
   */
  EPLB_STATUS_SOURCE_LOST = -71,
  /*
   This policy is not served by this version.
   */
  EPLB_STATUS_UNSUPPORTED_POLICY = -80,
  /*
   This policy plans a single window.
   */
  EPLB_STATUS_UNSUPPORTED_WINDOWS = -81,
  /*
   This policy cannot keep a limit on moves from a previous placement.
   */
  EPLB_STATUS_UNSUPPORTED_PREVIOUS = -82,
  /*
   This policy takes all GPUs as equally fast.
   */
  EPLB_STATUS_UNSUPPORTED_SPEED = -83,
  /*
   This policy needs the same number of slots on every GPU.
   */
  EPLB_STATUS_UNSUPPORTED_SLOTS = -84,
  /*
   In hierarchical scope this policy needs nodes of contiguous GPUs.
   */
  EPLB_STATUS_UNSUPPORTED_NODES = -85,
  /*
   This policy needs every GPU alive.
   */
  EPLB_STATUS_UNSUPPORTED_STATE = -86,
  /*
   A flag is not served by this policy or version.
   */
  EPLB_STATUS_UNSUPPORTED_FLAG = -87,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum eplb_status eplb_status;
#else
typedef int32_t eplb_status;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/*
 What a workspace is asked for.
 */
enum eplb_operation
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /*
   eplb_plan.
   */
  EPLB_OPERATION_PLAN = 0,
  /*
   eplb_evaluate.
   */
  EPLB_OPERATION_EVALUATE = 1,
  /*
   eplb_check.
   */
  EPLB_OPERATION_CHECK = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum eplb_operation eplb_operation;
#else
typedef uint32_t eplb_operation;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/*
 How a plan is made. The numbers are pinned.
 */
enum eplb_policy
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /*
   The default: counts and packing decided together, near the optimum, on any topology. Never two replicas
   of an expert on one GPU; slots that only a duplicate could fill stay empty (-1). Never worse than
   EPLB_POLICY_DEEPSEEK where that makes no duplicate. Honours gpu_slots, gpu_speed, gpu_node, gpu_state and
   max_replicas. Source: docs/DESIGN.md. Expect a balance of 0.9995 at 9 slots a GPU, 0.999 at 4 or 5; at 2 or 3
   what the loads allow. About O(P log P) a layer where a plan within 1/2048 of the bound is near at hand, at
   most O(effort) more.
   */
  EPLB_POLICY_BALANCED = 0,
  /*
   DeepSeek EPLB, bit for bit: groups onto nodes, D'Hondt replication, largest replica first to the
   least loaded GPU with room. May put replicas of an expert on one GPU. Source: deepseek-ai/EPLB,
   rebalance_experts. O(P log P) a layer. Expect a balance of about 0.99 at 9 slots a GPU, 0.98 at 4.
   */
  EPLB_POLICY_DEEPSEEK = 1,
  /*
   DEEPSEEK, then one replica moved if that lowers the peak (it never does), then at most two swaps,
   best of all pairs, between heaviest and lightest GPU. Source: the program before document 000.
   Expect up to 0.003 more balance than DEEPSEEK. O(P log P) a layer.
   */
  EPLB_POLICY_MULTI_SWAP = 2,
  /*
   D'Hondt with the last tenth of the extra replicas by Sainte-Lague, the best move of two by two experts, at
   most two swaps of two by two items. Source: document 000. Expect what DEEPSEEK gives, within 0.002 from 4
   slots a GPU on, less with fewer.
   */
  EPLB_POLICY_K2_HYBRID = 3,
  /*
   K2_HYBRID with its move judged against the true second best. Source: the program before document
   003. Expect what K2_HYBRID gives.
   */
  EPLB_POLICY_HYBRID_ARGMAX = 4,
  /*
   K2_HYBRID with the last tenth by the predicted peak and a guarded second move. Source: document
   003. Expect the plan of K2_HYBRID, slot by slot, nearly always.
   */
  EPLB_POLICY_PEAK_AWARE = 5,
  /*
   Water-filling replication and packing that keeps replicas of an expert apart while it can. Source: the
   program before document 001. O(P log P) a layer, and O(G) for each replica beyond the GPUs with room.
   */
  EPLB_POLICY_WATERFILL = 6,
  /*
   WATERFILL, then the best move of two by two experts, and one swap between the heaviest GPU and one of the
   two lightest. Source: document 001.
   */
  EPLB_POLICY_WATERFILL_FIXUP = 7,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum eplb_policy eplb_policy;
#else
typedef uint32_t eplb_policy;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/*
 Which hierarchy a plan keeps.
 */
enum eplb_scope
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /*
   Hierarchical when num_groups is a multiple of num_nodes, else global: the rule of DeepSeek EPLB.
   */
  EPLB_SCOPE_AUTO = 0,
  /*
   Groups of experts go to nodes, experts stay on their node.
   */
  EPLB_SCOPE_HIERARCHICAL = 1,
  /*
   Any expert on any GPU; num_groups and num_nodes are ignored.
   */
  EPLB_SCOPE_GLOBAL = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum eplb_scope eplb_scope;
#else
typedef uint32_t eplb_scope;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/*
 What to plan for: sizes, loads and the machine. EPLB_PROBLEM_INIT sets struct_size and zeroes the
 rest; the num_* fields, all at least 1 and at most 2^31 - 1, and load must then be set.

 Arrays are dense and row-major; the letters in brackets are the num_* fields. They are read only,
 and none is kept after the call. A slice of layers is a problem of its own: move the pointers
 (load by E per layer, window_weight by W per layer) and keep load_window_stride. Layers with
 another number of experts are another problem.
 */
typedef struct eplb_problem {
  /*
   sizeof(eplb_problem).
   */
  uint32_t struct_size;
  /*
   W: load matrices that describe the load. 1 for the classic call.
   */
  uint32_t num_windows;
  /*
   L: MoE layers, planned one by one.
   */
  uint32_t num_layers;
  /*
   E: logical experts of a layer.
   */
  uint32_t num_logical_experts;
  /*
   P: physical experts (slots) of a layer on all GPUs, P >= E.
   */
  uint32_t num_physical_experts;
  /*
   K: groups of E / K consecutive experts; 1 when the model has none.
   */
  uint32_t num_groups;
  /*
   N: nodes.
   */
  uint32_t num_nodes;
  /*
   G: GPUs on all nodes.
   */
  uint32_t num_gpus;
  /*
   Elements of load from one window to the next; 0 = L * E.
   */
  uint64_t load_window_stride;
  /*
   [W][L][E] tokens routed to each expert, in any unit; finite, >= 0.
   */
  const float *load;
  /*
   [L][W] weight of each window in each layer; finite, >= 0, not all 0 in a layer. NULL: all equal.
   */
  const float *window_weight;
  /*
   [G] relative speed of each GPU; finite, >= 2^-126. NULL: all equal.
   */
  const float *gpu_speed;
  /*
   [G] slots of each GPU, their sum P. NULL: P / G each. Slots are numbered GPU by GPU.
   */
  const uint32_t *gpu_slots;
  /*
   [G] node of each GPU, < N. NULL: contiguous.
   */
  const uint32_t *gpu_node;
  /*
   [G] EPLB_GPU_DEAD, EPLB_GPU_ALIVE or EPLB_GPU_LEAVING. NULL: all alive.
   */
  const uint8_t *gpu_state;
} eplb_problem;

/*
 How to plan. EPLB_OPTIONS_INIT sets struct_size and zeroes the rest, which is the default of every
 field; a NULL pointer to options means the same.
 */
typedef struct eplb_options {
  /*
   sizeof(eplb_options).
   */
  uint32_t struct_size;
  /*
   EPLB_POLICY_*.
   */
  uint32_t policy;
  /*
   EPLB_SCOPE_*.
   */
  uint32_t scope;
  /*
   Bound on the candidate evaluations per layer, 0 = the policy's default. The compatibility
   policies do a fixed amount of work and accept any value.
   */
  uint32_t effort;
  /*
   With previous: slots that may change per layer, 0 = no limit. EPLB_POLICY_BALANCED only.
   */
  uint32_t max_moves;
  /*
   With previous: slots that may change per layer from one GPU to another, 0 = no limit. An expert comes
   from the nearest GPU that held it: one on the same node first, then the lowest index.
   EPLB_POLICY_BALANCED only.
   */
  uint32_t max_moves_per_gpu_pair;
  /*
   EPLB_FLAG_*, or-ed.
   */
  uint32_t flags;
  /*
   0.
   */
  uint32_t reserved;
  /*
   [L][P] placement in force, -1 = empty slot. NULL: plan from nothing. Any placement will do, with
   duplicates, and with experts on GPUs that are not alive now.
   */
  const int32_t *previous;
} eplb_options;

/*
 The maps of a placement, in the caller's arrays. EPLB_PLACEMENT_INIT sets struct_size and zeroes the
 rest. physical_to_logical is always needed; NULL for the others means that they are not wanted.

 eplb_plan writes every element of every array that is given, or none at all. No two arrays may
 overlap.
 */
typedef struct eplb_placement {
  /*
   sizeof(eplb_placement).
   */
  uint32_t struct_size;
  /*
   Width of logical_to_physical; P - E + 1 always suffices and is what the compatibility policies ask for.
   */
  uint32_t max_replicas;
  /*
   [L][P] logical expert in each slot, -1 = empty.
   */
  int32_t *physical_to_logical;
  /*
   [L][P] which replica of its expert a slot holds, 0 .. logical_count - 1; -1 = empty.
   */
  int32_t *replica_rank;
  /*
   [L][E] replicas of each expert.
   */
  int32_t *logical_count;
  /*
   [L][E][max_replicas] slots of each expert in order of their replica_rank, padded with -1.
   */
  int32_t *logical_to_physical;
} eplb_placement;

/*
 What eplb_plan and eplb_evaluate report of one layer.

 Loads are in the unit of problem.load (tokens), divided by the speed of the GPU where speeds are
 given. A balance is mean / largest: 1.0 is perfect, also when all loads are 0.
 */
typedef struct eplb_metrics {
  /*
   Total load over the total speed of the GPUs that are alive: what each GPU would do if all were even.
   */
  double mean_gpu_load;
  /*
   Load / speed of the busiest GPU.
   */
  double max_gpu_load;
  /*
   mean_gpu_load / max_gpu_load: the figure to quote.
   */
  double balance;
  /*
   The same over nodes: load of a node / total speed of its GPUs.
   */
  double node_balance;
  /*
   Mean over largest load of a single replica.
   */
  double expert_balance;
  /*
   No placement of this layer has a smaller max_gpu_load, if it keeps the replicas of an expert on different
   GPUs and, in hierarchical scope, each group on a node. A placement with duplicates can be better: its
   bound is then its own max_gpu_load.
   */
  double bound;
  /*
   max_gpu_load / bound - 1, at least 0: how far from optimal this placement can be at most.
   */
  double gap;
  /*
   Replicas that share a GPU with another replica of their expert.
   */
  uint32_t duplicates;
  /*
   The busiest GPU, lowest index first among equals.
   */
  uint32_t busiest_gpu;
  /*
   The smallest balance over the windows: balance itself when there is one window.
   */
  double worst_window_balance;
  /*
   The window that has it, the first among equals.
   */
  uint32_t worst_window;
  /*
   Slots of a GPU that is alive whose expert differs from options.previous; 0 without it.
   */
  uint32_t moved_slots;
} eplb_metrics;

/*
 The first broken promise that eplb_check found: layers in order, in a layer by kind, then by
 lowest slot or expert. -1 where a field does not apply. EPLB_VIOLATION_INIT prepares one.
 */
typedef struct eplb_violation {
  /*
   sizeof(eplb_violation), set by EPLB_VIOLATION_INIT.
   */
  uint32_t struct_size;
  /*
   EPLB_VIOLATION_KIND_*.
   */
  eplb_violation_kind kind;
  /*
   Layer.
   */
  int32_t layer;
  /*
   Slot.
   */
  int32_t slot;
  /*
   Expert.
   */
  int32_t expert;
  /*
   GPU.
   */
  int32_t gpu;
} eplb_violation;







#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/*
 Says how much workspace an operation needs.

 The size depends on the sizes of the problem, its topology and the options, not on num_layers and
 not on the loads: load and window_weight may still be NULL. Ask once, keep the block, use it for any
 number of calls; two calls at the same time need a block each. What the block holds before a call does
 not matter, what it holds afterwards has no meaning.

 operation  EPLB_OPERATION_*.
 problem    the problem to come.
 options    the options to come; NULL = all defaults.
 size       out: bytes.
 align      out: alignment in bytes, a power of two.

 Returns EPLB_STATUS_OK; else the code with which the operation would refuse this shape and these
 options, and *size and *align as they were. O(G); O(G^2) for BALANCED on nodes that are not contiguous.

 # Safety
 Pointers are NULL or valid.
 */
int32_t eplb_workspace(uint32_t operation,
                       const struct eplb_problem *problem,
                       const struct eplb_options *options,
                       size_t *size,
                       size_t *align);

/*
 Plans every layer of a problem.

 problem           what to plan for.
 options           how; NULL = all defaults.
 workspace         scratch, of the size and alignment that eplb_workspace(EPLB_OPERATION_PLAN) says.
 workspace_size    its bytes.
 placement         out: every element of every array that is not NULL is written.
 per_layer         out: [L] metrics of the plan; NULL = not wanted.
 metrics_size      sizeof(eplb_metrics); not looked at when per_layer is NULL.

 With options.previous the plan starts from the placement in force. Slots that keep their expert keep their
 place. EPLB_POLICY_BALANCED with a limit on moves: first the fewest moves that give every expert a slot on a
 GPU that is alive (refused with EPLB_STATUS_INFEASIBLE when the limit does not allow them), then step by
 step what brings most balance per slot; a slot that changes must bring 2^-20 of balance, and 0.99976 is
 enough. Without a limit: the plan from nothing with GPUs (of the same slots and speed; in hierarchical scope
 of the same node, and nodes) renamed so that the fewest slots change, or the placement in force where the
 plan is no better. In both cases no layer is less balanced than it was on the GPUs that stay, and duplicates
 of the placement in force may remain, but none is added. The other policies: their plan, renamed. A dead GPU
 cannot be read from: EPLB_STATUS_SOURCE_LOST when an expert was on no other, unless
 EPLB_FLAG_EXTERNAL_SOURCE is set. A leaving GPU can be read from, its slots become empty. All layers are
 looked at before the first output is written.

 Returns EPLB_STATUS_OK, or a negative code with every output as it was. The result is a function of
 problem and options alone: the same bytes on every machine, in every build. Time per layer: see the
 policy; and O(P + E log E) more for the metrics. No allocation, no lock, no global: any number of
 threads may plan at once, a workspace each.

 # Safety
 Pointers are NULL or point to as much memory as the struct fields say.
 */
int32_t eplb_plan(const struct eplb_problem *problem,
                  const struct eplb_options *options,
                  void *workspace,
                  size_t workspace_size,
                  const struct eplb_placement *placement,
                  struct eplb_metrics *per_layer,
                  size_t metrics_size);

/*
 Measures a placement with the loads of a problem: any placement, from this library or not.

 Only physical_to_logical is read. Slots on dead GPUs do not count; every expert needs a replica on
 a GPU that is not dead.

 problem, options  as for eplb_plan; of the options only the scope matters.
 workspace         as eplb_workspace(EPLB_OPERATION_EVALUATE) says.
 placement         in: what to measure.
 per_layer         out: [L] metrics.
 metrics_size      sizeof(eplb_metrics).

 Returns EPLB_STATUS_OK, or a negative code with per_layer as it was. O(L (P + E log E)).

 # Safety
 Pointers are NULL or point to as much memory as the struct fields say.
 */
int32_t eplb_evaluate(const struct eplb_problem *problem,
                      const struct eplb_options *options,
                      void *workspace,
                      size_t workspace_size,
                      const struct eplb_placement *placement,
                      struct eplb_metrics *per_layer,
                      size_t metrics_size);

/*
 Checks that a placement keeps its promises: every slot holds an expert or -1, none on a GPU that is
 not alive, every expert present, the other maps (those not NULL) consistent with
 physical_to_logical; in hierarchical scope, groups on one node; for EPLB_POLICY_BALANCED no expert
 twice on a GPU; for the others no slot empty.

 problem, options  as for eplb_plan; load may be NULL. Of the options, policy and scope matter.
 workspace         as eplb_workspace(EPLB_OPERATION_CHECK) says.
 placement         in: what to check.
 first             out: the first broken promise, kind EPLB_VIOLATION_KIND_NONE when there is none; NULL = not wanted.

 Returns EPLB_STATUS_OK; EPLB_STATUS_PLACEMENT_INVALID with *first filled in; another code with *first as
 it was. O(L (P + E max_replicas)).

 # Safety
 Pointers are NULL or point to as much memory as the struct fields say.
 */
int32_t eplb_check(const struct eplb_problem *problem,
                   const struct eplb_options *options,
                   void *workspace,
                   size_t workspace_size,
                   const struct eplb_placement *placement,
                   struct eplb_violation *first);

/*
 Digests physical_to_logical into 64 bits that ranks can compare to see whether they hold the same
 plan; the same on every machine. Not cryptographic.

 problem    only num_layers and num_physical_experts are looked at.
 placement  in: only physical_to_logical is read.
 digest     out.

 Returns EPLB_STATUS_OK, or a negative code with *digest as it was. O(L P), no workspace.

 # Safety
 Pointers are NULL or point to as much memory as the struct fields say.
 */
int32_t eplb_digest(const struct eplb_problem *problem,
                    const struct eplb_placement *placement,
                    uint64_t *digest);

/*
 The text of a status code: what is wrong and what to change. Static, in English, never NULL.
 */
const char *eplb_status_string(int32_t status);

/*
 The version of the library, to be compared with EPLB_VERSION of the header. The same major version
 (before 1.0: the same minor version) means that the two fit.
 */
uint32_t eplb_version(void);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* EPLB_H */
