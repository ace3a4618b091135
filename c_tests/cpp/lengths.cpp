/* Arrays of the wrong length are refused before anything is read or written; every other refusal is the C one. */
#include "small.hpp"

using eplb::span;

/* A span one too short, and one too long. The latter is never read. */
template <class T>
static std::array<span<T>, 2> wrong(span<T> right) {
  return {span<T>(right.data(), right.size() - 1), span<T>(right.data(), right.size() + 1)};
}

/* Plans, with one array of each length that is wrong in turn. */
template <class Pick>
static void refused(Pick pick) {
  for (std::size_t which = 0; which < 2; which++) {
    small s;
    s.with_everything();
    maps_of_plan out;
    const maps_of_plan untouched = out;
    eplb::placement placement = out.placement();
    span<eplb::metrics> metrics = out.metrics;
    auto &array = pick(s.problem, s.options, placement, metrics);
    array = wrong(array)[which];
    for (const eplb::problem &problem : {s.problem, s.problem.layer(0), s.problem.layer(L - 1)})
      CHECK(eplb::plan(problem, s.options, s.workspace, placement, metrics).status() == EPLB_STATUS_ARRAY_LENGTH);
    CHECK(out == untouched);
  }
}
#define REFUSED(array)                                                                 \
  refused([](auto &problem, auto &options, auto &placement, auto &metrics) -> auto & { \
    static_cast<void>(problem), static_cast<void>(options);                            \
    static_cast<void>(placement), static_cast<void>(metrics);                          \
    return array;                                                                      \
  })

static void planning() {
  REFUSED(problem.load);
  REFUSED(problem.window_weight);
  REFUSED(problem.gpu_speed);
  REFUSED(problem.gpu_slots);
  REFUSED(problem.gpu_node);
  REFUSED(problem.gpu_state);
  REFUSED(problem.step_tokens);
  REFUSED(options.previous);
  REFUSED(placement.physical_to_logical);
  REFUSED(placement.replica_rank);
  REFUSED(placement.logical_count);
  REFUSED(placement.logical_to_physical);
  REFUSED(metrics);
}

/* Layers that are not there, shapes that are none, sizes that no memory has. */
static void shapes() {
  small s;
  maps_of_plan out;
  const maps_of_plan untouched = out;
  const auto plan = [&](const eplb::problem &problem) {
    return eplb::plan(problem, {}, s.workspace, out.placement(), out.metrics).status();
  };
  CHECK(plan(s.problem.layer(L)) == EPLB_STATUS_ARRAY_LENGTH);
  CHECK(plan(s.problem.layers(1, L)) == EPLB_STATUS_ARRAY_LENGTH);
  CHECK(plan(s.problem.layers(UINT32_MAX, 2)) == EPLB_STATUS_ARRAY_LENGTH);
  CHECK(plan(s.problem.layers(0, 0)) == EPLB_STATUS_SHAPE_ZERO);
  eplb::problem tall = s.problem; // layers are told as int32_t
  tall.num_layers = std::uint32_t{1} << 31;
  CHECK(plan(tall) == EPLB_STATUS_SHAPE_TOO_LARGE && plan(tall.layer(0)) == EPLB_STATUS_SHAPE_TOO_LARGE);
  for (std::uint32_t eplb::problem::*size :
       {&eplb::problem::num_windows, &eplb::problem::num_layers, &eplb::problem::num_logical_experts,
        &eplb::problem::num_physical_experts, &eplb::problem::num_groups, &eplb::problem::num_nodes,
        &eplb::problem::num_gpus}) {
    eplb::problem problem = s.problem;
    const bool counts = size != &eplb::problem::num_windows && size != &eplb::problem::num_groups &&
                        size != &eplb::problem::num_nodes; // of which 0 is 1
    problem.*size = 0;
    CHECK(!counts || plan(problem) == EPLB_STATUS_SHAPE_ZERO);
    problem.*size = UINT32_MAX;
    CHECK(plan(problem) == EPLB_STATUS_ARRAY_LENGTH || plan(problem) == EPLB_STATUS_SHAPE_TOO_LARGE);
  }
  eplb::problem huge;
  huge.num_windows = huge.num_layers = huge.num_logical_experts = huge.num_physical_experts = huge.num_gpus = INT32_MAX;
  huge.load = s.load;
  CHECK(plan(huge) == EPLB_STATUS_ARRAY_LENGTH);

  eplb::problem none = s.problem;
  none.load = {};
  CHECK(plan(none) == EPLB_STATUS_NULL_POINTER);
  CHECK(eplb::plan(s.problem, {}, s.workspace, {}).status() == EPLB_STATUS_NULL_POINTER);
  CHECK(eplb::plan(s.problem, {}, {}, out.placement()).status() == EPLB_STATUS_NULL_POINTER);
  CHECK(eplb::plan(s.problem, {}, {s.workspace.data(), 64}, out.placement()).status() ==
        EPLB_STATUS_WORKSPACE_TOO_SMALL);
  CHECK(out == untouched);
}

/* Windows that lie apart need what they take, no more and no less. */
static void strides() {
  small s;
  eplb::problem problem = s.problem;
  problem.num_windows = W;
  std::array<float, W * (L * E + 5)> apart{};
  for (std::size_t w = 0; w < W; w++) std::memcpy(&apart[w * (L * E + 5)], &s.load[w * L * E], L * E * sizeof(float));
  maps_of_plan dense, spread;
  problem.load = s.load;
  CHECK(eplb::plan(problem, {}, s.workspace, dense.placement(), dense.metrics));
  problem.load_window_stride = L * E + 5;
  problem.load = apart;
  for (std::uint32_t l = 0; l < L; l++)
    CHECK(eplb::plan(problem.layer(l), {}, s.workspace, spread.placement(), spread.metrics));
  CHECK(dense == spread);
  const auto plan = [&] { return eplb::plan(problem, {}, s.workspace, spread.placement(), spread.metrics).status(); };
  problem.load = {apart.data(), apart.size() - 5}; // the last window ends here
  CHECK(plan() == EPLB_STATUS_OK);
  problem.load = {apart.data(), apart.size() - 6};
  CHECK(plan() == EPLB_STATUS_ARRAY_LENGTH);
  problem.load = {apart.data(), 3};
  CHECK(plan() == EPLB_STATUS_ARRAY_LENGTH);
  problem.load = apart;
  problem.load_window_stride = L * E - 1; // of one layer that would do for C
  CHECK(eplb::plan(problem.layer(0), {}, s.workspace, spread.placement()).status() == EPLB_STATUS_WINDOW_STRIDE);
}

/* Windows of another size, even of as many numbers, are not this problem's. */
static void other_windows() {
  small s;
  maps_of_plan out;
  eplb::windows windows;
  windows.num_layers = L;
  windows.num_logical_experts = E;
  windows.load = s.problem.load;
  CHECK(eplb::plan(s.problem.on(windows), {}, s.workspace, out.placement()));
  const maps_of_plan untouched = out;
  windows.num_layers = E;
  windows.num_logical_experts = L;
  for (const eplb::problem &problem : {s.problem.on(windows), s.problem.on(windows).layer(0), s.problem.on({})})
    CHECK(eplb::plan(problem, {}, s.workspace, out.placement()).status() == EPLB_STATUS_ARRAY_LENGTH);
  CHECK(out == untouched);
}

/* A result has a value or a failure, and neither comes from a result of something else. */
static void results() {
  using number = eplb::result<std::uint64_t>;
  static_assert(std::is_convertible_v<eplb::result<>, number> && std::is_convertible_v<eplb::status, number>);
  static_assert(!std::is_constructible_v<number, eplb::result<eplb::layout>>);
  static_assert(!std::is_constructible_v<eplb::result<eplb::layout>, number>);
  static_assert(!std::is_constructible_v<eplb::memory, std::byte *, eplb::layout>);
  static_assert(std::is_same_v<decltype(*std::declval<number>()), std::uint64_t &&>);
  CHECK(number(EPLB_STATUS_INFEASIBLE).status() == EPLB_STATUS_INFEASIBLE && *number(std::uint64_t{7}) == 7);
  CHECK(!number(EPLB_STATUS_OK) && !number(eplb::result<>(EPLB_STATUS_OK)));
}

static void others() {
  small s;
  maps_of_plan plan;
  CHECK(eplb::plan(s.problem, {}, s.workspace, plan.placement(), plan.metrics));
  const maps_of_plan before = plan;
  const span<const std::int32_t> slots = plan.slots;
  const span<const std::int32_t> from = s.previous;

  for (span<const std::int32_t> bad : wrong(slots)) {
    CHECK(eplb::evaluate(s.problem, {}, s.workspace, bad, plan.metrics).status() == EPLB_STATUS_ARRAY_LENGTH);
    CHECK(eplb::check(s.problem, {}, s.workspace, {bad}).status() == EPLB_STATUS_ARRAY_LENGTH);
    CHECK(eplb::digest(s.problem, bad).status() == EPLB_STATUS_ARRAY_LENGTH);
    CHECK(eplb::transfers(s.problem, {}, s.workspace, from, bad, 1).status() == EPLB_STATUS_ARRAY_LENGTH);
    CHECK(eplb::transfers(s.problem, {}, s.workspace, bad, slots, 1).status() == EPLB_STATUS_ARRAY_LENGTH);
  }
  std::array<float, L * P> did{};
  for (span<const float> bad : wrong<const float>(did))
    CHECK(eplb::evaluate(s.problem, {}, s.workspace, slots, plan.metrics, bad).status() == EPLB_STATUS_ARRAY_LENGTH);
  for (span<eplb::metrics> bad : wrong<eplb::metrics>(plan.metrics))
    CHECK(eplb::evaluate(s.problem, {}, s.workspace, slots, bad).status() == EPLB_STATUS_ARRAY_LENGTH);
  CHECK(eplb::evaluate(s.problem, {}, s.workspace, slots, {}).status() == EPLB_STATUS_NULL_POINTER);

  std::array<std::uint32_t, L + 2> words{};
  const eplb::problem one = s.problem.layer(0);
  const auto list = [&](const eplb::problem &p, std::size_t start, std::size_t rounds) {
    const eplb::transfer_list out{{}, {words.data(), start}, {}, {words.data(), rounds}};
    return eplb::transfers(p, {}, s.workspace, from, slots, 1, out).status();
  };
  CHECK(list(s.problem, L + 1, 0) == EPLB_STATUS_OK && list(s.problem, 0, L) == EPLB_STATUS_OK);
  CHECK(list(s.problem, L, 0) == EPLB_STATUS_ARRAY_LENGTH && list(s.problem, 0, L + 1) == EPLB_STATUS_ARRAY_LENGTH);
  CHECK(list(one, 2, 0) == EPLB_STATUS_OK && list(one, L + 1, 0) == EPLB_STATUS_ARRAY_LENGTH);
  const eplb::transfer_list moved{{}, {}, {words.data(), L + 1}, {}};
  CHECK(eplb::transfers(s.problem, {}, s.workspace, from, slots, 1, moved).status() == EPLB_STATUS_ARRAY_LENGTH);
  eplb::transfer room[1];
  CHECK(eplb::transfers(s.problem, {}, s.workspace, from, slots, 1, {room}).status() == EPLB_STATUS_LIST_TOO_SMALL);

  std::array<std::uint32_t, L * E> tokens{};
  std::array<std::uint32_t, L * P> quota;
  std::array<std::uint32_t, L * E * R> end;
  std::array<std::int32_t, L * E * R> slot;
  std::array<eplb::split, L> split;
  const auto dispatch = [&](const eplb::batch &in, const eplb::quotas &out) {
    return eplb::dispatch(s.problem, {}, s.workspace, slots, in, out).status();
  };
  CHECK(dispatch({tokens, false}, {quota, end, slot, R, split}) == EPLB_STATUS_OK);
  CHECK(dispatch({tokens, true}, {quota}) == EPLB_STATUS_ARRAY_LENGTH);
  CHECK(dispatch({tokens, false}, {quota, end, slot, R - 1, split}) == EPLB_STATUS_ARRAY_LENGTH);
  CHECK(dispatch({tokens, false}, {quota, end, slot, 0, split}) == EPLB_STATUS_MAX_REPLICAS);
  CHECK(dispatch({tokens, false}, {{quota.data(), 1}}) == EPLB_STATUS_ARRAY_LENGTH);
  CHECK(dispatch({tokens, false}, {quota, {}, {}, 0, {split.data(), 1}}) == EPLB_STATUS_ARRAY_LENGTH);
  CHECK(dispatch({tokens, false}, {}) == EPLB_STATUS_NULL_POINTER);

  std::array<std::int32_t, L * P> home, filled;
  for (std::size_t i = 0; i < home.size(); i++) home[i] = i % P < E ? static_cast<std::int32_t>(i % P) : -1;
  filled.fill(9);
  quota.fill(9);
  std::array<eplb::fetch, L * (P - E)> fetches{};
  std::array<eplb::replicated, L> found{};
  const auto replicate = [&](const eplb::replication &in, const eplb::replicas &to) {
    return eplb::replicate(s.problem, {}, s.workspace, home, in, to).status();
  };
  const span<const std::uint32_t> sent = tokens;
  CHECK(replicate({sent, true}, {filled, quota}) == EPLB_STATUS_ARRAY_LENGTH);
  CHECK(replicate({sent, false, {home.data(), 1}}, {filled, quota}) == EPLB_STATUS_ARRAY_LENGTH);
  CHECK(replicate({sent}, {{filled.data(), 1}, quota}) == EPLB_STATUS_ARRAY_LENGTH);
  CHECK(replicate({sent}, {filled, {quota.data(), 1}}) == EPLB_STATUS_ARRAY_LENGTH);
  CHECK(replicate({sent}, {filled, quota, end, slot, R - 1}) == EPLB_STATUS_ARRAY_LENGTH);
  CHECK(replicate({sent}, {filled, quota, {}, {}, 0, fetches, {found.data(), 1}}) == EPLB_STATUS_ARRAY_LENGTH);
  CHECK(replicate({sent}, {filled, quota, {}, {}, 0, fetches}) == EPLB_STATUS_ARRAY_LENGTH);
  CHECK(replicate({sent}, {filled, quota, {}, {}, 0, {fetches.data(), 1}, found}) == EPLB_STATUS_LIST_TOO_SMALL);
  CHECK(replicate({sent, false, {}, (1u << 20) + 1}, {filled, quota}) == EPLB_STATUS_TOLERANCE);
  CHECK(replicate({sent}, {filled}) == EPLB_STATUS_NULL_POINTER && replicate({sent}, {}) == EPLB_STATUS_NULL_POINTER);
  CHECK(filled[0] == 9 && quota[0] == 9);
  CHECK(replicate({sent}, {filled, quota, end, slot, R, fetches, found}) == EPLB_STATUS_OK);

  std::array<eplb::gate_layer, 2> layers{};
  std::array<eplb::gate_state, 2> states{};
  std::array<eplb::gate_verdict, 3> verdicts;
  CHECK(eplb::gate({}, layers, states, verdicts).status() == EPLB_STATUS_ARRAY_LENGTH);
  CHECK(eplb::gate({}, layers, {states.data(), 1}, {verdicts.data(), 2}).status() == EPLB_STATUS_ARRAY_LENGTH);
  CHECK(!eplb::gate({}, {}, states, verdicts));

  eplb::windows windows;
  windows.num_windows = W;
  windows.num_layers = L;
  windows.num_logical_experts = E;
  windows.load = s.load;
  std::array<float, L * E> load;
  std::array<float, L * W> weights;
  CHECK(eplb::forecast(windows, {}, load) && eplb::window_weights(windows, {}, weights));
  CHECK(eplb::forecast(windows, {}, {load.data(), 1}).status() == EPLB_STATUS_ARRAY_LENGTH);
  CHECK(eplb::window_weights(windows, {}, {weights.data(), 1}).status() == EPLB_STATUS_ARRAY_LENGTH);
  CHECK(eplb::window_weights(windows, {}, weights, {words.data(), 1}).status() == EPLB_STATUS_ARRAY_LENGTH);
  windows.window_weight = {weights.data(), 1};
  CHECK(eplb::forecast(windows, {}, load).status() == EPLB_STATUS_ARRAY_LENGTH);
  windows.window_weight = {};
  windows.num_windows = W + 1;
  CHECK(eplb::forecast(windows, {}, load).status() == EPLB_STATUS_ARRAY_LENGTH);
  windows.num_windows = 0;
  CHECK(eplb::forecast(windows, {}, load).status() == EPLB_STATUS_SHAPE_ZERO);
  CHECK(std::memcmp(&before, &plan, sizeof plan) == 0);
}

/* Loads of integers, and the slots of each expert: written whole, or not at all. */
static void of_engines() {
  std::array<float, 3> load = {7, 7, 7};
  CHECK(eplb::loads_of(std::array<std::int64_t, 3>{1, 5000000000, 0}, load) && load[1] == 5e9f && load[2] == 0);
  CHECK(eplb::loads_of(std::array<std::uint32_t, 3>{1, UINT32_MAX, 3}, load) && load[1] == 4294967296.0f);
  CHECK(eplb::loads_of(std::array<std::int32_t, 3>{9, 9, -1}, load).status() == EPLB_STATUS_LOAD_NEGATIVE);
  CHECK(eplb::loads_of(std::array<std::int32_t, 2>{9, 9}, load).status() == EPLB_STATUS_ARRAY_LENGTH);
  CHECK(load[0] == 1 && load[2] == 3);

  const std::array<std::int32_t, 6> map = {2, 0, -1, 2, 0, 2};
  std::array<std::int32_t, 5> begin = {9, 9, 9, 9, 9};
  std::array<std::int32_t, 6> slot_of = {9, 9, 9, 9, 9, 9};
  CHECK(eplb::slots_by_expert({map.data(), 5}, begin, slot_of).status() == EPLB_STATUS_ARRAY_LENGTH);
  CHECK(eplb::slots_by_expert(map, {}, slot_of).status() == EPLB_STATUS_ARRAY_LENGTH);
  CHECK(eplb::slots_by_expert(map, {begin.data(), 3}, slot_of).status() == EPLB_STATUS_PLACEMENT_EXPERT);
  CHECK(begin[0] == 9 && slot_of[0] == 9);
  CHECK(eplb::slots_by_expert(map, begin, slot_of));
  CHECK(begin == std::array<std::int32_t, 5>{0, 2, 2, 5, 5});
  CHECK(slot_of == std::array<std::int32_t, 6>{1, 4, 0, 3, 5, -1});
}

void the_lengths() {
  planning();
  shapes();
  strides();
  other_windows();
  results();
  others();
  of_engines();
}
