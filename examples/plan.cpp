// examples/plan.c in C++: plans two layers of 12 experts onto 16 slots of 8 GPUs on 2 nodes, and prints the plan.
// Build: c++ -std=c++17 -Iinclude examples/plan.cpp target/release/libeplb.a -o plan
#include <eplb.hpp>

#include <cstdio>
#include <vector>

int main() {
  const std::vector<float> load = {90, 132, 40,  61, 104, 165, 39,  4,   73,  56, 183, 86,
                                   20, 107, 104, 64, 19,  197, 187, 157, 172, 86, 16,  27};
  eplb::problem problem;
  problem.num_layers = 2;
  problem.num_logical_experts = 12;
  problem.num_physical_experts = 16;
  problem.num_groups = 4;
  problem.num_nodes = 2;
  problem.num_gpus = 8;
  problem.load = load;
  const eplb::options options; // all defaults: policy::balanced

  std::vector<int32_t> expert_of(2 * 16); // the plan: which expert each slot holds
  eplb::placement placement;
  placement.physical_to_logical = expert_of;
  std::vector<eplb::metrics> metrics(2);

  // the same for any number of layers: allocate once, keep the block
  const auto workspace = eplb::allocate(eplb::workspace_layout({eplb::operation::plan}, problem, options));
  if (!workspace) return std::fprintf(stderr, "eplb: %s\n", workspace.text()), 1;
  if (!eplb::plan(problem, options, *workspace, placement, metrics)) {
    const auto why = eplb::explain_plan(problem, options, *workspace, placement, metrics);
    return std::fprintf(stderr, "eplb: %s\n", why.text()), 1; // the argument, the place in it, what to do
  }

  for (int layer = 0; layer < 2; layer++) {
    const eplb::metrics &m = metrics[layer];
    std::printf("layer %d, balance %.3f, gap %.3f, experts by slot:", layer, m.balance, m.gap);
    for (int slot = 0; slot < 16; slot++) std::printf(" %d", expert_of[layer * 16 + slot]);
    std::printf("\n");
  }
}
