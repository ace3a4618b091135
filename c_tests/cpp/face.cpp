/* Every function of eplb.hpp gives what its C function gives, for all layers and layer by layer. */
#include "small.hpp"

using eplb::span;

static maps_of_plan planned(small &s) {
  maps_of_plan out;
  CHECK(eplb::plan(s.problem, s.options, s.workspace, out.placement(), out.metrics));
  return out;
}

static void plans(small &s) {
  maps_of_plan in_c;
  eplb_problem problem = s.in_c();
  eplb_options options = s.options_in_c();
  eplb_placement placement = EPLB_PLACEMENT_INIT;
  placement.max_replicas = R;
  placement.physical_to_logical = in_c.slots.data();
  placement.replica_rank = in_c.ranks.data();
  placement.logical_count = in_c.counts.data();
  placement.logical_to_physical = in_c.table.data();
  CHECK(eplb_plan(&problem, &options, s.workspace.data(), s.workspace.size(), &placement, in_c.metrics.data(),
                  sizeof(eplb_metrics)) == EPLB_STATUS_OK);
  CHECK(planned(s) == in_c);

  // a layer a call: its rows, and nothing else
  maps_of_plan by_layer;
  for (std::uint32_t l = L; l-- > 0;) {
    const maps_of_plan before = by_layer;
    CHECK(eplb::plan(s.problem.layer(l), s.options, s.workspace, by_layer.placement(), by_layer.metrics));
    for (std::uint32_t other = 0; other < l; other++)
      CHECK(std::memcmp(&by_layer.slots[other * P], &before.slots[other * P], P * sizeof(std::int32_t)) == 0);
  }
  CHECK(by_layer == in_c);
  maps_of_plan in_two;
  CHECK(eplb::plan(s.problem.layers(0, 1), s.options, s.workspace, in_two.placement(), in_two.metrics));
  CHECK(eplb::plan(s.problem.layers(1, L - 1), s.options, s.workspace, in_two.placement(), in_two.metrics));
  CHECK(in_two == in_c);

  // measured again, it is what was promised
  std::array<eplb::metrics, L> again, rows;
  eplb::options measure = s.options;
  measure.max_moves = 0;
  CHECK(eplb::evaluate(s.problem, measure, s.workspace, in_c.slots, again));
  for (std::uint32_t l = 0; l < L; l++)
    CHECK(eplb::evaluate(s.problem.layer(l), measure, s.workspace, in_c.slots, rows));
  CHECK(same_bytes(again, rows));
  for (std::uint32_t l = 0; l < L; l++) CHECK(again[l].max_gpu_load == in_c.metrics[l].max_gpu_load);

  std::uint64_t digest = 0;
  CHECK(eplb_digest(&problem, &placement, &digest) == EPLB_STATUS_OK);
  CHECK(*eplb::digest(s.problem, in_c.slots) == digest);
  placement.physical_to_logical += P;
  problem.num_layers = 1;
  CHECK(eplb_digest(&problem, &placement, &digest) == EPLB_STATUS_OK);
  CHECK(*eplb::digest(s.problem.layer(1), in_c.slots) == digest);
}

/* The other maps again, from the first. */
static void numbered(small &s) {
  const maps_of_plan plan = planned(s);
  maps_of_plan again, rows;
  const auto out = [](maps_of_plan &of) { return eplb::numbering{of.ranks, of.counts, of.table, R}; };
  CHECK(eplb::number(s.problem, plan.slots, out(again)));
  for (std::uint32_t l = 0; l < L; l++) CHECK(eplb::number(s.problem.layer(l), plan.slots, out(rows)));
  CHECK(same_bytes(again.counts, plan.counts));
  CHECK(s.options.policy != eplb::policy::balanced ||
        (same_bytes(again.ranks, plan.ranks) && same_bytes(again.table, plan.table)));
  CHECK(rows == again);
  CHECK(eplb::number(s.problem, {}, out(rows)).status() == EPLB_STATUS_NULL_POINTER);
}

static void checks(small &s) {
  maps_of_plan plan = planned(s);
  eplb::violation first{};
  CHECK(eplb::check(s.problem, s.options, s.workspace, plan.view(), &first));
  CHECK(first.kind == EPLB_VIOLATION_KIND_NONE && first.layer == -1);
  plan.slots[2 * P] = E;
  const eplb::result<> broken = eplb::check(s.problem.layers(1, 2), s.options, s.workspace, plan.view(), &first);
  CHECK(broken.status() == EPLB_STATUS_PLACEMENT_INVALID && std::strlen(broken.text()) > 10);
  CHECK(first.kind == EPLB_VIOLATION_KIND_EXPERT && first.layer == 2 && first.slot == 0 && first.expert == E);
  CHECK(eplb::check(s.problem.layers(0, 2), s.options, s.workspace, plan.placement()));
}

static void measured(small &s) {
  const maps_of_plan plan = planned(s);
  std::array<float, L * P> did;
  for (std::size_t i = 0; i < did.size(); i++) did[i] = static_cast<float>(i / P + 1); // 3 slots a GPU, all even
  std::array<eplb::metrics, L> metrics;
  eplb::problem problem = s.problem;
  problem.load = {};
  CHECK(eplb::evaluate(problem.layer(2), {}, s.workspace, plan.slots, metrics, did));
  CHECK(metrics[2].max_gpu_load == 9 && metrics[2].balance == 1);
}

static void migration(small &s) {
  s.options.previous = s.previous;
  const maps_of_plan plan = planned(s);
  const auto &from = s.previous, &to = plan.slots;
  std::array<eplb::transfer, 2 * L * P> list, by_layer;
  std::array<std::uint32_t, L + 1> start;
  std::array<std::uint32_t, L> moved, rounds;
  const auto sums = eplb::transfers(s.problem, {}, s.workspace, from, to, 1, {list, start, moved, rounds});
  CHECK(sums && sums->count > 0 && sums->count == start[L] && sums->moved <= sums->count && sums->rounds > 0);
  CHECK(eplb::transfers(s.problem, {}, s.workspace, from, to, 1)->count == sums->count);
  std::uint32_t count = 0;
  for (std::uint32_t l = 0; l < L; l++) {
    CHECK(count == start[l]);
    const span<eplb::transfer> rest(by_layer.data() + count, by_layer.size() - count);
    const auto part = eplb::transfers(s.problem.layer(l), {}, s.workspace, from, to, 1, {rest});
    CHECK(part && part->rounds == rounds[l] && part->moved == moved[l]);
    count += part->count;
  }
  CHECK(count == sums->count && std::memcmp(list.data(), by_layer.data(), count * sizeof list[0]) == 0);
  CHECK(eplb::transfers(s.problem, {}, s.workspace, {}, to, 1).status() == EPLB_STATUS_NULL_POINTER);
}

static void gates() {
  std::array<eplb::gate_layer, 2> layers{};
  std::array<eplb::gate_state, 2> states{}, states_in_c{};
  std::array<eplb::gate_verdict, 2> verdicts, verdicts_in_c;
  eplb::gate_config config;
  config.num_gpus = 8;
  config.step_seconds = 0.5;
  config.steps = config.steps_since = 100;
  config.bytes_per_expert = 1000;
  config.gpu_bandwidth = 500;
  layers[0].mean = layers[1].mean = layers[1].now = layers[1].after = 10;
  layers[0].now = 40;
  layers[0].after = 20;
  layers[0].moved = layers[1].moved = 7;
  layers[0].rounds = layers[1].rounds = 3;
  const auto total = eplb::gate(config, layers, states, verdicts);
  eplb_gate_total in_c{};
  config.num_layers = 2;
  CHECK(eplb_gate(&config, layers.data(), sizeof layers[0], states_in_c.data(), sizeof states_in_c[0], verdicts_in_c.data(),
                  sizeof verdicts_in_c[0], &in_c, sizeof in_c) == EPLB_STATUS_OK);
  CHECK(total && total->moved_layers == 1 && std::memcmp(&*total, &in_c, sizeof in_c) == 0);
  CHECK(same_bytes(verdicts, verdicts_in_c) && same_bytes(states, states_in_c) && verdicts[0].move_layer == 1);
  config.flags = EPLB_GATE_SECONDS;
  config.step_seconds = 0;
  states = {};
  const auto seconds = eplb::gate(config, layers, states, verdicts);
  CHECK(seconds && seconds->moved_layers == 1 && verdicts[0].gain_seconds > 1999.9 && verdicts[0].gain_seconds < 2000.1);
}

template <std::size_t Sources>
static void tokens(small &s, bool by_source) {
  const maps_of_plan plan = planned(s);
  std::array<std::uint32_t, L * Sources * E> sent;
  std::uint32_t random = 3;
  for (std::uint32_t &n : sent) n = random_next(random) % 50;
  std::array<std::uint32_t, L * Sources * P> quota, quota_rows;
  std::array<std::uint32_t, L * Sources * E * R> end;
  std::array<std::int32_t, L * E * R> slot;
  std::array<eplb::split, L> split;
  const eplb::quotas out{quota, end, slot, R, split};
  CHECK(eplb::dispatch(s.problem, {}, s.workspace, plan.slots, {sent, by_source}, out));
  for (std::uint32_t l = 0; l < L; l++)
    CHECK(eplb::dispatch(s.problem.layer(l), {}, s.workspace, plan.slots, {sent, by_source},
                         {quota_rows}));
  CHECK(same_bytes(quota, quota_rows));

  // every token goes somewhere, and what arrives are the quotas
  std::array<std::uint32_t, L * Sources * P> arrived{};
  for (std::uint32_t l = 0; l < L; l++)
    for (std::uint32_t from = 0; from < Sources; from++)
      for (std::uint32_t e = 0; e < E; e++) {
        const std::uint32_t n = sent[(l * Sources + from) * E + e];
        for (std::uint32_t i = 0; i < n; i++) {
          const std::int32_t to = eplb::route(s.problem, out, l, e, i, from);
          CHECK(to >= 0 && plan.slots[l * P + static_cast<std::uint32_t>(to)] == static_cast<std::int32_t>(e));
          arrived[(l * Sources + from) * P + static_cast<std::uint32_t>(to)]++;
        }
        CHECK(eplb::route(s.problem, out, l, e, n, from) == -1);
      }
  CHECK(same_bytes(arrived, quota));
  CHECK(eplb::route(s.problem, out, L, 0, 0) == -1 && eplb::route(s.problem, out, 0, E, 0) == -1);
  CHECK(eplb::route(s.problem, out, 0, 0, 0, G) == -1 && eplb::route(s.problem, {}, 0, 0, 0) == -1);
}

/* Copies in the spare slots: two experts are at home on each GPU, and one slot is spare. */
template <std::size_t Sources>
static void copies(small &s, bool by_source) {
  std::array<std::int32_t, L * P> home, slots, rows_slots, held;
  for (std::size_t i = 0; i < home.size(); i++)
    home[i] = i % 3 == 2 ? -1 : static_cast<std::int32_t>(i % P / 3 * 2 + i % 3);
  std::array<std::uint32_t, L * Sources * E> sent;
  std::uint32_t random = 3;
  for (std::size_t i = 0; i < sent.size(); i++) sent[i] = random_next(random) % (i % E < 2 ? 400 : 50);
  std::array<std::uint32_t, L * Sources * P> quota, quota_rows;
  std::array<std::uint32_t, L * Sources * E * G> end;
  std::array<std::int32_t, L * E * G> place;
  std::array<eplb::fetch, L * G> fetches, fetches_rows{};
  std::array<eplb::replicated, L> found, found_rows;
  eplb::replication batch;
  batch.tokens = sent;
  batch.by_source = by_source;
  batch.tolerance = 51;
  eplb::replicas out{slots, quota, end, place, G, fetches, found};
  CHECK(eplb::replicate(s.problem, {}, s.workspace, home, batch, out));
  std::uint32_t count = 0;
  for (const eplb::replicated &layer : found) {
    CHECK(layer.fetches > 0 && layer.limit == EPLB_REPLICATE_LIMIT_NONE);
    count += layer.fetches;
  }

  // in C
  eplb_problem problem = s.in_c();
  eplb_placement at_home = eplb_placement_of(home.data());
  eplb_replication request = EPLB_REPLICATION_INIT;
  request.num_sources = by_source ? G : 0;
  request.tokens = sent.data();
  request.tolerance = 51;
  eplb_replicas rows = EPLB_REPLICAS_INIT;
  rows.physical_to_logical = rows_slots.data();
  rows.quota = quota_rows.data();
  rows.fetches = fetches_rows.data();
  rows.capacity = L * G;
  CHECK(eplb_replicate(&problem, nullptr, s.workspace.data(), s.workspace.size(), &at_home, &request, &rows) ==
        EPLB_STATUS_OK);
  CHECK(same_bytes(slots, rows_slots) && same_bytes(quota, quota_rows));
  CHECK(std::memcmp(fetches.data(), fetches_rows.data(), count * sizeof fetches[0]) == 0);

  // a layer a call: its rows, and its fetches with the number that it has
  quota_rows.fill(0);
  rows_slots.fill(-2);
  for (std::uint32_t l = 0, first = 0; l < L; first += found_rows[l++].fetches) {
    const span<eplb::fetch> rest(fetches_rows.data() + first, fetches_rows.size() - first);
    CHECK(eplb::replicate(s.problem.layer(l), {}, s.workspace, home, batch,
                          {rows_slots, quota_rows, {}, {}, 0, rest, found_rows}));
  }
  CHECK(same_bytes(slots, rows_slots) && same_bytes(quota, quota_rows) && same_bytes(found, found_rows));
  CHECK(std::memcmp(fetches.data(), fetches_rows.data(), count * sizeof fetches[0]) == 0);

  // every token goes somewhere, and what arrives are the quotas
  std::array<std::uint32_t, L * Sources * P> arrived{};
  for (std::uint32_t l = 0; l < L; l++)
    for (std::uint32_t from = 0; from < Sources; from++)
      for (std::uint32_t e = 0; e < E; e++)
        for (std::uint32_t i = 0; i < sent[(l * Sources + from) * E + e]; i++) {
          const std::int32_t to = eplb::route(s.problem, out.routes(), l, e, i, from);
          CHECK(to >= 0 && slots[l * P + static_cast<std::uint32_t>(to)] == static_cast<std::int32_t>(e));
          arrived[(l * Sources + from) * P + static_cast<std::uint32_t>(to)]++;
        }
  CHECK(same_bytes(arrived, quota));

  // the same batch again finds its copies where they are
  held = slots;
  batch.held = held;
  CHECK(eplb::replicate(s.problem, {}, s.workspace, home, batch, out));
  for (const eplb::replicated &layer : found) CHECK(layer.fetches == 0);
}

static void loads(small &s) {
  eplb::tracker_config config;
  config.num_windows = 4;
  config.num_layers = L;
  config.num_logical_experts = E;
  alignas(8) std::array<std::byte, 2048> memory{}, saved;
  const auto layout = eplb::tracker_layout(config);
  CHECK(layout && layout->size <= memory.size());
  const span<std::byte> fitting(memory.data(), layout->size);
  CHECK(eplb::tracker(fitting).close().status() == EPLB_STATUS_TRACKER_FOREIGN);
  CHECK(eplb::tracker().close().status() == EPLB_STATUS_NULL_POINTER);
  auto tracker = eplb::tracker::init(config, fitting);
  CHECK(tracker && tracker->windows().status() == EPLB_STATUS_TRACKER_EMPTY);

  const maps_of_plan plan = planned(s);
  std::array<std::uint32_t, P> slots;
  for (std::uint32_t w = 0; w < 3; w++) {
    for (std::uint32_t l = 0; l < L; l++) {
      slots.fill(100 * (w + 1) + l);
      const span<const std::int32_t> row(&plan.slots[l * P], P);
      CHECK(tracker->observe(l, slots, row));
      CHECK(tracker->observe(l, {slots.data(), E}));
      CHECK(tracker->observe(l, {slots.data(), E}, row).status() == EPLB_STATUS_TRACKER_COUNTS);
    }
    CHECK(tracker->close());
  }
  const auto told = tracker->windows();
  CHECK(told && told->num_windows == 3 && told->closed == 3 && told->load.size() == 3 * L * E);
  saved = memory;
  const auto restored = eplb::tracker({saved.data(), layout->size}).windows();
  CHECK(restored && std::memcmp(restored->load.data(), told->load.data(), 3 * L * E * sizeof(float)) == 0);

  // the windows are a problem's load as they lie, of all layers and of one
  maps_of_plan whole, rows;
  const eplb::problem on_windows = s.problem.on(*told);
  CHECK(eplb::plan(on_windows, {}, s.workspace, whole.placement(), whole.metrics));
  for (std::uint32_t l = 0; l < L; l++)
    CHECK(eplb::plan(on_windows.layer(l), {}, s.workspace, rows.placement(), rows.metrics));
  CHECK(whole == rows);

  std::array<float, L * 3> weights;
  std::array<std::uint32_t, L> counted;
  CHECK(eplb::window_weights(*told, {}, weights, counted));
  CHECK(weights[0] == 1 && counted[0] == 3);
  std::array<float, L * E> newest, mean;
  CHECK(eplb::forecast(*told, {}, newest));
  CHECK(std::memcmp(newest.data(), told->load.data() + 2 * L * E, sizeof newest) == 0);
  eplb::forecast_options of_mean;
  of_mean.method = EPLB_FORECAST_METHOD_MEAN;
  CHECK(eplb::forecast(*told, of_mean, mean));
  CHECK(mean[0] < newest[0]);
}

/* Flags are of a type: or-ed with one another, and no number. */
static void flags() {
  static_assert(!std::is_convertible_v<eplb::flags, std::uint32_t> && !std::is_convertible_v<std::uint32_t, eplb::flags>);
  constexpr eplb::flags both = eplb::flags::survive_gpu | eplb::flags::external_source;
  static_assert((both & eplb::flags::survive_gpu) == eplb::flags::survive_gpu);
  static_assert((both & eplb::flags::dispatch) == eplb::flags::none && (both & ~both) == eplb::flags::none);
  eplb::flags some = eplb::flags::dispatch;
  some |= both;
  some &= ~eplb::flags::survive_gpu;
  CHECK(some == (eplb::flags::dispatch | eplb::flags::external_source));

  small s;
  s.options.scope = eplb::scope::global;
  s.options.flags = eplb::flags::survive_gpu | eplb::flags::dispatch;
  maps_of_plan out;
  s.problem.num_logical_experts = P / 2;
  s.problem.load = {s.load.data(), L * P / 2};
  CHECK(eplb::plan(s.problem, s.options, s.workspace, {out.slots}, out.metrics));
  CHECK(out.metrics[0].dispatch_bound > 0);
}

void the_face() {
  CHECK(eplb::version_fits());
  CHECK(route_of_h_first() == &eplb_route);
  flags();
  for (eplb::policy policy : {eplb::policy::balanced, eplb::policy::deepseek, eplb::policy::waterfill_fixup}) {
    small s;
    s.options.policy = policy;
    plans(s);
    numbered(s);
    checks(s);
  }
  small everything;
  everything.options.scope = eplb::scope::global;
  plans(everything.with_everything());
  small s;
  s.options.policy = eplb::policy::deepseek; // leaves no slot empty
  measured(s);
  migration(s);
  gates();
  tokens<1>(s, false);
  tokens<G>(s, true);
  copies<1>(s, false);
  copies<G>(s, true);
  loads(s);
}
