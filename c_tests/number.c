/* eplb_number: the maps of a plan again, of any placement by the rules, and every refusal. */
#include "harness.h"

static int32_t number(call *c) { return eplb_number(c->arg.problem, c->arg.placement); }

/* Of a plan of BALANCED it gives the maps that eplb_plan has written, each alone, too; of the others maps that
 * eplb_check finds in order, since the programs that they follow number replicas otherwise. */
static void of_a_plan(void) {
  FOR_EACH_POLICY {
    call planned, c;
    call_init(&planned);
    CHECK_EQUAL(call_plan(&planned), EPLB_STATUS_OK);
    for (int wanted = 0; wanted < 8; wanted++) {
      call_init(&c);
      memcpy(c.out.physical_to_logical, planned.out.physical_to_logical, sizeof c.out.physical_to_logical);
      outputs expected = c.out;
      if (wanted & 1) memcpy(expected.replica_rank, planned.out.replica_rank, sizeof expected.replica_rank);
      if (wanted & 2) memcpy(expected.logical_count, planned.out.logical_count, sizeof expected.logical_count);
      if (wanted & 4) memcpy(expected.logical_to_physical, planned.out.logical_to_physical, sizeof expected.logical_to_physical);
      if (!(wanted & 1)) c.placement.replica_rank = NULL;
      if (!(wanted & 2)) c.placement.logical_count = NULL;
      if (!(wanted & 4)) c.placement.logical_to_physical = NULL, c.placement.max_replicas = UINT32_MAX;
      c.problem.load = NULL; /* is not looked at */
      CHECK_EQUAL(number(&c), EPLB_STATUS_OK);
      if (IS_BALANCED) CHECK(memcmp(&c.out, &expected, sizeof expected) == 0);
      CHECK(memcmp(c.out.physical_to_logical, expected.physical_to_logical, sizeof c.out.physical_to_logical) == 0);
      CHECK(memcmp(c.out.logical_count, expected.logical_count, sizeof c.out.logical_count) == 0);
      if (c.placement.logical_to_physical == NULL) c.placement.max_replicas = 0;
      CHECK_EQUAL(call_check(&c), EPLB_STATUS_OK);
    }
  }
}

/* The rules written out, on random placements with empty slots, uneven and dead GPUs, up to 600 experts. */
static void by_the_rules(void) {
  enum { MOST = 1200 };
  static int32_t held[2 * MOST], rank[2 * MOST], count[2 * MOST], table[2 * MOST * 40];
  uint32_t random = 5;
  for (int round = 0; round < 400; round++) {
    eplb_problem p = EPLB_PROBLEM_INIT;
    eplb_placement maps = EPLB_PLACEMENT_INIT;
    uint32_t experts = 1 + random_next(&random) % (round % 5 ? 30 : 600), gpus = 1 + random_next(&random) % 8, slots = 0;
    uint32_t gpu_slots[8];
    uint8_t state[8];
    for (uint32_t g = 0; g < gpus; g++) {
      slots += gpu_slots[g] = random_next(&random) % 20 + experts / gpus;
      state[g] = random_next(&random) % 4 % 3; /* alive, dead, leaving */
    }
    state[random_next(&random) % gpus] = EPLB_GPU_ALIVE;
    if (slots < experts || slots > MOST) continue;
    p.num_layers = 2;
    p.num_logical_experts = experts;
    p.num_physical_experts = slots;
    p.num_gpus = gpus;
    p.gpu_slots = gpu_slots;
    p.gpu_state = state;
    for (uint32_t i = 0; i < 2 * slots; i++) held[i] = (int32_t)(random_next(&random) % (experts + 1)) - 1;
    maps.physical_to_logical = held;
    maps.replica_rank = rank;
    maps.logical_count = count;
    maps.logical_to_physical = table;
    maps.max_replicas = 40;
    int32_t status = eplb_number(&p, &maps);
    int most = 0, good = 1;
    for (uint32_t layer = 0; layer < 2; layer++)
      for (uint32_t e = 0; e < experts; e++) {
        const int32_t *row = table + (layer * experts + e) * 40;
        int found = 0;
        for (uint32_t g = 0, s = 0; g < gpus; g++)
          for (uint32_t end = s + gpu_slots[g]; s < end; s++) {
            if (held[layer * slots + s] != (int32_t)e) continue;
            if (state[g] == EPLB_GPU_DEAD)
              good &= status != EPLB_STATUS_OK || rank[layer * slots + s] == -1;
            else if (found++ < 40 && status == EPLB_STATUS_OK)
              good &= rank[layer * slots + s] == found - 1 && row[found - 1] == (int32_t)s;
          }
        most = found > most ? found : most;
        if (status != EPLB_STATUS_OK) continue;
        good &= count[layer * experts + e] == found;
        for (int r = found; r < 40; r++) good &= row[r] == -1;
      }
    for (uint32_t i = 0; status == EPLB_STATUS_OK && i < 2 * slots; i++) good &= held[i] >= 0 || rank[i] == -1;
    CHECK(good);
    CHECK_EQUAL(status, most > 40 ? EPLB_STATUS_MAX_REPLICAS : EPLB_STATUS_OK);
  }
}

static void refuse(call *c, int32_t status, int line, const char *edit) {
  outputs before = c->out;
  check_equal(number(c), status, __FILE__, line, edit);
  check(memcmp(&before, &c->out, sizeof before) == 0, __FILE__, line, edit);
}
#define REFUSED(status, ...)                     \
  do {                                           \
    call c;                                      \
    call_init(&c);                               \
    for (int i = 0; i < L * P; i++) c.out.physical_to_logical[i] = i % E; \
    __VA_ARGS__;                                 \
    refuse(&c, status, __LINE__, #__VA_ARGS__);  \
  } while (0)

int main(void) {
  of_a_plan();
  by_the_rules();
  policy_under_test = EPLB_POLICY_BALANCED;
  REFUSED(EPLB_STATUS_NULL_POINTER, c.arg.problem = NULL);
  REFUSED(EPLB_STATUS_NULL_POINTER, c.arg.placement = NULL);
  REFUSED(EPLB_STATUS_NULL_POINTER, c.placement.physical_to_logical = NULL);
  REFUSED(EPLB_STATUS_MISALIGNED_POINTER, c.placement.logical_count = (int32_t *)(void *)((char *)c.out.logical_count + 1));
  REFUSED(EPLB_STATUS_STRUCT_SIZE, c.placement.struct_size -= 8);
  REFUSED(EPLB_STATUS_SHAPE_ZERO, c.problem.num_gpus = 0);
  REFUSED(EPLB_STATUS_OVERLAPPING_ARRAYS, c.placement.replica_rank = c.placement.physical_to_logical);
  REFUSED(EPLB_STATUS_PLACEMENT_EXPERT, c.out.physical_to_logical[L * P - 1] = E);
  REFUSED(EPLB_STATUS_PLACEMENT_EXPERT, c.out.physical_to_logical[0] = -2);
  /* a dead GPU does not count, but what it holds must be experts all the same */
  REFUSED(EPLB_STATUS_PLACEMENT_EXPERT, c.problem.gpu_state = c.gpu_state, c.gpu_state[0] = EPLB_GPU_DEAD,
          c.out.physical_to_logical[0] = E);
  REFUSED(EPLB_STATUS_MAX_REPLICAS, c.placement.max_replicas = 1);
  REFUSED(EPLB_STATUS_MAX_REPLICAS, c.placement.max_replicas = 0);
  /* the last layer decides, too */
  REFUSED(EPLB_STATUS_MAX_REPLICAS, for (int s = 0; s < P; s++) c.out.physical_to_logical[2 * P + s] = s % 2;
          c.placement.max_replicas = 5);
  return finish("number");
}
