/* Rebalancing on many ranks. Every rank counts its own tokens, MPI_Allreduce sums the counts, and from then on no
 * rank asks another: each plans all layers for itself, and 64 bits show that all have the same plan. The experts
 * then travel in rounds of MPI_Isend and MPI_Irecv, every weight is verified, and a batch is dispatched.
 * A rank stands for gpus / ranks GPUs. The weights are fake: a function of layer and expert.
 *
 * Build: mpicc -Iinclude examples/mpi.c target/release/libeplb.a -o mpi
 * Run:   mpirun -n 8 ./mpi [--gpus 32] [--budget 48] [--shard] ...   (read_arguments has them all)
 * Exits with 1 when anything is not as it should be. */
#include <eplb.h>
#include <inttypes.h>
#include <mpi.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "mpi_fake.h" /* the arguments, the tokens and the weights: what an engine has of its own */

/* An expert that has been received into a spare buffer; commit 0: the buffer is free. */
typedef struct buffered {
  uint32_t slot, commit;
} buffered;

typedef struct rank_state {
  config is;
  int rank, ranks;
  uint32_t my_gpus, first_gpu, gpu_slots, my_slots, first_slot;

  uint32_t *counts; /* [L][E] tokens of a window: of this rank's GPUs, then of all */
  void *tracker;
  size_t tracker_size;

  eplb_problem problem;
  eplb_options options;
  void *workspace; /* for whatever asks for most */
  size_t workspace_size;
  int32_t *in_force, *next;       /* [L][P] */
  float *planned_on;              /* [L][W] window weights: all windows but the newest */
  eplb_metrics *before, *after;   /* [L] */
  eplb_gate_layer *gate_layers;   /* [L] */
  eplb_gate_state *gate_states;   /* [L] */
  eplb_gate_verdict *verdicts;    /* [L] */
  eplb_transfer_list list;
  eplb_transfer_totals totals;

  size_t words;      /* of an expert */
  uint64_t *weights; /* [L][my_slots][words] */
  uint64_t *buffers; /* [my_gpus][spare][words] */
  buffered *held;    /* [my_gpus][spare] */
  uint64_t **from, **to, *word; /* [my_slots] copies within GPUs */
  MPI_Request *requests;        /* [2 * my_gpus] */

  uint32_t *tokens;    /* [G][E] a batch of one layer */
  uint32_t *quota;     /* [G][P] */
  uint32_t *route_end; /* [G][E][max_replicas] */
  int32_t *route_slot; /* [E][max_replicas] */
  uint32_t *arrived;   /* [P] */
} rank_state;

/* What rank 0 prints of a rebalance: balances of the window that the plan has not seen, seconds of the slowest rank. */
typedef struct summary {
  double before, after, worst, plan_seconds, list_seconds, move_seconds;
  uint32_t moved_layers, moved, rounds;
  uint64_t digest;
} summary;

/* ---- failing ----------------------------------------------------------------------------------------------------- */

/* All ranks have found the same: they leave together. */
static void leave(void) {
  MPI_Finalize();
  exit(1);
}

static void expect_ok(int32_t status) {
  if (status != EPLB_STATUS_OK) stop(eplb_status_string(status));
}

static void *allocate(size_t count, size_t size) {
  void *memory = calloc(count ? count : 1, size);
  if (memory == NULL) stop("out of memory");
  return memory;
}

/* Whether all ranks hold the same 64 bits: one MPI_Allreduce of 16 bytes, since the smallest of ~x is ~(the largest
 * of x). Only when they do not are all digests gathered, so that the wrong rank has a name. */
static void agree(const rank_state *r, const char *what, uint64_t digest) {
  uint64_t mine[2] = {digest, ~digest}, least[2];
  MPI_Allreduce(mine, least, 2, MPI_UINT64_T, MPI_MIN, MPI_COMM_WORLD);
  if (least[0] == ~least[1]) return;
  uint64_t *all = allocate((size_t)r->ranks, sizeof *all);
  MPI_Gather(&digest, 1, MPI_UINT64_T, all, 1, MPI_UINT64_T, 0, MPI_COMM_WORLD);
  if (r->rank == 0) {
    int best = 0, votes = 0; /* what most ranks say is right */
    for (int i = 0; i < r->ranks; i++) {
      int same = 0;
      for (int k = 0; k < r->ranks; k++) same += all[k] == all[i];
      if (same > votes) votes = same, best = i;
    }
    fprintf(stderr, "mpi: digests differ: %s is %016" PRIx64 " on %d of %d ranks\n", what, all[best], votes, r->ranks);
    for (int i = 0; i < r->ranks; i++)
      if (all[i] != all[best]) fprintf(stderr, "mpi: digests differ: rank %d has %016" PRIx64 "\n", i, all[i]);
  }
  free(all);
  leave();
}

/* Stops all ranks when any has found something wrong. */
static void none_wrong(const rank_state *r, const char *what, uint64_t wrong) {
  uint64_t total;
  MPI_Allreduce(&wrong, &total, 1, MPI_UINT64_T, MPI_SUM, MPI_COMM_WORLD);
  if (total == 0) return;
  if (r->rank == 0) fprintf(stderr, "mpi: %" PRIu64 " %s\n", total, what);
  leave();
}

/* ---- counters and weights of this rank --------------------------------------------------------------------------- */

/* What the GPUs of this rank count in a window. Each GPU sees tokens of its own, however GPUs are dealt to ranks. */
static void count_tokens(rank_state *r, uint32_t window) {
  for (uint32_t layer = 0; layer < r->is.layers; layer++)
    for (uint32_t expert = 0; expert < r->is.experts; expert++) {
      uint32_t popular = popularity(layer, expert, window), sum = 0;
      for (uint32_t gpu = r->first_gpu; gpu < r->first_gpu + r->my_gpus; gpu++)
        for (uint32_t step = 0; step < STEPS; step++)
          sum += (popular * (192 + (hash4(3 + gpu, layer, expert, window * STEPS + step) & 127))) >> 8;
      r->counts[(size_t)layer * r->is.experts + expert] = sum;
    }
}

static uint64_t *slot_weights(const rank_state *r, uint32_t layer, uint32_t slot) {
  return r->weights + ((size_t)layer * r->my_slots + (slot - r->first_slot)) * r->words;
}

static void load_weights(rank_state *r) {
  for (uint32_t layer = 0; layer < r->is.layers; layer++)
    for (uint32_t slot = r->first_slot; slot < r->first_slot + r->my_slots; slot++) {
      int32_t expert = r->in_force[(size_t)layer * r->is.slots + slot];
      for (size_t i = 0; i < r->words; i++) slot_weights(r, layer, slot)[i] = weight(layer, (uint32_t)expert, i);
    }
}

/* Every word of every slot of this rank: the number of slots that are not what the placement says. */
static uint64_t wrong_slots(const rank_state *r) {
  uint64_t wrong = 0;
  for (uint32_t layer = 0; layer < r->is.layers; layer++)
    for (uint32_t slot = r->first_slot; slot < r->first_slot + r->my_slots; slot++) {
      int32_t expert = r->in_force[(size_t)layer * r->is.slots + slot];
      if (expert < 0) continue;
      uint64_t differs = 0;
      for (size_t i = 0; i < r->words; i++)
        differs |= slot_weights(r, layer, slot)[i] ^ weight(layer, (uint32_t)expert, i);
      wrong += differs != 0;
    }
  return wrong;
}

/* ---- observing --------------------------------------------------------------------------------------------------- */

/* A window: each rank counts alone, the sum of all goes into the tracker of each. 4 L E bytes on the wire, once a
 * window and not once a step. Sums of whole numbers do not depend on the order in which MPI adds. */
static void observe(rank_state *r, uint32_t window) {
  count_tokens(r, window);
  MPI_Allreduce(MPI_IN_PLACE, r->counts, (int)(r->is.layers * r->is.experts), MPI_UINT32_T, MPI_SUM, MPI_COMM_WORLD);
  if (r->is.corrupt_rank == (uint32_t)r->rank + 1) r->counts[0] ^= 1u << 20; /* one bit of one counter of one rank */
  for (uint32_t layer = 0; layer < r->is.layers; layer++)
    expect_ok(eplb_tracker_observe(r->tracker, r->tracker_size, layer, r->counts + (size_t)layer * r->is.experts,
                                   r->is.experts, NULL));
  expect_ok(eplb_tracker_close(r->tracker, r->tracker_size));
}

/* ---- planning ---------------------------------------------------------------------------------------------------- */

static double seconds_of_this_rank(void) { return (double)clock() / CLOCKS_PER_SEC; }

/* Plans layers first .. first + count - 1, a problem of its own: pointers moved, stride kept. Answers the seconds. */
static double plan_layers(rank_state *r, uint32_t first, uint32_t count) {
  if (count == 0) return 0;
  eplb_problem slice = r->problem;
  eplb_options options = r->options;
  slice.num_layers = count;
  slice.load += (size_t)first * r->is.experts;
  slice.window_weight += (size_t)first * slice.num_windows;
  options.previous = r->in_force + (size_t)first * r->is.slots;
  eplb_placement placement = EPLB_PLACEMENT_INIT;
  placement.physical_to_logical = r->next + (size_t)first * r->is.slots;
  placement.max_replicas = r->is.max_replicas; /* BALANCED keeps it, with the table or without */
  double start = seconds_of_this_rank();
  expect_ok(eplb_plan(&slice, &options, r->workspace, r->workspace_size, &placement, NULL, 0));
  return seconds_of_this_rank() - start;
}

/* The larger fleet's way: a rank plans its share, and everyone gathers the rows, 4 P bytes a layer. Equal digests
 * afterwards only say that all have gathered the same, so here the loads are compared too, before they are used: a
 * rank with wrong loads would make a wrong plan for everyone. */
static double plan_shards(rank_state *r) {
  size_t loads = (size_t)r->problem.num_windows * r->problem.load_window_stride;
  agree(r, "the load", hash_words(HASH_START, r->problem.load, loads));
  int *counts = allocate((size_t)r->ranks, sizeof *counts), *starts = allocate((size_t)r->ranks, sizeof *starts);
  uint32_t layers = r->is.layers, ranks = (uint32_t)r->ranks;
  for (uint32_t i = 0; i < ranks; i++) {
    starts[i] = (int)(layers * i / ranks * r->is.slots);
    counts[i] = (int)(layers * (i + 1) / ranks * r->is.slots) - starts[i];
  }
  uint32_t first = layers * (uint32_t)r->rank / ranks;
  double seconds = plan_layers(r, first, layers * ((uint32_t)r->rank + 1) / ranks - first);
  MPI_Allgatherv(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, r->next, counts, starts, MPI_INT32_T, MPI_COMM_WORLD);
  free(counts);
  free(starts);
  return seconds;
}

static uint64_t digest_of_next(const rank_state *r) {
  uint64_t digest = 0;
  const eplb_placement next = eplb_placement_of(r->next);
  expect_ok(eplb_digest(&r->problem, &next, &digest));
  return digest;
}

/* Both placements with the newest window, which the plan has not seen; then the gate. Layers that it keeps back
 * keep their row, so that `next` is what will be in force. */
static uint32_t pass_gate(rank_state *r, const eplb_windows *windows) {
  uint32_t newest = (windows->oldest + windows->num_windows - 1) % windows->num_windows;
  eplb_problem unseen = r->problem;
  unseen.num_windows = 1;
  unseen.window_weight = NULL;
  unseen.load_window_stride = 0;
  unseen.load = windows->load + newest * windows->load_window_stride;
  const eplb_placement old = eplb_placement_of(r->in_force), new = eplb_placement_of(r->next);
  expect_ok(eplb_evaluate(&unseen, NULL, r->workspace, r->workspace_size, &old, r->before, sizeof *r->before));
  expect_ok(eplb_evaluate(&unseen, NULL, r->workspace, r->workspace_size, &new, r->after, sizeof *r->after));

  eplb_transfer_list counted = r->list; /* what the move would take */
  counted.transfers = NULL;
  expect_ok(
      eplb_transfers(&r->problem, NULL, r->workspace, r->workspace_size, &old, &new, r->is.spare, &counted));
  for (uint32_t layer = 0; layer < r->is.layers; layer++) {
    eplb_gate_layer *weigh = &r->gate_layers[layer];
    weigh->mean = r->before[layer].mean_gpu_load;
    weigh->now = r->before[layer].max_gpu_load;
    weigh->after = r->after[layer].max_gpu_load;
    weigh->tokens = weigh->mean * r->is.gpus;
    weigh->moved = counted.layer_moved[layer];
    weigh->rounds = counted.layer_rounds[layer];
  }
  eplb_gate_config gate = EPLB_GATE_CONFIG_INIT;
  gate.num_layers = r->is.layers;
  gate.num_gpus = r->is.gpus;
  gate.step_seconds = 0.05;
  gate.steps = gate.steps_since = 3000;
  gate.bytes_per_expert = 24.0 * MiB; /* the price of real weights, not of the fake ones */
  gate.gpu_bandwidth = 50e9;
  gate.evidence = 0.05; /* four times as ready to move as the default */
  eplb_gate_total total;
  expect_ok(eplb_gate(&gate, r->gate_layers, sizeof *r->gate_layers, r->gate_states, sizeof *r->gate_states, r->verdicts,
                      sizeof *r->verdicts, &total, sizeof total));
  for (uint32_t layer = 0; layer < r->is.layers; layer++)
    if (!r->verdicts[layer].move_layer) {
      size_t row = (size_t)layer * r->is.slots;
      memcpy(r->next + row, r->in_force + row, r->is.slots * sizeof *r->next);
      r->after[layer] = r->before[layer];
    }
  return total.moved_layers;
}

/* ---- moving weights ---------------------------------------------------------------------------------------------- */

static bool mine(const rank_state *r, int32_t gpu) {
  return gpu >= 0 && (uint32_t)gpu >= r->first_gpu && (uint32_t)gpu < r->first_gpu + r->my_gpus;
}

/* Between two rounds nothing travels: buffers go into their slots, then each GPU copies within its memory. All
 * copies are read before any is written, word by word, so that a permutation of slots needs no second copy. */
static void settle(rank_state *r, uint32_t layer, const eplb_transfer *first, const eplb_transfer *end,
                   uint32_t number) {
  for (uint32_t b = 0; b < r->my_gpus * r->is.spare; b++)
    if (r->held[b].commit != 0 && r->held[b].commit == number) {
      memcpy(slot_weights(r, layer, r->held[b].slot), r->buffers + b * r->words, r->words * sizeof *r->buffers);
      r->held[b].commit = 0;
    }
  uint32_t copies = 0;
  for (const eplb_transfer *t = first; t < end; t++)
    if (t->source_gpu == t->destination_gpu && t->round == number && mine(r, t->source_gpu)) {
      r->from[copies] = slot_weights(r, layer, (uint32_t)t->source_slot);
      r->to[copies++] = slot_weights(r, layer, (uint32_t)t->destination_slot);
    }
  for (size_t i = 0; i < r->words && copies > 0; i++) {
    for (uint32_t k = 0; k < copies; k++) r->word[k] = r->from[k][i];
    for (uint32_t k = 0; k < copies; k++) r->to[k][i] = r->word[k];
  }
}

/* Where a GPU of this rank receives: the slot, or a spare buffer while the slot is still being read. */
static uint64_t *receives_into(rank_state *r, const eplb_transfer *t) {
  if (t->commit == 0) return slot_weights(r, (uint32_t)t->layer, (uint32_t)t->destination_slot);
  uint32_t b = ((uint32_t)t->destination_gpu - r->first_gpu) * r->is.spare;
  for (uint32_t end = b + r->is.spare; b < end; b++)
    if (r->held[b].commit == 0) {
      r->held[b] = (buffered){(uint32_t)t->destination_slot, t->commit};
      return r->buffers + b * r->words;
    }
  stop("the transfers ask for more spare buffers than they were given");
  return NULL;
}

/* A round: a GPU sends at most one expert and receives at most one. No barrier is needed: whatever a rank writes
 * later it has itself sent before, and a message finds its receiver by its tag. */
static void one_round(rank_state *r, const eplb_transfer *first, const eplb_transfer *end, uint32_t number) {
  int pending = 0, bytes = (int)(r->words * sizeof *r->weights);
  for (const eplb_transfer *t = first; t < end; t++) {
    if (t->source_gpu == t->destination_gpu || t->round != number) continue;
    bool sends = mine(r, t->source_gpu), receives = mine(r, t->destination_gpu);
    int tag = t->layer * (int)r->is.slots + t->destination_slot;
    uint64_t *from = sends ? slot_weights(r, (uint32_t)t->layer, (uint32_t)t->source_slot) : NULL;
    uint64_t *into = receives ? receives_into(r, t) : NULL;
    if (sends && receives)
      memcpy(into, from, (size_t)bytes);
    else if (sends)
      MPI_Isend(from, bytes, MPI_BYTE, t->destination_gpu / (int)r->my_gpus, tag, MPI_COMM_WORLD,
                &r->requests[pending++]);
    else if (receives)
      MPI_Irecv(into, bytes, MPI_BYTE, t->source_gpu / (int)r->my_gpus, tag, MPI_COMM_WORLD,
                &r->requests[pending++]);
  }
  MPI_Waitall(pending, r->requests, MPI_STATUSES_IGNORE);
}

/* Layer after layer, so that all share the spare buffers. Every rank has the whole list and does its part. An
 * engine serves on during rounds, and changes its routing tables in the settles. */
static void move_weights(rank_state *r) {
  for (uint32_t layer = 0; layer < r->is.layers; layer++) {
    const eplb_transfer *first = r->list.transfers + r->list.layer_start[layer];
    const eplb_transfer *end = r->list.transfers + r->list.layer_start[layer + 1];
    uint32_t rounds = r->list.layer_rounds[layer];
    for (uint32_t number = 0; number < rounds; number++) {
      settle(r, layer, first, end, number);
      one_round(r, first, end, number);
    }
    settle(r, layer, first, end, rounds);
  }
}

/* ---- dispatching ------------------------------------------------------------------------------------------------- */

/* A batch a layer: who sends how many tokens to which expert is gathered, every rank splits it for itself, and
 * routes its own tokens by its own table. What arrives at each slot must then be what all have computed. */
static void dispatch(rank_state *r, uint32_t window) {
  uint32_t experts = r->is.experts, slots = r->is.slots, gpus = r->is.gpus;
  uint64_t hash = HASH_START, wrong = 0;
  eplb_problem one = r->problem; /* a layer */
  one.num_layers = 1;
  one.load = one.window_weight = NULL;
  one.num_windows = 1;
  one.load_window_stride = 0;
  eplb_batch batch = EPLB_BATCH_INIT;
  batch.num_sources = gpus;
  batch.tokens = r->tokens;
  eplb_quotas out = EPLB_QUOTAS_INIT;
  out.max_replicas = r->is.max_replicas;
  out.quota = r->quota;
  out.route_end = r->route_end;
  out.route_slot = r->route_slot;
  for (uint32_t layer = 0; layer < r->is.layers; layer++) {
    for (uint32_t gpu = r->first_gpu; gpu < r->first_gpu + r->my_gpus; gpu++)
      for (uint32_t expert = 0; expert < experts; expert++)
        r->tokens[(size_t)gpu * experts + expert] =
            popularity(layer, expert, window) * (uint32_t)(hash4(1000 + gpu, layer, expert, window) & 15) / 64;
    MPI_Allgather(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, r->tokens, (int)(r->my_gpus * experts), MPI_UINT32_T,
                  MPI_COMM_WORLD);
    int32_t *row = r->in_force + (size_t)layer * slots;
    const eplb_placement placement = eplb_placement_of(row);
    expect_ok(eplb_dispatch(&one, NULL, r->workspace, r->workspace_size, &placement, &batch, &out));
    hash = hash_words(hash, r->quota, (size_t)gpus * slots);
    hash = hash_words(hash, r->route_end, (size_t)gpus * experts * r->is.max_replicas);
    hash = hash_words(hash, r->route_slot, (size_t)experts * r->is.max_replicas);

    memset(r->arrived, 0, slots * sizeof *r->arrived);
    for (uint32_t gpu = r->first_gpu; gpu < r->first_gpu + r->my_gpus; gpu++)
      for (uint32_t expert = 0; expert < experts; expert++) {
        const uint32_t *route_end = r->route_end + ((size_t)gpu * experts + expert) * r->is.max_replicas;
        const int32_t *route_slot = r->route_slot + (size_t)expert * r->is.max_replicas;
        for (uint32_t token = 0; token < r->tokens[(size_t)gpu * experts + expert]; token++) {
          int32_t slot = eplb_route(route_end, route_slot, r->is.max_replicas, token);
          if (slot < 0 || row[slot] != (int32_t)expert)
            wrong++;
          else
            r->arrived[slot]++;
        }
      }
    MPI_Allreduce(MPI_IN_PLACE, r->arrived, (int)slots, MPI_UINT32_T, MPI_SUM, MPI_COMM_WORLD);
    for (uint32_t slot = 0; slot < slots; slot++) {
      uint64_t expected = 0;
      for (uint32_t gpu = 0; gpu < gpus; gpu++) expected += r->quota[(size_t)gpu * slots + slot];
      wrong += r->arrived[slot] != expected;
    }
  }
  agree(r, "the dispatch", hash);
  none_wrong(r, "slots or tokens are not where the quotas say", wrong);
}

/* ---- a rebalance ------------------------------------------------------------------------------------------------- */

static summary rebalance(rank_state *r) {
  summary s = {0};
  eplb_windows windows;
  expect_ok(eplb_tracker_windows(r->tracker, r->tracker_size, &windows, sizeof windows));
  uint32_t newest = (windows.oldest + windows.num_windows - 1) % windows.num_windows;
  r->problem.num_windows = windows.num_windows;
  r->problem.load = windows.load; /* as it lies in the tracker */
  r->problem.load_window_stride = windows.load_window_stride;
  r->problem.window_weight = r->planned_on;
  for (uint32_t i = 0; i < r->is.layers * windows.num_windows; i++)
    r->planned_on[i] = i % windows.num_windows != newest;

  s.plan_seconds = r->is.shard ? plan_shards(r) : plan_layers(r, 0, r->is.layers);
  agree(r, "the plan", digest_of_next(r));

  s.moved_layers = pass_gate(r, &windows);
  s.digest = digest_of_next(r);
  agree(r, "the plan behind the gate", s.digest);

  double start = seconds_of_this_rank();
  const eplb_placement in_force = eplb_placement_of(r->in_force), next = eplb_placement_of(r->next);
  expect_ok(
      eplb_transfers(&r->problem, NULL, r->workspace, r->workspace_size, &in_force, &next, r->is.spare, &r->list));
  s.list_seconds = seconds_of_this_rank() - start;
  MPI_Barrier(MPI_COMM_WORLD); /* for the clock alone */
  start = MPI_Wtime();
  move_weights(r);
  s.move_seconds = MPI_Wtime() - start;
  memcpy(r->in_force, r->next, (size_t)r->is.layers * r->is.slots * sizeof *r->next);
  if (r->is.corrupt_weight == (uint32_t)r->rank + 1) r->weights[0] ^= 1;
  none_wrong(r, "slots hold weights that are not those of their expert", wrong_slots(r));

  s.moved = r->totals.moved;
  s.worst = 1;
  for (uint32_t layer = 0; layer < r->is.layers; layer++) {
    s.rounds += r->list.layer_rounds[layer];
    s.before += r->before[layer].balance / r->is.layers;
    s.after += r->after[layer].balance / r->is.layers;
    if (r->after[layer].balance < s.worst) s.worst = r->after[layer].balance;
  }
  MPI_Allreduce(MPI_IN_PLACE, &s.plan_seconds, 1, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
  MPI_Allreduce(MPI_IN_PLACE, &s.list_seconds, 1, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
  return s;
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

/* calloc aligns for every type of C, and for no more. */
static void expect_aligned(size_t align) {
  if (align > _Alignof(max_align_t)) stop("the library asks for more alignment than calloc gives");
}

/* All memory there will be, before the first step. */
static void prepare(rank_state *r) {
  config *is = &r->is;
  size_t layers = is->layers, experts = is->experts, slots = is->slots;
  r->my_gpus = is->gpus / (uint32_t)r->ranks;
  r->first_gpu = r->my_gpus * (uint32_t)r->rank;
  r->gpu_slots = is->slots / is->gpus;
  r->my_slots = r->gpu_slots * r->my_gpus;
  r->first_slot = r->gpu_slots * r->first_gpu;

  eplb_tracker_config tracker = EPLB_TRACKER_CONFIG_INIT;
  tracker.num_windows = WINDOWS;
  tracker.num_layers = is->layers;
  tracker.num_logical_experts = is->experts;
  size_t align, size;
  expect_ok(eplb_tracker_size(&tracker, &r->tracker_size, &align));
  expect_aligned(align);
  r->tracker = allocate(1, r->tracker_size);
  expect_ok(eplb_tracker_init(&tracker, r->tracker, r->tracker_size));

  r->problem = (eplb_problem)EPLB_PROBLEM_INIT;
  r->problem.num_windows = WINDOWS;
  r->problem.num_layers = is->layers;
  r->problem.num_logical_experts = is->experts;
  r->problem.num_physical_experts = is->slots;
  r->problem.num_groups = 1;
  r->problem.num_nodes = is->nodes;
  r->problem.num_gpus = is->gpus;
  r->options = (eplb_options)EPLB_OPTIONS_INIT;
  r->options.scope = EPLB_SCOPE_GLOBAL; /* nodes matter to transfers and to dispatch */
  r->options.max_moves = is->budget;
  r->in_force = allocate(layers * slots, sizeof *r->in_force);
  r->next = allocate(layers * slots, sizeof *r->next);
  for (size_t i = 0; i < layers * slots; i++) r->in_force[i] = (int32_t)(i % slots % experts); /* as engines start */
  r->options.previous = r->in_force;

  for (uint32_t operation = EPLB_OPERATION_PLAN; operation <= EPLB_OPERATION_DISPATCH; operation++) {
    expect_ok(eplb_workspace(operation, &r->problem, &r->options, &size, &align));
    expect_aligned(align);
    if (size > r->workspace_size) r->workspace_size = size;
  }
  r->workspace = allocate(1, r->workspace_size);

  r->counts = allocate(layers * experts, sizeof *r->counts);
  r->planned_on = allocate(layers * WINDOWS, sizeof *r->planned_on);
  r->before = allocate(layers, sizeof *r->before);
  r->after = allocate(layers, sizeof *r->after);
  r->gate_layers = allocate(layers, sizeof *r->gate_layers);
  r->gate_states = allocate(layers, sizeof *r->gate_states);
  r->verdicts = allocate(layers, sizeof *r->verdicts);
  r->list = (eplb_transfer_list)EPLB_TRANSFER_LIST_INIT;
  r->list.capacity = (uint32_t)(2 * layers * slots);
  r->list.transfers = allocate(r->list.capacity, sizeof *r->list.transfers);
  r->list.layer_start = allocate(layers + 1, sizeof *r->list.layer_start);
  r->list.layer_moved = allocate(layers, sizeof *r->list.layer_moved);
  r->list.layer_rounds = allocate(layers, sizeof *r->list.layer_rounds);
  r->list.totals = &r->totals;

  r->words = is->expert_bytes / sizeof *r->weights;
  r->weights = allocate(layers * r->my_slots * r->words, sizeof *r->weights);
  r->buffers = allocate((size_t)r->my_gpus * is->spare * r->words, sizeof *r->buffers);
  r->held = allocate((size_t)r->my_gpus * is->spare, sizeof *r->held);
  r->from = allocate(r->my_slots, sizeof *r->from);
  r->to = allocate(r->my_slots, sizeof *r->to);
  r->word = allocate(r->my_slots, sizeof *r->word);
  r->requests = allocate(2 * (size_t)r->my_gpus, sizeof *r->requests);

  r->tokens = allocate(is->gpus * experts, sizeof *r->tokens);
  r->quota = allocate(is->gpus * slots, sizeof *r->quota);
  r->route_end = allocate(is->gpus * experts * is->max_replicas, sizeof *r->route_end);
  r->route_slot = allocate(experts * is->max_replicas, sizeof *r->route_slot);
  r->arrived = allocate(slots, sizeof *r->arrived);
  load_weights(r);
}

static void release(rank_state *r) {
  void *blocks[] = {r->counts,   r->tracker, r->workspace,   r->in_force,    r->next,  r->planned_on, r->before,
                    r->after,    r->weights, r->gate_layers, r->gate_states, r->verdicts, r->buffers, r->held,
                    r->from,     r->to,      r->word,        r->requests,    r->tokens,   r->quota,   r->route_end,
                    r->route_slot, r->arrived, r->list.transfers, r->list.layer_start, r->list.layer_moved,
                    r->list.layer_rounds};
  for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) free(blocks[i]);
}

int main(int argc, char **argv) {
  MPI_Init(&argc, &argv);
  rank_state r = {.is = {.layers = 58, .experts = 256, .slots = 288, .gpus = 32, .nodes = 4, .rebalances = 3,
                         .budget = 48, .max_replicas = 8, .spare = 1, .expert_bytes = 16384}};
  MPI_Comm_rank(MPI_COMM_WORLD, &r.rank);
  MPI_Comm_size(MPI_COMM_WORLD, &r.ranks);
  read_arguments(&r.is, argc, argv);
  const char *fault = fault_of(&r.is, r.ranks);
  if (fault != NULL) { /* every rank has found it */
    if (r.rank == 0) fprintf(stderr, "mpi: %s\n", fault);
    leave();
  }
  prepare(&r);
  if (r.rank == 0) {
    printf("%d ranks, %u GPUs on %u nodes; %u layers, %u experts on %u slots, budget %u a layer\n", r.ranks, r.is.gpus,
           r.is.nodes, r.is.layers, r.is.experts, r.is.slots, r.is.budget);
    printf("rebalance | balance before  after  worst layer | layers  experts  rounds      MiB | "
           "plan ms  list ms  move ms | digest\n");
  }
  for (uint32_t turn = 0; turn < r.is.rebalances; turn++) {
    for (uint32_t window = turn * WINDOWS; window < (turn + 1) * WINDOWS; window++) observe(&r, window);
    summary s = rebalance(&r);
    dispatch(&r, (turn + 1) * WINDOWS);
    if (r.rank == 0)
      printf("%9u |         %.4f  %.4f       %.4f | %6u  %7u  %6u  %7.1f | %7.1f  %7.1f  %7.1f | %016" PRIx64 "\n", turn + 1,
             s.before, s.after, s.worst, s.moved_layers, s.moved, s.rounds,
             (double)s.moved * r.is.expert_bytes / MiB, s.plan_seconds * 1e3, s.list_seconds * 1e3, s.move_seconds * 1e3, s.digest);
  }
  if (r.rank == 0)
    printf("ok: digests equal on %d ranks, all weights of %u layers right after each of %u rebalances, "
           "quotas and routes agree\n", r.ranks, r.is.layers, r.is.rebalances);
  release(&r);
  MPI_Finalize();
  return 0;
}
