/* eplb_transfers: a list by hand, its sizes, and every refusal. */
#include "harness.h"

enum { LAYERS = 2, EXPERTS = 3, SLOTS = 4, GPUS = 2, ROOM = 3 * LAYERS * SLOTS };

typedef struct lists {
  eplb_transfer transfers[ROOM];
  uint32_t layer_start[LAYERS + 1], layer_moved[LAYERS], layer_rounds[LAYERS];
  eplb_transfer_totals totals;
} lists;

typedef struct transfer_call {
  eplb_problem problem;
  eplb_options options;
  eplb_placement from, to;
  eplb_transfer_list list;
  int32_t old[LAYERS * SLOTS], new[LAYERS * SLOTS];
  uint8_t state[GPUS];
  uint32_t spare;
  lists out;
  uint64_t workspace[256];
  size_t workspace_size;
} transfer_call;

/* Two GPUs of two slots: layer 0 is vLLM's example, layer 1 stays. */
static void init(transfer_call *c) {
  static const int32_t old[] = {0, 1, 1, 2, 0, 1, 1, 2}, new[] = {0, 1, 0, 2, 0, 1, 1, 2};
  memset(c, 0xa5, sizeof *c);
  c->problem = (eplb_problem)EPLB_PROBLEM_INIT;
  c->problem.num_windows = c->problem.num_groups = c->problem.num_nodes = 1;
  c->problem.num_layers = LAYERS;
  c->problem.num_logical_experts = EXPERTS;
  c->problem.num_physical_experts = SLOTS;
  c->problem.num_gpus = GPUS;
  c->options = (eplb_options)EPLB_OPTIONS_INIT;
  c->from = eplb_placement_of(c->old);
  c->to = eplb_placement_of(c->new);
  c->list = (eplb_transfer_list)EPLB_TRANSFER_LIST_INIT;
  c->list.capacity = ROOM;
  c->list.transfers = c->out.transfers;
  c->list.layer_start = c->out.layer_start;
  c->list.layer_moved = c->out.layer_moved;
  c->list.layer_rounds = c->out.layer_rounds;
  c->list.totals = &c->out.totals;
  memcpy(c->old, old, sizeof old);
  memcpy(c->new, new, sizeof new);
  c->state[0] = c->state[1] = EPLB_GPU_ALIVE;
  c->spare = 0;
  c->workspace_size = sizeof c->workspace;
}

static int32_t run(transfer_call *c) {
  return eplb_transfers(&c->problem, &c->options, c->workspace, c->workspace_size, &c->from, &c->to, c->spare, &c->list);
}

/* A call that fails leaves the lists and the totals as they were. */
static void refuse(transfer_call *c, int32_t status, int line, const char *edit) {
  lists before = c->out;
  check_equal(run(c), status, __FILE__, line, edit);
  check(memcmp(&before, &c->out, sizeof before) == 0, __FILE__, line, edit);
}
#define REFUSED(status, edit) \
  do {                        \
    transfer_call c;          \
    init(&c);                 \
    edit;                     \
    refuse(&c, status, __LINE__, #edit); \
  } while (0)

static void one_transfer(void) {
  transfer_call c;
  init(&c);
  CHECK_EQUAL(run(&c), EPLB_STATUS_OK);
  CHECK_EQUAL(c.out.totals.count, 1);
  CHECK_EQUAL(c.out.totals.moved, 1);
  CHECK_EQUAL(c.out.totals.moved_layers, 1);
  CHECK_EQUAL(c.out.totals.rounds, 1);
  const eplb_transfer *t = &c.out.transfers[0];
  CHECK(t->layer == 0 && t->expert == 0 && t->round == 0 && t->commit == 0);
  CHECK(t->source_gpu == 0 && t->source_slot == 0 && t->destination_gpu == 1 && t->destination_slot == 2);
  CHECK(c.out.layer_start[0] == 0 && c.out.layer_start[1] == 1 && c.out.layer_start[2] == 1);
  CHECK(c.out.layer_rounds[0] == 1 && c.out.layer_rounds[1] == 0);
  CHECK(c.out.layer_moved[0] == 1 && c.out.layer_moved[1] == 0);

  /* counted only, then with room for exactly as many */
  init(&c);
  c.list.transfers = NULL;
  c.list.layer_start = c.list.layer_moved = c.list.layer_rounds = NULL;
  c.list.capacity = 0;
  c.list.transfer_size = 0; /* of nothing */
  c.problem.load = NULL;
  CHECK_EQUAL(run(&c), EPLB_STATUS_OK);
  CHECK_EQUAL(c.out.totals.count, 1);
  c.list.transfers = c.out.transfers;
  c.list.transfer_size = sizeof *c.list.transfers;
  c.list.capacity = 1;
  CHECK_EQUAL(run(&c), EPLB_STATUS_OK);
  c.list.totals = NULL;
  c.list.totals_size = 0;
  CHECK_EQUAL(run(&c), EPLB_STATUS_OK);
  REFUSED(EPLB_STATUS_LIST_TOO_SMALL, c.list.capacity = 0);
}

/* A copy within a GPU is in the list, and not among those that moved. */
static void within_a_gpu(void) {
  transfer_call c;
  init(&c);
  c.new[0] = 1, c.new[1] = 0, c.new[2] = 1;
  CHECK_EQUAL(run(&c), EPLB_STATUS_OK);
  CHECK_EQUAL(c.out.totals.count, 2);
  CHECK_EQUAL(c.out.totals.moved, 0);
  CHECK_EQUAL(c.out.totals.moved_layers, 0);
  CHECK_EQUAL(c.out.totals.rounds, 0);
  CHECK(c.out.layer_start[1] == 2 && c.out.layer_moved[0] == 0);
  for (int i = 0; i < 2; i++) CHECK_EQUAL(c.out.transfers[i].source_gpu, c.out.transfers[i].destination_gpu);
}

/* GPU 0 and 1 exchange experts: one round through a buffer each. */
static void exchange(transfer_call *c) {
  static const int32_t old[] = {0, 1, 2, -1}, new[] = {2, 1, 0, -1};
  memcpy(c->old, old, sizeof old);
  memcpy(c->new, new, sizeof new);
}

static void workspaces(void) {
  transfer_call c;
  size_t size = 0, align = 0;
  init(&c);
  CHECK_EQUAL(eplb_workspace(EPLB_OPERATION_TRANSFERS, &c.problem, &c.options, &size, &align), EPLB_STATUS_OK);
  CHECK(size > 0 && size <= sizeof c.workspace && align == 8);
  c.workspace_size = size;
  CHECK_EQUAL(run(&c), EPLB_STATUS_OK);
  REFUSED(EPLB_STATUS_WORKSPACE_TOO_SMALL, c.workspace_size = size - 1);
}

int main(void) {
  one_transfer();
  within_a_gpu();
  workspaces();

  REFUSED(EPLB_STATUS_NULL_POINTER, c.from.physical_to_logical = NULL);
  REFUSED(EPLB_STATUS_NULL_POINTER, c.to.physical_to_logical = NULL);
  REFUSED(EPLB_STATUS_STRUCT_SIZE, c.list.struct_size = 8);
  REFUSED(EPLB_STATUS_STRUCT_SIZE, c.list.transfer_size = 24);
  REFUSED(EPLB_STATUS_STRUCT_SIZE, c.list.transfer_size = 33);
  REFUSED(EPLB_STATUS_STRUCT_SIZE, c.list.totals_size = 8);
  REFUSED(EPLB_STATUS_OVERLAPPING_ARRAYS, c.list.layer_rounds = c.list.layer_start);
  REFUSED(EPLB_STATUS_OVERLAPPING_ARRAYS, c.list.layer_start = (uint32_t *)c.old);
  REFUSED(EPLB_STATUS_UNKNOWN_FLAG, c.options.flags = UINT32_C(1) << 31);
  REFUSED(EPLB_STATUS_PLACEMENT_EXPERT, c.new[7] = EXPERTS);
  REFUSED(EPLB_STATUS_PLACEMENT_EXPERT, c.old[7] = -2);
  REFUSED(EPLB_STATUS_PLACEMENT_MISSING, c.new[7] = 1);
  REFUSED(EPLB_STATUS_PLACEMENT_STATE, c.problem.gpu_state = c.state; c.state[1] = EPLB_GPU_DEAD);
  REFUSED(EPLB_STATUS_PLACEMENT_STATE, c.problem.gpu_state = c.state; c.state[1] = EPLB_GPU_LEAVING);
  REFUSED(EPLB_STATUS_SOURCE_LOST, c.old[3] = 1);
  REFUSED(EPLB_STATUS_NEEDS_BUFFER, exchange(&c); c.old[3] = c.new[3] = 1);

  transfer_call c;
  init(&c);
  exchange(&c);
  c.old[3] = c.new[3] = 1;
  c.spare = 1;
  CHECK_EQUAL(run(&c), EPLB_STATUS_OK);
  CHECK(c.out.totals.moved == 2 && c.out.totals.rounds == 1);
  CHECK(c.out.transfers[0].commit == 1 && c.out.transfers[1].commit == 1);

  init(&c);
  c.old[3] = 1;
  c.options.flags = EPLB_FLAG_EXTERNAL_SOURCE;
  CHECK_EQUAL(run(&c), EPLB_STATUS_OK);
  int found = 0;
  for (uint32_t i = 0; i < c.out.totals.count; i++)
    found += c.out.transfers[i].source_gpu == -1 && c.out.transfers[i].source_slot == -1 && c.out.transfers[i].expert == 2;
  CHECK_EQUAL(found, 1);
  return finish("transfers");
}
