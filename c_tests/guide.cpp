// The snippets of docs/guides/cpp.md that no example has; tests/guide_cpp.rs compares. C++20 for the first.
#include <eplb.hpp>
#include <eplb_balancer.hpp>

#undef NDEBUG
#include <cassert>
#include <cstdio>
#include <vector>

static eplb::problem in_one_expression(const std::vector<float> &load) {
  const eplb::problem problem{.num_layers = 58, .num_logical_experts = 256, .num_physical_experts = 288,
                              .num_gpus = 32, .load = load};
  return problem;
}

enum class outcome { moved, kept, broken };

static outcome on_error(const eplb::problem &problem, const eplb::options &options, const eplb::memory &workspace,
                        const eplb::placement &placement) {
  const eplb::result<> planned = eplb::plan(problem, options, workspace, placement);
  switch (planned.status()) {
    case EPLB_STATUS_OK: return outcome::moved;
    case EPLB_STATUS_INFEASIBLE: // no placement keeps the rules; with a limit on moves, ask again without it
    case EPLB_STATUS_SOURCE_LOST: return outcome::kept; // an expert is gone: load it from outside
    default: break;
  }
  const auto why = eplb::explain_plan(problem, options, workspace, placement); // the same arguments
  std::fprintf(stderr, "eplb: %s\n", why.text());
  return outcome::broken;
}

static eplb::result<uint64_t> plan_and_digest(const eplb::problem &problem, const eplb::memory &workspace,
                                              std::vector<int32_t> &expert_of) {
  eplb::placement placement;
  placement.physical_to_logical = expert_of;
  if (auto planned = eplb::plan(problem, {}, workspace, placement); !planned) return planned;
  return eplb::digest(problem, expert_of);
}

static void save_and_restore(eplb::span<std::byte> memory) {
  std::vector<std::byte> saved(memory.begin(), memory.end()); // between two calls; to a file, say
  eplb::tracker restored{eplb::span<std::byte>(saved)};
  if (!restored.windows()) std::fprintf(stderr, "start anew\n"); // it checks the whole memory
  assert(restored.windows());
}

static bool move_weights(eplb::span<const eplb::transfer> moves) { return !moves.empty(); }

static void one_round(eplb::balancer &loop, const eplb::balancer_config &config, const std::vector<uint32_t> &counts) {
  for (uint32_t layer = 0; layer < config.machine.num_layers; layer++) assert(loop.observe(layer, counts));
  assert(loop.close_window() && loop.plan());
  while (!loop.waiting().empty()) {
    const uint32_t layer = loop.waiting()[0];
    const auto moves = loop.prepare(layer);
    if (!moves || !move_weights(*moves)) {
      assert(loop.abort(layer)); // what was in force stays
      continue;
    }
    assert(loop.commit(layer));
  }
}

int main() {
  std::vector<float> load(58 * 256, 1);
  load[3] = 20;
  const eplb::problem problem = in_one_expression(load);
  const auto workspace = eplb::allocate(eplb::workspace_layout({eplb::operation::plan}, problem));
  std::vector<int32_t> expert_of(58 * 288);
  assert(workspace && plan_and_digest(problem, *workspace, expert_of));
  assert(on_error(problem, {}, *workspace, {expert_of}) == outcome::moved);
  const std::vector<float> short_load(58 * 255);
  assert(on_error(in_one_expression(short_load), {}, *workspace, {expert_of}) == outcome::broken);

  eplb::balancer_config loop_of;
  loop_of.machine.num_layers = 2;
  loop_of.machine.num_logical_experts = 4;
  loop_of.machine.num_physical_experts = 6;
  loop_of.machine.num_gpus = 2;
  const auto block = eplb::allocate(eplb::balancer::memory_layout(loop_of));
  auto loop = eplb::balancer::start(loop_of, std::vector<int32_t>{0, 1, 2, 3, 0, 1, 0, 1, 2, 3, 0, 1}, *block);
  assert(loop);
  one_round(*loop, loop_of, {9, 1, 1, 7});
  assert(loop->progress().committed + loop->progress().aborted > 0);

  eplb::tracker_config config;
  config.num_windows = config.num_layers = 1;
  config.num_logical_experts = 4;
  const auto memory = eplb::allocate(eplb::tracker_layout(config));
  auto tracker = eplb::tracker::init(config, *memory);
  const std::vector<uint32_t> counts = {1, 2, 3, 4};
  assert(tracker->observe(0, counts) && tracker->close());
  save_and_restore(*memory);
}
