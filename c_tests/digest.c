/* eplb_digest: pinned values, and every entry counts. */
#include "harness.h"
#include "sample.h"

static uint64_t digest_of(int32_t *slots, uint32_t layers, uint32_t physical_experts) {
  eplb_problem problem = EPLB_PROBLEM_INIT; /* no other field is looked at */
  problem.num_layers = layers;
  problem.num_physical_experts = physical_experts;
  eplb_placement placement = EPLB_PLACEMENT_INIT;
  placement.physical_to_logical = slots;
  uint64_t digest = 0;
  CHECK_EQUAL(eplb_digest(&problem, &placement, &digest), EPLB_STATUS_OK);
  return digest;
}

/* A change here breaks every fleet in which two versions compare their plans. */
static void pinned(void) {
  int32_t zero[] = {0}, empty[] = {-1}, counting[] = {0, 1, 2, 3, 4, 5, 6, 7};
  CHECK(digest_of(zero, 1, 1) == UINT64_C(0x25fc6dd36ce04b20));
  CHECK(digest_of(empty, 1, 1) == UINT64_C(0x80a1415c0134a0b4));
  CHECK(digest_of(counting, 1, 8) == UINT64_C(0xc368483c06256d14));
  CHECK(sample_digest() == SAMPLE_DIGEST);
  if (sample_digest() != SAMPLE_DIGEST) printf("  found 0x%016llx\n", (unsigned long long)sample_digest());
}

static void every_entry_counts(void) {
  call c;
  call_init(&c);
  CHECK_EQUAL(call_plan(&c), EPLB_STATUS_OK);
  int32_t *slots = c.out.physical_to_logical;
  uint64_t whole = digest_of(slots, L, P);
  for (int i = 0; i < L * P; i++) {
    int32_t held = slots[i];
    for (int32_t other = -1; other < E; other++) {
      slots[i] = other;
      CHECK((digest_of(slots, L, P) == whole) == (other == held));
    }
    slots[i] = held;
  }
  /* order counts */
  for (int i = 1; i < L * P; i++) {
    if (slots[i] == slots[i - 1]) continue;
    int32_t held = slots[i];
    slots[i] = slots[i - 1];
    slots[i - 1] = held;
    CHECK(digest_of(slots, L, P) != whole);
    slots[i - 1] = slots[i];
    slots[i] = held;
  }
  CHECK(digest_of(slots, L - 1, P) != whole);
  CHECK(digest_of(slots, L, P) == whole);
}

/* Nothing but physical_to_logical. */
static void other_maps_do_not_count(void) {
  call c;
  call_init(&c);
  CHECK_EQUAL(call_plan(&c), EPLB_STATUS_OK);
  uint64_t whole = digest_of(c.out.physical_to_logical, L, P);
  c.placement.max_replicas = 1000;
  c.placement.replica_rank = NULL;
  c.out.logical_count[0] = 77;
  CHECK_EQUAL(eplb_digest(&c.problem, &c.placement, &c.out.digest), EPLB_STATUS_OK);
  CHECK(c.out.digest == whole);
}

int main(void) {
  pinned();
  every_entry_counts();
  other_maps_do_not_count();
  return finish("digest");
}
