/* GPUs: arrays that make no sense, and what BALANCED honours and the compatibility policies refuse. */
#include "plans.h"

#include <float.h>
#include <math.h>

/* BALANCED plans it and keeps every promise, the others refuse it with the status. */
#define TOPOLOGY(status, ...)                                            \
  do {                                                                   \
    HONOURS(status, __VA_ARGS__);                                        \
    if (IS_BALANCED) {                                                   \
      call c;                                                            \
      plan made;                                                         \
      call_init(&c);                                                     \
      __VA_ARGS__;                                                       \
      CHECK_EQUAL(plan_make(&c.problem, &c.options, R, 0xa5, &made), 0); \
      plan_check(&c.problem, &c.options, &made, #__VA_ARGS__);           \
      plan_free(&made);                                                  \
    }                                                                    \
  } while (0)

static void set_slots(call *c, uint32_t a, uint32_t b, uint32_t d, uint32_t e) {
  const uint32_t slots[G] = {a, b, d, e};
  memcpy(c->gpu_slots, slots, sizeof slots);
  c->problem.gpu_slots = c->gpu_slots;
  c->problem.num_physical_experts = a + b + d + e;
}

static void slots(void) {
  REFUSES(SHAPED, EPLB_STATUS_GPU_SLOTS, c.problem.gpu_slots = c.gpu_slots, c.gpu_slots[0]++);
  REFUSES(SHAPED, EPLB_STATUS_GPU_SLOTS, c.problem.gpu_slots = c.gpu_slots, c.gpu_slots[G - 1]--);
  /* a sum that is right in 32 bits */
  REFUSES(SHAPED, EPLB_STATUS_GPU_SLOTS, c.problem.gpu_slots = c.gpu_slots, c.gpu_slots[0] = UINT32_MAX,
          c.gpu_slots[1] = P / G * 2 + 1);
  SAME_PLAN(c.problem.gpu_slots = c.gpu_slots);
  ACCEPTS(EVALUATE | SIZE_EVALUATE | SIZE_CHECK, c.problem.gpu_slots = c.gpu_slots, c.gpu_slots[0]++,
          c.gpu_slots[1]--);
  const int32_t status = EPLB_STATUS_UNSUPPORTED_SLOTS;
  TOPOLOGY(status, set_slots(&c, 4, 2, 3, 3));
  TOPOLOGY(status, set_slots(&c, 0, 6, 3, 3));
  TOPOLOGY(status, set_slots(&c, 1, 5, 1, 5));
  TOPOLOGY(status, set_slots(&c, 1, 2, 3, 5)); /* 11 slots on 4 GPUs */
  TOPOLOGY(status, set_slots(&c, 6, 0, 6, 0));
  /* more slots than experts: the surplus stays empty; 12 slots of which 11 are of use */
  TOPOLOGY(status, set_slots(&c, 9, 1, 1, 1), c.options.scope = EPLB_SCOPE_GLOBAL);
  TOPOLOGY(status, set_slots(&c, 12, 0, 0, 0), c.options.scope = EPLB_SCOPE_GLOBAL);
  /* as few as there are experts */
  TOPOLOGY(status, set_slots(&c, 3, 1, 3, 1));
}

static void speeds(void) {
  /* subnormal ones too: flush-to-zero would turn them into 0 */
  const float bad[] = {0.0f, -0.0f, -1.0f, NAN, INFINITY, -INFINITY, FLT_MIN * FLT_EPSILON, FLT_MIN * 0.75f};
  for (size_t i = 0; i < LENGTH(bad); i++) {
    REFUSES(SHAPED, EPLB_STATUS_GPU_SPEED, c.problem.gpu_speed = c.gpu_speed, c.gpu_speed[0] = bad[i]);
    REFUSES(SHAPED, EPLB_STATUS_GPU_SPEED, c.problem.gpu_speed = c.gpu_speed, c.gpu_speed[G - 1] = bad[i]);
  }
  SAME_PLAN(c.problem.gpu_speed = c.gpu_speed);
  const float uniform[] = {2.5f, FLT_MIN, FLT_MAX};
  for (size_t i = 0; i < LENGTH(uniform); i++)
    ACCEPTS(PLAN | EVALUATE, c.problem.gpu_speed = c.gpu_speed; for (int g = 0; g < G; g++) c.gpu_speed[g] = uniform[i]);
  ACCEPTS(EVALUATE, c.problem.gpu_speed = c.gpu_speed, c.gpu_speed[1] = 2);
  const int32_t status = EPLB_STATUS_UNSUPPORTED_SPEED;
  TOPOLOGY(status, c.problem.gpu_speed = c.gpu_speed, c.gpu_speed[1] = 2);
  TOPOLOGY(status, c.problem.gpu_speed = c.gpu_speed, c.gpu_speed[0] = 0.001f);
  TOPOLOGY(status, c.problem.gpu_speed = c.gpu_speed, c.gpu_speed[0] = FLT_MAX);
  TOPOLOGY(status, c.problem.gpu_speed = c.gpu_speed, c.gpu_speed[0] = FLT_MIN);
  TOPOLOGY(status, c.problem.gpu_speed = c.gpu_speed, c.gpu_speed[0] = FLT_MIN, c.gpu_speed[3] = FLT_MAX);
}

static void nodes(void) {
  REFUSES(SHAPED, EPLB_STATUS_GPU_NODE, c.problem.gpu_node = c.gpu_node, c.gpu_node[0] = N);
  REFUSES(SHAPED, EPLB_STATUS_GPU_NODE, c.problem.gpu_node = c.gpu_node, c.gpu_node[G - 1] = UINT32_MAX);
  SAME_PLAN(c.problem.gpu_node = c.gpu_node);
  const int32_t status = EPLB_STATUS_UNSUPPORTED_NODES;
  TOPOLOGY(status, c.problem.gpu_node = c.gpu_node, c.gpu_node[1] = 1, c.gpu_node[2] = 0);
  TOPOLOGY(status, c.problem.gpu_node = c.gpu_node, c.gpu_node[1] = 1);
  TOPOLOGY(status, c.problem.gpu_node = c.gpu_node, c.gpu_node[0] = c.gpu_node[1] = 1); /* node 0 is empty */
  /* global scope does not care */
  ACCEPTS(PLAN | SIZE_PLAN, c.options.scope = EPLB_SCOPE_GLOBAL, c.problem.gpu_node = c.gpu_node, c.gpu_node[1] = 1);
}

static void states(void) {
  REFUSES(SHAPED, EPLB_STATUS_GPU_STATE, c.problem.gpu_state = c.gpu_state, c.gpu_state[0] = EPLB_GPU_LEAVING + 1);
  REFUSES(SHAPED, EPLB_STATUS_GPU_STATE, c.problem.gpu_state = c.gpu_state, c.gpu_state[G - 1] = UINT8_MAX);
  REFUSES(SHAPED, EPLB_STATUS_NO_ALIVE_GPU, c.problem.gpu_state = c.gpu_state,
          memset(c.gpu_state, EPLB_GPU_DEAD, sizeof c.gpu_state));
  REFUSES(SHAPED, EPLB_STATUS_NO_ALIVE_GPU, c.problem.gpu_state = c.gpu_state,
          memset(c.gpu_state, EPLB_GPU_LEAVING, sizeof c.gpu_state));
  SAME_PLAN(c.problem.gpu_state = c.gpu_state);
  const uint8_t unwell[] = {EPLB_GPU_DEAD, EPLB_GPU_LEAVING};
  for (size_t i = 0; i < LENGTH(unwell); i++)
    for (int gpu = 0; gpu < G; gpu++) {
      TOPOLOGY(EPLB_STATUS_UNSUPPORTED_STATE, c.problem.gpu_state = c.gpu_state, c.gpu_state[gpu] = unwell[i]);
      /* 6 slots for 6 experts */
      TOPOLOGY(EPLB_STATUS_UNSUPPORTED_STATE, c.problem.gpu_state = c.gpu_state, c.gpu_state[gpu] = unwell[i],
               c.gpu_state[(gpu + 1) % G] = EPLB_GPU_DEAD, c.problem.num_logical_experts = 6, c.problem.num_groups = 2);
    }
}

/* What not even BALANCED can plan. */
static void too_little(void) {
  if (!IS_BALANCED) return;
  const int32_t few = EPLB_STATUS_TOO_FEW_SLOTS, status = EPLB_STATUS_INFEASIBLE;
  REFUSES(PLAN | SIZE_PLAN, few, set_slots(&c, 3, 1, 2, 1));
  REFUSES(PLAN | SIZE_PLAN, few, c.problem.gpu_state = c.gpu_state, c.gpu_state[0] = c.gpu_state[3] = EPLB_GPU_DEAD);
  REFUSES(PLAN | SIZE_PLAN, few, c.problem.gpu_state = c.gpu_state, c.gpu_state[1] = EPLB_GPU_DEAD,
          c.gpu_state[2] = EPLB_GPU_LEAVING);
  /* two groups of 4: no node with a dead GPU holds one */
  REFUSES(PLAN | SIZE_PLAN, status, c.problem.num_groups = 2, c.problem.gpu_state = c.gpu_state,
          c.gpu_state[1] = EPLB_GPU_DEAD);
  REFUSES(PLAN | SIZE_PLAN, status, c.problem.num_groups = 2, set_slots(&c, 2, 1, 3, 4));
  ACCEPTS(PLAN | SIZE_PLAN, c.problem.num_groups = 2, set_slots(&c, 3, 1, 3, 1));
  ACCEPTS(PLAN | SIZE_PLAN, c.problem.num_groups = 2, set_slots(&c, 2, 1, 3, 5));
  ACCEPTS(PLAN | SIZE_PLAN, c.problem.num_groups = 2, set_slots(&c, 2, 1, 3, 4), c.options.scope = EPLB_SCOPE_GLOBAL);
}

/* max_replicas limits every expert, whether the table is asked for or not. */
static void replicas(void) {
  if (!IS_BALANCED) return;
  for (uint32_t width = 1; width < R; width++) {
    TOPOLOGY(0, c.placement.max_replicas = width);
    call c;
    plan made;
    call_init(&c);
    CHECK_EQUAL(plan_make(&c.problem, &c.options, width, 0, &made), 0);
    plan_check(&c.problem, &c.options, &made, "max_replicas");
    c.placement.max_replicas = width;
    c.placement.logical_to_physical = NULL;
    CHECK_EQUAL(call_plan(&c), 0);
    CHECK(memcmp(c.out.physical_to_logical, made.maps.physical_to_logical, sizeof c.out.physical_to_logical) == 0);
    for (int i = 0; i < L * E; i++) CHECK(c.out.logical_count[i] <= (int32_t)width);
    plan_free(&made);
  }
}

int main(void) {
  FOR_EACH_POLICY {
    slots();
    speeds();
    nodes();
    states();
    too_little();
    replicas();
  }
  return finish("topology");
}
