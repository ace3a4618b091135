// The snippets of docs/guides/cpp.md that no example has; tests/guide_cpp.rs compares. C++20 for the first.
#include <eplb.hpp>

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

  eplb::tracker_config config;
  config.num_windows = config.num_layers = 1;
  config.num_logical_experts = 4;
  const auto memory = eplb::allocate(eplb::tracker_layout(config));
  auto tracker = eplb::tracker::init(config, *memory);
  const std::vector<uint32_t> counts = {1, 2, 3, 4};
  assert(tracker->observe(0, counts) && tracker->close());
  save_and_restore(*memory);
}
