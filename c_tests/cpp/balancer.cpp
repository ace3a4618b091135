/* The loop as one object: what it does is what the same calls do by hand, what ends in the middle loses nothing, and it
   goes on after saving, losses, growth and shrinking. */
#include "eplb_balancer.hpp"

#include "small.hpp"

namespace {

constexpr std::uint32_t LAYERS = 3, EXPERTS = 32, SLOTS = 40, GPUS = 8;

/* Tokens of a step: a few experts are hot, others in each phase. */
std::vector<std::uint32_t> tokens(std::uint32_t layer, std::uint32_t phase, std::uint32_t step) {
  std::uint32_t x = 2463534242u + layer * 977 + phase * 7919;
  std::vector<std::uint32_t> counts(EXPERTS);
  for (std::uint32_t &count : counts) {
    const std::uint32_t bits = random_next(x);
    count = 100 + bits % 200 + (bits % 7 == 0 ? 1500 : 0) + (bits >> 8) * (step + 1) % 9;
  }
  return counts;
}

eplb::balancer_config config_of(std::uint32_t max_moves) {
  eplb::balancer_config config;
  config.machine.num_layers = LAYERS;
  config.machine.num_logical_experts = EXPERTS;
  config.machine.num_physical_experts = SLOTS;
  config.machine.num_nodes = 2;
  config.machine.num_gpus = GPUS;
  config.how.scope = eplb::scope::global;
  config.how.max_moves = max_moves;
  config.num_windows = 4;
  config.spare_buffers = SLOTS / GPUS;
  return config;
}

/* An engine's first map: experts in order, then the first ones again. */
std::vector<std::int32_t> in_order(std::uint32_t slots = SLOTS) {
  std::vector<std::int32_t> map;
  for (std::uint32_t layer = 0; layer < LAYERS; layer++)
    for (std::uint32_t slot = 0; slot < slots; slot++) map.push_back(static_cast<std::int32_t>(slot % EXPERTS));
  return map;
}

struct loop {
  eplb::memory memory;
  eplb::balancer at;

  explicit loop(const eplb::balancer_config &config, const std::vector<std::int32_t> &map = in_order()) {
    auto block = eplb::allocate(eplb::balancer::memory_layout(config));
    CHECK(block);
    memory = std::move(*block);
    auto made = eplb::balancer::start(config, map, memory);
    CHECK(made);
    at = *made;
  }
  explicit loop(eplb::span<const std::byte> saved) {
    auto block = eplb::allocate(eplb::balancer::memory_layout(saved));
    CHECK(block);
    memory = std::move(*block);
    auto made = eplb::balancer::resume(saved, memory);
    CHECK(made);
    at = *made;
  }
  void window(std::uint32_t phase) {
    for (std::uint32_t step = 0; step < 3; step++)
      for (std::uint32_t layer = 0; layer < LAYERS; layer++) CHECK(at.observe(layer, tokens(layer, phase, step)));
    CHECK(at.close_window());
  }
  /* Moves what waits, as the list says, in slots of its own; what is then there is what is in force. */
  void move() {
    while (!at.waiting().empty()) {
      const std::uint32_t layer = at.waiting()[0];
      const std::size_t slots = at.in_force().size() / LAYERS;
      const auto moves = at.prepare(layer);
      CHECK(moves);
      std::vector<std::int32_t> held(at.in_force().begin(), at.in_force().end());
      for (const eplb::transfer &one : *moves) {
        CHECK(one.layer == static_cast<std::int32_t>(layer));
        if (one.source_slot >= 0)
          held[layer * slots + static_cast<std::size_t>(one.destination_slot)] = one.expert;
      }
      const std::vector<std::int32_t> next(at.proposed().begin(), at.proposed().end());
      for (std::size_t slot = 0; slot < slots; slot++) {
        const std::size_t here = layer * slots + slot;
        if (next[here] >= 0) CHECK(held[here] == next[here] || !moves->empty());
      }
      CHECK(at.commit(layer));
      CHECK(same_bytes(std::vector<std::int32_t>(next.begin() + static_cast<long>(layer * slots),
                                                 next.begin() + static_cast<long>((layer + 1) * slots)),
                       std::vector<std::int32_t>(at.in_force().begin() + static_cast<long>(layer * slots),
                                                 at.in_force().begin() + static_cast<long>((layer + 1) * slots))));
    }
  }
  double balance(std::uint32_t phase) {
    std::vector<float> load;
    for (std::uint32_t layer = 0; layer < LAYERS; layer++)
      for (std::uint32_t count : tokens(layer, phase, 0)) load.push_back(static_cast<float>(count));
    eplb::problem p = at.machine();
    p.load = load;
    auto workspace = eplb::allocate(eplb::workspace_layout({eplb::operation::evaluate}, p));
    std::array<eplb::metrics, LAYERS> metrics;
    CHECK(eplb::evaluate(p, {}, *workspace, at.in_force(), metrics));
    return (metrics[0].balance + metrics[1].balance + metrics[2].balance) / LAYERS;
  }
  std::uint32_t lost(std::uint32_t layer) {
    std::vector<bool> there(EXPERTS);
    const std::size_t slots = at.in_force().size() / LAYERS, width = slots / at.machine().num_gpus;
    for (std::size_t slot = 0; slot < slots; slot++) {
      const std::int32_t expert = at.in_force()[layer * slots + slot];
      const bool dead = !at.machine().gpu_state.empty() && at.machine().gpu_state[slot / width] != EPLB_GPU_ALIVE;
      if (expert >= 0 && !dead) there[static_cast<std::size_t>(expert)] = true;
    }
    std::uint32_t missing = 0;
    for (bool is : there) missing += is ? 0 : 1;
    return missing;
  }
};

void it_follows_the_load() {
  for (std::uint32_t max_moves : {0u, 8u}) {
    loop l(config_of(max_moves));
    CHECK(l.at.plan().status() == EPLB_STATUS_TRACKER_EMPTY);
    const double before = l.balance(0);
    for (std::uint32_t phase = 0; phase < 6; phase++) {
      l.window(phase / 3);
      CHECK(l.at.plan());
      const std::uint64_t moved = l.at.progress().moved_slots;
      const std::size_t layers = l.at.waiting().size();
      l.move();
      if (max_moves != 0) CHECK(l.at.progress().moved_slots - moved <= max_moves * layers);
      CHECK(l.balance(phase / 3) > before);
    }
    CHECK(l.balance(1) > 0.9);
    CHECK(l.at.progress().plans == 6 && l.at.progress().steps == 18 && l.at.progress().aborted == 0);
  }
}

void the_gate_keeps_what_does_not_pay() {
  eplb::balancer_config config = config_of(0);
  config.gated = true;
  config.prices.step_seconds = 0.05;
  config.prices.steps = 100000;
  config.prices.gpu_bandwidth = 50e9;
  config.prices.bytes_per_expert = 44e6;
  config.prices.node_bandwidth = 100e9;
  loop cheap(config);
  config.prices.steps = 1; /* no time to earn anything: an expert takes as long as a step */
  config.prices.bytes_per_expert = 2.5e9;
  loop dear(config);
  for (loop *l : {&cheap, &dear})
    for (std::uint32_t window = 0; window < 3; window++) l->window(0);
  CHECK(cheap.at.plan() && cheap.at.waiting().size() == LAYERS);
  const eplb::result<> none = dear.at.plan();
  CHECK((none && dear.at.waiting().empty()) || none.status() == EPLB_STATUS_GATE_NEVER);
  CHECK(std::memcmp(dear.at.in_force().data(), dear.at.proposed().data(), sizeof(std::int32_t) * LAYERS * SLOTS) == 0);
  cheap.move();
  cheap.window(0);
  CHECK(cheap.at.plan() && cheap.at.waiting().empty()); /* the same load: nothing to gain */
  config.prices.flags = EPLB_GATE_SECONDS;
  CHECK(eplb::balancer::memory_layout(config).status() == EPLB_STATUS_UNSUPPORTED_FLAG);
}

void what_ends_in_the_middle_loses_nothing() {
  loop l(config_of(0));
  l.window(0);
  CHECK(l.at.plan());
  const std::vector<std::int32_t> before(l.at.in_force().begin(), l.at.in_force().end());
  const std::uint32_t layer = l.at.waiting()[0];
  CHECK(l.at.commit(layer).status() == EPLB_STATUS_ARRAY_LENGTH); /* not prepared */
  CHECK(l.at.prepare(layer));
  const std::vector<std::byte> saved(l.at.saved().begin(), l.at.saved().end());
  CHECK(l.at.abort(layer));
  CHECK(l.at.abort(layer).status() == EPLB_STATUS_ARRAY_LENGTH);
  CHECK(l.at.prepare(LAYERS).status() == EPLB_STATUS_ARRAY_LENGTH);
  CHECK(same_bytes(before, std::vector<std::int32_t>(l.at.in_force().begin(), l.at.in_force().end())));
  /* another process takes it up, at another address, and the weights had arrived */
  loop again{eplb::span<const std::byte>(saved)};
  CHECK(same_bytes(before, std::vector<std::int32_t>(again.at.in_force().begin(), again.at.in_force().end())));
  CHECK(again.at.waiting().size() == l.at.waiting().size() + 1 && again.at.commit(layer));
  again.move();
  l.window(1);
  CHECK(l.at.plan()); /* aborts what waits */
  l.at.commit_all();
  again.window(1);
  CHECK(again.at.plan());
  again.at.abort_all();
  CHECK(again.at.waiting().empty() && again.at.progress().aborted >= 1);
  /* damage is seen, wherever it is told apart */
  for (std::size_t size : {std::size_t{0}, std::size_t{8}, saved.size() - 1})
    CHECK(!eplb::balancer::memory_layout(eplb::span<const std::byte>(saved.data(), size)) ||
          !eplb::balancer::resume({saved.data(), size}, again.memory));
  std::vector<std::byte> bad = saved;
  bad[0] ^= std::byte{1};
  CHECK(eplb::balancer::resume(bad, again.memory).status() == EPLB_STATUS_TRACKER_FOREIGN);
  bad = saved;
  bad.back() ^= std::byte{1};
  CHECK(eplb::balancer::resume(bad, again.memory).status() == EPLB_STATUS_TRACKER_TORN);
}

/* What is said of the GPUs is kept, too: slots and speeds that differ, and how many replicas there may be. */
void gpus_that_differ() {
  eplb::balancer_config config = config_of(0);
  std::vector<std::uint32_t> slots(GPUS, SLOTS / GPUS);
  slots[0] += 2;
  slots[5] -= 2;
  std::vector<float> speed(GPUS, 1);
  speed[2] = 0.5;
  config.machine.gpu_slots = slots;
  config.machine.gpu_speed = speed;
  config.max_replicas = 2;
  loop l(config);
  slots.assign(GPUS, 0); /* the loop has copies */
  l.window(0);
  const std::vector<std::byte> saved(l.at.saved().begin(), l.at.saved().end());
  loop again{eplb::span<const std::byte>(saved)};
  CHECK(again.at.machine().gpu_slots[0] == SLOTS / GPUS + 2 && again.at.machine().gpu_speed[2] == 0.5f);
  CHECK(l.at.plan() && again.at.plan());
  CHECK(std::memcmp(l.at.proposed().data(), again.at.proposed().data(), sizeof(std::int32_t) * LAYERS * SLOTS) == 0);
  for (std::uint32_t layer = 0; layer < LAYERS; layer++) {
    std::array<std::uint32_t, EXPERTS> count{};
    for (std::int32_t expert : l.at.proposed().subspan(layer * SLOTS, SLOTS))
      if (expert >= 0) CHECK(++count[static_cast<std::size_t>(expert)] <= 2);
  }
  /* sizes that were damaged are seen, whatever they have become */
  std::vector<std::byte> bad = saved;
  for (std::size_t at = 8 * 16; at < 8 * 400; at += 3) {
    const std::byte bit{static_cast<unsigned char>(1u << at % 8)};
    bad[at / 8] ^= bit;
    const auto layout = eplb::balancer::memory_layout(eplb::span<const std::byte>(bad));
    if (layout && layout->size < 1u << 24) {
      auto block = eplb::allocate(layout);
      CHECK(block);
      auto taken = eplb::balancer::resume(bad, *block);
      if (taken) (void)taken->plan();
    }
    bad[at / 8] ^= bit;
  }
}

/* Seconds of what each layer of a proposal takes in an average step, dispatched. */
double seconds_of(loop &l, eplb::span<const std::int32_t> held, double step_tokens) {
  std::vector<std::uint32_t> batch;
  for (std::uint32_t layer = 0; layer < LAYERS; layer++) {
    double sum = 0;
    for (std::uint32_t count : tokens(layer, 0, 0)) sum += count;
    for (std::uint32_t count : tokens(layer, 0, 0))
      batch.push_back(static_cast<std::uint32_t>(std::lround(count / sum * step_tokens)));
  }
  std::vector<std::uint32_t> quota(held.size());
  std::array<eplb::split, LAYERS> split;
  const eplb::problem machine = l.at.machine();
  auto workspace = eplb::allocate(eplb::workspace_layout({eplb::operation::dispatch}, machine));
  eplb::quotas quotas;
  quotas.quota = quota;
  quotas.per_layer = split;
  CHECK(eplb::dispatch(machine, {}, *workspace, held, {batch, false}, quotas));
  return split[0].largest_time + split[1].largest_time + split[2].largest_time;
}

/* The cost of a machine is kept, too: plans are for the least seconds of a step. */
void a_step_takes_seconds() {
  const eplb::cost never(0, 0, 1);
  const eplb::cost h200(0.0945e-6, 11.5e-6, 18e-6);
  eplb::balancer_config config = config_of(0);
  loop in_tokens(config);
  config.machine.cost = &h200;
  CHECK(eplb::balancer::memory_layout(config).status() == EPLB_STATUS_STEP_TOKENS);
  config.step_tokens = 128 * GPUS * 8;
  config.machine.cost = &never;
  CHECK(eplb::balancer::memory_layout(config).status() == EPLB_STATUS_COST);
  {
    const eplb::cost gone = h200; /* the loop has a copy */
    config.machine.cost = &gone;
    loop l(config);
    config.machine.cost = nullptr;
    l.window(0), l.window(0), in_tokens.window(0), in_tokens.window(0);
    const std::vector<std::byte> saved(l.at.saved().begin(), l.at.saved().end());
    loop again{eplb::span<const std::byte>(saved)};
    CHECK(l.at.plan() && again.at.plan() && in_tokens.at.plan());
    CHECK(std::memcmp(l.at.proposed().data(), again.at.proposed().data(), sizeof(std::int32_t) * LAYERS * SLOTS) == 0);
    CHECK(l.at.plan_metrics()[0].max_gpu_seconds > h200.layer_seconds);
    CHECK(in_tokens.at.plan_metrics()[0].max_gpu_seconds == 0);
    /* the gate weighs them, too: what a step gains, against what a move costs */
    config.machine.cost = &gone;
    config.gated = true;
    config.prices.gpu_bandwidth = 50e9;
    config.prices.bytes_per_expert = 44e6;
    for (double steps : {1e6, 10.0}) {
      config.prices.steps = steps;
      loop gated(config);
      gated.window(0), gated.window(0);
      const std::vector<std::byte> bytes(gated.at.saved().begin(), gated.at.saved().end());
      loop taken_up{eplb::span<const std::byte>(bytes)};
      for (loop *one : {&gated, &taken_up})
        CHECK(one->at.plan() && one->at.waiting().size() == (steps > 10 ? LAYERS : 0));
    }
    const double now = seconds_of(l, l.at.in_force(), config.step_tokens);
    const double planned = seconds_of(l, l.at.proposed(), config.step_tokens);
    CHECK(planned < now && planned < seconds_of(l, in_tokens.at.proposed(), config.step_tokens));
  }
}

void a_warm_up_is_forgotten() {
  loop one(config_of(0)), two(config_of(0));
  CHECK(one.at.observe(0, tokens(0, 9, 0)) && one.at.discard_window());
  one.window(0);
  two.window(0);
  CHECK(one.at.plan() && two.at.plan());
  CHECK(std::memcmp(one.at.proposed().data(), two.at.proposed().data(), sizeof(std::int32_t) * LAYERS * SLOTS) == 0);
}

void gpus_die_and_ranks_come_and_go() {
  loop l(config_of(8));
  std::vector<std::uint8_t> state(GPUS, EPLB_GPU_ALIVE);
  state[3] = EPLB_GPU_LEAVING; /* before any window: loads that are all alike */
  CHECK(l.at.repair(state));
  l.move();
  for (std::uint32_t layer = 0; layer < LAYERS; layer++) CHECK(l.lost(layer) == 0);
  state[3] = EPLB_GPU_DEAD;
  CHECK(l.at.repair(state));
  l.move();
  l.window(0);
  const std::vector<std::int32_t> before(l.at.in_force().begin(), l.at.in_force().end());
  std::vector<std::uint8_t> gone(GPUS, EPLB_GPU_DEAD);
  gone[7] = EPLB_GPU_ALIVE;
  CHECK(!l.at.repair(gone)); /* one GPU has no room for all */
  CHECK(l.at.repair({}).status() == EPLB_STATUS_ARRAY_LENGTH);
  CHECK(same_bytes(before, std::vector<std::int32_t>(l.at.in_force().begin(), l.at.in_force().end())));
  CHECK(l.at.machine().gpu_state[6] == EPLB_GPU_ALIVE);

  /* more GPUs: the new slots are filled, whatever the limit */
  eplb::balancer_config more = config_of(8);
  more.machine.num_gpus = GPUS + 4;
  more.machine.num_physical_experts = SLOTS + 20;
  auto block = eplb::allocate(eplb::balancer::memory_layout(more));
  auto grown = eplb::balancer::resized(l.at, more, *block);
  CHECK(grown);
  loop big(more, in_order(SLOTS + 20));
  big.memory = std::move(*block);
  big.at = *grown;
  big.move();
  for (std::int32_t expert : big.at.in_force()) CHECK(expert >= 0);
  CHECK(big.at.progress().steps == l.at.progress().steps);
  big.window(0);
  CHECK(big.at.plan());
  big.move();
  /* fewer: what was only on the ranks that go comes from outside, or is refused */
  eplb::balancer_config fewer = config_of(8);
  fewer.machine.num_gpus = GPUS - 1;
  fewer.machine.num_nodes = 1;
  fewer.machine.num_physical_experts = SLOTS - 5;
  auto small = eplb::allocate(eplb::balancer::memory_layout(fewer));
  auto refused = eplb::balancer::resized(big.at, fewer, *small);
  CHECK(!refused && refused.status() == EPLB_STATUS_SOURCE_LOST);
  auto shrunk = eplb::balancer::resized(big.at, fewer, *small, true);
  CHECK(shrunk);
  shrunk->commit_all();
  std::vector<bool> there(EXPERTS);
  for (std::int32_t expert : shrunk->in_force().subspan(0, SLOTS - 5)) there[static_cast<std::size_t>(expert)] = true;
  for (bool is : there) CHECK(is);
  fewer.num_windows = 5;
  CHECK(eplb::balancer::resized(big.at, fewer, big.memory).status() == EPLB_STATUS_ARRAY_LENGTH);
}

/* A GPU that comes back is empty, whether or not its repair was committed; more slots a GPU keep what each holds. */
void what_each_gpu_holds() {
  loop l(config_of(EPLB_MOVES_NONE));
  std::vector<std::uint8_t> state(GPUS, EPLB_GPU_ALIVE);
  state[1] = EPLB_GPU_DEAD;
  CHECK(l.at.repair(state, true));
  l.at.abort_all();
  for (std::uint32_t slot = 5; slot < 10; slot++) CHECK(l.at.in_force()[slot] == -1);
  state[1] = EPLB_GPU_ALIVE;
  CHECK(l.at.repair(state, true));
  l.at.commit_all();
  for (std::uint32_t layer = 0; layer < LAYERS; layer++) CHECK(l.lost(layer) == 0);

  eplb::balancer_config wider = config_of(EPLB_MOVES_NONE);
  wider.machine.num_physical_experts = GPUS * 7;
  auto block = eplb::allocate(eplb::balancer::memory_layout(wider));
  auto grown = eplb::balancer::resized(l.at, wider, *block);
  CHECK(grown);
  for (std::uint32_t layer = 0; layer < LAYERS; layer++)
    for (std::uint32_t gpu = 0; gpu < GPUS; gpu++)
      for (std::uint32_t slot = 0; slot < 7; slot++) {
        const std::int32_t had = slot < 5 ? l.at.in_force()[(layer * GPUS + gpu) * 5 + slot] : -1;
        const std::size_t here = (layer * GPUS + gpu) * 7 + slot;
        CHECK(grown->in_force()[here] == had);
        CHECK(grown->proposed()[here] >= 0 && (had < 0 || grown->proposed()[here] == had)); /* filled, and no more */
      }
}

void bad_loops_are_refused() {
  eplb::balancer_config config = config_of(0);
  loop l(config);
  CHECK(eplb::balancer::start(config, in_order(3), l.memory).status() == EPLB_STATUS_ARRAY_LENGTH);
  std::vector<std::int32_t> bad = in_order();
  bad[7] = EXPERTS;
  CHECK(eplb::balancer::start(config, bad, l.memory).status() == EPLB_STATUS_PLACEMENT_EXPERT);
  const eplb::span<std::byte> whole = l.memory;
  for (std::size_t from : {std::size_t{1}, std::size_t{8}})
    CHECK(eplb::balancer::start(config, in_order(), whole.subspan(from, whole.size() - from)).status() ==
          EPLB_STATUS_WORKSPACE_TOO_SMALL);
  config.num_windows = 33;
  CHECK(eplb::balancer::memory_layout(config).status() == EPLB_STATUS_TOO_MANY_WINDOWS);
  config = config_of(0);
  config.half_life = -1;
  CHECK(eplb::balancer::memory_layout(config).status() == EPLB_STATUS_FORECAST_OPTION);
  config = config_of(0);
  config.machine.num_gpus = 0;
  CHECK(eplb::balancer::memory_layout(config).status() == EPLB_STATUS_SHAPE_ZERO);
}

} // namespace

void the_balancer() {
  it_follows_the_load();
  the_gate_keeps_what_does_not_pay();
  what_ends_in_the_middle_loses_nothing();
  gpus_that_differ();
  a_step_takes_seconds();
  a_warm_up_is_forgotten();
  gpus_die_and_ranks_come_and_go();
  what_each_gpu_holds();
  bad_loops_are_refused();
}
