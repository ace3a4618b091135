/* GPUs: arrays that make no sense, and those that a compatibility policy cannot honour. */
#include "harness.h"

#include <float.h>
#include <math.h>

static void slots(void) {
  REFUSES(SHAPED, EPLB_STATUS_GPU_SLOTS, c.problem.gpu_slots = c.gpu_slots, c.gpu_slots[0]++);
  REFUSES(SHAPED, EPLB_STATUS_GPU_SLOTS, c.problem.gpu_slots = c.gpu_slots, c.gpu_slots[G - 1]--);
  /* a sum that is right in 32 bits */
  REFUSES(SHAPED, EPLB_STATUS_GPU_SLOTS, c.problem.gpu_slots = c.gpu_slots, c.gpu_slots[0] = UINT32_MAX,
          c.gpu_slots[1] = P / G * 2 + 1);
  SAME_PLAN(c.problem.gpu_slots = c.gpu_slots);
  REFUSES(PLAN | SIZE_PLAN, EPLB_STATUS_UNSUPPORTED_SLOTS, c.problem.gpu_slots = c.gpu_slots, c.gpu_slots[0]++,
          c.gpu_slots[1]--);
  ACCEPTS(EVALUATE | SIZE_EVALUATE | SIZE_CHECK, c.problem.gpu_slots = c.gpu_slots, c.gpu_slots[0]++,
          c.gpu_slots[1]--);
}

static void speeds(void) {
  const float bad[] = {0.0f, -0.0f, -1.0f, NAN, INFINITY, -INFINITY};
  for (size_t i = 0; i < LENGTH(bad); i++) {
    REFUSES(SHAPED, EPLB_STATUS_GPU_SPEED, c.problem.gpu_speed = c.gpu_speed, c.gpu_speed[0] = bad[i]);
    REFUSES(SHAPED, EPLB_STATUS_GPU_SPEED, c.problem.gpu_speed = c.gpu_speed, c.gpu_speed[G - 1] = bad[i]);
  }
  SAME_PLAN(c.problem.gpu_speed = c.gpu_speed);
  const float uniform[] = {2.5f, FLT_MIN * FLT_EPSILON, FLT_MAX};
  for (size_t i = 0; i < LENGTH(uniform); i++)
    ACCEPTS(PLAN | EVALUATE, c.problem.gpu_speed = c.gpu_speed; for (int g = 0; g < G; g++) c.gpu_speed[g] = uniform[i]);
  REFUSES(PLAN | SIZE_PLAN, EPLB_STATUS_UNSUPPORTED_SPEED, c.problem.gpu_speed = c.gpu_speed, c.gpu_speed[1] = 2);
  ACCEPTS(EVALUATE, c.problem.gpu_speed = c.gpu_speed, c.gpu_speed[1] = 2);
}

static void nodes(void) {
  REFUSES(SHAPED, EPLB_STATUS_GPU_NODE, c.problem.gpu_node = c.gpu_node, c.gpu_node[0] = N);
  REFUSES(SHAPED, EPLB_STATUS_GPU_NODE, c.problem.gpu_node = c.gpu_node, c.gpu_node[G - 1] = UINT32_MAX);
  SAME_PLAN(c.problem.gpu_node = c.gpu_node);
  REFUSES(PLAN | SIZE_PLAN, EPLB_STATUS_UNSUPPORTED_NODES, c.problem.gpu_node = c.gpu_node, c.gpu_node[1] = 1,
          c.gpu_node[2] = 0);
  REFUSES(PLAN | SIZE_PLAN, EPLB_STATUS_UNSUPPORTED_NODES, c.problem.gpu_node = c.gpu_node, c.gpu_node[1] = 1);
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
    for (int gpu = 0; gpu < G; gpu++)
      REFUSES(PLAN | SIZE_PLAN, EPLB_STATUS_UNSUPPORTED_STATE, c.problem.gpu_state = c.gpu_state,
              c.gpu_state[gpu] = unwell[i]);
}

int main(void) {
  FOR_EACH_POLICY {
    slots();
    speeds();
    nodes();
    states();
  }
  return finish("topology");
}
