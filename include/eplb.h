/* eplb: expert placement for Mixture-of-Experts serving.

   Decides, layer by layer, how many replicas each logical expert gets and which GPU each sits on, so that the busiest
   GPU is as little above the mean as possible; says how near the optimum that is; and serves what stands around it:
   measuring, load windows, the moves from one placement to the next, whether they pay, the split of a batch's tokens.

   A first plan, of examples/plan.c: 2 layers of 12 experts onto 16 slots of 8 GPUs.

       eplb_problem problem = EPLB_PROBLEM_INIT;
       problem.num_layers = 2;
       problem.num_logical_experts = 12;
       problem.num_physical_experts = 16;
       problem.num_gpus = 8;
       problem.load = &load[0][0];                           // float load[2][12]: tokens of each expert
       eplb_placement placement = EPLB_PLACEMENT_INIT;
       placement.physical_to_logical = &expert_of[0][0];     // int32_t expert_of[2][16]: the plan
       size_t size, align;
       int32_t status = eplb_workspace(EPLB_OPERATION_PLAN, &problem, NULL, &size, &align);
       void *workspace = malloc(size);
       if (status == EPLB_STATUS_OK)
         status = eplb_plan(&problem, NULL, workspace, size, &placement, metrics, sizeof metrics[0]);
       if (status != EPLB_STATUS_OK) {
         char why[400];
         eplb_explain(EPLB_OPERATION_PLAN, &problem, NULL, &placement, why, sizeof why);
       }

   The topics: 1 version and statuses, 2 problem, 3 options, 4 placement, 5 plan, 6 measure and check, 7 load windows,
   8 transfers, 9 gate, 10 dispatch, 11 replicas for a batch, 12 explain, 13 all statuses, 14 inline functions,
   15 firmware: parts, workspace.

   What holds for every function, unless it says otherwise
   - It answers EPLB_STATUS_OK (0) or a negative EPLB_STATUS_* as an int32_t. On anything but OK every output is as it
     was; every array is looked at before the first output is written.
   - The caller owns every byte. Nothing is allocated, kept, printed or locked; there are no globals. Calls with
     different workspaces and outputs may run at the same time on any number of threads.
   - Same input, same bytes: on every machine, in every build, whatever the workspace held. The floating-point unit
     must round to nearest, which is the default everywhere.
   - Arguments come in the order problem, options, workspace, inputs, outputs. Arrays are dense, row-major, aligned for
     their element type, and as long as the letters in brackets say. One that is written may not overlap any other of
     the call; of each that is given every element is written.
   - Zero means default. options NULL means all defaults. An output that is NULL is not wanted, where "NULL: not
     wanted" stands; the size beside it is then not looked at.
   - A struct that is read begins with struct_size: initialise it with EPLB_*_INIT, which sets the sizes and zeroes the
     rest, and set what you need. Of what is written, and of the elements of an array of structs, the size is passed
     beside the pointer (x_size): sizeof, as you compiled it. Structs grow at their end; a library takes smaller ones
     of older callers, and larger ones of newer callers as long as the fields it does not know are 0.
   - workspace is scratch of the size and alignment that eplb_workspace says for the operation, workspace_size its
     bytes; memory and memory_size are a load tracker's. O(..) is the time of a call, for all its layers unless it
     says: a layer.

   Letters: L layers, E logical experts, P physical experts (slots), G GPUs, N nodes, K groups, W windows.

   Made from the Rust sources and eplb.h.in by `cargo run --example header`: do not edit it.

   SPDX-License-Identifier: MIT OR Apache-2.0 */

#ifndef EPLB_H
#define EPLB_H

#include <stddef.h>
#include <stdint.h>

/* How enums are declared: as wide as the fields and results that hold them, in C++ a type of their own. */
#if defined(__cplusplus)
#define EPLB_ENUM(name, type) enum name : type
#elif __STDC_VERSION__ >= 202311L
#define EPLB_ENUM(name, type) enum name : type; typedef enum name name; enum name : type
#else
#define EPLB_ENUM(name, type) typedef type name; enum name
#endif

#ifndef EPLB_INLINE
/* How inline functions are defined, unless the includer says otherwise. In C++ each is one in the whole program. */
#ifdef __cplusplus
#define EPLB_INLINE inline
#else
#define EPLB_INLINE static inline
#endif
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---------------------------------------------------------------- 1. Version and statuses */

/* Version of this header: (major << 16) | (minor << 8) | patch. */
#define EPLB_VERSION 512

/* The version of the library, for EPLB_VERSION. The same major version (before 1.0: the same minor version) means
   that library and header fit. */
uint32_t eplb_version(void);

/* The text of a status: what is wrong and what to change. Static, in English, never NULL. eplb_explain says more. */
const char *eplb_status_string(int32_t status);

/* ---------------------------------------------------------------- 2. Problem */

#define EPLB_GPU_ALIVE 0   /* gpu_state: the GPU serves and receives experts. */
#define EPLB_GPU_DEAD 1    /* gpu_state: the GPU is gone. Its slots stay empty and what they held cannot be read. */
#define EPLB_GPU_LEAVING 2 /* gpu_state: the GPU is about to leave: it can be read from, and its slots become empty. */

/* What a step of a layer takes: docs/SECONDS.md has the model, figures of two GPUs, and how to measure those of others.
   One of the first two at least must be set; each is 0, or from 2^-100 to 2^100. */
typedef struct eplb_cost {
  uint32_t struct_size;  /* sizeof(eplb_cost). */
  uint32_t reserved;     /* 0. */
  double token_seconds;  /* Seconds that a token costs at an expert, on a GPU of speed 1. */
  double expert_seconds; /* Seconds that an expert costs which has any token, on a GPU of speed 1: reading its weights.
                            A replica takes the longer of its tokens and this. */
  double layer_seconds;  /* Seconds that a layer costs whatever its tokens, and whatever the speed of GPUs. */
} eplb_cost;
#define EPLB_COST_INIT { sizeof(eplb_cost), 0, 0, 0, 0 }

/* What to plan for: sizes, loads and the machine. After EPLB_PROBLEM_INIT layers, experts, slots and GPUs, each at
   most 2^31 - 1, and load must be set. Nothing is kept after the call. A slice of layers is a problem of its own: move
   the pointers (load by E per layer, window_weight by W per layer) and keep load_window_stride. Layers with another
   number of experts are another problem. */
typedef struct eplb_problem {
  uint32_t struct_size;          /* sizeof(eplb_problem). */
  uint32_t num_windows;          /* W: load matrices that describe the load; 0 = 1, the classic call. With more,
                                    EPLB_POLICY_BALANCED plans one placement for all of them, and for windows like them
                                    that are still to come; the other policies refuse. */
  uint32_t num_layers;           /* L: MoE layers, planned one by one. */
  uint32_t num_logical_experts;  /* E: logical experts of a layer. */
  uint32_t num_physical_experts; /* P: physical experts (slots) of a layer on all GPUs, P >= E. */
  uint32_t num_groups;           /* K: groups of E / K consecutive experts; 0 = 1, for a model that has none. */
  uint32_t num_nodes;            /* N: nodes; 0 = 1. */
  uint32_t num_gpus;             /* G: GPUs on all nodes. */
  uint64_t load_window_stride;   /* Elements of load from one window to the next; 0 = L * E. */
  const float *load;             /* [W][L][E] tokens routed to each expert, in any unit; finite, >= 0. */
  const float *window_weight;    /* [L][W] weight of each window in each layer; finite, >= 0, not all 0 in a layer.
                                    NULL: all equal. A window counts by its weight, not by its tokens; one of weight 0
                                    is as if it were not there. */
  const float *gpu_speed;        /* [G] relative speed of each GPU; finite, >= 2^-126. NULL: all equal. */
  const uint32_t *gpu_slots;     /* [G] slots of each GPU, their sum P. NULL: P / G each. Slots are numbered GPU by
                                    GPU. */
  const uint32_t *gpu_node;      /* [G] node of each GPU, < N. NULL: contiguous. */
  const uint8_t *gpu_state;      /* [G] EPLB_GPU_ALIVE, EPLB_GPU_DEAD or EPLB_GPU_LEAVING: a mask of dead ranks will do.
                                    NULL: all alive. */
  const eplb_cost *cost;         /* What a step takes: placements are then measured in seconds, too, and where an active
                                    expert costs any EPLB_POLICY_BALANCED plans for the least seconds under
                                    eplb_dispatch; not to a target. NULL: tokens are what counts. */
  const float *step_tokens;      /* [W] tokens of a layer in a step in each window (a token counts once at each of its
                                    experts), finite, >= 2^-126: a prefill window has more than a decode window. NULL:
                                    as many as the loads of the layer sum to. Matters with cost alone; of slots that
                                    were measured (physical_load) the first counts. */
} eplb_problem;
#define EPLB_PROBLEM_INIT { sizeof(eplb_problem), 0, 0, 0, 0, 0, 0, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL }

/* ---------------------------------------------------------------- 3. Options */

/* How a plan is made. The numbers are pinned. */
EPLB_ENUM(eplb_policy, uint32_t) {
  EPLB_POLICY_BALANCED = 0,        /* The default: counts and packing decided together, near the optimum, on any
                                      topology. Never two replicas of an expert on one GPU; every slot is filled that
                                      can be without (else -1). Never worse than EPLB_POLICY_DEEPSEEK where that makes
                                      no duplicate. Honours gpu_slots, gpu_speed, gpu_node, gpu_state and max_replicas.
                                      With several windows: one placement whose mean balance over them, and over windows
                                      like them, is high, whatever DEEPSEEK would do with any of them. Source:
                                      docs/DESIGN.md. Expect a balance of 0.9995 at 9 slots a GPU, 0.999 at 4 or 5; at 2
                                      or 3 what the loads allow. About O(P log P) a layer where a plan within 1/2048 of
                                      the bound is near at hand, at most O(effort) more; in hierarchical scope O(N
                                      effort). */
  EPLB_POLICY_DEEPSEEK = 1,        /* DeepSeek EPLB, bit for bit: groups onto nodes, D'Hondt replication, largest
                                      replica first to the least loaded GPU with room. May put replicas of an expert on
                                      one GPU. Source: deepseek-ai/EPLB, rebalance_experts. O(P log P) a layer. Expect a
                                      balance of about 0.99 at 9 slots a GPU, 0.98 at 4. */
  EPLB_POLICY_MULTI_SWAP = 2,      /* DEEPSEEK, then one replica moved if that lowers the peak (it never does), then at
                                      most two swaps, best of all pairs, between heaviest and lightest GPU. Source:
                                      docs/POLICIES.md, "Where they come from". Expect up to 0.003 more balance than
                                      DEEPSEEK. O(P log P) a layer. */
  EPLB_POLICY_K2_HYBRID = 3,       /* D'Hondt with the last tenth of the extra replicas by Sainte-Lague, the best move
                                      of two by two experts, at most two swaps of two by two items. Source:
                                      docs/POLICIES.md. On loads like DeepSeek-V3's expect what DEEPSEEK gives, within
                                      0.002 from 4 slots a GPU on, less with fewer; on heavy tails up to 0.17 more. */
  EPLB_POLICY_HYBRID_ARGMAX = 4,   /* K2_HYBRID with its move judged against the true second best. Source:
                                      docs/POLICIES.md. Expect what K2_HYBRID gives. */
  EPLB_POLICY_PEAK_AWARE = 5,      /* K2_HYBRID with the last tenth by the predicted peak and a guarded second move.
                                      Source: docs/POLICIES.md. Expect the plan of K2_HYBRID, slot by slot, nearly
                                      always. */
  EPLB_POLICY_WATERFILL = 6,       /* Water-filling replication and packing that keeps replicas of an expert apart while
                                      it can. Source: docs/POLICIES.md. O(P log P) a layer, and O(G) for each replica
                                      beyond the GPUs with room. */
  EPLB_POLICY_WATERFILL_FIXUP = 7, /* WATERFILL, then the best move of two by two experts, and one swap between the
                                      heaviest GPU and one of the two lightest. Source: docs/POLICIES.md. */
};

/* Which hierarchy a plan keeps. */
EPLB_ENUM(eplb_scope, uint32_t) {
  EPLB_SCOPE_AUTO = 0,         /* Hierarchical when num_groups is a multiple of num_nodes, else global: the rule of
                                  DeepSeek EPLB. */
  EPLB_SCOPE_HIERARCHICAL = 1, /* Groups of experts go to nodes, experts stay on their node. */
  EPLB_SCOPE_GLOBAL = 2,       /* Any expert on any GPU; num_groups is ignored, and num_nodes but for
                                  EPLB_FLAG_SURVIVE_NODE and EPLB_SPLIT_NEAREST. */
};

#define EPLB_FLAG_EXTERNAL_SOURCE 1 /* flags: an expert that no GPU can be read for may be loaded from outside (host
                                       memory, disk). Without it a problem in which the last copy of an expert is lost
                                       is refused. */
#define EPLB_FLAG_SURVIVE_GPU 2     /* flags: every expert on at least two GPUs that are alive, so that any one may die.
                                       EPLB_POLICY_BALANCED only. */
#define EPLB_FLAG_SURVIVE_NODE 4    /* flags: every expert on at least two nodes, so that any one may die.
                                       EPLB_POLICY_BALANCED in global scope only. */
#define EPLB_FLAG_DISPATCH 8        /* flags: the metrics also say how balanced the placement is when tokens are split
                                       over replicas as eplb_dispatch does: dispatch_balance, dispatch_bound; with
                                       problem.cost how long it takes, too. */
#define EPLB_FLAG_EMPTY_SLOTS 16    /* flags: a slot of a GPU that is alive may stay empty where that is better. Without
                                       it EPLB_POLICY_BALANCED fills every slot that it can: all but those that only a
                                       duplicate, or more than max_replicas, could fill. The other policies leave none
                                       empty. */
#define EPLB_FLAG_FILL_ONLY 32      /* flags, with previous: only slots that are empty there may change; experts keep
                                       the slots that they have. For home experts that do not move. EPLB_POLICY_BALANCED
                                       only. */

/* max_moves: nothing changes but what must: an expert that is nowhere any more, or not where it is to survive, gets
   a slot, and all else stays. A mask of dead GPUs without a move. */
#define EPLB_MOVES_NONE UINT32_MAX

#define EPLB_SPLIT_EVEN 0    /* split: each replica of an expert gets load / count. */
#define EPLB_SPLIT_NEAREST 1 /* split: the tokens of a GPU go to the replicas on itself if there are any, else to those
                                on its node, else to all; evenly. Each GPU that is alive sends the same share of every
                                expert's tokens. As SGLang's static dispatch, which prefers the first of several on a
                                node. */

/* How to plan. EPLB_OPTIONS_INIT is the default of every field. */
typedef struct eplb_options {
  uint32_t struct_size;            /* sizeof(eplb_options). */
  uint32_t policy;                 /* EPLB_POLICY_*. */
  uint32_t scope;                  /* EPLB_SCOPE_*. */
  uint32_t effort;                 /* Bound on the candidates that EPLB_POLICY_BALANCED looks at in a layer; the step at
                                      hand is finished. 0 = 200,000. In hierarchical scope the N nodes share N times
                                      that, and other assignments of groups to nodes, tried where slots are few, twice
                                      as much again. With several windows, or from a placement, a unit is two pairs of
                                      slots looked at, and a change scored counts 8 for each 8 windows or part of 8.
                                      With several windows each of up to four searches has that much, by default 20,000
                                      + G * (1,000 + 8 * G), and each node in hierarchical scope for each of three
                                      assignments; eight times that is high. Of steps from a placement 0 means no bound.
                                      From nothing EPLB_FLAG_SURVIVE_* and EPLB_SPLIT_NEAREST take one search more, by
                                      default of 400 for each slot, for the latter at least 200,000. The compatibility
                                      policies do a fixed amount of work and accept any value. For eplb_dispatch see
                                      there. */
  uint32_t max_moves;              /* With previous: slots that may change per layer; 0 = no limit, EPLB_MOVES_NONE =
                                      only what must. EPLB_POLICY_BALANCED only. */
  uint32_t max_moves_per_gpu_pair; /* With previous: slots that may change per layer from one GPU to another, 0 = no
                                      limit. An expert comes from the nearest GPU that held it: one on the same node
                                      first, then the lowest index. EPLB_POLICY_BALANCED only. */
  uint32_t flags;                  /* EPLB_FLAG_*, or-ed. */
  uint32_t target;                 /* With previous: a balance, in 1/65536, that is enough: a layer that has it stays as
                                      it is, another gets there with as few moves (moved_slots) as are found, or as near
                                      as it gets. At most 65536; 0 = as good as it gets. EPLB_POLICY_BALANCED only. */
  const int32_t *previous;         /* [L][P] placement in force, -1 = empty slot. NULL: plan from nothing. Any placement
                                      will do, with duplicates, and with experts on GPUs that are not alive now. */
  uint32_t split;                  /* EPLB_SPLIT_*: how the engine splits the tokens of an expert over its replicas:
                                      what eplb_evaluate measures, and what eplb_plan plans for, by EPLB_POLICY_BALANCED
                                      only. In global scope on several nodes; elsewhere the nearest is an even split.
                                      Not compared with EPLB_POLICY_DEEPSEEK then. */
  uint32_t reserved;               /* 0. */
} eplb_options;
#define EPLB_OPTIONS_INIT { sizeof(eplb_options), 0, 0, 0, 0, 0, 0, 0, NULL, 0, 0 }

/* ---------------------------------------------------------------- 4. Placement */

/* The maps of a placement, in the caller's arrays. physical_to_logical is always needed; NULL for the others: not
   wanted. A function that takes an eplb_placement * (eplb_plan, eplb_number) writes the arrays. One that takes a const
   eplb_placement * never writes through it, so that read-only arrays may be behind it: eplb_placement_of makes it of
   const arrays. */
typedef struct eplb_placement {
  uint32_t struct_size;         /* sizeof(eplb_placement). */
  uint32_t max_replicas;        /* Width of logical_to_physical; P - E + 1 always suffices and is what the compatibility
                                   policies ask for. Limits the replicas of BALANCED, with the table or without; 0 = no
                                   limit, without a table. */
  int32_t *physical_to_logical; /* [L][P] logical expert in each slot, -1 = empty. */
  int32_t *replica_rank;        /* [L][P] which replica of its expert a slot holds, 0 .. logical_count - 1; -1 =
                                   empty. */
  int32_t *logical_count;       /* [L][E] replicas of each expert. */
  int32_t *logical_to_physical; /* [L][E][max_replicas] slots of each expert in order of their replica_rank, padded with
                                   -1. */
  const float *physical_load;   /* [L][P] eplb_evaluate only, in: tokens that each slot had to do, as measured; finite,
                                   >= 0. The placement is measured with these instead of load / count. NULL: not
                                   measured. */
} eplb_placement;
#define EPLB_PLACEMENT_INIT { sizeof(eplb_placement), 0, NULL, NULL, NULL, NULL, NULL }

/* ---------------------------------------------------------------- 5. Plan

   Ask eplb_workspace once, keep the block, plan as often as loads come. A loop that moves from one placement to the
   next sets options.previous, asks for EPLB_OPERATION_REBALANCE, and limits the moves or lets the gate decide. */

/* What a workspace is asked for. */
EPLB_ENUM(eplb_operation, uint32_t) {
  EPLB_OPERATION_PLAN = 0,      /* eplb_plan. */
  EPLB_OPERATION_EVALUATE = 1,  /* eplb_evaluate. */
  EPLB_OPERATION_CHECK = 2,     /* eplb_check. */
  EPLB_OPERATION_TRANSFERS = 3, /* eplb_transfers. */
  EPLB_OPERATION_DISPATCH = 4,  /* eplb_dispatch. */
  EPLB_OPERATION_REBALANCE = 5, /* eplb_plan with options.previous, whether or not the options at hand have it: what a
                                   planning loop allocates once. */
  EPLB_OPERATION_NUMBER = 6,    /* eplb_number, which needs no workspace: for eplb_explain. */
  EPLB_OPERATION_DIGEST = 7,    /* eplb_digest, likewise. */
  EPLB_OPERATION_REPLICATE = 8, /* eplb_replicate. */
};

/* Says how much workspace an operation needs. Ask once, keep the block, use it for any number of calls; two calls at
   the same time need a block each. What is in it before a call does not matter, what is in it afterwards means
   nothing.

   operation  EPLB_OPERATION_*.
   problem    the problem to come; only sizes and topology matter, not num_layers; load may be NULL.
   options    the options to come.
   size       out: bytes, a multiple of *align.
   align      out: alignment in bytes, a power of two.

   Refuses what the operation refuses of this shape and these options; that then accepts the shape and options accepted
   here. O(G); O(G^2) for BALANCED on nodes that are not contiguous. */
int32_t eplb_workspace(uint32_t operation, const eplb_problem *problem, const eplb_options *options, size_t *size,
                       size_t *align);

/* What eplb_plan and eplb_evaluate report of one layer.

   Loads are in the unit of problem.load (tokens), divided by the speed of the GPU where speeds are
   given. A balance is mean / largest: 1.0 is perfect, also when all loads are 0. With several windows each
   figure is the mean of that figure over the windows, weighted by window_weight, unless it says otherwise;
   then balance is not exactly mean_gpu_load / max_gpu_load. */
typedef struct eplb_metrics {
  double mean_gpu_load;          /* Total load over the total speed of the GPUs that are alive: what each GPU would do
                                    if all were even. */
  double max_gpu_load;           /* Load / speed of the busiest GPU. */
  double balance;                /* mean_gpu_load / max_gpu_load: the figure to quote. */
  double node_balance;           /* The same over nodes: load of a node / total speed of its GPUs. */
  double expert_balance;         /* Mean over largest load of a single replica. */
  double bound;                  /* No placement of this layer has a smaller max_gpu_load, if it keeps the replicas of
                                    an expert on different GPUs, in hierarchical scope each group on a node, and what
                                    EPLB_FLAG_SURVIVE_* ask for; and leaves no slot empty, where this one leaves none
                                    and EPLB_FLAG_EMPTY_SLOTS is not set. A placement with duplicates can be better: its
                                    bound is then its own max_gpu_load. */
  double gap;                    /* max_gpu_load / bound - 1, at least 0: how far from optimal this placement can be at
                                    most. */
  uint32_t duplicates;           /* Replicas that share a GPU with another replica of their expert. */
  uint32_t busiest_gpu;          /* The busiest GPU, lowest index first among equals; with several windows that of
                                    worst_window. */
  double worst_window_balance;   /* The smallest balance over the windows that have weight: balance itself when there is
                                    one window. */
  uint32_t worst_window;         /* The window that has it, the first among equals. */
  uint32_t moved_slots;          /* Slots of a living GPU whose expert differs from options.previous; 0 without it, and
                                    from eplb_evaluate. */
  double dispatch_balance;       /* The balance when tokens are split over the replicas as eplb_dispatch does, not
                                    evenly; 0 unless EPLB_FLAG_DISPATCH is set. */
  double dispatch_bound;         /* However tokens are split over the replicas of this placement, the busiest GPU has at
                                    least this load / speed; 0 unless EPLB_FLAG_DISPATCH is set. */
  double max_gpu_seconds;        /* Seconds of a step of the layer: layer_seconds, and what the slowest GPU takes. Here
                                    and in what follows 0 unless problem.cost is given. */
  double mean_gpu_seconds;       /* The same if all GPUs took as long as these replicas take on average. */
  double time_balance;           /* mean_gpu_seconds / max_gpu_seconds, without layer_seconds. Beside balance: copies
                                    that cost time are no better for being balanced, so compare seconds. */
  double active_experts;         /* Experts that have any token on the slowest GPU in a step, on average. */
  double seconds_bound;          /* No placement of this layer has a smaller max_gpu_seconds, tokens split evenly. */
  double seconds_gap;            /* max_gpu_seconds / seconds_bound - 1, at least 0. */
  double dispatch_seconds;       /* Seconds of a step of the layer when tokens are split as eplb_dispatch does, each
                                    expert's mean in whole tokens, one at least; 0 unless EPLB_FLAG_DISPATCH is set,
                                    too. */
  double dispatch_seconds_bound; /* However they are split over these replicas, a step takes at least this; 0 unless
                                    EPLB_FLAG_DISPATCH is set, too. */
} eplb_metrics;

/* Plans every layer of a problem. The result is a function of problem and options alone.

   placement  out: the plan, in every array that is not NULL.
   per_layer  out: [L] metrics of the plan; NULL: not wanted.

   EPLB_POLICY_BALANCED fills every slot of every GPU that is alive, but for those that only a duplicate, more than
   max_replicas, or more moves than allowed could fill: these are -1, and those that EPLB_FLAG_EMPTY_SLOTS or a
   target leaves empty.

   With options.previous the plan starts from the placement in force, and slots that keep their expert keep their
   place. EPLB_POLICY_BALANCED, in this order and as far as max_moves goes: the fewest moves that give every expert
   a slot on a GPU that is alive (EPLB_STATUS_INFEASIBLE when the limit does not allow them); groups that are on
   several nodes together (not with EPLB_MOVES_NONE); copies into empty slots; then the steps that relieve the
   busiest GPUs most for each slot that changes, until none is left, the effort is spent, or the balance is
   0.99976. Without a limit: the plan from nothing with GPUs (of the same slots and speed; in hierarchical scope of
   the same node, and nodes) renamed so that the fewest slots change, or the placement in force where the plan is
   no better, or what such steps make of that where it comes to more. With options.target only the first of these
   has to be done, and the rest as far as it takes. A layer that kept the rules, its groups whole, and had no empty
   slot is not less balanced than it was on the GPUs that stay; duplicates may remain, but none is added.
   docs/SPEC.md: which rule wins over which.
   The other policies: their plan, renamed. EPLB_STATUS_SOURCE_LOST: an expert was on dead GPUs alone, which cannot
   be read from, and EPLB_FLAG_EXTERNAL_SOURCE is not set.

   With problem.cost, where experts cost time, the balance meant is that of times when a mean step of each window is
   split as eplb_dispatch does, and every plan is searched as from a placement: workspace and stack are those of
   that, and of eplb_dispatch; effort 0 is 400 for each slot. Of a small layer, W P (E + P) up to
   1,000 (or effort / P), every change of a slot and every swap of two is measured, too.

   Time of a layer: see the policy, and O(P + E log E) for the metrics. Within limits a step takes O(P S W) at
   most, for S slots a GPU; effort bounds their sum, and without it the steps go on as long as they help. */
int32_t eplb_plan(const eplb_problem *problem, const eplb_options *options, void *workspace, size_t workspace_size,
                  eplb_placement *placement, eplb_metrics *per_layer, size_t metrics_size);

/* ---------------------------------------------------------------- 6. Measure, check, number, digest

   Of placements of any origin: how good for given or measured loads, whether they keep the rules, all their maps, and
   whether two ranks hold the same one. */

/* Measures a placement with the loads of a problem: any placement, from this library or not. Slots on dead GPUs do
   not count; every expert needs a replica on a GPU that is not dead (else EPLB_STATUS_PLACEMENT_MISSING).

   options    only scope, split and flags matter.
   placement  only physical_to_logical is read, and physical_load where it is given: then the load of a slot is what
              was measured, that of an expert the sum over its slots, and problem.load is not read, and may be NULL.
   per_layer  out: [L].

   O(L (P + E log E)); with EPLB_FLAG_DISPATCH the time of eplb_dispatch without sources more. */
int32_t eplb_evaluate(const eplb_problem *problem, const eplb_options *options, void *workspace, size_t workspace_size,
                      const eplb_placement *placement, eplb_metrics *per_layer, size_t metrics_size);

/* Which promise a placement breaks. */
EPLB_ENUM(eplb_violation_kind, uint32_t) {
  EPLB_VIOLATION_KIND_NONE = 0,      /* None. */
  EPLB_VIOLATION_KIND_EXPERT = 1,    /* A slot holds a number that is neither -1 nor an expert. */
  EPLB_VIOLATION_KIND_STATE = 2,     /* A slot of a dead or leaving GPU is not empty. */
  EPLB_VIOLATION_KIND_EMPTY = 3,     /* A slot is empty. Compatibility policies only. */
  EPLB_VIOLATION_KIND_MISSING = 4,   /* An expert has no replica. */
  EPLB_VIOLATION_KIND_DUPLICATE = 5, /* An expert has two replicas on one GPU. EPLB_POLICY_BALANCED only. */
  EPLB_VIOLATION_KIND_NODE = 6,      /* Hierarchical scope: the experts of a group sit on more than one node. */
  EPLB_VIOLATION_KIND_COUNT = 7,     /* logical_count differs from what physical_to_logical holds. */
  EPLB_VIOLATION_KIND_RANK = 8,      /* replica_rank does not number the replicas of an expert from 0, or is not -1 at
                                        an empty slot. */
  EPLB_VIOLATION_KIND_TABLE = 9,     /* logical_to_physical does not list the slots of an expert in order of rank,
                                        padded with -1. */
};

/* The first broken promise that eplb_check found: layers in order, in a layer by kind, then by
   lowest slot or expert. -1 where a field does not apply. */
typedef struct eplb_violation {
  eplb_violation_kind kind; /* EPLB_VIOLATION_KIND_*. */
  int32_t layer;            /* Layer. */
  int32_t slot;             /* Slot. */
  int32_t expert;           /* Expert. */
  int32_t gpu;              /* GPU. */
  int32_t other_slot;       /* The slot that this one does not agree with: of EPLB_VIOLATION_KIND_DUPLICATE the other
                               one on the GPU, of EPLB_VIOLATION_KIND_NODE the first one of the group. */
} eplb_violation;

/* Checks that a placement keeps its promises, those of eplb_violation_kind.

   problem    load may be NULL.
   options    only policy and scope matter.
   placement  the other maps are checked as far as they are not NULL.
   first      out: the first broken promise, EPLB_VIOLATION_KIND_NONE when there is none; NULL: not wanted.

   EPLB_STATUS_PLACEMENT_INVALID with *first filled in when one is broken. O(L (P + E max_replicas)). */
int32_t eplb_check(const eplb_problem *problem, const eplb_options *options, void *workspace, size_t workspace_size,
                   const eplb_placement *placement, eplb_violation *first, size_t first_size);

/* Fills the other maps of a placement from physical_to_logical, which it leaves as it is: for engines that mask a
   part of a placement, or move one. Of a plan of EPLB_POLICY_BALANCED these are the maps that eplb_plan has written.

   problem    only sizes, gpu_slots and gpu_state matter; load may be NULL.
   placement  physical_to_logical in; the other maps out, as far as they are not NULL. max_replicas is the width of
              logical_to_physical, and not looked at without it.

   The replicas of an expert are numbered in order of their slots (the compatibility policies number as the programs
   that they reproduce). A slot on a dead GPU is as an empty one, whatever it holds; GPUs that are leaving count. An
   expert without a replica has a logical_count of 0. EPLB_STATUS_PLACEMENT_EXPERT also for dead GPUs;
   EPLB_STATUS_MAX_REPLICAS when an expert has more replicas than the table is wide. O(L (P + E max_replicas)) for up
   to 256 experts, and a walk over the slots more for each further 256. No workspace. */
int32_t eplb_number(const eplb_problem *problem, eplb_placement *placement);

/* Digests physical_to_logical into 64 bits, the same on every machine, that ranks can compare to see whether they hold
   the same plan. Not cryptographic.

   problem    only num_layers and num_physical_experts matter.
   placement  only physical_to_logical is read.
   digest     out.

   O(L P), no workspace. */
int32_t eplb_digest(const eplb_problem *problem, const eplb_placement *placement, uint64_t *digest);

/* ---------------------------------------------------------------- 7. Load windows

   A tracker adds up tokens of experts, step by step, in windows, the newest W of which it keeps. They are a problem's
   load as they are; eplb_window_weights says which of them still count, eplb_forecast makes one load of them. */

/* What a load tracker is made for. The num_* fields, all 1 to 2^31 - 1, must be set. */
typedef struct eplb_tracker_config {
  uint32_t struct_size;         /* sizeof(eplb_tracker_config). */
  uint32_t num_windows;         /* W: windows that the ring keeps. */
  uint32_t num_layers;          /* L: MoE layers. */
  uint32_t num_logical_experts; /* E: logical experts of a layer. */
  uint32_t steps_per_window;    /* Steps after which a window closes by itself; 0 = eplb_tracker_close alone closes
                                   it. */
  uint32_t reserved;            /* 0. */
} eplb_tracker_config;
#define EPLB_TRACKER_CONFIG_INIT { sizeof(eplb_tracker_config), 0, 0, 0, 0, 0 }

/* Says how much memory a load tracker takes: 80 + 4 L + 4 L E (W + 1) bytes.

   size   out: bytes.
   align  out: alignment in bytes, a power of two. */
int32_t eplb_tracker_size(const eplb_tracker_config *config, size_t *size, size_t *align);

/* Makes a load tracker that has seen nothing in memory of the caller's, whatever it holds. Afterwards the memory
   belongs to the tracker: eplb_tracker_* alone write to it, one call at a time.

   It is plain data without pointers. Copied while no call is running it can be kept in a file and taken up by
   another process, of the same byte order, at any address, without a call. A hash guards its header, sums the
   rest. O(W L E). */
int32_t eplb_tracker_init(const eplb_tracker_config *config, void *memory, size_t memory_size);

/* Adds the tokens of one step of one layer to the open window.

   layer                below L.
   counts               [num_counts] tokens of each logical expert, or of each slot.
   num_counts           E, or with a row the slots P of the layer.
   physical_to_logical  [P] this layer's row of the placement in force at this step, -1 = empty slot, whose count must
                        be 0. NULL: counts are of logical experts.

   Counters are 32 bits and stop at 2^32 - 1. With steps_per_window the window closes as soon as every layer has
   been given so many steps, or when a layer comes that already has them: one that was left out then has fewer.
   O(E) or O(P); O(L E) when the window closes. */
int32_t eplb_tracker_observe(void *memory, size_t memory_size, uint32_t layer, const uint32_t *counts,
                             uint32_t num_counts, const int32_t *physical_to_logical);

/* Closes the open window: it becomes the newest of the ring, as float, in place of the oldest when the ring is
   full. Counts up to 2^24 are kept exactly, larger ones rounded to nearest. EPLB_STATUS_TRACKER_EMPTY when nothing
   was observed since the last window. O(L E). */
int32_t eplb_tracker_close(void *memory, size_t memory_size);
/* Forgets what the open window has observed, if anything: after a warm-up, or traffic that is not like what is to
   come. The closed windows stay. O(L E). */
int32_t eplb_tracker_discard(void *memory, size_t memory_size);

/* Load windows, as eplb_tracker_windows tells them or as the caller keeps them. The num_* fields, all at
   least 1, and load must be set.

   Windows may lie in a ring: the one at place oldest is the oldest, the next younger one follows, and after the
   last place comes the first. oldest = 0 is plain order of time. */
typedef struct eplb_windows {
  uint32_t struct_size;         /* sizeof(eplb_windows). */
  uint32_t num_windows;         /* W: windows that are filled. */
  uint32_t num_layers;          /* L: MoE layers. */
  uint32_t num_logical_experts; /* E: logical experts of a layer. */
  uint32_t oldest;              /* Place of the oldest window, below W. */
  uint32_t reserved;            /* 0. */
  uint64_t load_window_stride;  /* Elements of load from one window to the next; 0 = L * E. */
  uint64_t closed;              /* Windows that the tracker has closed since it was made; not looked at when given. */
  const float *load;            /* [W][L][E] tokens of each expert, finite, >= 0: a problem's load. */
  const float *window_weight;   /* [L][W] weight of each window in each layer, finite, >= 0, not all 0 in a layer: a
                                   problem's window_weight. NULL: all equal. */
} eplb_windows;
#define EPLB_WINDOWS_INIT { sizeof(eplb_windows), 0, 0, 0, 0, 0, 0, 0, NULL, NULL }

/* Tells the closed windows: where they lie, how many, and which is the oldest. Checks the whole memory, so call it
   once after restoring a saved tracker (EPLB_STATUS_TRACKER_TORN).

   windows  out; window_weight is made NULL, struct_size what windows_size is.

   The load lies in the tracker's memory and can be a problem's load as it is, with num_windows as told: the order
   of windows does not matter to a plan. It changes when a window closes. EPLB_STATUS_TRACKER_EMPTY while none has
   been closed. O(W L E). */
int32_t eplb_tracker_windows(void *memory, size_t memory_size, eplb_windows *windows, size_t windows_size);

/* How an abrupt change of the load is told. EPLB_CHANGE_INIT is the default of every field. */
typedef struct eplb_change {
  uint32_t struct_size;  /* sizeof(eplb_change). */
  uint32_t each_layer;   /* 0: all layers of the call are judged together, since a change of domain shows in all. 1:
                            each by itself. */
  float ratio;           /* The spread between the windows before and after a change, over that within them, at least; 0
                            = 6. */
  float distance;        /* The squared distance of the mean windows before and after a change, at least; 0 = 0.3. */
  float before;          /* Weight of windows from before a change, 0 to 1: a little keeps what may come back in
                            sight. */
  float tokens_per_load; /* Tokens that a load of 1 stands for, to judge the scatter of counts; 0 = 1. */
} eplb_change;
#define EPLB_CHANGE_INIT { sizeof(eplb_change), 0, 0, 0, 0, 0 }

/* Says how much each window should count, so that a plan does not cling to what the load was before it changed
   abruptly, nor forget how much it varies since. Windows from before the last change weigh change.before, the
   others 1.

   windows        what was observed; at most 32. Their window_weight is not looked at.
   change         NULL = all defaults.
   window_weight  out: [L][W], places as in load; can be the problem's window_weight as it is.
   num_counted    out: [L] how many of the newest windows are since the last change; NULL: not wanted.

   A window is its distribution of tokens over experts; the squared distance of two is the sum over experts of
   (difference of the shares)^2 / mean share. A change is a cut in time with windows that are alike on both sides
   of it and far apart across it; workloads that come and go are none. At least 3 windows are needed to tell one;
   windows without tokens in a layer are passed over. Loads are taken for counts of tokens, which scatter by
   chance; for loads in another unit say tokens_per_load. O(L W E) for each change that is found, and once more. No
   workspace. */
int32_t eplb_window_weights(const eplb_windows *windows, const eplb_change *change, float *window_weight,
                            uint32_t *num_counted);

/* How eplb_forecast makes one load of the windows. */
EPLB_ENUM(eplb_forecast_method, uint32_t) {
  EPLB_FORECAST_METHOD_LAST = 0,            /* The newest window, whatever its weight. */
  EPLB_FORECAST_METHOD_MEAN = 1,            /* The weighted mean. */
  EPLB_FORECAST_METHOD_HALF_LIFE = 2,       /* The mean in which a window counts half as much as one that is half_life
                                               windows younger. */
  EPLB_FORECAST_METHOD_MEAN_PLUS_SIGMA = 3, /* The mean and so many standard deviations over the windows: more replicas
                                               for what varies. */
};

/* How to make one load of the windows. EPLB_FORECAST_INIT is the newest window. */
typedef struct eplb_forecast_options {
  uint32_t struct_size; /* sizeof(eplb_forecast_options). */
  uint32_t method;      /* EPLB_FORECAST_METHOD_*. */
  float half_life;      /* Windows after which a window counts half, at least 2^-10; 0 = 1. Of
                           EPLB_FORECAST_METHOD_HALF_LIFE. */
  float sigmas;         /* Standard deviations above the mean, at least 0. Of EPLB_FORECAST_METHOD_MEAN_PLUS_SIGMA. */
} eplb_forecast_options;
#define EPLB_FORECAST_INIT { sizeof(eplb_forecast_options), 0, 0, 0 }

/* Makes one load matrix of several windows, for a policy that plans on one.

   forecast  NULL = the newest window.
   load      out: [L][E] loads, in the unit of the windows.

   With x the windows of an expert's load, v their window_weight (1 without) and sums over the windows:
   EPLB_FORECAST_METHOD_LAST gives x of the newest window; _MEAN gives m = sum v x / sum v; _HALF_LIFE the same
   with v 2^(-age / half_life), age 0 for the newest window (and the newest alone when all others have faded
   out); _MEAN_PLUS_SIGMA gives m + sigmas sqrt(sum v (x - m)^2 / sum v), at most the largest float. O(W L E). */
int32_t eplb_forecast(const eplb_windows *windows, const eplb_forecast_options *forecast, float *load);

/* ---------------------------------------------------------------- 8. Transfers

   From the placement in force to the new one: what goes where, in rounds that keep every expert served. */

/* One expert of one layer on its way into a slot. */
typedef struct eplb_transfer {
  int32_t layer;            /* Layer. */
  int32_t expert;           /* Logical expert. */
  int32_t source_gpu;       /* GPU that sends; destination_gpu for a copy within a GPU; -1: from outside. */
  int32_t source_slot;      /* Slot in which the expert stands when it is read, 0 .. P - 1; -1: from outside. */
  int32_t destination_gpu;  /* GPU that receives. */
  int32_t destination_slot; /* Slot into which the expert goes, 0 .. P - 1. */
  uint32_t round;           /* Round, from 0 in each layer. Of a copy within a GPU: the round before which it is
                               made. */
  uint32_t commit;          /* 0: the expert is written into destination_slot during the round. Else it is received into
                               a spare buffer, and copied into destination_slot before this round begins. Of a copy
                               within a GPU: round; no buffer is used. */
} eplb_transfer;

/* What a list of transfers comes to. */
typedef struct eplb_transfer_totals {
  uint32_t count;        /* Entries of the list. */
  uint32_t moved;        /* Those that use a link: copies of an expert that travel. The others are copies within a
                            GPU. */
  uint32_t moved_layers; /* Layers in which any travels. */
  uint32_t rounds;       /* The most rounds of a layer. */
} eplb_transfer_totals;

/* Where eplb_transfers writes. An array that is NULL is not wanted. */
typedef struct eplb_transfer_list {
  uint32_t struct_size;         /* sizeof(eplb_transfer_list). */
  uint32_t capacity;            /* Transfers that fit; 2 * L * P always suffice. Not looked at when transfers is
                                   NULL. */
  eplb_transfer *transfers;     /* [capacity] the first totals.count are written; layer by layer, in the order in which
                                   they happen. NULL: they are only counted. */
  size_t transfer_size;         /* sizeof(eplb_transfer). */
  uint32_t *layer_start;        /* [L + 1] the index of the first transfer of each layer, and their number at the
                                   end. */
  uint32_t *layer_moved;        /* [L] the transfers of each layer that use a link: what eplb_gate_layer.moved asks
                                   for. */
  uint32_t *layer_rounds;       /* [L] the rounds of each layer. */
  eplb_transfer_totals *totals; /* [1] what all layers come to. */
  size_t totals_size;           /* sizeof(eplb_transfer_totals). */
} eplb_transfer_list;
#define EPLB_TRANSFER_LIST_INIT \
  { sizeof(eplb_transfer_list), 0, NULL, sizeof(eplb_transfer), NULL, NULL, NULL, NULL, sizeof(eplb_transfer_totals) }

/* Lists the transfers that turn one placement into another: which expert goes from where to where, and in which
   round. Replayed in order the list is safe: in a round a GPU sends at most one expert and receives at most one,
   no slot is overwritten before its last reader, and every expert has a slot from which it can be read and served
   throughout. docs/SPEC.md ("Transfers") says what happens in and between rounds. Sources are the nearest GPUs
   that hold the expert (same node, then any), spread as evenly as can be; those that have received it may send it
   on. GPUs that leave are sources, dead ones are not.

   problem        load may be NULL.
   options        only EPLB_FLAG_EXTERNAL_SOURCE matters: it allows source -1 for experts that no GPU can be read for.
   from           the placement in force; only physical_to_logical is read.
   to             the new placement, likewise.
   spare_buffers  experts of a layer that a GPU can receive beside its slots. One always suffices.
   list           out: the list, its layers, its totals.

   EPLB_STATUS_SOURCE_LOST, EPLB_STATUS_NEEDS_BUFFER (without a spare buffer only), EPLB_STATUS_LIST_TOO_SMALL:
   eplb_explain_transfers names the layer. A layer takes O(rounds (P + transfers x GPUs)) at most, twice, since all
   are checked before the first is written, and up to 8 times (4 from 4,096 slots on) when no order is found that
   provably has the fewest rounds. */
int32_t eplb_transfers(const eplb_problem *problem, const eplb_options *options, void *workspace, size_t workspace_size,
                       const eplb_placement *from, const eplb_placement *to, uint32_t spare_buffers,
                       const eplb_transfer_list *list);

/* ---------------------------------------------------------------- 9. Gate

   Whether a new placement earns what its transfers cost; its figures come from eplb_evaluate and eplb_transfers. */

/* eplb_gate_config.flags: mean, now and after of the layers are seconds of a step, as eplb_metrics
   has them with a problem.cost. The step is the sum of now: step_seconds is not looked at. */
#define EPLB_GATE_SECONDS 1

/* Prices and times of the gate. The num_* fields, both at least 1, step_seconds, steps and gpu_bandwidth must be set.
   Numbers are 0 or from 2^-100 to 2^100. */
typedef struct eplb_gate_config {
  uint32_t struct_size;    /* sizeof(eplb_gate_config). */
  uint32_t num_layers;     /* L, 1 to 4,096. */
  uint32_t num_gpus;       /* G: GPUs over which the loads are spread, at least 1. */
  uint32_t flags;          /* EPLB_GATE_SECONDS, or 0: the layers are told in loads. */
  double step_seconds;     /* Seconds of a step that wait for the experts of all layers; seconds of attention and the
                              like are not part of it. Not looked at with EPLB_GATE_SECONDS. */
  double steps;            /* Steps until the next occasion to rebalance: how long a new placement has to earn. */
  double steps_since;      /* Steps since the last call with the same states: how much the last move has earned
                              meanwhile. */
  double bytes_per_expert; /* Bytes of the weights of one expert in one layer. */
  double gpu_bandwidth;    /* Bytes per second that a GPU sends, and receives at the same time. */
  double node_bandwidth;   /* Bytes per second into or out of a node; 0: not a limit. */
  double stall;            /* Part of the transfer time for which serving waits: 1 when it stops meanwhile, less when
                              transfers run beside it. 0 = 1. */
  double fixed_seconds;    /* Seconds that any rebalance costs, however little it moves; 0 and more. */
  double certainty;        /* How many standard deviations beyond the largest that chance is expected to show among G
                              GPUs the busiest GPU must be to count. 0 = 3. */
  double payback;          /* A layer moves when it gains this many times what it costs. 0 = 2. */
  double evidence;         /* The part of the step that has to be at stake before anything moves, summed over calls in a
                              row: a layer that could save a hundredth of the step in each of five calls counts 0.05. So
                              a large gain is taken at once, a small one when it lasts, and what comes and goes is not.
                              0 = 0.2. */
  double max_cost_seconds; /* The most seconds that one rebalance may cost, fixed_seconds included; 0 = no limit. */
} eplb_gate_config;
#define EPLB_GATE_CONFIG_INIT { sizeof(eplb_gate_config), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

/* A layer before the gate. Loads in any unit, the same for all three: max_gpu_load and mean_gpu_load of
   eplb_metrics; with EPLB_GATE_SECONDS max_gpu_seconds and mean_gpu_seconds, where tokens are dispatched
   dispatch_seconds in the place of the first. Both placements are measured with the same loads, best with some that
   the new one was not planned on, such as the newest window: what was planned on looks better than it will be. */
typedef struct eplb_gate_layer {
  double mean;          /* Mean load of a GPU now. */
  double now;           /* Load of the busiest GPU now: predicted, or measured per slot. */
  double after;         /* Load of the busiest GPU after the move. */
  double tokens;        /* Tokens of the layer that the loads were counted from, over all experts; 0: the loads are
                           exact. */
  uint32_t moved;       /* Copies of an expert that go over a link: eplb_transfer_list.layer_moved. Not slots that
                           differ: what changes its slot within a GPU costs no link. */
  uint32_t rounds;      /* The rounds of the transfers: eplb_transfer_list.layer_rounds. */
  uint32_t node_rounds; /* The most experts that enter or leave one node; 0 when node_bandwidth is. */
  uint32_t reserved;    /* 0. */
} eplb_gate_layer;

/* What the gate remembers of a layer; the caller keeps it from call to call. Zeroes at the start. */
typedef struct eplb_gate_state {
  double debt_seconds;     /* Seconds that the last move cost and has not earned yet. */
  double seconds_per_step; /* Seconds a step that it is expected to earn. */
  double evidence;         /* Part of the step that the layer could have saved, summed over the last calls in a row. */
} eplb_gate_state;

/* What the gate says about a layer. */
typedef struct eplb_gate_verdict {
  double gain_seconds; /* Seconds gained until the next rebalance, chance taken off; 0 and more. */
  double cost_seconds; /* Seconds that the transfers hold up serving. */
  double debt_seconds; /* Seconds that the last move still has to earn. */
  uint32_t move_layer; /* 1: take the new placement of this layer. 0: keep the old one. */
  uint32_t order;      /* Which to move first, from 0, by net gain per byte; with move_layer 0: 2^32 - 1. */
} eplb_gate_verdict;

/* What the gate says about all layers. */
typedef struct eplb_gate_total {
  uint32_t moved_layers; /* Layers that move. */
  uint32_t moved;        /* Copies of an expert that go over a link for it: the sum of their eplb_gate_layer.moved, at
                            most 2^32 - 1. */
  double gain_seconds;   /* Seconds gained by the layers that move. */
  double cost_seconds;   /* What they cost, fixed_seconds included; 0 when none moves. */
  double bytes;          /* Bytes that move. */
  double evidence;       /* Sum of the evidence of the layers, this call included; eplb_gate_config.evidence is what it
                            takes. */
} eplb_gate_total;

/* Decides, layer by layer, whether a new placement is worth the move: what the steps until the next rebalance gain
   by it against what the transfers cost, in seconds. What the busiest GPU may have above the mean by chance is not
   counted as a gain (config.certainty). What comes and goes moves nothing (config.evidence), and a layer that has
   moved earns what it cost before it moves again (states). docs/SPEC.md ("Gate") has the formulas.

   layers    [L] each layer under both placements.
   states    [L] in and out: zeroes before the first call, then what the last one wrote. The gate takes it that the
             caller does what it says.
   verdicts  [L] out.
   total     out: the layers that move, together; NULL: not wanted.

   EPLB_STATUS_GATE_NEVER when the config allows no move, whatever the loads: no time to gain, a price or a limit
   that rules out even one expert, evidence that is never reached. O(L^2), no workspace. */
int32_t eplb_gate(const eplb_gate_config *config, const eplb_gate_layer *layers, size_t layer_size,
                  eplb_gate_state *states, size_t state_size, eplb_gate_verdict *verdicts, size_t verdict_size,
                  eplb_gate_total *total, size_t total_size);

/* ---------------------------------------------------------------- 10. Dispatch

   The tokens of a batch over the replicas of their experts, and the table by which every rank routes its own. */

/* The tokens of a batch. */
typedef struct eplb_batch {
  uint32_t struct_size;   /* sizeof(eplb_batch). */
  uint32_t num_sources;   /* 0: it is not known, or does not matter, where tokens come from. num_gpus: every GPU sends
                             its own. */
  const uint32_t *tokens; /* [L][E] tokens of each expert; with sources [L][G][E] tokens that each GPU sends to each
                             expert. At most 2^52 in a layer; none from a dead GPU. */
} eplb_batch;
#define EPLB_BATCH_INIT { sizeof(eplb_batch), 0, NULL }

/* How good a split is. */
EPLB_ENUM(eplb_split_kind, uint32_t) {
  EPLB_SPLIT_KIND_EXACT = 0, /* The largest time is the least, and among such splits the fewest tokens leave their node,
                                then their GPU. */
  EPLB_SPLIT_KIND_TIME = 1,  /* The largest time is the least, but options.effort ran out before the fewest tokens that
                                leave were found. Where problem.cost makes experts cost time for being active: the least
                                time of the splits that were tried, of which bound says how good it is; which tokens
                                leave is not looked at. */
  EPLB_SPLIT_KIND_EVEN = 2,  /* options.effort ran out: the tokens of every expert in equal parts on the GPUs that hold
                                it. */
};

/* What eplb_dispatch reports of one layer. Times are tokens / speed of the GPU, tokens where no speeds are given; with
   problem.cost seconds, layer_seconds included. */
typedef struct eplb_split {
  double largest_time;   /* The largest time of a GPU. */
  double bound;          /* No split in whole tokens has a smaller largest time: equal to largest_time but for
                            EPLB_SPLIT_KIND_EVEN, and where active experts cost time. */
  double balance;        /* Tokens / total speed of the GPUs that are alive, over largest_time; 1.0 when there are no
                            tokens. With problem.cost the same of seconds, without layer_seconds. */
  uint64_t tokens;       /* Tokens of the layer. */
  uint64_t leaving_node; /* Tokens that leave the node of their source; 0 when sources are not given. */
  uint64_t leaving_gpu;  /* Tokens that leave the GPU of their source, those that leave its node included; 0 when
                            sources are not given. */
  eplb_split_kind kind;  /* EPLB_SPLIT_KIND_*. */
  uint32_t busiest_gpu;  /* The GPU of largest_time, lowest index first among equals. */
} eplb_split;

/* Where eplb_dispatch writes. quota is always needed; NULL for the others: not wanted.

   The routing table says which tokens are whose: those of an expert (and source) are numbered from 0, in
   any order that all ranks agree on, and token i goes to the first place r of the row of route_end with
   i < route_end[r], that is to physical expert route_slot[r]. eplb_route does that. Without sources the
   numbers run over all GPUs, so that a rank has to know how many tokens of the expert come before its own. */
typedef struct eplb_quotas {
  uint32_t struct_size;  /* sizeof(eplb_quotas). */
  uint32_t max_replicas; /* Width of the routing table, at least the largest number of GPUs that serve and hold an
                            expert. Not looked at when neither route_end nor route_slot is given. */
  uint32_t *quota;       /* [L][P] tokens that each physical expert gets; with sources [L][G][P] of each source. */
  uint32_t *route_end;   /* [L][E][max_replicas], with sources [L][G][E][max_replicas]: one more than the last token of
                            each place; places beyond the replicas of the expert repeat the last. */
  int32_t *route_slot;   /* [L][E][max_replicas] the physical experts of an expert that serve, ascending (of several on
                            one GPU the first), then -1. The same for all sources. */
  eplb_split *per_layer; /* [L] what is known of each layer. */
  size_t split_size;     /* sizeof(eplb_split). */
} eplb_quotas;
#define EPLB_QUOTAS_INIT { sizeof(eplb_quotas), 0, NULL, NULL, NULL, NULL, sizeof(eplb_split) }

/* Splits the tokens of a batch over the replicas of their experts: whole tokens, exact, the same on every rank.

   The largest time of a GPU (tokens / speed) is the smallest that any split into whole tokens has. Where the batch
   says which GPU sends what, the fewest tokens leave the node of their source, and among such splits the fewest
   leave its GPU. Of equally good splits the algorithm of docs/SPEC.md, "Dispatch", takes one. Dead GPUs get
   nothing, whatever their slots hold; GPUs that are leaving serve. Of several slots of an expert on one GPU the
   first gets all.

   With problem.cost times are seconds. Where an active expert costs some, which replicas are used is part of the
   split: with few tokens one of each expert, the fewest on the busiest GPU; with many all; between, what is best of
   some choices. The bound says how good that is.

   problem    only sizes, topology and cost matter, of one layer or several; load may be NULL.
   options    only effort matters: it bounds the replicas looked at in a layer, 0 = 16,384 for each slot; when it runs
              out, the split is even and marked so.
   placement  only physical_to_logical is read.
   out        out: quotas, routing table, a report a layer.

   The workspace is the same with sources and without. EPLB_STATUS_DISPATCH_*, EPLB_STATUS_PLACEMENT_EXPERT,
   EPLB_STATUS_MAX_REPLICAS; EPLB_STATUS_SHAPE_TOO_LARGE above 65,535 GPUs. About O(E + P + the ways found) a
   layer, with sources O(G P) more. */
int32_t eplb_dispatch(const eplb_problem *problem, const eplb_options *options, void *workspace, size_t workspace_size,
                      const eplb_placement *placement, const eplb_batch *batch, const eplb_quotas *out);

/* ---------------------------------------------------------------- 11. Replicas for a batch

   Homes stay where they are; the spare slots of every GPU get the copies that one batch needs, whose tokens are known
   after gating. Keep what physical_to_logical says of the spare slots, and pass it as held with the next batch. */

/* The tokens of a batch, and what copies may be made for them. */
typedef struct eplb_replication {
  uint32_t struct_size;     /* sizeof(eplb_replication). */
  uint32_t num_sources;     /* 0: it is not known, or does not matter, where tokens come from. num_gpus: every GPU sends
                               its own. */
  const uint32_t *tokens;   /* [L][E] tokens of each expert; with sources [L][G][E] tokens that each GPU sends to each
                               expert. At most 2^52 in a layer; none from a dead GPU. */
  const int32_t *held;      /* [L][P] what the spare slots hold from the last batch, -1 for nothing: such copies need no
                               fetch. Where the home placement has an expert it is not looked at. NULL: nothing. */
  uint32_t tolerance;       /* The largest time may be (1 + tolerance / 1024) times eplb_replicated.bound; at most 2^20.
                               0: the least, whatever is fetched for it; 10 is 1 %. */
  uint32_t fetch_tokens;    /* A fetch costs the GPU that receives it as much time as so many tokens. */
  uint32_t least_tokens;    /* A copy that is fetched gets at least so many tokens, or is not made; 0 = 1. */
  uint32_t max_fetches_in;  /* Fetches of a layer into a GPU at most; 0 = as many as it has spare slots. */
  uint32_t max_fetches_out; /* Fetches of a layer out of a GPU at most; 0 = any number. */
  uint32_t reserved;        /* 0. */
} eplb_replication;
#define EPLB_REPLICATION_INIT { sizeof(eplb_replication), 0, NULL, NULL, 0, 0, 0, 0, 0, 0 }

/* An expert of a layer on its way into a spare slot. */
typedef struct eplb_fetch {
  int32_t layer;            /* Layer. */
  int32_t expert;           /* Logical expert. */
  int32_t source_gpu;       /* GPU that sends. */
  int32_t source_slot;      /* Slot from which the expert is read, 0 .. P - 1. */
  int32_t destination_gpu;  /* GPU that receives. */
  int32_t destination_slot; /* Spare slot into which the expert goes, 0 .. P - 1. */
  uint32_t round;           /* Round, from 0 in each layer: what is read from a home, or a copy of the last batch, is of
                               round 0, what is read from a copy that has been fetched of the round after that one's. */
  uint32_t tokens;          /* Tokens that the copy gets, at most 2^32 - 1. */
} eplb_fetch;

/* What kept the largest time above the tolerance. */
EPLB_ENUM(eplb_replicate_limit, uint32_t) {
  EPLB_REPLICATE_LIMIT_NONE = 0,         /* Nothing: the largest time is within the tolerance. */
  EPLB_REPLICATE_LIMIT_SLOTS = 1,        /* The spare slots: how many there are, and where. */
  EPLB_REPLICATE_LIMIT_FETCHES_IN = 2,   /* The fetches that a GPU may receive. */
  EPLB_REPLICATE_LIMIT_FETCHES_OUT = 3,  /* The fetches that a GPU may send. */
  EPLB_REPLICATE_LIMIT_LEAST_TOKENS = 4, /* The tokens that a copy gets at least, or what a fetch costs. */
  EPLB_REPLICATE_LIMIT_EFFORT = 5,       /* The effort: the search ended before it knew. */
};

/* What eplb_replicate reports of one layer. Times are tokens / speed of the GPU, those that fetches cost included;
   tokens where no speeds are given. */
typedef struct eplb_replicated {
  double largest_time;        /* The largest time of a GPU. */
  double bound;               /* No copies and no split of the tokens in whole tokens have a smaller largest time,
                                 however many spare slots a GPU has that has any. The tolerance is above this. */
  double balance;             /* Tokens / total speed of the GPUs that are alive, over largest_time; 1.0 when there are
                                 no tokens. */
  uint64_t tokens;            /* Tokens of the layer. */
  uint64_t leaving_home;      /* Tokens that copies in spare slots get. */
  uint64_t leaving_node;      /* Tokens that leave the node of their source; 0 when sources are not given. */
  uint64_t leaving_gpu;       /* Tokens that leave the GPU of their source, those that leave its node included; 0 when
                                 sources are not given. */
  uint32_t fetches;           /* Copies that are fetched. */
  uint32_t fetches_bound;     /* No answer whose largest time is as small as the tolerance asks (where that cannot be:
                                 as this one's) has fewer. */
  uint32_t busiest_gpu;       /* The GPU of largest_time, lowest index first among equals. */
  eplb_replicate_limit limit; /* EPLB_REPLICATE_LIMIT_*. */
} eplb_replicated;

/* Where eplb_replicate writes. NULL but for physical_to_logical and quota: not wanted. */
typedef struct eplb_replicas {
  uint32_t struct_size;         /* sizeof(eplb_replicas). */
  uint32_t max_replicas;        /* Width of the routing table, at least the largest number of GPUs that serve and are
                                   home to an expert; no expert gets more replicas than that. Not looked at when neither
                                   route_end nor route_slot is given. */
  int32_t *physical_to_logical; /* [L][P] the home placement, and in its spare slots what they hold for this batch. A
                                   copy of the last batch that is not used stays where no fetch needs its slot. */
  uint32_t *quota;              /* [L][P] or [L][G][P] tokens that each physical expert gets: see eplb_quotas. */
  uint32_t *route_end;          /* [L][E][max_replicas] or [L][G][E][max_replicas]: see eplb_quotas. */
  int32_t *route_slot;          /* [L][E][max_replicas]: see eplb_quotas. */
  eplb_fetch *fetches;          /* [capacity] the fetches, layer by layer, by round, then by slot; how many in
                                   per_layer. */
  size_t fetch_size;            /* sizeof(eplb_fetch). */
  uint32_t capacity;            /* Fetches that fit: as many as there are spare slots in all layers, L P at most. Not
                                   looked at when fetches is NULL. */
  uint32_t reserved;            /* 0. */
  eplb_replicated *per_layer;   /* [L] what is known of each layer. */
  size_t replicated_size;       /* sizeof(eplb_replicated). */
} eplb_replicas;
#define EPLB_REPLICAS_INIT \
  { sizeof(eplb_replicas), 0, NULL, NULL, NULL, NULL, NULL, sizeof(eplb_fetch), 0, 0, NULL, sizeof(eplb_replicated) }

/* Decides for one batch, whose tokens are known, which experts are copied into the spare slots of a placement, and
   splits the tokens over homes and copies: the largest time of a GPU within a tolerance of the least, by the fewest
   fetches, then with the fewest tokens that leave their homes.

   Homes are never touched, and no expert comes to a GPU twice. Spare slots are those that hold -1 on GPUs that are
   alive; GPUs that leave serve and receive none. Small layers are searched whole; of others fetches_bound says how
   few there could be. Where no copies bring the largest time within the tolerance it is the least that was found,
   and limit says what it was kept by. Whole tokens, total orders: the same on every rank.

   problem  only sizes and topology matter, of one layer or several; load may be NULL, cost must be.
   options  only effort matters: it bounds the slots looked at in a layer while fewer fetches are searched for; 0 =
            131,072 where E P is at most 4,096 and all sets of fetches are tried, 2,048 for better packings.
   home     only physical_to_logical is read: any placement, with -1 in the spare slots.
   request  the tokens, what is held, the limits.
   out      out: slots, quotas, routing table, fetches, a report a layer.

   The workspace is the same with sources and without, whatever the number of layers. EPLB_STATUS_TOLERANCE,
   EPLB_STATUS_LIST_TOO_SMALL, EPLB_STATUS_UNSUPPORTED_COST, and those of eplb_dispatch. About
   O(E + P + fetches x the copies looked at) a layer, with sources O(G P) more. */
int32_t eplb_replicate(const eplb_problem *problem, const eplb_options *options, void *workspace, size_t workspace_size,
                       const eplb_placement *home, const eplb_replication *request, const eplb_replicas *out);

/* ---------------------------------------------------------------- 12. Explain

   Not on the path of a call that succeeds: when one is refused, ask the explanation with the same arguments. */

/* Says in a sentence why a call is refused: which argument, which place in it, and what to do. For instance:
   problem.load[window 2][layer 3][expert 17] is NaN: loads are finite and at least 0 (status -40).

   operation  EPLB_OPERATION_*: which function.
   problem    as it was given, and so are options and placement (of eplb_transfers the new one). placement NULL:
              eplb_workspace(operation, problem, options) is explained.
   text       out: the sentence, ASCII, as much of it as fits, and a NUL; NULL: not wanted.
   size       bytes of text; 0: not wanted.

   Returns the length of the whole sentence, without the NUL, as snprintf does: below 400. It ends with the status as a
   number, 0 when nothing is wrong. O(W L E + L P (P + E / 64)), up to 8 KB of stack; nothing is linked in a program
   that does not call it.

   What stands in problem, options and placement is looked at, by the checks of that function. For the other arguments,
   and for what takes a workspace to find out, each function X has its eplb_explain_X: the arguments of eplb_X as they
   were given, then text and size. It uses the workspace as eplb_X does, and leaves every output as it is; of an output
   address and size matter. */
size_t eplb_explain(uint32_t operation, const eplb_problem *problem, const eplb_options *options,
                    const eplb_placement *placement, char *text, size_t size);

/* Explains a call of eplb_plan. */
size_t eplb_explain_plan(const eplb_problem *problem, const eplb_options *options, void *workspace,
                         size_t workspace_size, eplb_placement *placement, eplb_metrics *per_layer, size_t metrics_size,
                         char *text, size_t size);

/* Explains a call of eplb_evaluate. */
size_t eplb_explain_evaluate(const eplb_problem *problem, const eplb_options *options, void *workspace,
                             size_t workspace_size, const eplb_placement *placement, eplb_metrics *per_layer,
                             size_t metrics_size, char *text, size_t size);

/* Explains a call of eplb_check. */
size_t eplb_explain_check(const eplb_problem *problem, const eplb_options *options, void *workspace,
                          size_t workspace_size, const eplb_placement *placement, eplb_violation *first,
                          size_t first_size, char *text, size_t size);

/* Explains a call of eplb_tracker_init. */
size_t eplb_explain_tracker_init(const eplb_tracker_config *config, void *memory, size_t memory_size, char *text,
                                 size_t size);

/* Explains a call of eplb_tracker_observe. */
size_t eplb_explain_tracker_observe(void *memory, size_t memory_size, uint32_t layer, const uint32_t *counts,
                                    uint32_t num_counts, const int32_t *physical_to_logical, char *text, size_t size);

/* Explains a call of eplb_tracker_close. */
size_t eplb_explain_tracker_close(void *memory, size_t memory_size, char *text, size_t size);

/* Explains a call of eplb_tracker_discard. */
size_t eplb_explain_tracker_discard(void *memory, size_t memory_size, char *text, size_t size);

/* Explains a call of eplb_tracker_windows. */
size_t eplb_explain_tracker_windows(void *memory, size_t memory_size, eplb_windows *windows, size_t windows_size,
                                    char *text, size_t size);

/* Explains a call of eplb_window_weights. */
size_t eplb_explain_window_weights(const eplb_windows *windows, const eplb_change *change, float *window_weight,
                                   uint32_t *num_counted, char *text, size_t size);

/* Explains a call of eplb_forecast. */
size_t eplb_explain_forecast(const eplb_windows *windows, const eplb_forecast_options *forecast, float *load,
                             char *text, size_t size);

/* Explains a call of eplb_transfers. */
size_t eplb_explain_transfers(const eplb_problem *problem, const eplb_options *options, void *workspace,
                              size_t workspace_size, const eplb_placement *from, const eplb_placement *to,
                              uint32_t spare_buffers, const eplb_transfer_list *list, char *text, size_t size);

/* Explains a call of eplb_gate. */
size_t eplb_explain_gate(const eplb_gate_config *config, const eplb_gate_layer *layers, size_t layer_size,
                         eplb_gate_state *states, size_t state_size, eplb_gate_verdict *verdicts, size_t verdict_size,
                         eplb_gate_total *total, size_t total_size, char *text, size_t size);

/* Explains a call of eplb_dispatch. */
size_t eplb_explain_dispatch(const eplb_problem *problem, const eplb_options *options, void *workspace,
                             size_t workspace_size, const eplb_placement *placement, const eplb_batch *batch,
                             const eplb_quotas *out, char *text, size_t size);

/* Explains a call of eplb_replicate. */
size_t eplb_explain_replicate(const eplb_problem *problem, const eplb_options *options, void *workspace,
                              size_t workspace_size, const eplb_placement *home, const eplb_replication *request,
                              const eplb_replicas *out, char *text, size_t size);

/* ---------------------------------------------------------------- 13. All statuses */

/* What a call answers, as an int32_t. eplb_status_string has a text of each, eplb_explain says what it is about. */
EPLB_ENUM(eplb_status, int32_t) {
  EPLB_STATUS_OK = 0,                       /* The call did what it says; all outputs are written. */
  EPLB_STATUS_NULL_POINTER = -1,            /* A pointer that the call needs is NULL. */
  EPLB_STATUS_MISALIGNED_POINTER = -2,      /* A pointer is not aligned for what it points to. */
  EPLB_STATUS_STRUCT_SIZE = -3,             /* struct_size (or metrics_size) is smaller than the first release's, or
                                               larger with a tail that is not zero. */
  EPLB_STATUS_RESERVED_NOT_ZERO = -4,       /* A reserved word is not 0. */
  EPLB_STATUS_OVERLAPPING_ARRAYS = -5,      /* An output or the workspace overlaps another array of the call. */
  EPLB_STATUS_UNKNOWN_OPERATION = -6,       /* The operation is not one of EPLB_OPERATION_*. */
  EPLB_STATUS_UNKNOWN_POLICY = -7,          /* The policy is not one of EPLB_POLICY_*. */
  EPLB_STATUS_UNKNOWN_SCOPE = -8,           /* The scope is not one of EPLB_SCOPE_*. */
  EPLB_STATUS_UNKNOWN_FLAG = -9,            /* A bit of flags is not one of EPLB_FLAG_*, or in eplb_gate_config not
                                               EPLB_GATE_SECONDS. */
  EPLB_STATUS_MOVES_WITHOUT_PREVIOUS = -10, /* A limit on moves, a target, or EPLB_FLAG_FILL_ONLY, without a previous
                                               placement. */
  EPLB_STATUS_TARGET = -11,                 /* The target is above 65536. */
  EPLB_STATUS_UNKNOWN_SPLIT = -12,          /* The split is not one of EPLB_SPLIT_*. */
  EPLB_STATUS_WORKSPACE_TOO_SMALL = -20,    /* The workspace is smaller than eplb_workspace() says. */
  EPLB_STATUS_WORKSPACE_MISALIGNED = -21,   /* The workspace is not aligned as eplb_workspace() says. */
  EPLB_STATUS_SHAPE_ZERO = -30,             /* One of the num_* fields is 0 that must be set. */
  EPLB_STATUS_SHAPE_TOO_LARGE = -31,        /* A num_* field is above 2^31 - 1, or an array is beyond the address space;
                                               EPLB_POLICY_BALANCED and eplb_dispatch: above 65,535 GPUs;
                                               eplb_transfers: 2^30 slots or more; eplb_gate: above 4,096 layers. */
  EPLB_STATUS_TOO_FEW_SLOTS = -32,          /* There are fewer slots than experts; for EPLB_POLICY_BALANCED, fewer on
                                               GPUs that are alive. */
  EPLB_STATUS_SLOTS_NOT_DIVISIBLE = -33,    /* num_physical_experts is not a multiple of num_gpus (and gpu_slots does
                                               not say who has more). */
  EPLB_STATUS_GROUPS_NOT_DIVISIBLE = -34,   /* Hierarchical scope: num_groups is not a multiple of num_nodes. */
  EPLB_STATUS_EXPERTS_NOT_DIVISIBLE = -35,  /* Hierarchical scope: num_logical_experts is not a multiple of
                                               num_groups. */
  EPLB_STATUS_GPUS_NOT_DIVISIBLE = -36,     /* Hierarchical scope: num_gpus is not a multiple of num_nodes. */
  EPLB_STATUS_WINDOW_STRIDE = -37,          /* load_window_stride is neither 0 nor at least num_layers *
                                               num_logical_experts. */
  EPLB_STATUS_ARRAY_LENGTH = -38,           /* An array given from Rust or C++ has the wrong length, or (C++) a selected
                                               layer does not exist. */
  EPLB_STATUS_TOO_MANY_NODES = -39,         /* There are more nodes than GPUs. */
  EPLB_STATUS_LOAD_NAN = -40,               /* A load is NaN. */
  EPLB_STATUS_LOAD_INFINITE = -41,          /* A load is infinite. */
  EPLB_STATUS_LOAD_NEGATIVE = -42,          /* A load is negative. */
  EPLB_STATUS_LOAD_TOO_LARGE = -43,         /* Compatibility policies: a load is above 2^126 / num_logical_experts, so
                                               that f32 sums could overflow. */
  EPLB_STATUS_WINDOW_WEIGHT = -44,          /* A window weight is NaN, infinite or negative, or all weights of a layer
                                               are 0. */
  EPLB_STATUS_COST = -45,                   /* A figure of problem.cost is neither 0 nor from 2^-100 to 2^100, or
                                               neither a token nor an expert costs anything. */
  EPLB_STATUS_STEP_TOKENS = -46,            /* A problem.step_tokens is not finite, or below 2^-126. */
  EPLB_STATUS_GPU_SLOTS = -50,              /* gpu_slots does not sum to num_physical_experts. */
  EPLB_STATUS_GPU_SPEED = -51,              /* A gpu_speed is not finite, or below 2^-126. */
  EPLB_STATUS_GPU_NODE = -52,               /* A gpu_node is not below num_nodes. */
  EPLB_STATUS_GPU_STATE = -53,              /* A gpu_state is not one of EPLB_GPU_*. */
  EPLB_STATUS_NO_ALIVE_GPU = -54,           /* No GPU is alive. */
  EPLB_STATUS_PLACEMENT_EXPERT = -60,       /* A slot holds a number that is neither -1 nor an expert. */
  EPLB_STATUS_PLACEMENT_INVALID = -61,      /* eplb_check: the placement breaks a rule; *first says which and where. */
  EPLB_STATUS_PLACEMENT_MISSING = -62,      /* eplb_evaluate: an expert has no replica on a GPU that serves;
                                               eplb_transfers: the new placement leaves one out. */
  EPLB_STATUS_MAX_REPLICAS = -63,           /* max_replicas is too small for logical_to_physical: below P - E + 1
                                               (EPLB_POLICY_BALANCED: 0), the serving GPUs of an expert (eplb_dispatch),
                                               its replicas (eplb_number); or 1 where every expert must be on two
                                               places. */
  EPLB_STATUS_PLACEMENT_STATE = -69,        /* The new placement puts an expert on a GPU that is not alive and does not
                                               have it. */
  EPLB_STATUS_INFEASIBLE = -70,             /* No placement can keep the rules: groups do not fit onto the nodes, or
                                               limits or survival cannot be kept. */
  EPLB_STATUS_SOURCE_LOST = -71,            /* An expert is on no GPU that can be read. */
  EPLB_STATUS_NEEDS_BUFFER = -72,           /* eplb_transfers: no order of the transfers is safe without a spare
                                               buffer. */
  EPLB_STATUS_LIST_TOO_SMALL = -73,         /* eplb_transfers: the list has more entries than capacity. */
  EPLB_STATUS_UNSUPPORTED_POLICY = -80,     /* This policy is not served by this version. */
  EPLB_STATUS_UNSUPPORTED_WINDOWS = -81,    /* This policy plans a single window. */
  EPLB_STATUS_UNSUPPORTED_PREVIOUS = -82,   /* This policy cannot keep a limit on moves from a previous placement, or a
                                               target. */
  EPLB_STATUS_UNSUPPORTED_SPEED = -83,      /* This policy takes all GPUs as equally fast. */
  EPLB_STATUS_UNSUPPORTED_SLOTS = -84,      /* This policy needs the same number of slots on every GPU. */
  EPLB_STATUS_UNSUPPORTED_NODES = -85,      /* In hierarchical scope this policy needs nodes of contiguous GPUs. */
  EPLB_STATUS_UNSUPPORTED_STATE = -86,      /* This policy needs every GPU alive. */
  EPLB_STATUS_UNSUPPORTED_FLAG = -87,       /* A flag is not served by this policy or version. */
  EPLB_STATUS_UNSUPPORTED_SPLIT = -88,      /* This policy, or a build without plans from a placement, plans for
                                               EPLB_SPLIT_EVEN alone. */
  EPLB_STATUS_UNSUPPORTED_COST = -89,       /* This function, policy, flag or build counts in tokens alone: it does not
                                               serve problem.cost. */
  EPLB_STATUS_DISPATCH_NO_REPLICA = -100,   /* eplb_dispatch: an expert has tokens and no replica on a GPU that
                                               serves. */
  EPLB_STATUS_DISPATCH_DEAD_SOURCE = -101,  /* eplb_dispatch: a dead GPU has tokens to send. */
  EPLB_STATUS_DISPATCH_TOKENS = -102,       /* eplb_dispatch: the tokens of a layer sum to more than 2^52. */
  EPLB_STATUS_DISPATCH_SOURCES = -103,      /* eplb_dispatch: num_sources is neither 0 nor num_gpus. */
  EPLB_STATUS_TOLERANCE = -104,             /* eplb_replicate: the tolerance is larger than 2^20. */
  EPLB_STATUS_TRACKER_FOREIGN = -90,        /* The memory holds no load tracker, or one of another version or byte
                                               order. */
  EPLB_STATUS_TRACKER_TORN = -91,           /* The memory of a load tracker is damaged, or was saved in the middle of a
                                               call. */
  EPLB_STATUS_TRACKER_TOO_SMALL = -92,      /* The memory of a load tracker is smaller than eplb_tracker_size() says. */
  EPLB_STATUS_TRACKER_LAYER = -93,          /* eplb_tracker_observe: there is no such layer. */
  EPLB_STATUS_TRACKER_COUNTS = -94,         /* eplb_tracker_observe: the number of counts is not that of the experts, or
                                               of the slots. */
  EPLB_STATUS_TRACKER_SLOT = -95,           /* eplb_tracker_observe: tokens were counted at an empty slot. */
  EPLB_STATUS_TRACKER_EMPTY = -96,          /* eplb_tracker_close, eplb_tracker_windows: there is no step, no window
                                               yet. */
  EPLB_STATUS_OLDEST_WINDOW = -115,         /* oldest is not below num_windows. */
  EPLB_STATUS_TOO_MANY_WINDOWS = -116,      /* eplb_window_weights: more windows than the 32 that it judges. */
  EPLB_STATUS_CHANGE_OPTION = -117,         /* eplb_window_weights: ratio, distance or tokens_per_load is neither 0 nor
                                               finite and at least 2^-126, before not 0 to 1, or each_layer not 0 or
                                               1. */
  EPLB_STATUS_UNKNOWN_FORECAST = -118,      /* The forecast's method is not one of EPLB_FORECAST_METHOD_*. */
  EPLB_STATUS_FORECAST_OPTION = -119,       /* eplb_forecast: half_life is neither 0 nor finite and at least 2^-10, or
                                               sigmas neither 0 nor finite and at least 2^-126. */
  EPLB_STATUS_GATE_TIME = -110,             /* eplb_gate: a time, a number of steps or a factor of the config is NaN,
                                               infinite or negative, or stall is above 1. */
  EPLB_STATUS_GATE_BANDWIDTH = -111,        /* eplb_gate: bytes_per_expert or a bandwidth is NaN, infinite or negative,
                                               or gpu_bandwidth is 0. */
  EPLB_STATUS_GATE_LOAD = -112,             /* eplb_gate: a load or a number of tokens of a layer is NaN, infinite or
                                               negative, or one of its seconds is 0 and another is not. */
  EPLB_STATUS_GATE_STATE = -113,            /* eplb_gate: a state is NaN, infinite or negative. */
  EPLB_STATUS_GATE_NEVER = -114,            /* eplb_gate: the config allows no move, whatever the loads. */
};

#ifdef __cplusplus
} /* extern "C" */
#endif

/* ---------------------------------------------------------------- 14. Inline functions */

/* Routing, as a pure function: the physical expert that token number `token` of an expert (and source) goes to,
   -1 when there are fewer tokens. Every rank that has the table gets the same answer without talking.

   route_end     the row of eplb_quotas.route_end: for layer l, expert e and source s the one that begins at
                 (l * E + e) * max_replicas, with sources at ((l * G + s) * E + e) * max_replicas.
   route_slot    the row of eplb_quotas.route_slot, which begins at (l * E + e) * max_replicas.
   max_replicas  the width of both.
   token         from 0.

   Reads max_replicas + 1 words, the same ones whatever the token. For device code define EPLB_INLINE before this
   header is included, for instance as inline __host__ __device__. */
EPLB_INLINE int32_t eplb_route(const uint32_t *route_end, const int32_t *route_slot, uint32_t max_replicas,
                               uint32_t token) {
  uint32_t r = 0;
  for (uint32_t i = 0; i < max_replicas; i++)
    if (route_end[i] <= token) r++;
  return r < max_replicas ? route_slot[r] : -1;
}

/* Of inline functions: a pointer to what is read alone, in a struct that serves both ways. */
#ifdef __cplusplus
#define EPLB_UNCONST(type, pointer) const_cast<type>(pointer)
#else
#define EPLB_UNCONST(type, pointer) ((type)(uintptr_t)(pointer))
#endif

/* A placement to be read, in const arrays: for functions that take a const eplb_placement *, which never write
   through it. Not for eplb_plan and eplb_number, which write.

     const eplb_placement in_force = eplb_placement_of(map); */
EPLB_INLINE eplb_placement eplb_placement_of(const int32_t *physical_to_logical) {
  eplb_placement placement = EPLB_PLACEMENT_INIT;
  placement.physical_to_logical = EPLB_UNCONST(int32_t *, physical_to_logical);
  return placement;
}

/* The same with all maps; NULL for those that are not there. */
EPLB_INLINE eplb_placement eplb_placement_of_maps(const int32_t *physical_to_logical, const int32_t *replica_rank,
                                                  const int32_t *logical_count, const int32_t *logical_to_physical,
                                                  uint32_t max_replicas) {
  eplb_placement placement = eplb_placement_of(physical_to_logical);
  placement.max_replicas = max_replicas;
  placement.replica_rank = EPLB_UNCONST(int32_t *, replica_rank);
  placement.logical_count = EPLB_UNCONST(int32_t *, logical_count);
  placement.logical_to_physical = EPLB_UNCONST(int32_t *, logical_to_physical);
  return placement;
}

/* ---------------------------------------------------------------- 15. Firmware

   `make lib SMALL=1` is the library optimised for size; WITHOUT="windows previous dispatch compat load explain" leaves
   parts out. Plans are the same. What asks for a part that is not there is answered EPLB_STATUS_UNSUPPORTED_*, and its
   functions do not link: eplb_transfers and eplb_gate (previous), eplb_dispatch and eplb_replicate (dispatch),
   eplb_tracker_*, eplb_window_weights and eplb_forecast (load), eplb_explain_* (explain). docs/guides/firmware.md:
   what each saves. */

/* Bytes of workspace, a multiple of 8, that suffice for eplb_plan, eplb_evaluate and eplb_check with any policy: E
   logical experts, P >= E physical experts, G GPUs of as many slots and as fast as each other, no previous placement,
   one window, no flags that say what must survive. A constant expression, so that a static array of uint64_t can be
   sized by it:

     static uint64_t workspace[EPLB_WORKSPACE_BOUND(256, 288, 32) / sizeof(uint64_t)];

   The first is for num_groups = num_nodes = 1, and for EPLB_SCOPE_GLOBAL with at most E groups and G nodes; the second
   takes K groups and N nodes, for every scope. They give about 40 E + 64 P + 112 G + 2 KiB, and 4 P + 72 K + 56 N
   more: from 64 slots on usually within an eighth of what EPLB_POLICY_BALANCED asks for. A later library may need more
   than this header says; it then answers EPLB_STATUS_WORKSPACE_TOO_SMALL. */
#define EPLB_WORKSPACE_BOUND(E, P, G) \
  (sizeof(uint64_t) * 5 * (E) + sizeof(uint64_t) * 8 * (P) + sizeof(uint64_t) * 14 * (G) + sizeof(uint64_t) * 280)

/* The same for K groups and N nodes, in every scope. */
#define EPLB_WORKSPACE_BOUND_GROUPS(E, P, G, K, N) \
  (EPLB_WORKSPACE_BOUND(E, P, G) + sizeof(uint64_t) * (((P) + 1) / 2) + sizeof(uint64_t) * 9 * (K) + \
   sizeof(uint64_t) * 7 * (N))

/* The same for GPUs that differ in slots or speed: 16 E + 24 P + 32 G more. */
#define EPLB_WORKSPACE_BOUND_UNEVEN(E, P, G, K, N) \
  (EPLB_WORKSPACE_BOUND_GROUPS(E, P, G, K, N) + sizeof(uint64_t) * (2 * (E) + 3 * (P) + 4 * (G) + 16))

/* The same, whatever the GPUs, for W > 1 windows, which EPLB_POLICY_BALANCED alone plans: about 64 E + 64 G for each
   eight of them, and 56 E + 40 P + 64 G + 16 K more. */
#define EPLB_WORKSPACE_BOUND_WINDOWS(E, P, G, K, N, W) \
  (EPLB_WORKSPACE_BOUND_GROUPS(E, P, G, K, N) + sizeof(uint64_t) * 2 * (W) + \
   sizeof(uint64_t) * 8 * (((W) + 7) / 8) * ((E) + (G) + 5) + sizeof(uint64_t) * 7 * (E) + \
   sizeof(uint64_t) * (5 * (P) + 8 * (G) + 2 * (K) + 16))

/* The same for EPLB_OPERATION_REBALANCE, EPLB_FLAG_SURVIVE_* and EPLB_SPLIT_NEAREST, W >= 1: all of the above, and
   about 32 E + 48 P + 56 G, and 4 X^2 + 40 X for X = G and for X = N (at most 256) more. */
#define EPLB_WORKSPACE_BOUND_REBALANCE(E, P, G, K, N, W) \
  (((W) > 1 ? EPLB_WORKSPACE_BOUND_WINDOWS(E, P, G, K, N, W) : EPLB_WORKSPACE_BOUND_GROUPS(E, P, G, K, N)) + \
   sizeof(uint64_t) * (4 * (E) + 6 * (P) + 7 * (G) + (N) + (K)) + \
   sizeof(uint64_t) * (EPLB_SMALLER(G, 256) * (EPLB_SMALLER(G, 256) + 10) / 2 + \
                       EPLB_SMALLER(N, 256) * (EPLB_SMALLER(N, 256) + 10) / 2 + 16))

/* That for EPLB_OPERATION_TRANSFERS. */
#define EPLB_WORKSPACE_BOUND_TRANSFERS(E, P, G) (sizeof(uint64_t) * (2 * (E) + 9 * (P) + 8 * (G) + 8))

/* That for EPLB_OPERATION_DISPATCH, of any number of GPUs. */
#define EPLB_WORKSPACE_BOUND_DISPATCH(E, P, G) (sizeof(uint64_t) * (6 * (E) + 8 * (P) + 18 * (G) + 8))

/* The same with problem.cost. */
#define EPLB_WORKSPACE_BOUND_DISPATCH_COST(E, P, G) (sizeof(uint64_t) * (11 * (E) + 10 * (P) + 23 * (G) + 272))

/* Plans with problem.cost, from nothing or a placement: EPLB_WORKSPACE_BOUND_REBALANCE and that. */
#define EPLB_WORKSPACE_BOUND_COST(E, P, G, K, N, W) \
  (EPLB_WORKSPACE_BOUND_REBALANCE(E, P, G, K, N, W) + EPLB_WORKSPACE_BOUND_DISPATCH_COST(E, P, G))

/* The smaller of two. */
#define EPLB_SMALLER(A, B) ((A) < (B) ? (A) : (B))

#endif /* EPLB_H */
