/* Two threads, a workspace each, many plans at the same time: the results of one thread alone. */
#include "harness.h"

#include <pthread.h>

enum { THREADS = 2, PLANS = 1000, VARIANTS = 16 };

static outputs expected[VARIANTS];

static void vary(call *c, uint32_t variant) {
  uint32_t random = variant + 1;
  call_init(c);
  for (int i = 0; i < L * E; i++) c->load[i] = (float)(random_next(&random) % 1000);
}

/* Plans, and counts the results that are not those of one thread alone; CHECK is not for threads. */
static void *plan_many(void *wrong_of_thread) {
  long *wrong = wrong_of_thread;
  for (uint32_t round = 0; round < PLANS; round++) {
    call c;
    vary(&c, round % VARIANTS);
    if (call_plan(&c) != EPLB_STATUS_OK || memcmp(&c.out, &expected[round % VARIANTS], sizeof c.out) != 0) ++*wrong;
  }
  return NULL;
}

static void as_one_thread_alone(void) {
  for (uint32_t variant = 0; variant < VARIANTS; variant++) {
    call c;
    vary(&c, variant);
    CHECK_EQUAL(call_plan(&c), EPLB_STATUS_OK);
    memcpy(&expected[variant], &c.out, sizeof c.out);
  }
  pthread_t threads[THREADS];
  long wrong[THREADS] = {0};
  for (int i = 0; i < THREADS; i++) CHECK_EQUAL(pthread_create(&threads[i], NULL, plan_many, &wrong[i]), 0);
  for (int i = 0; i < THREADS; i++) {
    CHECK_EQUAL(pthread_join(threads[i], NULL), 0);
    CHECK_EQUAL(wrong[i], 0);
  }
}

int main(void) {
  FOR_EACH_POLICY as_one_thread_alone();
  return finish("threads");
}
