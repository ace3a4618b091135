/* The tests of eplb.hpp: every topic, with an operator new that counts. */
#include "small.hpp"

#include <cstdlib>
#include <new>

long allocations, frees;
bool out_of_memory;

static void *counted(std::size_t size, std::size_t align) {
  if (out_of_memory) return nullptr;
  allocations++;
  return std::aligned_alloc(align, (size + align - 1) / align * align);
}

static void release(void *block) {
  frees += block != nullptr;
  std::free(block);
}

void *operator new(std::size_t size) {
  void *block = counted(size, alignof(std::max_align_t));
  if (block == nullptr) std::abort();
  return block;
}
void *operator new[](std::size_t size) { return operator new(size); }
void *operator new(std::size_t size, const std::nothrow_t &) noexcept {
  return counted(size, alignof(std::max_align_t));
}
void *operator new(std::size_t size, std::align_val_t align, const std::nothrow_t &) noexcept {
  return counted(size, static_cast<std::size_t>(align));
}
void operator delete(void *block) noexcept { release(block); }
void operator delete[](void *block) noexcept { release(block); }
void operator delete(void *block, std::size_t) noexcept { release(block); }
void operator delete[](void *block, std::size_t) noexcept { release(block); }
void operator delete(void *block, std::align_val_t) noexcept { release(block); }

static int failed;

void check(bool good, const char *file, int line, const char *what) {
  if (good) return;
  failed++;
  std::fprintf(stderr, "%s:%d: %s\n", file, line, what);
}

eplb_problem small::in_c() const {
  eplb_problem c = EPLB_PROBLEM_INIT;
  c.num_windows = problem.num_windows;
  c.num_layers = L;
  c.num_logical_experts = E;
  c.num_physical_experts = P;
  c.num_groups = K;
  c.num_nodes = N;
  c.num_gpus = G;
  c.load = problem.load.data();
  c.window_weight = problem.window_weight.data();
  c.gpu_speed = problem.gpu_speed.data();
  c.gpu_slots = problem.gpu_slots.data();
  c.gpu_node = problem.gpu_node.data();
  c.gpu_state = problem.gpu_state.data();
  return c;
}

eplb_options small::options_in_c() const {
  eplb_options c = EPLB_OPTIONS_INIT;
  c.policy = static_cast<std::uint32_t>(options.policy);
  c.scope = static_cast<std::uint32_t>(options.scope);
  c.max_moves = options.max_moves;
  c.previous = options.previous.data();
  return c;
}

int main() {
  const long before = allocations;
  the_face();
  the_lengths();
  CHECK(allocations == before); // nothing allocates unless asked to
  the_memory();
  the_balancer();
  the_explanations();
  return failed == 0 ? 0 : 1;
}
