/*
 * Replicas for every batch on a controller without an operating system, a NIC or a DPU: the counts of a batch come in
 * after gating, and what changed since the last batch goes out: experts to fetch, slots that get other tokens.
 * Build: as examples/firmware.c. Memory, stack, interrupts: as there.
 */
#include <eplb.h>

/* The deployment: 64 experts, 8 homes and a spare slot on each of 8 GPUs, 16 batches of one layer. */
enum { EXPERTS = 64, GPUS = 8, EACH = EXPERTS / GPUS + 1, SLOTS = GPUS * EACH, BATCHES = 16 };

static uint64_t workspace[3 << 10];
static uint32_t tokens[EXPERTS], quota[2][SLOTS];
static int32_t home[SLOTS], slots[2][SLOTS]; /* of this batch and of the last one, in turn */
static eplb_fetch fetches[GPUS];
static uint32_t sent[3]; /* fetches, quotas, and a sum of all that was told */

/* A stand-in for the hardware: tokens that the gate sends to an expert, some of them hot for a while. */
static uint32_t read_token_counter(uint32_t batch, uint32_t expert) {
  uint32_t noise = (batch * 2654435761u + expert * 40503u) >> 16;
  return 400 + noise % 64 + ((expert * 7 + batch / 4) % 23 == 0 ? 500 : 0);
}

/* A stand-in for the link: a slot gets a fetch of an expert, or another quota. */
static void tell(uint32_t what, uint32_t slot, uint32_t value) {
  sent[what]++;
  sent[2] = (sent[2] ^ (slot << 20 ^ value)) * 16777619u;
}

static const eplb_problem problem = {
    .struct_size = sizeof(eplb_problem),
    .num_layers = 1,
    .num_logical_experts = EXPERTS,
    .num_physical_experts = SLOTS,
    .num_gpus = GPUS,
};

/* On anything but OK the tables of the last batch stay. */
static int32_t replicate(uint32_t batch, eplb_replicated *found) {
  uint32_t now = batch % 2, last = 1 - now;
  eplb_replication request = EPLB_REPLICATION_INIT;
  eplb_replicas out = EPLB_REPLICAS_INIT;
  eplb_placement homes = eplb_placement_of(home);
  for (uint32_t expert = 0; expert < EXPERTS; expert++) tokens[expert] = read_token_counter(batch, expert);
  request.tokens = tokens;
  request.held = batch > 0 ? slots[last] : NULL; /* what is there needs no fetch */
  request.tolerance = 51;                        /* 5 % */
  request.least_tokens = 32;                     /* for less an expert is not worth a fetch */
  out.physical_to_logical = slots[now];
  out.quota = quota[now];
  out.fetches = fetches;
  out.capacity = GPUS;
  out.per_layer = found;
  int32_t status = eplb_replicate(&problem, NULL, workspace, sizeof workspace, &homes, &request, &out);
  if (status != EPLB_STATUS_OK) return status;
  for (uint32_t i = 0; i < found->fetches; i++)
    tell(0, (uint32_t)fetches[i].destination_slot, (uint32_t)fetches[i].source_slot);
  for (uint32_t slot = 0; slot < SLOTS; slot++)
    if (batch == 0 || quota[now][slot] != quota[last][slot]) tell(1, slot, quota[now][slot]);
  return EPLB_STATUS_OK;
}

/* 0 when every batch was within 5 %, and copies were kept. */
int main(void) {
  size_t size, align;
  int32_t status = eplb_workspace(EPLB_OPERATION_REPLICATE, &problem, NULL, &size, &align);
  if (status == EPLB_STATUS_OK && size > sizeof workspace) status = EPLB_STATUS_WORKSPACE_TOO_SMALL;
  for (uint32_t slot = 0; slot < SLOTS; slot++)
    home[slot] = slot % EACH == EACH - 1 ? -1 : (int32_t)(slot / EACH * (EACH - 1) + slot % EACH);
  for (uint32_t batch = 0; batch < BATCHES && status == EPLB_STATUS_OK; batch++) {
    eplb_replicated found;
    status = replicate(batch, &found);
    if (status == EPLB_STATUS_OK && found.limit != EPLB_REPLICATE_LIMIT_NONE) return 1;
  }
  return status != EPLB_STATUS_OK ? 2 : sent[0] < BATCHES * GPUS / 2 ? 0 : 3;
}
