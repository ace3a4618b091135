/* Explanations: what C says, and what only spans can have wrong. */
#include "small.hpp"

#include <string>

using eplb::span;

static bool says(const eplb::explanation &told, const std::string &words) {
  const bool found = std::strstr(told.text(), words.c_str()) != nullptr;
  if (!found) std::printf("not \"%s\": %s\n", words.c_str(), told.text());
  return found;
}
static const char *const nothing = "nothing is wrong with it (status 0)";

/* What C finds, in every function. */
static void of_c(small &s) {
  maps_of_plan out;
  const auto plan = [&] { return eplb::explain_plan(s.problem, s.options, s.workspace, out.placement(), out.metrics); };
  CHECK(says(plan(), nothing));
  s.load[L * E - 1] = -1;
  CHECK(says(plan(), "problem.load[window 0][layer 2][expert 7] is -1: "));
  CHECK(says(eplb::explain(eplb::operation::plan, s.problem, s.options, out.placement()),
             "problem.load[window 0][layer 2][expert 7] is -1: "));
  const eplb::problem last = s.problem.layer(2);
  CHECK(says(eplb::explain_plan(last, s.options, s.workspace, out.placement()),
             "with layers counted from 2: problem.load[window 0][layer 0][expert 7] is -1: "));
  s.load[L * E - 1] = 1;
  CHECK(says(eplb::explain_plan(s.problem, s.options, {}, out.placement()), "workspace is NULL"));
  eplb::problem crowded = s.problem;
  crowded.num_logical_experts = P + 1;
  crowded.num_groups = 1;
  crowded.load = {};
  CHECK(says(eplb::explain(eplb::operation::plan, crowded), "problem.num_logical_experts is 13"));
  CHECK(!eplb::workspace_layout({eplb::operation::plan}, crowded));

  CHECK(eplb::plan(s.problem, s.options, s.workspace, out.placement(), out.metrics));
  const auto evaluate = [&] { return eplb::explain_evaluate(s.problem, {}, s.workspace, out.slots, out.metrics); };
  const auto number = [&] { return eplb::explain_number(s.problem, out.slots, {out.ranks, out.counts, out.table, 1}); };
  CHECK(says(evaluate(), nothing));
  CHECK(says(eplb::explain_check(s.problem, {}, s.workspace, out.view()), nothing));
  CHECK(says(eplb::explain_number(s.problem, out.slots, {out.ranks, out.counts, out.table, R}), nothing));
  CHECK(says(number(), "placement.logical_to_physical has 120 elements, the sizes ask for 24 (status -38)"));
  CHECK(says(eplb::explain_transfers(s.problem, {}, s.workspace, out.slots, out.slots, 0), nothing));
  out.slots[P + 3] = 8;
  const std::string slot = "[layer 1][slot 3] is 8: ";
  CHECK(says(evaluate(), "placement.physical_to_logical" + slot));
  CHECK(says(eplb::explain_check(s.problem, {}, s.workspace, out.view()), "placement.physical_to_logical" + slot));
  CHECK(says(eplb::explain_transfers(s.problem, {}, s.workspace, s.previous, out.slots, 0),
             "to.physical_to_logical" + slot));
  CHECK(says(eplb::explain_number(s.problem, out.slots, {out.ranks}), "placement.physical_to_logical" + slot));
  std::array<std::uint32_t, L * E> tokens{};
  std::array<std::uint32_t, L * P> quota;
  CHECK(says(eplb::explain_dispatch(s.problem, {}, s.workspace, out.slots, {tokens}, {quota}),
             "placement.physical_to_logical" + slot));
  std::array<std::int32_t, L * P> filled;
  std::array<eplb::fetch, 1> fetches{};
  const auto replicate = [&](const eplb::replicas &to) {
    return eplb::explain_replicate(s.problem, {}, s.workspace, out.slots, {tokens}, to);
  };
  CHECK(says(replicate({filled, quota}), "home.physical_to_logical" + slot));
  CHECK(says(replicate({filled, quota, {}, {}, 0, fetches}),
             "out.per_layer has 0 elements: it says how many out.fetches there are, with 3 (status -38)"));
  out.slots[P + 3] = 0;
  CHECK(says(replicate({filled, quota}), nothing));
}

static void of_gate_and_loads() {
  std::array<eplb::gate_layer, 2> layers{};
  std::array<eplb::gate_state, 2> states{};
  std::array<eplb::gate_verdict, 2> verdicts;
  eplb::gate_config config;
  CHECK(says(eplb::explain_gate(config, layers, states, verdicts), "config.num_gpus is 0"));
  CHECK(says(eplb::explain_gate(config, layers, {states.data(), 1}, verdicts),
             "states has 1 elements, the sizes ask for 2 (status -38)"));

  eplb::tracker_config ring;
  alignas(8) std::array<std::byte, 4096> memory{};
  CHECK(says(eplb::tracker::explain_init(ring, memory), "config.num_windows is 0"));
  ring.num_windows = 2, ring.num_layers = 1, ring.num_logical_experts = E;
  auto tracker = eplb::tracker::init(ring, {memory.data(), eplb::tracker_layout(ring)->size});
  CHECK(tracker && says(tracker->explain_close(), "call eplb_tracker_observe"));
  CHECK(says(tracker->explain_windows(), "(status -"));
  std::array<std::uint32_t, E> counts{};
  const std::array<std::int32_t, E - 1> row{};
  CHECK(says(tracker->explain_observe(0, counts), nothing));
  CHECK(says(tracker->explain_observe(1, counts), "layer is 1"));
  CHECK(says(tracker->explain_observe(0, counts, row), "counts has 8 elements, physical_to_logical 7 (status -"));

  eplb::windows windows;
  const std::array<float, E> load = {1, -2, 3};
  std::array<float, E> out;
  windows.num_layers = 1, windows.num_logical_experts = E, windows.load = load;
  CHECK(says(eplb::explain_forecast(windows, {}, out), "[expert 1] is -2"));
  CHECK(says(eplb::explain_window_weights(windows, {}, {out.data(), 1}), "[expert 1] is -2"));
  CHECK(says(eplb::explain_forecast(windows, {}, {out.data(), 3}), "load has 3 elements, the sizes ask for 8"));
}

/* Every array of the wrong length is named, with both lengths. */
static void of_lengths() {
  small s;
  s.with_everything();
  maps_of_plan out;
  const auto told = [&](const char *name, std::size_t given, std::size_t wanted) {
    const eplb::explanation plan = eplb::explain_plan(s.problem, s.options, s.workspace, out.placement(), out.metrics);
    return says(plan, std::string(name) + " has " + std::to_string(given) + " elements, the sizes ask for " +
                          std::to_string(wanted) + " (status -38)");
  };
#define TOLD(array, wanted)                      \
  do {                                           \
    const auto whole = s.array;                  \
    s.array = {whole.data(), whole.size() - 1};  \
    CHECK(told(#array, whole.size() - 1, wanted)); \
    s.array = whole;                             \
  } while (false)
  TOLD(problem.load, W * L * E);
  TOLD(problem.window_weight, L * W);
  TOLD(problem.gpu_speed, G);
  TOLD(problem.gpu_slots, G);
  TOLD(problem.gpu_node, G);
  TOLD(problem.gpu_state, G);
  TOLD(options.previous, L * P);
  s.problem.load_window_stride = L * E + 1;
  CHECK(says(eplb::explain(eplb::operation::plan, s.problem), "problem.load has 48 elements, windows that lie apart "
                                                              "take 49 (status -38)"));
  s.problem.load_window_stride = 1;
  CHECK(says(eplb::explain(eplb::operation::plan, s.problem), "load_window_stride is 1: 0, or at least"));
  s.problem.load_window_stride = 0;
  CHECK(says(eplb::explain(eplb::operation::plan, s.problem.layers(1, L)), "problem.first_layer is 1: "));
  CHECK(says(eplb::explain(eplb::operation::plan, s.problem.on({})), "windows given to on() have other sizes"));
}

void the_explanations() {
  small s;
  of_c(s);
  of_gate_and_loads();
  of_lengths();
}
